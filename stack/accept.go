package stack

import (
	"encoding/binary"
	"errors"
	"math"
	"net/netip"
	"syscall"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
)

var _ socket.Acceptor = (*Socket)(nil)

// Accept makes a socket of the flow of the first datagram that is queued; see
// socket.Acceptor.
func (s *Socket) Accept(admit func(peer, own netip.AddrPort) drop.Reason) (socket.Socket, error) {
	n, err := s.AcceptSocket(admit)
	if err != nil {
		return nil, err
	}
	return n, nil
}

// AcceptSocket is Accept with the concrete type.
//
// Nothing is lost or overtaken because three things happen under the lock of the
// receive queue: what is queued goes over, the new socket enters the port table,
// and every delivery to the old socket asks that table once more. A datagram that
// was on its way to the old socket meanwhile so finds the new one, before those
// behind it do. Its cost grows with the number of datagrams in the queue.
func (s *Socket) AcceptSocket(admit func(peer, own netip.AddrPort) drop.Reason) (*Socket, error) {
	for {
		if s.pending.Load() != 0 {
			if err := s.takeError(); err != nil {
				return nil, err
			}
		}
		f, ok := s.firstFlow()
		if !ok {
			return nil, s.nothing()
		}
		peer := netip.AddrPortFrom(s.shown(f.src, int(f.device)), f.srcPort())
		own := netip.AddrPortFrom(s.shown(f.dst, int(f.device)), uint16(f.ports>>16))
		reason := drop.None
		if !s.stack.answerable(f) {
			reason = drop.NoFlow
		} else if admit != nil {
			reason = admit(peer, own)
		}
		if reason != drop.None {
			if int(reason) >= drop.Count {
				reason = drop.Filtered // it is no reason that could be counted
			}
			s.refuse(f, reason)
			continue
		}
		n := newSocket(s.stack, s.Family())
		if !s.stack.sockets.add(n) {
			return nil, socket.ErrClosed
		}
		err := s.accept(n, f, peer)
		if err == nil {
			return n, nil
		}
		n.Close()
		if err != errGone {
			return nil, err
		}
	}
}

// errGone says that somebody else has taken the datagram meanwhile.
var errGone = errors.New("stack: the first datagram is another now")

// firstFlow returns the flow of the first datagram in the queue, if there is one.
func (s *Socket) firstFlow() (f flow, ok bool) {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	if s.queue.count == 0 {
		return flow{}, false
	}
	return flowOf(s.queue.first()), true
}

// answerable reports whether a socket could be connected to the datagram's sender
// and answer from the datagram's destination.
func (s *Stack) answerable(f flow) bool {
	return f.ports&0xffff != 0 && f.ports>>16 != 0 &&
		!f.dst.isMulticast() && !s.state.Load().isBroadcast(f.dst)
}

// accept makes n the socket of the flow f, if that is at the queue's front.
func (s *Socket) accept(n *Socket, f flow, peer netip.AddrPort) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed.Load():
		return socket.ErrClosed
	case s.peer.IsValid():
		return syscall.EINVAL
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed.Load() {
		return socket.ErrClosed // with the stack
	}
	t, q := &s.stack.ports, &s.queue
	t.mu.Lock()
	defer t.mu.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.count == 0 || !flowOf(q.first()).sameFlow(f) {
		return errGone
	}
	n.opts = s.opts
	if !s.stack.state.Load().hasAddress(f.dst) {
		n.opts.transparent = true
	}
	if f.src.needsScope() || f.dst.needsScope() {
		n.opts.device = int(f.device) // without it neither says anything
	}
	n.reports.Store(s.reports.Load())
	n.sendLimit.Store(s.sendLimit.Load())
	n.bound = binding{addr: f.dst, port: uint16(f.ports >> 16), explicitAddr: true, explicitPort: true}
	n.peer = peer

	n.queue.mu.Lock()
	q.hand(&n.queue, f)
	n.queue.mu.Unlock()
	q.state = queueDivided

	// Nobody is asked for leave to share the port: the socket that it was
	// accepted from has it.
	n.setRank()
	n.publish()
	k, w := n.entry()
	t.uses.add(&w)
	t.insert(k, n)
	return nil
}

