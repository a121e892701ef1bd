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

// newFlow returns the number that spreads a socket's packets over lanes and cores:
// random but for its lower bits, by which lanes are chosen. Those count, so that
// sockets opened in a row do not meet on a lane while there are others.
func (s *Stack) newFlow() uint32 {
	return uint32(s.random.uint64())&^(maxLanes-1) | s.flows.Add(1)&(maxLanes-1)
}
