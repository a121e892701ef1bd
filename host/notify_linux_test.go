package host

import (
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/socket"
)

// A called counts calls and says when there was one.
type called struct {
	n atomic.Int32
	c chan struct{}
}

func newCalled() *called { return &called{c: make(chan struct{}, 100)} }

func (c *called) fn() {
	c.n.Add(1)
	c.c <- struct{}{}
}

// untilUnwatched returns when no goroutine of Notify is left.
func untilUnwatched(t testing.TB, s *Socket) {
	t.Helper()
	until(t, func() bool {
		s.notes.mu.Lock()
		defer s.notes.mu.Unlock()
		return !s.notes.slots[0].watching && !s.notes.slots[1].watching
	})
}

func TestNotifyAtOnce(t *testing.T) {
	s := open4(t)
	calls := 0
	s.Notify(socket.Writable, func() { calls++ })
	s.Notify(socket.Readable|socket.Writable, func() { calls++ })
	send(t, s, s.LocalAddr(), "x")
	s.Notify(socket.Readable, func() { calls++ })
	if calls != 3 {
		t.Errorf("%d of 3 notifications of what holds already were called inside Notify", calls)
	}
	s.Notify(0, func() { t.Error("called for no event") })
	untilUnwatched(t, s)
}

func TestNotifyOnce(t *testing.T) {
	s := open4(t)
	c := newCalled()
	for i := range int32(50) {
		s.Notify(socket.Readable, c.fn)
		if c.n.Load() != i {
			t.Fatalf("called although nothing had come")
		}
		send(t, s, s.LocalAddr(), "x")
		within(t, c.c)
		send(t, s, s.LocalAddr(), "y")
		receive(t, s)
		receive(t, s)
	}
	untilUnwatched(t, s)
	if n := c.n.Load(); n != 50 {
		t.Errorf("50 notifications were called %d times", n)
	}
}

// The function may arm itself again: that is how a loop uses it.
func TestNotifyArmsItselfAgain(t *testing.T) {
	s := open4(t)
	got := make(chan int, 100)
	var read func()
	read = func() {
		ms := make([]socket.Message, 32)
		for {
			n, err := s.TryRecv(ms)
			if err == syscall.EAGAIN {
				s.Notify(socket.Readable, read)
				return
			}
			if err != nil {
				return
			}
			got <- n
		}
	}
	s.Notify(socket.Readable, read)
	for sum := range 40 {
		send(t, s, s.LocalAddr(), "x")
		if n := within(t, got); n != 1 {
			t.Fatalf("read %d at a time after %d", n, sum)
		}
	}
	must(t, s.Close())
	untilUnwatched(t, s)
}

func TestNotifyReplaced(t *testing.T) {
	s := open4(t)
	first, second := newCalled(), newCalled()
	s.Notify(socket.Readable, first.fn)
	s.Notify(socket.Readable, second.fn)
	send(t, s, s.LocalAddr(), "x")
	within(t, second.c)
	s.Notify(socket.Readable, nil)
	untilUnwatched(t, s)
	if first.n.Load() != 0 || second.n.Load() != 1 {
		t.Errorf("the replaced one was called %d times, the other %d", first.n.Load(), second.n.Load())
	}

	// One that is called at once replaces too.
	receive(t, s)
	s.Notify(socket.Readable, first.fn)
	send(t, s, s.LocalAddr(), "x")
	within(t, first.c)
	receive(t, s)
	s.Notify(socket.Readable, first.fn)
	s.Notify(socket.Readable|socket.Writable, second.fn) // writable holds
	untilUnwatched(t, s)
	send(t, s, s.LocalAddr(), "x")
	wait(t, s, socket.Readable)
	if first.n.Load() != 1 || second.n.Load() != 2 {
		t.Errorf("called %d and %d times, want 1 and 2", first.n.Load(), second.n.Load())
	}
}

func TestNotifyRemoved(t *testing.T) {
	s := open4(t)
	c := newCalled()
	s.Notify(socket.Readable, nil) // nothing there
	for range 50 {
		s.Notify(socket.Readable, c.fn)
		untilParked(t, &s.read)
		s.Notify(socket.Readable, nil)
		s.Notify(socket.Readable, c.fn) // the goroutine may still be there, or not
		s.Notify(socket.Readable, nil)
	}
	untilUnwatched(t, s)
	send(t, s, s.LocalAddr(), "x")
	wait(t, s, socket.Readable)
	if n := c.n.Load(); n != 0 {
		t.Errorf("a removed notification was called %d times", n)
	}
	receive(t, s)
	s.Notify(socket.Readable, c.fn)
	send(t, s, s.LocalAddr(), "x")
	within(t, c.c)
}

