package host

import (
	"encoding/binary"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/socket"
)

// TryRecvError takes the first entry off the error queue.
//
// The kernel has the pending error follow: the entry of ICMP that is next
// becomes it, and with the last one it is gone (sock_dequeue_err_skb). What was
// taken over from the kernel, by pendingError, follows too.
func (s *Socket) TryRecvError(m *socket.ErrorMessage) error {
	op := errorOps.Get().(*errorOp)
	op.s, op.m = s, m
	op.errno = 0
	open := s.fd.use()
	if open {
		op.run(uintptr(s.fd.fd))
		s.fd.release()
	}
	errno := op.errno
	op.s, op.m, op.iovs[0].Base = nil, nil, nil
	errorOps.Put(op)
	switch {
	case !open:
		return socket.ErrClosed
	case errno != 0:
		return errno
	}
	return nil
}

// An errorOp is a call of TryRecvError, and what the system call points to.
type errorOp struct {
	s     *Socket
	m     *socket.ErrorMessage
	errno syscall.Errno

	hdr     unix.Msghdr
	iovs    [2]unix.Iovec // the message's Buf, and rest
	rest    [2048]byte    // counts what does not fit: the kernel does not say
	name    sockaddr
	control control
	fields  socket.Message // what the message reports
}

var errorOps = sync.Pool{New: func() any {
	op := new(errorOp)
	op.hdr.Iov = &op.iovs[0]
	op.hdr.SetIovlen(len(op.iovs))
	op.iovs[1].Base = &op.rest[0]
	op.iovs[1].SetLen(len(op.rest))
	op.hdr.Name = &op.name[0]
	op.hdr.Control = &op.control.b[0]
	return op
}}

func (op *errorOp) run(fd uintptr) {
	buf := op.m.Buf[:cap(op.m.Buf)]
	op.iovs[0].Base = unsafe.SliceData(buf)
	op.iovs[0].SetLen(len(buf))
	for {
		op.name = sockaddr{} // without an address in the entry the kernel writes none
		op.hdr.Namelen = uint32(len(op.name))
		op.hdr.SetControllen(len(op.control.b))
		var n uintptr
		n, _, op.errno = unix.Syscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&op.hdr)), unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		switch op.errno {
		case 0:
			op.read(fd, buf[:min(int(n), len(buf))], int(n))
			return
		case unix.EINTR:
		default:
			return
		}
	}
}

// read makes the message of what the kernel wrote.
func (op *errorOp) read(fd uintptr, payload []byte, n int) {
	s, m := op.s, op.m
	*m = socket.ErrorMessage{Buf: payload, Len: n, Addr: op.name.get(fd)}
	fields := socket.Fields(s.reported.Load()) &^ (socket.FieldSegmentSize | socket.FieldDrops)
	op.fields = socket.Message{}
	b := op.control.b[:op.hdr.Controllen]
	for len(b) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		n := int(h.Len)
		if n < unix.CmsgLen(0) || n > len(b) {
			break
		}
		data := b[unix.CmsgLen(0):n]
		if h.Level == unix.SOL_IP && h.Type == unix.IP_RECVERR || h.Level == unix.SOL_IPV6 && h.Type == unix.IPV6_RECVERR {
			readExtended(fd, m, data)
		} else {
			s.readCmsg(fd, &op.fields, fields, h.Level, h.Type, data, true)
		}
		b = b[min(unix.CmsgSpace(n-unix.CmsgLen(0)), len(b)):]
	}
	f := &op.fields
	m.Set, m.Local, m.Interface, m.TTL, m.TOS, m.Time = f.Set, f.Local, f.Interface, f.TTL, f.TOS, f.Time
	if m.Origin == socket.OriginICMP || m.Origin == socket.OriginICMPv6 {
		s.kept.Store(0)
	}
}

