package stack

import (
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// forward sends a packet on that is for another host; at is where its IP header
// begins (RFC 1812, 5.2.1, and Linux's ip_forward).
func (l *lane) forward(b *packet.Buffer, h *wire.IPv4Header, src, dst ipv4, at int) {
	s, st := l.iface.stack, l.state
	if !s.cfg.Forwarding || b.Flags&(packet.LinkBroadcast|packet.LinkMulticast) != 0 {
		l.drop(b, drop.NotLocal)
		return
	}
	l.flush()
	refuse := func(reason drop.Reason, t wire.ICMPType, code wire.ICMPCode, mtu uint16) {
		s.sendError(st, b, h, icmpError{t: t, code: code, mtu: mtu})
		l.drop(b, reason)
	}
	r := st.lookup(dst, nil)
	if r == nil {
		refuse(drop.NoRoute, wire.ICMPDestinationUnreachable, wire.ICMPNetUnreachable, 0)
		return
	}
	if r.kind != RouteUnicast {
		_, reason := r.kind.refusal()
		switch r.kind {
		case RouteProhibit:
			refuse(reason, wire.ICMPDestinationUnreachable, wire.ICMPAdminProhibited, 0)
		case RouteBlackhole:
			l.drop(b, reason)
		default:
			refuse(reason, wire.ICMPDestinationUnreachable, wire.ICMPHostUnreachable, 0)
		}
		return
	}
	// As on Linux, where there is no way that is said first.
	if h.TTL() <= 1 {
		refuse(drop.TTLExpired, wire.ICMPTimeExceeded, wire.ICMPTTLExceeded, 0)
		return
	}
	out := r.out
	longest := b.Len() - at
	if b.SegmentSize != 0 {
		longest = min(longest, h.HeaderLen()+wire.UDPHeaderLen+int(b.SegmentSize))
	}
	mtu := out.MTU()
	if longest > mtu && h.DontFragment() {
		refuse(drop.PacketTooBig, wire.ICMPDestinationUnreachable, wire.ICMPFragmentationNeeded, uint16(min(mtu, 0xffff)))
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
	ip, options, _, err := wire.ParseIPv4(b.Bytes())
	if err != nil {
		l.drop(b, drop.PacketMalformed)
		return
	}
	ip.DecrementTTL()
	hop := dst
	if r.gateway != none {
		hop = r.gateway.ipv4()
	}
	if len(options) > 0 {
		w := optionWriter{
			out: st.sourceFor(r, st.byIndex(out.index), hop), in: st.sourceFor(nil, l.netif, src),
			local: st.isLocal, now: s.cfg.Clock.Now,
		}
		if w.fillOptions(options) {
			ip.UpdateChecksum(options)
		}
	}
	b.SetTransport(ip.HeaderLen()) // for what counts a train's datagrams
	if longest > mtu {
		s.sendOnLong(out, hop.address(), b, mtu)
		return
	}
	out.finished(b, func(b *packet.Buffer) { s.sendOn(out, hop.address(), b) })
}

// sendOn sends a forwarded packet, which begins with its IP header, by way of a
// next hop.
func (s *Stack) sendOn(out *Interface, hop address, b *packet.Buffer) {
	s.sendBy(out, s.frameFor(out, hop, b), b)
}

// frameFor prepends the link's header to a forwarded packet, and returns the
// neighbour whose address it lacks; nil if it lacks none.
func (s *Stack) frameFor(out *Interface, hop address, b *packet.Buffer) *neighbor {
	if out.kind != link.Ethernet {
		return nil
	}
	e := wire.PutEthernet(b.Prepend(wire.EthernetHeaderLen))
	e.SetSource(out.mac())
	e.SetType(wire.EtherTypeIPv4)
	if !hop.is4() {
		e.SetType(wire.EtherTypeIPv6)
	}
	return s.neighbors.get(out, hop)
}

// unreachable ends a packet whose next hop did not answer, and tells its sender (RFC
// 1812, 4.3.3.1), be it this host itself: as on Linux (arp_error_report), an ICMP
// message by the loopback interface. A socket hears of it if it wants to hear of all
// errors.
func (s *Stack) unreachable(i *Interface, b *packet.Buffer) {
	if h, _, _, err := wire.ParseIPv4(b.Bytes()[i.headerLen():]); err == nil {
		b.SetNetwork(i.headerLen())
		st := s.state.Load()
		b.Flags &^= packet.LinkBroadcast | packet.LinkMulticast
		s.sendError(st, b, h, icmpError{t: wire.ICMPDestinationUnreachable, code: wire.ICMPHostUnreachable})
	}
	i.drop(b, drop.NeighborUnreachable)
}
