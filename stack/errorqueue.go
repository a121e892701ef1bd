package stack

import (
	"net/netip"
	"syscall"
	"time"

	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
)

// errorQueue is a socket's error queue. It is there as long as ReceiveErrors is set,
// and guarded by the receive queue's mutex, for both are charged to one buffer.
type errorQueue struct {
	entries []errorEntry // from first on
	first   int
}

// errorEntry is one entry of the error queue.
type errorEntry struct {
	payload *packet.Buffer // of the datagram, as far as it is known
	size    int            // what it is charged
	to      address        // where it was sent
	toPort  uint16
	errno   syscall.Errno
	info    uint32
	origin  socket.ErrorOrigin
	typ     uint8
	code    uint8

	// Of the ICMP message.
	ttl, tos uint8
	offender address
	local    address
	iface    int32
	time     time.Time // zero: it was not asked for
}

func (q *errorQueue) len() int { return len(q.entries) - q.first }

// receiveErrors sets the option ReceiveErrors. Turning it off empties the queue, and
// leaves the pending error (Linux's skb_errqueue_purge).
func (s *Socket) receiveErrors(on bool) {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	q := s.errors.Load()
	switch {
	case on && q == nil:
		s.errors.Store(new(errorQueue))
	case !on && q != nil:
		s.errors.Store(nil)
		s.dropErrors(q)
	}
}

// dropErrors empties the queue. The caller holds the receive queue's mutex.
func (s *Socket) dropErrors(q *errorQueue) {
	for _, e := range q.entries[q.first:] {
		s.queue.used -= e.size
		e.payload.Release()
	}
	q.entries, q.first = nil, 0
}

// queueError appends an entry, if ReceiveErrors is set and there is room (Linux's
// sock_queue_err_skb), and reports whether it did. Whoever calls it wakes those who
// wait.
func (s *Socket) queueError(e errorEntry, payload []byte) bool {
	if s.errors.Load() == nil {
		return false
	}
	e.payload = packet.New(len(payload))
	copy(e.payload.Append(len(payload)), payload)
	e.size = e.payload.TrueSize()
	s.queue.mu.Lock()
	q := s.errors.Load()
	if q == nil || s.closed.Load() || s.queue.used+e.size >= s.queue.limit {
		s.queue.mu.Unlock()
		e.payload.Release()
		return false
	}
	s.queue.used += e.size
	if q.first > 0 && len(q.entries) == cap(q.entries) {
		n := copy(q.entries, q.entries[q.first:])
		clear(q.entries[n:])
		q.entries, q.first = q.entries[:n], 0
	}
	q.entries = append(q.entries, e)
	s.queue.mu.Unlock()
	return true
}

// TryRecvError takes the first entry off the error queue.
func (s *Socket) TryRecvError(m *socket.ErrorMessage) error {
	if s.closed.Load() {
		return socket.ErrClosed
	}
	s.queue.mu.Lock()
	q := s.errors.Load()
	if q == nil || q.len() == 0 {
		s.queue.mu.Unlock()
		return syscall.EAGAIN
	}
	e := q.entries[q.first]
	q.entries[q.first] = errorEntry{}
	if q.first++; q.len() == 0 {
		q.entries, q.first = q.entries[:0], 0
	}
	s.queue.used -= e.size
	// The pending error follows what ICMP has queued (sock_dequeue_err_skb).
	more := q.len() > 0
	switch {
	case more && q.entries[q.first].origin != socket.OriginLocal:
		s.pending.Store(uint32(q.entries[q.first].errno))
	case e.origin != socket.OriginLocal:
		s.pending.Store(0)
	}
	s.queue.mu.Unlock()
	if more {
		s.waits.wake(allEvents)
	}
	s.fillError(m, &e)
	e.payload.Release()
	return nil
}

// fillError makes the message of an entry.
func (s *Socket) fillError(m *socket.ErrorMessage, e *errorEntry) {
	payload := e.payload.Bytes()
	buf := m.Buf[:cap(m.Buf)]
	*m = socket.ErrorMessage{
		Buf: buf[:copy(buf, payload)], Len: len(payload), Addr: netip.AddrPortFrom(s.shown(e.to, int(e.iface)), e.toPort),
		Errno: e.errno, Origin: e.origin, Type: e.typ, Code: e.code, Info: e.info,
	}
	want := socket.Fields(s.reports.Load())
	if want&socket.FieldTime != 0 {
		if m.Time = e.time; m.Time.IsZero() {
			m.Time = s.stack.cfg.Clock.Now()
		}
		m.Set = socket.FieldTime
	}
	if e.origin == socket.OriginLocal {
		return
	}
	m.Offender = s.shown(e.offender, int(e.iface))
	m.Set |= want & (socket.FieldLocal | socket.FieldInterface | socket.FieldTTL | socket.FieldTOS)
	if want&socket.FieldLocal != 0 {
		m.Local = netip.AddrPortFrom(s.shown(e.local, int(e.iface)), s.LocalAddr().Port())
	}
	if want&socket.FieldInterface != 0 {
		m.Interface = int(e.iface)
	}
	if want&socket.FieldTTL != 0 {
		m.TTL = e.ttl
	}
	if want&socket.FieldTOS != 0 {
		m.TOS = e.tos
	}
}

