package stack

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

const bothEvents = socket.Readable | socket.Writable

// within fails the test if f is not done in time: something was not woken.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		buf := make([]byte, 1<<16)
		t.Fatalf("%s: not done in 20 s\n%s", what, buf[:runtime.Stack(buf, true)])
	}
}

func TestWait(t *testing.T) {
	closedPort := errorAbout("10.0.0.9", wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable, "10.0.0.2:7", "10.0.0.9:9")
	fired := new(socket.Cancel)
	fired.Fire()
	for _, c := range []struct {
		what   string
		mask   socket.Events
		cancel *socket.Cancel
		before func(s *Socket, l *cable)
		during func(s *Socket, l *cable, c *socket.Cancel)
		want   error
	}{
		{what: "a writable socket", mask: socket.Writable},
		{what: "either", mask: bothEvents},
		{what: "a datagram is there", mask: socket.Readable, before: func(_ *Socket, l *cable) { l.deliver(datagram{}.frame()) }},
		{what: "an error is there", mask: socket.Readable, before: func(_ *Socket, l *cable) { l.deliver(closedPort) }},
		{what: "shut down", mask: socket.Readable, before: func(s *Socket, _ *cable) { s.Shutdown(socket.ShutRead) }},
		{what: "closed", mask: socket.Readable, before: func(s *Socket, _ *cable) { s.Close() }, want: socket.ErrClosed},
		{what: "closed, for writing", mask: socket.Writable, before: func(s *Socket, _ *cable) { s.Close() }, want: socket.ErrClosed},
		{what: "cancelled", mask: socket.Readable, cancel: fired, want: socket.ErrCancelled},
		{what: "cancelled though ready", mask: socket.Writable, cancel: fired, want: socket.ErrCancelled},
		{what: "a datagram comes", mask: socket.Readable, during: func(_ *Socket, l *cable, _ *socket.Cancel) { l.deliver(datagram{}.frame()) }},
		{what: "an error comes", mask: socket.Readable, during: func(_ *Socket, l *cable, _ *socket.Cancel) { l.deliver(closedPort) }},
		{what: "it is shut down", mask: socket.Readable, during: func(s *Socket, _ *cable, _ *socket.Cancel) { s.Shutdown(socket.ShutRead) }},
		{what: "it is closed", mask: socket.Readable, during: func(s *Socket, _ *cable, _ *socket.Cancel) { s.Close() }, want: socket.ErrClosed},
		{what: "its stack is closed", mask: socket.Readable, during: func(s *Socket, _ *cable, _ *socket.Cancel) { s.Stack().Close() }, want: socket.ErrClosed},
		{what: "it is cancelled", mask: socket.Readable, during: func(_ *Socket, _ *cable, c *socket.Cancel) { c.Fire() }, want: socket.ErrCancelled},
	} {
		t.Run(c.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, l := known(t, Config{Clock: clock.System})
				s := h.connected(t, "10.0.0.2:7", "10.0.0.9:9")
				if c.before != nil {
					c.before(s, l)
				}
				cancel := c.cancel
				if c.during != nil {
					cancel = new(socket.Cancel)
				}
				start := time.Now()
				if c.during != nil {
					time.AfterFunc(time.Minute, func() { c.during(s, l, cancel) })
				}
				if err := s.Wait(c.mask, cancel); err != c.want {
					t.Errorf("%v, want %v", err, c.want)
				}
				want := time.Duration(0)
				if c.during != nil {
					want = time.Minute
				}
				if d := time.Since(start); d != want {
					t.Errorf("it took %v, want %v", d, want)
				}
				if s.waits.wanted(bothEvents) {
					t.Error("somebody is still registered")
				}
				h.Close()
			})
		})
	}
}

// A waiter that another one was faster than goes on waiting.
func TestWaitersThatComeTooLateWaitOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, l := known(t, Config{Clock: clock.System})
		s := h.open(t, "0.0.0.0:7")
		var served, ended atomic.Int32
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				for s.Wait(socket.Readable, nil) == nil {
					if _, err := s.TryRecv([]socket.Message{{}}); err == nil {
						served.Add(1)
					}
				}
				ended.Add(1)
			})
		}
		for n := range int32(10) {
			synctest.Wait()
			l.deliver(datagram{}.frame())
			synctest.Wait()
			if served.Load() != n+1 || ended.Load() != 0 {
				t.Fatalf("after %d datagrams: %d served, %d ended", n+1, served.Load(), ended.Load())
			}
		}
		s.Close()
		all.Wait()
		h.Close()
	})
}

