package stack

import "sync/atomic"

// A Ledger accounts for every packet: what came into being on one side, what
// became of it on the other. At rest, both sides are equal; while packets are
// under way, those between two counters are missing.
type Ledger struct {
	// Where packets come from.

	In        uint64 // handed in by links, loopback included
	Generated uint64 // sent by sockets, or made by the stack: ARP, ICMP
	Cloned    uint64 // copies for further receivers of a broadcast or group
	Split     uint64 // datagrams of a train beyond its first, once it is cut, read or dropped, and fragments beyond the first

	// Where they went.

	Delivered uint64 // read from a socket
	Sent      uint64 // accepted by a link, whether forwarded or the host's own
	Consumed  uint64 // read by the stack itself: ARP, ICMP
	Merged    uint64 // what became part of another packet: fragments, datagrams of a train
	Dropped   uint64 // for a reason, see Drops
	Held      uint64 // waiting: in receive queues, for neighbours, in backlogs
}

// Balanced reports whether both sides are equal.
func (l Ledger) Balanced() bool {
	return l.In+l.Generated+l.Cloned+l.Split == l.Delivered+l.Sent+l.Consumed+l.Merged+l.Dropped+l.Held
}

// ownCounters count what the stack itself does.
type ownCounters struct{ generated, consumed, cloned, split, merged atomic.Uint64 }

// socketTotals are sums over sockets.
type socketTotals struct{ sent, splits, merged, received, queued uint64 }

func (t *socketTotals) add(s *Socket) {
	s.mu.Lock()
	t.sent += s.sent - s.hooked
	t.splits += s.splits
	if s.path != nil {
		t.merged += s.path.merged
	}
	s.mu.Unlock()
	s.queue.mu.Lock()
	t.received += s.queue.received
	if s.queue.begun > 0 {
		t.splits += uint64(s.queue.begun) / uint64(s.queue.first().SegmentSize)
	}
	t.queued += uint64(s.queue.count)
	s.queue.mu.Unlock()
}

// interfaceTotals are sums over interfaces that were removed so long ago that nobody is
// at work on them any more.
type interfaceTotals struct{ in, sent uint64 }

// maxRemoved is how many interfaces that were removed are remembered one by one, as
// long as somebody may still be sending or delivering by them.
const maxRemoved = 64

// settle adds the interface that was removed first to the sum of such, if there are
// more than are remembered, so that a program may add and remove interfaces as long as
// it likes. No lock may be held.
func (s *Stack) settle() {
	s.mu.Lock()
	var old *Interface
	if st := s.state.Load(); len(s.ever)-len(st.interfaces) > maxRemoved {
		for _, i := range s.ever {
			if st.byIndex(i.index) == nil {
				old = i
				break
			}
		}
	}
	s.mu.Unlock()
	if old == nil {
		return
	}
	st := old.Stats() // with what sockets have not handed in yet, and will to nobody
	for n := range old.lanes {
		if old.lanes[n].waiting.Load() > 0 {
			return // another time
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, i := range s.ever {
		if i == old {
			s.ever = append(s.ever[:k:k], s.ever[k+1:]...)
			s.gone.in += st.ReceivedPackets
			s.gone.sent += st.SentPackets
			return
		}
	}
}

// each calls f for every open socket.
func (l *socketSet) each(f func(*Socket)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := l.first; s != nil; s = s.nextOpen {
		f(s)
	}
}

// Ledger returns the stack's account so far.
func (s *Stack) Ledger() Ledger {
	s.sockets.mu.Lock()
	sums := s.sockets.past
	s.sockets.mu.Unlock()
	s.sockets.each(sums.add)

	l := Ledger{
		Generated: s.own.generated.Load() + sums.sent,
		Cloned:    s.own.cloned.Load(),
		Split:     s.own.split.Load() + sums.splits,
		Delivered: sums.received,
		Consumed:  s.own.consumed.Load(),
		Merged:    s.own.merged.Load() + sums.merged,
		Dropped:   s.drops.Total(),
		Held:      sums.queued,
	}
	s.mu.Lock()
	ever, gone := s.ever, s.gone
	s.mu.Unlock()
	l.In, l.Sent = gone.in, gone.sent
	for _, i := range ever {
		st := i.Stats()
		l.In += st.ReceivedPackets
		l.Sent += st.SentPackets
		for n := range i.lanes {
			l.Held += uint64(i.lanes[n].waiting.Load())
		}
	}
	s.neighbors.mu.Lock()
	l.Held += uint64(s.neighbors.held)
	s.neighbors.mu.Unlock()
	s.reassembly.mu.Lock()
	l.Held += uint64(s.reassembly.held)
	s.reassembly.mu.Unlock()
	return l
}
