package conntest

import (
	"net"
	"sync"
	"time"
)

var closeCases = []testCase{
	{"CloseUnblocksReaders", nil, testCloseUnblocksReaders},
	{"CloseUnblocksReadersWithDeadline", nil, testCloseUnblocksReadersWithDeadline},
	{"CloseEndsWriters", nil, testCloseEndsWriters},
	{"AfterClose", nil, testAfterClose},
	{"AfterCloseWithDeadline", nil, testAfterCloseWithDeadline},
	{"CloseOnlyOne", nil, testCloseOnlyOne},
	{"CloseConcurrently", nil, testCloseConcurrently},
}

// Close ends every read under way.
func testCloseUnblocksReaders(h *harness) {
	var readers []<-chan datagram
	for range 3 {
		readers = append(readers, h.read(h.C2))
	}
	h.blocked()
	h.within("Close", func() { h.check("Close", h.C2.Close()) })
	for _, ch := range readers {
		h.isClosed("ReadFrom", h.result("ReadFrom of a connection that was closed", ch).err)
	}
}

// It does not wait for their deadline.
func testCloseUnblocksReadersWithDeadline(h *harness) {
	h.must("SetReadDeadline", h.C2.SetReadDeadline(time.Now().Add(10*h.patience)))
	ch := h.read(h.C2)
	h.blocked()
	h.within("Close", func() { h.check("Close", h.C2.Close()) })
	h.isClosed("ReadFrom", h.result("ReadFrom of a connection that was closed", ch).err)
}

// Writers that are busy when it comes end as well.
func testCloseEndsWriters(h *harness) {
	errs := make(chan error, 3)
	for range cap(errs) {
		go func() {
			for {
				if _, err := h.C1.WriteTo([]byte("x"), h.Addr2); err != nil {
					errs <- err
					return
				}
				time.Sleep(h.delay / 40) // so as not to flood
			}
		}()
	}
	h.blocked()
	h.within("Close", func() { h.check("Close", h.C1.Close()) })
	h.within("writers of a connection that was closed", func() {
		for range cap(errs) {
			h.isClosed("WriteTo", <-errs)
		}
	})
}

// After Close every call says so, the second Close too.
func testAfterClose(h *harness) {
	h.must("Close", h.C1.Close())
	h.afterClose(h.C1, h.Addr2)
}

func (h *harness) afterClose(c net.PacketConn, to net.Addr) {
	h.Helper()
	h.isClosed("ReadFrom", h.result("ReadFrom", h.read(c)).err)
	h.within("WriteTo", func() {
		n, err := c.WriteTo([]byte("x"), to)
		if n != 0 {
			h.Errorf("WriteTo after Close = %d, want 0", n)
		}
		h.isClosed("WriteTo", err)
	})
	h.isClosed("SetDeadline", c.SetDeadline(time.Time{}))
	h.isClosed("SetReadDeadline", c.SetReadDeadline(time.Now().Add(h.delay)))
	h.isClosed("SetWriteDeadline", c.SetWriteDeadline(aLongTimeAgo))
	h.isClosed("second Close", c.Close())
	c.LocalAddr() // need not know any more, but must not panic
}

// Closed comes before timed out.
func testAfterCloseWithDeadline(h *harness) {
	h.must("SetDeadline", h.C1.SetDeadline(aLongTimeAgo))
	h.must("Close", h.C1.Close())
	h.afterClose(h.C1, h.Addr2)
}

// Closing one end is no news to the other.
func testCloseOnlyOne(h *harness) {
	ch := h.read(h.C2)
	h.blocked()
	h.must("Close", h.C1.Close())
	h.within("WriteTo", func() {
		// Nobody listens there any more, and it may be that one is told.
		h.C2.WriteTo([]byte("x"), h.Addr1)
	})
	h.must("SetReadDeadline", h.C2.SetReadDeadline(time.Now().Add(h.delay)))
	h.isTimeout("ReadFrom of the other end", h.result("ReadFrom", ch).err)
}

// Of several Closes at once, one succeeds.
func testCloseConcurrently(h *harness) {
	var mu sync.Mutex
	var ok int
	h.within("Close", func() {
		var wg sync.WaitGroup
		for range 4 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				err := h.C1.Close()
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					ok++
				} else {
					h.isClosed("Close", err)
				}
			}()
		}
		wg.Wait()
	})
	if ok != 1 {
		h.Errorf("%d of 4 Closes succeeded, want 1", ok)
	}
}