func TestNotifyCallsOnce(t *testing.T) {
	h, l := known(t, Config{})
	in := datagram{}.frame()
	n := 0
	count := func() { n++ }
	check := func(what string, want int) {
		t.Helper()
		if n != want {
			t.Errorf("%s: called %d times, want %d", what, n, want)
		}
		n = 0
	}
	s := h.open(t, "0.0.0.0:7")
	s.Notify(socket.Readable, count)
	check("nothing yet", 0)
	l.deliver(in, in)
	check("two datagrams in a batch", 1)
	l.deliver(in)
	check("another one", 0)
	s.Notify(socket.Readable, count)
	check("data is there: at once", 1)
	s.Notify(socket.Writable, count)
	check("writable: at once", 1)
	payloads(t, s)

	s.Notify(socket.Readable, count)
	s.Notify(socket.Readable, nil)
	l.deliver(in)
	check("removed", 0)
	payloads(t, s)

	old := 0
	s.Notify(socket.Readable, func() { old++ })
	s.Notify(socket.Readable, count)
	l.deliver(in)
	check("replaced", 1)
	if old != 0 {
		t.Error("what was replaced was called")
	}
	payloads(t, s)

	s.Notify(socket.Readable, count)
	s.Close()
	check("closed", 1)
	s.Notify(socket.Readable, count)
	check("after Close: at once", 1)
	checkLedger(t, h)
}

// full returns a socket whose send buffer is full, on a link that lets frames go
// when it is told to.
func full(t testing.TB, c Config) (*host, *cable, *Socket) {
	t.Helper()
	h, l := known(t, c)
	l.keep = true
	s := h.connected(t, "10.0.0.2:7", "10.0.0.9:9")
	setOption(t, s, socket.SendBuffer, 0)
	for try(s, "x", "") == nil {
	}
	if s.Ready(bothEvents) != 0 {
		t.Fatal("the socket is not full")
	}
	return h, l, s
}

// A function for both events is one notification: called once, by whichever
// event comes first, and not again by the other.
// What was told stays of interest until it happens once more and nobody has come back.
func TestInterestEnds(t *testing.T) {
	h, l := known(t, Config{})
	in := datagram{}.frame()
	s := h.open(t, "0.0.0.0:7")
	n := 0
	for range 3 {
		s.Notify(socket.Readable, func() { n++ })
		l.deliver(in)
		payloads(t, s)
	}
	if n != 3 || !s.waits.wanted(socket.Readable) {
		t.Errorf("called %d times, want 3; of interest: %v", n, s.waits.wanted(socket.Readable))
	}
	l.deliver(in)
	if n != 3 || s.waits.wanted(allEvents) {
		t.Errorf("called %d times, want 3; of interest: %v, want false", n, s.waits.wanted(allEvents))
	}

	// Of room to send, a frame that is let go of tells.
	s.Notify(socket.Writable, func() {})
	if s.waits.wanted(socket.Writable) {
		s.Charge(0)
		s.Uncharge(0)
	}
	if s.waits.wanted(socket.Writable) {
		t.Error("room to send is of interest to nobody, and still asked for")
	}
}

func TestOneNotifyForBothEventsIsCalledOnce(t *testing.T) {
	in := datagram{}.frame()
	for what, events := range map[string][]func(*host, *cable, *Socket){
		"readable, then writable": {
			func(h *host, l *cable, _ *Socket) { l.deliver(in) },
			func(h *host, l *cable, _ *Socket) { l.letGo(); h.clock.Advance(0) },
		},
		"writable, then readable": {
			func(h *host, l *cable, _ *Socket) { l.letGo(); h.clock.Advance(0) },
			func(h *host, l *cable, _ *Socket) { l.deliver(in) },
		},
		"closed": {
			func(_ *host, _ *cable, s *Socket) { s.Close() },
		},
		"an error": {
			func(_ *host, _ *cable, s *Socket) { s.fail(syscall.ECONNREFUSED) },
		},
		"shut down both ways": {
			func(_ *host, _ *cable, s *Socket) { s.Shutdown(socket.ShutBoth) },
		},
	} {
		t.Run(what, func(t *testing.T) {
			h, l, s := full(t, Config{})
			n := 0
			s.Notify(bothEvents, func() { n++ })
			for k, do := range events {
				do(h, l, s)
				if n != 1 {
					t.Fatalf("after event %d: called %d times, want once", k+1, n)
				}
			}
			s.Close()
			l.letGo()
			h.clock.Advance(0)
			if n != 1 {
				t.Errorf("called %d times", n)
			}
			checkLedger(t, h)
		})
	}
	// At once, if one of the two holds already.
	h, _ := known(t, Config{})
	s := h.open(t, "0.0.0.0:7")
	n := 0
	s.Notify(bothEvents, func() { n++ })
	s.Close()
	if n != 1 {
		t.Errorf("on a writable socket: called %d times", n)
	}
}

