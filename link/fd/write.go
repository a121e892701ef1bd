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

// longest returns the length of the longest frame that may be written, other than
// a train.
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
	for i := 0; i < len(frames); i++ {
		if q.many != nil && q.waiting == 0 && len(frames)-i > 1 {
			if n := q.writeMany(frames[i:], longest); n > 0 {
				i += n - 1
				continue
			}
		}
		f := frames[i]
		if q.l.queueOf(f) != q {
			return i, nil
		}
		if f.Len() > longest && !q.l.trainFits(f, longest) {
			return i, link.ErrTooBig
		}
		if q.waiting == 0 {
			err := q.writeOne(q.fd, f)
			if err == nil {
				f.Release()
				continue
			}
			if refusesTrain(err, f) {
				if err = q.writeCut(f); err == nil {
					continue
				}
			}
			if err != unix.EAGAIN {
				return i, deviceError(err)
			}
		}
		if q.waiting >= q.l.limit {
			return i, link.ErrQueueFull
		}
		q.wait(f)
	}
	return len(frames), nil
}

// trainFits reports whether a frame longer than the MTU is a train whose datagrams
// are not.
func (l *Link) trainFits(f *packet.Buffer, longest int) bool {
	if f.SegmentSize == 0 || l.offload&link.Segmentation == 0 {
		return false
	}
	_, udp, ok := link.UDPOffset(f.Bytes(), l.kind)
	return ok && udp+wire.UDPHeaderLen+int(f.SegmentSize) <= longest
}

// refusesTrain reports whether an error may be about a train's being one: Linux
// before 6.9 takes 64 datagrams, and no more.
func refusesTrain(err error, f *packet.Buffer) bool { return err == unix.EINVAL && f.SegmentSize != 0 }

// writeCut takes over a train that the device refused and writes its datagrams one
// by one; those for which there is no room wait. It returns an error, and the train
// is the caller's still, if it refuses the first of them too.
func (q *queue) writeCut(train *packet.Buffer) error {
	var frames [link.MaxSegments]*packet.Buffer
	cut, err := link.Cut(frames[:0], train, q.l.kind)
	if err != nil {
		return unix.EINVAL
	}
	for i, f := range cut {
		if q.waiting == 0 {
			err := q.writeOne(q.fd, f)
			if err == nil {
				f.Release()
				cut[i] = nil
				continue
			}
			if err != unix.EAGAIN {
				if i == 0 {
					packet.ReleaseAll(cut)
					return err
				}
				q.l.drops.Add(drop.LinkError, 1)
				f.Release()
				cut[i] = nil
				continue
			}
		}
		q.wait(f)
	}
	train.Release()
	return nil
}

// wait puts a frame behind those that wait, and sees to it that they are sent.
func (q *queue) wait(f *packet.Buffer) {
	q.push(f)
	if q.flushing == nil {
		q.flushing = make(chan struct{})
		go q.flush()
	}
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
		err := q.writeOne(int(fd), q.head)
		if err == unix.EAGAIN {
			return false
		}
		f := q.pop()
		if refusesTrain(err, f) && q.unshift(f) {
			continue
		}
		if err != nil {
			q.l.drops.Add(drop.LinkError, f.Datagrams())
		}
		f.Release()
	}
	return true
}

// unshift takes over a train and puts its datagrams before those that wait.
func (q *queue) unshift(train *packet.Buffer) bool {
	var frames [link.MaxSegments]*packet.Buffer
	cut, err := link.Cut(frames[:0], train, q.l.kind)
	if err != nil {
		return false
	}
	rest, last, waiting := q.head, q.tail, q.waiting
	q.head, q.tail, q.waiting = nil, nil, 0
	for _, f := range cut {
		q.push(f)
	}
	if rest != nil {
		q.tail.SetNext(rest)
		q.tail = last
		q.waiting += waiting
	}
	train.Release()
	return true
}

// writeOne writes one frame in the form in which the device takes it. The caller
// holds q.mu.
func (q *queue) writeOne(fd int, f *packet.Buffer) error {
	if q.l.header != 0 {
		return q.writeHeaded(fd, f)
	}
	return writeFrame(fd, f.Bytes())
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
