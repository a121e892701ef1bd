package main

import (
	"errors"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// bare is two sockets of the kernel's and the least that a loop must do for them: what no
// event loop that uses the same system calls can cost less than. An epoll instance watches
// both, and is asked before each burst is received.
type bare struct {
	a, b  int
	epoll int            // -1: nobody watches them, which no event loop could afford
	at    netip.AddrPort // b's
	batch bool

	name   unix.RawSockaddrInet4 // whom to send to
	out    [batchSize]bareMessage
	in     [batchSize]bareMessage
	outIOV [batchSize]unix.Iovec
	inIOV  [batchSize]unix.Iovec
	names  [batchSize]unix.RawSockaddrInet4
	ready  [2]unix.EpollEvent
	memory [batchSize][room]byte
}

// bareMessage is struct mmsghdr.
type bareMessage struct {
	unix.Msghdr
	n uint32
}

// openBare opens them: batch is sendmmsg, and loopless is without epoll and connected.
func openBare(batch, loopless bool) func() (contestant, error) {
	return func() (contestant, error) {
		p := &bare{a: -1, b: -1, epoll: -1, batch: batch}
		var err error
		local := unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
		for _, fd := range []*int{&p.a, &p.b} {
			var openErr error
			if *fd, openErr = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); openErr == nil {
				openErr = unix.Bind(*fd, &local)
			}
			err = errors.Join(err, openErr)
		}
		name, nameErr := unix.Getsockname(p.b)
		if err = errors.Join(err, nameErr, unix.SetsockoptInt(p.b, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)); err != nil {
			return nil, err
		}
		p.at = netip.AddrPortFrom(netip.AddrFrom4(local.Addr), uint16(name.(*unix.SockaddrInet4).Port))
		if loopless {
			err = unix.Connect(p.a, name)
		} else if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err == nil {
			for _, fd := range []int{p.a, p.b} {
				err = errors.Join(err, unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}))
			}
		}
		for i := range batchSize {
			p.out[i].Iov, p.in[i].Iov = &p.outIOV[i], &p.inIOV[i]
			p.out[i].SetIovlen(1)
			p.in[i].SetIovlen(1)
			p.in[i].Name = (*byte)(unsafe.Pointer(&p.names[i]))
			p.inIOV[i].Base = &p.memory[i][0]
			p.inIOV[i].SetLen(room)
			if !loopless {
				p.out[i].Name, p.out[i].Namelen = (*byte)(unsafe.Pointer(&p.name)), unix.SizeofSockaddrInet4
			}
		}
		return p, err
	}
}

func (p *bare) receiver() netip.AddrPort { return p.at }

func (p *bare) close() error {
	err := errors.Join(unix.Close(p.a), unix.Close(p.b))
	if p.epoll >= 0 {
		err = errors.Join(err, unix.Close(p.epoll))
	}
	return err
}

func (p *bare) carry(h half, n int, payloads *[batchSize][]byte, to netip.AddrPort) (int, error) {
	p.name = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: to.Addr().As4()}
	port := (*[2]byte)(unsafe.Pointer(&p.name.Port))
	port[0], port[1] = byte(to.Port()>>8), byte(to.Port())
	for i := range payloads {
		p.outIOV[i].Base = &payloads[i][0]
		p.outIOV[i].SetLen(len(payloads[i]))
	}
	done := 0
	for done < n {
		count := min(n-done, batchSize)
		if h != receives {
			if errno := p.send(count); errno != 0 {
				return done, errno
			}
		}
		if h != sends {
			got, errno := p.receive(count)
			if errno != 0 {
				return done, errno
			}
			for i := range got {
				b, want := p.memory[i][:p.in[i].n], payloads[i]
				if len(b) != len(want) || b[0] != want[0] || b[len(b)-1] != want[len(want)-1] {
					return done, errNotDelivered
				}
			}
			count = got
		}
		done += count
	}
	return done, nil
}

// send sends the first count of the payloads.
func (p *bare) send(count int) syscall.Errno {
	if p.batch {
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDMMSG, uintptr(p.a), uintptr(unsafe.Pointer(&p.out)), uintptr(count), unix.MSG_DONTWAIT, 0, 0)
		if errno == 0 && int(n) != count {
			errno = unix.EAGAIN
		}
		return errno
	}
	for i := range count {
		iov := &p.outIOV[i]
		_, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(p.a), uintptr(unsafe.Pointer(iov.Base)), uintptr(iov.Len), unix.MSG_DONTWAIT,
			uintptr(unsafe.Pointer(&p.name)), unix.SizeofSockaddrInet4)
		if errno != 0 {
			return errno
		}
	}
	return 0
}

// receive receives up to count datagrams.
func (p *bare) receive(count int) (int, syscall.Errno) {
	if p.epoll >= 0 {
		n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.epoll), uintptr(unsafe.Pointer(&p.ready)), uintptr(len(p.ready)), 0, 0, 0)
		if errno != 0 || n == 0 {
			return 0, max(errno, unix.EAGAIN)
		}
	}
	for i := range p.in[:count] {
		p.in[i].Namelen = unix.SizeofSockaddrInet4
	}
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVMMSG, uintptr(p.b), uintptr(unsafe.Pointer(&p.in)), uintptr(count), unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}
