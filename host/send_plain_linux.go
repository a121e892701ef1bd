package host

import (
	"net/netip"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/socket"
)

// sending is one datagram without fields on its way through TrySend, the usual
// case. It is part of the Socket: a sendOp, with room for many and out of a pool,
// costs more than it does for one. Who finds it busy takes a sendOp.
type sending struct {
	busy atomic.Bool
	call func(fd uintptr) // sendOne, made once

	m     *socket.Message
	name  sockaddr
	errno syscall.Errno
}

// sendPlain is TrySend for whom sending belongs to.
func (s *Socket) sendPlain(m *socket.Message) (int, error) {
	o := &s.sending
	o.m = m
	closed := s.raw.Control(o.call) != nil
	errno := o.errno
	o.m = nil
	o.busy.Store(false)
	switch {
	case closed:
		return 0, socket.ErrClosed
	case errno != 0:
		return 0, errno
	}
	return 1, nil
}

func (s *Socket) sendOne(fd uintptr) {
	o := &s.sending
	if o.errno = s.takeKept(fd); o.errno != 0 {
		return
	}
	if o.errno = o.sendTo(fd); o.errno == 0 {
		s.sent.add(1, len(o.m.Buf))
	}
}

// sendTo makes the system call. As it does not wait it is over in microseconds, and the
// scheduler need not know of it, hence RawSyscall: else a processor that is taken from
// the thread meanwhile, by whoever else uses the machine, is handed to another, and the
// goroutine moves. It costs a tenth of a datagram on an idle machine.
func (o *sending) sendTo(fd uintptr) syscall.Errno {
	var name *sockaddr
	var n uint32
	if o.m.Addr != (netip.AddrPort{}) {
		var errno syscall.Errno
		name = &o.name
		if n, errno = name.put(fd, o.m.Addr); errno != 0 {
			return errno
		}
	}
	for {
		_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(o.m.Buf))), uintptr(len(o.m.Buf)), unix.MSG_DONTWAIT,
			uintptr(unsafe.Pointer(name)), uintptr(n))
		if errno != unix.EINTR {
			return errno
		}
	}
}
