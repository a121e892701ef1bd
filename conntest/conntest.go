package conntest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A Pair is two packet connections that reach each other, and what else they
// can do. It is used by one case and then stopped.
type Pair struct {
	C1, C2 net.PacketConn

	// Addr1 is where C2 reaches C1, and Addr2 where C1 reaches C2. If nil,
	// the connection's LocalAddr; needed if that is a wildcard.
	Addr1, Addr2 net.Addr

	// Dial returns a new connection to addr, on the host of C2. If nil, the
	// cases about connected sockets are skipped.
	Dial func(addr net.Addr) (net.Conn, error)

	// Refuses says that who is connected to an address where nobody
	// listens is told so: ECONNREFUSED.
	Refuses bool

	// MaxDatagram is the longest payload, in bytes, that goes from C1 to
	// C2. If zero, 65507.
	MaxDatagram int

	// Stop closes both connections, if they are not closed, and releases
	// everything else. If nil, the connections are closed.
	Stop func()
}

// MakePair returns a new Pair. In a bubble it is called inside.
type MakePair func() (*Pair, error)

// TestPacketConn runs the suite in real time, each case as a subtest.
func TestPacketConn(t *testing.T, mk MakePair) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { run(t, c, mk, realTime) })
	}
}

// TestPacketConnInBubble runs the suite with each case in a testing/synctest
// bubble of its own, in virtual time. The connections must wait in ways that
// synctest knows to be durable: on channels, not in system calls.
func TestPacketConnInBubble(t *testing.T, mk MakePair) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { run(t, c, mk, bubbleTime) })
		})
	}
}

// A testCase is one rule.
type testCase struct {
	name string
	// needs says what of the Pair the case cannot do without; "" if it is
	// there. If nil, it needs nothing.
	needs func(*Pair) string
	run   func(*harness)
}

var cases = concat(datagramCases, addressCases, deadlineCases, closeCases, concurrentCases, connectedCases)

func concat(lists ...[]testCase) []testCase {
	var all []testCase
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// A timing says how long things take in a case.
type timing struct {
	bubble   bool
	patience time.Duration // after this a call counts as hanging
	delay    time.Duration // how far ahead deadlines are set
	settle   time.Duration // what a goroutine needs to come to block
}

var (
	realTime   = timing{patience: 10 * time.Second, delay: 40 * time.Millisecond, settle: 10 * time.Millisecond}
	bubbleTime = timing{bubble: true, patience: time.Hour, delay: 100 * time.Millisecond}
)

// reporter is what the suite needs of a *testing.T; its own tests put
// something else there.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
}

// run runs one case.
func run(t reporter, c testCase, mk MakePair, tm timing) {
	t.Helper()
	before := goroutines()
	p, err := mk()
	if err != nil {
		t.Fatalf("making a pair: %v", err)
	}
	if p.Addr1 == nil {
		p.Addr1 = p.C1.LocalAddr()
	}
	if p.Addr2 == nil {
		p.Addr2 = p.C2.LocalAddr()
	}
	if p.MaxDatagram == 0 {
		p.MaxDatagram = 65507
	}
	stop := p.Stop
	if stop == nil {
		stop = func() { p.C1.Close(); p.C2.Close() }
	}
	g := &guard{reporter: t}
	h := &harness{reporter: g, Pair: p, timing: tm}
	// Fatalf and Skipf end this goroutine, and the pair must go even then.
	defer func() {
		for _, c := range h.dialled {
			c.Close()
		}
		defer g.end()
		h.within("stopping the pair", stop)
		h.checkLeaks(before)
	}()
	if c.needs != nil {
		if what := c.needs(p); what != "" {
			t.Skipf("the pair has no %s", what)
		}
	}
	c.run(h)
}

// A guard keeps what goroutines report that hung, and came loose after their
// case had ended, from a *testing.T that does not want to hear it any more.
type guard struct {
	reporter
	mu    sync.Mutex
	ended bool
}

func (g *guard) Errorf(format string, args ...any) {
	g.reporter.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.ended {
		g.reporter.Errorf(format, args...)
	}
}

func (g *guard) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
}

// A harness is a case under way.
type harness struct {
	reporter
	timing
	*Pair
	dialled []net.Conn
}

// within runs f and fails if it does not return in time. The goroutine of an f
// that hangs ends, if at all, when the pair is stopped.
func (h *harness) within(what string, f func()) {
	h.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	h.wait(what, done)
}

// wait waits for done, with patience.
func (h *harness) wait(what string, done <-chan struct{}) {
	h.Helper()
	timer := time.NewTimer(h.patience)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		h.Fatalf("%s: still not done after %v", what, h.patience)
	}
}

// blocked gives goroutines the time to come to block. In real time it can only
// hope; a case must hold whether they have or not.
func (h *harness) blocked() {
	if h.bubble {
		synctest.Wait()
		return
	}
	time.Sleep(h.settle)
}

