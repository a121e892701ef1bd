package host

import (
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
	op.begin(s, ms, flags)
	open := s.fd.use()
	if open {
		op.run(uintptr(s.fd.fd))
		s.fd.release()
	}
	n, errno := op.end()
	if !open {
		return 0, socket.ErrClosed
	}
	return s.recvResult(n, errno)
}

// recvResult is the result of a call that did n messages and was then ended by
// errno, if that is not 0.
func (s *Socket) recvResult(n int, errno syscall.Errno) (int, error) {
	switch {
	case errno == 0:
		return n, nil
	case n == 0:
		return 0, errno
	case errno != unix.EAGAIN:
		s.keep(errno)
	}
	return n, nil
}

// A recvOp is a call of TryRecv or TryPeek, or a try of Receive.
type recvOp struct {
	s     *Socket
	ms    []socket.Message
	flags int

	n     int           // messages done
	errno syscall.Errno // what ended it, unless all are done

	from sender // of receiveOne, which is spared the headers
	headers
}

// A sender is room for what the kernel says of who sent a datagram.
type sender struct {
	name sockaddr
	len  uint32
}

var recvOps = sync.Pool{New: func() any {
	op := new(recvOp)
	op.init()
	for i := range op.msgs {
		op.msgs[i].hdr.Name = &op.names[i][0]
	}
	return op
}}

func (op *recvOp) begin(s *Socket, ms []socket.Message, flags int) {
	op.s, op.ms, op.flags = s, ms, flags
	op.n, op.errno = 0, 0
}

// end gives the op back to the pool and returns what it did.
func (op *recvOp) end() (n int, errno syscall.Errno) {
	n, errno = op.n, op.errno
	op.release(len(op.ms))
	op.s, op.ms = nil, nil
	recvOps.Put(op)
	return n, errno
}

func (op *recvOp) run(fd uintptr) {
	s := op.s
	if len(op.ms) == 0 {
		return
	}
	if op.errno = s.takeKept(fd); op.errno != 0 {
		return
	}
	for op.n < len(op.ms) {
		want := min(len(op.ms)-op.n, batch)
		fields := socket.Fields(s.reported.Load())
		got := want
		var errno syscall.Errno
		if want == 1 && fields == 0 {
			errno = s.receiveOne(fd, &op.ms[op.n], op.flags, &op.from)
		} else {
			got, errno = op.receive(fd, op.ms[op.n:op.n+want], fields)
		}
		if errno != 0 {
			op.errno = errno
			return
		}
		op.n += got
		if got < want {
			return
		}
	}
}

// receiveOne makes the system call for the usual case, one datagram and no
// fields: it saves the kernel copying the header, and us making it. About RawSyscall
// see sendTo.
func (s *Socket) receiveOne(fd uintptr, m *socket.Message, flags int, from *sender) syscall.Errno {
	buf := m.Buf[:cap(m.Buf)]
	for {
		from.len = uint32(len(from.name))
		r, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)),
			uintptr(flags|unix.MSG_DONTWAIT|unix.MSG_TRUNC), uintptr(unsafe.Pointer(&from.name)), uintptr(unsafe.Pointer(&from.len)))
		if errno == 0 {
			n := int(r)
			*m = socket.Message{Buf: buf[:min(n, len(buf))], Len: n, Addr: from.name.get(fd)}
			if flags&unix.MSG_PEEK == 0 {
				s.received.add(1, n)
			}
			return 0
		}
		if errno != unix.EINTR {
			return errno
		}
	}
}

// receive makes one system call.
func (op *recvOp) receive(fd uintptr, ms []socket.Message, fields socket.Fields) (int, syscall.Errno) {
	s := op.s
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
		if len(ms) > 1 {
			r, _, errno = syscall.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&op.msgs)), uintptr(len(ms)), flags, 0, 0)
		} else {
			r, _, errno = unix.Syscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&op.msgs[0].hdr)), flags)
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
