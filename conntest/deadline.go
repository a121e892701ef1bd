package conntest

import (
	"net"
	"time"
)

var deadlineCases = []testCase{
	{"ReadDeadlinePast", nil, testReadDeadlinePast},
	{"WriteDeadlinePast", nil, testWriteDeadlinePast},
	{"ReadDeadlineFuture", nil, testReadDeadlineFuture},
	{"ReadDeadlineSetWhileBlocked", nil, testReadDeadlineSetWhileBlocked},
	{"ReadDeadlineSooner", nil, testReadDeadlineSooner},
	{"ReadDeadlineLater", nil, testReadDeadlineLater},
	{"ReadDeadlineClearedWhileBlocked", nil, testReadDeadlineClearedWhileBlocked},
	{"DeadlineCleared", nil, testDeadlineCleared},
	{"DeadlineRenewed", nil, testDeadlineRenewed},
	{"DeadlinePerDirection", nil, testDeadlinePerDirection},
	{"DeadlineBothDirections", nil, testDeadlineBothDirections},
	{"DeadlineEndsAllReaders", nil, testDeadlineEndsAllReaders},
	{"DeadlineNotYet", nil, testDeadlineNotYet},
}

// aLongTimeAgo is a deadline that has passed on every clock.
var aLongTimeAgo = time.Unix(1, 0)

// isOver reads, which must be ended by the deadline.
func (h *harness) isOver(what string, c net.PacketConn) {
	h.Helper()
	h.isTimeout(what, h.result(what, h.read(c)).err)
}

// After the deadline a read fails at once, however often it is tried and even
// if there is something to read; and it takes nothing.
func testReadDeadlinePast(h *harness) {
	h.must("SetReadDeadline", h.C2.SetReadDeadline(aLongTimeAgo))
	h.isOver("ReadFrom", h.C2)
	h.send(h.C1, []byte("kept"), h.Addr2)
	h.blocked()
	for range 2 {
		h.isOver("ReadFrom with a datagram waiting", h.C2)
	}
	h.must("SetReadDeadline", h.C2.SetReadDeadline(time.Time{}))
	if d := h.receive(h.C2); string(d.payload) != "kept" {
		h.Errorf("after the deadline was cleared read %q, want %q", d.payload, "kept")
	}
}

// After the deadline a write fails, and sends nothing.
func testWriteDeadlinePast(h *harness) {
	h.must("SetWriteDeadline", h.C1.SetWriteDeadline(aLongTimeAgo))
	for range 2 {
		h.within("WriteTo", func() {
			n, err := h.C1.WriteTo([]byte("never"), h.Addr2)
			if n != 0 {
				h.Errorf("WriteTo after the deadline = %d, want 0", n)
			}
			h.isTimeout("WriteTo", err)
		})
	}
	h.must("SetWriteDeadline", h.C1.SetWriteDeadline(time.Time{}))
	h.send(h.C1, []byte("now"), h.Addr2)
	if d := h.receive(h.C2); string(d.payload) != "now" {
		h.Errorf("read %q, want %q", d.payload, "now")
	}
}

// A read blocks until the deadline, and not for less.
func testReadDeadlineFuture(h *harness) {
	start := time.Now()
	h.must("SetReadDeadline", h.C2.SetReadDeadline(start.Add(h.delay)))
	h.isOver("ReadFrom", h.C2)
	h.took("ReadFrom", start, h.delay)
	// It has passed for those that follow too.
	h.isOver("the next ReadFrom", h.C2)
}

// took checks how long something took: at least want, in a bubble exactly.
func (h *harness) took(what string, start time.Time, want time.Duration) {
	h.Helper()
	switch got := time.Since(start); {
	case got < want:
		h.Errorf("%s was ended after %v, before its deadline of %v", what, got, want)
	case h.bubble && got != want:
		h.Errorf("%s was ended after %v of virtual time, want exactly %v", what, got, want)
	}
}

// A deadline ends a read that blocks already: one in the past at once, one in
// the future in its time.
func testReadDeadlineSetWhileBlocked(h *harness) {
	ch := h.read(h.C2)
	h.blocked()
	h.must("SetReadDeadline", h.C2.SetReadDeadline(aLongTimeAgo))
	h.isTimeout("ReadFrom", h.result("ReadFrom, past deadline set while it blocks", ch).err)

	h.must("SetReadDeadline", h.C2.SetReadDeadline(time.Time{}))
	ch = h.read(h.C2)
	h.blocked()
	start := time.Now()
	h.must("SetReadDeadline", h.C2.SetReadDeadline(start.Add(h.delay)))
	h.isTimeout("ReadFrom", h.result("ReadFrom, deadline set while it blocks", ch).err)
	h.took("ReadFrom", start, h.delay)
}

// A deadline that comes sooner than the one before replaces it.
func testReadDeadlineSooner(h *harness) {
	h.must("SetReadDeadline", h.C2.SetReadDeadline(time.Now().Add(2*h.patience)))
	ch := h.read(h.C2)
	h.blocked()
	start := time.Now()
	h.must("SetReadDeadline", h.C2.SetReadDeadline(start.Add(h.delay)))
	h.isTimeout("ReadFrom", h.result("ReadFrom, deadline made sooner", ch).err)
	h.took("ReadFrom", start, h.delay)
}

