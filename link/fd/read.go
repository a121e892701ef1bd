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
		n, err := unix.Read(int(fd), q.scratch)
		switch {
		case err == unix.EAGAIN:
			return q.count > 0
		case err == unix.EINTR:
			continue
		case err != nil:
			q.readErr = err
			return true
		case n == 0 && !q.datagrams:
			q.readErr = io.EOF
			return true
		case n == 0:
			// It is counted as the last of a batch, so that a peer
			// who sends nothing else cannot keep us here.
			q.l.drops.Add(drop.FrameMalformed, 1)
			return true
		}
		b := packet.New(n)
		copy(b.Append(n), q.scratch[:n])
		q.frames[q.count] = b
		q.count++
	}
	return true
}

// deliver hands up what was read.
func (q *queue) deliver(sink link.Sink) {
	sink.Deliver(q.number, q.frames[:q.count])
	clear(q.frames[:q.count])
	q.count, q.bytes = 0, 0
}
