package host

import (
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/socket"
)

// untilParked returns when somebody is parked in the direction, or about to be:
// from then on what wakes must wake it.
func untilParked(t testing.TB, d *direction) {
	t.Helper()
	until(t, func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.parked != nil
	})
}

func until(t testing.TB, cond func() bool) {
	t.Helper()
	for start := time.Now(); !cond(); runtime.Gosched() {
		if time.Since(start) > hang {
			t.Fatal("it does not come about")
		}
	}
}

// unixPair returns two ends of a pair of AF_UNIX sockets as Sockets: unlike the
// loopback interface, which empties a send buffer at once, they can be full.
func unixPair(t testing.TB) (a, b *Socket) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	a, b = newSocket(fds[0], socket.IPv4), newSocket(fds[1], socket.IPv4)
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// fill sends until there is no room.
func fill(t testing.TB, s *Socket) {
	t.Helper()
	ms := make([]socket.Message, 7)
	for i := range ms {
		ms[i].Buf = make([]byte, 1000)
	}
	for {
		_, err := s.TrySend(ms)
		if err == syscall.EAGAIN {
			return
		}
		must(t, err)
	}
}

func TestWaitHoldsAlready(t *testing.T) {
	s := open4(t)
	wait(t, s, socket.Writable)
	wait(t, s, socket.Readable|socket.Writable)
	send(t, s, s.LocalAddr(), "x")
	for range 3 { // level-triggered: it holds until the datagram is read
		wait(t, s, socket.Readable)
	}
	receive(t, s)
	if got := s.Ready(socket.Readable | socket.Writable); got != socket.Writable {
		t.Errorf("Ready = %b, want Writable only", got)
	}
}

func TestWaitMaskWithoutEvents(t *testing.T) {
	s := open4(t)
	for _, mask := range []socket.Events{0, 8, socket.Readable | 8} {
		if err := s.Wait(mask, nil); err != syscall.EINVAL {
			t.Errorf("Wait(%b) = %v, want EINVAL", mask, err)
		}
	}
	if got := s.Ready(0); got != 0 {
		t.Errorf("Ready(0) = %b", got)
	}
}

func TestWaitReadable(t *testing.T) {
	s, sender := open4(t), open4(t)
	for range 100 {
		done := make(chan error, 1)
		go func() { done <- s.Wait(socket.Readable, nil) }()
		untilParked(t, &s.read)
		send(t, sender, s.LocalAddr(), "x")
		must(t, within(t, done))
		receive(t, s)
	}
}

func TestWaitWritable(t *testing.T) {
	a, b := unixPair(t)
	fill(t, a)
	if got := a.Ready(socket.Readable | socket.Writable); got != 0 {
		t.Fatalf("Ready of a full socket = %b, want nothing", got)
	}
	done := make(chan error, 2)
	go func() { done <- a.Wait(socket.Writable, nil) }()
	go func() { done <- a.Wait(socket.Readable|socket.Writable, nil) }()
	untilParked(t, &a.write)
	untilParked(t, &a.read)
	ms := make([]socket.Message, 64)
	for {
		if _, err := b.TryRecv(ms); err == syscall.EAGAIN {
			break
		}
	}
	must(t, within(t, done))
	must(t, within(t, done))
}

func TestWaitForBoth(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(a, b *Socket, cancel *socket.Cancel)
		want error
	}{
		{"readable", func(a, b *Socket, _ *socket.Cancel) { b.TrySend([]socket.Message{{Buf: []byte("x")}}) }, nil},
		{"cancelled", func(_, _ *Socket, cancel *socket.Cancel) { cancel.Fire() }, socket.ErrCancelled},
		{"closed", func(a, _ *Socket, _ *socket.Cancel) { a.Close() }, socket.ErrClosed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, b := unixPair(t)
			fill(t, a)
			var cancel socket.Cancel
			done := make(chan error, 1)
			go func() { done <- a.Wait(socket.Readable|socket.Writable, &cancel) }()
			untilParked(t, &a.read)
			untilParked(t, &a.write)
			tc.end(a, b, &cancel)
			if err := within(t, done); err != tc.want {
				t.Errorf("Wait = %v, want %v", err, tc.want)
			}
		})
	}
}

func TestWaitCancelled(t *testing.T) {
	s := open4(t)
	var cancel socket.Cancel
	cancel.Fire()
	for _, mask := range []socket.Events{socket.Readable, socket.Writable, socket.Readable | socket.Writable} {
		if err := s.Wait(mask, &cancel); err != socket.ErrCancelled {
			t.Errorf("Wait(%b) with a Cancel that has fired = %v, want ErrCancelled", mask, err)
		}
	}
	cancel.Reset()
	wait(t, s, socket.Writable)

	for range 100 {
		cancel.Reset()
		done := make(chan error, 1)
		go func() { done <- s.Wait(socket.Readable, &cancel) }()
		untilParked(t, &s.read)
		cancel.Fire()
		if err := within(t, done); err != socket.ErrCancelled {
			t.Fatalf("Wait = %v, want ErrCancelled", err)
		}
	}

	// Nothing is left behind, no deadline either.
	for w := s.read.free; w != nil; w = w.next {
		if w.woken || len(w.wake) != 0 {
			t.Errorf("a waiter for the next is woken already: %+v", w)
		}
	}
	send(t, s, s.LocalAddr(), "x")
	wait(t, s, socket.Readable)
}

