package trace

import (
	"net/netip"
	"time"

	"github.com/castnet-go/castnet/wire"
)

var (
	global1 = netip.MustParseAddr("2001:db8::1")
	global2 = netip.MustParseAddr("2001:db8::2")
)

func ipv6(next wire.Protocol, src, dst netip.Addr, payload []byte) []byte {
	b := make([]byte, wire.IPv6HeaderLen, wire.IPv6HeaderLen+len(payload))
	h := wire.PutIPv6(b)
	h.SetPayloadLength(uint16(len(payload)))
	h.SetNextHeader(next)
	h.SetHopLimit(1)
	h.SetSource(src)
	h.SetDestination(dst)
	return append(b, payload...)
}

// udp6 is a datagram in an IPv6 packet, behind other headers.
func udp6(first wire.Protocol, headers []byte, payload string) []byte {
	b := make([]byte, wire.UDPHeaderLen)
	h := wire.PutUDP(b)
	h.SetSourcePort(5000)
	h.SetDestinationPort(7)
	h.SetLength(uint16(len(b) + len(payload)))
	return ipv6(first, global1, global2, append(append(headers, b...), payload...))
}

func fragment6(offset int, more bool) []byte {
	b := make([]byte, wire.IPv6FragmentHeaderLen)
	wire.PutIPv6Fragment(b, wire.ProtocolUDP, offset, more, 9)
	return b
}

func icmp6(t wire.ICMPv6Type, c wire.ICMPv6Code, rest [4]byte, body []byte) []byte {
	b := make([]byte, wire.ICMPv6HeaderLen)
	wire.PutICMPv6(b, t, c).SetRest(rest)
	return ipv6(wire.ProtocolICMPv6, global2, global1, append(b, body...))
}

func ndp(to string, message []byte) []byte {
	return ipv6(wire.ProtocolICMPv6, link1, netip.MustParseAddr(to), message)
}

var (
	options     = wire.AppendIPv6Options(nil, wire.ProtocolUDP, wire.IPv6Option{Type: 0x1e, Data: []byte{1}})
	bothOptions = append(wire.AppendIPv6Options(nil, wire.ProtocolIPv6Destination), options...)
	ourMAC      = wire.NDPOptions(wire.AppendNDPLinkLayerAddress(nil, wire.NDPSourceLinkLayerAddress, mac1))
	theirMAC    = wire.NDPOptions(wire.AppendNDPLinkLayerAddress(nil, wire.NDPTargetLinkLayerAddress, mac2))
	announced   = wire.NDPOptions(wire.AppendNDPMTU(wire.PrefixInformation{Prefix: netip.MustParsePrefix("2001:db8::/64")}.AppendTo(ourMAC[:len(ourMAC):len(ourMAC)]), 1280))
)

