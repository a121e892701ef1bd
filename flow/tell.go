package flow

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
	"github.com/castnet-go/castnet/wire"
)

// Tell tells the client, by an ICMP message, what has become of a datagram that it
// sent and that was sent on: what [castnet.Conn.ReadError] says of an upstream Conn. Of
// m it takes the errno, with EMSGSIZE the MTU in Info, the payload that is quoted, and
// the offender, in whose name the client is told if it is a host of the client's
// family; otherwise the destination tells.
//
// The client is told of ECONNREFUSED, EHOSTUNREACH, EHOSTDOWN, ENETUNREACH, ENOPROTOOPT,
// EACCES, EPERM and, with an MTU, EMSGSIZE; of others there is nothing to be said, and
// Tell returns ErrNotSupported. As from a host of Linux, six messages go in a row and
// then one a second, but for those of EMSGSIZE, without which no path MTU is discovered.
// What is beyond that is not sent, which is no error. An error is what
// stack.Stack.SendPacket returns.
func (f *Flow) Tell(m *castnet.ErrorMessage) error {
	s := stackOf(f.Network())
	if s == nil {
		return socket.ErrNotSupported
	}
	client, destination := f.Client(), f.Destination()
	is4 := client.Addr().Is4()
	t, code, ok := icmpOf(m.Errno, is4)
	if m.Origin == socket.OriginICMP && is4 && m.Type == t || m.Origin == socket.OriginICMPv6 && !is4 && m.Type == t {
		code = m.Code // which says more than the errno
	}
	mtu := 0
	if m.Errno == syscall.EMSGSIZE {
		// The MTU of the path that another family's packets take leaves room for
		// the same payload.
		mtu = int(m.Info)
		if upstream := m.Addr.Addr().Unmap(); upstream.IsValid() {
			mtu += headerLen(is4) - headerLen(upstream.Is4())
		}
		ok = ok && int(m.Info) >= minMTU
	}
	if !ok {
		return socket.ErrNotSupported
	}
	if mtu == 0 && !f.mayTell() {
		return nil
	}
	from := destination.Addr()
	if o := m.Offender.Unmap().WithZone(""); o.Is4() == is4 && o.IsGlobalUnicast() && o != m.Addr.Addr().Unmap() {
		from = o
	}
	b := icmpMessage(from, client, destination, t, code, mtu, m.Buf)
	b.Interface = int32(f.zone(client.Addr().Zone()))
	return s.SendPacket(b)
}

// minMTU is the least that an MTU can be (RFC 791).
const minMTU = 68

func headerLen(is4 bool) int {
	if is4 {
		return wire.IPv4HeaderLen
	}
	return wire.IPv6HeaderLen
}

// stackOf returns the stack that a network is, as a lab's host is one.
func stackOf(n castnet.Network) *stack.Stack {
	switch n := n.(type) {
	case *stack.Stack:
		return n
	case interface{ Stack() *stack.Stack }:
		return n.Stack()
	}
	return nil
}

// zone returns the index of an interface, 0 if the name is empty.
func (f *Flow) zone(name string) int {
	if name == "" {
		return 0
	}
	list, _ := f.Network().Interfaces()
	for _, i := range list {
		if i.Name == name {
			return i.Index
		}
	}
	return 0
}

// icmpOf returns the type and the code of the message by which an errno comes about.
func icmpOf(errno syscall.Errno, is4 bool) (t, code uint8, ok bool) {
	type word struct {
		code4 wire.ICMPCode
		code6 wire.ICMPv6Code
	}
	var w word
	switch errno {
	case syscall.ECONNREFUSED:
		w = word{wire.ICMPPortUnreachable, wire.ICMPv6PortUnreachable}
	case syscall.EHOSTUNREACH, syscall.EHOSTDOWN:
		w = word{wire.ICMPHostUnreachable, wire.ICMPv6AddressUnreachable}
	case syscall.ENETUNREACH:
		w = word{wire.ICMPNetUnreachable, wire.ICMPv6NoRoute}
	case syscall.ENOPROTOOPT:
		w = word{wire.ICMPProtocolUnreachable, wire.ICMPv6PortUnreachable} // RFC 7915, 5.2
	case syscall.EACCES, syscall.EPERM:
		w = word{wire.ICMPAdminProhibited, wire.ICMPv6AdminProhibited}
	case syscall.EMSGSIZE:
		if !is4 {
			return uint8(wire.ICMPv6PacketTooBig), 0, true
		}
		w = word{code4: wire.ICMPFragmentationNeeded}
	default:
		return 0, 0, false
	}
	if is4 {
		return uint8(wire.ICMPDestinationUnreachable), uint8(w.code4), true
	}
	return uint8(wire.ICMPv6DestinationUnreachable), uint8(w.code6), true
}