// Each of several waiters ends by its own Cancel, in whatever order they fire,
// and the rest still wake by the event.
func TestWaitersWithTheirOwnCancels(t *testing.T) {
	const n = 8
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 0))
		s := open4(t)
		var looks atomic.Int64
		look := s.read.look
		s.read.look = func(fd uintptr) bool { looks.Add(1); return look(fd) }

		var cancels [n]socket.Cancel
		var done [n]chan error
		for i := range n {
			done[i] = make(chan error, 1)
			go func() { done[i] <- s.Wait(socket.Readable, &cancels[i]) }()
		}
		untilParked(t, &s.read)
		order := rng.Perm(n)
		cancelled := rng.IntN(n)
		for _, i := range order[:cancelled] {
			cancels[i].Fire()
			if err := within(t, done[i]); err != socket.ErrCancelled {
				t.Fatalf("seed %d: waiter %d returned %v, want ErrCancelled", seed, i, err)
			}
		}
		for _, i := range order[cancelled:] {
			select {
			case err := <-done[i]:
				t.Fatalf("seed %d: waiter %d returned %v because of others' Cancels", seed, i, err)
			default:
			}
		}
		send(t, s, s.LocalAddr(), "x") // is not read: all wake
		for _, i := range order[cancelled:] {
			if err := within(t, done[i]); err != nil {
				t.Fatalf("seed %d: waiter %d returned %v, want nil", seed, i, err)
			}
		}
		// A waiter looks when it parks, and again when it is woken; more is
		// a loop that is busy.
		if got := looks.Load(); got > 4*n {
			t.Errorf("seed %d: %d looks at the socket for %d waiters", seed, got, n)
		}
		must(t, s.Close())
	}
}

// A Cancel that is reset before the waiter has looked does not end the wait, nor
// is anything lost by it.
func TestWaitAgainAfterReset(t *testing.T) {
	s := open4(t)
	var cancel socket.Cancel
	done := make(chan error, 1)
	stop := make(chan struct{})
	var storm sync.WaitGroup
	storm.Add(1)
	go func() {
		defer storm.Done()
		for {
			select {
			case <-stop:
				return
			default:
				cancel.Fire()
				cancel.Reset()
			}
		}
	}()
	go func() {
		for {
			if err := s.Wait(socket.Readable, &cancel); err != socket.ErrCancelled {
				done <- err
				return
			}
		}
	}()
	send(t, s, s.LocalAddr(), "x")
	if err := within(t, done); err != nil {
		t.Errorf("Wait = %v, want nil", err)
	}
	close(stop)
	storm.Wait()
}

// Everything at once, for the race detector, and so that nobody is left waiting.
func TestConcurrentWaitCancelClose(t *testing.T) {
	for round := range 30 {
		s, sender := open4(t), open4(t)
		to := s.LocalAddr()
		var wg sync.WaitGroup
		var cancels [6]socket.Cancel
		for i := range cancels {
			mask := []socket.Events{socket.Readable, socket.Writable, socket.Readable | socket.Writable}[i%3]
			wg.Add(1)
			go func() {
				defer wg.Done()
				ms := []socket.Message{{Buf: make([]byte, 10)}, {Buf: make([]byte, 10)}}
				for {
					switch err := s.Wait(mask, &cancels[i]); err {
					case nil, socket.ErrCancelled:
					case socket.ErrClosed:
						return
					default:
						t.Errorf("Wait: %v", err)
						return
					}
					if _, err := s.TryRecv(ms); err != nil && err != syscall.EAGAIN && err != socket.ErrClosed {
						t.Errorf("TryRecv: %v", err)
					}
				}
			}()
		}
		var calls atomic.Int32
		for i := range 20 {
			cancels[i%len(cancels)].Fire()
			s.Notify(socket.Readable, func() { calls.Add(1) })
			send(t, sender, to, "x")
			s.Stats()
			s.Ready(socket.Readable)
			if i%3 == 0 {
				s.Notify(socket.Readable, nil)
			}
			cancels[i%len(cancels)].Reset()
			if i == round%20 {
				go s.Close()
			}
		}
		s.Close()
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		within(t, done)
		if n := calls.Load(); n > 20 {
			t.Errorf("%d calls of 20 notifications", n)
		}
	}
}

// A function parked through SyscallConn holds up neither receiving nor sending.
func TestParkedRawReadHoldsNothingUp(t *testing.T) {
	s := open4(t)
	raw, err := s.SyscallConn()
	must(t, err)
	parked := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		first := true
		done <- raw.Read(func(uintptr) bool {
			if first {
				close(parked)
			}
			first = false
			return false
		})
	}()
	within(t, parked)
	send(t, s, s.LocalAddr(), "x")
	if n, err := s.TryRecv([]socket.Message{{Buf: make([]byte, 1)}}); n != 1 || err != nil {
		t.Errorf("TryRecv = %d, %v", n, err)
	}
	must(t, s.Close())
	within(t, done)
}

func TestPendingErrorIsReadableAndWritable(t *testing.T) {
	s := openUnbound(t, socket.IPv4)
	must(t, s.Connect(closedPort(t)))
	send(t, s, netip.AddrPort{}, "x")
	wait(t, s, socket.Readable)
	if got := s.Ready(socket.Readable | socket.Writable); got != socket.Readable|socket.Writable {
		t.Errorf("Ready = %b, want both", got)
	}
	wantRecvError(t, s, syscall.ECONNREFUSED)
	if got := s.Ready(socket.Readable); got != 0 {
		t.Errorf("Ready after the error was reported = %b, want nothing", got)
	}
}
