package host

import (
	"net/netip"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/socket"
)

// TrySend sends up to len(ms) datagrams. A message that asks for what it cannot
// have (a field that is not one of SendFields, a source address of another
// family than the destination) is EINVAL.
func (s *Socket) TrySend(ms []socket.Message) (int, error) {
	if len(ms) == 1 && ms[0].Set == 0 && !s.closing.Load() && s.sending.busy.CompareAndSwap(false, true) {
		return s.sendPlain(&ms[0])
	}
	op := sendOps.Get().(*sendOp)
	op.s, op.ms = s, ms
	op.n, op.errno = 0, 0
	open := s.fd.use()
	if open {
		op.run(uintptr(s.fd.fd))
		s.fd.release()
	}
	n, errno := op.n, op.errno
	op.release(len(ms))
	op.s, op.ms = nil, nil
	sendOps.Put(op)

	switch {
	case !open:
		return 0, socket.ErrClosed
	case n == 0 && errno != 0:
		return 0, errno
	}
	return n, nil
}

// A sendOp is a call of TrySend.
type sendOp struct {
	headers
	s  *Socket
	ms []socket.Message

	n     int           // messages done
	errno syscall.Errno // what ended it, unless all are done
}

var sendOps = sync.Pool{New: func() any {
	op := new(sendOp)
	op.init()
	return op
}}

func (op *sendOp) run(fd uintptr) {
	s := op.s
	if len(op.ms) == 0 {
		return
	}
	if op.errno = s.takeKept(fd); op.errno != 0 {
		return
	}
	single := s.receiveErrors.Load() || s.connected.Load()
	count, bytes := 0, 0
	for op.n < len(op.ms) && op.errno == 0 {
		want := min(len(op.ms)-op.n, batch)
		if single {
			want = 1
		}
		ms := op.ms[op.n : op.n+want]
		var sent int
		sent, op.errno = op.send(fd, ms)
		for i := range ms[:sent] {
			count += datagrams(len(ms[i].Buf), ms[i].Set, ms[i].SegmentSize)
			bytes += len(ms[i].Buf)
		}
		op.n += sent
		if sent < want {
			break
		}
	}
	s.sent.add(count, bytes)

	if op.errno != 0 && op.n > 0 && single && s.wasPending(fd, op.errno, &op.ms[op.n]) {
		s.keep(op.errno)
	}
}

// wasPending reports whether an errno that sending m gave is one that the kernel
// had pending and so will not give again: what an ICMP message said
// (icmp_err_convert, icmpv6_err_convert). That there is no way to go is also what
// sending itself may find, but hardly to the peer it is connected to.
func (s *Socket) wasPending(fd uintptr, errno syscall.Errno, m *socket.Message) bool {
	switch errno {
	case unix.EMSGSIZE:
		return fitsPath(fd, m, s.family == socket.IPv4 || s.peer4.Load())
	case unix.ECONNREFUSED, unix.EHOSTDOWN, unix.ENONET, unix.ENOPROTOOPT, unix.EPROTO:
		return true
	case unix.ENETUNREACH, unix.EHOSTUNREACH:
		return m.Addr == netip.AddrPort{} && m.Set == 0
	}
	return false
}

// send makes one system call for as many of ms as can be understood.
func (op *sendOp) send(fd uintptr, ms []socket.Message) (int, syscall.Errno) {
	for i := range ms {
		if errno := op.prepare(fd, i, &ms[i]); errno != 0 {
			if i == 0 {
				return 0, errno
			}
			ms = ms[:i]
			break
		}
	}
	for {
		var r uintptr
		var errno syscall.Errno
		hdr := &op.msgs[0].hdr
		switch {
		case len(ms) > 1:
			r, _, errno = unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&op.msgs)), uintptr(len(ms)), unix.MSG_DONTWAIT, 0, 0)
		case hdr.Control != nil:
			_, _, errno = unix.Syscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(hdr)), unix.MSG_DONTWAIT)
			r = 1
		default: // saves the kernel copying the header
			iov := &op.iovs[0]
			_, _, errno = unix.Syscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(iov.Base)), uintptr(iov.Len), unix.MSG_DONTWAIT,
				uintptr(unsafe.Pointer(hdr.Name)), uintptr(hdr.Namelen))
			r = 1
		}
		if errno == 0 {
			return int(r), 0
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// prepare makes header i that of m.
func (op *sendOp) prepare(fd uintptr, i int, m *socket.Message) syscall.Errno {
	hdr := &op.msgs[i].hdr
	hdr.Name, hdr.Namelen = nil, 0
	v4 := op.s.family == socket.IPv4
	if m.Addr == (netip.AddrPort{}) {
		v4 = v4 || op.s.peer4.Load()
	} else {
		n, errno := op.names[i].put(fd, m.Addr)
		if errno != 0 {
			return errno
		}
		hdr.Name, hdr.Namelen = &op.names[i][0], n
		v4 = v4 || m.Addr.Addr().Is4() || m.Addr.Addr().Is4In6()
	}
	op.point(i, m.Buf)

	hdr.Control = nil
	hdr.SetControllen(0)
	if m.Set&socket.FieldLocal != 0 && op.s.transparent.Load() {
		// Elsewhere a transparent socket sends from any port.
		if p := m.Local.Port(); p != 0 && p != op.s.localPort(fd) {
			return syscall.EINVAL
		}
	}
	if m.Set != 0 {
		control, errno := appendControl(op.controls[i].b[:0], fd, m, v4)
		if errno != 0 {
			return errno
		}
		if len(control) > 0 {
			hdr.Control = &op.controls[i].b[0]
			hdr.SetControllen(len(control))
		}
	}
	return 0
}
