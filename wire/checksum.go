package wire

import (
	"encoding/binary"
	"math/bits"
)

// Checksum returns the Internet checksum of b (RFC 1071): the complement of its sum.
func Checksum(b []byte) uint16 { return ^Sum(b) }

// Sum returns the one's complement sum of b taken as 16-bit words in network byte order, the
// last byte of an odd number being padded with zero. It is not complemented. Sums of parts
// of even length add up, by [AddSum], to the sum of the whole. Only bytes that are all zero
// have the sum zero; a message with a correct checksum inside has the sum 0xffff.
func Sum(b []byte) uint16 {
	if useVector && len(b) >= vectorThreshold {
		return sumVector(b)
	}
	return sumGeneric(b)
}

// CopySum copies src to the front of dst and returns the sum of what it copied, as
// Sum does. It panics if dst is shorter.
func CopySum(dst, src []byte) uint16 {
	dst = dst[:len(src)]
	if len(src) > copySumMost || len(src) < 8 {
		copy(dst, src)
		return Sum(src)
	}
	// Short ones in one pass: each word is loaded once, and no call is made.
	var s, c uint64
	if len(src) >= 64 && len(dst) >= 64 {
		a := (*[64]byte)(src)
		to := (*[64]byte)(dst)
		w0, w1 := binary.LittleEndian.Uint64(a[0:8]), binary.LittleEndian.Uint64(a[8:16])
		w2, w3 := binary.LittleEndian.Uint64(a[16:24]), binary.LittleEndian.Uint64(a[24:32])
		w4, w5 := binary.LittleEndian.Uint64(a[32:40]), binary.LittleEndian.Uint64(a[40:48])
		w6, w7 := binary.LittleEndian.Uint64(a[48:56]), binary.LittleEndian.Uint64(a[56:64])
		s, c = bits.Add64(w0, w1, 0)
		s, c = bits.Add64(s, w2, c)
		s, c = bits.Add64(s, w3, c)
		s, c = bits.Add64(s, w4, c)
		s, c = bits.Add64(s, w5, c)
		s, c = bits.Add64(s, w6, c)
		s, c = bits.Add64(s, w7, c)
		binary.LittleEndian.PutUint64(to[0:8], w0)
		binary.LittleEndian.PutUint64(to[8:16], w1)
		binary.LittleEndian.PutUint64(to[16:24], w2)
		binary.LittleEndian.PutUint64(to[24:32], w3)
		binary.LittleEndian.PutUint64(to[32:40], w4)
		binary.LittleEndian.PutUint64(to[40:48], w5)
		binary.LittleEndian.PutUint64(to[48:56], w6)
		binary.LittleEndian.PutUint64(to[56:64], w7)
		src, dst = src[64:], dst[64:]
	}
	for ; len(src) >= 32 && len(dst) >= 32; src, dst = src[32:], dst[32:] {
		w := binary.LittleEndian.Uint64(src[0:8])
		s, c = bits.Add64(s, w, c)
		binary.LittleEndian.PutUint64(dst[0:8], w)
		w = binary.LittleEndian.Uint64(src[8:16])
		s, c = bits.Add64(s, w, c)
		binary.LittleEndian.PutUint64(dst[8:16], w)
		w = binary.LittleEndian.Uint64(src[16:24])
		s, c = bits.Add64(s, w, c)
		binary.LittleEndian.PutUint64(dst[16:24], w)
		w = binary.LittleEndian.Uint64(src[24:32])
		s, c = bits.Add64(s, w, c)
		binary.LittleEndian.PutUint64(dst[24:32], w)
	}
	for ; len(src) >= 8 && len(dst) >= 8; src, dst = src[8:], dst[8:] {
		w := binary.LittleEndian.Uint64(src)
		s, c = bits.Add64(s, w, c)
		binary.LittleEndian.PutUint64(dst, w)
	}
	var last uint64
	if len(src) > 0 {
		last = lastWord(src)
		copy(dst, src)
	}
	s, c = bits.Add64(s, last, c)
	s, c = bits.Add64(s, 0, c)
	return bits.ReverseBytes16(fold64(s + c))
}

// copySumMost is the length in bytes up to which one pass is faster than two.
const copySumMost = 160

// sumGeneric is Sum in portable Go.
//
// One's complement addition does not care how wide its words are nor, but for one exchange
// of the bytes at the end, in which byte order they are loaded (RFC 1071, section 2). So it
// adds words of 64 bits, in the byte order of most processors, and folds the sum to 16.
func sumGeneric(b []byte) uint16 { return sumWords(b, 0) }

