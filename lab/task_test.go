package lab_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/socket"
)

func TestTasksRunInLockstep(t *testing.T) {
	l := lab.New(lab.Config{})
	defer l.Close()
	var got []string
	for _, name := range []string{"a", "b", "c"} {
		h := l.AddHost(name)
		h.Go("count", func(ctx context.Context) error {
			for i := range 3 {
				got = append(got, fmt.Sprintf("%s%d@%v", name, i, l.Elapsed()))
				h.Sleep(ctx, time.Duration(len(got)%2)*time.Second)
			}
			return nil
		})
	}
	run(t, l, time.Minute)
	want := "a0@0s b0@0s c0@0s b1@0s b2@0s a1@1s c1@1s a2@1s c2@2s"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

func TestRunLetsAllOfItsTimePass(t *testing.T) {
	l := lab.New(lab.Config{})
	defer l.Close()
	start := l.Clock().Now()
	run(t, l, time.Hour)
	run(t, l, 0)
	if l.Elapsed() != time.Hour || l.Clock().Now().Sub(start) != time.Hour {
		t.Errorf("Elapsed() = %v, Now() is %v later", l.Elapsed(), l.Clock().Now().Sub(start))
	}
}

func TestAtAndAfterFuncKeepTheirOrder(t *testing.T) {
	l := lab.New(lab.Config{})
	defer l.Close()
	var got []string
	note := func(s string) func() { return func() { got = append(got, fmt.Sprint(s, l.Elapsed().Seconds())) } }
	l.At(2*time.Second, note("a"))
	l.At(time.Second, note("b"))
	l.Clock().AfterFunc(time.Second, note("c"))
	stopped := l.Clock().AfterFunc(time.Second, note("never"))
	again := l.Clock().AfterFunc(time.Second, note("d"))
	if !stopped.Stop() || stopped.Stop() {
		t.Error("Stop did not report whether the timer was armed")
	}
	if !again.Reset(3 * time.Second) {
		t.Error("Reset did not report that the timer was armed")
	}
	run(t, l, 2*time.Second)
	l.At(time.Second, note("late"))
	run(t, l, 2*time.Second)
	if s := fmt.Sprint(got); s != "[b1 c1 a2 late2 d3]" {
		t.Errorf("got %s", s)
	}
}

func TestTaskErrors(t *testing.T) {
	l := lab.New(lab.Config{})
	defer l.Close()
	h := l.AddHost("h")
	boom := errors.New("boom")
	h.Go("first", func(context.Context) error { return boom })
	h.Go("second", func(ctx context.Context) error { h.Sleep(ctx, time.Second); return os.ErrPermission })
	h.Go("third", func(ctx context.Context) error { return h.Sleep(ctx, time.Hour) })
	err := l.Run(time.Minute)
	if !errors.Is(err, boom) || !errors.Is(err, os.ErrPermission) {
		t.Errorf("Run = %v", err)
	}
	if s := err.Error(); !strings.Contains(s, "task first on host h: boom") || !strings.Contains(s, "task second on host h") || strings.Contains(s, "third") {
		t.Errorf("Run = %v", err)
	}
	if err := l.Run(time.Minute); err != nil {
		t.Errorf("the second Run reports them again: %v", err)
	}
}

// TestNilTask: it is an error of Run, which says whose task it is.
func TestNilTask(t *testing.T) {
	for _, realtime := range []bool{false, true} {
		const want = `task "none" on host h has no function`
		l := lab.New(lab.Config{Realtime: realtime})
		h := l.AddHost("h")
		var ran atomic.Bool
		h.Go("other", func(context.Context) error { ran.Store(true); return nil })
		h.Go("none", nil)
		if err := l.Run(0); err == nil || !strings.Contains(err.Error(), want) || ran.Load() && !realtime {
			t.Errorf("realtime %v: Run = %v, and another task has run: %v", realtime, err, ran.Load())
		}
		l.Close()

		// Started by a task, it is an error of the Run that goes on, and of
		// that alone.
		l = lab.New(lab.Config{Realtime: realtime})
		h = l.AddHost("h")
		h.Go("starts it", func(context.Context) error { h.Go("none", nil); return nil })
		if err := l.RunTasks(time.Minute); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("realtime %v: RunTasks = %v", realtime, err)
		}
		if err := l.Run(0); err != nil {
			t.Errorf("realtime %v: the next Run = %v", realtime, err)
		}
		l.Close()
	}
}

