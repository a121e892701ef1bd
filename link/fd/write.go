//go:build unix

package fd

import (
	"io"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// Write sends the frames, one system call each. It returns how many it took
// over: those that the device took, and those that now wait for it. The error is
// about the frame after them: link.ErrTooBig, link.ErrQueueFull, link.ErrDown if
// the device is down or gone, link.ErrClosed, or the device's errno.
func (l *Link) Write(frames []*packet.Buffer) (int, error) {
	n := 0
	for n < len(frames) {
		m, err := l.queueOf(frames[n]).write(frames[n:])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// queueOf returns the queue of the frame's flow, so that flows stay in order.
func (l *Link) queueOf(f *packet.Buffer) *queue {
	if len(l.queues) == 1 {
		return l.queues[0]
	}
	return l.queues[f.Flow%uint32(len(l.queues))]
}

// longest returns the length of the longest frame that may be written.
func (l *Link) longest() int {
	if l.kind == link.Ethernet {
		return l.MTU() + wire.EthernetHeaderLen
	}
	return l.MTU()
}

// write sends those frames from the front of the slice that are for this queue.
func (q *queue) write(frames []*packet.Buffer) (int, error) {
	longest := q.l.longest()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0, link.ErrClosed
	}
	for i, f := range frames {
		if q.l.queueOf(f) != q {
			return i, nil
		}
		if f.Len() > longest {
			return i, link.ErrTooBig
		}
		if q.waiting == 0 {
			err := writeFrame(q.fd, f.Bytes())
			if err == nil {
				f.Release()
				continue
			}
			if err != unix.EAGAIN {
				return i, deviceError(err)
			}
		}
		if q.waiting >= q.l.limit {
			return i, link.ErrQueueFull
		}
		q.push(f)
		if q.flushing == nil {
			q.flushing = make(chan struct{})
			go q.flush()
		}
	}
	return len(frames), nil
}

// flush sends what waits whenever the descriptor has room, and ends when
// nothing waits any more.
func (q *queue) flush() {
	for {
		err := q.raw.Write(q.flushSome)
		q.mu.Lock()
		if err != nil && !q.closed {
			// The poller cannot wait for the descriptor: give up
			// what waits rather than try for ever.
			for q.head != nil {
				q.pop().Release()
				q.l.drops.Add(drop.LinkError, 1)
			}
		}
		if q.head == nil {
			close(q.flushing)
			q.flushing = nil
			q.mu.Unlock()
			return
		}
		q.mu.Unlock()
	}
}

// tryFlush sends what waits and reports whether nothing is left.
func (q *queue) tryFlush(fd uintptr) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.head != nil {
		err := writeFrame(int(fd), q.head.Bytes())
		if err == unix.EAGAIN {
			return false
		}
		if err != nil {
			q.l.drops.Add(drop.LinkError, 1)
		}
		q.pop().Release()
	}
	return true
}

// writeFrame writes one frame, whole.
func writeFrame(fd int, b []byte) error {
	for {
		_, err := unix.Write(fd, b)
		if err != unix.EINTR {
			return err
		}
	}
}

// deviceError puts into the words of package link what it has a word for.
func deviceError(err error) error {
	switch err {
	case unix.EIO, // a TAP device that is down
		unix.ENETDOWN, unix.ENXIO, unix.ENODEV, unix.EPIPE, unix.ECONNRESET, unix.ECONNREFUSED,
		unix.ENOTCONN, io.EOF:
		return link.ErrDown
	case unix.EMSGSIZE:
		return link.ErrTooBig
	case unix.ENOBUFS:
		return link.ErrQueueFull
	}
	return deviceGone(err)
}
