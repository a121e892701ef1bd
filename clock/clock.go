package clock

import "time"

// A Clock tells the time and calls functions later.
// Its methods may be called from any goroutine.
type Clock interface {
	// Now returns the current time. On the system's clock it carries a
	// monotonic reading, so differences survive a change of the date.
	Now() time.Time

	// AfterFunc arms a timer that calls f once, when d has passed. A d of
	// zero or less means as soon as possible, never inside AfterFunc.
	AfterFunc(d time.Duration, f func()) Timer
}

// A Timer is one call that a Clock owes; its methods are those of *time.Timer.
type Timer interface {
	// Stop disarms the timer and reports whether that prevented the call.
	Stop() bool
	// Reset arms the timer anew, d from now, and reports whether it had
	// been armed.
	Reset(d time.Duration) bool
}

// System is the clock of package time.
var System Clock = systemClock{}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }

// Manual is a clock that tells the time by calling the function, and whose
// timers never fire: it is for those who drive a stack by hand, with its
// NextDeadline and Advance.
type Manual func() time.Time

// Now calls the function.
func (m Manual) Now() time.Time { return m() }

// AfterFunc returns a timer that never fires.
func (m Manual) AfterFunc(time.Duration, func()) Timer { return &neverTimer{armed: true} }

type neverTimer struct{ armed bool }

func (t *neverTimer) Stop() bool {
	was := t.armed
	t.armed = false
	return was
}

func (t *neverTimer) Reset(time.Duration) bool {
	was := t.armed
	t.armed = true
	return was
}
