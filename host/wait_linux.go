package host

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/socket"
)

// A direction is one of the two things that a socket can be waited for.
type direction struct {
	s      *Socket
	events socket.Events
	ready  func() error                   // makes what is parked with ready; nil: it is
	park   func(func(uintptr) bool) error // RawConn.Read or Write
	expire func(time.Time) error          // the file's deadline for it
	look   func(uintptr) bool             // what is parked: does it hold?

	// turn is held by the only one that may park. The others wait for it, and
	// not inside RawConn.Read, whose lock knows nothing of their Cancels.
	turn turn

	mu      sync.Mutex
	parked  *waiter // who is parked, or about to be
	expired bool    // the deadline is in the past, to wake it
	// free are waiters for those to come. They are the socket's own, since a
	// channel that was made in a synctest bubble must stay there.
	free *waiter
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

func (d *direction) init(s *Socket, events socket.Events, ready func() error, park func(func(uintptr) bool) error, expire func(time.Time) error) {
	d.s, d.events, d.ready, d.park, d.expire = s, events, ready, park, expire
	d.look = func(fd uintptr) bool { return s.ready(fd, events) != 0 }
}

// A waiter is one goroutine that waits in one direction.
type waiter struct {
	d     *direction
	wake  chan struct{} // capacity 1: wakes it from waiting for its turn
	woken bool          // under d.mu: it shall not park before it has looked at its reasons
	given bool          // under d.turn.mu: it has the turn
	next  *waiter       // in d.free or d.turn
}

// WakeCancelled makes the goroutine look at its Cancel.
func (w *waiter) WakeCancelled() {
	d := w.d
	d.mu.Lock()
	w.woken = true
	if d.parked == w {
		d.expireLocked()
	}
	d.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// kick makes who is parked look again.
func (d *direction) kick() {
	d.mu.Lock()
	if d.parked != nil {
		d.expireLocked()
	}
	d.mu.Unlock()
}

// expireLocked wakes who is parked. Nobody else is: who parks next finds the
// deadline taken back.
func (d *direction) expireLocked() {
	if !d.expired {
		d.expired = true
		_ = d.expire(past) // fails if the file is closed, which wakes too
	}
}

// Wait blocks until one of the events in mask holds, cancel fires or the socket
// is closed. A mask without an event is EINVAL, and so is one with others.
func (s *Socket) Wait(mask socket.Events, cancel *socket.Cancel) error {
	if s.closing.Load() {
		return socket.ErrClosed
	}
	switch mask {
	case socket.Readable:
		return s.read.wait(cancel)
	case socket.Writable:
		return s.write.wait(cancel)
	case socket.ErrorQueued:
		return s.waitError(cancel)
	case 0:
		return syscall.EINVAL
	}
	if mask&^allEvents != 0 {
		return syscall.EINVAL
	}
	return s.waitAny(mask, cancel)
}

const allEvents = socket.Readable | socket.Writable | socket.ErrorQueued

// waitOne waits for one event.
func (s *Socket) waitOne(event socket.Events, cancel *socket.Cancel) error {
	switch event {
	case socket.Readable:
		return s.read.wait(cancel)
	case socket.Writable:
		return s.write.wait(cancel)
	}
	return s.waitError(cancel)
}

// over says why a wait is to end whatever holds: the socket is closed, or cancel
// has fired.
func (s *Socket) over(cancel *socket.Cancel) error {
	switch {
	case s.closing.Load():
		return socket.ErrClosed
	case cancel.Fired():
		return socket.ErrCancelled
	}
	return nil
}

// enter returns a waiter that cancel wakes, nil if cancel has fired. It is to
// leave again.
func (d *direction) enter(cancel *socket.Cancel) *waiter {
	d.mu.Lock()
	w := d.borrowLocked()
	d.mu.Unlock()
	if !cancel.Attach(w) {
		d.mu.Lock()
		d.giveBackLocked(w)
		d.mu.Unlock()
		return nil
	}
	return w
}

func (d *direction) leave(w *waiter, cancel *socket.Cancel) {
	cancel.Detach(w) // from here on nobody calls WakeCancelled
	d.mu.Lock()
	d.giveBackLocked(w)
	d.mu.Unlock()
}

func (d *direction) borrowLocked() *waiter {
	w := d.free
	if w == nil {
		return &waiter{d: d, wake: make(chan struct{}, 1)}
	}
	d.free = w.next
	return w
}

func (d *direction) giveBackLocked(w *waiter) {
	select {
	case <-w.wake:
	default:
	}
	w.woken, w.next, d.free = false, d.free, w
}

// wait waits until the direction's event holds.
func (d *direction) wait(cancel *socket.Cancel) error {
	if err := d.s.over(cancel); err != nil {
		return err
	}
	w := d.enter(cancel)
	if w == nil {
		return socket.ErrCancelled
	}
	err := d.waitAs(w, cancel)
	d.leave(w, cancel)
	return err
}

func (d *direction) waitAs(w *waiter, cancel *socket.Cancel) error {
	for {
		// First forget having been woken, then look for the reason: in the
		// other order one that comes in between would be lost.
		d.mu.Lock()
		w.woken = false
		d.mu.Unlock()
		if err := d.s.over(cancel); err != nil {
			return err
		}
		if !d.turn.take(w, d.s.closed) {
			continue
		}
		holds, err := d.parkAs(w)
		d.turn.end()
		if holds || err != nil {
			return err
		}
	}
}

// parkAs parks until the event holds, and reports that, or until w is woken, the
// direction kicked or the socket closed. It is called by whose turn it is. An error
// is that the runtime does not take the descriptor.
func (d *direction) parkAs(w *waiter) (bool, error) {
	if d.ready != nil {
		if err := d.ready(); err != nil && !errors.Is(err, os.ErrClosed) {
			return false, err
		}
	}
	d.mu.Lock()
	if w.woken {
		d.mu.Unlock()
		return false, nil
	}
	d.parked = w
	d.mu.Unlock()

	err := d.park(d.look)

	d.mu.Lock()
	d.unparkLocked()
	d.mu.Unlock()
	return err == nil, nil
}

// unparkLocked says that nobody is parked any more, and clears the way for the
// next one. It is called by whose turn it is.
func (d *direction) unparkLocked() {
	d.parked = nil
	if d.expired {
		d.expired = false
		_ = d.expire(time.Time{})
	}
}

// waitAny waits for several events at once, which takes a goroutine each: the
// poller lets one wait for one.
func (s *Socket) waitAny(mask socket.Events, cancel *socket.Cancel) error {
	if err := s.over(cancel); err != nil {
		return err
	}
	if s.Ready(mask) != 0 {
		if s.closing.Load() {
			return socket.ErrClosed
		}
		return nil
	}
	var all relay
	if !cancel.Attach(&all) {
		return socket.ErrCancelled
	}
	ends := make(chan error)
	waits := 0
	for event := socket.Readable; event <= socket.ErrorQueued; event <<= 1 {
		if mask&event == 0 {
			continue
		}
		waits++
		go func() {
			err := s.waitOne(event, &all.Cancel)
			all.Fire()
			ends <- err
		}()
	}
	err := error(socket.ErrCancelled)
	for range waits {
		if e := <-ends; err == socket.ErrCancelled {
			err = e // it ended because another did, or all by cancel
		}
	}
	cancel.Detach(&all)
	return err
}

// A relay is a Cancel that another fires.
type relay struct{ socket.Cancel }

func (r *relay) WakeCancelled() { r.Fire() }

// Ready returns those of the events in mask that hold now; on a closed socket
// all do, since nothing is worth waiting for.
func (s *Socket) Ready(mask socket.Events) socket.Events {
	if !s.fd.use() {
		return mask & allEvents
	}
	holds := s.ready(uintptr(s.fd.fd), mask)
	s.fd.release()
	return holds
}

// ready asks the kernel. An error makes a socket readable and writable: both
// TryRecv and TrySend would return it. sock_writeable asks for more room than
// sending does, so what is called writable can be sent on.
func (s *Socket) ready(fd uintptr, mask socket.Events) socket.Events {
	if s.kept.Load() != 0 && mask&socket.ErrorQueued == 0 {
		return mask & (socket.Readable | socket.Writable)
	}
	fds := [1]unix.PollFd{{Fd: int32(fd)}}
	if mask&socket.Readable != 0 {
		fds[0].Events |= unix.POLLIN
	}
	if mask&socket.Writable != 0 {
		fds[0].Events |= unix.POLLOUT
	}
	// A poll that waits for nothing is over before the scheduler would have
	// to know of it, hence RawSyscall.
	var none unix.Timespec
	for {
		_, _, errno := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds)), uintptr(len(fds)), uintptr(unsafe.Pointer(&none)), 0, 0, 0)
		if errno != unix.EINTR {
			break
		}
	}
	var holds socket.Events
	got := fds[0].Revents
	if got&unix.POLLERR != 0 && s.receiveErrors.Load() {
		got &^= unix.POLLERR
		pending, queued := s.erred(fd)
		if pending {
			got |= unix.POLLERR
		}
		if queued {
			holds |= socket.ErrorQueued
		}
	}
	if s.kept.Load() != 0 {
		got |= unix.POLLERR
	}
	if got&(unix.POLLIN|unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0 {
		holds |= socket.Readable
	}
	if got&(unix.POLLOUT|unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0 {
		holds |= socket.Writable
	}
	return holds & mask
}