func TestNegativeRun(t *testing.T) {
	l := lab.New(lab.Config{})
	defer l.Close()
	ran := false
	l.At(0, func() { ran = true })
	for _, run := range []func(time.Duration) error{l.Run, l.RunTasks} {
		if err := run(-time.Second); err == nil || !strings.Contains(err.Error(), "-1s") || ran || l.Elapsed() != 0 {
			t.Errorf("err = %v, ran: %v, elapsed: %v", err, ran, l.Elapsed())
		}
	}
	if err := l.Run(0); err != nil || !ran {
		t.Errorf("Run(0) = %v, ran: %v", err, ran)
	}
}

func TestRunTasks(t *testing.T) {
	l := lab.New(lab.Config{})
	defer l.Close()
	h := l.AddHost("h")
	h.Go("short", func(ctx context.Context) error { return h.Sleep(ctx, 3*time.Second) })
	must(t, l.RunTasks(time.Hour))
	if l.Elapsed() != 3*time.Second {
		t.Errorf("RunTasks took %v", l.Elapsed())
	}
	h.Go("long", func(ctx context.Context) error {
		c, err := listen(ctx, h, ":7")
		if err != nil {
			return err
		}
		_, err = c.Read(make([]byte, 1))
		return err
	})
	err := l.RunTasks(time.Hour)
	if err == nil || !strings.Contains(err.Error(), "long on h (waits for a datagram)") {
		t.Errorf("RunTasks = %v", err)
	}
}

func TestTaskPanics(t *testing.T) {
	l := lab.New(lab.Config{})
	defer l.Close()
	h := l.AddHost("h")
	boom := errors.New("boom")
	h.Go("explode", func(context.Context) error { panic(boom) })
	func() {
		defer func() {
			p, ok := recover().(*lab.TaskPanic)
			if !ok || p.Host != "h" || p.Task != "explode" || !errors.Is(p, boom) || !strings.Contains(p.Error(), "TestTaskPanics") {
				t.Errorf("Run panicked with %v", p)
			}
		}()
		l.Run(time.Second)
		t.Error("Run did not panic")
	}()
	run(t, l, time.Second) // the lab goes on
}

// TestFatalInATask ends, as t.Fatal does, the goroutine of a task.
func TestFatalInATask(t *testing.T) {
	l := lab.New(lab.Config{})
	h := l.AddHost("h")
	ended := false
	h.Go("other", func(ctx context.Context) error {
		defer func() { ended = true }()
		return h.Sleep(ctx, time.Hour)
	})
	h.Go("fatal", func(context.Context) error { runtime.Goexit(); return nil })
	done := make(chan bool)
	go func() {
		defer close(done)
		defer l.Close()
		l.Run(time.Second)
		t.Error("Run returned")
	}()
	<-done
	if !ended {
		t.Error("Close did not end the other task")
	}
}

func TestCloseEndsTasks(t *testing.T) {
	before := runtime.NumGoroutine()
	l := lab.New(lab.Config{})
	h := l.AddHost("h")
	var ended []string
	end := func(name string, err error) { ended = append(ended, fmt.Sprint(name, ": ", err)) }
	h.Go("reader", func(ctx context.Context) error {
		c, err := listen(ctx, h, ":7")
		if err != nil {
			return err
		}
		_, err = c.Read(make([]byte, 1))
		end("reader", err)
		_, err = c.Read(make([]byte, 1))
		return err
	})
	h.Go("sleeper", func(ctx context.Context) error {
		err := h.Sleep(ctx, 2*time.Hour)
		end("sleeper", err)
		return err
	})
	h.Go("complainer", func(ctx context.Context) error {
		h.Sleep(ctx, 2*time.Hour)
		return errors.New("something else is wrong")
	})
	h.Go("stubborn", func(ctx context.Context) error {
		for {
			h.Sleep(context.Background(), time.Second) // whatever it returns
		}
	})
	run(t, l, time.Hour)
	h.Go("never started", func(ctx context.Context) error {
		t.Error("a task was started by Close")
		return nil
	})
	err := l.Close()
	if err == nil || strings.Count(err.Error(), "\n") != 0 || !strings.Contains(err.Error(), "complainer on host h: something else") {
		t.Errorf("Close = %v", err)
	}
	if s := strings.Join(ended, ", "); !strings.Contains(s, "use of closed network connection") || !strings.Contains(s, "sleeper: context canceled") {
		t.Errorf("tasks ended with %s", s)
	}
	if err := l.Close(); err != nil {
		t.Errorf("second Close = %v", err)
	}
	if err := l.Run(time.Second); err == nil {
		t.Error("a closed lab runs")
	}
	h.Go("late", func(context.Context) error { t.Error("a task ran in a closed lab"); return nil })
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines are left", n-before)
	}
}

