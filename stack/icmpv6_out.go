package stack

import (
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// icmpError6 is an ICMPv6 error message to be sent.
type icmpError6 struct {
	t    wire.ICMPv6Type
	code wire.ICMPv6Code
	// rest is what packet too big and parameter problem say: the MTU, or where the
	// problem is, counted from the IP header.
	rest uint32
}

// sendError6 sends the sender of a packet, whose IP header is at NetworkBytes, an error
// message that quotes it, unless that is forbidden (RFC 4443, section 2.4) or too many
// were sent.
func (s *Stack) sendError6(st *state, b *packet.Buffer, e icmpError6) {
	original := b.NetworkBytes()
	h := (*wire.IPv6Header)(original)
	src, dst := addressOf16(h.Source16()), addressOf16(h.Destination16())
	many := dst.isMulticast() || b.Flags&(packet.LinkBroadcast|packet.LinkMulticast) != 0
	if src == unspecified6 || src.isMulticast() || src.is4() || many && !e.toMany(original) || !answerable6(original) {
		return
	}
	in := st.byIndex(int(b.Interface))
	// As on Linux, neither what stays on the host is limited nor what path MTU
	// discovery cannot do without.
	if st.local6(src, in.iface()) == nil && e.t != wire.ICMPv6PacketTooBig && !s.errorLimit.allow(src, s.timers.now()) {
		return
	}
	q := query{dst: src, ttl: defaultHopLimit, linkTTL: true, fragment: fragmentAllow}
	if src.isLinkLocal() {
		q.device = int(b.Interface)
	}
	if !many && st.covers(dst, b.Interface) {
		q.src, q.anySource = dst, true
	}
	quote := original[:min(len(original), wire.IPv6MinMTU-wire.IPv6HeaderLen-wire.ICMPv6HeaderLen)]
	c := packet.New(wire.ICMPv6HeaderLen + len(quote))
	wire.PutICMPv6(c.Append(wire.ICMPv6HeaderLen), e.t, e.code).SetMTU(e.rest)
	body := c.Append(len(quote))
	copy(body, quote)
	if b.Flags&packet.ChecksumPartial != 0 && b.SegmentSize == 0 && h.NextHeader() == wire.ProtocolUDP {
		// It is quoted as it would look on a wire.
		if u, data, err := wire.ParseUDP(original[wire.IPv6HeaderLen:]); err == nil {
			(*wire.UDPHeader)(body[wire.IPv6HeaderLen:]).UpdateChecksum(h.PseudoSum(wire.ProtocolUDP, uint32(u.Length())), data)
		}
	}
	s.output(q, wire.ProtocolICMPv6, c)
}

// toMany reports whether the error may be about a packet that was sent to many: what path
// MTU discovery needs, and what an option asks for that says so in its upper two bits.
func (e icmpError6) toMany(ip []byte) bool {
	if e.t == wire.ICMPv6PacketTooBig {
		return true
	}
	return e.t == wire.ICMPv6ParameterProblem && e.code == wire.ICMPv6UnknownOption && int(e.rest) < len(ip) &&
		wire.IPv6OptionType(ip[e.rest]).Action() == wire.IPv6OptionReport
}

// answerable6 reports whether an error may be sent about a packet: not if it is an ICMPv6
// error or a redirect, or may be one for all we know (Linux's is_ineligible).
func answerable6(ip []byte) bool {
	proto, message, ok := quotedTransport((*wire.IPv6Header)(ip), ip[wire.IPv6HeaderLen:])
	if !ok || proto != wire.ProtocolICMPv6 {
		return true
	}
	return len(message) > 0 && message[0] >= 128 && wire.ICMPv6Type(message[0]) != wire.ICMPv6Redirect
}

// unreachable6 ends a packet, which begins with the link's header, whose next hop did
// not answer, and tells its sender (RFC 4443, section 3.1), be it this host itself: as on
// Linux (ndisc_error_report), an ICMPv6 message by the loopback interface.
func (s *Stack) unreachable6(i *Interface, b *packet.Buffer) {
	at := i.headerLen()
	if _, _, err := wire.ParseIPv6(b.Bytes()[at:]); err == nil {
		b.SetNetwork(at)
		b.Flags &^= packet.LinkBroadcast | packet.LinkMulticast
		if b.Interface == 0 {
			b.Interface = int32(i.index) // it is this host's own
		}
		s.sendError6(s.state.Load(), b, icmpError6{t: wire.ICMPv6DestinationUnreachable, code: wire.ICMPv6AddressUnreachable})
	}
	i.drop(b, drop.NeighborUnreachable)
}
