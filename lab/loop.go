package lab

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
)

var (
	errClosed  = errors.New("the lab is closed")
	errRunning = errors.New("lab: the lab is running already: Run and Close are not for tasks and callbacks")
)

// batchLen is how many frames that get to a host at the same instant, one after
// the other, are handed over together.
const batchLen = 32

// Run lets d of the lab's time pass: virtual time, as fast as the machine can,
// unless the lab is in real time. All of d passes, also if nothing happens.
//
// It returns what went wrong since the last call: mistakes in building the lab,
// before anything is run, errors that tasks have returned, captures that could
// not be written. A negative d is an error, and nothing is run. A task that
// panics makes Run panic, with a *TaskPanic.
func (l *Lab) Run(d time.Duration) error {
	return l.run(d, false)
}

// RunTasks is Run, but ends when every task has. If tasks are left after limit
// it returns an error that says which, and what they wait for.
func (l *Lab) RunTasks(limit time.Duration) error {
	return l.run(limit, true)
}

func (l *Lab) run(d time.Duration, untilTasksEnd bool) error {
	if !l.running.CompareAndSwap(false, true) {
		return errRunning
	}
	defer l.running.Store(false)
	l.lock()
	err := l.err
	switch {
	case l.closed:
		err = errClosed
	case err == nil && d < 0:
		err = fmt.Errorf("lab: time cannot run for %v: it does not go back", d)
	}
	l.unlock()
	if err != nil {
		return err
	}
	until := l.queue.after(d)
	if l.cfg.Realtime {
		err = l.loopRealtime(until, untilTasksEnd)
	} else {
		err = l.loop(until, untilTasksEnd)
	}
	l.lock()
	defer l.unlock()
	errs := append(l.failures, err)
	l.failures = nil
	if err == nil && untilTasksEnd && len(l.tasks) > 0 {
		errs = append(errs, fmt.Errorf("lab: after %v these tasks have not ended: %s", d, l.left()))
	}
	if l.capture != nil {
		errs = append(errs, l.capture.flush())
	}
	return errors.Join(errs...)
}

// loop is Run in virtual time.
func (l *Lab) loop(until int64, untilTasksEnd bool) error {
	q := &l.queue
	instant, count := int64(-1), 0
	for !untilTasksEnd || len(l.tasks) > 0 {
		if count >= l.cfg.MaxEvents && q.due() {
			return fmt.Errorf("lab: more than %d events at one instant, %v: something answers itself without any delay",
				l.cfg.MaxEvents, time.Duration(instant))
		}
		h, arrival, do := q.next(until)
		if now := q.wheel.Now(); now != instant {
			instant, count = now, 0
		} else {
			count++
		}
		switch {
		case h.along != nil:
			l.arrive(h, arrival)
		case do != nil:
			do()
		default:
			q.wheel.Advance(until)
			return nil
		}
	}
	return nil
}

// loopRealtime is Run in real time. Callbacks run without a lock.
func (l *Lab) loopRealtime(until int64, untilTasksEnd bool) error {
	l.loopMu.Lock()
	defer l.loopMu.Unlock()
	q := &l.queue
	for {
		l.mu.Lock()
		ended := untilTasksEnd && len(l.tasks) == 0
		l.mu.Unlock()
		if ended {
			return nil
		}
		q.mu.Lock()
		now := q.now()
		e := q.wheel.Pop(min(now, until))
		if e != nil {
			h, arrival, do := q.open(e)
			q.mu.Unlock()
			if do != nil {
				do()
			} else {
				l.arrive(h, arrival)
			}
			continue
		}
		if now >= until {
			q.mu.Unlock()
			return nil
		}
		q.wheel.Advance(now)
		q.wake = until
		if at, ok := q.wheel.Next(); ok {
			q.wake = min(at, until)
		}
		q.sleeping = true
		wait := q.wake - now
		q.mu.Unlock()
		t := time.NewTimer(time.Duration(wait))
		select {
		case <-q.kick:
		case <-t.C:
		case <-l.ctx.Done():
			t.Stop()
			return errClosed
		}
		t.Stop()
		q.mu.Lock()
		q.sleeping = false
		q.mu.Unlock()
	}
}