// icmpMessage makes a whole packet: an ICMP error to who has sent a datagram with this
// payload, or with one that begins with it.
func icmpMessage(from netip.Addr, client, destination netip.AddrPort, t, code uint8, mtu int, payload []byte) *packet.Buffer {
	is4 := client.Addr().Is4()
	most := 576 // RFC 1812, 4.3.2.3
	if !is4 {
		most = wire.IPv6MinMTU // RFC 4443, 2.4
	}
	head := headerLen(is4)
	payload = payload[:min(len(payload), most-2*head-wire.ICMPHeaderLen-wire.UDPHeaderLen)]
	quoted := head + wire.UDPHeaderLen + len(payload)

	b := packet.New(head + wire.ICMPHeaderLen + quoted)
	all := b.Append(head + wire.ICMPHeaderLen + quoted)
	putIP(all, from, client.Addr(), wire.ProtocolICMP)
	message := all[head:]
	quote := message[wire.ICMPHeaderLen:]
	pseudo := putIP(quote, client.Addr(), destination.Addr(), wire.ProtocolUDP)
	u := wire.PutUDP(quote[head:])
	u.SetSourcePort(client.Port())
	u.SetDestinationPort(destination.Port())
	u.SetLength(uint16(quoted - head))
	copy(quote[head+wire.UDPHeaderLen:], payload)
	u.UpdateChecksum(pseudo, payload)
	if is4 {
		h := wire.PutICMP(message, wire.ICMPType(t), wire.ICMPCode(code))
		h.SetMTU(uint16(min(mtu, 1<<16-1)))
		h.UpdateChecksum(quote)
	} else {
		wire.PutICMPv6(message, wire.ICMPv6Type(t), wire.ICMPv6Code(code)).SetMTU(uint32(mtu))
		wire.UpdateICMPv6Checksum(message, from.As16(), client.Addr().As16())
	}
	return b
}

// putIP makes the header of a packet that fills p, of the protocol, which as ICMP is
// that of the addresses' family, and returns the sum of its pseudo-header.
func putIP(p []byte, src, dst netip.Addr, proto wire.Protocol) uint16 {
	if dst.Is4() {
		h := wire.PutIPv4(p)
		h.SetTotalLength(uint16(len(p)))
		h.SetTTL(64)
		h.SetProtocol(proto)
		h.SetSource(src)
		h.SetDestination(dst)
		if proto == wire.ProtocolICMP {
			h.SetTOS(0xc0) // internetwork control: RFC 1812, 4.3.2.5
		}
		h.UpdateChecksum(nil)
		return h.PseudoSum(uint16(len(p) - wire.IPv4HeaderLen))
	}
	if proto == wire.ProtocolICMP {
		proto = wire.ProtocolICMPv6
	}
	h := wire.PutIPv6(p)
	h.SetPayloadLength(uint16(len(p) - wire.IPv6HeaderLen))
	h.SetHopLimit(64)
	h.SetNextHeader(proto)
	h.SetSource(src)
	h.SetDestination(dst)
	return h.PseudoSum(proto, uint32(len(p)-wire.IPv6HeaderLen))
}

// How often a client is told: Linux's icmp_ratelimit.
const (
	tellBurst    = 6
	tellInterval = time.Second
)

// mayTell reports whether the client may be told of one more error now, and counts it.
func (f *Flow) mayTell() bool {
	s := f.server
	now := s.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	// told is when the tokens that were spent will all be there again.
	if f.told.Before(now) {
		f.told = now
	}
	if f.told.Sub(now) > (tellBurst-1)*tellInterval {
		return false
	}
	f.told = f.told.Add(tellInterval)
	return true
}

// errnoOf returns the errno in an error, 0 if there is none.
func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	errors.As(err, &errno)
	return errno
}

// tellAll tells the client what has been heard of an upstream connection that has
// returned err: all that waits in its error queue. If it has no such queue, or nothing is
// there and err is about the payload that was to be written, it is err that the client is
// told of. It has to be called for every such error, since what waits takes the room of
// datagrams.
func (f *Flow) tellAll(upstream net.Conn, err error, payload []byte) {
	if c := conn(upstream); c != nil {
		var buf [576]byte
		m := castnet.ErrorMessage{Buf: buf[:0]}
		told := false
		for range maxFailures {
			if c.TryReadError(&m) != nil {
				break
			}
			f.Tell(&m)
			m.Buf, told = buf[:0], true
		}
		if told || payload == nil {
			return
		}
	}
	f.Tell(&castnet.ErrorMessage{Errno: errnoOf(err), Buf: payload})
}
