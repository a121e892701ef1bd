package host

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/socket"
)

func newPoller(t *testing.T) socket.Poller {
	t.Helper()
	p, err := Network{}.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// polled polls once and returns what is ready, without waiting.
func polled(t *testing.T, p socket.Poller) map[uint64]socket.Events {
	t.Helper()
	var ready [16]socket.Ready
	n, err := p.Poll(ready[:], 0)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[uint64]socket.Events)
	for _, r := range ready[:n] {
		got[r.ID] = r.Events
	}
	return got
}

func TestPollerIsLevelTriggered(t *testing.T) {
	p := newPoller(t)
	a, b := bound(t), bound(t)
	const id = 1<<63 | 5
	if err := p.Watch(a, socket.Readable, id); err != nil {
		t.Fatal(err)
	}
	if got := polled(t, p); len(got) != 0 {
		t.Errorf("nothing has come: %v", got)
	}
	sendTo(t, b, a.LocalAddr(), "x")
	for range 2 {
		if got := polled(t, p); len(got) != 1 || got[id] != socket.Readable {
			t.Errorf("a datagram waits: %v", got)
		}
	}
	if err := p.Watch(a, socket.Readable|socket.Writable, 7); err != nil {
		t.Fatal(err)
	}
	if got := polled(t, p); got[7] != socket.Readable|socket.Writable {
		t.Errorf("watched for both: %v", got)
	}
	if err := p.Watch(a, 0, 0); err != nil {
		t.Fatal(err)
	}
	if got := polled(t, p); len(got) != 0 {
		t.Errorf("not watched: %v", got)
	}
	if err := p.Watch(a, 0, 0); err != nil {
		t.Errorf("not watched twice: %v", err)
	}
}

func TestPollerTakesOneSocketOnce(t *testing.T) {
	p, q := newPoller(t), newPoller(t)
	a := bound(t)
	if err := p.Watch(a, socket.Readable, 1); err != nil {
		t.Fatal(err)
	}
	if err := q.Watch(a, socket.Readable, 1); err != syscall.EBUSY {
		t.Errorf("watched by another: %v", err)
	}
	if err := q.Watch(struct{ socket.Socket }{a}, socket.Readable, 1); !errors.Is(err, socket.ErrNotSupported) {
		t.Errorf("another network's: %v", err)
	}
}

func TestPollerWaits(t *testing.T) {
	p := newPoller(t)
	var ready [4]socket.Ready
	for _, d := range []time.Duration{time.Millisecond, 1500 * time.Microsecond} {
		start := time.Now()
		n, err := p.Poll(ready[:], d)
		if passed := time.Since(start); n != 0 || err != nil || passed < d {
			t.Errorf("Poll(%v) = %d, %v after %v", d, n, err, passed)
		}
	}
	for _, d := range []time.Duration{-1, time.Hour} {
		p.Wake()
		p.Wake()
		if n, err := p.Poll(ready[:], d); n != 0 || err != nil {
			t.Errorf("woken before: Poll = %d, %v", n, err)
		}
		go p.Wake()
		if n, err := p.Poll(ready[:], d); n != 0 || err != nil {
			t.Errorf("woken: Poll = %d, %v", n, err)
		}
	}
	if _, err := p.Poll(nil, 0); err != syscall.EINVAL {
		t.Errorf("no room: %v", err)
	}
}

// TestPollerWithoutNanoseconds is the way of kernels before 5.11.
func TestPollerWithoutNanoseconds(t *testing.T) {
	p := newPoller(t)
	p.(*poller).noNanoseconds = true
	var ready [4]socket.Ready
	start := time.Now()
	if n, err := p.Poll(ready[:], 1200*time.Microsecond); n != 0 || err != nil || time.Since(start) < 1200*time.Microsecond {
		t.Errorf("Poll = %d, %v after %v", n, err, time.Since(start))
	}
}

// TestPollerSeesErrors: of a peer that refuses, and one that this package has kept.
func TestPollerSeesErrors(t *testing.T) {
	p := newPoller(t)
	a, peer := bound(t), bound(t)
	to := peer.LocalAddr()
	if err := a.Connect(to); err != nil {
		t.Fatal(err)
	}
	if err := peer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.Watch(a, socket.Readable, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := a.TrySend([]socket.Message{{Buf: []byte("x")}}); err != nil {
		t.Fatal(err)
	}
	if got := polled(t, p); got[1]&socket.Readable == 0 {
		t.Errorf("refused: %v", got)
	}
	if _, err := a.TryRecv(make([]socket.Message, 1)); err != syscall.ECONNREFUSED {
		t.Errorf("TryRecv: %v", err)
	}
	if got := polled(t, p); len(got) != 0 {
		t.Errorf("told already: %v", got)
	}
	a.keep(syscall.ECONNREFUSED)
	if got := polled(t, p); got[1]&socket.Readable == 0 {
		t.Errorf("kept: %v", got)
	}
	if _, err := a.TryRecv(make([]socket.Message, 1)); err != syscall.ECONNREFUSED {
		t.Errorf("TryRecv: %v", err)
	}
	if got := polled(t, p); len(got) != 0 {
		t.Errorf("told already: %v", got)
	}
}

func TestPollerForgetsClosedSockets(t *testing.T) {
	p := newPoller(t)
	a, b := bound(t), bound(t)
	if err := p.Watch(a, socket.Readable, 1); err != nil {
		t.Fatal(err)
	}
	sendTo(t, b, a.LocalAddr(), "x")
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if got := polled(t, p); len(got) != 0 {
		t.Errorf("closed: %v", got)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := p.Close(); err == nil {
		t.Error("closed twice")
	}
	p.Wake()
}

func bound(t *testing.T) *Socket {
	t.Helper()
	s, err := open(socket.IPv4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Bind(netip.MustParseAddrPort("127.0.0.1:0")); err != nil {
		t.Fatal(err)
	}
	return s
}

func sendTo(t *testing.T, s *Socket, to netip.AddrPort, msg string) {
	t.Helper()
	if _, err := s.TrySend([]socket.Message{{Buf: []byte(msg), Addr: to}}); err != nil {
		t.Fatal(err)
	}
}
