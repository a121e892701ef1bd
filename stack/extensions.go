package stack

import (
	"encoding/binary"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// chain is how far the extension headers of a packet have been walked. Places are
// counted from the IP header.
type chain struct {
	next    wire.Protocol // what comes
	offset  int           // where that begins
	pointer int           // where it is said that it comes
	count   int           // of headers passed
	whole   bool          // a fragment header was among them
}

// extensions walks the extension headers of a packet whose IP header begins at the
// offset, and says which protocol is behind them and where in the buffer that begins.
// It reports false if the packet is done with: dropped, or kept as a fragment. Of a
// packet to somebody else only the hop-by-hop options are looked at.
func (l *lane) extensions(b *packet.Buffer, at int, src, dst address, to cast) (proto wire.Protocol, offset int, ok bool) {
	h := (*wire.IPv6Header)(b.Bytes()[at:])
	c := chain{next: h.NextHeader(), offset: wire.IPv6HeaderLen, pointer: 6}
	if to == toOther {
		if c.next == wire.ProtocolIPv6HopByHop && !l.options6(b, &c, dst) {
			return 0, 0, false
		}
		return c.next, at + c.offset, true
	}
	if !l.walk(b, &c, at, src, dst, to) {
		return 0, 0, false
	}
	return c.next, at + c.offset, true
}

// walk passes extension headers until something else comes, which it takes the
// hop-by-hop options for too unless they come first (RFC 8200, section 4.1). It reports
// false if the packet is done with.
func (l *lane) walk(b *packet.Buffer, c *chain, at int, src, dst address, to cast) bool {
	for ; ; c.count++ {
		if c.count > wire.MaxIPv6Extensions {
			l.drop(b, drop.PacketMalformed)
			return false
		}
		switch c.next {
		case wire.ProtocolIPv6HopByHop:
			if c.count > 0 {
				return true
			}
			if !l.options6(b, c, dst) {
				return false
			}
		case wire.ProtocolIPv6Destination:
			if !l.options6(b, c, dst) {
				return false
			}
		case wire.ProtocolIPv6Routing:
			if !l.routing(b, c, dst) {
				return false
			}
		case wire.ProtocolIPv6Fragment:
			if !l.fragment6(b, c, at, src, dst, to) {
				return false
			}
		case wire.ProtocolNoNext:
			// What follows is to be ignored (RFC 8200, section 4.7).
			l.drop(b, drop.UnknownProtocol)
			return false
		default:
			return true
		}
	}
}

// header returns the extension header that comes, and passes it; nil if the packet is
// too short for it.
func (c *chain) header(ip []byte) []byte {
	rest := ip[min(c.offset, len(ip)):]
	if len(rest) < 8 {
		return nil
	}
	n := 8
	if c.next != wire.ProtocolIPv6Fragment {
		n += 8 * int(rest[1])
	}
	if n > len(rest) {
		return nil
	}
	c.next, c.pointer = wire.Protocol(rest[0]), c.offset
	c.offset += n
	return rest[:n]
}

// problem drops a packet for what is at a place in it, and tells its sender.
func (l *lane) problem(b *packet.Buffer, reason drop.Reason, code wire.ICMPv6Code, pointer int) bool {
	l.flush()
	l.iface.stack.sendError6(l.state, b, icmpError6{wire.ICMPv6ParameterProblem, code, uint32(pointer)})
	l.drop(b, reason)
	return false
}

// refuse drops a packet for its extension headers.
func (l *lane) refuse(b *packet.Buffer) bool {
	l.drop(b, drop.OptionsRejected)
	return false
}

// maxOptions is the number of options besides padding that a header may have
// (net.ipv6.max_hbh_opts_number and max_dst_opts_number; RFC 8504, section 5.3).
const maxOptions = 8

// options6 passes a header of hop-by-hop or destination options. It reports false if
// the packet is done with. The rules are those of Linux's ip6_parse_tlv: padding is no
// longer than it needs to be and zero (RFC 4942, 2.1.9.5), and what is not known is
// treated by its upper two bits (RFC 8200, section 4.2).
func (l *lane) options6(b *packet.Buffer, c *chain, dst address) bool {
	hop, begins := c.next == wire.ProtocolIPv6HopByHop, c.offset
	o := c.header(b.NetworkBytes())
	if o == nil {
		l.drop(b, drop.PacketMalformed)
		return false
	}
	padding, count := 0, 0
	for k := 2; k < len(o); {
		t, n := wire.IPv6OptionType(o[k]), 1
		if t != wire.IPv6Pad1 {
			if k+2 > len(o) || k+2+int(o[k+1]) > len(o) {
				return l.refuse(b)
			}
			n = 2 + int(o[k+1])
		}
		data := o[min(k+2, k+n) : k+n]
		switch {
		case t == wire.IPv6Pad1, t == wire.IPv6PadN:
			if padding += n; padding > 7 || !allZero(data) {
				return l.refuse(b)
			}
			k += n
			continue
		case hop && t == wire.IPv6RouterAlert:
			if len(data) != 2 {
				return l.refuse(b)
			}
		case hop && t == wire.IPv6Jumbo:
			return l.jumbo(b, data, begins+k)
		case t.Action() == wire.IPv6OptionSkip:
		case t.Action() == wire.IPv6OptionDiscard, t.Action() == wire.IPv6OptionReportIfUnicast && dst.isMulticast():
			return l.refuse(b)
		default:
			return l.problem(b, drop.OptionsRejected, wire.ICMPv6UnknownOption, begins+k)
		}
		padding = 0
		if count++; count > maxOptions {
			return l.refuse(b)
		}
		k += n
	}
	return true
}

// jumbo drops a packet that has the option of RFC 2675 at a place: no link here carries
// one that needs it, and others are not to have it (section 3 there).
func (l *lane) jumbo(b *packet.Buffer, data []byte, place int) bool {
	switch {
	case len(data) != 4 || place&3 != 2:
		return l.refuse(b)
	case binary.BigEndian.Uint32(data) <= 0xffff:
		return l.problem(b, drop.OptionsRejected, wire.ICMPv6ErroneousField, place+2)
	}
	return l.problem(b, drop.OptionsRejected, wire.ICMPv6ErroneousField, place)
}

// allZero reports whether there is nothing but zeros.
func allZero(data []byte) bool {
	for _, x := range data {
		if x != 0 {
			return false
		}
	}
	return true
}

// routing passes a routing header, if this host is the end of the route; nobody is sent
// on from here: of type 0 that is forbidden (RFC 5095), and other types are not known,
// which the sender is told (RFC 8200, section 4.4). Segment routing and RPL, types 4 and
// 3, are refused in silence whatever is left of the route, as by Linux where they are
// not turned on.
func (l *lane) routing(b *packet.Buffer, c *chain, dst address) bool {
	begins := c.offset
	h := c.header(b.NetworkBytes())
	if h == nil {
		l.drop(b, drop.PacketMalformed)
		return false
	}
	const rpl, segments = 3, 4
	t, left := h[2], h[3]
	if dst.isMulticast() || b.Flags&(packet.LinkBroadcast|packet.LinkMulticast) != 0 || t == rpl || t == segments {
		return l.refuse(b)
	}
	if left > 0 {
		return l.problem(b, drop.OptionsRejected, wire.ICMPv6ErroneousField, begins+2)
	}
	return true
}

// unknownNextHeader drops a packet whose extension headers end, where TransportBytes
// begin, with something that nobody handles, and tells its sender (RFC 4443, 3.4).
func (l *lane) unknownNextHeader(b *packet.Buffer) {
	ip := b.NetworkBytes()
	end := len(ip) - b.TransportLen()
	c := chain{next: (*wire.IPv6Header)(ip).NextHeader(), offset: wire.IPv6HeaderLen, pointer: 6}
	for c.offset < end && c.header(ip) != nil {
	}
	l.problem(b, drop.UnknownProtocol, wire.ICMPv6UnknownNextHeader, c.pointer)
}
