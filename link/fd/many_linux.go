package fd

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
)

// How many frames one system call takes from a socket and gives it.
const (
	manyIn  = 16
	manyOut = 32
)

// An mmsghdr is struct mmsghdr of recvmmsg(2): a header, and how many bytes.
type mmsghdr struct {
	unix.Msghdr
	n uint32
}

// many is what recvmmsg and sendmmsg need, for sockets of datagrams. The reading
// half belongs to the goroutine that reads, the writing half is guarded by the
// queue's mu.
type many struct {
	// A frame of the usual size is read into a buffer in which it is handed
	// up; what is longer, a train, runs over into rest. Those from next to
	// count have been received and not been looked at.
	buffers     [manyIn]*packet.Buffer
	usual       int
	rest        []byte // manyIn times restSize
	in          [manyIn]mmsghdr
	parts       [manyIn][2]unix.Iovec
	next, count int

	out      [manyOut]mmsghdr
	outParts [manyOut]unix.Iovec
}

// restSize is the room for what is longer than usual, and maxUsual the longest that
// usual can be. Most of the room is never touched, which costs no memory.
const (
	restSize = packet.MaxSize
	maxUsual = 10000
)

// newMany returns what a socket of datagrams is read and written with; nil if the
// queue is none.
func newMany(q *queue) *many {
	if !q.datagrams {
		return nil
	}
	q.readSome = q.tryReadMany
	return &many{usual: min(q.l.longest(), maxUsual)}
}

// tryReadMany is tryRead by recvmmsg.
func (q *queue) tryReadMany(fd uintptr) bool {
	q.readErr = nil
	m := q.many
	for asked := false; q.count < batchSize && q.bytes < batchBytes; {
		if m.next == m.count {
			if asked || q.count > 0 {
				// Even if nothing was good: a peer who sends nothing
				// else cannot keep us here.
				return true
			}
			q.armMany()
			n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&m.in)), manyIn, unix.MSG_DONTWAIT, 0, 0)
			switch {
			case errno == unix.EAGAIN:
				return false
			case errno == unix.EINTR:
				continue
			case errno != 0:
				q.readErr = errno
				return true
			}
			m.next, m.count, asked = 0, int(n), true
		}
		i := m.next
		m.next++
		n := int(m.in[i].n)
		if n <= q.l.header || m.in[i].Flags&unix.MSG_TRUNC != 0 {
			q.l.drops.Add(drop.FrameMalformed, 1)
			continue
		}
		if b, h := q.receivedMany(i, n); !q.accept(b, h) {
			return true
		}
	}
	return true
}

// armMany makes a buffer ready in each place.
func (q *queue) armMany() {
	m := q.many
	if m.rest == nil {
		m.rest = make([]byte, manyIn*restSize)
	}
	for i := range m.buffers {
		if m.buffers[i] == nil {
			b := packet.New(m.usual)
			b.Append(m.usual)
			b.Prepend(q.l.header)
			m.buffers[i] = b
		}
		room, rest := m.buffers[i].Bytes(), m.rest[i*restSize:]
		m.parts[i][0].Base, m.parts[i][1].Base = &room[0], &rest[0]
		m.parts[i][0].SetLen(len(room))
		m.parts[i][1].SetLen(restSize)
		h := &m.in[i].Msghdr
		h.Iov, h.Flags = &m.parts[i][0], 0
		h.SetIovlen(2)
	}
}

// disarm gives back what is read into. Frames that were received and not looked at
// are kept for the next sink.
func (m *many) disarm() {
	for i, b := range m.buffers {
		if b != nil && (i < m.next || i >= m.count) {
			b.Release()
			m.buffers[i] = nil
		}
	}
}

// close gives up what disarm kept, and returns how many frames that was.
func (m *many) close() int {
	n := m.count - m.next
	m.next, m.count = 0, 0
	m.disarm()
	return n
}

// receivedMany returns the frame of n bytes, its header among them, that was
// received in the place i: in the buffer there if it is of the usual size and no
// small one.
func (q *queue) receivedMany(i, n int) (*packet.Buffer, vnetHeader) {
	m := q.many
	b := m.buffers[i]
	room := b.Bytes()
	var h vnetHeader
	if q.l.header != 0 {
		h = parseVnet(room)
	}
	length := n - q.l.header
	if n <= len(room) && b.Suits(length) {
		b.TrimTo(n)
		b.TrimFront(q.l.header)
		m.buffers[i] = nil
		return b, h
	}
	c := packet.New(length)
	p := c.Append(length)
	k := copy(p, room[q.l.header:min(n, len(room))])
	copy(p[k:], m.rest[i*restSize:])
	return c, h
}

// writeMany writes frames from the front by one sendmmsg, and returns how many it
// has sent and released. It leaves to others what it cannot do: a frame that is
// shared, too long or for another queue, and finding out why a frame was refused.
func (q *queue) writeMany(frames []*packet.Buffer, longest int) int {
	m := q.many
	count := 0
	for _, f := range frames[:min(len(frames), manyOut)] {
		front, _ := f.Room()
		if f.Shared() || front < q.l.header || q.l.queueOf(f) != q || f.Len() > longest && !q.l.trainFits(f, longest) {
			break
		}
		if q.l.header != 0 {
			h := outgoing(f, q.l.kind)
			h.put(f.Prepend(q.l.header))
		}
		b := f.Bytes()
		if len(b) == 0 {
			break
		}
		m.outParts[count].Base = &b[0]
		m.outParts[count].SetLen(len(b))
		h := &m.out[count].Msghdr
		h.Iov = &m.outParts[count]
		h.SetIovlen(1)
		count++
	}
	if count == 0 {
		return 0
	}
	sent := 0
	for {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(q.fd), uintptr(unsafe.Pointer(&m.out)), uintptr(count), unix.MSG_DONTWAIT, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno == 0 {
			sent = int(n)
		}
		break
	}
	for _, f := range frames[sent:count] {
		f.TrimFront(q.l.header)
	}
	for i := range m.outParts[:count] {
		m.outParts[i].Base = nil
	}
	packet.ReleaseAll(frames[:sent])
	return sent
}
