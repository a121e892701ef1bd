package host

import (
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/socket"
)

// With ReceiveErrors an unconnected socket hears of each error, once, and is then
// neither readable nor does it make who waits for it spin.
func TestReceiveErrors(t *testing.T) {
	for _, tc := range []struct {
		name    string
		open    func(testing.TB) *Socket
		nowhere func(*testing.T) netip.AddrPort
	}{
		{"IPv4", open4, func(t *testing.T) netip.AddrPort { return closedPort(t) }},
		{"IPv6", open6, closedPort6},
		{"IPv4 on IPv6", dual, func(t *testing.T) netip.AddrPort { return closedPort(t) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := tc.open(t)
			nowhere := tc.nowhere(t)
			send(t, s, nowhere, "x")
			wantEmpty(t, s) // without ReceiveErrors it hears of nothing
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
				send(t, s, nowhere, "x")
				wait(t, s, socket.Readable)
				if err := asks[i](); err != syscall.ECONNREFUSED {
					t.Errorf("asked the way %d: %v, want ECONNREFUSED", i, err)
				}
				if got := s.Ready(socket.Readable); got != 0 {
					t.Errorf("asked the way %d: the socket is readable still", i)
				}
			}

			// A batch stops at what it has brought about itself; for each
			// datagram that went there is one error.
			ms := messages(nowhere, "1", "2", "3")
			for range 3 {
				n, err := s.TrySend(ms)
				if n == 0 || err != nil {
					t.Errorf("TrySend = %d, %v; want 1 or more", n, err)
				}
				for range n {
					wait(t, s, socket.Readable)
					wantRecvError(t, s, syscall.ECONNREFUSED)
				}
			}
			wantEmpty(t, s)

			set1(t, s, socket.ReceiveErrors, 0)
			send(t, s, nowhere, "x")
			wantEmpty(t, s)
			if s.Ready(socket.Readable) != 0 {
				t.Error("readable without ReceiveErrors")
			}
		})
	}
}

func closedPort6(t *testing.T) netip.AddrPort {
	s := open6(t)
	addr := s.LocalAddr()
	must(t, s.Close())
	return addr
}

// What TrySend itself refused stands in the error queue too, and is taken out;
// what stands there before it is not lost.
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
		if s.Ready(socket.Readable) != 0 {
			t.Error("readable, with nothing to be read")
		}
		wantEmpty(t, s)
	}

	send(t, s, nowhere, "x")
	untilError(t, s)
	if n, err := s.TrySend(tooBig); n != 0 || err != syscall.EMSGSIZE {
		t.Fatalf("TrySend = %d, %v; want EMSGSIZE", n, err)
	}
	wantRecvError(t, s, syscall.ECONNREFUSED)
	wantEmpty(t, s)
	if s.Ready(socket.Readable) != 0 {
		t.Error("readable, with nothing to be read")
	}
}

// Errors that only the error queue still has are reported by who finds nothing
// else.
func TestReceiveErrorsLeftInQueue(t *testing.T) {
	s := open4(t)
	nowhere := closedPort(t)
	set1(t, s, socket.ReceiveErrors, 1)
	raw, err := s.SyscallConn()
	must(t, err)
	for range 3 {
		send(t, s, nowhere, "x")
		untilError(t, s)
		// Takes away the pending error, and leaves the queue alone.
		must(t, raw.Control(func(fd uintptr) { _, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR) }))
	}
	for range 3 {
		wait(t, s, socket.Readable)
		wantRecvError(t, s, syscall.ECONNREFUSED)
	}
	wantEmpty(t, s)
	if s.Ready(socket.Readable) != 0 {
		t.Error("readable, with nothing to be read")
	}
}

// An error that is found behind a batch's datagrams comes back from the next
// call.
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
	wantRecvError(t, s, syscall.ECONNREFUSED)
	wantEmpty(t, s)
}
