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

// transmitOrFail hands the frames of messages to the link, and returns how many of
// the messages it took. Those that are refused are dropped by name; with
// ReceiveErrors the first of them is ENOBUFS besides (Linux's udp_send_skb).
func (s *Socket) transmitOrFail(i *Interface, frames []*packet.Buffer, ms []socket.Message) (int, error) {
	var datagrams [maxSegments]int
	for k, b := range frames {
		datagrams[k] = b.Datagrams()
	}
	left := 0
	for _, n := range datagrams[:i.transmit(frames)] {
		left += n
	}
	done := 0
	for ; done < len(ms) && left > 0; done++ {
		n := 1
		if m := &ms[done]; isTrain(m) {
			n = max(1, (len(m.Buf)+int(m.SegmentSize)-1)/int(m.SegmentSize))
		}
		left -= n
	}
	if done == 0 {
		return 0, syscall.ENOBUFS
	}
	return done, nil
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
