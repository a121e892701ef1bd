package stack

import (
	"errors"
	"net/netip"
	"sync"
	"syscall"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// A Hook decides what becomes of a packet. It returns drop.None to let it go on,
// and else the reason under which it is dropped: drop.Filtered, or one of the
// program's own (drop.Register).
//
// It is called on the goroutine that delivers or sends the packet, by several at
// once, with no lock held. It must neither block nor panic: who recovers from a panic
// in it has an interface that waits for the delivery to end. It may open sockets and send
// packets, but the order of those beside the packets under way is not defined.
type Hook func(p *Packet) drop.Reason

// Hooks are where packets can be looked at: the places that Linux's netfilter
// calls by the same names. A nil Hook lets everything pass and costs nothing.
type Hooks struct {
	// Input sees what is for this host, before anybody gets it: UDP, ICMP and
	// what handlers are for, fragments put together, to own addresses, to
	// foreign ones by a transparent interface, to broadcasts and groups.
	// What the host sends to itself passes Output and then Input.
	Input Hook

	// Output sees what this host sends, before it is cut into fragments:
	// what sockets send, what the stack itself does (ICMP), and what
	// SendPacket was given. A socket's TrySend returns EPERM for what is
	// dropped, and SendPacket too. A train is seen datagram by datagram.
	Output Hook

	// Forward sees what this host sends on for others, when it is known where
	// to: such packets pass neither Input nor Output. They are single
	// fragments, if that is how they came, and trains whole.
	Forward Hook
}

// A Packet is what a Hook sees. It is valid until the Hook returns.
type Packet struct {
	// Source and Destination have ports if the packet is UDP or TCP.
	Source, Destination netip.AddrPort
	Protocol            wire.Protocol

	// In is the index of the interface by which the packet came in, Out of
	// that by which it is to leave; 0: it did not, or is not.
	In, Out int

	// Bytes is the whole IP packet and Payload what is carried: behind the UDP
	// header, or behind the IP header of another protocol, and IPv6's extension
	// headers. They must not be
	// written to. The UDP checksum of what comes in was not looked at yet.
	Bytes, Payload []byte

	// Mark is a number that goes with the packet inside the stack: a socket's
	// Mark, what a Hook or a link has set before, or 0. A Hook may set it; the
	// hooks after it see it, and so does a socket that reports FieldMark.
	Mark uint32
}

// SetHooks replaces the stack's hooks. The zero Hooks are none.
func (s *Stack) SetHooks(h Hooks) error {
	return s.update(func(st *state) error {
		st.hooks = h
		return nil
	})
}

var packets = sync.Pool{New: func() any { return new(Packet) }}

// ask asks a hook about a packet whose IP header, which is good, begins at the
// offset.
func (h Hook) ask(six *version6, b *packet.Buffer, at, in, out int) drop.Reason {
	p := packets.Get().(*Packet)
	*p = Packet{In: in, Out: out, Bytes: b.Bytes()[at:], Mark: b.Mark}
	begins := true // with the transport's header
	if p.Bytes[0]>>4 == 6 {
		begins = six.dissect(p)
	} else {
		ip, _, payload, err := wire.ParseIPv4(p.Bytes)
		if err != nil {
			panic("stack: a packet for a hook whose header was not checked")
		}
		p.Protocol, p.Payload, begins = ip.Protocol(), payload, ip.FragmentOffset() == 0
		p.Source, p.Destination = netip.AddrPortFrom(ip.Source(), 0), netip.AddrPortFrom(ip.Destination(), 0)
	}
	if proto, data := p.Protocol, p.Payload; (proto == wire.ProtocolUDP || proto == wire.ProtocolTCP) && begins && len(data) >= 4 {
		p.Source = netip.AddrPortFrom(p.Source.Addr(), uint16(data[0])<<8|uint16(data[1]))
		p.Destination = netip.AddrPortFrom(p.Destination.Addr(), uint16(data[2])<<8|uint16(data[3]))
		if proto == wire.ProtocolUDP && len(data) >= wire.UDPHeaderLen {
			p.Payload = data[wire.UDPHeaderLen:]
		}
	}
	reason := h(p)
	b.Mark = p.Mark
	*p = Packet{}
	packets.Put(p)
	if int(reason) >= drop.Count {
		reason = drop.Filtered // it is no reason that could be counted
	}
	return reason
}

// admit asks the input hook about a packet whose IP header is noted, and drops it
// if that says so.
func (l *lane) admit(b *packet.Buffer) bool {
	at := b.Len() - len(b.NetworkBytes())
	reason := l.state.hooks.Input.ask(l.iface.stack.six, b, at, int(b.Interface), 0)
	if reason != drop.None {
		l.drop(b, reason)
	}
	return reason == drop.None
}

// letPass is the hook of those who need one and have nothing against anything.
func letPass(*Packet) drop.Reason { return drop.None }

// errHooked is what ready returns with a path, and before the checks that come
// after finding one, when an output hook is to be asked. No socket keeps such a
// path: each datagram finds it anew.
var errHooked = errors.New("stack: there is an output hook")

// sendHooked sends a message by a path on which there is an output hook. The
// caller holds s.mu, which it gives up.
func (s *Socket) sendHooked(p *path, m *socket.Message, mayFail bool) (int, error) {
	size, count, err := segments(m, p)
	if hindered := s.unhindered(p, m, mayFail); hindered != nil {
		err = hindered // it is looked at first
	}
	if err == nil && count == 1 && p.tooLong(size) && !s.holdsFragments(p, size) {
		err = syscall.ENOBUFS
	}
	if err != nil {
		s.mu.Unlock()
		return 0, s.told(err)
	}
	frames := make([]*packet.Buffer, 0, count)
	for rest := m.Buf; len(frames) < count; {
		k := min(size, len(rest))
		b := packet.New(k)
		s.build(p, b, rest[:k])
		if p.tooLong(k) {
			s.stack.allowFragments(b, p.linkLen())
		}
		rest = rest[k:]
		frames = append(frames, b)
	}
	hook := p.hook
	stays := s.stays(p)
	iface, neighbor, at, mtu, again := p.iface, p.neighbor, p.linkLen(), p.mtu, s.loopsBack(p)
	headers := at + p.header + wire.UDPHeaderLen
	s.mu.Unlock() // and with it p

	// They are the stack's account, as the hook may close the socket.
	s.stack.own.generated.Add(uint64(count))
	passed, bytes := 0, 0
	for _, b := range frames {
		length := b.Len() - headers
		if reason := hook.ask(s.stack.six, b, at, 0, iface.index); reason != drop.None {
			iface.drop(b, reason)
			continue
		}
		passed++
		bytes += length
		if again {
			iface.loopBack(b)
		}
		if stays != drop.None {
			iface.drop(b, stays)
			continue
		}
		if b.Len()-at > mtu {
			s.stack.sendFragments(iface, neighbor, b, mtu)
			continue
		}
		s.stack.sendBy(iface, neighbor, b)
	}
	s.mu.Lock()
	if passed > 0 {
		s.sent++
		s.splits += uint64(passed - 1)
		s.hooked += uint64(passed)
		s.bytes += uint64(bytes)
	}
	s.mu.Unlock()
	if passed == 0 {
		return 0, syscall.EPERM
	}
	return 1, nil
}

// stays says why a datagram to a group does not leave the host, if it does not: it goes
// to the host's own scope (RFC 4291, 2.7), or its TTL is 0. As on Linux that is looked at
// only where the host itself hears the group, and of IPv6 if it gets its own copy. The
// caller holds s.mu.
func (s *Socket) stays(p *path) drop.Reason {
	switch {
	case !p.multicast || p.iface.kind == link.Loopback:
	case p.six && p.dst.scope() <= scopeInterface:
		return drop.MartianDestination
	case p.hopLimit() == 0 && p.iface.hears(p.dst, p.src) && (!p.six || s.opts.multicastLoop):
		return drop.TTLExpired
	}
	return drop.None
}

// letOut asks the output hook about a packet of the stack's own, and drops it if
// that says so. The packet was counted as generated.
func (s *Stack) letOut(p *path, b *packet.Buffer) bool {
	if p.hook == nil {
		return true
	}
	reason := p.hook.ask(s.six, b, p.linkLen(), 0, p.iface.index)
	if reason != drop.None {
		p.iface.drop(b, reason)
	}
	return reason == drop.None
}

// unhindered is what ready checks of a message once it has a path, in the same
// order. The caller holds s.mu.
func (s *Socket) unhindered(p *path, m *socket.Message, mayFail bool) error {
	if len(m.Buf) > p.most() || p.whole && !isTrain(m) && p.tooLong(len(m.Buf)) {
		if mayFail {
			s.queueTooLong(p)
		}
		return syscall.EMSGSIZE
	}
	if s.pending.Load() != 0 {
		if !mayFail {
			return syscall.EAGAIN
		}
		if err := s.takeError(); err != nil {
			return err
		}
	}
	if s.shut.Load()&uint32(socket.ShutWrite) != 0 {
		return syscall.EPIPE
	}
	if s.sendUsed.Load() >= s.sendLimit.Load() {
		return syscall.EAGAIN
	}
	return nil
}
