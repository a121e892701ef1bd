//go:build linux

package conformance

import (
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/socket"
)

func (s *sock) shutdown(how socket.How) {
	s.t.Helper()
	if err := s.Shutdown(how); err != nil {
		s.t.Fatalf("Shutdown(%d): %v", how, err)
	}
}

var shutdownCases = []testCase{
	{name: "ShutdownUnconnected", rules: "D-SHUT-01 D-SHUT-02 D-SHUT-03", run: func(t *testing.T, n *Machine) {
		peer := bound(t, n, "127.0.0.1:0")
		s := bound(t, n, "127.0.0.1:0")
		if err := s.Shutdown(socket.ShutBoth); err != syscall.ENOTCONN {
			t.Errorf("Shutdown: %v, want ENOTCONN", name(err))
		}
		s.sendErr(peer.local(), "x", syscall.EPIPE)
		if s.Ready(socket.Readable) == 0 {
			t.Error("it is not readable")
		}
		s.wantNothing()
		u := open(t, n)
		if err := u.Shutdown(socket.ShutWrite); err != syscall.ENOTCONN {
			t.Errorf("Shutdown of an unbound socket: %v, want ENOTCONN", name(err))
		}
		u.sendErr(peer.local(), "x", syscall.EPIPE)
	}},
	{name: "ShutdownWrite", rules: "D-SHUT-02 D-SHUT-07", run: func(t *testing.T, n *Machine) {
		peer, other := bound(t, n, "127.0.0.1:0"), bound(t, n, "127.0.0.1:0")
		s := connected(t, n, peer.local())
		s.shutdown(socket.ShutWrite)
		s.sendErr("", "x", syscall.EPIPE)
		s.sendErr(peer.local(), "x", syscall.EPIPE)
		s.sendErr(other.local(), "x", syscall.EPIPE)
		peer.wantNothing()
		if s.Ready(socket.Readable) != 0 {
			t.Error("shut down for writing it is readable")
		}
		peer.send(s.local(), "in")
		s.want("in")
	}},
	{name: "ShutdownRead", rules: "D-SHUT-03 D-SHUT-04 D-SHUT-07", run: func(t *testing.T, n *Machine) {
		peer := bound(t, n, "127.0.0.1:0")
		s := connected(t, n, peer.local())
		s.shutdown(socket.ShutRead)
		ms := []socket.Message{{Buf: make([]byte, 10)}}
		if _, err := s.TryRecv(ms); err != syscall.EAGAIN {
			t.Errorf("TryRecv: %v, want EAGAIN", name(err))
		}
		if err := s.Wait(socket.Readable, nil); err != nil {
			t.Errorf("Wait: %v", err)
		}
		if s.Ready(socket.Readable) == 0 {
			t.Error("it is not readable")
		}
		peer.send(s.local(), "late")
		s.want("late")
		s.send("", "out")
		peer.want("out")
	}},
	{name: "ShutdownReadWakes", rules: "D-SHUT-05", run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "127.0.0.1:9")
		woken := make(chan error, 1)
		go func() { woken <- s.Wait(socket.Readable, nil) }()
		select {
		case <-woken:
			t.Fatal("Wait returned before anything came")
		case <-time.After(soon):
		}
		s.shutdown(socket.ShutRead)
		select {
		case err := <-woken:
			if err != nil {
				t.Errorf("Wait: %v", err)
			}
		case <-time.After(n.Patience):
			t.Fatal("Shutdown wakes nobody")
		}
	}},
	{name: "ShutdownKeepsQueue", rules: "D-SHUT-06", run: func(t *testing.T, n *Machine) {
		peer := bound(t, n, "127.0.0.1:0")
		s := connected(t, n, peer.local())
		peer.send(s.local(), "1")
		peer.send(s.local(), "2")
		settle(t, n)
		s.shutdown(socket.ShutBoth)
		s.want("1")
		s.want("2")
		s.wantNothing()
	}},
	{name: "ShutdownTwice", rules: "D-SHUT-07 D-SHUT-08", run: func(t *testing.T, n *Machine) {
		peer := bound(t, n, "127.0.0.1:0")
		s := connected(t, n, peer.local())
		for _, how := range []socket.How{0, 4, 7, 255} {
			if err := s.Shutdown(how); err != syscall.EINVAL {
				t.Errorf("Shutdown(%d): %v, want EINVAL", how, name(err))
			}
		}
		s.send("", "still open")
		peer.want("still open")
		s.shutdown(socket.ShutWrite)
		s.shutdown(socket.ShutWrite)
		s.shutdown(socket.ShutRead)
		s.sendErr("", "x", syscall.EPIPE)
	}},
}
