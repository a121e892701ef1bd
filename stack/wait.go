package stack

import (
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/castnet-go/castnet/socket"
)

const (
	readable  = socket.Readable
	writable  = socket.Writable
	allEvents = readable | writable | socket.ErrorQueued
)

// waits are those who wait for a socket. Its zero value has none.
//
// Who makes a socket readable changes the queue first and asks wanted after;
// who waits registers first and looks at the queue after. So one of the two
// always sees the other.
type waits struct {
	// interest has the events that somebody waits for. One that is taken stays in it
	// until it happens again and nobody wants it: who reads and waits anew, as nearly
	// everybody does, would only put it back.
	interest atomic.Uint32

	mu      sync.Mutex
	alarm   atomic.Bool    // the Socket's: a timer will tell of writability
	waiters *waiter        // blocked goroutines
	free    *waiter        // for the next ones, their channels belonging to the socket's synctest bubble
	notify  [events]func() // by the events' bits
	joined  socket.Events  // those of the three that are one notification, to be called once
}

// events is how many kinds of events there are, of which readable is the first bit.
const events = 3

// waiter is one blocked goroutine.
type waiter struct {
	mask  socket.Events
	ready chan struct{} // holds one token
	next  *waiter
}

// WakeCancelled is called by a socket.Cancel.
func (w *waiter) WakeCancelled() {
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// wanted reports whether somebody may wait for one of the events.
func (w *waits) wanted(ev socket.Events) bool {
	return socket.Events(w.interest.Load())&ev != 0
}

// register puts a goroutine among the waiters.
func (w *waits) register(mask socket.Events) *waiter {
	w.mu.Lock()
	defer w.mu.Unlock()
	x := w.free
	if x != nil {
		w.free = x.next
	} else {
		x = &waiter{ready: make(chan struct{}, 1)}
	}
	x.mask = mask
	x.next = w.waiters
	w.waiters = x
	w.setInterest()
	return x
}

// unregister takes it out again.
func (w *waits) unregister(x *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for p := &w.waiters; *p != nil; p = &(*p).next {
		if *p == x {
			*p = x.next
			break
		}
	}
	select {
	case <-x.ready:
	default:
	}
	x.next = w.free
	w.free = x
	w.setInterest()
}

func (w *waits) setInterest() {
	var ev socket.Events
	for x := w.waiters; x != nil; x = x.next {
		ev |= x.mask
	}
	for k, fn := range &w.notify {
		if fn != nil {
			ev |= readable << k
		}
	}
	if w.interest.Load() != uint32(ev) {
		w.interest.Store(uint32(ev))
	}
}

// wake tells everybody who waits for one of the events, with no lock held.
func (w *waits) wake(ev socket.Events) {
	if !w.wanted(ev) {
		return
	}
	var fns [events]func()
	w.mu.Lock()
	w.wakeWaiters(ev)
	n := 0
	for k := range fns {
		if ev&(readable<<k) != 0 && w.notify[k] != nil {
			fns[n] = w.take(k)
			n++
		}
	}
	if n == 0 {
		w.setInterest()
	}
	w.mu.Unlock()
	for _, fn := range fns[:n] {
		fn()
	}
}

// take takes the notification of an event out, and where it is one for several events
// takes it from the others, so that it is not called again.
func (w *waits) take(k int) func() {
	fn := w.notify[k]
	w.notify[k] = nil
	if w.joined&(readable<<k) != 0 {
		for j := range w.notify {
			if w.joined&(readable<<j) != 0 {
				w.notify[j] = nil
			}
		}
		w.joined = 0
	}
	return fn
}

// wakeBlocked wakes the goroutines that wait for one of the events, and reports
// whether there is a notification for one.
func (w *waits) wakeBlocked(ev socket.Events) (notify bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wakeWaiters(ev)
	for k, fn := range w.notify {
		if ev&(readable<<k) != 0 && fn != nil {
			return true
		}
	}
	w.setInterest()
	return false
}

func (w *waits) wakeWaiters(ev socket.Events) {
	for x := w.waiters; x != nil; x = x.next {
		if x.mask&ev != 0 {
			x.WakeCancelled()
		}
	}
}

// Wait blocks until one of the events holds.
func (s *Socket) Wait(mask socket.Events, cancel *socket.Cancel) error {
	if mask&allEvents == 0 {
		return syscall.EINVAL
	}
	for {
		if s.closed.Load() {
			return socket.ErrClosed
		}
		if cancel.Fired() {
			return socket.ErrCancelled
		}
		w := s.waits.register(mask)
		if s.Ready(mask) != 0 || !cancel.Attach(w) {
			s.waits.unregister(w)
			if s.closed.Load() {
				return socket.ErrClosed
			}
			if cancel.Fired() {
				return socket.ErrCancelled
			}
			return nil
		}
		<-w.ready
		cancel.Detach(w)
		s.waits.unregister(w)
		if !s.closed.Load() && s.Ready(mask) != 0 {
			return nil
		}
	}
}

// Notify calls fn once, as soon as one of the events holds.
func (s *Socket) Notify(mask socket.Events, fn func()) {
	w := &s.waits
	mask &= allEvents
	w.mu.Lock()
	for k := range w.notify {
		if mask&(readable<<k) != 0 {
			w.notify[k] = fn
		}
	}
	w.joined &^= mask
	if fn != nil && mask&(mask-1) != 0 { // more than one
		w.joined = mask
	}
	w.setInterest()
	w.mu.Unlock()
	if fn == nil {
		return
	}
	if ready := s.Ready(mask); ready != 0 {
		w.wake(ready)
	}
}

// Ready returns those of the events that hold.
func (s *Socket) Ready(mask socket.Events) socket.Events {
	if s.closed.Load() {
		return mask
	}
	var ev socket.Events
	if s.pending.Load() != 0 {
		ev = readable | writable
	}
	shut := socket.How(s.shut.Load())
	if mask&readable != 0 && (shut&socket.ShutRead != 0 || s.queueLen() > 0) {
		ev |= readable
	}
	// Linux's sock_writeable: less than half of the buffer is used, so that
	// a woken writer finds room for more than one datagram.
	if mask&socket.ErrorQueued != 0 && s.errorsQueued() {
		ev |= socket.ErrorQueued
	}
	if mask&writable != 0 && (shut&socket.ShutWrite != 0 || 2*s.sendUsed.Load() < s.sendLimit.Load()) {
		ev |= writable
	}
	return ev & mask
}

func (s *Socket) queueLen() int {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return int(s.queue.count)
}
