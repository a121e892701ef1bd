package stack

import (
	"sync"

	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// loan is what one call of TryLend lends: packets, and which part of each.
type loan struct {
	frames [runLength]*packet.Buffer
	parts  [runLength]lentPart
	held   int  // how many
	whole  bool // trains are lent whole
}

// lentPart is the part of a packet's payload that is lent: all of it, or of a train what a
// read had left or has room for.
type lentPart struct {
	from, to, segment int
	lost              uint32 // datagrams before it
}

var loans = sync.Pool{New: func() any { return new(loan) }}

// TryLend is TryRecv without the copy.
func (s *Socket) TryLend(ms []socket.Message) (int, socket.Loan, error) {
	if len(ms) == 0 {
		return 0, nil, nil
	}
	if s.pending.Load() != 0 {
		if err := s.takeError(); err != nil {
			return 0, nil, err
		}
	}
	l := loans.Get().(*loan)
	s.lend(l, min(len(ms), runLength))
	if l.held == 0 {
		loans.Put(l)
		return 0, nil, s.nothing()
	}
	n := 0
	for k, b := range l.frames[:l.held] {
		n += s.tell(ms[n:], b, l.parts[k], l.whole)
	}
	return n, l, nil
}

// lend takes packets out of the queue, up to those that hold a number of datagrams, or of
// trains if these are wanted whole.
func (s *Socket) lend(l *loan, most int) {
	l.whole = s.wantsTrains() // once, as it may change
	q := &s.queue
	q.mu.Lock()
	for n := 0; n < most && q.count > 0; {
		b := q.first()
		p := lentPart{to: payloadLen(b), segment: int(b.SegmentSize)}
		if p.segment == 0 {
			_, p.lost = q.take()
			n++
		} else {
			n += s.lendTrain(b, &p, l.whole, most-n)
		}
		l.frames[l.held], l.parts[l.held] = b, p
		l.held++
	}
	q.mu.Unlock()
}

// lendTrain takes what is wanted of the train at the queue's front: all, or so many
// datagrams. It returns how many Messages that takes. The caller holds the queue's mutex.
func (s *Socket) lendTrain(b *packet.Buffer, p *lentPart, whole bool, most int) (messages int) {
	q := &s.queue
	p.from = int(q.begun)
	messages = 1
	if !whole {
		rest := (p.to - p.from + p.segment - 1) / p.segment
		messages = min(rest, most)
		if messages < rest {
			p.to = p.from + messages*p.segment
			p.lost = q.takePart(b, p.to-p.from, p.segment)
			return messages
		}
	}
	p.lost = q.takeRest(p.to-p.from, p.segment)
	if d := b.Datagrams(); d > 1 {
		s.stack.own.split.Add(uint64(d - 1))
	}
	return messages
}

// tell fills Messages with what is lent of a packet, and returns how many it took.
func (s *Socket) tell(ms []socket.Message, b *packet.Buffer, p lentPart, whole bool) (n int) {
	payload := b.TransportBytes()[wire.UDPHeaderLen:]
	size := p.to - p.from
	train := p.segment != 0 && size > p.segment
	if train && !whole {
		size, train = p.segment, false
	}
	lost := p.lost
	for from := p.from; n == 0 || from < p.to; n++ {
		to := min(from+size, p.to)
		m := &ms[n]
		m.Buf = nil // there is no room, so that fill copies nothing
		s.fill(m, b, payload[from:to], lost)
		m.Buf = payload[from:to:to]
		if train {
			s.markTrain(m, p.segment)
		}
		from, lost = to, 0
	}
	return n
}

// Return gives the packets back.
func (l *loan) Return() {
	if l.held == 0 {
		panic("stack: a loan was returned twice")
	}
	packet.ReleaseAll(l.frames[:l.held])
	l.held = 0
	loans.Put(l)
}
