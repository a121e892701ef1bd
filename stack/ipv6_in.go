package stack

import (
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// ipv6 is the way in for a packet whose IPv6 header begins at the offset.
func (l *lane) ipv6(b *packet.Buffer, at int) *Socket {
	h, payload, err := wire.ParseIPv6(b.Bytes()[at:])
	if err != nil {
		l.drop(b, drop.PacketMalformed)
		return nil
	}
	// What is behind the packet is the link's padding.
	b.TrimTo(at + wire.IPv6HeaderLen + len(payload))
	b.SetNetwork(at)
	if b.SegmentSize != 0 && (h.NextHeader() != wire.ProtocolUDP || len(payload) < wire.UDPHeaderLen) {
		b.SegmentSize = 0 // what the link says is not so
	}
	src, dst := addressOf16(h.Source16()), addressOf16(h.Destination16())
	to, reason := l.classify6(src, dst, b.Flags)
	if to == toGroup && !l.iface.groups.member(dst) {
		l.filtered(b, drop.NotAMember, byList)
		return nil
	}
	if reason != drop.None {
		l.drop(b, reason)
		return nil
	}
	proto, offset, ok := l.extensions(b, at, src, dst, to)
	if !ok {
		return nil
	}
	if to == toOther {
		l.forward6(b, at, src, dst)
		return nil
	}
	b.SetTransport(offset)
	return l.transport6(b, proto, src, dst, to)
}

// classify6 says to whom a packet is addressed, or why it cannot be. The rules are
// those of Linux's ip6_rcv_core and ip6_route_input: addresses that cannot be a source
// (RFC 4291, 2.5.3 and 2.7), loopback addresses outside the loopback interface,
// v4-mapped ones, which no packet has, and groups that are for one host only.
func (l *lane) classify6(src, dst address, flags packet.Flags) (cast, drop.Reason) {
	if l.iface.ip6.Load() == nil && l.netif.kind != link.Loopback && !l.netif.covers(dst) {
		return 0, drop.UnknownEtherType // the interface does not speak IPv6 (Linux's disable_ipv6)
	}
	if src.isMulticast() || src.is4() {
		return 0, drop.MartianSource
	}
	if dst == unspecified6 || dst.is4() {
		return 0, drop.MartianDestination
	}
	inside := flags&looped != 0 || l.netif.kind == link.Loopback
	if !inside && src == loopback6 {
		return 0, drop.MartianSource
	}
	if !inside && dst == loopback6 {
		return 0, drop.MartianDestination
	}
	switch {
	case dst.isMulticast():
		if s := dst.scope(); s == 0 || s == scopeInterface && !inside {
			return 0, drop.MartianDestination
		}
		return toGroup, drop.None
	case l.netif.has6(dst), l.state.local6(dst, l.origin(dst)) != nil:
		return toHost, drop.None
	case len(l.netif.transparent) > 0 && l.netif.covers(dst):
		return toHost, drop.None
	}
	return toOther, drop.None
}

// origin returns the interface whose link-local addresses may be meant by a packet
// that comes in: on the loopback interface those of all.
func (l *lane) origin(dst address) *Interface {
	if l.netif.kind == link.Loopback {
		return nil
	}
	return l.iface
}

// transport6 is the way in for a whole packet to this host, whose headers are known:
// TransportBytes are what follows them.
func (l *lane) transport6(b *packet.Buffer, proto wire.Protocol, src, dst address, to cast) *Socket {
	if to == toGroup && !(proto == wire.ProtocolICMPv6 && isMLD(b.TransportBytes())) {
		// MLD is heard from every source (Linux's ip6_protocol_deliver_rcu).
		if reason := l.iface.groups.hears(dst, src); reason != drop.None {
			l.filtered(b, reason, byList)
			return nil
		}
	}
	if l.state.hooks.Input != nil && !l.admit(b) {
		return nil
	}
	switch proto {
	case wire.ProtocolUDP:
		return l.udp6(b, src, dst, to)
	case wire.ProtocolICMPv6:
		l.icmpv6(b, src, dst, to)
	default:
		if handler := l.state.handlers[proto]; handler != nil {
			l.toHandler(b, handler)
			return nil
		}
		l.unknownNextHeader(b)
	}
	return nil
}

// isMLD reports whether an ICMPv6 message is one of multicast listener discovery.
func isMLD(m []byte) bool {
	if len(m) == 0 {
		return false
	}
	switch wire.ICMPv6Type(m[0]) {
	case wire.ICMPv6MLDQuery, wire.ICMPv6MLDv1Report, wire.ICMPv6MLDv1Done, wire.ICMPv6MLDv2Report:
		return true
	}
	return false
}

// udp6 is udp for IPv6, where a datagram without a checksum is dropped (RFC 8200, 8.1).
func (l *lane) udp6(b *packet.Buffer, src, dst address, to cast) *Socket {
	datagram := b.TransportBytes()
	u, payload, err := wire.ParseUDP(datagram)
	if err != nil {
		l.drop(b, drop.DatagramMalformed)
		return nil
	}
	length := wire.UDPHeaderLen + len(payload)
	if rest := len(datagram) - length; rest > 0 {
		// What the packet holds beyond the datagram's length is not its own.
		b.TrimTo(b.Len() - rest)
		datagram = datagram[:length]
	}
	if len(payload) <= int(b.SegmentSize) {
		b.SegmentSize = 0 // a train of one
	}
	if u.Checksum() == 0 && b.Flags&packet.ChecksumPartial == 0 {
		l.drop(b, drop.MissingChecksum)
		return nil
	}
	if b.Flags&packet.ChecksumValid == 0 && fold(pseudo6(src, dst, length)+uint32(wire.Sum(datagram))) != 0xffff {
		l.drop(b, drop.BadChecksum)
		return nil
	}
	l.comesBy(b, dst)
	f := flow{src: src, dst: dst, ports: portPair(u.DestinationPort(), u.SourcePort()), device: b.Interface}
	if to != toHost {
		l.udpToMany(b, f)
		return nil
	}
	if s := l.receiver(f); s != nil {
		return s
	}
	if b.Flags&(packet.LinkBroadcast|packet.LinkMulticast) == 0 {
		l.iface.stack.sendError6(l.state, b, icmpError6{t: wire.ICMPv6DestinationUnreachable, code: wire.ICMPv6PortUnreachable})
	}
	l.drop(b, drop.NoPort)
	return nil
}

// comesBy says by which interface a packet has come in. One to an address of one's own,
// which comes by the loopback interface, counts as having come by the interface that has
// it (Linux's ip6_rcv_core); of those with the same link-local address by the one that
// the sender meant.
func (l *lane) comesBy(b *packet.Buffer, dst address) *Interface {
	if l.iface.kind != link.Loopback {
		return l.iface
	}
	n := l.state.byIndex(int(l.scope))
	if n == nil || !dst.isLinkLocal() || !n.has6(dst) {
		n = l.state.local6(dst, nil)
	}
	if n == nil {
		return l.iface
	}
	b.Interface = int32(n.index)
	return n.Interface
}

// pseudo6 is the sum of the pseudo-header of a UDP datagram of that length.
func pseudo6(src, dst address, length int) uint32 {
	return uint32(fold64(src.hi)) + uint32(fold64(src.lo)) + uint32(fold64(dst.hi)) + uint32(fold64(dst.lo)) +
		uint32(wire.ProtocolUDP) + uint32(length)
}
