package host

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/socket"
)

// open4 returns a socket bound to 127.0.0.1, with an ephemeral port.
func open4(t testing.TB) *Socket { return openAt(t, socket.IPv4, "127.0.0.1:0") }

func openAt(t testing.TB, family socket.Family, addr string) *Socket {
	t.Helper()
	s := openUnbound(t, family)
	if err := s.Bind(netip.MustParseAddrPort(addr)); err != nil {
		t.Fatalf("Bind(%s): %v", addr, err)
	}
	return s
}

func openUnbound(t testing.TB, family socket.Family) *Socket {
	t.Helper()
	s, err := Network{}.Open(family)
	if err != nil {
		t.Fatalf("Open(%v): %v", family, err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("Close: %v", err)
		}
	})
	return s.(*Socket)
}

// send sends one datagram.
func send(t testing.TB, s *Socket, to netip.AddrPort, payload string) {
	t.Helper()
	n, err := s.TrySend([]socket.Message{{Buf: []byte(payload), Addr: to}})
	if n != 1 || err != nil {
		t.Fatalf("TrySend to %v = %d, %v; want 1, nil", to, n, err)
	}
}

// receive waits for one datagram.
func receive(t testing.TB, s *Socket) socket.Message {
	t.Helper()
	ms := []socket.Message{{Buf: make([]byte, 65536)}}
	for {
		n, err := s.TryRecv(ms)
		switch {
		case err == syscall.EAGAIN:
			if err := s.Wait(socket.Readable, nil); err != nil {
				t.Fatalf("Wait: %v", err)
			}
		case err != nil || n != 1:
			t.Fatalf("TryRecv = %d, %v; want 1, nil", n, err)
		default:
			return ms[0]
		}
	}
}

func TestSendAndReceive(t *testing.T) {
	a, b := open4(t), open4(t)
	send(t, a, b.LocalAddr(), "hello")
	m := receive(t, b)
	if string(m.Buf) != "hello" || m.Len != 5 || m.Addr != a.LocalAddr() || m.Set != 0 {
		t.Errorf("received %+v, want hello from %v", m, a.LocalAddr())
	}
	if n, err := b.TryRecv([]socket.Message{{Buf: make([]byte, 1)}}); n != 0 || err != syscall.EAGAIN {
		t.Errorf("TryRecv on an empty queue = %d, %v; want EAGAIN", n, err)
	}
}
