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
	interest atomic.Uint32 // the events that somebody waits for

	mu      sync.Mutex
	alarm   atomic.Bool // the Socket's: a timer will tell of writability
	waiters *waiter     // blocked goroutines
	free    *waiter     // for the next ones, their channels belonging to the socket's synctest bubble
	onRead  func()
	onWrite func()
	onError func()
	joined  socket.Events // those of the three that are one notification, to be called once
}

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

// wanted reports whether somebody waits for one of the events.
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
	if w.onRead != nil {
		ev |= readable
	}
	if w.onWrite != nil {
		ev |= writable
	}
	if w.onError != nil {
		ev |= socket.ErrorQueued
	}
	w.interest.Store(uint32(ev))
}

// wake tells everybody who waits for one of the events, with no lock held.
func (w *waits) wake(ev socket.Events) {
	if !w.wanted(ev) {
		return
	}
	for _, fn := range w.take(ev) {
		if fn != nil {
			fn()
		}
	}
}

// wakeBlocked wakes the goroutines that wait for one of the events, and reports
// whether there is a notification for one.
func (w *waits) wakeBlocked(ev socket.Events) (notify bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wakeWaiters(ev)
	for k, fn := range w.notifications() {
		if ev&(readable<<k) != 0 && *fn != nil {
			return true
		}
	}
	return false
}

func (w *waits) wakeWaiters(ev socket.Events) {
	for x := w.waiters; x != nil; x = x.next {
		if x.mask&ev != 0 {
			x.WakeCancelled()
		}
	}
}

// take wakes the goroutines that wait for one of the events and returns the
// notifications, for the caller to call.
func (w *waits) take(ev socket.Events) (fns [3]func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wakeWaiters(ev)
	slots := w.notifications()
	for k, fn := range slots {
		event := readable << k
		if ev&event == 0 || *fn == nil {
			continue
		}
		fns[k], *fn = *fn, nil
		if w.joined&event != 0 { // and not for the others again
			for j, other := range slots {
				if w.joined&(readable<<j) != 0 {
					*other = nil
				}
			}
			w.joined = 0
		}
	}
	w.setInterest()
	return fns
}

// notifications are the notifications, in the order of the events' bits.
func (w *waits) notifications() [3]*func() {
	return [3]*func(){&w.onRead, &w.onWrite, &w.onError}
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
	for k, slot := range w.notifications() {
		if mask&(readable<<k) != 0 {
			*slot = fn
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
