package wire

import (
	"encoding/binary"
	"net/netip"
)

// Lengths of IPv4 headers in bytes.
const (
	IPv4HeaderLen    = 20 // without options
	IPv4MaxHeaderLen = 60 // with 40 bytes of options
)

// IPv4Header is the fixed part of an IPv4 header (RFC 791). Options lie behind it.
type IPv4Header [IPv4HeaderLen]byte

var (
	errIPv4Short       = truncated("ipv4", "shorter than 20 bytes")
	errIPv4Version     = unsupported("ipv4", "version is not 4")
	errIPv4IHL         = malformed("ipv4", "header length below 20 bytes")
	errIPv4Options     = truncated("ipv4", "header length exceeds the bytes received")
	errIPv4TotalShort  = malformed("ipv4", "total length below the header length")
	errIPv4TotalBeyond = truncated("ipv4", "total length exceeds the bytes received")
)

// ParseIPv4 returns the header, options and payload of the packet at the beginning of b.
// Bytes behind the packet's total length are link padding, and cut off.
//
// The header checksum is not verified: call ChecksumOK with the options. The options are not
// interpreted: call [ParseIPv4Options] if there are any.
func ParseIPv4(b []byte) (h *IPv4Header, options, payload []byte, err error) {
	if len(b) < IPv4HeaderLen {
		return nil, nil, nil, errIPv4Short
	}
	h = (*IPv4Header)(b)
	total := int(h.TotalLength())
	if h[0] == 0x45 { // Nearly every packet: version 4, no options.
		if total < IPv4HeaderLen {
			return nil, nil, nil, errIPv4TotalShort
		}
		if total > len(b) {
			return nil, nil, nil, errIPv4TotalBeyond
		}
		return h, nil, b[IPv4HeaderLen:total:total], nil
	}
	if h[0]>>4 != 4 {
		return nil, nil, nil, errIPv4Version
	}
	n := h.HeaderLen()
	switch {
	case n < IPv4HeaderLen:
		return nil, nil, nil, errIPv4IHL
	case n > len(b):
		return nil, nil, nil, errIPv4Options
	case total < n:
		return nil, nil, nil, errIPv4TotalShort
	case total > len(b):
		return nil, nil, nil, errIPv4TotalBeyond
	}
	return h, b[IPv4HeaderLen:n:n], b[n:total:total], nil
}

// PutIPv4 lays a header of version 4, without options and otherwise zero, over the first 20
// bytes of b, and panics if b is shorter.
func PutIPv4(b []byte) *IPv4Header {
	h := (*IPv4Header)(b)
	*h = IPv4Header{0: 0x45}
	return h
}

// Version returns the version field: 4, once parsed.
func (h *IPv4Header) Version() int { return int(h[0] >> 4) }

// HeaderLen returns the length of the header with its options, in bytes.
func (h *IPv4Header) HeaderLen() int { return int(h[0]&0xf) * 4 }

// TOS returns the type of service: six bits of DSCP (RFC 2474) above two of ECN (RFC 3168).
func (h *IPv4Header) TOS() uint8 { return h[1] }

// TotalLength returns the length of the packet, header included, in bytes.
func (h *IPv4Header) TotalLength() uint16 { return binary.BigEndian.Uint16(h[2:4]) }

// ID returns the identification, which the fragments of a packet have in common.
func (h *IPv4Header) ID() uint16 { return binary.BigEndian.Uint16(h[4:6]) }

// The flags of an IPv4 header, in the byte that holds them.
const (
	ipv4DontFragment  = 0x40
	ipv4MoreFragments = 0x20
)

// DontFragment reports whether routers must not fragment the packet.
func (h *IPv4Header) DontFragment() bool { return h[6]&ipv4DontFragment != 0 }

// MoreFragments reports whether this is a fragment other than the last.
func (h *IPv4Header) MoreFragments() bool { return h[6]&ipv4MoreFragments != 0 }

// FragmentOffset returns where in the packet this fragment's payload belongs, in bytes: a
// multiple of 8 up to 65528.
func (h *IPv4Header) FragmentOffset() int {
	return int(binary.BigEndian.Uint16(h[6:8])&0x1fff) * 8
}

// IsFragment reports whether this is one fragment of a larger packet.
func (h *IPv4Header) IsFragment() bool {
	return binary.BigEndian.Uint16(h[6:8])&(ipv4MoreFragments<<8|0x1fff) != 0
}

// TTL returns the time to live, in hops.
func (h *IPv4Header) TTL() uint8 { return h[8] }

// Protocol returns the protocol of the payload.
func (h *IPv4Header) Protocol() Protocol { return Protocol(h[9]) }

// Checksum returns the header checksum field.
func (h *IPv4Header) Checksum() uint16 { return binary.BigEndian.Uint16(h[10:12]) }

// Source returns the source address.
func (h *IPv4Header) Source() netip.Addr { return netip.AddrFrom4([4]byte(h[12:16])) }