// sumWords adds b, as little-endian words of 64 bits, to the one's complement sum s of such
// words, and returns the result as Sum does.
//
// The carry that leaves a chain of additions is added without a check: the word that it
// leaves behind is never all ones.
func sumWords(b []byte, s uint64) uint16 {
	var c uint64
	var last uint64 // The bytes behind the last whole word.
	switch {
	case len(b) < 8:
		last = lastWord(b)
	case len(b)&7 != 0:
		// Loaded with their predecessors, which are shifted out.
		last = binary.LittleEndian.Uint64(b[len(b)-8:]) >> (-uint(len(b)) * 8 & 63)
	}
	if len(b) >= 128 {
		// Each addition with carry waits for the one before it, so two chains that do not
		// wait for each other take half the time.
		var r, d uint64
		for len(b) >= 64 {
			s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[0:8]), 0)
			s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[8:16]), c)
			s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[16:24]), c)
			s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[24:32]), c)
			s += c
			r, d = bits.Add64(r, binary.LittleEndian.Uint64(b[32:40]), 0)
			r, d = bits.Add64(r, binary.LittleEndian.Uint64(b[40:48]), d)
			r, d = bits.Add64(r, binary.LittleEndian.Uint64(b[48:56]), d)
			r, d = bits.Add64(r, binary.LittleEndian.Uint64(b[56:64]), d)
			r += d
			b = b[64:]
		}
		s, c = bits.Add64(s, r, 0)
		s += c
	}
	c = 0
	if len(b) >= 64 {
		// The most usual length, in one go.
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[0:8]), 0)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[8:16]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[16:24]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[24:32]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[32:40]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[40:48]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[48:56]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[56:64]), c)
		b = b[64:]
	}
	if len(b) >= 32 {
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[0:8]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[8:16]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[16:24]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[24:32]), c)
		b = b[32:]
	}
	for len(b) >= 8 {
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[0:8]), c)
		b = b[8:]
	}
	s, c = bits.Add64(s, last, c)
	return bits.ReverseBytes16(fold64(s + c))
}

// lastWord returns up to 7 bytes as the low bytes of a little-endian word.
func lastWord(b []byte) uint64 {
	var w uint64
	shift := 0
	if len(b) >= 4 {
		w = uint64(binary.LittleEndian.Uint32(b))
		b = b[4:]
		shift = 32
	}
	if len(b) >= 2 {
		w |= uint64(binary.LittleEndian.Uint16(b)) << shift
		b = b[2:]
		shift += 16
	}
	if len(b) >= 1 {
		w |= uint64(b[0]) << shift
	}
	return w
}

// sum20 is Sum for an IPv4 header without options, its middle word masked.
func sum20(b *[20]byte, mask uint64) uint16 {
	s, c := bits.Add64(binary.LittleEndian.Uint64(b[0:8]), binary.LittleEndian.Uint64(b[8:16])&mask, 0)
	s, c = bits.Add64(s, uint64(binary.LittleEndian.Uint32(b[16:20])), c)
	return bits.ReverseBytes16(fold64(s + c))
}

// fold64 adds the four 16-bit words of s. Adding a number to itself with its halves
// exchanged leaves in the upper half the sum of the halves, the carry included.
func fold64(s uint64) uint16 {
	return fold32(uint32((s + bits.RotateLeft64(s, 32)) >> 32))
}

// fold32 adds the two 16-bit words of s, as fold64 does.
func fold32(s uint32) uint16 {
	return uint16((s + bits.RotateLeft32(s, 16)) >> 16)
}

// AddSum returns the one's complement sum of two sums.
func AddSum(a, b uint16) uint16 { return fold32(uint32(a) + uint32(b)) }

// PseudoIPv4 returns the sum of the pseudo-header of RFC 768: addresses, protocol, and the
// length of transport header and payload in bytes.
func PseudoIPv4(src, dst [4]byte, p Protocol, length uint16) uint16 {
	return bits.ReverseBytes16(fold64(
		uint64(binary.LittleEndian.Uint32(src[:])) + uint64(binary.LittleEndian.Uint32(dst[:])) +
			uint64(p)<<8 + uint64(bits.ReverseBytes16(length))))
}

// PseudoIPv6 returns the sum of the pseudo-header of RFC 8200, section 8.1: addresses, the
// length of transport header and payload in bytes, and the protocol, which is that of the
// transport even if extension headers come before it.
func PseudoIPv6(src, dst [16]byte, p Protocol, length uint32) uint16 {
	s, c := bits.Add64(binary.LittleEndian.Uint64(src[0:8]), binary.LittleEndian.Uint64(src[8:16]), 0)
	s, c = bits.Add64(s, binary.LittleEndian.Uint64(dst[0:8]), c)
	s, c = bits.Add64(s, binary.LittleEndian.Uint64(dst[8:16]), c)
	s, c = bits.Add64(s, uint64(bits.ReverseBytes32(length))+uint64(p)<<56, c)
	return bits.ReverseBytes16(fold64(s + c))
}

// Replace returns the checksum that results when, in what it covers, a word old is replaced
// by new: equation 3 of RFC 1624. Both may be sums, as [Sum] returns them, of any even
// number of bytes. A UDP checksum of zero means none, which must not be replaced, and a
// result of zero must be sent as 0xffff.
func Replace(checksum, old, new uint16) uint16 {
	return ^fold32(uint32(^checksum) + uint32(^old) + uint32(new))
}
