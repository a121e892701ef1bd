package loop

import (
	"math"
	"syscall"
	"time"
)

// A Timer calls once, or again and again. Make it with [Loop.NewTimer].
type Timer struct {
	handle
	f      func()
	repeat time.Duration
	at     time.Duration // when it is due, since the loop's start
	order  uint64        // of starting
	index  int           // in the heap; -1: not there
}

// NewTimer makes a timer, not started.
func (l *Loop) NewTimer() *Timer {
	t := &Timer{index: -1}
	t.init(l, t)
	return t
}

// Start starts the timer, anew if it was started: f is called when d has passed,
// and then every repeat if that is more than zero. A d of zero or less is due in the
// next timers phase. The time is the loop's, not the clock's. EINVAL: f is nil, or
// the timer is closing.
//
// A timer that repeats is due again repeat after it was called; what a turn was late
// is not made up for.
func (t *Timer) Start(d, repeat time.Duration, f func()) error {
	if t.closing || f == nil {
		return syscall.EINVAL
	}
	t.Stop()
	t.f, t.repeat = f, max(repeat, 0)
	t.arm(max(d, 0))
	return nil
}

func (t *Timer) arm(d time.Duration) {
	l := t.loop
	t.at = math.MaxInt64
	if d < math.MaxInt64-l.now {
		t.at = l.now + d
	}
	t.order = l.timerCount
	l.timerCount++
	l.timers.add(t)
	t.activate()
}

// Stop stops the timer. It is not called any more, also if it is due already.
func (t *Timer) Stop() {
	t.loop.timers.remove(t)
	t.deactivate()
}

// Again stops the timer and, if it repeats, starts it with repeat as its time.
// EINVAL: it has never been started.
func (t *Timer) Again() error {
	if t.closing || t.f == nil {
		return syscall.EINVAL
	}
	if t.repeat > 0 {
		t.Stop()
		t.arm(t.repeat)
	}
	return nil
}

// SetRepeat sets what Start has called repeat. It counts from the next call on.
func (t *Timer) SetRepeat(d time.Duration) { t.repeat = max(d, 0) }

// Repeat returns it.
func (t *Timer) Repeat() time.Duration { return t.repeat }

// DueIn returns how long it takes until the timer is due, 0 if it is now or is not
// active.
func (t *Timer) DueIn() time.Duration {
	if !t.active {
		return 0
	}
	return max(t.at-t.loop.now, 0)
}

// Close stops the timer for good.
func (t *Timer) Close(done func()) error {
	t.Stop()
	return t.close(done)
}

// runTimers calls the timers that were due when it began: one that is started by
// another, for now, waits for the next turn.
func (l *Loop) runTimers() {
	due := l.due[:0]
	for {
		at, ok := l.timers.next()
		if !ok || at > l.now {
			break
		}
		t := l.timers[0]
		l.timers.remove(t)
		due = append(due, t)
	}
	// Started again since, a timer is in the heap; stopped, it is not active.
	for i, t := range due {
		due[i] = nil
		if t.index >= 0 || !t.active {
			continue
		}
		if l.failed { // the next run calls it
			l.timers.add(t)
			continue
		}
		t.deactivate()
		if t.repeat > 0 {
			t.arm(t.repeat)
		}
		l.Do(t.f)
	}
	l.due = due[:0]
}

// timerHeap is a binary heap of timers by (at, order).
type timerHeap []*Timer

func (h timerHeap) next() (at time.Duration, ok bool) {
	if len(h) == 0 {
		return 0, false
	}
	return h[0].at, true
}

func (h timerHeap) less(i, j int) bool {
	a, b := h[i], h[j]
	return a.at < b.at || a.at == b.at && a.order < b.order
}

func (h timerHeap) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *timerHeap) add(t *Timer) {
	t.index = len(*h)
	*h = append(*h, t)
	h.up(t.index)
}

func (h *timerHeap) remove(t *Timer) {
	i := t.index
	if i < 0 {
		return
	}
	last := len(*h) - 1
	h.swap(i, last)
	(*h)[last] = nil
	*h = (*h)[:last]
	t.index = -1
	if i < last {
		h.down(i)
		h.up(i)
	}
}

func (h timerHeap) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !h.less(i, parent) {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h timerHeap) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && h.less(child+1, child) {
			child++
		}
		if !h.less(child, i) {
			return
		}
		h.swap(i, child)
		i = child
	}
}
