package host

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A descriptor is a socket's file descriptor, which stays open as long as somebody uses
// it.
//
// The runtime's poller hears of it when somebody first parks. For it as for every epoll
// instance that watches a socket the kernel has something to do with each datagram that
// comes, and with each that has gone: of a socket that a [poller] watches, or that is
// only ever asked, the runtime need not know.
type descriptor struct {
	fd    int
	users atomic.Int64  // how many use it, and noMore
	gone  chan struct{} // capacity 1: the last user has gone, after close

	mu      sync.Mutex
	file    *os.File                        // nil: nobody has parked so far
	raw     atomic.Pointer[syscall.RawConn] // file's
	cleanup runtime.Cleanup                 // closes fd if the socket is forgotten; file does so by itself
}

// noMore is added to users by close.
const noMore = 1 << 32

// init makes the descriptor s's.
func (d *descriptor) init(s *Socket, fd int) {
	d.fd = fd
	d.gone = make(chan struct{}, 1)
	d.cleanup = runtime.AddCleanup(s, func(fd int) { _ = unix.Close(fd) }, fd)
}

// use keeps the descriptor open until release, unless it is closed.
func (d *descriptor) use() bool {
	if d.users.Add(1) >= noMore {
		d.release()
		return false
	}
	return true
}

func (d *descriptor) release() {
	if d.users.Add(-1) == noMore {
		select {
		case d.gone <- struct{}{}:
		default: // another came too late, after the last
		}
	}
}

// parkable returns the descriptor as the runtime's poller knows it.
func (d *descriptor) parkable() (syscall.RawConn, error) {
	if raw := d.raw.Load(); raw != nil {
		return *raw, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if raw := d.raw.Load(); raw != nil {
		return *raw, nil
	}
	if d.users.Load() >= noMore {
		return nil, os.ErrClosed
	}
	if d.file == nil {
		d.cleanup.Stop() // from here on it is the file's
		d.file = os.NewFile(uintptr(d.fd), "udp")
	}
	raw, err := d.file.SyscallConn()
	if err == nil {
		// os.NewFile does not say so if the poller did not take the
		// descriptor, and no wait could then be cancelled; this does.
		err = d.file.SetDeadline(time.Time{})
	}
	if err != nil {
		return nil, err
	}
	d.raw.Store(&raw)
	return raw, nil
}

// ready makes the descriptor ready for somebody to park.
func (d *descriptor) ready() error {
	_, err := d.parkable()
	return err
}

// read parks until f reports true for it is called whenever there may be something to
// read; write is the same for writing.
func (d *descriptor) read(f func(fd uintptr) bool) error {
	raw, err := d.parkable()
	if err != nil {
		return err
	}
	return raw.Read(f)
}

func (d *descriptor) write(f func(fd uintptr) bool) error {
	raw, err := d.parkable()
	if err != nil {
		return err
	}
	return raw.Write(f)
}

// expireRead wakes who is parked in read, or lets others park again; expireWrite is the
// same for write. Who is parked, or about to be, has made the descriptor ready.
func (d *descriptor) expireRead(t time.Time) error  { return d.file.SetReadDeadline(t) }
func (d *descriptor) expireWrite(t time.Time) error { return d.file.SetWriteDeadline(t) }

// close waits until nobody uses the descriptor, wakes who is parked, and closes it.
func (d *descriptor) close() error {
	if d.users.Add(noMore) != noMore {
		<-d.gone
	}
	d.mu.Lock()
	file := d.file
	d.mu.Unlock()
	if file != nil {
		return file.Close()
	}
	d.cleanup.Stop()
	return unix.Close(d.fd)
}
