package stack

import (
	"maps"
	"syscall"

	"github.com/castnet-go/castnet/internal/text"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// A Handler is given the packets of a protocol that the stack does not speak, such
// as TCP, for another stack beside it or for a program to answer: it is what a raw
// socket is elsewhere.
//
// The buffer's window is one whole IP packet, header and options included,
// fragments put together; b.Interface says by which interface it came in. Its
// header was checked, what is behind it was not. The Handler owns the buffer: it
// releases it, or hands it on to somebody who does, at any time. Others may be
// reading the bytes, so who would write asks for Writable first.
//
// A Handler is called on the goroutine that delivers, and by several at once if
// the interface has several queues. No lock is held: it may send packets and open
// sockets. It must not block.
type Handler func(b *packet.Buffer)

// Handle makes h the handler of a protocol: it gets every packet for this host
// that carries it, be it to an own address, to a foreign one by a transparent
// interface (SetTransparent), or to a broadcast address. It also gets the ICMP
// errors about packets of that protocol, each a whole ICMP packet, since only it
// can tell whether they quote what was sent. The stack no longer answers with
// protocol unreachable. A nil h gives the protocol up.
//
// To the ledger a packet that a Handler was given is Consumed.
//
// UDP, ICMP, ICMPv6 and IGMP are the stack's own, and refused; so is a protocol that has
// a handler already.
func (s *Stack) Handle(proto wire.Protocol, h Handler) error {
	switch proto {
	case wire.ProtocolUDP, wire.ProtocolICMP, wire.ProtocolICMPv6, wire.ProtocolIGMP:
		return text.Errorf("stack: protocol %v is the stack's own and has no handler", proto)
	}
	return s.update(func(st *state) error {
		next := maps.Clone(st.handlers)
		switch {
		case h == nil:
			delete(next, proto)
		case next[proto] != nil:
			return text.Errorf("stack: protocol %v has a handler already", proto)
		case next == nil:
			next = map[wire.Protocol]Handler{proto: h}
		default:
			next[proto] = h
		}
		st.handlers = next
		return nil
	})
}

// toHandler gives a packet whose IP header is noted to its protocol's handler.
func (l *lane) toHandler(b *packet.Buffer, h Handler) {
	// What is queued so far goes first, so that an answer does not overtake it.
	l.flush()
	i := l.iface
	i.stack.own.consumed.Add(1)
	if i.stack.tracer != nil {
		i.stack.trace(trace.Consume, i, b, "handler")
	}
	b.TrimFront(b.Len() - len(b.NetworkBytes()))
	h(b)
}

// SendPacket sends a whole IP packet, header included, by the stack's routes. It
// takes the buffer over, whatever comes of it. Buffers made by packet.New have
// the room in front that a link's header needs; others are copied.
//
// As on Linux with IP_HDRINCL, the checksum of IPv4's header is filled in, and so is
// the source if it is unspecified. Any unicast address may be the source, own or
// foreign. What is behind the header is the caller's. A packet to an address of
// the host's own comes in by the loopback interface. One to an IPv6 address that is
// good on one link only leaves by b.Interface, and is EINVAL without it.
//
// EINVAL: the header contradicts itself or the buffer's length, the TTL is 0, or
// the source cannot be one. EMSGSIZE: longer than the MTU of the way out; the
// stack does not fragment what it did not make. ENETUNREACH, EHOSTUNREACH,
// EACCES: as for a socket's TrySend. EPERM: an output hook dropped it. For a
// packet that is refused, but not for one that a hook drops, nothing is counted.
func (s *Stack) SendPacket(b *packet.Buffer) error {
	n, err := s.sendPacket(b)
	if n != nil {
		n.Release()
	}
	return err
}

// sendPacket is SendPacket, and returns the packet if it was not sent.
func (s *Stack) sendPacket(b *packet.Buffer) (*packet.Buffer, error) {
	if data := b.Bytes(); len(data) > 0 && data[0]>>4 == 6 && s.six != nil {
		return s.six.sendPacket(s, b)
	}
	h, options, payload, err := wire.ParseIPv4(b.Bytes())
	if err != nil || h.HeaderLen()+len(payload) != b.Len() || h.TTL() == 0 {
		return b, syscall.EINVAL
	}
	if s.state.Load().closed {
		return b, socket.ErrClosed
	}
	q := query{
		src: ipv4OfBytes(h.Source4()).address(), dst: ipv4OfBytes(h.Destination4()).address(),
		ttl: h.TTL(), tos: h.TOS(), anySource: true,
	}
	if q.dst.isUnspecified() || s.state.Load().broadcasts(q.src.ipv4()) != nil {
		return b, syscall.EINVAL
	}
	var p path
	if err := s.routeInto(&p, q); err != nil {
		return b, err
	}
	if b.Len() > p.mtu {
		return b, syscall.EMSGSIZE
	}
	b = readyToSend(b, &p)
	h = (*wire.IPv4Header)(b.Bytes())
	options = b.Bytes()[wire.IPv4HeaderLen:h.HeaderLen()]
	if q.src.isUnspecified() {
		h.SetSource4(p.src.ipv4().bytes())
	}
	h.UpdateChecksum(options)
	b.SetNetwork(0)
	b.SetTransport(h.HeaderLen())
	return nil, s.sendWhole(b, &p)
}

// readyToSend makes a whole packet that somebody has handed in one of the stack's own,
// with room for the link's header.
func readyToSend(b *packet.Buffer, p *path) *packet.Buffer {
	// What is known of the buffer is what the caller says in bytes.
	b.Orphan()
	b.Marks = packet.Marks{ID: b.ID, Flow: b.Flow}
	if front, _ := b.Room(); front < p.linkLen() {
		c := packet.New(b.Len())
		copy(c.Append(b.Len()), b.Bytes())
		c.Marks, c.Mark = b.Marks, b.Mark
		b.Release()
		b = c
	}
	return b.Writable()
}

// sendWhole sends a whole packet that lacks only the link's header.
func (s *Stack) sendWhole(b *packet.Buffer, p *path) error {
	if p.iface.kind == link.Ethernet {
		e := wire.PutEthernet(b.Prepend(wire.EthernetHeaderLen))
		e.SetDestination(wordMAC(p.link)) // a broadcast's; a neighbour's is written by sendBy
		e.SetSource(p.iface.mac())
		e.SetType(wire.EtherType(uint16(p.ethernet1)))
	}
	p.iface.generated(b)
	if !s.letOut(p, b) {
		return syscall.EPERM
	}
	if (p.broadcast || p.multicast && p.iface.hears(p.dst, p.src)) && p.iface.kind != link.Loopback {
		p.iface.loopBack(b)
	}
	s.sendBy(p.iface, p.neighbor, b)
	return nil
}

// handled gives an ICMP error to the handler of the protocol that it quotes, if
// there is one, and reports whether there was.
func (l *lane) handled(b *packet.Buffer, m *wire.ICMPHeader, body []byte) bool {
	if len(l.state.handlers) == 0 {
		return false
	}
	q, _, _, err := m.Quote(body)
	if err != nil {
		return false
	}
	h := l.state.handlers[q.Protocol()]
	if h == nil {
		return false
	}
	l.toHandler(b, h)
	return true
}
