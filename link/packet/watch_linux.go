package packet

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/link"
)

// transient says which errors of reading pass: that a packet cannot be told of by a
// virtio-net header (EINVAL: it was a train of a protocol that has none), and that
// the interface is down, unless it is gone.
func (l *Link) transient(err error) bool {
	if err == unix.EINVAL {
		return true
	}
	if err != unix.ENETDOWN || l.state() == gone {
		return false
	}
	if !l.watching.Swap(true) {
		l.watchers.Add(1)
		go l.watch()
	}
	return true
}

// watchInterval is how often an interface that is down is looked at.
const watchInterval = 100 * time.Millisecond

// watch waits until an interface that went down is up again, or gone: the socket is
// told of the first of these events and not, once it is down, that it is gone.
func (l *Link) watch() {
	defer l.watchers.Done()
	ticks := time.NewTicker(watchInterval)
	defer ticks.Stop()
	for {
		select {
		case <-l.Done():
			return
		case <-ticks.C:
		}
		switch l.state() {
		case up:
			// Whoever hears that it went down once more, from now on,
			// starts another watch.
			l.watching.Store(false)
			if l.state() == up || l.watching.Swap(true) {
				return
			}
		case gone:
			l.Fail(link.ErrDown)
			return
		}
	}
}

// What has become of an interface.
type state uint8

const (
	gone state = iota
	down
	up
)

// state asks by the socket, which is in the interface's namespace.
func (l *Link) state() (s state) {
	l.Control(0, func(fd uintptr) {
		name, err := unix.Getsockname(int(fd))
		at, ok := name.(*unix.SockaddrLinklayer)
		if err != nil || !ok || at.Ifindex <= 0 {
			return
		}
		s = down
		req, err := unix.NewIfreq("")
		if err != nil {
			return
		}
		req.SetUint32(uint32(at.Ifindex))
		if unix.IoctlIfreq(int(fd), unix.SIOCGIFNAME, req) != nil {
			s = gone
			return
		}
		if unix.IoctlIfreq(int(fd), unix.SIOCGIFFLAGS, req) == nil && req.Uint16()&unix.IFF_UP != 0 {
			s = up
		}
	})
	return s
}

// Close detaches the sink, gives back what the interface was told to receive, and
// closes the sockets. A second Close returns net.ErrClosed.
func (l *Link) Close() error {
	err := l.Link.Close()
	l.watchers.Wait()
	return err
}
