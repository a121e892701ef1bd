package conntest

import (
	"bytes"
)

var datagramCases = []testCase{
	{"Boundaries", nil, testBoundaries},
	{"ZeroLength", nil, testZeroLength},
	{"Truncation", nil, testTruncation},
	{"EmptyBuffer", nil, testEmptyBuffer},
	{"PayloadUntouched", nil, testPayloadUntouched},
	{"BufferBounds", nil, testBufferBounds},
	{"LargeDatagrams", nil, testLargeDatagrams},
	{"TooLarge", nil, testTooLarge},
}

// A datagram is read whole and alone, whatever waits behind it.
func testBoundaries(h *harness) {
	want := map[string]bool{}
	for i, n := range []int{1, 2, 3, 100, 500, 1, 1200, 7} {
		b := payload(i, n)
		want[string(b)] = true
		h.send(h.C1, b, h.Addr2)
	}
	for len(want) > 0 {
		d := h.receive(h.C2)
		if !want[string(d.payload)] {
			h.Fatalf("read %d bytes that are none of the datagrams sent: boundaries were not kept", len(d.payload))
		}
		delete(want, string(d.payload))
	}
}

// A datagram without payload is a datagram, and not the end of anything.
func testZeroLength(h *harness) {
	for _, b := range [][]byte{{}, nil} {
		h.send(h.C1, b, h.Addr2)
		d := h.receive(h.C2)
		if len(d.payload) != 0 {
			h.Fatalf("read %d bytes, want an empty datagram", len(d.payload))
		}
		h.sameAddr("sender of an empty datagram", d.from, h.Addr1)
	}
	h.send(h.C1, []byte("after"), h.Addr2)
	if d := h.receive(h.C2); string(d.payload) != "after" {
		h.Errorf("after empty datagrams read %q, want %q", d.payload, "after")
	}
}

// What does not fit is lost, without an error, and the next read begins with
// the next datagram.
func testTruncation(h *harness) {
	sent := payload(1, 100)
	h.send(h.C1, sent, h.Addr2)
	buf := make([]byte, 10)
	var n int
	var err error
	h.within("ReadFrom", func() { n, _, err = h.C2.ReadFrom(buf) })
	if n != len(buf) || err != nil || !bytes.Equal(buf, sent[:len(buf)]) {
		h.Errorf("ReadFrom of 100 bytes into 10 = %d, %v with % x; want 10, nil with % x", n, err, buf, sent[:len(buf)])
	}
	h.send(h.C1, []byte("next"), h.Addr2)
	if d := h.receive(h.C2); string(d.payload) != "next" {
		h.Errorf("after a cut datagram read %q (%d bytes), want %q", d.payload, len(d.payload), "next")
	}
}

// Reading into nothing takes a datagram, too.
func testEmptyBuffer(h *harness) {
	h.send(h.C1, []byte("taken"), h.Addr2)
	h.within("ReadFrom", func() {
		if n, from, err := h.C2.ReadFrom(nil); n != 0 || err != nil {
			h.Errorf("ReadFrom(nil) = %d, %v", n, err)
		} else {
			h.sameAddr("sender", from, h.Addr1)
		}
	})
	h.send(h.C1, []byte("next"), h.Addr2)
	if d := h.receive(h.C2); string(d.payload) != "next" {
		h.Errorf("after a read into nothing read %q, want %q", d.payload, "next")
	}
}

// WriteTo neither changes what it sends nor looks at it after it returned.
func testPayloadUntouched(h *harness) {
	want := payload(3, 64)
	b := bytes.Clone(want)
	h.send(h.C1, b, h.Addr2)
	if !bytes.Equal(b, want) {
		h.Errorf("WriteTo changed the payload")
	}
	clear(b)
	if d := h.receive(h.C2); !bytes.Equal(d.payload, want) {
		h.Errorf("what was written to the buffer after WriteTo returned was sent")
	}
}

// ReadFrom uses the length of the buffer, not its capacity.
func testBufferBounds(h *harness) {
	h.send(h.C1, payload(1, 32), h.Addr2)
	buf := make([]byte, 64)
	h.within("ReadFrom", func() {
		if n, _, err := h.C2.ReadFrom(buf[:16]); n != 16 || err != nil {
			h.Errorf("ReadFrom of 32 bytes into 16 = %d, %v", n, err)
		}
	})
	if !bytes.Equal(buf[16:], make([]byte, 48)) {
		h.Errorf("ReadFrom wrote behind the end of the buffer")
	}
}

// Datagrams of every size up to the largest come whole.
func testLargeDatagrams(h *harness) {
	for i, n := range []int{512, 1200, 1472, 1473, 4096, 8192, 16384, 32768, 65507, h.MaxDatagram} {
		n = min(n, h.MaxDatagram)
		b := payload(i, n)
		h.send(h.C1, b, h.Addr2)
		if d := h.receive(h.C2); !bytes.Equal(d.payload, b) {
			h.Errorf("a datagram of %d bytes came as %d other ones", n, len(d.payload))
		}
		if n == h.MaxDatagram {
			break
		}
	}
}

// A datagram that is too large is refused, or lost whole; it does not come in
// part.
func testTooLarge(h *harness) {
	b := payload(1, h.MaxDatagram+1)
	h.within("WriteTo", func() {
		n, err := h.C1.WriteTo(b, h.Addr2)
		switch {
		case err != nil && n != 0:
			h.Errorf("WriteTo of %d bytes = %d, %v; want 0 with an error", len(b), n, err)
		case err == nil && n != len(b):
			h.Errorf("WriteTo of %d bytes = %d, nil; want an error or all of it", len(b), n)
		}
	})
	h.send(h.C1, []byte("next"), h.Addr2)
	if d := h.receive(h.C2); string(d.payload) != "next" {
		h.Errorf("read %d bytes of a datagram of %d, which is too large; want %q", len(d.payload), len(b), "next")
	}
}
