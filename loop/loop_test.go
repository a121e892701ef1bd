package loop_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/socket"
)

// TestPhasesOfATurn is libuv's order, with the queues drained after every callback.
func TestPhasesOfATurn(t *testing.T) {
	everywhere(t, func(w *world) {
		u, a := w.bound(loop.UDPConfig{})
		l := w.loop
		after := func(what string) {
			w.note("%s", what)
			l.QueueMicrotask(w.noting(what + "'s microtask"))
			l.NextTick(w.noting(what + "'s tick"))
		}
		idle, prepare, check := l.NewIdle(), l.NewPrepare(), l.NewCheck()
		w.ok(u.RecvStart(func(m *socket.Message, err error) {
			after("poll")
			w.ok(u.RecvStop())
		}))
		w.ok(u.Send(to(a, "x"), func(error) { after("pending") }))
		w.ok(l.NewTimer().Start(0, 0, func() { after("timer") }))
		w.ok(idle.Start(func() { after("idle"); idle.Stop() }))
		w.ok(prepare.Start(func() { after("prepare"); prepare.Stop() }))
		w.ok(check.Start(func() {
			after("check")
			check.Stop()
			w.ok(u.Close(func() { after("closing") }))
		}))
		l.SetImmediate(func() { after("immediate") })
		w.run()
		var want []string
		for _, phase := range []string{"timer", "pending", "idle", "prepare", "poll", "check", "immediate", "closing"} {
			want = append(want, phase, phase+"'s tick", phase+"'s microtask")
		}
		w.want(want...)
	})
}

func TestTicksAndMicrotasks(t *testing.T) {
	everywhere(t, func(w *world) {
		l := w.loop
		l.Do(func() {
			l.QueueMicrotask(func() { w.note("m1"); l.NextTick(w.noting("t3")); l.QueueMicrotask(w.noting("m2")) })
			l.NextTick(func() { w.note("t1"); l.NextTick(w.noting("t2")) })
			l.Do(w.noting("nested")) // drains nothing by itself
			w.note("end")
		})
		w.want("nested", "end", "t1", "t2", "m1", "m2", "t3")
		l.NextTick(w.noting("outside"))
		w.want()
		w.run() // though nothing is alive
		w.want("outside")
	})
}

// TestMicrotasksOfAnEngine: its drain comes after the loop's queues, and again as long as
// it adds to them.
func TestMicrotasksOfAnEngine(t *testing.T) {
	var l *loop.Loop
	var log []string
	jobs := 2
	l = loop.New(loop.Config{Microtasks: func() {
		log = append(log, "drain")
		if jobs > 0 {
			jobs--
			l.NextTick(func() { log = append(log, "tick") })
		}
	}})
	l.Do(func() { l.NextTick(func() { log = append(log, "first") }) })
	if got := fmt.Sprint(log); got != "[first drain tick drain tick drain]" {
		t.Error(got)
	}
}

func TestRunEndsWhenNothingReferencedIsAlive(t *testing.T) {
	everywhere(t, func(w *world) {
		w.run() // nothing at all
		u, _ := w.bound(loop.UDPConfig{})
		w.run() // a socket that does not receive
		w.ok(u.RecvStart(func(*socket.Message, error) {}))
		u.Unref()
		async, err := w.loop.NewAsync(func() {})
		w.ok(err)
		async.Unref()
		immediate := w.loop.SetImmediate(w.noting("immediate"))
		immediate.Unref()
		check := w.loop.NewCheck()
		w.ok(check.Start(w.noting("check")))
		check.Unref()
		w.run()
		w.want()
		if !u.Active() || u.HasRef() || !immediate.Pending() {
			w.Error("what is unreferenced is active all the same")
		}
		u.Ref()
		if !w.loop.Alive() {
			w.Error("a socket that receives does not hold the loop")
		}
		w.ok(u.Close(w.noting("closed")))
		w.ok(async.Close(nil))
		w.ok(check.Close(nil))
		w.run()
		w.want("immediate", "closed")
	})
}

func TestRunModes(t *testing.T) {
	everywhere(t, func(w *world) {
		l := w.loop
		mode := func(m loop.Mode, want bool) {
			w.Helper()
			if alive, err := l.RunMode(m); alive != want || err != nil {
				w.Errorf("RunMode(%d) = %v, %v, want %v", m, alive, err, want)
			}
		}
		w.after(time.Millisecond, w.noting("timer"))
		mode(loop.RunNoWait, true) // it is not due yet
		w.want()
		mode(loop.RunOnce, true) // waits for it; it is closing
		w.want("timer")
		mode(loop.RunOnce, false)
		mode(loop.RunOnce, false)
		w.after(time.Hour, w.noting("never"))
		l.Stop()
		mode(loop.RunDefault, true)
		if l.Timeout() <= time.Hour/2 {
			w.Errorf("Timeout() = %v", l.Timeout())
		}
		w.want()
	})
}

func TestRunInsideRun(t *testing.T) {
	l := loop.New(loop.Config{})
	var err error
	l.SetImmediate(func() { err = l.Run() })
	if l.Run() != nil || err == nil {
		t.Error("the loop ran inside itself")
	}
}

