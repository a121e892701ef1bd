package stack

import (
	"sync"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/trace"
)

// receiveQueue holds the datagrams that a socket has not read yet. It is
// bounded by their true size, as SO_RCVBUF is on Linux.
type receiveQueue struct {
	mu    sync.Mutex
	ring  []*packet.Buffer // its length is a power of two, or zero
	head  uint32           // the first datagram's place
	count uint32
	used  int // bytes of true size
	limit int // SO_RCVBUF
	state queueState
	spent packet.Spent // small buffers that were read

	queued   uint64 // packets ever accepted
	received uint64 // datagrams read
	bytes    uint64 // their payload
	begun    uint32 // how much of the first packet's payload was read, if that is a train
	overrun  uint32 // datagrams lost for want of room
	reported uint32 // of them, how many a Message has told of
	marked   uint32 // of them, how many gaps know of
	gaps     []gap
}

// queueState says what becomes of a datagram that arrives.
type queueState uint8

const (
	queueOpen    queueState = iota
	queueDivided            // it may be for a socket that was accepted from this one
	queueClosed             // nothing is accepted any more
)

// gap is a place in the queue before which datagrams were lost. As on Linux,
// where SO_RXQ_OVFL is noted in a datagram when it is queued, the loss is told
// of by the datagram behind it.
type gap struct {
	before  uint64 // the datagram's number, as queued counts
	overrun uint32 // what overrun was when it came
}

// minRing is the first size of the ring.
const minRing = 8

// push appends a datagram, or says why not.
func (q *receiveQueue) push(b *packet.Buffer) drop.Reason {
	size := b.TrueSize()
	if q.used+size > q.limit && q.used > 0 {
		q.overrun++
		return drop.ReceiveQueueFull
	}
	if int(q.count) == len(q.ring) {
		q.grow()
	}
	if q.overrun != q.marked {
		q.gaps = append(q.gaps, gap{q.queued, q.overrun})
		q.marked = q.overrun
	}
	q.ring[(q.head+q.count)&uint32(len(q.ring)-1)] = b
	q.count++
	q.used += size
	q.queued++
	return drop.None
}

// pushMany is push for the packets at the front of a row that there is room for,
// unless there is something to say of one. It returns how many it took.
func (q *receiveQueue) pushMany(frames []*packet.Buffer) (n int) {
	if q.state != queueOpen || q.overrun != q.marked {
		return 0
	}
	mask := uint32(len(q.ring) - 1)
	room := len(q.ring) - int(q.count)
	used := q.used
	for n < len(frames) && n < room {
		b := frames[n]
		if used += b.TrueSize(); used > q.limit {
			used -= b.TrueSize()
			break
		}
		q.ring[(q.head+q.count+uint32(n))&mask] = b
		n++
	}
	q.used = used
	q.count += uint32(n)
	q.queued += uint64(n)
	return n
}

func (q *receiveQueue) grow() {
	ring := make([]*packet.Buffer, max(minRing, 2*len(q.ring)))
	for i := range q.count {
		ring[i] = q.ring[(q.head+i)&uint32(len(q.ring)-1)]
	}
	q.ring, q.head = ring, 0
}

// lost returns how many datagrams were lost before the first one in the queue
// and have not been told of.
func (q *receiveQueue) lost() uint32 {
	if len(q.gaps) == 0 || q.gaps[0].before != q.queued-uint64(q.count) {
		return 0
	}
	return q.gaps[0].overrun - q.reported
}

// told takes note that a Message has told of what was lost before the first
// datagram in the queue.
func (q *receiveQueue) told() {
	q.reported = q.gaps[0].overrun
	if q.gaps = q.gaps[1:]; len(q.gaps) == 0 {
		q.gaps = nil
	}
}

// take takes the first packet out, for a program to read, and returns how
// many were lost before it.
func (q *receiveQueue) take() (b *packet.Buffer, lost uint32) {
	if q.gaps != nil {
		if lost = q.lost(); lost > 0 {
			q.told()
		}
	}
	b = q.pop()
	q.received++
	q.bytes += uint64(payloadLen(b))
	return b, lost
}

// takeMany is take for a number of packets that there are, none of which was lost
// before; it stops before a train, and returns how many it took.
func (q *receiveQueue) takeMany(to []*packet.Buffer) (n int) {
	mask := uint32(len(q.ring) - 1)
	used, payload := 0, 0
	for n < len(to) {
		at := (q.head + uint32(n)) & mask
		b := q.ring[at]
		if b.SegmentSize != 0 {
			break
		}
		q.ring[at] = nil
		to[n] = b
		used += b.TrueSize()
		payload += payloadLen(b)
		n++
	}
	q.head += uint32(n)
	q.count -= uint32(n)
	q.used -= used
	q.received += uint64(n)
	q.bytes += uint64(payload)
	return n
}

// pop takes the first datagram out; there must be one.
func (q *receiveQueue) pop() *packet.Buffer {
	at := q.head & uint32(len(q.ring)-1)
	b := q.ring[at]
	q.ring[at] = nil
	q.head++
	q.count--
	q.used -= b.TrueSize()
	return b
}

// first returns the first datagram and leaves it; there must be one.
func (q *receiveQueue) first() *packet.Buffer { return q.ring[q.head&uint32(len(q.ring)-1)] }

// enqueue puts datagrams that came in by i into the socket's queue, dropping
// what does not fit. It reports whether somebody waits for them.
func (s *Socket) enqueue(i *Interface, frames []*packet.Buffer) (waiting bool) {
	q := &s.queue
	if s.wantsTime() {
		now := s.stack.cfg.Clock.Now().UnixNano()
		for _, b := range frames {
			if b.Arrival == 0 {
				b.Arrival = now
			}
		}
	}
	if s.stack.tracer != nil {
		detail := s.describe()
		for _, b := range frames {
			s.stack.trace(trace.Queue, i, b, detail)
		}
	}
	q.mu.Lock()
	frames = frames[q.pushMany(frames):]
	for _, b := range frames {
		reason := drop.SocketClosed
		switch q.state {
		case queueOpen:
			reason = q.push(b)
		case queueDivided:
			reason = s.divide(i, b)
		}
		if reason != drop.None {
			q.mu.Unlock()
			s.dropped(i, b, reason)
			q.mu.Lock()
		}
	}
	q.mu.Unlock()
	return s.waits.wanted(readable)
}

// enqueueOne is enqueue for a single datagram.
func (s *Socket) enqueueOne(i *Interface, b *packet.Buffer) (waiting bool) {
	q := &s.queue
	if s.wantsTime() || s.stack.tracer != nil {
		return s.enqueue(i, b.Single())
	}
	q.mu.Lock()
	if used := q.used + b.TrueSize(); q.state == queueOpen && q.overrun == q.marked && int(q.count) < len(q.ring) && used <= q.limit {
		q.ring[(q.head+q.count)&uint32(len(q.ring)-1)] = b
		q.count++
		q.used = used
		q.queued++
		q.mu.Unlock()
		return s.waits.wanted(readable)
	}
	q.mu.Unlock()
	return s.enqueue(i, b.Single()) // where there is more to say
}

// dropped drops what was on its way to the socket, and remembers that.
func (s *Socket) dropped(i *Interface, b *packet.Buffer, reason drop.Reason) {
	s.countDrop(reason, b.Datagrams())
	i.drop(b, reason)
}