// A datagram is what a read gave.
type datagram struct {
	payload []byte
	from    net.Addr
	err     error
}

// read starts a ReadFrom with a buffer of 64 KiB.
func (h *harness) read(c net.PacketConn) <-chan datagram {
	ch := make(chan datagram, 1)
	go func() {
		buf := make([]byte, 65536)
		n, from, err := c.ReadFrom(buf)
		if n < 0 || n > len(buf) {
			ch <- datagram{err: fmt.Errorf("ReadFrom returned n = %d for a buffer of %d bytes", n, len(buf))}
			return
		}
		ch <- datagram{buf[:n], from, err}
	}()
	return ch
}

// result waits for what read started.
func (h *harness) result(what string, ch <-chan datagram) datagram {
	h.Helper()
	timer := time.NewTimer(h.patience)
	defer timer.Stop()
	select {
	case d := <-ch:
		return d
	case <-timer.C:
		h.Fatalf("%s: still not done after %v", what, h.patience)
		panic("not reached")
	}
}

// receive reads a datagram, which must come.
func (h *harness) receive(c net.PacketConn) datagram {
	h.Helper()
	d := h.result("ReadFrom", h.read(c))
	if d.err != nil {
		h.Fatalf("ReadFrom: %v", d.err)
	}
	if isNil(d.from) {
		h.Fatalf("ReadFrom gave a datagram without its sender")
	}
	return d
}

// send writes a datagram, which must succeed.
func (h *harness) send(c net.PacketConn, payload []byte, to net.Addr) {
	h.Helper()
	h.within("WriteTo", func() {
		n, err := c.WriteTo(payload, to)
		if err != nil || n != len(payload) {
			h.Errorf("WriteTo of %d bytes to %v = %d, %v", len(payload), to, n, err)
		}
	})
}

// dial connects from the host of C2.
func (h *harness) dial(to net.Addr) net.Conn {
	h.Helper()
	c, err := h.Dial(to)
	if err != nil {
		h.Fatalf("Dial(%v): %v", to, err)
	}
	h.dialled = append(h.dialled, c)
	return c
}

// payload returns n bytes that depend on the tag and the place.
func payload(tag, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(tag*31 + i*7 + i>>8)
	}
	return b
}

// goroutines returns the stack of each goroutine by its number.
func goroutines() map[string]string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	all := map[string]string{}
	for _, g := range strings.Split(string(buf), "\n\n") {
		id, _, _ := strings.Cut(strings.TrimPrefix(g, "goroutine "), " ")
		all[id] = g
	}
	return all
}

// checkLeaks reports goroutines that are there and were not before.
func (h *harness) checkLeaks(before map[string]string) {
	h.Helper()
	var left []string
	deadline := time.Now().Add(h.patience)
	for wait := time.Millisecond; ; wait *= 2 {
		left = left[:0]
		for id, stack := range goroutines() {
			if _, ok := before[id]; !ok && !strings.Contains(stack, "testing.(*T).Run") && !isSelf(stack) {
				left = append(left, stack)
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			break
		}
		time.Sleep(wait)
	}
	h.Errorf("%d goroutines outlive the pair:\n%s", len(left), strings.Join(left, "\n\n"))
}

// isSelf reports whether a stack is that of who checks.
func isSelf(stack string) bool { return strings.Contains(stack, "conntest.goroutines(") }

// isTimeout checks that an error is that of a deadline.
func (h *harness) isTimeout(what string, err error) {
	h.Helper()
	switch e, ok := err.(net.Error); {
	case err == nil:
		h.Errorf("%s: no error, want a timeout", what)
	case !ok || !e.Timeout():
		h.Errorf("%s: %v (%T) is not a net.Error with Timeout true", what, err, err)
	case !errors.Is(err, os.ErrDeadlineExceeded):
		h.Errorf("%s: %v is not os.ErrDeadlineExceeded", what, err)
	}
}

// isClosed checks that an error is that of a closed connection.
func (h *harness) isClosed(what string, err error) {
	h.Helper()
	switch e, ok := err.(net.Error); {
	case err == nil:
		h.Errorf("%s: no error, want net.ErrClosed", what)
	case !errors.Is(err, net.ErrClosed):
		h.Errorf("%s: %v (%T) is not net.ErrClosed", what, err, err)
	case ok && e.Timeout():
		h.Errorf("%s: %v is a timeout too", what, err)
	}
}

// must ends the case if there is an error.
func (h *harness) must(what string, err error) {
	h.Helper()
	if err != nil {
		h.Fatalf("%s: %v", what, err)
	}
}

// check is must for goroutines other than the case's own, which cannot end it.
func (h *harness) check(what string, err error) {
	h.Helper()
	if err != nil {
		h.Errorf("%s: %v", what, err)
	}
}
