package host

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/socket"
)

// A received is what a call of Receive for one datagram returned.
type received struct {
	payload string
	n       int
	err     error
}

// goReceive calls Receive for one datagram in a goroutine.
func goReceive(s *Socket, cancel *socket.Cancel) <-chan received {
	done := make(chan received, 1)
	go func() {
		ms := []socket.Message{{Buf: make([]byte, 100)}}
		n, err := s.Receive(ms, cancel)
		r := received{n: n, err: err}
		if n > 0 {
			r.payload = string(ms[0].Buf)
		}
		done <- r
	}()
	return done
}

func wantReceived(t testing.TB, c <-chan received, payload string) {
	t.Helper()
	if r := within(t, c); r.n != 1 || r.err != nil || r.payload != payload {
		t.Errorf("Receive = %d, %v (%q); want %q", r.n, r.err, r.payload, payload)
	}
}

func wantReceiveError(t testing.TB, c <-chan received, want error) {
	t.Helper()
	if r := within(t, c); r.n != 0 || r.err != want {
		t.Errorf("Receive = %d, %v (%q); want %v", r.n, r.err, r.payload, want)
	}
}

func TestReceiveWhatIsThere(t *testing.T) {
	for _, fields := range []socket.Fields{0, allFields} {
		s, sender := open4(t), open4(t)
		set1(t, s, socket.Report, int(fields))
		for i := range 40 {
			send(t, sender, s.LocalAddr(), fmt.Sprint(i))
		}
		next := 0
		for _, size := range []int{1, 0, 2, 31, 5, 1} {
			ms := make([]socket.Message, size)
			for i := range ms {
				ms[i].Buf = make([]byte, 10)
			}
			n, err := s.Receive(ms, nil)
			if n == 0 && size > 0 || err != nil {
				t.Fatalf("Receive of %d = %d, %v", size, n, err)
			}
			for _, m := range ms[:n] {
				if string(m.Buf) != fmt.Sprint(next) || m.Addr != sender.LocalAddr() || fields != 0 && m.TTL != 64 {
					t.Errorf("received %q from %v, TTL %d; want %d from %v", m.Buf, m.Addr, m.TTL, next, sender.LocalAddr())
				}
				next++
			}
		}
		if next != 40 {
			t.Errorf("%d datagrams were received, want 40", next)
		}
		wantEmpty(t, s)
		if st := s.Stats(); st.Received != 40 {
			t.Errorf("Stats count %d received, want 40", st.Received)
		}
	}
}

// What is cut says how long it was, as with TryRecv.
func TestReceiveCut(t *testing.T) {
	s := open4(t)
	send(t, s, s.LocalAddr(), "0123456789")
	send(t, s, s.LocalAddr(), "0123456789")
	ms := []socket.Message{{Buf: make([]byte, 0, 4)}}
	if n, err := s.Receive(ms, nil); n != 1 || err != nil || string(ms[0].Buf) != "0123" || ms[0].Len != 10 || !ms[0].Truncated() {
		t.Errorf("Receive = %d, %v: %q of %d", n, err, ms[0].Buf, ms[0].Len)
	}
	ms[0].Buf = nil
	if n, err := s.Receive(ms, nil); n != 1 || err != nil || len(ms[0].Buf) != 0 || ms[0].Len != 10 {
		t.Errorf("Receive into nothing = %d, %v: %q of %d", n, err, ms[0].Buf, ms[0].Len)
	}
}

func TestReceiveParked(t *testing.T) {
	s, sender := open4(t), open4(t)
	var cancel socket.Cancel
	for i := range 200 {
		c := &cancel
		if i%2 == 0 {
			c = nil
		}
		done := goReceive(s, c)
		untilParked(t, &s.read)
		send(t, sender, s.LocalAddr(), fmt.Sprint(i))
		wantReceived(t, done, fmt.Sprint(i))
	}
	cancel.Fire() // nobody is attached any more
	if d := &s.read; d.parked != nil || d.expired || d.free.woken || len(d.free.wake) != 0 || s.receiving.waiter != nil || s.receiving.ms != nil {
		t.Errorf("something was left behind: %+v, %+v", &s.receiving, d.free)
	}
}

