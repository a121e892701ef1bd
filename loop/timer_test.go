package loop_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/loop"
)

// manual is a loop whose time a test sets.
func manual() (*loop.Loop, *clock.Virtual) {
	v := clock.NewVirtual(time.Time{})
	return loop.New(loop.Config{Clock: v}), v
}

// pass lets d pass and runs a turn.
func pass(t *testing.T, l *loop.Loop, v *clock.Virtual, d time.Duration) {
	t.Helper()
	v.Advance(d)
	if _, err := l.RunMode(loop.RunNoWait); err != nil {
		t.Fatal(err)
	}
}

// TestTimersInOrder starts, stops and restarts at random and checks the order of (time
// due, order of starting).
func TestTimersInOrder(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 30 {
		l, v := manual()
		type due struct {
			at    time.Duration
			order int
		}
		var got []due
		const count = 40
		var when [count]due
		var timers [count]*loop.Timer
		for i := range timers {
			timers[i] = l.NewTimer()
		}
		order, live := 0, 0
		for range 300 {
			i := r.IntN(count)
			switch r.IntN(4) {
			case 0, 1:
				d := time.Duration(r.IntN(50)) * time.Millisecond
				order++
				l.UpdateTime()
				when[i] = due{l.Now().Sub(clock.Epoch) + d, order}
				_ = timers[i].Start(d, 0, func() {
					if now := v.Now().Sub(clock.Epoch); now < when[i].at {
						t.Fatalf("due at %v, called at %v", when[i].at, now)
					}
					got = append(got, when[i])
				})
			case 2:
				timers[i].Stop()
			default:
				from := len(got)
				pass(t, l, v, time.Duration(r.IntN(20))*time.Millisecond)
				if !slices.IsSortedFunc(got[from:], func(a, b due) int {
					if a.at != b.at {
						return int(a.at - b.at)
					}
					return a.order - b.order
				}) {
					t.Fatalf("called in the order of %v", got[from:])
				}
			}
		}
		for _, tm := range timers {
			if tm.Active() {
				live++
			}
		}
		before := len(got)
		pass(t, l, v, time.Hour)
		if len(got)-before != live || l.Alive() {
			t.Fatalf("%d were active, %d were called", live, len(got)-before)
		}
	}
}

func TestTimerStartedByATimerWaitsForTheNextTurn(t *testing.T) {
	l, v := manual()
	var log []string
	a, b := l.NewTimer(), l.NewTimer()
	_ = a.Start(0, 0, func() {
		log = append(log, fmt.Sprint("a", l.Turns()))
		_ = b.Start(0, 0, func() { log = append(log, fmt.Sprint("b", l.Turns())) })
	})
	for range 3 {
		pass(t, l, v, 0)
	}
	if got := fmt.Sprint(log); got != "[a1 b2]" {
		t.Error(got)
	}
}

// TestTimerStoppedByAnotherThatIsDueToo is not called any more; one that is started
// again is called when that is due.
func TestTimerStoppedByAnotherThatIsDueToo(t *testing.T) {
	l, v := manual()
	var log []string
	first, stopped, again, closed := l.NewTimer(), l.NewTimer(), l.NewTimer(), l.NewTimer()
	note := func(s string) func() { return func() { log = append(log, s) } }
	_ = first.Start(0, 0, func() {
		log = append(log, "first")
		stopped.Stop()
		_ = again.Start(time.Second, 0, note("again"))
		_ = closed.Close(note("closed"))
	})
	_ = stopped.Start(0, 0, note("stopped"))
	_ = again.Start(0, 0, note("too early"))
	_ = closed.Start(0, 0, note("called"))
	pass(t, l, v, 0)
	pass(t, l, v, 0)
	pass(t, l, v, time.Second)
	if got := fmt.Sprint(log); got != "[first closed again]" {
		t.Error(got)
	}
}

func TestTimerRepeats(t *testing.T) {
	l, v := manual()
	n := 0
	tm := l.NewTimer()
	_ = tm.Start(10*time.Millisecond, 3*time.Millisecond, func() {
		if n++; n == 3 {
			tm.SetRepeat(0) // the next one, which is armed already, is the last
		}
	})
	for range 50 {
		pass(t, l, v, time.Millisecond)
	}
	if n != 4 || tm.Active() || tm.Repeat() != 0 {
		t.Errorf("called %d times, active %v", n, tm.Active())
	}
	// What a turn was late is not made up for.
	n = 0
	_ = tm.Start(time.Millisecond, time.Millisecond, func() { n++ })
	pass(t, l, v, 100*time.Millisecond)
	if n != 1 || tm.DueIn() != time.Millisecond {
		t.Errorf("called %d times, due in %v", n, tm.DueIn())
	}
}

func TestTimerAgain(t *testing.T) {
	l, v := manual()
	tm := l.NewTimer()
	if err := tm.Again(); err != syscall.EINVAL {
		t.Errorf("never started: %v", err)
	}
	n := 0
	_ = tm.Start(time.Second, 0, func() { n++ })
	if err := tm.Again(); err != nil || tm.DueIn() != time.Second {
		t.Errorf("one that does not repeat is left alone: %v, due in %v", err, tm.DueIn())
	}
	tm.SetRepeat(time.Minute)
	if err := tm.Again(); err != nil || tm.DueIn() != time.Minute {
		t.Errorf("%v, due in %v", err, tm.DueIn())
	}
	pass(t, l, v, time.Minute)
	if n != 1 || !tm.Active() {
		t.Errorf("called %d times", n)
	}
	tm.Stop()
	if tm.DueIn() != 0 || tm.Active() {
		t.Error("stopped")
	}
}

func TestTimerAtTheEndOfTime(t *testing.T) {
	l, v := manual()
	tm := l.NewTimer()
	pass(t, l, v, time.Hour)
	_ = tm.Start(math.MaxInt64, 0, func() { t.Error("called") })
	pass(t, l, v, 100*365*24*time.Hour)
	if !tm.Active() || tm.Start(0, 0, nil) != syscall.EINVAL {
		t.Error("state")
	}
	_ = tm.Start(-time.Hour, -time.Hour, func() {})
	if tm.DueIn() != 0 || tm.Repeat() != 0 {
		t.Error("negative times are zero")
	}
}
