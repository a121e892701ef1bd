package socket

import (
	"sync"
	"sync/atomic"
)

// A Cancel ends waits from outside; deadlines are made of it. It calls the
// waits rather than being a channel they would select on, because the three
// kinds of network wait in three ways: in the runtime's poller, on a channel,
// and as a coroutine in virtual time.
//
// The zero Cancel is ready to use, has not fired, and must not be copied.
type Cancel struct {
	mu      sync.Mutex
	fired   atomic.Bool // changed with mu held; every wait asks for it, and most are not cancelled
	waiters []CancelWaiter
}

// A CancelWaiter is something that blocks and can be woken by a Cancel. Wake is
// called with the Cancel locked: it must not block or call the Cancel. It may
// be called once more after Detach has begun; who waits looks at its reasons
// again whenever it is woken.
type CancelWaiter interface{ WakeCancelled() }

// Fire ends every wait, those under way and those to come, until Reset.
func (c *Cancel) Fire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fired.Load() {
		return
	}
	c.fired.Store(true)
	for _, w := range c.waiters {
		w.WakeCancelled()
	}
}

// Reset makes waits possible again after Fire.
func (c *Cancel) Reset() {
	c.mu.Lock()
	c.fired.Store(false)
	c.mu.Unlock()
}

// Fired reports whether waits end at once. A nil Cancel never fires.
func (c *Cancel) Fired() bool {
	return c != nil && c.fired.Load()
}

// Attach registers a wait; networks call it before they block, and Detach when
// they are done. It reports false, and registers nothing, if the Cancel has
// fired. On a nil Cancel it reports true.
func (c *Cancel) Attach(w CancelWaiter) bool {
	if c == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fired.Load() {
		return false
	}
	c.waiters = append(c.waiters, w)
	return true
}

// Detach takes back what Attach registered; it does nothing if there is nothing.
func (c *Cancel) Detach(w CancelWaiter) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, o := range c.waiters {
		if o == w {
			last := len(c.waiters) - 1
			c.waiters[i] = c.waiters[last]
			c.waiters[last] = nil
			c.waiters = c.waiters[:last]
			return
		}
	}
}
