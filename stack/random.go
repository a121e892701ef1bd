package stack

import (
	"math/rand/v2"
	"sync"
)

// random is the stack's one source of randomness: ChaCha8 from the stack's
// seed, so that what it yields cannot be predicted from what it has yielded.
type random struct {
	mu  sync.Mutex
	src *rand.ChaCha8
}

// uint64 returns 64 random bits.
func (r *random) uint64() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.src.Uint64()
}

// below returns a uniformly random number from 0 to n-1; n is below 2³².
func (r *random) below(n int) int { return int((r.uint64() >> 32) * uint64(n) >> 32) }
