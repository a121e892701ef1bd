package stack

import (
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// forward6 sends a packet of IPv6 on that is for another host; at is where its IP header
// begins (RFC 8200, section 3, and Linux's ip6_forward). What is too long is not cut: only
// who makes a packet cuts it.
func (l *lane) forward6(b *packet.Buffer, at int, src, dst address) {
	s, st := l.iface.stack, l.state
	if !s.cfg.Forwarding || b.Flags&(packet.LinkBroadcast|packet.LinkMulticast) != 0 {
		l.drop(b, drop.NotLocal)
		return
	}
	l.flush()
	refuse := func(reason drop.Reason, t wire.ICMPv6Type, code wire.ICMPv6Code, mtu int) {
		s.sendError6(st, b, icmpError6{t: t, code: code, rest: uint32(mtu)})
		l.drop(b, reason)
	}
	switch {
	case dst.isLinkLocal():
		l.drop(b, drop.MartianDestination) // it is for this link, and nobody here has it
		return
	case src == unspecified6 || src == loopback6:
		l.drop(b, drop.MartianSource)
		return
	}
	r := st.lookup6(dst, nil)
	switch {
	case r == nil:
		refuse(drop.NoRoute, wire.ICMPv6DestinationUnreachable, wire.ICMPv6NoRoute, 0)
		return
	case r.kind != RouteUnicast:
		_, reason := r.kind.refusal()
		switch r.kind {
		case RouteProhibit:
			refuse(reason, wire.ICMPv6DestinationUnreachable, wire.ICMPv6AdminProhibited, 0)
		case RouteBlackhole:
			l.drop(b, reason)
		default:
			refuse(reason, wire.ICMPv6DestinationUnreachable, wire.ICMPv6NoRoute, 0)
		}
		return
	}
	// As on Linux, where there is no way that is said first.
	if h := (*wire.IPv6Header)(b.Bytes()[at:]); h.HopLimit() <= 1 {
		refuse(drop.TTLExpired, wire.ICMPv6TimeExceeded, wire.ICMPv6HopLimitExceeded, 0)
		return
	}
	out := r.out
	if src.isLinkLocal() && out != l.iface {
		// A link-local address says nothing on another link (RFC 4291, 2.5.6).
		refuse(drop.MartianSource, wire.ICMPv6DestinationUnreachable, wire.ICMPv6BeyondScope, 0)
		return
	}
	longest := b.Len() - at
	if b.SegmentSize != 0 {
		longest = min(longest, wire.IPv6HeaderLen+wire.UDPHeaderLen+int(b.SegmentSize))
	}
	if mtu := max(out.MTU(), wire.IPv6MinMTU); longest > mtu {
		refuse(drop.PacketTooBig, wire.ICMPv6PacketTooBig, 0, mtu)
		return
	}
	if st.hooks.Forward != nil {
		if reason := st.hooks.Forward.ask(s.six, b, at, l.iface.index, out.index); reason != drop.None {
			l.drop(b, reason)
			return
		}
	}
	if s.tracer != nil {
		s.trace(trace.Forward, l.iface, b, "by "+out.name)
	}
	b = b.Writable()
	b.TrimFront(at)
	(*wire.IPv6Header)(b.Bytes()).DecrementHopLimit()
	hop := dst
	if r.gateway != none {
		hop = r.gateway
	}
	b.SetTransport(wire.IPv6HeaderLen) // for what counts a train's datagrams
	out.finished(b, func(b *packet.Buffer) { s.sendOn(out, hop, b) })
}
