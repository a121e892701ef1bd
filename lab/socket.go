package lab

import (
	"net/netip"
	"syscall"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
)

// Open makes a socket on the host. Tasks may wait for it. In real time it is the
// stack's own, and any goroutine may.
func (h *Host) Open(family socket.Family) (socket.Socket, error) {
	if h.err != nil {
		return nil, h.err
	}
	if h.lab.cfg.Realtime {
		return h.stack.Open(family)
	}
	s, err := h.stack.OpenSocket(family)
	if err != nil {
		return nil, err
	}
	return h.waitable(s), nil
}

// waitable makes a socket of the stack's one that tasks can wait for.
func (h *Host) waitable(s *stack.Socket) *Socket {
	h.opened++
	w := &Socket{Socket: s, lab: h.lab, host: h, id: h.id}
	w.id.add(h.opened)
	w.read.wake = w.read.happened
	w.write.wake = w.write.happened
	w.error.wake = w.error.happened
	return w
}

// Accept makes a socket of a flow, which tasks may wait for as well; see
// socket.Acceptor.
func (s *Socket) Accept(admit func(peer, own netip.AddrPort) drop.Reason) (socket.Socket, error) {
	n, err := s.AcceptSocket(admit)
	if err != nil {
		return nil, err
	}
	return s.host.waitable(n), nil
}

// A Socket is a socket of a host in virtual time: its stack's, which tasks can
// wait for.
type Socket struct {
	*stack.Socket
	lab  *Lab
	id   fingerprint
	read waiters

	write, error waiters
	host         *Host
	seen         *task // known to be who calls
}

var _ socket.Socket = (*Socket)(nil)

// waiters are those who wait for one direction of a socket. The stack's socket
// has room for one notification a direction, which serves them all.
type waiters struct {
	wake   func() // given to the stack
	notify func() // what Notify was given
	armed  bool   // the stack has wake
	tasks  []*task
}

// happened is called by the stack, with no lock held.
func (w *waiters) happened() {
	w.armed = false
	for i, t := range w.tasks {
		t.wake()
		w.tasks[i] = nil
	}
	w.tasks = w.tasks[:0]
	if f := w.notify; f != nil {
		w.notify = nil
		f()
	}
}

func (w *waiters) remove(t *task) {
	for i, o := range w.tasks {
		if o == t {
			w.tasks = append(w.tasks[:i], w.tasks[i+1:]...)
			return
		}
	}
}

// arm asks the stack for a notification, if somebody waits and it has none.
// The stack may call at once.
func (s *Socket) arm(w *waiters, event socket.Events) {
	if want := len(w.tasks) > 0 || w.notify != nil; want && !w.armed {
		w.armed = true
		s.Socket.Notify(event, w.wake)
	} else if !want && w.armed {
		w.armed = false
		s.Socket.Notify(event, nil)
	}
}

// Wait blocks the task that calls it until one of the events holds. Several may
// wait for a socket; each is woken, and whoever comes first takes what is there.
func (s *Socket) Wait(mask socket.Events, cancel *socket.Cancel) error {
	l := s.lab
	t, err := l.task(s.seen != nil && s.seen == l.current)
	if err != nil {
		return err
	}
	s.seen = t
	for {
		switch {
		case l.closed:
			t.refuse()
			return socket.ErrClosed
		case s.Ready(mask) != 0:
			if _, err := s.PeerAddr(); err == socket.ErrClosed {
				return err // a closed socket is ready for everything
			}
			return nil
		case !cancel.Attach(t):
			return socket.ErrCancelled
		}
		waiting := "room to send"
		if mask&socket.Writable != 0 {
			s.write.tasks = append(s.write.tasks, t)
			s.arm(&s.write, socket.Writable)
		}
		if mask&socket.Readable != 0 {
			waiting = "a datagram"
			s.read.tasks = append(s.read.tasks, t)
			s.arm(&s.read, socket.Readable)
		}
		if mask&socket.ErrorQueued != 0 {
			if mask == socket.ErrorQueued {
				waiting = "an error"
			}
			s.error.tasks = append(s.error.tasks, t)
			s.arm(&s.error, socket.ErrorQueued)
		}
		t.park(waiting)
		cancel.Detach(t)
		s.read.remove(t)
		s.write.remove(t)
		s.error.remove(t)
	}
}

