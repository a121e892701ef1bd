package conntest

import (
	"bytes"
	"errors"
	"net"
	"syscall"
	"time"
)

var connectedCases = []testCase{
	{"ConnectedBoundaries", needsDial, testConnectedBoundaries},
	{"ConnectedZeroLength", needsDial, testConnectedZeroLength},
	{"ConnectedTruncation", needsDial, testConnectedTruncation},
	{"ConnectedAddrs", needsDial, testConnectedAddrs},
	{"ConnectedHearsOnlyItsPeer", needsDial, testConnectedHearsOnlyItsPeer},
	{"ConnectedDeadlines", needsDial, testConnectedDeadlines},
	{"ConnectedClose", needsDial, testConnectedClose},
	{"ConnectedWriteTo", needsDial, testConnectedWriteTo},
	{"ConnectionRefused", needsRefuses, testConnectionRefused},
}

func needsDial(p *Pair) string {
	if p.Dial == nil {
		return "Dial"
	}
	return ""
}

func needsRefuses(p *Pair) string {
	if p.Dial == nil || !p.Refuses {
		return "Dial that Refuses"
	}
	return ""
}

// readConn is read for a net.Conn.
func (h *harness) readConn(c net.Conn) <-chan datagram {
	ch := make(chan datagram, 1)
	go func() {
		buf := make([]byte, 65536)
		n, err := c.Read(buf)
		ch <- datagram{payload: buf[:n], err: err}
	}()
	return ch
}

func (h *harness) receiveConn(c net.Conn) []byte {
	h.Helper()
	d := h.result("Read", h.readConn(c))
	if d.err != nil {
		h.Fatalf("Read: %v", d.err)
	}
	return d.payload
}

func (h *harness) sendConn(c net.Conn, b []byte) {
	h.Helper()
	h.within("Write", func() {
		if n, err := c.Write(b); n != len(b) || err != nil {
			h.Errorf("Write of %d bytes = %d, %v", len(b), n, err)
		}
	})
}

// A Write is a datagram, and a Read is one, both ways.
func testConnectedBoundaries(h *harness) {
	c := h.dial(h.Addr1)
	var peer net.Addr
	for _, n := range []int{1, 300, 2} {
		h.sendConn(c, payload(n, n))
	}
	for range 3 {
		d := h.receive(h.C1)
		peer = d.from
		if !bytes.Equal(d.payload, payload(len(d.payload), len(d.payload))) {
			h.Errorf("read %d bytes that are no datagram that was written", len(d.payload))
		}
	}
	h.sameAddr("sender", peer, c.LocalAddr())
	for _, n := range []int{1, 300, 2} {
		h.send(h.C1, payload(n, n), peer)
	}
	for range 3 {
		if b := h.receiveConn(c); !bytes.Equal(b, payload(len(b), len(b))) {
			h.Errorf("Read gave %d bytes that are no datagram that was sent", len(b))
		}
	}
}

// A datagram without payload is not io.EOF.
func testConnectedZeroLength(h *harness) {
	c := h.dial(h.Addr1)
	h.sendConn(c, nil)
	d := h.receive(h.C1)
	if len(d.payload) != 0 {
		h.Errorf("read %d bytes, want an empty datagram", len(d.payload))
	}
	h.send(h.C1, nil, d.from)
	if b := h.receiveConn(c); len(b) != 0 {
		h.Errorf("Read gave %d bytes, want an empty datagram", len(b))
	}
	h.sendConn(c, []byte("x"))
	if d := h.receive(h.C1); string(d.payload) != "x" {
		h.Errorf("read %q, want %q", d.payload, "x")
	}
}

// What does not fit is lost: a datagram is no stream.
func testConnectedTruncation(h *harness) {
	c := h.dial(h.Addr1)
	h.sendConn(c, []byte("hello"))
	peer := h.receive(h.C1).from
	h.send(h.C1, []byte("0123456789"), peer)
	buf := make([]byte, 4)
	h.within("Read", func() {
		if n, err := c.Read(buf); n != 4 || err != nil || string(buf) != "0123" {
			h.Errorf("Read of 10 bytes into 4 = %d, %v with %q", n, err, buf)
		}
	})
	h.send(h.C1, []byte("next"), peer)
	if b := h.receiveConn(c); string(b) != "next" {
		h.Errorf("after a cut datagram Read gave %q, want %q", b, "next")
	}
}