// Who removes and arms again finds the goroutine on its way out; it must stay.
func TestNotifyRemovedAndArmedAgain(t *testing.T) {
	s := open4(t)
	old, c := newCalled(), newCalled()
	for range 100 {
		s.Notify(socket.Readable, old.fn)
		untilParked(t, &s.read)
		s.Notify(socket.Readable, nil)
		s.Notify(socket.Readable, c.fn)
		send(t, s, s.LocalAddr(), "x")
		within(t, c.c)
		receive(t, s)
	}
	if n := old.n.Load(); n != 0 {
		t.Errorf("a removed notification was called %d times", n)
	}
}

// A notification asked for while the socket is being closed is called too, by
// one of the two.
func TestNotifyDuringClose(t *testing.T) {
	for range 300 {
		s := open4(t)
		c := newCalled()
		go s.Close()
		s.Notify(socket.Readable, c.fn)
		within(t, c.c)
		untilUnwatched(t, s)
		if n := c.n.Load(); n != 1 {
			t.Fatalf("called %d times", n)
		}
	}
}

// It may come between Close's calling what is pending and its looking whether
// anything holds.
func TestNotifyBehindClose(t *testing.T) {
	s := open4(t)
	s.closing.Store(true) // as Close does first
	calls := 0
	s.Notify(socket.Readable, func() { calls++ })
	if calls != 1 {
		t.Errorf("called %d times, want once", calls)
	}
	s.closing.Store(false)
}

// One notification for both events is called by the first of them, and is then
// gone from the other.
func TestNotifyBoth(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(a, b *Socket)
	}{
		{"readable", func(_, b *Socket) { b.TrySend([]socket.Message{{Buf: []byte("x")}}) }},
		{"writable", func(_, b *Socket) { drainAll(b) }},
		{"closed", func(a, _ *Socket) { a.Close() }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, b := unixPair(t)
			fill(t, a)
			c := newCalled()
			a.Notify(socket.Readable|socket.Writable, c.fn)
			tc.end(a, b)
			within(t, c.c)
			untilUnwatched(t, a)
			drainAll(b)
			b.TrySend([]socket.Message{{Buf: []byte("x")}})
			a.Close()
			if n := c.n.Load(); n != 1 {
				t.Errorf("called %d times, want once", n)
			}
		})
	}
}

func drainAll(s *Socket) {
	ms := make([]socket.Message, 32)
	for {
		if _, err := s.TryRecv(ms); err != nil {
			return
		}
	}
}

func TestNotifyBothHalfReplaced(t *testing.T) {
	a, b := unixPair(t)
	fill(t, a)
	both, readable := newCalled(), newCalled()
	a.Notify(socket.Readable|socket.Writable, both.fn)
	a.Notify(socket.Readable, readable.fn)
	b.TrySend([]socket.Message{{Buf: []byte("x")}})
	within(t, readable.c)
	drainAll(b)
	within(t, both.c)
	untilUnwatched(t, a)
	if both.n.Load() != 1 || readable.n.Load() != 1 {
		t.Errorf("called %d and %d times, want once each", both.n.Load(), readable.n.Load())
	}
}

func TestCloseCallsNotifications(t *testing.T) {
	a, _ := unixPair(t)
	fill(t, a)
	var r, w int
	a.Notify(socket.Readable, func() { r++ })
	a.Notify(socket.Writable, func() { w++ })
	must(t, a.Close())
	if r != 1 || w != 1 {
		t.Errorf("Close called %d and %d notifications, want one each", r, w)
	}
}

// The function may do anything with the socket, even close it.
func TestCloseInsideNotification(t *testing.T) {
	s := open4(t)
	done := make(chan error, 1)
	s.Notify(socket.Readable, func() { done <- s.Close() })
	send(t, s, s.LocalAddr(), "x")
	must(t, within(t, done))
}

// Waiting and being notified go side by side.
func TestNotifyBesideWait(t *testing.T) {
	s := open4(t)
	c := newCalled()
	done := make(chan error, 1)
	s.Notify(socket.Readable, c.fn)
	untilParked(t, &s.read)
	var cancel, never socket.Cancel
	go func() { done <- s.Wait(socket.Readable, &cancel) }()
	cancel.Fire()
	if err := within(t, done); err != socket.ErrCancelled {
		t.Errorf("Wait behind a notification = %v, want ErrCancelled", err)
	}
	go func() { done <- s.Wait(socket.Readable, &never) }()
	send(t, s, s.LocalAddr(), "x")
	within(t, c.c)
	must(t, within(t, done))
}

// A notification hears of errors too.
func TestNotifyOfError(t *testing.T) {
	s := openUnbound(t, socket.IPv4)
	must(t, s.Connect(closedPort(t)))
	c := newCalled()
	s.Notify(socket.Readable, c.fn)
	send(t, s, netip.AddrPort{}, "x")
	within(t, c.c)
	wantRecvError(t, s, syscall.ECONNREFUSED)
}
