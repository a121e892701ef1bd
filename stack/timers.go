package stack

import (
	"sync"
	"time"

	"github.com/castnet-go/castnet/clock"
)

// instant is the time since the stack was made, by its clock's monotonic
// reading: cheap to compare and not moved by a change of the date.
type instant = time.Duration

// never is an instant that no clock reaches.
const never instant = 1<<63 - 1

// A timer is one deadline of the stack. The function that is due runs with no lock
// held. The zero timer is not armed; it needs the function before it is.
type timer = deadline[func(now instant)]

// timers are all deadlines of a stack. They keep one timer of the
// stack's clock armed for the earliest.
type timers struct {
	clock clock.Clock
	epoch time.Time

	mu     sync.Mutex
	armed  deadlines[func(now instant)]
	alarm  clock.Timer // nil until the first deadline
	set    instant     // what alarm is armed for; never: not armed
	closed bool
}

func (t *timers) init(c clock.Clock) {
	t.clock, t.epoch, t.set = c, c.Now(), never
}

// now asks the clock.
func (t *timers) now() instant { return t.clock.Now().Sub(t.epoch) }

// arm sets tm to fire at the instant, whether it was armed or not. It reports
// false if the stack is closed and nothing will fire any more.
func (t *timers) arm(tm *timer, at instant) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.armed.set(tm, at)
	t.setAlarm()
	return true
}

// disarm takes tm back, if it is armed.
func (t *timers) disarm(tm *timer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.armed.cancel(tm)
}

// setAlarm arms the clock's timer for the earliest deadline, if that is sooner
// than what it is armed for. An alarm that comes too early only looks again.
func (t *timers) setAlarm() {
	next := t.armed.next()
	if next >= t.set {
		return
	}
	t.set = next
	wait := t.set - t.now()
	if t.alarm == nil {
		t.alarm = t.clock.AfterFunc(wait, t.ring)
	} else {
		t.alarm.Reset(wait)
	}
}

// ring is what the clock's timer calls.
func (t *timers) ring() {
	t.mu.Lock()
	t.set = never
	t.mu.Unlock()
	t.advance(t.now())
}

// next returns the earliest deadline.
func (t *timers) next() (instant, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.armed.next()
	return at, at != never
}

// advance fires what is due at now, in order. What is armed meanwhile waits for
// the next call, even if it is due: two hosts that answer each other for ever
// must not keep who drives them.
func (t *timers) advance(now instant) {
	t.mu.Lock()
	last := t.armed.seq
	for len(t.armed.heap) > 0 && t.armed.heap[0].seq <= last {
		tm := t.armed.take(now)
		if tm == nil {
			break
		}
		t.mu.Unlock()
		tm.due(now)
		t.mu.Lock()
	}
	if !t.closed {
		t.setAlarm()
	}
	t.mu.Unlock()
}

// close disarms everything for good.
func (t *timers) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, tm := range t.armed.heap {
		tm.slot = 0
	}
	t.armed.heap = nil
	if t.alarm != nil {
		t.alarm.Stop()
	}
}

// NextDeadline returns the time of the earliest thing that waits for its time,
// and false if there is none.
func (s *Stack) NextDeadline() (time.Time, bool) {
	at, ok := s.timers.next()
	if !ok {
		return time.Time{}, false
	}
	return s.timers.epoch.Add(at), true
}

// Advance does what is due at now. A stack on a clock that calls back does so
// by itself; one on a clock.Manual is driven by it. NextDeadline may be due
// again when it returns.
func (s *Stack) Advance(now time.Time) { s.timers.advance(now.Sub(s.timers.epoch)) }
