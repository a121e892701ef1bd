package stack

import (
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// cast says to whom a packet is addressed.
type cast uint8

const (
	toOther cast = iota
	toHost
	toBroadcast
	toGroup
)

// ipv4 is the way in for a packet whose IPv4 header begins at the offset.
func (l *lane) ipv4(b *packet.Buffer, at int) *Socket {
	h, options, payload, err := wire.ParseIPv4(b.Bytes()[at:])
	if err != nil {
		l.drop(b, drop.PacketMalformed)
		return nil
	}
	if b.Flags&packet.ChecksumValid == 0 && !h.ChecksumOK(options) {
		l.drop(b, drop.BadChecksum)
		return nil
	}
	// What is behind the packet is the link's padding.
	b.TrimTo(at + h.HeaderLen() + len(payload))
	b.SetNetwork(at)
	if b.SegmentSize != 0 && (h.Protocol() != wire.ProtocolUDP || h.IsFragment() || len(payload) < wire.UDPHeaderLen) {
		b.SegmentSize = 0 // what the link says is not so
	}

	src, dst := ipv4OfBytes(h.Source4()), ipv4OfBytes(h.Destination4())
	to, reason := l.classify(src, dst, b.Flags)
	if to == toGroup {
		if reason = l.admitGroup(h.Protocol(), src, dst); reason != drop.None {
			l.filtered(b, reason, byList)
			return nil
		}
	}
	if reason != drop.None {
		l.drop(b, reason)
		return nil
	}
	if len(options) > 0 && l.rejectOptions(b, h, options) {
		return nil
	}
	if to == toOther {
		l.forward(b, h, src, dst, at)
		return nil
	}
	if h.IsFragment() {
		l.fragment(b, h, at, src, dst, to)
		return nil
	}
	b.SetTransport(at + h.HeaderLen())
	return l.transport(b, h, payload, src, dst, to)
}

// transport is the way in for a whole packet to this host, whose headers are known.
func (l *lane) transport(b *packet.Buffer, h *wire.IPv4Header, payload []byte, src, dst ipv4, to cast) *Socket {
	if l.state.hooks.Input != nil && !l.admit(b) {
		return nil
	}
	switch h.Protocol() {
	case wire.ProtocolUDP:
		return l.udp(b, h, payload, src, dst, to)
	case wire.ProtocolICMP:
		l.icmp(b, h, src, dst, to)
	case wire.ProtocolIGMP:
		l.igmp(b)
	default:
		if handler := l.state.handlers[h.Protocol()]; handler != nil {
			l.toHandler(b, handler)
			return nil
		}
		l.unknownProtocol(b, h, src, to)
	}
	return nil
}

// classify says to whom a packet is addressed, or why it cannot be.
//
// The rules are Linux's ip_route_input_slow: addresses that cannot be a source
// (RFC 1812, 5.3.7), the host's own address coming in from outside, and
// loopback addresses outside the loopback interface are martians.
func (l *lane) classify(src, dst ipv4, flags packet.Flags) (cast, drop.Reason) {
	n := l.netif
	if src.isMulticast() || src == broadcast4 || l.state.broadcasts(src) != nil ||
		src == unspecified4 && dst != broadcast4 && !dst.isMulticast() {
		return 0, drop.MartianSource
	}
	if flags&looped == 0 && n.kind != link.Loopback {
		if src.isLoopback() || l.state.isLocal(src) {
			return 0, drop.MartianSource
		}
		if dst.isLoopback() {
			return 0, drop.MartianDestination
		}
	}
	switch {
	case n.has(dst):
		return toHost, drop.None
	case dst == broadcast4 || n.isBroadcast(dst):
		return toBroadcast, drop.None
	case dst.isMulticast():
		return toGroup, drop.None // of which admitGroup says more
	case dst == unspecified4:
		return 0, drop.MartianDestination
	case l.state.local(dst) != nil:
		return toHost, drop.None
	case l.state.broadcasts(dst) != nil:
		// Another subnet's broadcast: for us, and not to be forwarded
		// (RFC 2644).
		return toBroadcast, drop.None
	case len(n.transparent) > 0 && n.covers(dst.address()):
		return toHost, drop.None
	}
	return toOther, drop.None
}

// admitGroup says why a packet to a group is not for this host, if it is not. IGMP is
// heard from every source, and from hosts that have no address yet (Linux's
// ip_check_mc_rcu and ip_mc_validate_source).
func (l *lane) admitGroup(proto wire.Protocol, src, dst ipv4) drop.Reason {
	const linkLocal = 224 << 16 // 224.0.0.0/24, which no router forwards
	igmp := proto == wire.ProtocolIGMP
	if src == unspecified4 && dst>>8 != linkLocal && !igmp {
		return drop.MartianSource
	}
	s := &l.iface.groups
	if igmp {
		if !s.member(dst.address()) {
			return drop.NotAMember
		}
		return drop.None
	}
	return s.hears(dst.address(), src.address())
}

// unknownProtocol drops a packet of a protocol that nobody handles, and says so
// to its sender (RFC 1122, 3.2.2.1).
func (l *lane) unknownProtocol(b *packet.Buffer, h *wire.IPv4Header, src ipv4, to cast) {
	l.flush()
	if to == toHost {
		l.iface.stack.sendError(l.state, b, h, icmpError{t: wire.ICMPDestinationUnreachable, code: wire.ICMPProtocolUnreachable})
	}
	l.drop(b, drop.UnknownProtocol)
}

// consume ends the journey of a packet whose reader is the stack itself.
func (i *Interface) consume(b *packet.Buffer) {
	i.stack.own.consumed.Add(1)
	if i.stack.tracer != nil {
		i.stack.trace(trace.Consume, i, b, "")
	}
	b.Release()
}
