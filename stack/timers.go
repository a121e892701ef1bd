package stack

import (
	"container/heap"
	"sync"
	"time"

	"github.com/castnet-go/castnet/clock"
)

// instant is the time since the stack was made, by its clock's monotonic
// reading: cheap to compare and not moved by a change of the date.
type instant = time.Duration

// never is an instant that no clock reaches.
const never instant = 1<<63 - 1

// A timer is one deadline of the stack. Its fire function runs with no lock
// held. The zero timer is not armed; it needs fire set before it is.
type timer struct {
	at   instant
	seq  uint64 // among equal deadlines the first armed fires first
	slot int    // in the heap, counted from 1; 0: not armed
	fire func(now instant)
}

// timers is the heap of all deadlines of a stack. It keeps one timer of the
// stack's clock armed for the earliest.
type timers struct {
	clock clock.Clock
	epoch time.Time

	mu     sync.Mutex
	heap   timerHeap
	seq    uint64
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
	t.seq++
	tm.at, tm.seq = at, t.seq
	if tm.slot == 0 {
		heap.Push(&t.heap, tm)
	} else {
		heap.Fix(&t.heap, tm.slot-1)
	}
	t.setAlarm()
	return true
}

// disarm takes tm back, if it is armed.
func (t *timers) disarm(tm *timer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if tm.slot != 0 {
		heap.Remove(&t.heap, tm.slot-1)
	}
}

// setAlarm arms the clock's timer for the earliest deadline, if that is sooner
// than what it is armed for. An alarm that comes too early only looks again.
func (t *timers) setAlarm() {
	if len(t.heap) == 0 || t.heap[0].at >= t.set {
		return
	}
	t.set = t.heap[0].at
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
	if len(t.heap) == 0 {
		return 0, false
	}
	return t.heap[0].at, true
}

// advance fires what is due at now, in order. What is armed meanwhile waits for
// the next call, even if it is due: two hosts that answer each other for ever
// must not keep who drives them.
func (t *timers) advance(now instant) {
	t.mu.Lock()
	last := t.seq
	for len(t.heap) > 0 && t.heap[0].at <= now && t.heap[0].seq <= last {
		tm := heap.Pop(&t.heap).(*timer)
		t.mu.Unlock()
		tm.fire(now)
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
	for _, tm := range t.heap {
		tm.slot = 0
	}
	t.heap = nil
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

type timerHeap []*timer

func (h timerHeap) Len() int { return len(h) }
func (h timerHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].seq < h[j].seq
}
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].slot, h[j].slot = i+1, j+1
}
func (h *timerHeap) Push(x any) {
	tm := x.(*timer)
	*h = append(*h, tm)
	tm.slot = len(*h)
}
func (h *timerHeap) Pop() any {
	last := len(*h) - 1
	tm := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	tm.slot = 0
	return tm
}