// queueTooLong puts into the error queue that a datagram was longer than the path's
// MTU (Linux's ip_local_error). The caller holds s.mu, and calls told once it does
// not.
func (s *Socket) queueTooLong(p *path) {
	if s.errors.Load() == nil {
		return
	}
	e := errorEntry{
		to: p.dst, toPort: s.peer.Port(), // of an unconnected socket the kernel does not say
		errno: syscall.EMSGSIZE, info: uint32(p.mtu), origin: socket.OriginLocal,
	}
	if p.six {
		e.toPort = uint16(p.udp0 >> 32)
	}
	if s.wantsTime() {
		e.time = s.stack.cfg.Clock.Now()
	}
	s.queueError(e, nil)
}

// told is called with the error that a send returns, once no lock is held: if the
// error queue has it too, who waits for that is woken.
func (s *Socket) told(err error) error {
	if err == syscall.EMSGSIZE && s.errors.Load() != nil {
		s.waits.wake(socket.ErrorQueued)
	}
	return err
}

// transmitOrFail hands the frames of messages to the link and returns how many of the
// messages went, for who has ReceiveErrors. The first that the link refuses is dropped
// by name and ends the call, with ENOBUFS (Linux's udp_send_skb, ___sys_sendmsg of each
// message in turn); those behind it are the caller's still, as if they had not been
// handed over.
func (s *Socket) transmitOrFail(i *Interface, frames []*packet.Buffer, ms []socket.Message) (int, error) {
	i.traceTransmit(frames) // of one message, if there is a tracer: see sendRun
	var datagrams [maxSegments]int
	for k, b := range frames {
		datagrams[k] = b.Datagrams()
	}
	n, err := i.link.Write(frames)
	if n == len(frames) {
		return len(ms), nil
	}
	left, done := 0, 0
	for _, d := range datagrams[:n] {
		left += d
	}
	for ; left > 0; done++ {
		left -= datagramsOf(&ms[done])
	}
	var failure error
	lost, rest := -left, done // what is missing of a message of which a part went, which is done
	if lost == 0 {
		failure = syscall.ENOBUFS
		lost, rest = datagramsOf(&ms[done]), done+1
	}
	k := n
	for ; lost > 0; k++ {
		lost -= datagrams[k]
	}
	var back givenBack
	if lost < 0 { // it shares a train with the next ones
		frames[k-1].SegmentSize = 0
		back.splits, back.merged = -lost, -lost
	}
	i.refuse(frames[n:k], err)
	for _, m := range ms[rest:] {
		back.payload += len(m.Buf)
	}
	back.count(datagrams[k:], ms[rest-lost:])
	s.giveBack(i, frames[k:], back)
	return done, failure
}

// datagramsOf returns how many datagrams a message is that was found good.
func datagramsOf(m *socket.Message) int {
	if !isTrain(m) {
		return 1
	}
	return max(1, (len(m.Buf)+int(m.SegmentSize)-1)/int(m.SegmentSize))
}

// givenBack is what has been counted of messages that are not sent after all.
type givenBack struct{ packets, splits, merged, payload int }

// count adds messages, with the numbers of datagrams in their frames.
func (g *givenBack) count(datagrams []int, ms []socket.Message) {
	for k, m := 0, 0; m < len(ms); {
		n, d := datagramsOf(&ms[m]), datagrams[k]
		g.packets++
		g.splits += max(n, d) - 1
		g.merged += d - 1
		switch {
		case n > 1 && d == 1: // cut up
			k, m = k+n, m+1
		case n == 1: // a train of several, or nothing of the kind
			k, m = k+1, m+d
		default:
			k, m = k+1, m+1
		}
	}
}

// giveBack takes frames that nobody has tried to send out of all accounts. The stack's
// are corrected for themselves, for the socket may have been closed and added up.
func (s *Socket) giveBack(i *Interface, frames []*packet.Buffer, g givenBack) {
	own := &s.stack.own
	own.generated.Add(-uint64(g.packets))
	own.split.Add(-uint64(g.splits))
	own.merged.Add(-uint64(g.merged))
	i.sent.packets.Add(-uint64(len(frames)))
	for _, b := range frames {
		i.sent.bytes.Add(-uint64(b.Len()))
	}
	s.mu.Lock()
	s.sent -= uint64(g.packets + g.splits)
	s.hooked -= uint64(g.packets + g.splits)
	s.bytes -= uint64(g.payload)
	s.mu.Unlock()
	packet.ReleaseAll(frames)
}

// errorsQueued reports whether the error queue holds something.
func (s *Socket) errorsQueued() bool {
	if s.errors.Load() == nil {
		return false
	}
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	q := s.errors.Load()
	return q != nil && q.len() > 0
}
