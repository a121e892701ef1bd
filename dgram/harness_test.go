package dgram_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/dgram"
	"github.com/castnet-go/castnet/internal/networks"
	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/socket"
)

// A world is a network, a loop on it, and what has happened so far.
type world struct {
	*testing.T
	name   string
	on     socket.Network
	loop   *loop.Loop
	family socket.Family
	log    []string
}

// patience is how long a test's loop may run.
const patience = 10 * time.Second

var errPatience = errors.New("the loop has not ended by itself")

// everywhere runs a test on the operating system, on a stack, and on a lab's host in
// virtual time. The test sets things up, calls run and checks.
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

// socket makes a socket on the world's loop.
func (w *world) socket(opts dgram.Options) *dgram.Socket {
	w.Helper()
	if opts.Type == "" {
		opts.Type = "udp4"
	}
	opts.Loop = w.loop
	s, err := dgram.CreateSocket(opts)
	if err != nil {
		w.Fatal(err)
	}
	return s
}

// server makes a socket that is bound to loopback, which is logged as its name.
func (w *world) server(name string, opts dgram.Options) *dgram.Socket {
	w.Helper()
	s := w.socket(opts)
	s.OnMessage(func(msg []byte, _ *dgram.RemoteInfo) { w.note("%s got %s", name, msg) })
	s.OnError(func(err error) { w.note("%s error %v", name, err) })
	if _, err := s.BindSync(0, "127.0.0.1"); err != nil {
		w.Fatal(err)
	}
	return s
}

func (w *world) port(s *dgram.Socket) int {
	w.Helper()
	a, err := s.Address()
	if err != nil {
		w.Fatal(err)
	}
	return int(a.Port())
}

func (w *world) note(format string, args ...any) { w.log = append(w.log, fmt.Sprintf(format, args...)) }

// sent returns a callback of a send that notes its end.
func (w *world) sent(name string) func(int, error) {
	return func(n int, err error) {
		if err != nil {
			w.note("%s: %v", name, err)
		} else {
			w.note("%s: %d", name, n)
		}
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
	limit := w.loop.NewTimer()
	limit.Unref()
	_ = limit.Start(patience, 0, func() { w.loop.Fail(errPatience) })
	if err := w.loop.Run(); err != nil {
		w.Fatalf("Run: %v; log: %s", err, strings.Join(w.log, ", "))
	}
	_ = limit.Close(nil)
}

// want compares the log.
func (w *world) want(log ...string) {
	w.Helper()
	if !slices.Equal(w.log, log) {
		w.Errorf("got  %s\nwant %s", strings.Join(w.log, ", "), strings.Join(log, ", "))
	}
	w.log = nil
}

// is checks an error's code and what errors.Is finds.
func (w *world) is(err error, target error, message string) {
	w.Helper()
	if !errors.Is(err, target) || err.Error() != message {
		w.Errorf("error %v, want %v: %q", err, target, message)
	}
}

func do(w *world, err error) {
	w.Helper()
	if err != nil {
		w.Error(err)
	}
}

// send sends from a socket without a loop.
func send(w *world, s socket.Socket, to netip.AddrPort, msg string) {
	w.Helper()
	if _, err := s.TrySend([]socket.Message{{Buf: []byte(msg), Addr: to}}); err != nil {
		w.Error(err)
	}
}