// TestStop: the turn is finished, and Run can be called again.
func TestStop(t *testing.T) {
	everywhere(t, func(w *world) {
		l := w.loop
		n := 0
		tm := l.NewTimer()
		w.ok(tm.Start(0, time.Millisecond, func() {
			if n++; n%3 == 0 {
				l.Stop()
				l.SetImmediate(w.noting("the turn goes on"))
			}
		}))
		w.ok(l.Run())
		w.ok(l.Run())
		if n != 6 || !l.Alive() {
			w.Errorf("called %d times", n)
		}
		w.ok(tm.Close(nil))
		w.run()
	})
}

func TestFail(t *testing.T) {
	everywhere(t, func(w *world) {
		l := w.loop
		first := errors.New("first")
		u, a := w.bound(loop.UDPConfig{})
		for i := range 3 {
			w.ok(l.NewTimer().Start(0, 0, func() {
				w.note("timer %d", i)
				if i == 1 {
					l.NextTick(w.noting("tick"))
					l.Fail(first)
					l.Fail(errors.New("second"))
					w.send(u.Socket(), a, "x")
				}
			}))
		}
		w.ok(l.Post(w.noting("posted")))
		l.SetImmediate(w.noting("immediate"))
		w.ok(u.Close(w.noting("closed")))
		u, a = w.bound(loop.UDPConfig{})
		if err := l.Run(); err != first {
			w.Errorf("Run = %v", err)
		}
		w.want("timer 0", "timer 1")
		// Nothing is lost by it.
		w.ok(u.Close(nil))
		w.run()
		w.want("tick", "timer 2", "posted", "immediate", "closed")
	})
}

// TestFailInTheMiddleOfATurnOfDatagrams: the next run goes on with the next one.
func TestFailInTheMiddleOfATurnOfDatagrams(t *testing.T) {
	everywhere(t, func(w *world) {
		u, a := w.bound(loop.UDPConfig{})
		stop := errors.New("stop")
		for i := range 5 {
			w.ok(u.TrySend(to(a, fmt.Sprint(i))))
		}
		w.ok(u.RecvStart(func(m *socket.Message, err error) {
			w.note("%s", m.Buf)
			if string(m.Buf) == "2" {
				w.loop.Fail(stop)
			}
			if string(m.Buf) == "4" {
				w.ok(u.Close(nil))
			}
		}))
		if err := w.loop.Run(); err != stop {
			w.Errorf("Run = %v", err)
		}
		w.want("0", "1", "2")
		w.run()
		w.want("3", "4")
	})
}

func TestPanicLeavesTheLoopUsable(t *testing.T) {
	l := loop.New(loop.Config{})
	l.SetImmediate(func() { panic("boom") })
	called := false
	l.SetImmediate(func() { called = true })
	func() {
		defer func() { _ = recover() }()
		_ = l.Run()
		t.Error("Run returned")
	}()
	if err := l.Run(); err != nil || !called {
		t.Errorf("Run = %v, called %v", err, called)
	}
}

