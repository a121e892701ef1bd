package castnet

import (
	"sync"
	"sync/atomic"

	"github.com/castnet-go/castnet/socket"
)

// A single is a batch of one. A slice that is passed through the Socket
// interface escapes, so the calls for one datagram borrow theirs.
type single struct{ ms [1]socket.Message }

// singles lends one direction of a Conn its singles: its own to the first who
// asks, which is everybody where one goroutine reads and one writes, and
// pooled ones to the others. A pool alone costs twice as much.
type singles struct {
	lent atomic.Bool
	own  single
}

var pooledSingles = sync.Pool{New: func() any { return new(single) }}

// borrow returns a single for a datagram in b, and not beyond b: a message is
// received up to the capacity of its Buf. Who sends sets Addr and Set too.
func (s *singles) borrow(b []byte) *single {
	h := &s.own
	if !s.lent.CompareAndSwap(false, true) {
		h = pooledSingles.Get().(*single)
	}
	h.ms[0].Buf = b[:len(b):len(b)]
	return h
}

// giveBack takes the single back and lets go of the caller's buffer.
func (s *singles) giveBack(h *single) {
	h.ms[0].Buf = nil
	if h == &s.own {
		s.lent.Store(false)
	} else {
		pooledSingles.Put(h)
	}
}