// readExtended reads struct sock_extended_err and the offender's address behind it.
func readExtended(fd uintptr, m *socket.ErrorMessage, data []byte) {
	const size = 16
	if len(data) < size {
		return
	}
	m.Errno = syscall.Errno(binary.NativeEndian.Uint32(data))
	m.Origin, m.Type, m.Code = socket.ErrorOrigin(data[4]), data[5], data[6]
	m.Info = binary.NativeEndian.Uint32(data[8:])
	var offender sockaddr
	if copy(offender[:], data[size:]) >= unix.SizeofSockaddrInet4 {
		m.Offender = offender.get(fd).Addr()
	}
}

// pendingError takes the pending error over from the kernel, which tells of it
// only by giving it up, and reports whether there was one. poll(2) does not tell
// it from an entry of the error queue.
func (s *Socket) pendingError(fd uintptr) bool {
	e, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil || e == 0 {
		return false
	}
	s.kept.Store(uint32(e))
	return true
}

// erred says what POLLERR means on a socket with ReceiveErrors.
func (s *Socket) erred(fd uintptr) (pending, queued bool) {
	if pending = s.pendingError(fd); !pending {
		return false, true
	}
	fds := [1]unix.PollFd{{Fd: int32(fd)}}
	_, _ = unix.Poll(fds[:], 0)
	return true, fds[0].Revents&unix.POLLERR != 0
}

// An errorWait is what waiting for the error queue takes: an epoll instance that
// watches the socket for errors only, since the runtime's poller would wake for
// datagrams too. It is made when somebody first waits.
type errorWait struct {
	mu   sync.Mutex
	file *os.File // nil: not made yet
	direction
}

// waitError waits for an entry in the error queue.
func (s *Socket) waitError(cancel *socket.Cancel) error {
	if err := s.over(cancel); err != nil {
		return err
	}
	d, err := s.errorDirection()
	if err != nil {
		return err
	}
	if err := d.wait(cancel); err != nil {
		return err
	}
	if s.closing.Load() {
		return socket.ErrClosed
	}
	return nil
}

// errorDirection returns the direction in which errors come.
func (s *Socket) errorDirection() (*direction, error) {
	e := &s.errors
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case s.closing.Load():
		return nil, socket.ErrClosed
	case e.file != nil:
		return &e.direction, nil
	}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, errnoOf(err)
	}
	err = s.control(func(sock uintptr) syscall.Errno {
		// No events: EPOLLERR and EPOLLHUP are told of without being asked for.
		return errnoOf(unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, int(sock), &unix.EpollEvent{}))
	})
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "udp errors")
	raw, err := file.SyscallConn()
	if err == nil {
		err = file.SetDeadline(time.Time{}) // see newSocket
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	e.init(s, socket.ErrorQueued, nil, raw.Read, file.SetReadDeadline)
	e.look = func(uintptr) bool { return s.Ready(socket.ErrorQueued) != 0 }
	e.file = file
	return &e.direction, nil
}

// close wakes who waits for errors. The socket is closing.
func (e *errorWait) close() {
	e.mu.Lock()
	file := e.file
	e.mu.Unlock()
	if file != nil {
		file.Close()
	}
}

// fitsPath reports whether a message to the peer fits the path MTU, so that
// EMSGSIZE must have been a pending error.
func fitsPath(fd uintptr, m *socket.Message, v4 bool) bool {
	if m.Addr != (netip.AddrPort{}) || m.Set&socket.FieldInterface != 0 {
		return false
	}
	const udp, ip4, ip6 = 8, 20, 40
	level, name, headers := unix.SOL_IP, unix.IP_MTU, udp+ip4
	if !v4 {
		level, name, headers = unix.SOL_IPV6, unix.IPV6_MTU, udp+ip6
	}
	n := len(m.Buf)
	if m.Set&socket.FieldSegmentSize != 0 && m.SegmentSize != 0 {
		n = min(n, int(m.SegmentSize))
	}
	mtu, err := unix.GetsockoptInt(int(fd), level, name)
	return err == nil && headers+n <= mtu
}
