package wire

import (
	"math/bits"
	"time"
)

// IGMPv3 and MLDv2 write a time in 8 or 16 bits: small values as they are, and greater ones
// as a floating-point number of 3 bits of exponent and 4 or 12 of mantissa, whose leading one
// is not written.

// The greatest values that the codes can say.
const (
	MaxTimeCode8  = 0x1f << 10   // 31744
	MaxTimeCode16 = 0x1fff << 10 // 8387584
)

// DecodeTimeCode8 returns the value of the codes of 8 bits: Max Resp Code and Querier's Query
// Interval Code of IGMPv3 (RFC 9776, sections 4.1.1 and 4.1.7), and the latter of MLDv2.
func DecodeTimeCode8(code uint8) int {
	if code < 0x80 {
		return int(code)
	}
	return int(code&0xf|0x10) << (code>>4&7 + 3)
}

// EncodeTimeCode8 returns the code of the greatest value not above v that has a code.
func EncodeTimeCode8(v int) uint8 {
	switch {
	case v < 0:
		return 0
	case v < 0x80:
		return uint8(v)
	case v > MaxTimeCode8:
		return 0xff
	}
	shift := bits.Len(uint(v)) - 5 // leaves the leading one and 4 bits
	return 0x80 | uint8(shift-3)<<4 | uint8(v>>shift)&0xf
}

// DecodeTimeCode16 returns the value of the code of 16 bits: Maximum Response Code of MLDv2
// (RFC 9777, section 5.1.3).
func DecodeTimeCode16(code uint16) int {
	if code < 0x8000 {
		return int(code)
	}
	return int(code&0xfff|0x1000) << (code>>12&7 + 3)
}

// EncodeTimeCode16 returns the code of the greatest value not above v that has a code.
func EncodeTimeCode16(v int) uint16 {
	switch {
	case v < 0:
		return 0
	case v < 0x8000:
		return uint16(v)
	case v > MaxTimeCode16:
		return 0xffff
	}
	shift := bits.Len(uint(v)) - 13 // leaves the leading one and 12 bits
	return 0x8000 | uint16(shift-3)<<12 | uint16(v>>shift)&0xfff
}

// units returns how many whole units there are in d, but no less than zero and no more than
// limit.
func units(d, unit time.Duration, limit int64) int64 {
	return min(max(int64(d/unit), 0), limit)
}