func TestReceiveCancelled(t *testing.T) {
	s := open4(t)
	var cancel socket.Cancel
	cancel.Fire()
	wantReceiveError(t, goReceive(s, &cancel), socket.ErrCancelled)

	// It wins over what is there, which stays.
	send(t, s, s.LocalAddr(), "x")
	wantReceiveError(t, goReceive(s, &cancel), socket.ErrCancelled)
	cancel.Reset()
	wantReceived(t, goReceive(s, &cancel), "x")

	for range 200 {
		cancel.Reset()
		done := goReceive(s, &cancel)
		untilParked(t, &s.read)
		cancel.Fire()
		wantReceiveError(t, done, socket.ErrCancelled)
	}

	// No deadline is left behind.
	done := goReceive(s, nil)
	untilParked(t, &s.read)
	send(t, s, s.LocalAddr(), "y")
	wantReceived(t, done, "y")
}

// Each of several receivers ends by its own Cancel, in whatever order they fire;
// of the datagrams that come then each of the rest gets one.
func TestReceiversWithTheirOwnCancels(t *testing.T) {
	const n = 8
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 0))
		s := open4(t)
		var looks atomic.Int64
		look := s.receiving.look
		s.receiving.look = func(fd uintptr) bool { looks.Add(1); return look(fd) }

		var cancels [n]socket.Cancel
		var done [n]<-chan received
		for i := range n {
			done[i] = goReceive(s, &cancels[i])
		}
		untilParked(t, &s.read)
		order := rng.Perm(n)
		cancelled := rng.IntN(n)
		for _, i := range order[:cancelled] {
			cancels[i].Fire()
			wantReceiveError(t, done[i], socket.ErrCancelled)
		}
		rest := order[cancelled:]
		for _, i := range rest {
			select {
			case r := <-done[i]:
				t.Fatalf("seed %d: receiver %d returned %v because of others' Cancels", seed, i, r.err)
			default:
			}
		}
		for range rest {
			send(t, s, s.LocalAddr(), "x")
		}
		for _, i := range rest {
			wantReceived(t, done[i], "x")
		}
		wantEmpty(t, s)
		// A receiver looks when it parks, and again when it is woken; more
		// is a loop that is busy.
		if got := looks.Load(); got > 4*n {
			t.Errorf("seed %d: %d looks at the socket for %d receivers", seed, got, n)
		}
		must(t, s.Close())
	}
}

func TestReceiveClosed(t *testing.T) {
	for range 50 {
		s := open4(t)
		var cancel socket.Cancel
		var done []<-chan received
		for range 3 {
			done = append(done, goReceive(s, nil), goReceive(s, &cancel))
		}
		untilParked(t, &s.read)
		must(t, s.Close())
		for _, d := range done {
			wantReceiveError(t, d, socket.ErrClosed)
		}
		cancel.Fire() // nobody is attached any more; and closed comes first
		wantReceiveError(t, goReceive(s, &cancel), socket.ErrClosed)
		if n, err := s.Receive(nil, nil); n != 0 || err != socket.ErrClosed {
			t.Errorf("Receive of nothing = %d, %v; want socket.ErrClosed", n, err)
		}
	}
}

func TestReceiveShutDown(t *testing.T) {
	for _, parked := range []bool{true, false} {
		for range 50 {
			a, b := connectedPair(t)
			var first, second <-chan received
			if parked {
				first, second = goReceive(a, nil), goReceive(a, new(socket.Cancel))
				untilParked(t, &a.read)
			} else {
				send(t, b, netip.AddrPort{}, "before")
			}
			must(t, a.Shutdown(socket.ShutRead))
			if !parked {
				wantReceived(t, goReceive(a, nil), "before")
				first, second = goReceive(a, nil), goReceive(a, new(socket.Cancel))
			}
			wantReceiveError(t, first, syscall.EAGAIN)
			wantReceiveError(t, second, syscall.EAGAIN)
			send(t, b, netip.AddrPort{}, "after")
			wait(t, a, socket.Readable)
			wantReceived(t, goReceive(a, nil), "after")
			must(t, errors.Join(a.Close(), b.Close()))
		}
	}
}

// What was shut down unconnected is shut down all the same; what was not, or the
// other way only, is not.
func TestReceiveShutDownOrNot(t *testing.T) {
	s := open4(t)
	if err := s.Shutdown(socket.ShutWrite); err != syscall.ENOTCONN {
		t.Fatal(err)
	}
	if err := s.Shutdown(8); err != syscall.EINVAL {
		t.Fatal(err)
	}
	done := goReceive(s, nil)
	untilParked(t, &s.read)
	send(t, open4(t), s.LocalAddr(), "x")
	wantReceived(t, done, "x")
	if err := s.Shutdown(socket.ShutRead); err != syscall.ENOTCONN {
		t.Fatal(err)
	}
	wantReceiveError(t, goReceive(s, nil), syscall.EAGAIN)
}

