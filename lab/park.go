package lab

import (
	"time"

	"github.com/castnet-go/castnet/socket"
)

// Park blocks the task that calls it until wake fires or d of the lab's time has
// passed, whichever is first; a negative d never passes. It is how an event loop
// waits for several things at once. With a d of zero it lets others run whose turn
// it is at this instant. It returns socket.ErrClosed once the lab is closed.
func (h *Host) Park(d time.Duration, wake *socket.Cancel) error {
	l := h.lab
	if l.cfg.Realtime {
		return h.parkRealtime(d, wake)
	}
	t, err := l.task(l.current != nil && l.current.slept)
	if err != nil {
		return err
	}
	t.slept = true
	if l.closed {
		t.refuse()
		return socket.ErrClosed
	}
	if d != 0 {
		if !wake.Attach((*nap)(t)) {
			return nil
		}
		defer wake.Detach((*nap)(t))
	}
	if d >= 0 {
		l.queue.schedule(&t.event, l.queue.after(d))
	}
	t.park("something to happen")
	if l.closed {
		return socket.ErrClosed
	}
	return nil
}

// A nap is a task in Park: what wakes it comes before the time that it has set.
type nap task

// WakeCancelled makes the task go on at this instant.
func (n *nap) WakeCancelled() {
	q := &n.host.lab.queue
	if n.event.Pending() && n.event.At() > q.now() {
		q.wheel.Remove(&n.event)
	}
	(*task)(n).wake()
}

func (h *Host) parkRealtime(d time.Duration, wake *socket.Cancel) error {
	l := h.lab
	if d == 0 { // goroutines run beside each other anyway
		if l.ctx.Err() != nil {
			return socket.ErrClosed
		}
		return nil
	}
	n := make(waker, 1)
	if !wake.Attach(n) {
		return nil
	}
	defer wake.Detach(n)
	var passed <-chan time.Time
	if d >= 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		passed = t.C
	}
	select {
	case <-n:
	case <-passed:
	case <-l.ctx.Done():
		return socket.ErrClosed
	}
	return nil
}

// A waker is woken by a socket.Cancel; its capacity is 1.
type waker chan struct{}

// WakeCancelled wakes who receives from it.
func (w waker) WakeCancelled() {
	select {
	case w <- struct{}{}:
	default:
	}
}
