package castnet

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/castnet-go/castnet/clock"
)

// What conntest cannot do everywhere: a full send buffer, in virtual time.
func TestBlockedWrite(t *testing.T) {
	setup := func(t *testing.T) (c *Conn, s *fakeSocket) {
		n := newFake()
		c = listen(t, Config{On: n}, "udp4", "127.0.0.1:0")
		s = n.opened[0]
		s.set(func() { s.sendFull = true })
		return c, s
	}
	write := func(c *Conn) <-chan error {
		ch := make(chan error, 1)
		go func() {
			_, err := c.WriteTo([]byte("x"), c.LocalAddr())
			ch <- err
		}()
		synctest.Wait()
		return ch
	}

	t.Run("room", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, s := setup(t)
			ch := write(c)
			if s.waits != 1 {
				t.Fatalf("%d waits, want 1: the write did not block", s.waits)
			}
			s.set(func() { s.sendFull = false })
			if err := <-ch; err != nil {
				t.Errorf("WriteTo: %v", err)
			}
		})
	})
	t.Run("deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, _ := setup(t)
			ch := write(c)
			start := time.Now()
			c.SetWriteDeadline(start.Add(time.Minute))
			if err := <-ch; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("WriteTo: %v, want a timeout", err)
			}
			if d := time.Since(start); d != time.Minute {
				t.Errorf("the write ended after %v, want 1m", d)
			}
		})
	})
	t.Run("read deadline does not end it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, _ := setup(t)
			ch := write(c)
			c.SetReadDeadline(time.Unix(1, 0))
			synctest.Wait()
			select {
			case err := <-ch:
				t.Errorf("WriteTo: %v", err)
			default:
			}
			c.Close()
			<-ch
		})
	})
	t.Run("Close", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, _ := setup(t)
			ch := write(c)
			c.Close()
			if err := <-ch; !errors.Is(err, net.ErrClosed) {
				t.Errorf("WriteTo: %v, want net.ErrClosed", err)
			}
		})
	})
}

// No port is left: that is EAGAIN too, but waiting for room would be a loop
// without end.
func TestNoPortLeft(t *testing.T) {
	n := newFake()
	c := dial(t, Config{On: n}, "udp4", "127.0.0.1:9")
	n.opened[0].noPorts = true
	if err := c.Connect(zeroAddrPort); err != nil {
		t.Fatal(err)
	}
	_, err := c.WriteTo([]byte("x"), toUDPAddr(mustAddrPort("127.0.0.1:9")))
	if errno, _ := errnoOf(err); errno != syscall.EAGAIN {
		t.Errorf("WriteTo with no port left: %v, want EAGAIN", err)
	}
}

// A hasty clock calls its timers before their time.
type hastyClock struct {
	clock.Clock
	calls int
}

func (c *hastyClock) AfterFunc(d time.Duration, f func()) clock.Timer {
	t := &hastyTimer{c: c}
	t.Timer = c.Clock.AfterFunc(d/2, func() { c.calls++; f() })
	return t
}

type hastyTimer struct {
	clock.Timer
	c *hastyClock
}

// A deadline does not pass before its time, whoever calls.
func TestDeadlineLooksAtTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &hastyClock{Clock: clock.System}
		var d deadline
		d.set(c, time.Now().Add(time.Second))
		time.Sleep(time.Second - 1)
		synctest.Wait()
		if d.passed.Load() {
			t.Error("the deadline passed before its time")
		}
		time.Sleep(1)
		synctest.Wait()
		if !d.passed.Load() {
			t.Error("the deadline did not pass in its time")
		}
		if c.calls != 2 {
			t.Errorf("the timer called %d times, want early and in time", c.calls)
		}
	})
}

// A call of the timer that was under way when the deadline was moved does
// nothing.
func TestDeadlineStaleCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d deadline
		d.set(clock.System, time.Now().Add(time.Second))
		d.set(clock.System, time.Time{})
		d.expire(clock.System)
		if d.passed.Load() {
			t.Error("a deadline that was cleared passed")
		}
		d.set(clock.System, time.Now().Add(time.Hour))
		d.expire(clock.System)
		if d.passed.Load() {
			t.Error("a deadline that was moved to the future passed")
		}
		d.set(clock.System, time.Now())
		if !d.passed.Load() || !d.cancel.Fired() {
			t.Error("a deadline of now did not pass")
		}
		d.set(clock.System, time.Now().Add(time.Hour))
		if d.passed.Load() || d.cancel.Fired() {
			t.Error("a new deadline did not revive what had passed")
		}
		d.stop()
	})
}

// Moving a deadline, which idle timeouts do for each datagram, makes no new
// timer.
func TestDeadlineAllocations(t *testing.T) {
	var d deadline
	at := time.Now().Add(time.Hour)
	d.set(clock.System, at)
	if n := testing.AllocsPerRun(100, func() { d.set(clock.System, at) }); n > 0 {
		t.Errorf("moving a deadline allocates %v times", n)
	}
	d.stop()
}

// A Conn that is closed leaves no timer behind.
func TestCloseStopsTimers(t *testing.T) {
	c := listen(t, Config{On: newFake()}, "udp4", "127.0.0.1:0")
	c.SetDeadline(time.Now().Add(time.Hour))
	c.Close()
	for name, d := range map[string]*deadline{"read": &c.read.deadline, "write": &c.write.deadline} {
		if d.timer.Stop() {
			t.Errorf("the timer of the %s deadline was still armed", name)
		}
	}
}
