package drop

import (
	"iter"
	"sync/atomic"
)

// Counters counts drops by reason. The zero value is ready to use; it must not
// be copied. All methods may be called at any time from any goroutine.
type Counters struct {
	n [Count]atomic.Uint64
}

// Add counts n drops for reason r.
func (c *Counters) Add(r Reason, n int) { c.n[r].Add(uint64(n)) }

// Get returns the number of drops for reason r so far.
func (c *Counters) Get(r Reason) uint64 { return c.n[r].Load() }

// Total returns the number of drops for all reasons so far.
func (c *Counters) Total() uint64 {
	var sum uint64
	for i := range c.n {
		sum += c.n[i].Load()
	}
	return sum
}

// All yields each reason that has been counted, and how often, in the order of
// the reasons.
func (c *Counters) All() iter.Seq2[Reason, uint64] {
	return func(yield func(Reason, uint64) bool) {
		for i := range c.n {
			if n := c.n[i].Load(); n != 0 && !yield(Reason(i), n) {
				return
			}
		}
	}
}

// Map returns a copy of the counters that are not zero; nil if all are.
func (c *Counters) Map() map[Reason]uint64 {
	var m map[Reason]uint64
	for r, n := range c.All() {
		if m == nil {
			m = make(map[Reason]uint64)
		}
		m[r] = n
	}
	return m
}
