package wire

import "encoding/binary"

// UDPHeaderLen is the length of a UDP header in bytes.
const UDPHeaderLen = 8

// UDPHeader is the header of a UDP datagram (RFC 768).
type UDPHeader [UDPHeaderLen]byte

var (
	errUDPShort        = truncated("udp", "shorter than 8 bytes")
	errUDPLengthShort  = malformed("udp", "length field below 8")
	errUDPLengthBeyond = truncated("udp", "length field exceeds the bytes received")
)

// ParseUDP returns the header and the payload of the datagram at the beginning of b, which
// is the payload of an IP packet. What follows the datagram's length is cut off. A length of
// zero, which RFC 2675 gives to jumbograms, is refused. The checksum is not verified.
func ParseUDP(b []byte) (h *UDPHeader, payload []byte, err error) {
	if len(b) < UDPHeaderLen {
		return nil, nil, errUDPShort
	}
	h = (*UDPHeader)(b)
	n := int(h.Length())
	if n < UDPHeaderLen {
		return nil, nil, errUDPLengthShort
	}
	if n > len(b) {
		return nil, nil, errUDPLengthBeyond
	}
	return h, b[UDPHeaderLen:n:n], nil
}

// PutUDP lays a zero header over the first 8 bytes of b, and panics if b is shorter.
func PutUDP(b []byte) *UDPHeader {
	h := (*UDPHeader)(b)
	*h = UDPHeader{}
	return h
}

// SourcePort returns the source port: zero if the sender wants no answer.
func (h *UDPHeader) SourcePort() uint16 { return binary.BigEndian.Uint16(h[0:2]) }

// DestinationPort returns the destination port.
func (h *UDPHeader) DestinationPort() uint16 { return binary.BigEndian.Uint16(h[2:4]) }

// Length returns the length of header and payload in bytes.
func (h *UDPHeader) Length() uint16 { return binary.BigEndian.Uint16(h[4:6]) }

// Checksum returns the checksum field: zero if the sender computed none.
func (h *UDPHeader) Checksum() uint16 { return binary.BigEndian.Uint16(h[6:8]) }

// SetSourcePort sets the source port.
func (h *UDPHeader) SetSourcePort(port uint16) { binary.BigEndian.PutUint16(h[0:2], port) }

// SetDestinationPort sets the destination port.
func (h *UDPHeader) SetDestinationPort(port uint16) { binary.BigEndian.PutUint16(h[2:4], port) }

// SetLength sets the length of header and payload in bytes.
func (h *UDPHeader) SetLength(n uint16) { binary.BigEndian.PutUint16(h[4:6], n) }

// SetChecksum sets the checksum field as it is. A computed zero must be sent as 0xffff, as
// UpdateChecksum does.
func (h *UDPHeader) SetChecksum(c uint16) { binary.BigEndian.PutUint16(h[6:8], c) }

// ChecksumOK reports whether the checksum field agrees with the pseudo-header, the header
// and the payload; pseudo comes from [PseudoIPv4] or [PseudoIPv6] with [ProtocolUDP] and the
// header's Length. A checksum field of zero says that there is no checksum: allowed over
// IPv4, forbidden over IPv6 (RFC 8200, section 8.1), and for the caller to ask first.
func (h *UDPHeader) ChecksumOK(pseudo uint16, payload []byte) bool {
	return h.sum(pseudo, payload) == 0xffff
}

// UpdateChecksum sets the checksum field to agree with the pseudo-header, the header and the
// payload. A sum that comes to zero is written as 0xffff, for zero means none.
func (h *UDPHeader) UpdateChecksum(pseudo uint16, payload []byte) {
	h.SetChecksum(0)
	c := ^h.sum(pseudo, payload)
	if c == 0 {
		c = 0xffff
	}
	h.SetChecksum(c)
}

func (h *UDPHeader) sum(pseudo uint16, payload []byte) uint16 {
	s := uint32(pseudo) +
		uint32(h.SourcePort()) + uint32(h.DestinationPort()) + uint32(h.Length()) + uint32(h.Checksum()) +
		uint32(Sum(payload))
	return fold32(s)
}
