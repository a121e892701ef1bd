package wire

import (
	"encoding/binary"
	"net/netip"
)

// IPv6HeaderLen is the length of an IPv6 header in bytes, extension headers left out.
const IPv6HeaderLen = 40

// IPv6MinMTU is the least MTU of a link that carries IPv6, in bytes (RFC 8200, section 5).
const IPv6MinMTU = 1280

// IPv6Header is the header of an IPv6 packet (RFC 8200).
type IPv6Header [IPv6HeaderLen]byte

var (
	errIPv6Short   = truncated("ipv6", "shorter than 40 bytes")
	errIPv6Version = unsupported("ipv6", "version is not 6")
	errIPv6Beyond  = truncated("ipv6", "payload length exceeds the bytes received")
	errIPv6Jumbo   = unsupported("ipv6", "payload length of zero before hop-by-hop options, which a jumbogram has")
)

// ParseIPv6 returns the header and the payload of the packet at the beginning of b. The
// payload begins with extension headers, if there are any: walk them with [WalkIPv6]. Bytes
// behind the packet's payload length are link padding, and cut off.
func ParseIPv6(b []byte) (h *IPv6Header, payload []byte, err error) {
	if len(b) < IPv6HeaderLen {
		return nil, nil, errIPv6Short
	}
	h = (*IPv6Header)(b)
	if h[0]>>4 != 6 {
		return nil, nil, errIPv6Version
	}
	end := IPv6HeaderLen + int(h.PayloadLength())
	if end > len(b) {
		return nil, nil, errIPv6Beyond
	}
	if end == IPv6HeaderLen && h.NextHeader() == ProtocolIPv6HopByHop {
		return nil, nil, errIPv6Jumbo
	}
	return h, b[IPv6HeaderLen:end:end], nil
}

// PutIPv6 lays a header of version 6, otherwise zero, over the first 40 bytes of b, and
// panics if b is shorter.
func PutIPv6(b []byte) *IPv6Header {
	h := (*IPv6Header)(b)
	*h = IPv6Header{0: 0x60}
	return h
}

// Version returns the version field: 6, once parsed.
func (h *IPv6Header) Version() int { return int(h[0] >> 4) }

// TrafficClass returns six bits of DSCP (RFC 2474) above two of ECN (RFC 3168).
func (h *IPv6Header) TrafficClass() uint8 {
	return uint8(binary.BigEndian.Uint16(h[0:2]) >> 4)
}

// FlowLabel returns the flow label, of 20 bits.
func (h *IPv6Header) FlowLabel() uint32 { return binary.BigEndian.Uint32(h[0:4]) & 0xfffff }

// PayloadLength returns the length of what follows the header, extension headers included,
// in bytes.
func (h *IPv6Header) PayloadLength() uint16 { return binary.BigEndian.Uint16(h[4:6]) }

// NextHeader returns what follows the header: a transport or an extension header.
func (h *IPv6Header) NextHeader() Protocol { return Protocol(h[6]) }

// HopLimit returns the hop limit.
func (h *IPv6Header) HopLimit() uint8 { return h[7] }

// Source returns the source address. It has no zone: only the receiver knows the interface.
func (h *IPv6Header) Source() netip.Addr { return netip.AddrFrom16([16]byte(h[8:24])) }

// Destination returns the destination address. It has no zone.
func (h *IPv6Header) Destination() netip.Addr { return netip.AddrFrom16([16]byte(h[24:40])) }

// Source16 returns the sixteen bytes of the source address.
func (h *IPv6Header) Source16() [16]byte { return [16]byte(h[8:24]) }

// Destination16 returns the sixteen bytes of the destination address.
func (h *IPv6Header) Destination16() [16]byte { return [16]byte(h[24:40]) }

// SetTrafficClass sets the traffic class.
func (h *IPv6Header) SetTrafficClass(class uint8) {
	h[0] = 6<<4 | class>>4
	h[1] = class<<4 | h[1]&0xf
}

// SetFlowLabel sets the flow label, of 20 bits.
func (h *IPv6Header) SetFlowLabel(label uint32) {
	word := binary.BigEndian.Uint32(h[0:4]) &^ 0xfffff
	binary.BigEndian.PutUint32(h[0:4], word|label&0xfffff)
}

// SetPayloadLength sets the length of what follows the header, in bytes.
func (h *IPv6Header) SetPayloadLength(n uint16) { binary.BigEndian.PutUint16(h[4:6], n) }

// SetNextHeader sets what follows the header.
func (h *IPv6Header) SetNextHeader(p Protocol) { h[6] = uint8(p) }

// SetHopLimit sets the hop limit.
func (h *IPv6Header) SetHopLimit(n uint8) { h[7] = n }

// SetSource sets the source address. Its zone is not sent.
func (h *IPv6Header) SetSource(a netip.Addr) { *(*[16]byte)(h[8:24]) = a.As16() }

// SetDestination sets the destination address. Its zone is not sent.
func (h *IPv6Header) SetDestination(a netip.Addr) { *(*[16]byte)(h[24:40]) = a.As16() }

// SetSource16 sets the sixteen bytes of the source address.
func (h *IPv6Header) SetSource16(a [16]byte) { *(*[16]byte)(h[8:24]) = a }

// SetDestination16 sets the sixteen bytes of the destination address.
func (h *IPv6Header) SetDestination16(a [16]byte) { *(*[16]byte)(h[24:40]) = a }

// DecrementHopLimit takes one off the hop limit, and reports whether the packet may still be
// forwarded: not if the limit has become, or already was, zero.
func (h *IPv6Header) DecrementHopLimit() bool {
	if h[7] == 0 {
		return false
	}
	h[7]--
	return h[7] != 0
}

// PseudoSum returns the sum of the pseudo-header that a transport's checksum covers, for
// length bytes of transport header and payload of protocol p. With a routing header whose
// segments are not all used up, the destination is the last segment, not the header's.
func (h *IPv6Header) PseudoSum(p Protocol, length uint32) uint16 {
	return PseudoIPv6(h.Source16(), h.Destination16(), p, length)
}
