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

// happening is what happens: frames get to the ends of directions of links, or
// something is done. Most events are frames, so these events are kept for reuse,
// and an event fills one cache line.
type happening struct {
	hop         // the first frame; without one, do is what happens
	more *hops  // what gets somewhere at the same time, right behind it
	do   func() // must not be nil if there is no frame
}

// hop is a frame that gets to the end of a direction of a link.
type hop struct {
	frame *packet.Buffer
	along *direction
}

// hops are frames, one behind the other.
type hops struct {
	// arrival, if not zero, is the time plus one at which the event's frame,
	// which is only being sent so far, will arrive. It comes without others.
	arrival int64
	count   int
	list    [hopsLen]hop
	next    *hops
}

// hopsLen makes hops fill a size class of memory, four cache lines.
const hopsLen = 14

// queue is the present and the events to come. It is the lab's clock. In a lab
// in real time any goroutine may schedule, and the present is the clock's on the
// wall; else the present is the time of the event that happens.
type queue struct {
	realtime bool
	start    time.Time // when the lab's time was 0

	mu    sync.Mutex // held in real time only
	wheel wheel.Wheel[happening]

	// In virtual time frames take short cuts, which do not change the order
	// of anything. Those that are scheduled for the very time of the frame
	// scheduled before them, with nothing else scheduled for it meanwhile,
	// are appended to its event, last. Those that an event had besides its
	// first are taken from chain, from position on, before anything else.
	last     *event
	chain    *hops
	position int
	// Those that are scheduled for the present wait in line, which is behind
	// all that the wheel has for the present: what else is scheduled for the
	// present puts the line into the wheel first.
	line []hop
	head int // of what is left of line

	spare     []*event
	spareHops *hops
	spared    int // hops in there

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

// schedule adds an event that is no frame; at a time in the past, it is for now.
func (q *queue) schedule(e *event, at int64) {
	q.lock()
	q.add(e, at)
	q.unlock()
}

// add is schedule for any event, by who holds the lock.
func (q *queue) add(e *event, at int64) {
	at = min(at, maxTime)
	if q.realtime {
		q.wheel.Add(e, at)
		if q.sleeping && at < q.wake {
			q.sleeping = false
			select {
			case q.kick <- struct{}{}:
			default:
			}
		}
		return
	}
	if len(q.line) > 0 && at <= q.wheel.Now() {
		q.breakLine()
	}
	if q.last != nil && q.last.At() == at {
		q.last = nil
	}
	q.wheel.Add(e, at)
}

// breakLine puts the frames in line into the wheel.
func (q *queue) breakLine() {
	left := q.line[q.head:]
	for _, h := range left {
		e := q.newEvent()
		e.Value.hop = h
		q.wheel.Add(e, q.wheel.Now())
	}
	clear(left)
	q.line, q.head = q.line[:0], 0
}

// scheduleFrame adds the event that a frame arrives.
func (q *queue) scheduleFrame(b *packet.Buffer, along *direction, at int64) {
	if q.realtime {
		q.mu.Lock()
		e := q.newEvent()
		e.Value.hop = hop{b, along}
		q.add(e, at)
		q.mu.Unlock()
		return
	}
	if at <= q.wheel.Now() {
		q.line = append(q.line, hop{b, along})
		return
	}
	at = min(at, maxTime)
	if e := q.last; e != nil && e.At() == at {
		q.append(e, b, along)
		return
	}
	e := q.newEvent()
	e.Value.frame, e.Value.along = b, along
	q.wheel.Add(e, at)
	q.last = e
}

// scheduleSent adds the event that a frame has been sent, and will arrive then.
func (q *queue) scheduleSent(b *packet.Buffer, along *direction, at, arrival int64) {
	q.lock()
	e := q.newEvent()
	e.Value.hop = hop{b, along}
	e.Value.more = q.newHops()
	e.Value.more.arrival = arrival + 1
	q.add(e, at)
	q.unlock()
}

// append puts a frame behind those of the event. The hops are linked in a ring, of
// which the event has the last.
func (q *queue) append(e *event, b *packet.Buffer, along *direction) {
	m := e.Value.more
	if m == nil || m.count == hopsLen {
		n := q.newHops()
		if m == nil {
			n.next = n
		} else {
			n.next, m.next = m.next, n
		}
		m = n
		e.Value.more = m
	}
	m.list[m.count] = hop{b, along}
	m.count++
}

// maxSpare bounds the events that are kept for reuse, and maxSpareHops the hops.
const (
	maxSpare     = 1 << 16
	maxSpareHops = 1 << 12
)

func (q *queue) newEvent() *event {
	n := len(q.spare)
	if n == 0 {
		return new(event)
	}
	e := q.spare[n-1]
	q.spare = q.spare[:n-1]
	return e
}

func (q *queue) newHops() *hops {
	m := q.spareHops
	if m == nil {
		return new(hops)
	}
	q.spareHops = m.next
	q.spared--
	m.next = nil
	return m
}

// recycle keeps a frame's event, which has happened, for reuse.
func (q *queue) recycle(e *event) {
	e.Value.frame, e.Value.along, e.Value.more = nil, nil, nil
	if len(q.spare) < maxSpare {
		q.spare = append(q.spare, e)
	}
}

func (q *queue) recycleHops(m *hops) {
	m.count, m.arrival, m.next = 0, 0, nil
	if q.spared < maxSpareHops {
		m.next = q.spareHops
		q.spareHops = m
		q.spared++
	}
}

// open takes apart an event that has been taken out of the wheel: it returns its
// first frame, and when that arrives if it is not there yet, and has the others
// next in chain; or it returns what to do.
func (q *queue) open(e *event) (h hop, arrival int64, do func()) {
	if e == q.last {
		q.last = nil
	}
	if do = e.Value.do; do != nil {
		return hop{}, 0, do
	}
	h = e.Value.hop
	if m := e.Value.more; m != nil {
		if m.arrival != 0 {
			arrival = m.arrival
			q.recycleHops(m)
		} else {
			q.chain, q.position = m.next, 0
			m.next = nil
		}
	}
	q.recycle(e)
	return h, arrival, nil
}

// due reports whether something is left to happen at the present, in virtual time.
func (q *queue) due() bool {
	return q.chain != nil || len(q.line) > 0 || q.wheel.Due() != nil
}

// next takes out what happens next, up to until, in virtual time: a frame's hop, or
// something to do, or neither if there is nothing.
func (q *queue) next(until int64) (h hop, arrival int64, do func()) {
	if q.chain != nil {
		return q.fromChain(), 0, nil
	}
	if len(q.line) > 0 && q.wheel.Due() == nil {
		return q.fromLine(), 0, nil
	}
	e := q.wheel.Pop(until)
	if e == nil {
		return hop{}, 0, nil
	}
	return q.open(e)
}

func (q *queue) fromChain() hop {
	m := q.chain
	h := m.list[q.position]
	m.list[q.position] = hop{}
	if q.position++; q.position == m.count {
		q.chain, q.position = m.next, 0
		q.recycleHops(m)
	}
	return h
}

func (q *queue) fromLine() hop {
	h := q.line[q.head]
	q.line[q.head] = hop{}
	q.head++
	switch {
	case q.head == len(q.line):
		q.line, q.head = q.line[:0], 0
	case q.head >= maxSpare && 2*q.head >= len(q.line):
		n := copy(q.line, q.line[q.head:])
		clear(q.line[n:])
		q.line, q.head = q.line[:n], 0
	}
	return h
}

// also takes out what happens next if it is another frame that gets to the end of
// the same direction now, to a host; else it returns nil.
func (q *queue) also(along *direction) *packet.Buffer {
	if q.chain != nil {
		if q.chain.list[q.position].along != along {
			return nil
		}
		return q.fromChain().frame
	}
	if e := q.wheel.Due(); e != nil {
		if e.Value.along != along {
			return nil
		}
		q.wheel.Remove(e)
		h, _, _ := q.open(e)
		return h.frame
	}
	if len(q.line) > 0 && q.line[q.head].along == along {
		return q.fromLine().frame
	}
	return nil
}

// frames counts the frames that wait.
func (q *queue) frames() (n int) {
	for e := range q.wheel.All() {
		if e.Value.along == nil {
			continue
		}
		n++
		if last := e.Value.more; last != nil {
			n += last.count
			for m := last.next; m != nil && m != last; m = m.next {
				n += m.count
			}
		}
	}
	for m := q.chain; m != nil; m = m.next {
		n += m.count
	}
	return n - q.position + len(q.line) - q.head
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
	t := &timer{queue: q}
	t.event.Value.do = f
	q.schedule(&t.event, q.after(d))
	return t
}

// timer is one call that the queue owes.
type timer struct {
	queue *queue
	event event
}

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