// A deadline that comes later than the one before replaces it.
func testReadDeadlineLater(h *harness) {
	start, d, ch := h.moveDeadline(3)
	h.isTimeout("ReadFrom", h.result("ReadFrom, deadline made later", ch).err)
	h.took("ReadFrom", start, 3*d)
}

// A read whose deadline is taken away waits for its datagram.
func testReadDeadlineClearedWhileBlocked(h *harness) {
	_, d, ch := h.moveDeadline(0)
	time.Sleep(2 * d)
	h.send(h.C1, []byte("late"), h.Addr2)
	if d := h.result("ReadFrom", ch); d.err != nil || string(d.payload) != "late" {
		h.Errorf("ReadFrom, deadline cleared while it blocks = %q, %v; want %q", d.payload, d.err, "late")
	}
}

// moveDeadline starts a read on C2 with a deadline that is d ahead and, before
// that has come, moves it to times*d, or with 0 takes it away. A machine that
// is so busy that d passes in between is tried again with a longer one.
func (h *harness) moveDeadline(times int) (start time.Time, d time.Duration, ch <-chan datagram) {
	h.Helper()
	for d = h.delay; d < h.patience/4; d *= 2 {
		start = time.Now()
		var moved time.Time
		if times > 0 {
			moved = start.Add(time.Duration(times) * d)
		}
		h.must("SetReadDeadline", h.C2.SetReadDeadline(start.Add(d)))
		ch = h.read(h.C2)
		h.blocked()
		h.must("SetReadDeadline", h.C2.SetReadDeadline(moved))
		if time.Since(start) < d {
			return start, d, ch
		}
		h.must("SetReadDeadline", h.C2.SetReadDeadline(aLongTimeAgo))
		h.result("ReadFrom", ch)
	}
	h.Fatalf("moving a deadline took longer than %v, each time", d/2)
	panic("not reached")
}

// The zero time takes back what has passed.
func testDeadlineCleared(h *harness) {
	h.must("SetDeadline", h.C2.SetDeadline(aLongTimeAgo))
	h.isOver("ReadFrom", h.C2)
	h.must("SetDeadline", h.C2.SetDeadline(time.Time{}))
	h.send(h.C1, []byte("ping"), h.Addr2)
	h.receive(h.C2)
	h.send(h.C2, []byte("pong"), h.Addr1)
	h.receive(h.C1)
}

// So does a deadline in the future, as programs do that reset an idle timer.
func testDeadlineRenewed(h *harness) {
	for range 3 {
		start := time.Now()
		h.must("SetReadDeadline", h.C2.SetReadDeadline(start.Add(h.delay)))
		h.isOver("ReadFrom", h.C2)
		h.took("ReadFrom", start, h.delay)
	}
	h.must("SetReadDeadline", h.C2.SetReadDeadline(time.Now().Add(2*h.patience)))
	h.send(h.C1, []byte("x"), h.Addr2)
	h.receive(h.C2)
}

// Each direction has its own.
func testDeadlinePerDirection(h *harness) {
	h.must("SetReadDeadline", h.C1.SetReadDeadline(aLongTimeAgo))
	h.send(h.C1, []byte("a"), h.Addr2)
	h.receive(h.C2)
	h.must("SetWriteDeadline", h.C2.SetWriteDeadline(aLongTimeAgo))
	h.send(h.C1, []byte("b"), h.Addr2)
	h.receive(h.C2)
}

// SetDeadline sets both.
func testDeadlineBothDirections(h *harness) {
	h.must("SetDeadline", h.C1.SetDeadline(aLongTimeAgo))
	h.isOver("ReadFrom", h.C1)
	h.within("WriteTo", func() {
		_, err := h.C1.WriteTo([]byte("x"), h.Addr2)
		h.isTimeout("WriteTo", err)
	})
}

// A deadline is the connection's, not a call's.
func testDeadlineEndsAllReaders(h *harness) {
	var readers []<-chan datagram
	for range 4 {
		readers = append(readers, h.read(h.C2))
	}
	h.blocked()
	h.must("SetReadDeadline", h.C2.SetReadDeadline(time.Now().Add(h.delay)))
	for _, ch := range readers {
		h.isTimeout("ReadFrom", h.result("one of four readers", ch).err)
	}
}

// A deadline that is far away disturbs nobody.
func testDeadlineNotYet(h *harness) {
	far := time.Now().Add(10 * h.patience)
	h.must("SetDeadline", h.C1.SetDeadline(far))
	h.must("SetDeadline", h.C2.SetDeadline(far))
	ch := h.read(h.C2)
	h.blocked()
	h.send(h.C1, []byte("x"), h.Addr2)
	if d := h.result("ReadFrom", ch); d.err != nil {
		h.Errorf("ReadFrom: %v", d.err)
	}
}
