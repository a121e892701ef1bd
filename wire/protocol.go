package wire

import (
	"net/netip"
	"strconv"
)

// Protocol is the number of the protocol that follows an IP header: the protocol field of
// IPv4, the next header field of IPv6.
type Protocol uint8

// Protocol numbers, as IANA assigns them. Those with IPv6 in their name are extension headers.
const (
	ProtocolIPv6HopByHop    Protocol = 0
	ProtocolICMP            Protocol = 1
	ProtocolIGMP            Protocol = 2
	ProtocolIPv4            Protocol = 4
	ProtocolTCP             Protocol = 6
	ProtocolUDP             Protocol = 17
	ProtocolIPv6            Protocol = 41
	ProtocolIPv6Routing     Protocol = 43
	ProtocolIPv6Fragment    Protocol = 44
	ProtocolESP             Protocol = 50
	ProtocolAH              Protocol = 51
	ProtocolICMPv6          Protocol = 58
	ProtocolNoNext          Protocol = 59
	ProtocolIPv6Destination Protocol = 60
	ProtocolPIM             Protocol = 103
	ProtocolUDPLite         Protocol = 136
)

// String returns the protocol's name, or the number as "protocol 89".
func (p Protocol) String() string {
	switch p {
	case ProtocolIPv6HopByHop:
		return "IPv6 hop-by-hop options"
	case ProtocolICMP:
		return "ICMP"
	case ProtocolIGMP:
		return "IGMP"
	case ProtocolIPv4:
		return "IPv4"
	case ProtocolTCP:
		return "TCP"
	case ProtocolUDP:
		return "UDP"
	case ProtocolIPv6:
		return "IPv6"
	case ProtocolIPv6Routing:
		return "IPv6 routing"
	case ProtocolIPv6Fragment:
		return "IPv6 fragment"
	case ProtocolESP:
		return "ESP"
	case ProtocolAH:
		return "AH"
	case ProtocolICMPv6:
		return "ICMPv6"
	case ProtocolNoNext:
		return "no next header"
	case ProtocolIPv6Destination:
		return "IPv6 destination options"
	case ProtocolPIM:
		return "PIM"
	case ProtocolUDPLite:
		return "UDP-Lite"
	}
	return "protocol " + strconv.Itoa(int(p))
}

// as4 is netip.Addr.As4 for setters, which do not panic: what is not IPv4 becomes 0.0.0.0.
func as4(a netip.Addr) [4]byte {
	if a.Is4() || a.Is4In6() {
		return a.As4()
	}
	return [4]byte{}
}