// Replacing one half of a notification for both events leaves the other.
func TestReplacingHalfOfANotification(t *testing.T) {
	for _, replacement := range []bool{true, false} {
		h, l, s := full(t, Config{})
		both, half := 0, 0
		s.Notify(bothEvents, func() { both++ })
		if replacement {
			s.Notify(socket.Readable, func() { half++ })
		} else {
			s.Notify(socket.Readable, nil)
		}
		l.deliver(datagram{}.frame())
		if half != asInt(replacement) || both != 0 {
			t.Errorf("readable: the half was called %d times, the rest %d", half, both)
		}
		l.letGo()
		h.clock.Advance(0)
		if both != 1 {
			t.Errorf("writable: the rest was called %d times", both)
		}
		checkLedger(t, h)
	}
}

// Two functions for the two events are both called.
func TestTwoNotifications(t *testing.T) {
	h, l, s := full(t, Config{})
	var r, w int
	s.Notify(socket.Readable, func() { r++ })
	s.Notify(socket.Writable, func() { w++ })
	s.Close()
	if r != 1 || w != 1 {
		t.Errorf("called %d and %d times", r, w)
	}
	l.letGo()
	checkLedger(t, h)
}

// However many frames leave, one timer brings one notification, and it is not
// called if the room is used up by then.
func TestWritabilityIsToldOnceAndStillHolds(t *testing.T) {
	h, l, s := full(t, Config{})
	n := 0
	s.Notify(socket.Writable, func() { n++ })
	l.letGo()
	if got := h.clock.Pending(); got != 1 {
		t.Errorf("%d timers are armed", got)
	}
	for try(s, "x", "") == nil {
	}
	h.clock.Advance(0)
	if n != 0 {
		t.Error("told of room that is not there")
	}
	l.letGo()
	h.clock.Advance(0)
	if n != 1 {
		t.Errorf("told %d times", n)
	}
	// Closed before the timer: told by Close.
	h, l, s = full(t, Config{})
	n = 0
	s.Notify(socket.Writable, func() { n++ })
	l.letGo()
	h.Close()
	if n != 1 {
		t.Errorf("when closed: told %d times", n)
	}
}

// No wake-up is lost: goroutines that wait, and one by notifications, read all
// that several others send, while cancels fire.
func TestNoWakeUpIsLost(t *testing.T) {
	for _, way := range []string{"wait", "notify", "cancel"} {
		t.Run(way, func(t *testing.T) {
			h, l := known(t, Config{Clock: clock.System})
			s := h.open(t, "0.0.0.0:7")
			const total = 6000
			var sent, read atomic.Int64
			var writers, readers sync.WaitGroup
			done := make(chan struct{})
			drain := func() {
				ms := []socket.Message{{Buf: make([]byte, 8)}, {Buf: make([]byte, 8)}}
				for {
					n, err := s.TryRecv(ms)
					if err != nil {
						return
					}
					if read.Add(int64(n)) == total {
						close(done)
					}
				}
			}
			switch way {
			case "notify":
				var fn func()
				fn = func() {
					drain()
					if read.Load() < total {
						s.Notify(socket.Readable, fn)
					}
				}
				s.Notify(socket.Readable, fn)
			default:
				for range 3 {
					cancel := new(socket.Cancel)
					if way == "cancel" {
						readers.Go(func() {
							r := rand.New(rand.NewPCG(1, 1))
							for read.Load() < total {
								cancel.Fire()
								for range r.IntN(50) {
									runtime.Gosched()
								}
								cancel.Reset()
								runtime.Gosched()
							}
							cancel.Fire()
						})
					}
					readers.Go(func() {
						for read.Load() < total {
							switch err := s.Wait(socket.Readable, cancel); err {
							case nil:
								drain()
							case socket.ErrCancelled:
								runtime.Gosched()
							case socket.ErrClosed:
								return
							default:
								t.Error(err)
								return
							}
						}
					})
				}
			}
			for w := range 2 {
				writers.Go(func() {
					for n := range total / 2 {
						for sent.Add(1)-read.Load() > 200 { // nothing is to be dropped
							sent.Add(-1)
							runtime.Gosched()
						}
						l.deliverBy(w, datagram{payload: string(binary.BigEndian.AppendUint64(nil, uint64(n)))}.frame())
					}
				})
			}
			within(t, way, func() {
				writers.Wait()
				<-done
				s.Close()
				readers.Wait()
			})
			checkLedger(t, h)
		})
	}
}