func TestPostFromOtherGoroutines(t *testing.T) {
	l := loop.New(loop.Config{})
	hold, err := l.NewAsync(func() {})
	if err != nil {
		t.Fatal(err)
	}
	const each = 500
	var got [4][]int
	left := 4 * each
	var wg sync.WaitGroup
	for g := range got {
		wg.Go(func() {
			for i := range each {
				if err := l.Post(func() {
					got[g] = append(got[g], i)
					if left--; left == 0 {
						hold.Close(nil)
					}
				}); err != nil {
					t.Error(err)
				}
				if i%50 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	if err := l.Run(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	for g := range got {
		for i, v := range got[g] {
			if i != v {
				t.Fatalf("goroutine %d's were called in the order of %v", g, got[g])
			}
		}
	}
}

func TestPostIsBounded(t *testing.T) {
	l := loop.New(loop.Config{MaxPosted: 2})
	for i, want := range []error{nil, nil, syscall.ENOBUFS} {
		if err := l.Post(func() {}); err != want {
			t.Errorf("Post %d = %v", i, err)
		}
	}
	if err := l.Run(); err != nil { // what was posted is called first
		t.Error(err)
	}
	if err := l.Post(nil); err != syscall.EINVAL {
		t.Errorf("Post(nil) = %v", err)
	}
}

func TestAsyncIsCalledOnceForMany(t *testing.T) {
	everywhere(t, func(w *world) {
		var a *loop.Async
		a, err := w.loop.NewAsync(func() {
			w.note("called")
			if len(w.log) == 1 {
				a.Send()
			} else {
				w.ok(a.Close(w.noting("closed")))
				a.Send()
			}
		})
		w.ok(err)
		a.Send()
		a.Send()
		a.Send()
		w.run()
		w.want("called", "called", "closed")
		if _, err := w.loop.NewAsync(nil); err != syscall.EINVAL {
			w.Errorf("NewAsync(nil): %v", err)
		}
	})
}

func TestWorkHoldsTheLoop(t *testing.T) {
	everywhere(t, func(w *world) {
		result := 0
		w.loop.Work(context.Background(), func(ctx context.Context) { result = 42 }, func() { w.note("%d", result) })
		w.run()
		w.want("42")
	})
}

func TestImmediates(t *testing.T) {
	everywhere(t, func(w *world) {
		l := w.loop
		var second *loop.Immediate
		l.SetImmediate(func() {
			w.note("first in turn %d", l.Turns())
			second.Clear()
			second.Clear()
			l.SetImmediate(func() { w.note("inside in turn %d", l.Turns()) })
		})
		second = l.SetImmediate(w.noting("second"))
		l.SetImmediate(w.noting("third"))
		w.run()
		w.want("first in turn 0", "third", "inside in turn 1")
	})
}

func TestCloseTwiceAndStates(t *testing.T) {
	everywhere(t, func(w *world) {
		l := w.loop
		u, _ := w.bound(loop.UDPConfig{})
		tm, idle, prepare, check := l.NewTimer(), l.NewIdle(), l.NewPrepare(), l.NewCheck()
		async, _ := l.NewAsync(func() {})
		var handles []loop.Handle
		l.Walk(func(h loop.Handle) { handles = append(handles, h) })
		if len(handles) != 6 || handles[0] != loop.Handle(u) || handles[5] != loop.Handle(async) {
			w.Errorf("Walk found %v", handles)
		}
		w.is("Close of the loop", l.Close(), syscall.EBUSY)
		l.Walk(func(h loop.Handle) {
			if h.Loop() != l || h.Closing() || !h.HasRef() {
				w.Errorf("%T: state", h)
			}
			w.ok(h.Close(func() { w.note("%T", h) }))
			if err := h.Close(w.noting("twice")); err == nil || !h.Closing() || h.Active() {
				w.Errorf("%T: a second Close returned %v", h, err)
			}
		})
		w.is("timer", tm.Start(0, 0, func() {}), syscall.EINVAL)
		w.is("idle", idle.Start(func() {}), syscall.EINVAL)
		w.is("prepare", prepare.Start(func() {}), syscall.EINVAL)
		w.is("check", check.Start(func() {}), syscall.EINVAL)
		w.run()
		w.want("*loop.UDP", "*loop.Timer", "*loop.Idle", "*loop.Prepare", "*loop.Check", "*loop.Async")
		w.ok(l.Close())
	})
}

// TestDrivenByAnother: a loop that nobody runs says when it wants to be.
func TestDrivenByAnother(t *testing.T) {
	v := clock.NewVirtual(time.Time{})
	woken := 0
	l := loop.New(loop.Config{Clock: v, Wake: func() { woken++ }})
	var log []string
	tm := l.NewTimer()
	_ = tm.Start(time.Second, time.Second, func() { log = append(log, fmt.Sprint(v.Now().Sub(clock.Epoch))) })
	for range 3 {
		d := l.Timeout()
		if d != time.Second {
			t.Errorf("Timeout() = %v", d)
		}
		v.Advance(d)
		if _, err := l.RunMode(loop.RunNoWait); err != nil {
			t.Error(err)
		}
	}
	_ = l.Post(func() { log = append(log, "posted") })
	_ = l.Post(func() { log = append(log, "posted") })
	if woken != 1 || l.Timeout() != 0 {
		t.Errorf("woken %d times, Timeout() = %v", woken, l.Timeout())
	}
	_ = tm.Close(nil)
	for alive := true; alive; alive, _ = l.RunMode(loop.RunNoWait) {
	}
	if got := fmt.Sprint(log); got != "[1s 2s 3s posted posted]" {
		t.Error(got)
	}
}

// TestInABubble: a loop that waits is as idle as a goroutine.
func TestInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := loop.New(loop.Config{})
		start := time.Now()
		n := 0
		tm := l.NewTimer()
		_ = tm.Start(time.Hour, time.Hour, func() {
			if n++; n == 24 {
				tm.Close(nil)
			}
		})
		if err := l.Run(); err != nil || time.Since(start) != 24*time.Hour {
			t.Errorf("Run = %v after %v", err, time.Since(start))
		}
		hold, _ := l.NewAsync(func() {})
		go func() {
			time.Sleep(time.Minute)
			l.Post(func() { hold.Close(nil) })
		}()
		if err := l.Run(); err != nil || time.Since(start) != 24*time.Hour+time.Minute {
			t.Errorf("Run = %v after %v", err, time.Since(start))
		}
	})
}

// TestBusyLoopInVirtualTime: what is busy until some time has passed is not busy for
// ever.
func TestBusyLoopInVirtualTime(t *testing.T) {
	inLab(t, func(w *world) {
		end := w.on.Clock().Now().Add(100 * time.Microsecond)
		idle := w.loop.NewIdle()
		w.ok(idle.Start(func() {
			if !w.on.Clock().Now().Before(end) {
				w.note("passed")
				w.ok(idle.Close(nil))
			}
		}))
		w.run()
		w.want("passed")
	})
}
