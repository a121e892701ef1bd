package stack

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/castnet-go/castnet/clock"
)

// newTimers returns timers on a clock that the test drives by hand.
func newTimers(now *time.Time) *timers {
	t := new(timers)
	t.init(clock.Manual(func() time.Time { return *now }))
	return t
}

func TestTimersFireInOrderOfTimeThenOfArming(t *testing.T) {
	now := clock.Epoch
	ts := newTimers(&now)
	var fired []string
	add := func(name string, at time.Duration) *timer {
		tm := &timer{due: func(instant) { fired = append(fired, name) }}
		ts.arm(tm, at)
		return tm
	}
	add("c", 3)
	a := add("a", 1)
	add("b1", 2)
	add("b2", 2)
	x := add("x", 2)
	ts.disarm(x)
	ts.disarm(x) // again does nothing
	ts.arm(a, 5) // moved, not doubled
	ts.advance(2)
	if got := len(fired); got != 2 || fired[0] != "b1" || fired[1] != "b2" {
		t.Errorf("at 2 fired %v, want [b1 b2]", fired)
	}
	if at, ok := ts.next(); !ok || at != 3 {
		t.Errorf("next = %v, %v, want 3", at, ok)
	}
	fired = nil
	ts.advance(10)
	if len(fired) != 2 || fired[0] != "c" || fired[1] != "a" {
		t.Errorf("at 10 fired %v, want [c a]", fired)
	}
	if _, ok := ts.next(); ok {
		t.Error("a deadline is left")
	}
}

// The heap against a plain list, with random arming, moving and disarming.
func TestTimersAgainstAList(t *testing.T) {
	now := clock.Epoch
	ts := newTimers(&now)
	r := rand.New(rand.NewPCG(1, 2))
	type entry struct {
		timer
		at    instant
		order int
		armed bool
	}
	all := make([]*entry, 40)
	var fired []*entry
	for k := range all {
		e := new(entry)
		e.due = func(instant) { fired = append(fired, e) }
		all[k] = e
	}
	var at instant
	order := 0
	for range 20000 {
		e := all[r.IntN(len(all))]
		switch r.IntN(4) {
		case 0, 1:
			order++
			e.at, e.order, e.armed = at+instant(r.IntN(50)), order, true
			ts.arm(&e.timer, e.at)
		case 2:
			e.armed = false
			ts.disarm(&e.timer)
		case 3:
			at += instant(r.IntN(20))
			fired = nil
			ts.advance(at)
			for k, e := range fired {
				if !e.armed || e.at > at {
					t.Fatalf("a timer fired that was not due: armed %v, %v after %v", e.armed, e.at, at)
				}
				if k > 0 {
					if p := fired[k-1]; p.at > e.at || p.at == e.at && p.order > e.order {
						t.Fatalf("(%v, %d) fired before (%v, %d)", p.at, p.order, e.at, e.order)
					}
				}
				e.armed = false
			}
			for _, e := range all {
				if e.armed && e.at <= at {
					t.Fatalf("a timer for %v did not fire at %v", e.at, at)
				}
			}
		}
	}
}

func TestATimerThatArmsItselfAnewDoesNotKeepAdvance(t *testing.T) {
	now := clock.Epoch
	ts := newTimers(&now)
	n := 0
	tm := &timer{}
	tm.due = func(at instant) { n++; ts.arm(tm, at) }
	ts.arm(tm, 0)
	for want := 1; want <= 3; want++ {
		ts.advance(0)
		if n != want {
			t.Fatalf("fired %d times in %d calls", n, want)
		}
	}
}

func TestTimersCloseDisarmsForGood(t *testing.T) {
	now := clock.Epoch
	ts := newTimers(&now)
	tm := &timer{due: func(instant) { t.Error("fired after close") }}
	ts.arm(tm, 1)
	ts.close()
	ts.advance(2)
	ts.arm(tm, 3)
	ts.advance(4)
	ts.disarm(tm)
	if _, ok := ts.next(); ok {
		t.Error("a deadline is left")
	}
}

// One alarm of the clock serves all deadlines: it is never late, whatever is
// armed, moved and disarmed in between.
func TestAlarmFollowsTheEarliestDeadline(t *testing.T) {
	v := clock.NewVirtual(time.Time{})
	ts := new(timers)
	ts.init(v)
	fired := make(map[int]time.Duration)
	add := func(n int, at instant) *timer {
		tm := &timer{due: func(instant) { fired[n] = v.Now().Sub(clock.Epoch) }}
		ts.arm(tm, at)
		return tm
	}
	add(1, 5*time.Second)
	add(2, 2*time.Second) // sooner than the alarm
	x := add(3, time.Second)
	ts.disarm(x) // the alarm comes for nothing
	add(4, 3*time.Second)
	v.Advance(2500 * time.Millisecond)
	add(5, 2500*time.Millisecond) // due at once
	v.Advance(time.Hour)
	want := map[int]time.Duration{
		1: 5 * time.Second, 2: 2 * time.Second, 4: 3 * time.Second, 5: 2500 * time.Millisecond,
	}
	for n, at := range want {
		if fired[n] != at {
			t.Errorf("timer %d fired at %v, want %v", n, fired[n], at)
		}
	}
	if len(fired) != len(want) {
		t.Errorf("fired: %v", fired)
	}
	if n := v.Pending(); n != 0 {
		t.Errorf("%d alarms are left", n)
	}
}

func TestTimersInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := new(timers)
		ts.init(clock.System)
		start := time.Now()
		var at time.Duration
		ts.arm(&timer{due: func(instant) { at = time.Since(start) }}, ts.now()+time.Minute)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if at != time.Minute {
			t.Errorf("fired after %v, want a minute", at)
		}
		ts.close()
	})
}

func TestNextDeadlineAndAdvanceDriveAStackByHand(t *testing.T) {
	now := clock.Epoch
	h, l := onCable(t, Config{Clock: clock.Manual(func() time.Time { return now })})
	if d, ok := h.NextDeadline(); ok {
		t.Errorf("a stack at rest has a deadline: %v", d)
	}
	send(t, h.open(t, ""), "x", "10.0.0.9:9")
	for n := range 3 {
		l.expect(t, "probe", "ARP who has 10.0.0.9? tell 10.0.0.2")
		d, ok := h.NextDeadline()
		if want := clock.Epoch.Add(time.Duration(n+1) * time.Second); !ok || !d.Equal(want) {
			t.Fatalf("NextDeadline = %v, %v, want %v", d, ok, want)
		}
		h.Advance(d.Add(-1))
		l.expect(t, "a nanosecond early")
		now = d
		h.Advance(d)
	}
	if _, ok := h.NextDeadline(); ok {
		t.Error("a deadline is left")
	}
	l.expect(t, "afterwards")
	checkLedger(t, h)
}
