package host

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/socket"
)

// receiving is the call of Receive that has the turn for reading. It is part of
// the Socket, and small: it is there as long as somebody is parked.
type receiving struct {
	look func(fd uintptr) bool // lookOrPark, made once

	ms     []socket.Message
	cancel *socket.Cancel
	waiter *waiter // nil before it parks

	n     int           // messages done
	errno syscall.Errno // what ended it, unless all are done
	from  sender
}

// Receive is TryRecv that waits; see [socket.Receiver]. It asks the kernel once
// if there is a datagram and twice if it has to wait for one, which is as little
// as the poller allows.
func (s *Socket) Receive(ms []socket.Message, cancel *socket.Cancel) (int, error) {
	for {
		if err := s.over(cancel); err != nil {
			return 0, err
		}
		if err := s.fd.ready(); err != nil && !errors.Is(err, os.ErrClosed) {
			return 0, err
		}
		if !s.read.turn.try() {
			// To take what is there needs no turn, and who has it may be
			// parked until something else comes.
			n, err := s.recv(ms, 0)
			if err != syscall.EAGAIN || s.readShut.Load() {
				return n, err
			}
			w := s.read.enter(cancel)
			if w == nil {
				continue
			}
			taken := s.read.turn.take(w, s.closed)
			s.read.leave(w, cancel)
			if !taken {
				continue
			}
		}
		if n, errno, done := s.receiveInTurn(ms, cancel); done {
			return s.recvResult(n, errno)
		}
	}
}

// receiveInTurn tries, and parks if it has to. It is not done if it was woken for
// another reason than that there is something to return. It gives up the turn.
func (s *Socket) receiveInTurn(ms []socket.Message, cancel *socket.Cancel) (n int, errno syscall.Errno, done bool) {
	d, r := &s.read, &s.receiving
	r.ms, r.cancel, r.n, r.errno = ms, cancel, 0, 0
	// An error says that it was woken, and so that it had found nothing.
	err := s.fd.read(r.look)
	if r.waiter != nil {
		cancel.Detach(r.waiter)
		d.mu.Lock()
		d.unparkLocked()
		d.giveBackLocked(r.waiter)
		d.mu.Unlock()
	}
	n, errno = r.n, r.errno
	r.ms, r.cancel, r.waiter = nil, nil, nil
	d.turn.end()
	nothing := n == 0 && errno == unix.EAGAIN && !s.readShut.Load()
	return n, errno, err == nil && !nothing
}

// lookOrPark is what Receive parks. It reports whether there is a reason not to
// wait.
//
// Most calls find a datagram, so it looks before it makes itself known to those
// who may want to wake it. They first change what they have to tell and then
// wake; so what it looks at after that is not missed.
func (s *Socket) lookOrPark(fd uintptr) bool {
	r := &s.receiving
	if len(r.ms) == 1 && s.plain() {
		if r.errno = s.receiveOne(fd, &r.ms[0], 0, &r.from); r.errno == 0 {
			r.n = 1
		}
	} else {
		op := recvOps.Get().(*recvOp)
		op.begin(s, r.ms, 0)
		op.run(fd)
		r.n, r.errno = op.end()
	}
	if r.n > 0 || r.errno != unix.EAGAIN {
		return true
	}
	if r.waiter == nil {
		d := &s.read
		d.mu.Lock()
		r.waiter = d.borrowLocked()
		d.parked = r.waiter
		d.mu.Unlock()
		if !r.cancel.Attach(r.waiter) {
			return true
		}
	}
	return s.kept.Load() != 0 || s.readShut.Load()
}

// plain reports whether there is nothing to be told of a datagram but its sender,
// and no error to be looked for.
func (s *Socket) plain() bool {
	return s.reported.Load() == 0 && s.kept.Load() == 0 && !s.receiveErrors.Load()
}
