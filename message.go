package castnet

import (
	"sync"

	"github.com/castnet-go/castnet/socket"
)

// A single is a batch of one. A slice that is passed through the Socket
// interface escapes, so the calls for one datagram borrow theirs.
type single struct{ ms [1]socket.Message }

var singles = sync.Pool{New: func() any { return new(single) }}

// borrow returns a single for a datagram in b, and not beyond b: a message is
// received up to the capacity of its Buf.
func borrow(b []byte) *single {
	h := singles.Get().(*single)
	h.ms[0].Buf = b[:len(b):len(b)]
	return h
}

// release gives the single back, with nothing in it that the next borrower
// could send by mistake or that keeps memory alive.
func (h *single) release() {
	m := &h.ms[0]
	m.Buf, m.Addr, m.Set = nil, zeroAddrPort, 0
	singles.Put(h)
}
