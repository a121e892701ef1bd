package castnet

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/socket"
)

// A deadline ends the waits of one direction when its time has come. The zero
// value is no deadline.
type deadline struct {
	// passed is read before every try, and so must not cost a lock. It is
	// true exactly while cancel has fired.
	passed atomic.Bool
	cancel socket.Cancel

	mu    sync.Mutex
	at    time.Time   // zero: none is to come
	timer clock.Timer // nil: none was ever needed
}

// set makes t the deadline: the zero time is none, and a time that is not in
// the future ends waits at once.
func (d *deadline) set(c clock.Clock, t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = time.Time{}
	if t.IsZero() {
		d.disarm()
		d.revive()
		return
	}
	now := c.Now()
	wait := t.Sub(now)
	if wait <= 0 {
		d.disarm()
		d.fire()
		return
	}
	// Like package net's, the deadline is fixed as a distance from now: a
	// clock that is set later does not move it.
	d.at = now.Add(wait)
	d.revive()
	if d.timer == nil {
		d.timer = c.AfterFunc(wait, func() { d.expire(c) })
	} else {
		d.timer.Reset(wait)
	}
}

// expire is called by the timer. A call may have been under way when set
// replaced the deadline that it was armed for, so it looks at the time.
func (d *deadline) expire(c clock.Clock) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at.IsZero() {
		return
	}
	if left := d.at.Sub(c.Now()); left > 0 {
		d.timer.Reset(left)
		return
	}
	d.at = time.Time{}
	d.fire()
}

// stop gives up the timer and leaves what has passed as it is.
func (d *deadline) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = time.Time{}
	d.disarm()
}

func (d *deadline) disarm() {
	if d.timer != nil {
		d.timer.Stop()
	}
}

func (d *deadline) fire() {
	if !d.passed.Load() {
		d.passed.Store(true)
		d.cancel.Fire()
	}
}

func (d *deadline) revive() {
	if d.passed.Load() {
		d.cancel.Reset()
		d.passed.Store(false)
	}
}