// TestSeveralWaitForASocket: each datagram is read once, and every reader is
// served.
func TestSeveralWaitForASocket(t *testing.T) {
	l := lab.New(lab.Config{})
	defer l.Close()
	h := l.AddHost("h")
	var heard [3][]string
	var c *castnet.Conn
	h.Go("open", func(ctx context.Context) (err error) {
		if c, err = listen(ctx, h, "127.0.0.1:7"); err != nil {
			return err
		}
		for i := range heard {
			h.Go(fmt.Sprint("reader", i), func(ctx context.Context) error {
				buf := make([]byte, 10)
				for len(heard[i]) < 3 {
					n, err := c.Read(buf)
					if err != nil {
						return err
					}
					heard[i] = append(heard[i], string(buf[:n]))
				}
				return nil
			})
		}
		h.Sleep(ctx, time.Second)
		for k := range 9 {
			if _, err := c.WriteToUDPAddrPort([]byte{'0' + byte(k)}, netip.MustParseAddrPort("127.0.0.1:7")); err != nil {
				return err
			}
			h.Sleep(ctx, time.Second)
		}
		return nil
	})
	must(t, l.RunTasks(time.Minute))
	all := fmt.Sprint(heard)
	for k := range 9 {
		if strings.Count(all, fmt.Sprint(k)) != 1 {
			t.Errorf("datagram %d was read %d times: %s", k, strings.Count(all, fmt.Sprint(k)), all)
		}
	}
}

// TestWaitAndNotifyTogether: a task's wait and a notification do not take each
// other's place.
func TestWaitAndNotifyTogether(t *testing.T) {
	l := lab.New(lab.Config{})
	defer l.Close()
	h := l.AddHost("h")
	s, err := h.Open(socket.IPv4)
	must(t, err)
	must(t, s.Bind(netip.MustParseAddrPort("127.0.0.1:7")))
	var got []string
	s.Notify(socket.Readable, func() { got = append(got, "replaced") })
	s.Notify(socket.Readable, func() { got = append(got, "notified") })
	h.Go("wait", func(ctx context.Context) error {
		err := s.Wait(socket.Readable, nil)
		got = append(got, fmt.Sprint("waited ", err))
		return nil
	})
	h.Go("send", func(ctx context.Context) error {
		h.Sleep(ctx, time.Second)
		c, err := dial(ctx, h, "127.0.0.1:7")
		if err != nil {
			return err
		}
		_, err = c.Write([]byte("x"))
		return err
	})
	run(t, l, time.Minute)
	if s := strings.Join(got, ", "); s != "notified, waited <nil>" {
		t.Errorf("got %s", s)
	}
	// What holds already calls at once, and once for both directions.
	got = nil
	s.Notify(socket.Readable|socket.Writable, func() { got = append(got, "at once") })
	if s := strings.Join(got, ", "); s != "at once" {
		t.Errorf("got %s", s)
	}
	s.Notify(socket.Readable, nil)
	must(t, s.Close())
	run(t, l, time.Second)
}

func TestWaitIsCancelled(t *testing.T) {
	l := lab.New(lab.Config{})
	defer l.Close()
	h := l.AddHost("h")
	s, err := h.Open(socket.IPv4)
	must(t, err)
	var cancel socket.Cancel
	var got []error
	h.Go("wait", func(ctx context.Context) error {
		got = append(got, s.Wait(socket.Readable, &cancel))
		got = append(got, s.Wait(socket.Readable, &cancel))
		cancel.Reset()
		got = append(got, s.Wait(socket.Readable, &cancel))
		return nil
	})
	l.At(time.Second, cancel.Fire)
	l.At(2*time.Second, func() { s.Close() })
	run(t, l, time.Minute)
	if len(got) != 3 || got[0] != socket.ErrCancelled || got[1] != socket.ErrCancelled || got[2] != socket.ErrClosed {
		t.Errorf("got %v", got)
	}
}

