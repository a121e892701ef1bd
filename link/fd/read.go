//go:build unix

package fd

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
)

// read hands up what comes in until the read deadline is set or the device
// fails.
func (q *queue) read(sink link.Sink) {
	if q.scratch == nil && q.l.header == 0 && q.many == nil {
		q.scratch = make([]byte, maxFrame)
	}
	defer q.disarm()
	for {
		err := q.raw.Read(q.readSome)
		if q.count > 0 {
			q.deliver(sink)
		}
		if err == nil {
			err = q.readErr
			if err != nil && q.l.passes != nil && q.l.passes(err) {
				if err != unix.ENETDOWN { // which no frame ended with
					q.l.drops.Add(drop.LinkError, 1)
				}
				continue
			}
		}
		if err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				q.l.fail(deviceError(err))
			}
			return
		}
	}
}

// tryRead fills q.frames with what can be read at once. It reports false, which
// makes the runtime wait, if that is nothing.
func (q *queue) tryRead(fd uintptr) bool {
	q.readErr = nil
	for q.count < batchSize {
		n, ready := q.readOne(fd, q.scratch)
		if n == 0 {
			return ready
		}
		b := packet.New(n)
		copy(b.Append(n), q.scratch[:n])
		q.frames[q.count] = b
		q.count++
	}
	return true
}

// readOne reads one frame, with its header if there is one. In place of a frame it returns
// 0, and what tryRead is to report.
func (q *queue) readOne(fd uintptr, room []byte) (n int, ready bool) {
	for {
		n, err := unix.Read(int(fd), room)
		switch {
		case err == unix.EAGAIN:
			return 0, q.count > 0
		case err == unix.EINTR:
			continue
		case err != nil:
			q.readErr = err
			return 0, true
		case n == 0 && !q.datagrams:
			q.readErr = io.EOF
			return 0, true
		case n <= q.l.header:
			// It is counted as the last of a batch, so that a peer
			// who sends nothing else cannot keep us here.
			q.l.drops.Add(drop.FrameMalformed, 1)
			return 0, true
		}
		return n, true
	}
}

// deliver hands up what was read.
func (q *queue) deliver(sink link.Sink) {
	sink.Deliver(q.number, q.frames[:q.count])
	clear(q.frames[:q.count])
	q.count, q.bytes = 0, 0
}
