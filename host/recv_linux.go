package host

import (
	"net"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/socket"
)

// TryRecv takes up to len(ms) datagrams from the receive queue.
func (s *Socket) TryRecv(ms []socket.Message) (int, error) {
	return s.recv(ms, 0)
}

// TryPeek fills m with the first datagram of the receive queue and leaves it
// there. Its Drops are those that TryRecv will report again.
func (s *Socket) TryPeek(m *socket.Message) error {
	_, err := s.recv(unsafe.Slice(m, 1), unix.MSG_PEEK)
	return err
}

func (s *Socket) recv(ms []socket.Message, flags int) (int, error) {
	op := recvOps.Get().(*recvOp)
	op.s, op.ms, op.flags = s, ms, flags
	op.n, op.errno = 0, 0
	closed := s.raw.Control(op.call) != nil
	n, errno := op.n, op.errno
	op.release(len(ms))
	op.s, op.ms = nil, nil
	recvOps.Put(op)

	switch {
	case closed:
		return 0, net.ErrClosed
	case errno == 0:
		return n, nil
	case n == 0:
		return 0, errno
	case errno != unix.EAGAIN:
		s.keep(errno)
	}
	return n, nil
}

// A recvOp is a call of TryRecv or TryPeek.
type recvOp struct {
	headers
	s     *Socket
	ms    []socket.Message
	flags int
	call  func(fd uintptr) // run, made once

	n     int           // messages done
	errno syscall.Errno // what ended it, unless all are done
}

var recvOps = sync.Pool{New: func() any {
	op := new(recvOp)
	op.init()
	for i := range op.msgs {
		op.msgs[i].hdr.Name = &op.names[i][0]
	}
	op.call = op.run
	return op
}}

func (op *recvOp) run(fd uintptr) {
	s := op.s
	if len(op.ms) == 0 {
		return
	}
	if op.errno = s.takeKept(); op.errno != 0 {
		return
	}
	for op.n < len(op.ms) {
		want := min(len(op.ms)-op.n, batch)
		got, errno := op.receive(fd, op.ms[op.n:op.n+want])
		if errno != 0 {
			if s.receiveErrors.Load() {
				errno = s.settle(fd, errno)
			}
			op.errno = errno
			return
		}
		op.n += got
		if got < want {
			return
		}
	}
}

// receive makes one system call.
func (op *recvOp) receive(fd uintptr, ms []socket.Message) (int, syscall.Errno) {
	s := op.s
	fields := socket.Fields(s.reported.Load())
	for i := range ms {
		hdr := &op.msgs[i].hdr
		hdr.Namelen = uint32(len(op.names[i]))
		hdr.Control = nil
		hdr.SetControllen(0)
		if fields != 0 {
			hdr.Control = &op.controls[i].b[0]
			hdr.SetControllen(maxControl)
		}
		op.point(i, ms[i].Buf[:cap(ms[i].Buf)])
	}

	// MSG_TRUNC makes a datagram's length its true one.
	flags := uintptr(unix.MSG_DONTWAIT | unix.MSG_TRUNC | op.flags)
	var r uintptr
	var errno syscall.Errno
	for {
		switch {
		case len(ms) > 1:
			r, _, errno = unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&op.msgs)), uintptr(len(ms)), flags, 0, 0)
		case fields != 0:
			r, _, errno = unix.Syscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&op.msgs[0].hdr)), flags)
		default: // saves the kernel copying the header
			iov := &op.iovs[0]
			r, _, errno = unix.Syscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(iov.Base)), uintptr(iov.Len), flags,
				uintptr(unsafe.Pointer(&op.names[0])), uintptr(unsafe.Pointer(&op.msgs[0].hdr.Namelen)))
		}
		if errno == 0 {
			break
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
	got := int(r)
	if len(ms) == 1 {
		got = 1
		op.msgs[0].len = uint32(r)
	}

	count, bytes := 0, 0
	for i := range ms[:got] {
		m := &ms[i]
		n := int(op.msgs[i].len)
		*m = socket.Message{
			Buf:  m.Buf[:min(n, cap(m.Buf))],
			Len:  n,
			Addr: op.names[i].get(fd),
		}
		if fields != 0 {
			control := op.controls[i].b[:op.msgs[i].hdr.Controllen]
			s.readControl(fd, m, fields, control, op.flags&unix.MSG_PEEK != 0)
		}
		count += datagrams(n, m.Set, m.SegmentSize)
		bytes += n
	}
	if op.flags&unix.MSG_PEEK == 0 {
		s.received.add(count, bytes)
	}
	return got, 0
}