// A descriptor may come shut down already: there will be no event to tell.
func TestReceiveFromShutFD(t *testing.T) {
	for _, how := range []int{unix.SHUT_RD, unix.SHUT_WR} {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		must(t, err)
		must(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
		_ = unix.Shutdown(fd, how) // ENOTCONN, and yet
		s, err := FromFD(fd)
		must(t, err)
		done := goReceive(s, nil)
		if how == unix.SHUT_RD {
			wantReceiveError(t, done, syscall.EAGAIN)
		} else {
			untilParked(t, &s.read)
		}
		must(t, s.Close())
	}
}

func TestReceivePendingError(t *testing.T) {
	for _, receiveErrors := range []int{0, 1} {
		for _, fields := range []socket.Fields{0, socket.FieldTTL} {
			s := openUnbound(t, socket.IPv4)
			set1(t, s, socket.ReceiveErrors, receiveErrors)
			set1(t, s, socket.Report, int(fields))
			must(t, s.Connect(closedPort(t)))
			for range 5 {
				done := goReceive(s, nil)
				untilParked(t, &s.read)
				send(t, s, netip.AddrPort{}, "x")
				wantReceiveError(t, done, syscall.ECONNREFUSED)
				if s.Ready(socket.Readable) != 0 {
					t.Errorf("ReceiveErrors %d: the socket is readable after the error was reported", receiveErrors)
				}
			}
			done := goReceive(s, nil) // once each
			untilParked(t, &s.read)
			must(t, s.Close())
			wantReceiveError(t, done, socket.ErrClosed)
		}
	}
}

// Who is parked, or on the way there, learns of an error that is kept.
func TestReceiveKeptError(t *testing.T) {
	a, b := unixPair(t)
	for i := range 300 {
		done := goReceive(a, nil)
		if i%2 == 0 {
			untilParked(t, &a.read)
		}
		a.keep(syscall.ECONNREFUSED)
		wantReceiveError(t, done, syscall.ECONNREFUSED)
	}

	// It has looked and is about to say that it parks when the error is kept;
	// there is nobody to be woken yet.
	entered := make(chan struct{}, 10)
	look := a.receiving.look
	a.receiving.look = func(fd uintptr) bool { entered <- struct{}{}; return look(fd) }
	for range 5 {
		a.read.mu.Lock()
		refused := goReceive(a, nil)
		within(t, entered)
		time.Sleep(time.Millisecond) // until it waits for the lock
		a.kept.Store(uint32(syscall.ECONNREFUSED))
		a.read.mu.Unlock()
		wantReceiveError(t, refused, syscall.ECONNREFUSED)
	}
	a.receiving.look = look

	done := goReceive(a, nil)
	untilParked(t, &a.read)
	sendMessage(t, b, socket.Message{Buf: []byte("x")})
	wantReceived(t, done, "x")
}

// An error that ends a batch is for the next call.
func TestReceiveKeepsErrorInMiddle(t *testing.T) {
	s := openUnbound(t, socket.IPv4)
	closed := closedPort(t)
	must(t, s.Bind(addrPort("127.0.0.1:0")))
	sender := open4(t)
	for range batch {
		send(t, sender, s.LocalAddr(), "x")
	}
	must(t, s.Connect(closed))
	ms := make([]socket.Message, batch+1)
	for i := range ms {
		ms[i].Buf = make([]byte, 10)
	}
	send(t, s, netip.AddrPort{}, "y")
	untilError(t, s)
	// The pending error comes ahead of what is queued.
	if n, err := s.Receive(ms, nil); n != 0 || err != syscall.ECONNREFUSED {
		t.Errorf("Receive = %d, %v; want ECONNREFUSED", n, err)
	}
	if n, err := s.Receive(ms, nil); n != batch || err != nil {
		t.Errorf("Receive = %d, %v; want %d", n, err, batch)
	}
	if _, err := s.recvResult(3, syscall.ECONNREFUSED); err != nil {
		t.Error(err)
	}
	wantReceiveError(t, goReceive(s, nil), syscall.ECONNREFUSED)
}

// Waiters and receivers stand in one line. Whoever leaves lets the next one look,
// for whom something may be left.
func TestReceiveBesideWait(t *testing.T) {
	s, sender := open4(t), open4(t)
	for range 50 {
		// A waiter ahead of a receiver.
		waited := make(chan error, 1)
		go func() { waited <- s.Wait(socket.Readable, nil) }()
		untilParked(t, &s.read)
		done := goReceive(s, nil)
		untilWaiting(t, &s.read.turn, 1)
		send(t, sender, s.LocalAddr(), "x")
		must(t, within(t, waited))
		wantReceived(t, done, "x")

		// A receiver ahead of a waiter: it takes the first, the waiter is
		// told of the second.
		done = goReceive(s, nil)
		untilParked(t, &s.read)
		go func() { waited <- s.Wait(socket.Readable, nil) }()
		untilWaiting(t, &s.read.turn, 1)
		send(t, sender, s.LocalAddr(), "1")
		send(t, sender, s.LocalAddr(), "2")
		must(t, within(t, waited))
		r := within(t, done)
		if r.err != nil || r.payload != "1" {
			t.Fatalf("Receive: %q, %v", r.payload, r.err)
		}
		if m := receive(t, s); string(m.Buf) != "2" {
			t.Fatalf("left is %q, want 2", m.Buf)
		}
	}
}

func TestReceiveBesideNotify(t *testing.T) {
	s, sender := open4(t), open4(t)
	c := newCalled()
	s.Notify(socket.Readable, c.fn)
	untilParked(t, &s.read)
	done := goReceive(s, nil)
	untilWaiting(t, &s.read.turn, 1)
	send(t, sender, s.LocalAddr(), "x")
	within(t, c.c)
	wantReceived(t, done, "x")

	s.Notify(socket.Readable, c.fn)
	untilParked(t, &s.read)
	var cancel socket.Cancel
	done = goReceive(s, &cancel)
	untilWaiting(t, &s.read.turn, 1)
	cancel.Fire()
	wantReceiveError(t, done, socket.ErrCancelled)
	send(t, sender, s.LocalAddr(), "y")
	within(t, c.c)
	untilUnwatched(t, s)
}

// Nothing is lost and nothing comes twice, whoever is cancelled meanwhile.
func TestConcurrentReceive(t *testing.T) {
	const receivers, count = 5, 2000
	s, sender := open4(t), open4(t)
	set1(t, s, socket.ReceiveBuffer, 1<<20)
	seen := make([]atomic.Int32, count)
	var got atomic.Int32
	var cancels [receivers]socket.Cancel
	var all sync.WaitGroup
	for i := range receivers {
		all.Go(func() {
			ms := make([]socket.Message, 1+i%3)
			for j := range ms {
				ms[j].Buf = make([]byte, 10)
			}
			for {
				n, err := s.Receive(ms, &cancels[i])
				switch err {
				case nil, socket.ErrCancelled:
				case socket.ErrClosed:
					return
				default:
					t.Errorf("Receive: %v", err)
					return
				}
				for _, m := range ms[:n] {
					var k int
					if _, err := fmt.Sscan(string(m.Buf), &k); err != nil {
						t.Errorf("received %q", m.Buf)
						continue
					}
					seen[k].Add(1)
					got.Add(1)
				}
			}
		})
	}
	stop := make(chan struct{})
	var storm sync.WaitGroup
	storm.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				cancels[i%receivers].Fire()
				s.Notify(socket.Readable, func() {})
				cancels[i%receivers].Reset()
			}
		}
	})
	for i := range count {
		for i-int(got.Load()) > 100 {
			time.Sleep(10 * time.Microsecond) // or the buffer would overflow
		}
		send(t, sender, s.LocalAddr(), fmt.Sprint(i))
	}
	until(t, func() bool { return got.Load() == count })
	close(stop)
	storm.Wait()
	must(t, s.Close())
	all.Wait()
	for i := range seen {
		if n := seen[i].Load(); n != 1 {
			t.Errorf("datagram %d was received %d times", i, n)
		}
	}
	if st := s.Stats(); st.Received != count {
		t.Errorf("Stats count %d received, want %d", st.Received, count)
	}
}

func TestReceiveAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget on purpose")
	}
	for _, size := range []int{1, 8} {
		s, echo := open4(t), open4(t)
		var cancel socket.Cancel
		done := make(chan struct{})
		go func() {
			defer close(done)
			ms := []socket.Message{{Buf: make([]byte, 64)}}
			for {
				if _, err := echo.Receive(ms, nil); err != nil {
					return
				}
				untilParked(t, &s.read) // so that it is woken each time
				if _, err := echo.TrySend(ms); err != nil {
					return
				}
			}
		}()
		out := []socket.Message{{Buf: make([]byte, 64), Addr: echo.LocalAddr()}}
		in := make([]socket.Message, size)
		for i := range in {
			in[i].Buf = make([]byte, 64)
		}
		allocs := testing.AllocsPerRun(300, func() {
			if _, err := s.TrySend(out); err != nil {
				t.Fatal(err)
			}
			if n, err := s.Receive(in, &cancel); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		})
		if allocs > 0 {
			t.Errorf("waiting for %d datagrams allocates %v times", size, allocs)
		}
		must(t, echo.Close())
		<-done
	}
}
