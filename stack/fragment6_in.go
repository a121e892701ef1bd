package stack

import (
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// fragment6 is the way in for a packet to this host at its fragment header. It reports
// true if that is to be ignored, because the packet is whole (RFC 6946). When the last
// fragment comes that was missing, the whole goes on from there.
//
// The rules are those of RFC 8200, section 4.5, and their order that of Linux's
// ipv6_frag_rcv and ip6_frag_queue.
func (l *lane) fragment6(b *packet.Buffer, c *chain, at int, src, dst address, to cast) bool {
	begins := c.offset
	if c.whole {
		return l.problem(b, drop.ReassemblyMalformed, wire.ICMPv6ErroneousField, begins)
	}
	data := c.header(b.NetworkBytes())
	if data == nil {
		return l.problem(b, drop.ReassemblyMalformed, wire.ICMPv6ErroneousField, begins)
	}
	h := (*wire.IPv6FragmentHeader)(data)
	c.whole = true
	if h.IsAtomic() {
		return true
	}
	b.SetTransport(at + c.offset)
	end := h.FragmentOffset() + b.TransportLen()
	switch {
	case h.FragmentOffset() == 0 && !c.complete(b.NetworkBytes()):
		return l.problem(b, drop.ReassemblyMalformed, wire.ICMPv6IncompleteHeaderChain, 0)
	case end > maxPacket:
		return l.problem(b, drop.ReassemblyTooLong, wire.ICMPv6ErroneousField, begins+2)
	case h.MoreFragments() && end%8 != 0:
		return l.problem(b, drop.ReassemblyMalformed, wire.ICMPv6ErroneousField, 4) // the payload's length
	}
	s := l.iface.stack
	if s.tracer != nil {
		s.trace(trace.Collect, l.iface, b, "")
	}
	key := assemblyKey{src: src, dst: dst, id: h.ID()}
	if dst.isMulticast() || dst.isLinkLocal() {
		key.device = b.Interface
	}
	class := (*wire.IPv6Header)(b.NetworkBytes()).TrafficClass()
	done, gone := s.reassembly.add(key, fragment{b, h.FragmentOffset(), h.MoreFragments(), class})
	s.giveUp(gone)
	if done == nil {
		return false
	}
	whole := s.merge(done, at)
	if whole == nil {
		return false
	}
	l.flush()
	// The headers before the fragment header were passed; it is gone.
	ip := whole.NetworkBytes()
	rest := chain{offset: wire.IPv6HeaderLen, pointer: 6, next: (*wire.IPv6Header)(ip).NextHeader(), count: c.count + 1, whole: true}
	for end := len(ip) - whole.TransportLen(); rest.offset < end && rest.header(ip) != nil; {
	}
	if !l.walk(whole, &rest, at, src, dst, to) {
		return false
	}
	whole.SetTransport(at + rest.offset)
	if sk := l.transport6(whole, rest.next, src, dst, to); sk != nil {
		l.enqueue(sk, whole.Single())
	}
	return false
}

// complete reports whether a packet holds all headers that are still to come, that of the
// transport included: who looks at a first fragment must be able to tell what it is (RFC
// 7112).
func (c *chain) complete(ip []byte) bool {
	rest := *c
	for {
		n := 1
		switch rest.next {
		case wire.ProtocolIPv6HopByHop, wire.ProtocolIPv6Destination, wire.ProtocolIPv6Routing, wire.ProtocolIPv6Fragment:
			if rest.count++; rest.count > wire.MaxIPv6Extensions || rest.header(ip) == nil {
				return false
			}
			continue
		case wire.ProtocolUDP, wire.ProtocolICMPv6:
			n = 8
		case wire.ProtocolTCP:
			n = 20
		}
		return rest.offset+n <= len(ip)
	}
}

// wholeHeader6 makes what was copied of the first fragment's headers those of the whole,
// which has no fragment header (RFC 8200, section 4.5).
func wholeHeader6(b, head *packet.Buffer, length int, congested bool) {
	ip, first := b.NetworkBytes(), head.NetworkBytes()
	end := len(ip) - length
	c := chain{next: (*wire.IPv6Header)(first).NextHeader(), offset: wire.IPv6HeaderLen, pointer: 6}
	for c.offset < end && c.header(first) != nil {
	}
	ip[c.pointer] = first[end]
	h := (*wire.IPv6Header)(ip)
	h.SetPayloadLength(uint16(len(ip) - wire.IPv6HeaderLen))
	if congested {
		h.SetTrafficClass(h.TrafficClass() | 3)
	}
}
