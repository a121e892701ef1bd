package clock

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

var _ = []Clock{System, &Virtual{}, Manual(nil)}

func ExampleVirtual() {
	v := NewVirtual(time.Time{})
	start := v.Now()
	say := func(what string) func() {
		return func() { fmt.Println(v.Now().Sub(start), what) }
	}
	v.AfterFunc(2*time.Hour, say("two hours have passed"))
	v.AfterFunc(time.Second, say("a second has passed"))
	v.AfterFunc(time.Second, say("and this was armed after it"))
	v.Advance(time.Hour)
	fmt.Println(v.Now().Sub(start), v.Pending(), "pending")
	v.Advance(time.Hour)
	// Output:
	// 1s a second has passed
	// 1s and this was armed after it
	// 1h0m0s 1 pending
	// 2h0m0s two hours have passed
}

func TestVirtualBegins(t *testing.T) {
	if got := NewVirtual(time.Time{}).Now(); !got.Equal(Epoch) {
		t.Errorf("zero start: Now() = %v, want %v", got, Epoch)
	}
	start := time.Date(2031, 5, 6, 7, 8, 9, 10, time.UTC)
	if got := NewVirtual(start).Now(); got != start {
		t.Errorf("Now() = %v, want %v", got, start)
	}
}

// TestVirtualOrder arms, stops and rearms timers at random, from outside and
// from inside timers, and checks that those which were left were called in the
// order of (time, arming).
func TestVirtualOrder(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 50 {
		v := NewVirtual(time.Time{})
		type call struct {
			at    time.Duration
			armed int
		}
		var got, want []call
		armed := 0
		const timers = 60
		var due [timers]call
		var live [timers]bool
		var timer [timers]Timer
		distance := func() time.Duration { return time.Duration(r.Int64N(6)) << r.IntN(40) }
		arm := func(i int) {
			d := distance()
			armed++
			due[i], live[i] = call{v.Now().Sub(Epoch) + d, armed}, true
			if timer[i] == nil {
				timer[i] = v.AfterFunc(d, func() {
					if at := v.Now().Sub(Epoch); at != due[i].at {
						t.Fatalf("timer for %v was called at %v", due[i].at, at)
					}
					live[i] = false
					got = append(got, due[i])
				})
			} else {
				timer[i].Reset(d)
			}
		}
		for range 400 {
			i := r.IntN(timers)
			switch r.IntN(4) {
			case 0, 1:
				arm(i)
			case 2:
				if timer[i] != nil {
					if stopped := timer[i].Stop(); stopped != live[i] {
						t.Fatalf("Stop() = %v, want %v", stopped, live[i])
					}
					live[i] = false
				}
			default:
				v.Advance(distance() >> 10)
			}
			pending := 0
			for i := range live {
				if live[i] {
					pending++
				}
			}
			if v.Pending() != pending {
				t.Fatalf("Pending() = %d, want %d", v.Pending(), pending)
			}
		}
		for v.Step() {
		}
		want = slices.Clone(got)
		slices.SortStableFunc(want, func(a, b call) int {
			if a.at != b.at {
				return int(max(min(a.at-b.at, 1), -1))
			}
			return a.armed - b.armed
		})
		if !slices.Equal(got, want) {
			t.Fatalf("called in the order %v\nwant %v", got, want)
		}
		if len(got) == 0 {
			t.Fatal("no timer was called")
		}
	}
}

func TestVirtualTimersArmTimers(t *testing.T) {
	v := NewVirtual(time.Time{})
	n := 0
	var tick Timer
	tick = v.AfterFunc(time.Second, func() {
		n++
		tick.Reset(time.Second)
	})
	v.Advance(time.Hour)
	if n != 3600 {
		t.Errorf("a ticking second was called %d times in an hour", n)
	}
	if at, ok := v.Next(); !ok || at.Sub(Epoch) != time.Hour+time.Second {
		t.Errorf("Next() = %v, %v", at, ok)
	}
	called := false
	v.AfterFunc(0, func() { called = true })
	if called {
		t.Error("AfterFunc(0) called the function itself")
	}
	v.RunUntil(v.Now())
	if !called {
		t.Error("RunUntil(Now()) did not call what was due")
	}
}

func TestVirtualFarFuture(t *testing.T) {
	v := NewVirtual(time.Time{})
	v.Advance(time.Hour)
	called := false
	v.AfterFunc(math.MaxInt64, func() { called = true })
	v.Advance(200 * 365 * 24 * time.Hour)
	if called {
		t.Error("a timer of 292 years was called after 200")
	}
	v.Advance(math.MaxInt64)
	if !called {
		t.Error("a timer at the end of time was not called there")
	}
}

func TestVirtualAdvancedInsideTimer(t *testing.T) {
	v := NewVirtual(time.Time{})
	v.AfterFunc(0, func() { v.Advance(1) })
	func() {
		defer func() {
			if recover() == nil {
				t.Error("Advance inside a timer did not panic")
			}
		}()
		v.Advance(0)
	}()
	// The panic has left the clock usable.
	called := false
	v.AfterFunc(0, func() { called = true })
	v.Advance(0)
	if !called {
		t.Error("the clock does not advance any more")
	}
}

func TestVirtualFromOtherGoroutines(t *testing.T) {
	v := NewVirtual(time.Time{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				tm := v.AfterFunc(time.Millisecond, func() {})
				v.Now()
				tm.Stop()
			}
		})
	}
	for range 100 {
		v.Advance(time.Millisecond)
	}
	wg.Wait()
	v.Advance(time.Second)
	if n := v.Pending(); n != 0 {
		t.Errorf("%d timers are pending", n)
	}
}