var ipv6Descriptions = []description{
	{"UDP over IPv6", frame(wire.EtherTypeIPv6, udp6(wire.ProtocolUDP, nil, "hello")), LayerEthernet,
		`[2001:db8::1]:5000 > [2001:db8::2]:7 UDP 5 B "hello"`},
	{"UDP behind options", udp6(wire.ProtocolIPv6Destination, options, "hello"), LayerIP,
		`[2001:db8::1]:5000 > [2001:db8::2]:7 [destination options] UDP 5 B "hello"`},
	{"UDP behind two headers", udp6(wire.ProtocolIPv6HopByHop, bothOptions, "hello"), LayerIP,
		`[2001:db8::1]:5000 > [2001:db8::2]:7 [hop-by-hop, destination options] UDP 5 B "hello"`},
	{"atomic fragment", udp6(wire.ProtocolIPv6Fragment, fragment6(0, false), "hello"), LayerIP,
		`[2001:db8::1]:5000 > [2001:db8::2]:7 [fragment] UDP 5 B "hello"`},
	{"first fragment", udp6(wire.ProtocolIPv6Fragment, fragment6(0, true), "hello"), LayerIP,
		`2001:db8::1 > 2001:db8::2 UDP fragment at 0 13 B`},
	{"later fragment behind options", udp6(wire.ProtocolIPv6Destination,
		append(wire.AppendIPv6Options(nil, wire.ProtocolIPv6Fragment), fragment6(1448, false)...), ""), LayerIP,
		`2001:db8::1 > 2001:db8::2 [destination options] UDP fragment at 1448 8 B`},
	{"cut options", ipv6(wire.ProtocolIPv6Destination, global1, global2, make([]byte, 7)), LayerIP,
		`2001:db8::1 > 2001:db8::2 malformed: 7 B, `},
	{"TCP over IPv6", ipv6(wire.ProtocolTCP, global1, global2, make([]byte, 20)), LayerIP, `2001:db8::1 > 2001:db8::2 TCP 20 B`},
	{"nothing over IPv6", ipv6(wire.ProtocolNoNext, global1, global2, nil), LayerIP, `2001:db8::1 > 2001:db8::2 no next header 0 B`},
	{"cut UDP over IPv6", ipv6(wire.ProtocolUDP, global1, global2, make([]byte, 3)), LayerIP, `2001:db8::1 > 2001:db8::2 malformed: 3 B, `},
	{"cut ICMPv6", ipv6(wire.ProtocolICMPv6, global1, global2, make([]byte, 3)), LayerIP, `2001:db8::1 > 2001:db8::2 malformed: 3 B, `},

	{"IPv6 echo", icmp6(wire.ICMPv6EchoReply, 0, [4]byte{0, 9, 1, 0}, make([]byte, 56)), LayerIP,
		`2001:db8::2 > 2001:db8::1 ICMPv6 echo reply id 9 seq 256 56 B`},
	{"IPv6 port unreachable", icmp6(wire.ICMPv6DestinationUnreachable, wire.ICMPv6PortUnreachable, [4]byte{}, udp6(wire.ProtocolUDP, nil, "x")), LayerIP,
		`2001:db8::2 > 2001:db8::1 ICMPv6 port unreachable [[2001:db8::1]:5000 > [2001:db8::2]:7 UDP]`},
	{"packet too big", icmp6(wire.ICMPv6PacketTooBig, 0, [4]byte{2: 0x05, 3: 0}, udp6(wire.ProtocolIPv6Fragment, fragment6(1448, false), "x")), LayerIP,
		`2001:db8::2 > 2001:db8::1 ICMPv6 packet too big, MTU 1280 [2001:db8::1 > 2001:db8::2 UDP]`},
	{"parameter problem", icmp6(wire.ICMPv6ParameterProblem, wire.ICMPv6UnknownOption, [4]byte{3: 42}, udp6(wire.ProtocolIPv6Destination, options, "x")), LayerIP,
		`2001:db8::2 > 2001:db8::1 ICMPv6 unrecognised option at byte 42 [[2001:db8::1]:5000 > [2001:db8::2]:7 UDP]`},
	{"error without a quote", icmp6(wire.ICMPv6TimeExceeded, 0, [4]byte{}, nil), LayerIP,
		`2001:db8::2 > 2001:db8::1 ICMPv6 hop limit exceeded in transit`},
	{"ICMPv6 of another type", icmp6(200, 0, [4]byte{}, make([]byte, 5)), LayerIP, `2001:db8::2 > 2001:db8::1 ICMPv6 type 200 5 B`},

	{"router solicitation", ndp("ff02::2", wire.RouterSolicitation{Options: ourMAC}.AppendTo(nil)), LayerIP,
		`fe80::1 > ff02::2 ICMPv6 routers? tell 02:00:00:00:00:01`},
	{"router advertisement", ndp("ff02::1", wire.RouterAdvertisement{
		RouterLifetime: 30 * time.Minute, Preference: wire.PreferenceHigh, Other: true, Options: announced,
	}.AppendTo(nil)), LayerIP,
		`fe80::1 > ff02::1 ICMPv6 router for 30m0s, preference high, more by DHCPv6, at 02:00:00:00:00:01, prefix 2001:db8::/64, MTU 1280`},
	{"no router any more", ndp("ff02::1", wire.RouterAdvertisement{Managed: true}.AppendTo(nil)), LayerIP,
		`fe80::1 > ff02::1 ICMPv6 router for 0s, addresses by DHCPv6`},
	{"neighbor solicitation", ndp("ff02::1:ff00:2", wire.NeighborSolicitation{Target: global2, Options: ourMAC}.AppendTo(nil)), LayerIP,
		`fe80::1 > ff02::1:ff00:2 ICMPv6 who has 2001:db8::2? tell 02:00:00:00:00:01`},
	{"duplicate address detection", ipv6(wire.ProtocolICMPv6, netip.IPv6Unspecified(), netip.MustParseAddr("ff02::1:ff00:2"),
		wire.NeighborSolicitation{Target: global2}.AppendTo(nil)), LayerIP,
		`:: > ff02::1:ff00:2 ICMPv6 who has 2001:db8::2?`},
	{"neighbor advertisement", ndp("fe80::2", wire.NeighborAdvertisement{Router: true, Solicited: true, Override: true, Target: global2, Options: theirMAC}.AppendTo(nil)), LayerIP,
		`fe80::1 > fe80::2 ICMPv6 2001:db8::2 is at 02:00:00:00:00:02, router, solicited, override`},
	{"neighbor advertisement without an address", ndp("fe80::2", wire.NeighborAdvertisement{Target: global2}.AppendTo(nil)), LayerIP,
		`fe80::1 > fe80::2 ICMPv6 2001:db8::2 is there`},
	{"redirect", ndp("fe80::2", wire.Redirect{Target: link1, Destination: global2}.AppendTo(nil)), LayerIP,
		`fe80::1 > fe80::2 ICMPv6 redirect: 2001:db8::2 by fe80::1`},
	{"cut neighbor solicitation", ndp("fe80::2", wire.NeighborSolicitation{Target: global2}.AppendTo(nil)[:23]), LayerIP,
		`fe80::1 > fe80::2 ICMPv6 neighbor solicitation malformed: 23 B, `},
	{"cut IPv6", append([]byte{0x60}, make([]byte, 30)...), LayerIP, `malformed: 31 B, `},
}
