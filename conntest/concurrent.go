package conntest

import (
	"bytes"
	"encoding/binary"
	"net"
	"sync"
	"time"
)

var concurrentCases = []testCase{
	{"ReadAndWriteAtOnce", nil, testReadAndWriteAtOnce},
	{"ConcurrentEcho", nil, testConcurrentEcho},
	{"RacingReads", nil, testRacingReads},
	{"RacingDeadlines", nil, testRacingDeadlines},
	{"EverythingAtOnce", nil, testEverythingAtOnce},
}

// A reader that blocks does not keep writers waiting, nor those who ask and
// set.
func testReadAndWriteAtOnce(h *harness) {
	ch := h.read(h.C1)
	h.blocked()
	h.send(h.C1, []byte("out"), h.Addr2)
	h.receive(h.C2)
	h.within("LocalAddr", func() { h.C1.LocalAddr() })
	h.within("SetWriteDeadline", func() { h.check("SetWriteDeadline", h.C1.SetWriteDeadline(time.Time{})) })
	h.send(h.C2, []byte("in"), h.Addr1)
	if d := h.result("ReadFrom", ch); d.err != nil || string(d.payload) != "in" {
		h.Errorf("ReadFrom = %q, %v; want %q", d.payload, d.err, "in")
	}
}

// Several goroutines at each end, each datagram with a content of its own:
// none is mixed up with another, none comes twice.
func testConcurrentEcho(h *harness) {
	const workers, rounds = 4, 25
	seen := map[uint32]bool{}
	var mu sync.Mutex

	// The far end answers with what it reads, until it is closed.
	var servers sync.WaitGroup
	for range workers {
		servers.Add(1)
		go func() {
			defer servers.Done()
			buf := make([]byte, 2048)
			for {
				n, from, err := h.C2.ReadFrom(buf)
				if err != nil {
					return
				}
				h.C2.WriteTo(buf[:n], from)
			}
		}()
	}

	// Each worker has one question under way, and takes any answer.
	var wg sync.WaitGroup
	for w := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			buf := make([]byte, 2048)
			for r := range rounds {
				id := uint32(w*rounds + r)
				if _, err := h.C1.WriteTo(question(id), h.Addr2); err != nil {
					h.Errorf("WriteTo: %v", err)
					return
				}
				n, from, err := h.C1.ReadFrom(buf)
				if err != nil {
					h.Errorf("ReadFrom: %v", err)
					return
				}
				h.sameAddr("sender", from, h.Addr2)
				if n < 4 || !bytes.Equal(buf[:n], question(binary.BigEndian.Uint32(buf))) {
					h.Errorf("an answer of %d bytes is mixed up", n)
					continue
				}
				id = binary.BigEndian.Uint32(buf)
				mu.Lock()
				if seen[id] {
					h.Errorf("answer %d came twice", id)
				}
				seen[id] = true
				mu.Unlock()
			}
		}()
	}
	h.within("the workers", wg.Wait)
	h.must("Close", h.C2.Close())
	h.within("the far end", servers.Wait)
	if len(seen) != workers*rounds {
		h.Errorf("%d answers to %d questions", len(seen), workers*rounds)
	}
}

// question returns a payload that begins with its number and whose length and
// content follow from it.
func question(id uint32) []byte {
	b := payload(int(id), 64+int(id)%900)
	binary.BigEndian.PutUint32(b, id)
	return b
}

// Of several readers one gets each datagram.
func testRacingReads(h *harness) {
	const readers, datagrams = 5, 20
	got := make(chan uint32, 2*datagrams)
	var wg sync.WaitGroup
	for range readers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			buf := make([]byte, 100)
			for {
				n, _, err := h.C2.ReadFrom(buf)
				if err != nil {
					return
				}
				if n != 4 {
					h.Errorf("read %d bytes, want 4", n)
					return
				}
				got <- binary.BigEndian.Uint32(buf)
			}
		}()
	}
	counts := map[uint32]int{}
	for i := range datagrams {
		h.send(h.C1, binary.BigEndian.AppendUint32(nil, uint32(i)), h.Addr2)
		h.within("one of the readers", func() { counts[<-got]++ })
	}
	h.blocked()
	h.must("Close", h.C2.Close())
	h.within("the readers", wg.Wait)
	close(got)
	for id := range got {
		counts[id]++
	}
	for i := range uint32(datagrams) {
		if counts[i] != 1 {
			h.Errorf("datagram %d was read %d times", i, counts[i])
		}
	}
}

// Deadlines may be moved by anybody at any time. Reads end by them or bring a
// datagram, and when the dust has settled everything works.
func testRacingDeadlines(h *harness) {
	var wg sync.WaitGroup
	for range 3 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			buf := make([]byte, 100)
			for range 20 {
				if _, _, err := h.C2.ReadFrom(buf); err == nil {
					h.Errorf("ReadFrom returned a datagram that nobody sent")
				} else {
					h.isTimeout("ReadFrom", err)
				}
			}
		}()
	}
	done := make(chan struct{})
	var setters sync.WaitGroup
	for i := range 3 {
		setters.Add(1)
		go func() {
			defer setters.Done()
			for {
				h.check("SetReadDeadline", h.C2.SetReadDeadline(time.Now().Add(time.Duration(i)*time.Millisecond)))
				select {
				case <-done:
					return
				case <-time.After(time.Millisecond):
				}
			}
		}()
	}
	h.within("readers whose deadlines pass", wg.Wait)
	close(done)
	h.within("setters of deadlines", setters.Wait)
	h.must("SetReadDeadline", h.C2.SetReadDeadline(time.Time{}))
	h.send(h.C1, []byte("x"), h.Addr2)
	h.receive(h.C2)
}

// All methods at once, ended by Close: for the race detector.
func testEverythingAtOnce(h *harness) {
	var wg sync.WaitGroup
	until := func(f func() error) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				if err := f(); err != nil {
					if e, ok := err.(net.Error); ok && e.Timeout() {
						continue
					}
					h.isClosed("a method, called while the connection is closed,", err)
					return
				}
			}
		}()
	}
	for _, c := range []net.PacketConn{h.C1, h.C2} {
		to := h.Addr2
		if c == h.C2 {
			to = h.Addr1
		}
		buf := make([]byte, 100)
		until(func() error { _, _, err := c.ReadFrom(buf); return err })
		until(func() error {
			time.Sleep(h.delay / 40)
			_, err := c.WriteTo([]byte("x"), to)
			return err
		})
		until(func() error {
			time.Sleep(h.delay / 40)
			c.LocalAddr()
			return c.SetDeadline(time.Now().Add(h.delay / 20))
		})
	}
	time.Sleep(h.delay)
	h.within("Close", func() {
		h.check("Close", h.C1.Close())
		h.check("Close", h.C2.Close())
	})
	h.within("the callers", wg.Wait)
}