// Both ends have addresses, and RemoteAddr is what was dialled.
func testConnectedAddrs(h *harness) {
	c := h.dial(h.Addr1)
	if isNil(c.LocalAddr()) {
		h.Fatalf("LocalAddr is nil")
	}
	h.sameAddr("RemoteAddr", c.RemoteAddr(), h.Addr1)
	h.sendConn(c, []byte("x"))
	h.sameAddr("sender", h.receive(h.C1).from, c.LocalAddr())
}

// It hears nobody else.
func testConnectedHearsOnlyItsPeer(h *harness) {
	c := h.dial(h.Addr1)
	h.within("WriteTo", func() {
		// That a stranger's datagram is refused may be told to him.
		h.C2.WriteTo([]byte("stranger"), c.LocalAddr())
	})
	h.blocked()
	h.sendConn(c, []byte("x"))
	h.send(h.C1, []byte("peer"), h.receive(h.C1).from)
	if b := h.receiveConn(c); string(b) != "peer" {
		h.Errorf("Read gave %q, want %q", b, "peer")
	}
}

func testConnectedDeadlines(h *harness) {
	c := h.dial(h.Addr1)
	h.must("SetDeadline", c.SetDeadline(aLongTimeAgo))
	h.isTimeout("Read", h.result("Read", h.readConn(c)).err)
	h.within("Write", func() {
		_, err := c.Write([]byte("x"))
		h.isTimeout("Write", err)
	})
	h.must("SetDeadline", c.SetDeadline(time.Time{}))
	start := time.Now()
	h.must("SetReadDeadline", c.SetReadDeadline(start.Add(h.delay)))
	h.isTimeout("Read", h.result("Read", h.readConn(c)).err)
	h.took("Read", start, h.delay)
	h.sendConn(c, []byte("x"))
	h.receive(h.C1)
}

func testConnectedClose(h *harness) {
	c := h.dial(h.Addr1)
	ch := h.readConn(c)
	h.blocked()
	h.within("Close", func() { h.check("Close", c.Close()) })
	h.isClosed("Read", h.result("Read of a connection that was closed", ch).err)
	h.isClosed("Read", h.result("Read", h.readConn(c)).err)
	h.within("Write", func() {
		_, err := c.Write([]byte("x"))
		h.isClosed("Write", err)
	})
	h.isClosed("SetDeadline", c.SetDeadline(time.Time{}))
	h.isClosed("second Close", c.Close())
}

// Who is connected has one peer: WriteTo, if there is one, is an error.
func testConnectedWriteTo(h *harness) {
	c, ok := h.dial(h.Addr1).(net.PacketConn)
	if !ok {
		h.Skipf("what Dial returns has no WriteTo")
	}
	h.within("WriteTo", func() {
		if n, err := c.WriteTo([]byte("x"), h.Addr1); n != 0 || !errors.Is(err, net.ErrWriteToConnected) {
			h.Errorf("WriteTo of a connected socket = %d, %v; want net.ErrWriteToConnected", n, err)
		}
	})
}

// Who writes to where nobody listens is told so, once.
func testConnectionRefused(h *harness) {
	c := h.dial(h.Addr1)
	h.must("Close", h.C1.Close())
	h.sendConn(c, []byte("x"))
	err := h.result("Read", h.readConn(c)).err
	if !errors.Is(err, syscall.ECONNREFUSED) {
		h.Errorf("Read, with nobody at the other end: %v, want ECONNREFUSED", err)
	}
	if e, ok := err.(net.Error); ok && e.Timeout() {
		h.Errorf("%v is a timeout", err)
	}
	h.must("SetReadDeadline", c.SetReadDeadline(time.Now().Add(h.delay)))
	h.isTimeout("the next Read", h.result("Read", h.readConn(c)).err)
}
