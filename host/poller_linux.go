package host

import (
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/socket"
)

// NewPoller returns a poller for the operating system's sockets. Waiting, it occupies
// an OS thread.
func (Network) NewPoller() (socket.Poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	p := &poller{epoll: os.NewFile(uintptr(epoll), "epoll"), epollFD: epoll}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		p.epoll.Close()
		return nil, err
	}
	// The files close the descriptors if the poller is forgotten. Neither is in the
	// runtime's poller, for whose wake-ups nobody would wait.
	p.bell, p.bellFD = os.NewFile(uintptr(bell), "eventfd"), bell
	ring := unix.EpollEvent{Events: unix.EPOLLIN, Fd: -1, Pad: -1}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, bell, &ring); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// A poller is an epoll instance and an eventfd, the bell, to wake it.
type poller struct {
	epoll, bell     *os.File
	epollFD, bellFD int
	closed          atomic.Bool
	rung            atomic.Bool
	noNanoseconds   bool // the kernel has no epoll_pwait2
	events          [256]unix.EpollEvent

	// Sockets with an error that was kept, which epoll knows nothing of.
	mu   sync.Mutex
	kept []*watched
}

// watched is what a poller knows of a socket.
type watched struct {
	poller *poller
	socket *Socket
	events socket.Events
	id     uint64
}

var _ socket.PollerNetwork = Network{}

// Watch adds the socket to the epoll instance, changes what it is looked at for, or
// takes it out.
func (p *poller) Watch(s socket.Socket, events socket.Events, id uint64) error {
	h, ok := s.(*Socket)
	if !ok {
		return &socket.NotSupportedError{What: "a poller of the operating system", Reason: "the socket is on another network"}
	}
	was := h.watched.Load()
	if was != nil && was.poller != p {
		return syscall.EBUSY
	}
	op := unix.EPOLL_CTL_MOD
	switch {
	case events == 0 && was == nil:
		return nil
	case events == 0:
		op = unix.EPOLL_CTL_DEL
	case was == nil:
		op = unix.EPOLL_CTL_ADD
	}
	e := unix.EpollEvent{Fd: int32(uint32(id)), Pad: int32(uint32(id >> 32))}
	if events&socket.Readable != 0 {
		e.Events |= unix.EPOLLIN
	}
	if events&socket.Writable != 0 {
		e.Events |= unix.EPOLLOUT
	}
	err := h.control(func(fd uintptr) syscall.Errno { return errnoOf(unix.EpollCtl(p.epollFD, op, int(fd), &e)) })
	if err != nil && op != unix.EPOLL_CTL_DEL {
		return err
	}
	if events == 0 {
		h.watched.Store(nil)
		p.mu.Lock()
		p.kept = slices.DeleteFunc(p.kept, func(w *watched) bool { return w.socket == h })
		p.mu.Unlock()
		return err
	}
	h.watched.Store(&watched{p, h, events, id})
	if h.kept.Load() != 0 {
		p.tellKept(h)
	}
	return nil
}

// tellKept makes the next Poll look at a socket, since an error was kept.
func (p *poller) tellKept(s *Socket) {
	p.mu.Lock()
	p.kept = append(p.kept, s.watched.Load())
	p.mu.Unlock()
	p.Wake()
}

// Wake rings the bell.
func (p *poller) Wake() {
	if !p.closed.Load() && !p.rung.Swap(true) {
		one := [8]byte{1}
		_, _ = unix.Write(p.bellFD, one[:])
	}
}

// Poll waits for what epoll waits for.
func (p *poller) Poll(ready []socket.Ready, d time.Duration) (int, error) {
	events := p.events[:min(len(p.events), len(ready))]
	if len(events) == 0 {
		return 0, syscall.EINVAL
	}
	n, errno := p.wait(events, d)
	switch errno {
	case 0:
	case unix.EINTR:
		return 0, nil
	default:
		return 0, errno
	}
	count := 0
	rung := false
	for i := range events[:n] {
		e := &events[i]
		if e.Fd == -1 && e.Pad == -1 {
			rung = true
			continue
		}
		ready[count] = socket.Ready{ID: uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32, Events: eventsOf(e.Events)}
		count++
	}
	if !rung {
		return count, nil
	}
	var b [8]byte
	_, _ = unix.Read(p.bellFD, b[:])
	p.rung.Store(false)
	// What has rung may be a kept error. Those for which there is no room wait for
	// the next time.
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.kept) > 0 && count < len(ready) {
		if w := p.kept[0]; w != nil && w.socket.kept.Load() != 0 {
			ready[count] = socket.Ready{ID: w.id, Events: w.events &^ socket.ErrorQueued}
			count++
		}
		p.kept = p.kept[1:]
	}
	if len(p.kept) > 0 {
		p.Wake()
	}
	return count, nil
}

// eventsOf says what an event may mean. An error is told by receiving, by sending and
// by reading the error queue alike, if at all.
func eventsOf(got uint32) (events socket.Events) {
	if got&(unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		return allEvents
	}
	if got&unix.EPOLLIN != 0 {
		events |= socket.Readable
	}
	if got&unix.EPOLLOUT != 0 {
		events |= socket.Writable
	}
	return events
}

// wait makes the system call.
func (p *poller) wait(events []unix.EpollEvent, d time.Duration) (int, syscall.Errno) {
	first, room := uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events))
	if d == 0 {
		// It is over before the scheduler would have to know of it.
		n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.epollFD), first, room, 0, 0, 0)
		return int(n), errno
	}
	if d > 0 && !p.noNanoseconds {
		t := unix.NsecToTimespec(int64(d))
		n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.epollFD), first, room, uintptr(unsafe.Pointer(&t)), 0, 0)
		if errno != unix.ENOSYS { // before Linux 5.11
			return int(n), errno
		}
		p.noNanoseconds = true
	}
	ms := -1
	if d > 0 {
		ms = int(min((d+time.Millisecond-1)/time.Millisecond, 1<<30))
	}
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.epollFD), first, room, uintptr(ms), 0, 0)
	return int(n), errno
}

// Close closes the epoll instance and the bell.
func (p *poller) Close() error {
	if p.closed.Swap(true) {
		return os.ErrClosed
	}
	err := p.epoll.Close()
	if p.bell != nil {
		err = errors.Join(err, p.bell.Close())
	}
	return err
}