// Destination returns the destination address.
func (h *IPv4Header) Destination() netip.Addr { return netip.AddrFrom4([4]byte(h[16:20])) }

// Source4 returns the four bytes of the source address.
func (h *IPv4Header) Source4() [4]byte { return [4]byte(h[12:16]) }

// Destination4 returns the four bytes of the destination address.
func (h *IPv4Header) Destination4() [4]byte { return [4]byte(h[16:20]) }

// SetHeaderLen sets the length of the header with its options: a multiple of 4 from 20 to 60.
func (h *IPv4Header) SetHeaderLen(n int) { h[0] = 4<<4 | uint8(n>>2)&0xf }

// SetTOS sets the type of service.
func (h *IPv4Header) SetTOS(tos uint8) { h[1] = tos }

// SetTotalLength sets the length of the packet, header included, in bytes.
func (h *IPv4Header) SetTotalLength(n uint16) { binary.BigEndian.PutUint16(h[2:4], n) }

// SetID sets the identification.
func (h *IPv4Header) SetID(id uint16) { binary.BigEndian.PutUint16(h[4:6], id) }

// SetDontFragment says whether routers must not fragment the packet.
func (h *IPv4Header) SetDontFragment(on bool) { h.setFlag(ipv4DontFragment, on) }

// SetMoreFragments says whether this is a fragment other than the last.
func (h *IPv4Header) SetMoreFragments(on bool) { h.setFlag(ipv4MoreFragments, on) }

func (h *IPv4Header) setFlag(flag uint8, on bool) {
	if on {
		h[6] |= flag
	} else {
		h[6] &^= flag
	}
}

// SetFragmentOffset sets where this fragment's payload belongs, in bytes: a multiple of 8 up
// to 65528. The flags stay as they are.
func (h *IPv4Header) SetFragmentOffset(offset int) {
	flags := binary.BigEndian.Uint16(h[6:8]) &^ 0x1fff
	binary.BigEndian.PutUint16(h[6:8], flags|uint16(offset>>3)&0x1fff)
}

// SetTTL sets the time to live.
func (h *IPv4Header) SetTTL(ttl uint8) { h[8] = ttl }

// SetProtocol sets the protocol of the payload.
func (h *IPv4Header) SetProtocol(p Protocol) { h[9] = uint8(p) }

// SetChecksum sets the header checksum field.
func (h *IPv4Header) SetChecksum(c uint16) { binary.BigEndian.PutUint16(h[10:12], c) }

// SetSource sets the source address.
func (h *IPv4Header) SetSource(a netip.Addr) { *(*[4]byte)(h[12:16]) = as4(a) }

// SetDestination sets the destination address.
func (h *IPv4Header) SetDestination(a netip.Addr) { *(*[4]byte)(h[16:20]) = as4(a) }

// SetSource4 sets the four bytes of the source address.
func (h *IPv4Header) SetSource4(a [4]byte) { *(*[4]byte)(h[12:16]) = a }

// SetDestination4 sets the four bytes of the destination address.
func (h *IPv4Header) SetDestination4(a [4]byte) { *(*[4]byte)(h[16:20]) = a }

// ChecksumOK reports whether the checksum field agrees with the header and the options,
// which are those that ParseIPv4 returned.
func (h *IPv4Header) ChecksumOK(options []byte) bool { return h.sum(options, ^uint64(0)) == 0xffff }

// UpdateChecksum sets the checksum field to agree with the header and the options.
func (h *IPv4Header) UpdateChecksum(options []byte) {
	// The field counts as zero. Masking it in a register is cheaper than writing a zero,
	// since the processor would have to wait for the write before it can load a word there.
	h.SetChecksum(^h.sum(options, ^uint64(0xffff<<16)))
}

// sum returns the sum of header and options. The mask is for bytes 8 to 15 of the header.
func (h *IPv4Header) sum(options []byte, mask uint64) uint16 {
	s := sum20((*[20]byte)(h), mask)
	if len(options) > 0 {
		s = AddSum(s, Sum(options))
	}
	return s
}

// DecrementTTL takes one off the TTL and brings the checksum along (RFC 1624), so that a
// wrong checksum stays wrong. It reports whether the packet may still be forwarded: not if
// the TTL has become, or already was, zero.
func (h *IPv4Header) DecrementTTL() bool {
	if h[8] == 0 {
		return false
	}
	before := binary.BigEndian.Uint16(h[8:10])
	h[8]--
	h.SetChecksum(Replace(h.Checksum(), before, before-0x100))
	return h[8] != 0
}

// PseudoSum returns the sum of the pseudo-header that a transport's checksum covers, for
// length bytes of transport header and payload.
func (h *IPv4Header) PseudoSum(length uint16) uint16 {
	return PseudoIPv4(h.Source4(), h.Destination4(), h.Protocol(), length)
}