func TestReceiveBlocksTheTaskOnly(t *testing.T) {
	l := lab.New(lab.Config{})
	defer l.Close()
	h := l.AddHost("h")
	s, err := h.Open(socket.IPv4)
	must(t, err)
	must(t, s.Bind(netip.MustParseAddrPort("127.0.0.1:7")))
	var got []string
	h.Go("receive", func(ctx context.Context) error {
		r := s.(interface {
			Receive([]socket.Message, *socket.Cancel) (int, error)
		})
		var cancel socket.Cancel
		l.At(2*time.Second, cancel.Fire)
		ms := []socket.Message{{Buf: make([]byte, 10)}}
		for range 4 {
			n, err := r.Receive(ms, &cancel)
			got = append(got, fmt.Sprintf("%d %v at %v", n, err, l.Elapsed()))
			if err != nil {
				cancel.Reset()
			}
		}
		return nil
	})
	l.At(time.Second, func() {
		_, err := s.TrySend([]socket.Message{{Buf: []byte("x"), Addr: netip.MustParseAddrPort("127.0.0.1:7")}})
		must(t, err)
	})
	l.At(3*time.Second, func() { s.Shutdown(socket.ShutRead) })
	l.At(4*time.Second, func() { s.Close() })
	run(t, l, time.Minute)
	want := "1 <nil> at 1s, 0 wait cancelled at 2s, 0 resource temporarily unavailable at 3s, 0 resource temporarily unavailable at 3s"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

func TestDeadlinesAreVirtual(t *testing.T) {
	l := lab.New(lab.Config{})
	defer l.Close()
	h := l.AddHost("h")
	h.Go("read", func(ctx context.Context) error {
		c, err := listen(ctx, h, ":7")
		if err != nil {
			return err
		}
		c.SetReadDeadline(h.Clock().Now().Add(90 * time.Minute))
		_, err = c.Read(make([]byte, 1))
		if !errors.Is(err, os.ErrDeadlineExceeded) || l.Elapsed() != 90*time.Minute {
			t.Errorf("Read = %v at %v", err, l.Elapsed())
		}
		return nil
	})
	must(t, l.RunTasks(24*time.Hour))
}

func TestBlockingOutsideATask(t *testing.T) {
	l := lab.New(lab.Config{})
	defer l.Close()
	h := l.AddHost("h")
	c, err := listen(context.Background(), h, "127.0.0.1:7")
	must(t, err)
	mustSay := func(where string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "Host.Go") {
			t.Errorf("%s: %v, want an error that names Host.Go", where, err)
		}
	}
	read := func() error { _, err := c.Read(make([]byte, 1)); return err }
	mustSay("before Run", read())
	mustSay("before Run", h.Sleep(context.Background(), time.Second))
	l.At(time.Second, func() { mustSay("in a callback", read()) })
	h.Go("task", func(ctx context.Context) error {
		// Not in lockstep, and yet synchronised, so that what is tested
		// is not a race.
		errs := make(chan error)
		go func() { errs <- read() }()
		mustSay("in another goroutine", <-errs)
		go func() { errs <- h.Sleep(ctx, time.Second) }()
		mustSay("in another goroutine", <-errs)
		return nil
	})
	run(t, l, time.Minute)
}

func TestRunInsideRun(t *testing.T) {
	l := lab.New(lab.Config{})
	defer l.Close()
	var errs []error
	l.At(0, func() { errs = append(errs, l.Run(1), l.Close()) })
	l.AddHost("h").Go("task", func(context.Context) error { errs = append(errs, l.RunTasks(1)); return nil })
	run(t, l, time.Second)
	if len(errs) != 3 || errs[0] == nil || errs[1] == nil || errs[2] == nil {
		t.Errorf("got %v, want three errors", errs)
	}
}

// TestNothingButThisInstant: two hosts answer each other without delay.
func TestNothingButThisInstant(t *testing.T) {
	l := lab.New(lab.Config{MaxEvents: 10_000})
	defer l.Close()
	lan := l.AddSwitch("lan")
	h1, h2 := l.AddHost("h1"), l.AddHost("h2")
	attach(t, h1, lan, "10.0.0.1/24", lab.Faults{})
	attach(t, h2, lan, "10.0.0.2/24", lab.Faults{})
	echo(h1, ":7")
	h2.Go("answer for ever", func(ctx context.Context) error {
		c, err := listen(ctx, h2, ":9")
		if err != nil {
			return err
		}
		h2.Sleep(ctx, time.Second)
		_, err = c.WriteToUDPAddrPort([]byte("x"), netip.MustParseAddrPort("10.0.0.1:7"))
		if err != nil {
			return err
		}
		buf := make([]byte, 10)
		for {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return err
			}
			if _, err := c.WriteToUDPAddrPort(buf[:n], from); err != nil {
				return err
			}
		}
	})
	err := l.Run(time.Minute)
	if err == nil || !strings.Contains(err.Error(), "more than 10000 events at one instant, 1s") {
		t.Errorf("Run = %v", err)
	}
	checkLedger(t, l)
}
