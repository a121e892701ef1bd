package clock

import (
	"math"
	"sync"
	"time"

	"github.com/castnet-go/castnet/internal/wheel"
)

// Epoch is when virtual time begins if nothing else is said:
// 2000-01-01 00:00:00 UTC, as in a testing/synctest bubble.
var Epoch = time.Unix(946684800, 0).UTC()

// Virtual is a clock that stands still until it is advanced. Timers are called
// by the goroutine that advances it, at exactly their time, and those of one
// time in the order in which they were armed.
//
// Its methods may be called from any goroutine, and from inside timers, except
// that those which advance it are for one goroutine at a time and panic inside
// a timer.
type Virtual struct {
	start time.Time

	mu        sync.Mutex
	wheel     wheel.Wheel[*virtualTimer] // in nanoseconds since start
	advancing bool
}

// NewVirtual returns a clock that stands at start; zero: [Epoch].
func NewVirtual(start time.Time) *Virtual {
	if start.IsZero() {
		start = Epoch
	}
	return &Virtual{start: start.Round(0)}
}

// Now returns the virtual time. It has no monotonic reading.
func (v *Virtual) Now() time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.time(v.wheel.Now())
}

func (v *Virtual) time(at int64) time.Time { return v.start.Add(time.Duration(at)) }

// after returns the wheel's time d from now; what lies beyond the 292 years
// that a Duration can say is their end.
func (v *Virtual) after(d time.Duration) int64 {
	now := v.wheel.Now()
	if d > 0 && int64(d) > math.MaxInt64-now {
		return math.MaxInt64
	}
	return now + max(int64(d), 0)
}

// AfterFunc arms a timer that calls f when the clock has been advanced by d.
func (v *Virtual) AfterFunc(d time.Duration, f func()) Timer {
	t := &virtualTimer{clock: v, f: f}
	t.event.Value = t
	v.mu.Lock()
	defer v.mu.Unlock()
	v.wheel.Add(&t.event, v.after(d))
	return t
}

// Pending returns how many timers are armed.
func (v *Virtual) Pending() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.wheel.Len()
}

// Next returns the time of the earliest timer, if one is armed.
func (v *Virtual) Next() (time.Time, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	at, ok := v.wheel.Next()
	if !ok {
		return time.Time{}, false
	}
	return v.time(at), true
}

// Advance lets d pass, and calls every timer that falls due on the way: also
// those that are armed by others on the way. A d that is negative is none.
func (v *Virtual) Advance(d time.Duration) {
	v.begin()
	defer v.end()
	v.run(v.after(d))
}

// RunUntil advances the clock to t, as [Virtual.Advance] does. With a t that is
// not in the future, it calls what is due now.
func (v *Virtual) RunUntil(t time.Time) {
	v.begin()
	defer v.end()
	v.run(v.after(t.Sub(v.time(v.wheel.Now()))))
}

// Step advances the clock to its earliest timer, calls that one timer and
// reports true, or reports false if none is armed.
func (v *Virtual) Step() bool {
	v.begin()
	defer v.end()
	return v.pop(math.MaxInt64)
}

// begin takes the lock for one who advances; end gives it back, also when a
// timer's function panics or ends the goroutine.
func (v *Virtual) begin() {
	v.mu.Lock()
	if v.advancing {
		v.mu.Unlock()
		panic("clock: Virtual advanced while it is being advanced: from a timer, or by two goroutines")
	}
	v.advancing = true
}

func (v *Virtual) end() {
	v.advancing = false
	v.mu.Unlock()
}

func (v *Virtual) run(until int64) {
	for v.pop(until) {
	}
	v.wheel.Advance(until)
}

// pop calls the earliest timer up to limit, with the lock released meanwhile.
func (v *Virtual) pop(limit int64) bool {
	e := v.wheel.Pop(limit)
	if e == nil {
		return false
	}
	v.mu.Unlock()
	defer v.mu.Lock()
	e.Value.f()
	return true
}

type virtualTimer struct {
	clock *Virtual
	f     func()
	event wheel.Event[*virtualTimer]
}

func (t *virtualTimer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	return t.clock.wheel.Remove(&t.event)
}

func (t *virtualTimer) Reset(d time.Duration) bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	was := t.clock.wheel.Remove(&t.event)
	t.clock.wheel.Add(&t.event, t.clock.after(d))
	return was
}
