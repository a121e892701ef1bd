package host

import (
	"sync"
	"sync/atomic"
)

// A turn is held by one at a time. Who waits for it can be called away, as from a
// channel; who need not wait, which is the rule, pays less than for a channel.
type turn struct {
	state atomic.Uint32

	mu          sync.Mutex
	first, last *waiter // who waits, in the order in which they came
}

const (
	turnFree = iota
	turnTaken
	turnWanted // taken, and somebody waits or did
)

// try takes the turn if it is free.
func (t *turn) try() bool { return t.state.CompareAndSwap(turnFree, turnTaken) }

// take waits for the turn and reports whether it came, and not w's being woken or
// closed's being closed.
func (t *turn) take(w *waiter, closed <-chan struct{}) bool {
	if t.try() || t.enter(w) {
		return true
	}
	select {
	case <-w.wake:
	case <-closed:
	}
	return t.leave(w)
}

// enter puts w behind those who wait, unless the turn is free: then it takes it
// and reports that.
func (t *turn) enter(w *waiter) (taken bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.state.Load() != turnWanted && !t.state.CompareAndSwap(turnTaken, turnWanted) {
		if t.try() {
			return true
		}
	}
	w.given, w.next = false, nil
	if t.first == nil {
		t.first = w
	} else {
		t.last.next = w
	}
	t.last = w
	return false
}

// leave takes w out again, and reports whether it was given the turn.
func (t *turn) leave(w *waiter) (given bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w.given {
		return true
	}
	var before *waiter
	for x := t.first; x != w; x = x.next {
		before = x
	}
	if before == nil {
		t.first = w.next
	} else {
		before.next = w.next
	}
	if t.last == w {
		t.last = before
	}
	return false
}

// end gives the turn to the first who waits for it.
func (t *turn) end() {
	if t.state.CompareAndSwap(turnTaken, turnFree) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.first
	if w == nil { // all have left
		t.state.Store(turnFree)
		return
	}
	if t.first = w.next; t.first == nil {
		t.last = nil
		t.state.Store(turnTaken)
	}
	w.given = true
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