// arrive makes a frame get to the end of a direction; if arrival is not zero, it
// has only been sent, and arrives at that time less one.
func (l *Lab) arrive(h hop, arrival int64) {
	d := h.along
	if d.receive {
		l.deliver(d, h.frame)
		return
	}
	l.lock()
	if arrival != 0 {
		d.sent(h.frame, arrival-1)
	} else {
		d.arrive(h.frame)
	}
	l.unlock()
}

// deliver hands a frame to its host, and with it those that get there next, at
// the same instant.
func (l *Lab) deliver(d *direction, b *packet.Buffer) {
	q := &l.queue
	q.lock()
	second := q.also(d)
	if second == nil {
		q.unlock()
		if !l.cfg.Realtime && d.nic.takes(b) {
			d.nic.sink.Deliver(0, b.Single())
			return
		}
		l.deliverTo(d.nic, b.Single())
		return
	}
	l.batch[0], l.batch[1] = b, second
	count := 2
	for count < batchLen {
		if b = q.also(d); b == nil {
			break
		}
		l.batch[count] = b
		count++
	}
	q.unlock()
	l.deliverTo(d.nic, l.batch[:count])
	clear(l.batch[:count])
}

// strip takes from a packet what it was to its sender and is not to its receiver.
func strip(b *packet.Buffer) {
	b.Orphan()
	b.Arrival = 0
	b.Interface = 0
	b.Flags &= packet.ChecksumValid | packet.ChecksumPartial
}

// deliverTo hands frames that have arrived to their host.
func (l *Lab) deliverTo(n *nic, frames []*packet.Buffer) {
	l.lock()
	frames = frames[:n.arrived(frames)]
	sink := n.sink
	l.unlock()
	for _, b := range frames {
		strip(b)
	}
	if len(frames) > 0 {
		sink.Deliver(0, frames)
	}
	if n.capture != nil {
		l.capture.end()
	}
}

// At calls f when d of the lab's time has passed since the lab was made; if that
// is past, as soon as it runs. It is for changing the network while it runs. f is
// called from the loop and must not block.
func (l *Lab) At(d time.Duration, f func()) {
	e := new(event)
	e.Value.do = f
	l.queue.schedule(e, int64(max(d, 0)))
}

// Close ends the lab: it cancels the context of the tasks, closes the links of
// bridges and every host's stack, and so every socket, resumes each task until it
// has ended, and drops what was under way (LinkDown). It returns errors that tasks
// have returned for other reasons than this, and those of bridges and captures. It
// is not for tasks and callbacks: there it is an error, or in real time would wait
// for itself.
func (l *Lab) Close() error {
	if !l.cfg.Realtime && !l.running.CompareAndSwap(false, true) {
		return errRunning
	}
	if !l.cfg.Realtime {
		defer l.running.Store(false)
	}
	l.lock()
	if l.closed {
		l.unlock()
		return nil
	}
	l.closed = true
	hosts, bridges := slices.Concat(l.hosts, l.strays), l.bridges
	l.unlock()
	l.cancel()
	l.loopMu.Lock() // the loop in real time has ended
	defer l.loopMu.Unlock()
	var errs []error
	for _, b := range bridges {
		errs = append(errs, b.close())
	}
	for _, h := range hosts {
		h.stack.Close()
	}
	l.endTasks()

	l.queue.lock()
	var left []hop
	for {
		h, _, do := l.queue.next(maxTime)
		if h.along == nil && do == nil {
			break
		}
		left = append(left, h)
	}
	l.queue.unlock()
	l.lock()
	defer l.unlock()
	for _, h := range left {
		if d := h.along; d != nil {
			d.underway--
			d.drop(h.frame, drop.LinkDown)
		}
	}
	errs = append(errs, l.failures...)
	l.failures = nil
	if l.capture != nil {
		errs = append(errs, l.capture.close())
	}
	return errors.Join(errs...)
}
