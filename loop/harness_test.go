package loop_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/internal/networks"
	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/socket"
)

// A world is a network, a loop on it, and what has happened so far.
type world struct {
	*testing.T
	name string
	on   socket.Network
	loop *loop.Loop
	log  []string
}

// patience is how long a test's loop may run.
const patience = 10 * time.Second

var errPatience = errors.New("the loop has not ended by itself")

// everywhere runs a test on the operating system, on a stack, and on a lab's host in
// virtual time.
func everywhere(t *testing.T, f func(w *world)) {
	t.Helper()
	networks.Each(t, func(t *testing.T, name string, on socket.Network) { f(newWorld(t, name, on)) })
}

func inLab(t *testing.T, f func(w *world)) {
	t.Helper()
	networks.InLab(t, func(t *testing.T, name string, on socket.Network) { f(newWorld(t, name, on)) })
}

func newWorld(t *testing.T, name string, on socket.Network) *world {
	return &world{T: t, name: name, on: on, loop: loop.New(loop.Config{On: on})}
}

func (w *world) note(format string, args ...any) { w.log = append(w.log, fmt.Sprintf(format, args...)) }

// noting returns a callback that notes something.
func (w *world) noting(what string) func() { return func() { w.note("%s", what) } }

// udp makes a handle.
func (w *world) udp(cfg loop.UDPConfig) *loop.UDP {
	w.Helper()
	u, err := w.loop.NewUDP(cfg)
	if err != nil {
		w.Fatal(err)
	}
	return u
}

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// bound makes a handle that is bound to loopback, and returns its address.
func (w *world) bound(cfg loop.UDPConfig) (*loop.UDP, netip.AddrPort) {
	w.Helper()
	u := w.udp(cfg)
	w.ok(u.Bind(loopback, 0))
	a, err := u.LocalAddr()
	w.ok(err)
	return u, a
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Error(err)
	}
}

// is checks an error.
func (w *world) is(what string, err, want error) {
	w.Helper()
	if err != want {
		w.Errorf("%s: %v, want %v", what, err, want)
	}
}

// after calls f when d has passed. After a while, 10 ms or more, the loop has had a few
// turns too, on whatever machine: so what was sent before has been read.
func (w *world) after(d time.Duration, f func()) {
	t := w.loop.NewTimer()
	_ = t.Start(d, 0, func() {
		_ = t.Close(nil)
		if d < 10*time.Millisecond {
			f()
			return
		}
		w.loop.SetImmediate(func() { w.loop.SetImmediate(func() { w.loop.SetImmediate(f) }) })
	})
}

// run runs the loop until nothing is alive.
func (w *world) run() {
	w.Helper()
	if w.name != "lab" { // whose time is limited already
		limit := time.AfterFunc(patience, func() { _ = w.loop.Post(func() { w.loop.Fail(errPatience) }) })
		defer limit.Stop()
	}
	if err := w.loop.Run(); err != nil {
		w.Fatalf("Run: %v; log: %s", err, strings.Join(w.log, ", "))
	}
}

// want compares the log.
func (w *world) want(log ...string) {
	w.Helper()
	if !slices.Equal(w.log, log) {
		w.Errorf("got  %s\nwant %s", strings.Join(w.log, ", "), strings.Join(log, ", "))
	}
	w.log = nil
}

// raw opens a socket without a loop, bound to loopback.
func (w *world) raw() (socket.Socket, netip.AddrPort) {
	w.Helper()
	s, err := w.on.Open(socket.IPv4)
	if err != nil {
		w.Fatal(err)
	}
	w.ok(s.Bind(loopback))
	return s, s.LocalAddr()
}

// send sends from a socket without a loop.
func (w *world) send(s socket.Socket, to netip.AddrPort, msg string) {
	w.Helper()
	_, err := s.TrySend([]socket.Message{{Buf: []byte(msg), Addr: to}})
	w.ok(err)
}

// to is a message for somebody.
func to(a netip.AddrPort, msg string) *socket.Message {
	return &socket.Message{Buf: []byte(msg), Addr: a}
}
