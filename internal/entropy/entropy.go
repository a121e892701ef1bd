// Package entropy draws seeds from the operating system.
//
//	seed := entropy.Seed()
//
// It is the one place in which castnet's lower floors meet true randomness:
// stacks and links take a seed, so that they can be repeated, and come here
// only if they were given none.
//
// # Limitations
//
// A seed is 32 bytes; what is made of it is the caller's.
package entropy

import "crypto/rand"

// Seed returns 32 unpredictable bytes.
func Seed() (s [32]byte) {
	rand.Read(s[:]) // never fails, since Go 1.24
	return s
}
