package host

import (
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/socket"
)

// refusing are the sockets that errors come to, and a port that is closed for
// each.
var refusing = []struct {
	name    string
	open    func(testing.TB) *Socket
	nowhere func(*testing.T) netip.AddrPort
}{
	{"IPv4", open4, func(t *testing.T) netip.AddrPort { return closedPort(t) }},
	{"IPv6", open6, closedPort6},
	{"IPv4 on IPv6", dual, func(t *testing.T) netip.AddrPort { return closedPort(t) }},
}

func closedPort6(t *testing.T) netip.AddrPort {
	s := open6(t)
	addr := s.LocalAddr()
	must(t, s.Close())
	return addr
}

// wantQueued reads the next entry of the error queue.
func wantQueued(t *testing.T, s *Socket, want syscall.Errno) socket.ErrorMessage {
	t.Helper()
	m := socket.ErrorMessage{Buf: make([]byte, 0, 2000)}
	if err := s.TryRecvError(&m); err != nil || m.Errno != want {
		t.Fatalf("TryRecvError: %v, %v; want %v", err, m.Errno, want)
	}
	return m
}

func wantQueueEmpty(t *testing.T, s *Socket) {
	t.Helper()
	var m socket.ErrorMessage
	if err := s.TryRecvError(&m); err != syscall.EAGAIN {
		t.Errorf("TryRecvError: %v, %+v; want EAGAIN", err, m)
	}
	if s.Ready(socket.ErrorQueued) != 0 {
		t.Error("the error queue is called not empty")
	}
}

// With ReceiveErrors an unconnected socket hears of errors; they are pending, once,
// and in the queue, each.
func TestReceiveErrors(t *testing.T) {
	for _, tc := range refusing {
		t.Run(tc.name, func(t *testing.T) {
			s := tc.open(t)
			nowhere := tc.nowhere(t)
			send(t, s, nowhere, "x")
			wantEmpty(t, s) // without ReceiveErrors it hears of nothing
			wantQueueEmpty(t, s)
			set1(t, s, socket.ReceiveErrors, 1)
			if got := get1(t, s, socket.ReceiveErrors); got != 1 {
				t.Errorf("ReceiveErrors = %d, want 1", got)
			}

			asks := []func() error{
				func() error { _, err := s.TryRecv(make([]socket.Message, 2)); return err },
				func() error { _, err := s.TrySend([]socket.Message{{Addr: s.LocalAddr()}}); return err },
				func() error { return s.TryPeek(new(socket.Message)) },
				func() error { return syscall.Errno(get1(t, s, socket.Error)) },
			}
			for i := range asks {
				send(t, s, nowhere, "payload")
				wait(t, s, socket.Readable)
				if err := asks[i](); err != syscall.ECONNREFUSED {
					t.Errorf("asked the way %d: %v, want ECONNREFUSED", i, err)
				}
				if got := s.Ready(allEvents); got != socket.Writable|socket.ErrorQueued {
					t.Errorf("asked the way %d: ready for %03b, want writing and the error queue", i, got)
				}
				wantEmpty(t, s)
				wait(t, s, socket.ErrorQueued)
				m := wantQueued(t, s, syscall.ECONNREFUSED)
				if string(m.Buf) != "payload" || m.Len != len(m.Buf) || m.Truncated() {
					t.Errorf("the payload is %q, %d bytes", m.Buf, m.Len)
				}
				if got := m.Addr; got.Port() != nowhere.Port() || got.Addr().Unmap() != nowhere.Addr().Unmap() || got.Addr().Is4() != (s.family == socket.IPv4) {
					t.Errorf("the destination is %v, want %v", got, nowhere)
				}
				if got := m.Offender; got.Unmap() != nowhere.Addr().Unmap() || got.Is4() != (s.family == socket.IPv4) {
					t.Errorf("the offender is %v, want %v", got, nowhere.Addr())
				}
				origin, typ, code := socket.OriginICMP, uint8(3), uint8(3)
				if nowhere.Addr().Unmap().Is6() {
					origin, typ, code = socket.OriginICMPv6, 1, 4
				}
				if m.Origin != origin || m.Type != typ || m.Code != code || m.Info != 0 || m.Set != 0 {
					t.Errorf("the entry is %+v", m)
				}
				wantQueueEmpty(t, s)
			}

			// A batch stops at what it has brought about itself.
			ms := messages(nowhere, "1", "2", "3")
			total := 0
			for range 3 {
				n, err := s.TrySend(ms)
				if n == 0 || err != nil {
					t.Errorf("TrySend = %d, %v; want 1 or more", n, err)
				}
				total += n
				wait(t, s, socket.Readable)
				wantRecvError(t, s, syscall.ECONNREFUSED)
				wantEmpty(t, s)
			}
			for range total {
				wait(t, s, socket.ErrorQueued)
				wantQueued(t, s, syscall.ECONNREFUSED)
			}
			wantQueueEmpty(t, s)
			wantEmpty(t, s)

			send(t, s, nowhere, "x")
			wait(t, s, socket.ErrorQueued)
			set1(t, s, socket.ReceiveErrors, 0)
			wantQueueEmpty(t, s)
			wantRecvError(t, s, syscall.ECONNREFUSED) // stays pending
			send(t, s, nowhere, "x")
			wantEmpty(t, s)
			if s.Ready(socket.Readable) != 0 {
				t.Error("readable without ReceiveErrors")
			}
		})
	}
}

