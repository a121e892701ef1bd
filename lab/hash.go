package lab

import (
	"encoding/binary"
	"math/bits"
)

// fingerprint is a hash of a sequence of numbers: not cryptographic, the same on
// every machine, and quick, since it is fed at every hop of every frame. Each
// step is a bijection of the state, so no number is ever without effect.
type fingerprint uint64

const (
	hashStart fingerprint = 0x9e3779b97f4a7c15
	hashMul1              = 0xff51afd7ed558ccd // the multipliers of MurmurHash3's finaliser
	hashMul2              = 0xc4ceb9fe1a85ec53
)

func (f *fingerprint) add(x uint64) {
	h := (uint64(*f) ^ x) * hashMul1
	*f = fingerprint(h ^ h>>32)
}

// addBytes feeds a frame. Four lanes work side by side, for a chain of
// multiplications over a long frame would cost more than all else of a hop.
func (f *fingerprint) addBytes(b []byte) {
	f.add(uint64(len(b)))
	h := uint64(*f)
	if len(b) >= 32 {
		h0, h1, h2, h3 := h, h^hashMul1, h^hashMul2, ^h
		for len(b) >= 32 {
			w := (*[32]byte)(b)
			h0 = (h0 ^ binary.LittleEndian.Uint64(w[0:8])) * hashMul1
			h1 = (h1 ^ binary.LittleEndian.Uint64(w[8:16])) * hashMul1
			h2 = (h2 ^ binary.LittleEndian.Uint64(w[16:24])) * hashMul1
			h3 = (h3 ^ binary.LittleEndian.Uint64(w[24:32])) * hashMul1
			h0, h1 = h0^h0>>29, h1^h1>>29
			h2, h3 = h2^h2>>29, h3^h3>>29
			b = b[32:]
		}
		h = h0 ^ bits.RotateLeft64(h1, 17) ^ bits.RotateLeft64(h2, 31) ^ bits.RotateLeft64(h3, 47)
	}
	for len(b) >= 8 {
		h = (h ^ binary.LittleEndian.Uint64(b)) * hashMul1
		h ^= h >> 32
		b = b[8:]
	}
	var rest uint64
	switch {
	case len(b) >= 4:
		n := len(b)
		rest = uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[n-4:]))<<(8*(n-4))
	case len(b) >= 2:
		n := len(b)
		rest = uint64(binary.LittleEndian.Uint16(b)) | uint64(binary.LittleEndian.Uint16(b[n-2:]))<<(8*(n-2))
	case len(b) == 1:
		rest = uint64(b[0])
	}
	h = (h ^ rest) * hashMul2
	*f = fingerprint(h ^ h>>29)
}

func (f *fingerprint) addString(s string) {
	f.add(uint64(len(s)))
	for i := range len(s) {
		f.add(uint64(s[i]))
	}
}
