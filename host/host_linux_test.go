package host

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/socket"
)

// The harness of this package's tests. All of them run on the loopback
// interface and need no privilege.

func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// open4 returns a socket bound to 127.0.0.1 and an ephemeral port.
func open4(t testing.TB) *Socket { return openAt(t, socket.IPv4, "127.0.0.1:0") }

// open6 is open4 for ::1.
func open6(t testing.TB) *Socket {
	t.Helper()
	needIPv6(t)
	return openAt(t, socket.IPv6, "[::1]:0")
}

func openAt(t testing.TB, family socket.Family, addr string) *Socket {
	t.Helper()
	s := openUnbound(t, family)
	if err := s.Bind(addrPort(addr)); err != nil {
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
		if err := s.Close(); err != nil && !errors.Is(err, socket.ErrClosed) {
			t.Errorf("Close: %v", err)
		}
	})
	return s.(*Socket)
}

// needIPv6 skips the test on a machine whose loopback interface has no ::1.
func needIPv6(t testing.TB) {
	t.Helper()
	if err := tryIPv6(); err != nil {
		t.Skipf("this machine has no IPv6: %v", err)
	}
}

func tryIPv6() error {
	s, err := open(socket.IPv6)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Bind(addrPort("[::1]:0"))
}

// families are those that the machine speaks.
func families() []socket.Family {
	if tryIPv6() != nil {
		return []socket.Family{socket.IPv4}
	}
	return []socket.Family{socket.IPv4, socket.IPv6}
}

// connectedPair returns two sockets that are connected to each other.
func connectedPair(t testing.TB) (a, b *Socket) {
	t.Helper()
	a, b = open4(t), open4(t)
	must(t, a.Connect(b.LocalAddr()))
	must(t, b.Connect(a.LocalAddr()))
	return a, b
}

// closedPort returns an address at which nobody listens.
func closedPort(t testing.TB) netip.AddrPort {
	t.Helper()
	s := open4(t)
	addr := s.LocalAddr()
	must(t, s.Close())
	return addr
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func set1(t testing.TB, s *Socket, o socket.Option, value int) {
	t.Helper()
	if err := s.SetOption(o, value); err != nil {
		t.Fatalf("SetOption(%v, %#x): %v", o, value, err)
	}
}

func get1(t testing.TB, s *Socket, o socket.Option) int {
	t.Helper()
	value, err := s.Option(o)
	if err != nil {
		t.Fatalf("Option(%v): %v", o, err)
	}
	return value
}

// send sends one datagram; the zero to is the connected peer.
func send(t testing.TB, s *Socket, to netip.AddrPort, payload string) {
	t.Helper()
	sendMessage(t, s, socket.Message{Buf: []byte(payload), Addr: to})
}

func sendMessage(t testing.TB, s *Socket, m socket.Message) {
	t.Helper()
	if n, err := s.TrySend([]socket.Message{m}); n != 1 || err != nil {
		t.Fatalf("TrySend of %d bytes to %v = %d, %v; want 1, nil", len(m.Buf), m.Addr, n, err)
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
			wait(t, s, socket.Readable)
		case err != nil || n != 1:
			t.Fatalf("TryRecv = %d, %v; want 1, nil", n, err)
		default:
			return ms[0]
		}
	}
}

// wait waits for an event, and not longer than a test may hang.
func wait(t testing.TB, s *Socket, mask socket.Events) {
	t.Helper()
	var cancel socket.Cancel
	timer := time.AfterFunc(hang, cancel.Fire)
	defer timer.Stop()
	if err := s.Wait(mask, &cancel); err != nil {
		t.Fatalf("Wait(%b): %v", mask, err)
	}
}

// hang is how long a test waits for what must come.
const hang = 10 * time.Second

// within returns what comes out of a channel.
func within[T any](t testing.TB, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(hang):
		t.Fatal("nothing came")
	}
	return v
}

// wantEmpty checks that nothing can be received.
func wantEmpty(t testing.TB, s *Socket) {
	t.Helper()
	ms := []socket.Message{{Buf: make([]byte, 65536)}}
	if n, err := s.TryRecv(ms); n != 0 || err != syscall.EAGAIN {
		t.Errorf("TryRecv on an empty queue = %d, %v (%q); want 0, EAGAIN", n, err, ms[0].Buf)
	}
}

// wantRecvError checks that the next TryRecv returns an error.
func wantRecvError(t testing.TB, s *Socket, want error) {
	t.Helper()
	if n, err := s.TryRecv([]socket.Message{{Buf: make([]byte, 100)}}); n != 0 || err != want {
		t.Errorf("TryRecv = %d, %v; want 0, %v", n, err, want)
	}
}

// untilError returns when the kernel has an error pending: under load a port
// unreachable takes its time even on the loopback interface.
func untilError(t testing.TB, s *Socket) {
	t.Helper()
	raw, err := s.SyscallConn()
	must(t, err)
	until(t, func() bool {
		fds := []unix.PollFd{{}}
		must(t, raw.Control(func(fd uintptr) {
			fds[0].Fd = int32(fd)
			_, _ = unix.Poll(fds, 0)
		}))
		return fds[0].Revents&unix.POLLERR != 0
	})
}