// To read an entry makes the next one's error pending, and the last one's reading
// takes it away; whether it was asked for readiness before or not.
func TestReceiveErrorsPendingFollows(t *testing.T) {
	for _, look := range []bool{false, true} {
		s := open4(t)
		nowhere := closedPort(t)
		set1(t, s, socket.ReceiveErrors, 1)
		for range 3 {
			send(t, s, nowhere, "x")
			untilError(t, s)
			if got := get1(t, s, socket.Error); got != int(syscall.ECONNREFUSED) {
				t.Fatalf("Error = %d, want ECONNREFUSED", got)
			}
		}
		wantEmpty(t, s)
		for left := 2; left >= 0; left-- {
			wantQueued(t, s, syscall.ECONNREFUSED)
			if look {
				if got := s.Ready(socket.Readable) != 0; got != (left > 0) {
					t.Errorf("with %d left: readable %v", left, got)
				}
			}
			if left == 1 {
				continue // what is pending and not asked for goes with its entry
			}
			want := 0
			if left > 0 {
				want = int(syscall.ECONNREFUSED)
			}
			if got := get1(t, s, socket.Error); got != want {
				t.Errorf("with %d left: Error = %d, want %d", left, got, want)
			}
		}
		wantQueueEmpty(t, s)
	}
}

// What the host itself refused is in the queue, with the MTU, and not pending.
func TestReceiveErrorsOwn(t *testing.T) {
	s := open6(t)
	nowhere := closedPort6(t)
	set1(t, s, socket.ReceiveErrors, 1)
	set1(t, s, socket.DontFragment, 1)
	tooBig := []socket.Message{{Buf: make([]byte, 65527), Addr: nowhere}} // the MTU is 65536
	for range 3 {
		if n, err := s.TrySend(tooBig); n != 0 || err != syscall.EMSGSIZE {
			t.Fatalf("TrySend = %d, %v; want EMSGSIZE", n, err)
		}
		if got := s.Ready(allEvents); got != socket.Writable|socket.ErrorQueued {
			t.Errorf("ready for %03b, want writing and the error queue", got)
		}
		wantEmpty(t, s)
	}
	for range 3 {
		m := wantQueued(t, s, syscall.EMSGSIZE)
		if m.Origin != socket.OriginLocal || m.Info < 1280 || m.Len != 0 || m.Offender.IsValid() || m.Addr.Addr() != nowhere.Addr() {
			t.Errorf("the entry is %+v", m)
		}
	}
	wantQueueEmpty(t, s)
}

// The fields that are reported of datagrams are reported of errors.
func TestReceiveErrorsFields(t *testing.T) {
	s := open4(t)
	nowhere := closedPort(t)
	set1(t, s, socket.ReceiveErrors, 1)
	fields := socket.FieldLocal | socket.FieldInterface | socket.FieldTTL | socket.FieldTOS | socket.FieldTime
	set1(t, s, socket.Report, int(fields|socket.FieldDrops))
	send(t, s, nowhere, "0123456789")
	wait(t, s, socket.ErrorQueued)
	m := socket.ErrorMessage{Buf: make([]byte, 0, 4)}
	must(t, s.TryRecvError(&m))
	if m.Set != fields || m.Local != s.LocalAddr() || m.Interface != 1 || m.TTL != 64 || m.TOS != 0xc0 || m.Time.IsZero() {
		t.Errorf("the entry is %+v", m)
	}
	if string(m.Buf) != "0123" || m.Len != 10 || !m.Truncated() {
		t.Errorf("the payload is %q of %d bytes", m.Buf, m.Len)
	}
}

