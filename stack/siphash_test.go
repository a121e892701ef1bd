package stack

import "testing"

// The vectors are those of the authors' reference implementation: the key is 0, 1, …, 15,
// and each message one byte longer than the one before.
func TestSipHash(t *testing.T) {
	var key [16]byte
	for i := range key {
		key[i] = byte(i)
	}
	message := make([]byte, 0, 16)
	want := map[int]uint64{0: 0x726fdb47dd0e0e31, 1: 0x74f839c593dc67fd, 8: 0x93f5f5799a932462, 15: 0xa129ca6149be45e5}
	for n := range 16 {
		if w, ok := want[n]; ok {
			if got := sipHash(key, message); got != w {
				t.Errorf("of %d bytes: %#x, want %#x", n, got, w)
			}
		}
		message = append(message, byte(n))
	}
}