// Receive is TryRecv and Wait in one: it blocks the task until there is a
// datagram. On a socket that is shut down for reading it returns EAGAIN. It makes
// the Socket a socket.Receiver, which its stack's must not do for it: that one
// would block the whole lab.
func (s *Socket) Receive(ms []socket.Message, cancel *socket.Cancel) (int, error) {
	l := s.lab
	for {
		if cancel.Fired() {
			return 0, socket.ErrCancelled
		}
		n, err := s.TryRecv(ms)
		if err != syscall.EAGAIN {
			return n, err
		}
		t, err := l.task(s.seen != nil && s.seen == l.current)
		if err != nil {
			return 0, err
		}
		s.seen = t
		if l.closed {
			t.refuse()
			return 0, socket.ErrClosed
		}
		if s.await(t, cancel) {
			return 0, syscall.EAGAIN
		}
	}
}

// await blocks the task until the socket, from which there is nothing to read, may
// be readable. If it is already it must be shut down, which await reports.
func (s *Socket) await(t *task, cancel *socket.Cancel) (shut bool) {
	if !cancel.Attach(t) {
		return false
	}
	s.read.tasks = append(s.read.tasks, t)
	s.arm(&s.read, socket.Readable)
	if shut = t.event.Pending() && s.Ready(socket.Readable) != 0; shut {
		s.lab.queue.wheel.Remove(&t.event)
	} else {
		t.park("a datagram")
	}
	cancel.Detach(t)
	s.read.remove(t)
	return shut
}

// Notify calls f once, from the lab's loop, as soon as one of the events holds.
func (s *Socket) Notify(mask socket.Events, f func()) {
	if mask&socket.Readable != 0 {
		s.read.notify = f
	}
	if mask&socket.Writable != 0 {
		s.write.notify = f
	}
	if mask&socket.ErrorQueued != 0 {
		s.error.notify = f
	}
	if mask == socket.Readable && (f == nil || !s.read.armed) {
		// The stack looks by itself whether it is readable already, unless
		// it was told to watch before.
		s.arm(&s.read, socket.Readable)
		return
	}
	if ready := s.Ready(mask); f != nil && ready != 0 {
		// A function for several events is called once.
		if ready&socket.Readable != 0 {
			s.read.notify = nil
		}
		if ready&socket.Writable != 0 {
			s.write.notify = nil
		}
		if ready&socket.ErrorQueued != 0 {
			s.error.notify = nil
		}
		f()
	}
	s.arm(&s.read, socket.Readable)
	s.arm(&s.write, socket.Writable)
	s.arm(&s.error, socket.ErrorQueued)
}

// TryRecv takes datagrams from the receive queue.
func (s *Socket) TryRecv(ms []socket.Message) (int, error) {
	n, err := s.Socket.TryRecv(ms)
	s.noteRead(ms[:n])
	return n, err
}

// TryLend lends datagrams of the receive queue.
func (s *Socket) TryLend(ms []socket.Message) (int, socket.Loan, error) {
	n, loan, err := s.Socket.TryLend(ms)
	s.noteRead(ms[:n])
	return n, loan, err
}

// noteRead puts what was read into the lab's fingerprint.
func (s *Socket) noteRead(ms []socket.Message) {
	if len(ms) == 0 {
		return
	}
	var bytes uint64
	for i := range ms {
		bytes += uint64(ms[i].Len)
	}
	p := &s.lab.print
	p.add(uint64(s.lab.queue.now()))
	p.add(noteRead<<48 ^ uint64(len(ms))<<32 ^ bytes)
	p.add(uint64(s.id))
}