// Who waits for the error queue is woken by errors, by Close and by its Cancel,
// and not by datagrams.
func TestWaitForErrors(t *testing.T) {
	s := open4(t)
	nowhere := closedPort(t)
	set1(t, s, socket.ReceiveErrors, 1)
	for _, mask := range []socket.Events{socket.ErrorQueued, socket.ErrorQueued | socket.Readable} {
		done := make(chan error, 1)
		go func() { done <- s.Wait(mask, nil) }()
		if mask == socket.ErrorQueued {
			send(t, s, s.LocalAddr(), "a datagram")
			select {
			case err := <-done:
				t.Fatalf("a datagram ended the wait: %v", err)
			case <-time.After(20 * time.Millisecond):
			}
			receive(t, s)
		}
		send(t, s, nowhere, "x")
		if err := <-done; err != nil {
			t.Errorf("Wait(%03b): %v", mask, err)
		}
		wait(t, s, socket.ErrorQueued)
		wantQueued(t, s, syscall.ECONNREFUSED)
	}

	var cancel socket.Cancel
	ends := make(chan error)
	for range 3 { // one parks, the others stand in line
		go func() { ends <- s.Wait(socket.ErrorQueued, &cancel) }()
	}
	runtime.Gosched()
	cancel.Fire()
	for range 3 {
		if err := <-ends; err != socket.ErrCancelled {
			t.Errorf("Wait: %v, want ErrCancelled", err)
		}
	}

	calls := make(chan socket.Events, 2)
	s.Notify(socket.ErrorQueued, func() { calls <- s.Ready(allEvents) })
	send(t, s, nowhere, "x")
	if got := <-calls; got&socket.ErrorQueued == 0 {
		t.Errorf("notified, and ready for %03b", got)
	}
	wantQueued(t, s, syscall.ECONNREFUSED)

	s.Notify(socket.ErrorQueued|socket.Readable, func() { calls <- 0 })
	cancel.Reset()
	go func() { ends <- s.Wait(socket.ErrorQueued, &cancel) }()
	runtime.Gosched()
	must(t, s.Close())
	if err := <-ends; err != socket.ErrClosed {
		t.Errorf("Wait on a closed socket: %v", err)
	}
	<-calls
	select {
	case <-calls:
		t.Error("one notification was called twice")
	case <-time.After(5 * time.Millisecond):
	}
}

// An error that a batch of datagrams meets comes back from the next call.
func TestReceiveErrorBehindBatch(t *testing.T) {
	s, sender := open4(t), open4(t)
	nowhere := closedPort(t)
	set1(t, s, socket.ReceiveErrors, 1)
	send(t, s, nowhere, "x")
	untilError(t, s)
	raw, err := s.SyscallConn()
	must(t, err)
	must(t, raw.Control(func(fd uintptr) { _, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR) }))
	for range batch {
		send(t, sender, s.LocalAddr(), "x")
	}
	if n, err := s.TryRecv(make([]socket.Message, batch+1)); n != batch || err != nil {
		t.Errorf("TryRecv = %d, %v; want %d, nil", n, err, batch)
	}
	wantEmpty(t, s)
	wantQueued(t, s, syscall.ECONNREFUSED)
	wantQueueEmpty(t, s)
}

func TestTryRecvErrorAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	s := open4(t)
	nowhere := closedPort(t)
	set1(t, s, socket.ReceiveErrors, 1)
	ms := []socket.Message{{Buf: []byte("x"), Addr: nowhere}}
	m := socket.ErrorMessage{Buf: make([]byte, 0, 100)}
	got := testing.AllocsPerRun(100, func() {
		if n, err := s.TrySend(ms); n != 1 {
			t.Fatal(err)
		}
		for s.TryRecvError(&m) == syscall.EAGAIN {
			runtime.Gosched()
		}
	})
	if got != 0 {
		t.Errorf("TryRecvError allocates %v times", got)
	}
}
