package stack

import (
	"net/netip"

	"github.com/castnet-go/castnet/wire"
)

// openSix makes a forwarding stack with IPv6 sockets, some of which hear IPv4 as well.
func (w *traffic) openSix() {
	t := w.t
	w.host, w.cables[0], w.cables[1] = newRouter6(t, Config{Limits: trafficLimits})
	w.cables[1].mtu = 1300
	w.route(t, "2001:db8:c::/48 via 2001:db8:1::9")
	w.sockets = []*Socket{
		w.open6(t, "[::]:7"), w.connected6(t, "[2001:db8::2]:8", "[2001:db8::9]:9"),
		w.connected6(t, "[2001:db8:1::2]:8", "[2001:db8:1::9]:9"), w.open6(t, "[2001:db8::2]:10"),
		w.connected6(t, "[2001:db8::2]:11", "[2001:db8:c::1]:9"), w.open6(t, "[::ffff:10.0.0.2]:12"),
	}
}

func (w *traffic) station6() string {
	return [...]string{
		"2001:db8::9", "2001:db8::8", "2001:db8:1::9", "2001:db8:1::5", "2001:db8:c::1", "fe80::9", "2001:db8::2", "::", "::1",
	}[w.byte(9)]
}

func (w *traffic) own6() string {
	return [...]string{
		"2001:db8::2", "2001:db8:1::2", "2001:db8:1::9", "2001:db8:c::1", "ff02::1", "2001:db8::77", "fe80::77", "2001:db8:9::1",
	}[w.byte(8)]
}

// packet6 returns a frame with a datagram, perhaps a bad one.
func (w *traffic) packet6() []byte {
	src, dst := w.station6(), w.own6()
	body := udp6(src, dst, uint16(w.port()), uint16(w.port()), letters(w.byte(256)*8))
	flags := w.byte(256)
	switch {
	case flags&6 == 6:
		body[6] ^= 1 // the checksum
	case flags&24 == 24:
		body[6], body[7] = 0, 0
	}
	next, hops := wire.ProtocolUDP, uint8(64)
	if flags&96 == 96 {
		next = [...]wire.Protocol{wire.ProtocolIPv6HopByHop, wire.ProtocolIPv6Destination, wire.ProtocolIPv6Routing, wire.ProtocolIPv6Fragment}[w.byte(4)]
		header := []byte{byte(wire.ProtocolUDP), 0, byte(w.byte(256)), byte(w.byte(5)), 0, 0, 0, 0}
		body = append(header, body...)
	}
	if flags&128 != 0 {
		hops = uint8(w.byte(3))
	}
	return frame6(src, dst, hops, next, body)
}

// on changes the station that a frame is for to that of the cable.
func on(l *cable, f []byte) []byte {
	if f[0]&1 == 0 {
		copy(f, l.mac[:])
	}
	return f
}

// fragments6 is fragments for IPv6.
func (w *traffic) fragments6(l *cable) {
	src, dst := w.station6(), w.own6()
	whole := udp6(src, dst, 9, 7, letters(500))
	for id := uint32(w.byte(3)); ; {
		at := w.byte(8) * 64
		end := min(at+64*(1+w.byte(3)), len(whole))
		if w.byte(8) == 7 {
			end -= min(w.byte(60), end-at)
		}
		header := make([]byte, 8)
		wire.PutIPv6Fragment(header, wire.ProtocolUDP, at, at < 384, id)
		l.deliver(on(l, frame6(src, dst, 64, wire.ProtocolIPv6Fragment, append(header, whole[min(at, end):end]...))))
		if w.byte(3) == 0 {
			return
		}
	}
}

// icmpError6 is icmpError for IPv6.
func (w *traffic) icmpError6(l *cable, quoted []byte) {
	src, dst := w.station6(), w.own6()
	t := [...]wire.ICMPv6Type{
		wire.ICMPv6DestinationUnreachable, wire.ICMPv6PacketTooBig, wire.ICMPv6TimeExceeded, wire.ICMPv6ParameterProblem,
		wire.ICMPv6Redirect, wire.ICMPv6Type(w.byte(256)),
	}[w.byte(6)]
	m := icmp6(src, dst, t, wire.ICMPv6Code(w.byte(8)), uint32(w.byte(8)*256+w.byte(256)), quoted)
	l.deliver(on(l, frame6(src, dst, uint8(64+191*w.byte(2)), wire.ProtocolICMPv6, m)))
}

// ndp delivers a question or an answer of neighbour discovery.
func (w *traffic) ndp(l *cable) {
	mac := w.mac()
	src, dst := w.station6(), w.own6()
	var m []byte
	if w.byte(2) == 0 {
		m = wire.NeighborSolicitation{Target: netip.MustParseAddr(w.own6()), Options: slla(mac)}.AppendTo(nil)
	} else {
		m = wire.NeighborAdvertisement{
			Target: netip.MustParseAddr(w.station6()), Solicited: w.byte(2) == 0, Override: w.byte(2) == 0,
			Options: wire.AppendNDPLinkLayerAddress(nil, wire.NDPTargetLinkLayerAddress, mac),
		}.AppendTo(nil)
	}
	l.deliver(on(l, frame6(src, dst, 255, wire.ProtocolICMPv6, summed6(src, dst, m))))
}

// wellFormed6 is wellFormed for a packet of IPv6.
func (w *traffic) wellFormed6(p []byte) {
	h, payload, err := wire.ParseIPv6(p)
	if err != nil {
		w.t.Fatalf("a packet came out, % x: %v", p, err)
	}
	if h.HopLimit() != 64 && h.HopLimit() != 255 {
		return // forwarded, perhaps from what claimed to be this host
	}
	walk := wire.WalkIPv6(h, payload)
	for {
		e, ok := walk.Next()
		if !ok {
			break
		}
		if f, ok := e.Fragment(); ok && !f.IsAtomic() {
			return
		}
	}
	if walk.Err() != nil {
		w.t.Fatalf("a packet came out, % x: %v", p, walk.Err())
	}
	rest := walk.Payload()
	switch walk.Protocol() {
	case wire.ProtocolUDP:
		u, data, err := wire.ParseUDP(rest)
		if err != nil || u.Checksum() == 0 || !u.ChecksumOK(h.PseudoSum(wire.ProtocolUDP, uint32(u.Length())), data) {
			w.t.Fatalf("a datagram came out, % x: %v", p, err)
		}
	case wire.ProtocolICMPv6:
		m, body, err := wire.ParseICMPv6(rest)
		if err != nil || !m.ChecksumOK(h.PseudoSum(wire.ProtocolICMPv6, uint32(len(rest))), body) {
			w.t.Fatalf("an ICMPv6 message came out, % x: %v", p, err)
		}
	default:
		w.t.Fatalf("a packet of protocol %v came out", walk.Protocol())
	}
}
