package host

import (
	"net/netip"
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/socket"
)

// sending is one datagram without fields on its way through TrySend, the usual
// case. It is part of the Socket: a sendOp, with room for many and out of a pool,
// costs more than it does for one. Who finds it busy takes a sendOp.
//
// While it is busy the descriptor is open: Close waits for it, and keeps it.
type sending struct {
	busy atomic.Bool
	name sockaddr
}

// end waits until nobody is sending and makes everybody take a sendOp. The socket is
// closing, so nobody else begins.
func (o *sending) end() {
	for !o.busy.CompareAndSwap(false, true) {
		runtime.Gosched() // it is in a system call that does not wait
	}
}

// sendPlain is TrySend for whom sending belongs to.
func (s *Socket) sendPlain(m *socket.Message) (int, error) {
	o := &s.sending
	errno := syscall.Errno(0)
	if s.kept.Load() != 0 {
		errno = s.takeKept(uintptr(s.fd.fd))
	}
	if errno == 0 {
		errno = o.sendTo(uintptr(s.fd.fd), m)
	}
	if errno != 0 {
		o.busy.Store(false)
		return 0, errno
	}
	s.sent.add(1, len(m.Buf))
	o.busy.Store(false)
	return 1, nil
}

// sendTo makes the system call. As it does not wait it is over in microseconds, and the
// scheduler need not know of it, hence RawSyscall: else a processor that is taken from
// the thread meanwhile, by whoever else uses the machine, is handed to another, and the
// goroutine moves. It costs a tenth of a datagram on an idle machine.
func (o *sending) sendTo(fd uintptr, m *socket.Message) syscall.Errno {
	var name *sockaddr
	var n uint32
	if m.Addr != (netip.AddrPort{}) {
		var errno syscall.Errno
		name = &o.name
		if n, errno = name.put(fd, m.Addr); errno != 0 {
			return errno
		}
	}
	for {
		_, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(m.Buf))), uintptr(len(m.Buf)), unix.MSG_DONTWAIT,
			uintptr(unsafe.Pointer(name)), uintptr(n))
		if errno != unix.EINTR {
			return errno
		}
	}
}