// The same for writers on a link that lets frames go now and then.
func TestNoWriterIsForgotten(t *testing.T) {
	for _, way := range []string{"wait", "notify"} {
		t.Run(way, func(t *testing.T) {
			h, l, s := full(t, Config{Clock: clock.System})
			const total = 2000
			var sent atomic.Int64
			stop := make(chan struct{})
			var gone sync.WaitGroup
			gone.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						l.letGo()
						l.take()
						runtime.Gosched()
					}
				}
			})
			within(t, way, func() {
				if way == "wait" {
					var writers sync.WaitGroup
					for range 3 {
						writers.Go(func() {
							for sent.Load() < total {
								if err := s.Wait(socket.Writable, nil); err != nil {
									t.Error(err)
									return
								}
								for try(s, "x", "") == nil && sent.Add(1) < total {
								}
							}
						})
					}
					writers.Wait()
					return
				}
				done := make(chan struct{})
				var fn func()
				fn = func() {
					for {
						if try(s, "x", "") != nil {
							break
						}
						if sent.Add(1) == total {
							close(done)
							return
						}
					}
					s.Notify(socket.Writable, fn)
				}
				s.Notify(socket.Writable, fn)
				<-done
			})
			close(stop)
			gone.Wait()
			l.letGo()
			checkLedger(t, h)
		})
	}
}

// Close, at any moment, ends every wait and calls what is pending, once.
func TestCloseRacesWithWaiting(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 50
	}
	h, l := known(t, Config{Clock: clock.System})
	in := datagram{}.frame()
	for n := range rounds {
		s := h.open(t, "0.0.0.0:7")
		var all sync.WaitGroup
		var called atomic.Int32
		for range 3 {
			all.Go(func() {
				for {
					if err := s.Wait(socket.Readable, nil); err == socket.ErrClosed {
						return
					}
					s.TryRecv([]socket.Message{{}})
				}
			})
		}
		all.Go(func() { s.Notify(bothEvents, func() { called.Add(1) }) })
		all.Go(func() { l.deliver(in) })
		all.Go(func() {
			for range n % 20 {
				runtime.Gosched()
			}
			s.Close()
		})
		within(t, "close", all.Wait)
		if c := called.Load(); c != 1 {
			t.Fatalf("the notification was called %d times", c)
		}
	}
	checkLedger(t, h)
}

// Everything at once on one socket, for the race detector.
func TestASocketUsedByManyAtOnce(t *testing.T) {
	a, b := pair(t, Config{Name: "a", Clock: clock.System, Seed: [32]byte{1}}, Config{Name: "b", Clock: clock.System, Seed: [32]byte{2}})
	s, peer := a.open(t, "0.0.0.0:7"), b.open(t, "0.0.0.0:7")
	rounds := 1000
	if testing.Short() {
		rounds = 200
	}
	var all sync.WaitGroup
	ops := []func(r *rand.Rand){
		func(*rand.Rand) { s.TrySend([]socket.Message{message("x", "10.0.0.2:7")}) },
		func(*rand.Rand) {
			s.TrySend([]socket.Message{message("x", "10.0.0.2:7"), message("y", "127.0.0.1:7"), message("z", "")})
		},
		func(*rand.Rand) { peer.TrySend([]socket.Message{message("x", "10.0.0.1:7")}) },
		func(*rand.Rand) { s.TryRecv(make([]socket.Message, 3)) },
		func(*rand.Rand) { peer.TryRecv(make([]socket.Message, 1)) },
		func(*rand.Rand) { s.TryPeek(new(socket.Message)) },
		func(r *rand.Rand) {
			if r.IntN(2) == 0 {
				s.Connect(message("", "10.0.0.2:7").Addr)
			} else {
				s.Connect(socket.Message{}.Addr)
			}
		},
		func(r *rand.Rand) {
			s.SetOption(socket.Option(1+r.IntN(socket.Options-1)), r.IntN(5))
			s.SetOption(socket.Report, int(reportable))
			s.SetOption(socket.BindInterface, 0)
			s.SetOption(socket.ReceiveBuffer, 1<<20)
			s.SetOption(socket.SendBuffer, 1<<20)
		},
		func(r *rand.Rand) { s.Option(socket.Option(1 + r.IntN(socket.Options-1))) },
		func(*rand.Rand) { s.Stats(); s.LocalAddr(); s.PeerAddr(); s.Ready(bothEvents) },
		func(*rand.Rand) { s.Notify(bothEvents, func() {}) },
		func(*rand.Rand) { a.Ledger(); a.eth0.Stats(); a.Neighbors(); a.Routes() },
		func(r *rand.Rand) {
			if r.IntN(20) == 0 {
				a.eth0.SetUp(false)
				a.eth0.SetUp(true)
			}
		},
	}
	for k, op := range ops {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(k), 1))
			for range rounds {
				op(r)
			}
		})
	}
	within(t, "all", all.Wait)
	for a.eth0.lanesWaiting()+b.eth0.lanesWaiting() != 0 {
		runtime.Gosched()
	}
	a.Close()
	b.Close()
	checkLedger(t, a, b)
}
