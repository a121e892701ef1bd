package lab

import (
	"math"
	"sync"
	"time"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/internal/wheel"
	"github.com/castnet-go/castnet/packet"
)

// An event is something that happens at a time. Events of one time happen in
// the order in which they were scheduled.
type event = wheel.Event[happening]

// happening is what happens: a frame gets to the end of a direction of a link,
// or something is done. Most events are frames, so these have fields of their
// own and their events are kept for reuse.
type happening struct {
	frame *packet.Buffer
	along *direction
	// arrival, if not zero, is the time plus one at which the frame, which
	// is only being sent so far, will arrive.
	arrival int64

	do interface{ happen() }
}

// queue is the present and the events to come. It is the lab's clock. In a lab
// in real time any goroutine may schedule, and the present is the clock's on the
// wall; else the present is the time of the event that happens.
type queue struct {
	realtime bool
	start    time.Time // when the lab's time was 0

	mu    sync.Mutex // held in real time only
	wheel wheel.Wheel[happening]
	spare []*event

	// In real time: whether and until when the loop sleeps, and how it is
	// woken for an event that was scheduled meanwhile.
	sleeping bool
	wake     int64
	kick     chan struct{}
}

// maxTime is the end of the lab's time. Sums of two times do not overflow.
const maxTime = math.MaxInt64 / 2

func (q *queue) lock() {
	if q.realtime {
		q.mu.Lock()
	}
}

func (q *queue) unlock() {
	if q.realtime {
		q.mu.Unlock()
	}
}

// now returns the present, in nanoseconds since the start.
func (q *queue) now() int64 {
	if q.realtime {
		return int64(time.Since(q.start))
	}
	return q.wheel.Now()
}

// schedule adds an event; at a time in the past, it is for now.
func (q *queue) schedule(e *event, at int64) {
	q.lock()
	q.add(e, at)
	q.unlock()
}

func (q *queue) add(e *event, at int64) {
	q.wheel.Add(e, min(at, maxTime))
	if q.sleeping && at < q.wake {
		q.sleeping = false
		select {
		case q.kick <- struct{}{}:
		default:
		}
	}
}

// scheduleFrame adds the event that a frame arrives, or if arrival is not zero,
// that it has been sent and will arrive then.
func (q *queue) scheduleFrame(b *packet.Buffer, along *direction, at, arrival int64) {
	q.lock()
	var e *event
	if n := len(q.spare); n > 0 {
		e = q.spare[n-1]
		q.spare = q.spare[:n-1]
	} else {
		e = new(event)
	}
	e.Value.frame, e.Value.along, e.Value.arrival = b, along, arrival
	q.add(e, at)
	q.unlock()
}

// maxSpare bounds the events that are kept for reuse.
const maxSpare = 1 << 16

// recycle keeps a frame's event, which has happened, for reuse.
func (q *queue) recycle(e *event) {
	e.Value = happening{}
	if len(q.spare) < maxSpare {
		q.spare = append(q.spare, e)
	}
}

// Now returns the lab's time. It makes the queue a clock.Clock.
func (q *queue) Now() time.Time {
	if q.realtime {
		return time.Now()
	}
	return q.start.Add(time.Duration(q.wheel.Now()))
}

// after returns the time d from now.
func (q *queue) after(d time.Duration) int64 {
	return q.now() + int64(min(max(d, 0), maxTime))
}

// AfterFunc arms a timer that calls f from the lab's loop.
func (q *queue) AfterFunc(d time.Duration, f func()) clock.Timer {
	t := &timer{queue: q, f: f}
	t.event.Value.do = t
	q.schedule(&t.event, q.after(d))
	return t
}

// timer is one call that the queue owes.
type timer struct {
	queue *queue
	f     func()
	event event
}

func (t *timer) happen() { t.f() }

// Stop takes the call back.
func (t *timer) Stop() bool {
	t.queue.lock()
	defer t.queue.unlock()
	return t.queue.wheel.Remove(&t.event)
}

// Reset arms the timer anew.
func (t *timer) Reset(d time.Duration) bool {
	at := t.queue.after(d)
	t.queue.lock()
	defer t.queue.unlock()
	was := t.queue.wheel.Remove(&t.event)
	t.queue.add(&t.event, at)
	return was
}
