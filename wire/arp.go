package wire

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// ARPOperation is what an ARP packet does.
type ARPOperation uint16

// The operations of RFC 826.
const (
	ARPRequest ARPOperation = 1
	ARPReply   ARPOperation = 2
)

// String returns "request", "reply", or the number as "operation 8".
func (o ARPOperation) String() string {
	switch o {
	case ARPRequest:
		return "request"
	case ARPReply:
		return "reply"
	}
	return "operation " + strconv.Itoa(int(o))
}

// ARPPacketLen is the length of an ARP packet for IPv4 over Ethernet in bytes. The frame
// that carries one is padded to Ethernet's minimum.
const ARPPacketLen = 28

// ARPPacket is an ARP packet for IPv4 over Ethernet (RFC 826).
type ARPPacket [ARPPacketLen]byte

var (
	errARPShort    = truncated("arp", "shorter than 28 bytes")
	errARPHardware = unsupported("arp", "hardware type is not Ethernet with 6-byte addresses")
	errARPProtocol = unsupported("arp", "protocol type is not IPv4 with 4-byte addresses")
)

// ParseARP returns the packet at the beginning of b, having checked that its addresses are
// those of Ethernet and IPv4. It accepts any operation: RFC 826 has the receiver look at the
// operation last. What follows the packet is padding.
func ParseARP(b []byte) (*ARPPacket, error) {
	if len(b) < ARPPacketLen {
		return nil, errARPShort
	}
	p := (*ARPPacket)(b)
	if binary.BigEndian.Uint16(p[0:2]) != 1 || p[4] != 6 {
		return nil, errARPHardware
	}
	if EtherType(binary.BigEndian.Uint16(p[2:4])) != EtherTypeIPv4 || p[5] != 4 {
		return nil, errARPProtocol
	}
	return p, nil
}

// PutARP writes a whole packet over the first 28 bytes of b, and panics if b is shorter.
func PutARP(b []byte, op ARPOperation, senderMAC MAC, senderAddr netip.Addr, targetMAC MAC, targetAddr netip.Addr) *ARPPacket {
	p := (*ARPPacket)(b)
	*p = ARPPacket{0, 1, 0x08, 0x00, 6, 4}
	p.SetOperation(op)
	p.SetSenderMAC(senderMAC)
	p.SetSenderAddr(senderAddr)
	p.SetTargetMAC(targetMAC)
	p.SetTargetAddr(targetAddr)
	return p
}

// Operation returns what the packet does.
func (p *ARPPacket) Operation() ARPOperation {
	return ARPOperation(binary.BigEndian.Uint16(p[6:8]))
}

// SenderMAC returns the sender's hardware address.
func (p *ARPPacket) SenderMAC() MAC { return MAC(p[8:14]) }

// SenderAddr returns the sender's IPv4 address, 0.0.0.0 in a probe (RFC 5227).
func (p *ARPPacket) SenderAddr() netip.Addr { return netip.AddrFrom4([4]byte(p[14:18])) }

// TargetMAC returns the target's hardware address, which means nothing in a request.
func (p *ARPPacket) TargetMAC() MAC { return MAC(p[18:24]) }

// TargetAddr returns the IPv4 address asked for, or in a reply the address of the asker.
func (p *ARPPacket) TargetAddr() netip.Addr { return netip.AddrFrom4([4]byte(p[24:28])) }

// SetOperation sets what the packet does.
func (p *ARPPacket) SetOperation(op ARPOperation) { binary.BigEndian.PutUint16(p[6:8], uint16(op)) }

// SetSenderMAC sets the sender's hardware address.
func (p *ARPPacket) SetSenderMAC(m MAC) { *(*MAC)(p[8:14]) = m }

// SetSenderAddr sets the sender's IPv4 address.
func (p *ARPPacket) SetSenderAddr(a netip.Addr) { *(*[4]byte)(p[14:18]) = as4(a) }

// SetTargetMAC sets the target's hardware address.
func (p *ARPPacket) SetTargetMAC(m MAC) { *(*MAC)(p[18:24]) = m }

// SetTargetAddr sets the target's IPv4 address.
func (p *ARPPacket) SetTargetAddr(a netip.Addr) { *(*[4]byte)(p[24:28]) = as4(a) }
