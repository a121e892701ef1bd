// Package entropy draws seeds from the operating system.
//
//	seed := entropy.Seed()
//
// It is the one place in which castnet's lower floors meet true randomness:
// stacks and links take a seed, so that they can be repeated, and come here
// only if they were given none.
//
// # How it works
//
// The seed comes from the generator of package math/rand/v2, which the runtime
// seeds from the operating system and which nobody can foretell (ChaCha8). Package
// crypto/rand would bring a fifth of a megabyte of cryptography into programs that
// need none.
//
// # Limitations
//
// Not for keys that protect a secret.
//
// A seed is 32 bytes; what is made of it is the caller's.
package entropy

import (
	"encoding/binary"
	"math/rand/v2"
)

// Seed returns 32 unpredictable bytes.
func Seed() (s [32]byte) {
	for i := 0; i < len(s); i += 8 {
		binary.NativeEndian.PutUint64(s[i:], rand.Uint64())
	}
	return s
}
