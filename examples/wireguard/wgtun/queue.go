package wgtun

import (
	"sync"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
)

// A queue holds packets from who must not wait for who does.
type queue struct {
	mu     sync.Mutex
	filled sync.Cond // it is not empty any more, or closed
	ring   []*packet.Buffer
	first  int // in the ring
	count  int
	closed bool
}

func (q *queue) init(length int) {
	q.filled.L = &q.mu
	q.ring = make([]*packet.Buffer, length)
}

// put takes over the first packets of ps, as many as there is room for, and
// returns how many. The error is about the next one.
func (q *queue) put(ps []*packet.Buffer) (n int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0, link.ErrDown
	}
	for n < len(ps) && q.count < len(q.ring) {
		ps[n].Hold()
		q.ring[(q.first+q.count)%len(q.ring)] = ps[n]
		q.count++
		n++
	}
	if n > 0 {
		q.filled.Signal()
	}
	if n < len(ps) {
		return n, link.ErrQueueFull
	}
	return n, nil
}

// take waits until there are packets and moves up to len(ps) of them there. It
// returns 0 if the queue is closed.
func (q *queue) take(ps []*packet.Buffer) (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.count == 0 && !q.closed {
		q.filled.Wait()
	}
	for n < len(ps) && q.count > 0 {
		ps[n], q.ring[q.first] = q.ring[q.first], nil
		q.first = (q.first + 1) % len(q.ring)
		q.count--
		n++
	}
	if q.count > 0 {
		q.filled.Signal() // for who else may be waiting
	}
	return n
}

// close ends every take, now and later, and returns how many datagrams it dropped.
func (q *queue) close() (dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for ; q.count > 0; q.count-- {
		dropped += q.ring[q.first].Datagrams()
		q.ring[q.first].Release()
		q.ring[q.first] = nil
		q.first = (q.first + 1) % len(q.ring)
	}
	q.closed = true
	q.filled.Broadcast()
	return dropped
}

// datagrams returns how many datagrams packets stand for.
func datagrams(ps []*packet.Buffer) (n int) {
	for _, b := range ps {
		n += b.Datagrams()
	}
	return n
}
