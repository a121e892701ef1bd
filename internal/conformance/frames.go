package conformance

import (
	"net/netip"

	"github.com/castnet-go/castnet/wire"
)

// gatewayMAC is whom injected frames come from unless it matters.
var gatewayMAC = wire.MAC{2, 0xff, 10, 0, 0, 254}

// broadcastMAC is everybody's.
var broadcastMAC = wire.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// ethernet returns a frame.
func ethernet(to, from wire.MAC, packet []byte) []byte {
	b := make([]byte, wire.EthernetHeaderLen, wire.EthernetHeaderLen+len(packet))
	h := wire.PutEthernet(b)
	h.SetDestination(to)
	h.SetSource(from)
	h.SetType(wire.EtherTypeIPv4)
	return append(b, packet...)
}

// arp returns an ARP frame.
func arp(op wire.ARPOperation, senderMAC wire.MAC, sender netip.Addr, targetMAC wire.MAC, target netip.Addr, to wire.MAC) []byte {
	b := make([]byte, wire.EthernetHeaderLen+wire.ARPPacketLen)
	h := wire.PutEthernet(b)
	h.SetDestination(to)
	h.SetSource(senderMAC)
	h.SetType(wire.EtherTypeARP)
	wire.PutARP(b[wire.EthernetHeaderLen:], op, senderMAC, sender, targetMAC, target)
	return b
}

// A Datagram is a UDP datagram to be injected. The zero values of the fields
// after Payload stand for what is right.
type Datagram struct {
	From, To string // addresses with ports
	Payload  string

	TTL, TOS uint8
	// Length overrides the UDP header's length field, and Checksum its
	// checksum, made for that length if it is nil.
	Length   int
	Checksum *uint16
	// Protocol overrides the IP header's.
	Protocol wire.Protocol
	// Edit, if not nil, is handed the whole packet before the checksums are
	// made of the IP header, and After after that.
	Edit, After func(ip *wire.IPv4Header)
}

// Bytes returns the IP packet.
func (d Datagram) Bytes() []byte {
	from, to := netip.MustParseAddrPort(d.From), netip.MustParseAddrPort(d.To)
	n := wire.IPv4HeaderLen + wire.UDPHeaderLen + len(d.Payload)
	b := make([]byte, n)
	ip := wire.PutIPv4(b)
	ip.SetTotalLength(uint16(n))
	ip.SetTTL(64)
	if d.TTL != 0 {
		ip.SetTTL(d.TTL)
	}
	ip.SetTOS(d.TOS)
	ip.SetProtocol(wire.ProtocolUDP)
	if d.Protocol != 0 {
		ip.SetProtocol(d.Protocol)
	}
	ip.SetSource(from.Addr())
	ip.SetDestination(to.Addr())

	u := wire.PutUDP(b[wire.IPv4HeaderLen:])
	u.SetSourcePort(from.Port())
	u.SetDestinationPort(to.Port())
	length := wire.UDPHeaderLen + len(d.Payload)
	if d.Length != 0 {
		length = d.Length
	}
	u.SetLength(uint16(length))
	copy(b[wire.IPv4HeaderLen+wire.UDPHeaderLen:], d.Payload)
	if d.Checksum != nil {
		u.SetChecksum(*d.Checksum)
	} else {
		covered := b[wire.IPv4HeaderLen:]
		if length < len(covered) {
			covered = covered[:length]
		}
		pseudo := wire.PseudoIPv4(ip.Source4(), ip.Destination4(), wire.ProtocolUDP, uint16(length))
		sum := ^wire.AddSum(pseudo, wire.Sum(covered))
		if sum == 0 {
			sum = 0xffff
		}
		u.SetChecksum(sum)
	}
	if d.Edit != nil {
		d.Edit(ip)
	}
	ip.UpdateChecksum(nil)
	if d.After != nil {
		d.After(ip)
	}
	return b
}

// icmp returns an IP packet with an ICMP message.
func icmp(from, to string, typ wire.ICMPType, code wire.ICMPCode, rest [4]byte, body []byte) []byte {
	n := wire.IPv4HeaderLen + wire.ICMPHeaderLen + len(body)
	b := make([]byte, n)
	ip := wire.PutIPv4(b)
	ip.SetTotalLength(uint16(n))
	ip.SetTTL(64)
	ip.SetProtocol(wire.ProtocolICMP)
	ip.SetSource(netip.MustParseAddr(from))
	ip.SetDestination(netip.MustParseAddr(to))
	ip.UpdateChecksum(nil)
	h := wire.PutICMP(b[wire.IPv4HeaderLen:], typ, code)
	h.SetRest(rest)
	copy(b[wire.IPv4HeaderLen+wire.ICMPHeaderLen:], body)
	h.UpdateChecksum(b[wire.IPv4HeaderLen+wire.ICMPHeaderLen:])
	return b
}

// FragmentationNeeded returns a router's message that a packet that the machine sent
// is longer than the next link carries, with as much of it as routers quote.
func FragmentationNeeded(from string, about *Packet, mtu int) []byte {
	quote := about.Raw[:min(len(about.Raw), 548)]
	return icmp(from, about.IP.Source().String(), wire.ICMPDestinationUnreachable, wire.ICMPFragmentationNeeded,
		[4]byte{0, 0, byte(mtu >> 8), byte(mtu)}, quote)
}

// ICMPError returns the ICMP error from a router about a packet that the machine
// sent: its IP header and the first 8 bytes behind it, as RFC 792 has it.
func ICMPError(from string, about *Packet, typ wire.ICMPType, code wire.ICMPCode) []byte {
	quote := about.Raw[:about.IP.HeaderLen()+8]
	return icmp(from, about.IP.Source().String(), typ, code, [4]byte{}, quote)
}