// refuse drops the first datagram that is queued, if it is of the flow.
func (s *Socket) refuse(f flow, reason drop.Reason) {
	q := &s.queue
	q.mu.Lock()
	if q.count == 0 || !flowOf(q.first()).sameFlow(f) {
		q.mu.Unlock()
		return
	}
	begun := int(q.begun)
	q.begun = 0
	lost := q.lost()
	b := q.pop()
	if lost > 0 {
		q.gaps[0].before++ // the next one tells of it
		q.joinGaps()
	}
	q.mu.Unlock()
	s.discard(b, begun, reason)
}

// discard drops a packet that was queued, of which so many bytes have been read.
func (s *Socket) discard(b *packet.Buffer, begun int, reason drop.Reason) {
	n := b.Datagrams()
	if n > 1 {
		s.stack.own.split.Add(uint64(n - 1))
	}
	if begun > 0 {
		n -= begun / int(b.SegmentSize)
	}
	s.countDrop(reason, n)
	s.stack.drops.Add(reason, n)
	if s.stack.tracer != nil {
		s.stack.traceDrop(s.stack.interfaceOf(b), b, reason)
	}
	b.Release()
}

// flowOf returns what a queued datagram would be looked up by.
func flowOf(b *packet.Buffer) flow {
	ip := b.NetworkBytes()
	ports := binary.BigEndian.Uint32(b.TransportBytes())
	f := flow{ports: ports<<16 | ports>>16, device: b.Interface}
	if ip[0]>>4 == 6 {
		f.src, f.dst = addressOf16([16]byte(ip[8:24])), addressOf16([16]byte(ip[24:40]))
	} else {
		f.src, f.dst = ipv4(binary.BigEndian.Uint32(ip[12:])).address(), ipv4(binary.BigEndian.Uint32(ip[16:])).address()
	}
	return f
}

// sameFlow reports whether datagrams looked up by f and o have the same ends,
// whatever the interface.
func (f flow) sameFlow(o flow) bool { return f.src == o.src && f.dst == o.dst && f.ports == o.ports }

// hand moves the datagrams of a flow, the first of which is the first of all, into
// another queue, which is empty, in order. What is said of losses stays.
func (q *receiveQueue) hand(to *receiveQueue, f flow) {
	to.limit = math.MaxInt // they were charged to q, whose limit has let them in
	to.begun, q.begun = q.begun, 0
	mask := uint32(len(q.ring) - 1)
	first := q.queued - uint64(q.count)
	kept, nextGap := uint32(0), 0
	for k := range q.count {
		at := (q.head + k) & mask
		b := q.ring[at]
		for nextGap < len(q.gaps) && q.gaps[nextGap].before == first+uint64(k) {
			q.gaps[nextGap].before = first + uint64(kept)
			nextGap++
		}
		q.ring[at] = nil
		if f.sameFlow(flowOf(b)) {
			q.used -= b.TrueSize()
			to.push(b)
			continue
		}
		q.ring[(q.head+kept)&mask] = b
		kept++
	}
	q.queued -= uint64(q.count - kept)
	q.count = kept
	to.limit = q.limit
	q.joinGaps()
}

// joinGaps makes one gap of those before the same datagram. One before a datagram
// that is still to come is forgotten: it is noted again with that.
func (q *receiveQueue) joinGaps() {
	joined := q.gaps[:0]
	for k, g := range q.gaps {
		if k+1 < len(q.gaps) && q.gaps[k+1].before == g.before || g.before == q.queued {
			continue
		}
		joined = append(joined, g)
	}
	if q.gaps = joined; len(joined) == 0 {
		q.gaps = nil
		q.marked = q.reported
		return
	}
	q.marked = joined[len(joined)-1].overrun
}

// divide gives a datagram that came in for the socket, some of whose flows have
// sockets of their own by now, to the one whose it is. The caller holds the
// queue's mutex.
func (s *Socket) divide(i *Interface, b *packet.Buffer) drop.Reason {
	f := flowOf(b)
	t := &s.stack.ports
	n := t.pick(f.dst, f.src, f.ports, f, s.stack.cfg.FirstBound)
	if n == nil || n == s {
		return s.queue.push(b)
	}
	s.queue.mu.Unlock()
	if n.enqueue(i, b.Single()) {
		n.waits.wake(readable)
	}
	s.queue.mu.Lock()
	return drop.None
}
