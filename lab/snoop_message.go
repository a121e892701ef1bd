package lab

import (
	"net/netip"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

func (n *snooper) ipv4(p *port, b *packet.Buffer, data []byte, now int64) bool {
	h, options, payload, err := wire.ParseIPv4(data)
	if err != nil {
		return n.refuse(b, drop.PacketMalformed)
	}
	if b.Flags&packet.ChecksumValid == 0 && !h.ChecksumOK(options) {
		return n.refuse(b, drop.BadChecksum)
	}
	src, dst := h.Source(), h.Destination()
	switch {
	case !dst.IsMulticast():
		return false
	case h.Protocol() == wire.ProtocolIGMP && !h.IsFragment():
		return n.igmp(p, b, src, dst, payload, now)
	case h.Protocol() == wire.ProtocolPIM && dst == allPIMRouters4 && isPIMHello(payload):
		p.hearRouter(&n.families[0], now+int64(n.families[0].presence(n, now)))
	}
	if isLocal4(dst) {
		return false // RFC 4541, 2.1.2, 2: whoever wants it need not have said so
	}
	return n.data(&n.families[0], p, b, src, dst, now)
}

// Whom routers talk to: PIM's hellos (RFC 7761, 4.3.1), and the advertisements of
// multicast router discovery (RFC 4286, 3.1 and 4).
const (
	igmpAdvertisement   wire.IGMPType   = 0x30
	icmpv6Advertisement wire.ICMPv6Type = 151
)

var (
	allPIMRouters4 = netip.AddrFrom4([4]byte{224, 0, 0, 13})
	allPIMRouters6 = netip.MustParseAddr("ff02::d")
	allSnoopers4   = netip.AddrFrom4([4]byte{224, 0, 0, 106})
	allSnoopers6   = netip.MustParseAddr("ff02::6a")
	allHosts4      = netip.AddrFrom4([4]byte{224, 0, 0, 1})
	allNodes6      = netip.MustParseAddr("ff02::1")
)

// isPIMHello reports whether a packet of PIM is a hello of version 2.
func isPIMHello(b []byte) bool { return len(b) >= 4 && b[0] == 2<<4 }

// isLocal4 reports whether a group is in 224.0.0.0/24.
func isLocal4(a netip.Addr) bool {
	b := a.As4()
	return b[0] == 224 && b[1] == 0 && b[2] == 0
}

// igmp reads a message of IGMP, and says where it goes.
func (n *snooper) igmp(p *port, b *packet.Buffer, src, dst netip.Addr, message []byte, now int64) bool {
	f := &n.families[0]
	h, body, err := wire.ParseIGMP(message)
	if err != nil {
		return n.refuse(b, drop.DatagramMalformed)
	}
	if !h.ChecksumOK(body) {
		return n.refuse(b, drop.BadChecksum)
	}
	switch t := h.Type(); t {
	case wire.IGMPMembershipQuery:
		q, err := wire.ParseIGMPQuery(message)
		if err != nil {
			return n.refuse(b, drop.DatagramMalformed)
		}
		if q.IsGeneral() == (dst == allHosts4) && (q.IsGeneral() || q.Group.IsMulticast()) {
			n.query(f, p, src, heardQuery{
				version: q.Version, group: q.Group, general: q.IsGeneral(), response: q.MaxResponse, suppress: q.SuppressRouter,
				robustness: int(q.Robustness), interval: q.Interval, sources: q.Sources,
			}, now)
		}
		return false
	case wire.IGMPv1Report, wire.IGMPv2Report:
		n.join(f, p, h.Group(), map[wire.IGMPType]int{wire.IGMPv1Report: 1, wire.IGMPv2Report: 2}[t], now)
	case wire.IGMPv2Leave:
		n.leave(f, p, h.Group(), now)
	case wire.IGMPv3Report:
		records, err := wire.ParseIGMPv3Report(message)
		if err != nil {
			return n.refuse(b, drop.DatagramMalformed)
		}
		n.report(f, p, records, now)
	case igmpAdvertisement:
		if dst == allSnoopers4 {
			p.hearRouter(f, now+int64(f.presence(n, now)))
		}
		return false
	default:
		return false // RFC 4541, 2.1.1, 3: what is not known is for everybody
	}
	n.toRouters(f, p, b, now)
	return true
}

func (n *snooper) ipv6(p *port, b *packet.Buffer, data []byte, now int64) bool {
	h, payload, err := wire.ParseIPv6(data)
	if err != nil {
		return n.refuse(b, drop.PacketMalformed)
	}
	src, dst := h.Source(), h.Destination()
	if !dst.IsMulticast() {
		return false
	}
	f := &n.families[1]
	w := wire.WalkIPv6(h, payload)
	if ext, ok := w.Next(); ok && ext.Protocol == wire.ProtocolIPv6HopByHop && w.Protocol() == wire.ProtocolICMPv6 {
		switch wire.ICMPv6Type(first(w.Payload())) {
		case wire.ICMPv6MLDQuery, wire.ICMPv6MLDv1Report, wire.ICMPv6MLDv1Done, wire.ICMPv6MLDv2Report:
			return n.mld(p, b, h, ext, w.Payload(), now)
		case icmpv6Advertisement:
			if dst == allSnoopers6 {
				p.hearRouter(f, now+int64(f.presence(n, now)))
			}
		}
	}
	if w.Protocol() == wire.ProtocolPIM && dst == allPIMRouters6 && isPIMHello(w.Payload()) {
		p.hearRouter(f, now+int64(f.presence(n, now)))
	}
	// Nothing of a scope less than a link's is ever reported, nor is ff02::1
	// (RFC 4541, 3; RFC 9777, 6).
	if dst == allNodes6 || scopeOf(dst) < linkScope {
		return false
	}
	return n.data(f, p, b, src, dst, now)
}

// first returns the first byte, or 0.
func first(b []byte) byte {
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

// linkScope is the scope of groups on one link (RFC 4291, 2.7).
const linkScope = 2

// scopeOf returns the scope of an IPv6 group.
func scopeOf(a netip.Addr) int {
	b := a.As16()
	return int(b[1] & 0xf)
}

// mld reads a message of MLD, and says where it goes. What RFC 9777, 5.1.14, 5.2.13
// and 6.2, has receivers ignore goes nowhere.
func (n *snooper) mld(p *port, b *packet.Buffer, h *wire.IPv6Header, ext wire.IPv6Extension, message []byte, now int64) bool {
	f := &n.families[1]
	options, err := ext.Options()
	_, alert := options.RouterAlert()
	src, dst := h.Source(), h.Destination()
	t := wire.ICMPv6Type(message[0])
	switch {
	case err != nil, !alert, h.HopLimit() != 1, len(message) < wire.ICMPv6HeaderLen,
		// Who has no address yet reports from :: (RFC 3590), and nobody else does.
		!src.IsLinkLocalUnicast() && (t == wire.ICMPv6MLDQuery || !src.IsUnspecified()):
		return n.refuse(b, drop.DatagramMalformed)
	}
	icmp, body, _ := wire.ParseICMPv6(message)
	if !icmp.ChecksumOK(h.PseudoSum(wire.ProtocolICMPv6, uint32(len(message))), body) {
		return n.refuse(b, drop.BadChecksum)
	}
	if t == wire.ICMPv6MLDv2Report {
		records, err := wire.ParseMLDv2Report(message)
		if err != nil {
			return n.refuse(b, drop.DatagramMalformed)
		}
		n.report(f, p, records, now)
		n.toRouters(f, p, b, now)
		return true
	}
	m, err := wire.ParseMLD(message)
	if err != nil {
		return n.refuse(b, drop.DatagramMalformed)
	}
	switch t {
	case wire.ICMPv6MLDQuery:
		q, err := wire.ParseMLDQuery(message)
		if err != nil {
			return n.refuse(b, drop.DatagramMalformed)
		}
		if q.IsGeneral() == (dst == allNodes6) && (q.IsGeneral() || q.Group.IsMulticast()) {
			n.query(f, p, src, heardQuery{
				version: q.Version, group: q.Group, general: q.IsGeneral(), response: q.MaxResponse, suppress: q.SuppressRouter,
				robustness: int(q.Robustness), interval: q.Interval, sources: q.Sources,
			}, now)
		}
		return false
	case wire.ICMPv6MLDv1Report:
		n.join(f, p, m.Group(), 1, now)
	case wire.ICMPv6MLDv1Done:
		n.leave(f, p, m.Group(), now)
	}
	n.toRouters(f, p, b, now)
	return true
}
