package host

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/socket"
)

// Socket is a UDP socket of the operating system. It implements [socket.Socket]
// and gives access to its descriptor.
type Socket struct {
	family socket.Family
	fd     descriptor

	closing atomic.Bool
	closed  chan struct{}       // is closed once closing is true
	last    atomic.Pointer[end] // what can still be asked after Close

	// kept is an error that the kernel gave up although nobody was told of
	// it; the next call reports it, as it would have been.
	kept atomic.Uint32

	reported      atomic.Uint32 // the option Report
	receiveErrors atomic.Bool   // the option ReceiveErrors
	transparent   atomic.Bool   // the option Transparent
	groupsOut     atomic.Int32  // the option MulticastInterface
	connected     atomic.Bool   // it was connected once: it may have a pending error
	peer4         atomic.Bool   // it is connected to an IPv4 peer
	readShut      atomic.Bool   // it was shut down for reading
	port          atomic.Uint32 // its own port; 0: not asked for yet

	notes   notifications
	watched atomic.Pointer[watched] // by a poller; nil: by none

	groups struct {
		sync.Mutex
		list []joined // in the order of joining
	}

	// What receiving changes, and what sending does, are apart: counters are
	// padded.
	read      direction
	receiving receiving // belongs to who has read's turn
	received  counters
	dropped   atomic.Uint32 // the drop count of the last datagram read (SO_RXQ_OVFL)

	write   direction
	sending sending // belongs to who made it busy
	sent    counters

	errors errorWait
}

// end is a socket's state as Close found it.
type end struct {
	local netip.AddrPort
	drops uint64
}

var (
	_ socket.Socket   = (*Socket)(nil)
	_ socket.Receiver = (*Socket)(nil)
	_ socket.Network  = Network{}
	_ socket.Resolver = Network{}
)

func open(family socket.Family) (*Socket, error) {
	domain := unix.AF_INET
	switch family {
	case socket.IPv4:
	case socket.IPv6:
		domain = unix.AF_INET6
	default:
		return nil, syscall.EAFNOSUPPORT
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return nil, err
	}
	// The network says whether an IPv6 socket carries IPv4, and not
	// net.ipv6.bindv6only.
	if family == socket.IPv6 {
		if err := unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_V6ONLY, 0); err != nil {
			unix.Close(fd)
			return nil, err
		}
	}
	return newSocket(fd, family), nil
}

// FromFD makes a Socket of a descriptor of a UDP socket, which it takes over: the
// number is the caller's no longer, and the Socket has another. The socket
// becomes non-blocking for everybody who shares it. On error the descriptor is
// left as it was. ENOTSOCK, EPROTOTYPE, EAFNOSUPPORT: it is no socket, no UDP
// socket, or neither of IPv4 nor of IPv6.
func FromFD(fd int) (*Socket, error) {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return nil, err
	}
	var family socket.Family
	switch domain {
	case unix.AF_INET:
		family = socket.IPv4
	case unix.AF_INET6:
		family = socket.IPv6
	default:
		return nil, syscall.EAFNOSUPPORT
	}
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return nil, err
	}
	protocol, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if err != nil {
		return nil, err
	}
	if kind != unix.SOCK_DGRAM || protocol != unix.IPPROTO_UDP {
		return nil, syscall.EPROTOTYPE
	}

	// What can fail is done to a duplicate: an *os.File cannot be taken back
	// from its descriptor.
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(dup, true); err != nil {
		unix.Close(dup)
		return nil, err
	}
	s := newSocket(dup, family)
	s.adopt(uintptr(dup))
	unix.Close(fd)
	return s, nil
}

// adopt learns what has been done with the descriptor so far.
func (s *Socket) adopt(fd uintptr) {
	if peer, errno := getName(unix.SYS_GETPEERNAME, fd); errno == 0 {
		s.connected.Store(true)
		s.peer4.Store(peer.Addr().Unmap().Is4())
	}
	s.receiveErrors.Store(s.flag(fd, receiveErrorsOption))
	s.transparent.Store(s.flag(fd, options[socket.Transparent]))
	s.reported.Store(uint32(s.reportedByKernel(fd)))
	s.dropped.Store(memInfo(fd)[unix.SK_MEMINFO_DROPS])
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	_, _ = unix.Poll(fds[:], 0)
	s.readShut.Store(fds[0].Revents&unix.POLLRDHUP != 0)
}

// newSocket makes a Socket of a non-blocking descriptor.
func newSocket(fd int, family socket.Family) *Socket {
	s := &Socket{family: family, closed: make(chan struct{})}
	s.fd.init(s, fd)
	s.read.init(s, socket.Readable, s.fd.ready, s.fd.read, s.fd.expireRead)
	s.write.init(s, socket.Writable, s.fd.ready, s.fd.write, s.fd.expireWrite)
	s.receiving.look = s.lookOrPark
	return s
}

// control calls f with the descriptor, which stays open until f returns.
func (s *Socket) control(f func(fd uintptr) syscall.Errno) error {
	if !s.fd.use() {
		return socket.ErrClosed
	}
	errno := f(uintptr(s.fd.fd))
	s.fd.release()
	if errno != 0 {
		return errno
	}
	return nil
}

// SyscallConn returns access to the descriptor. A function that is parked in its
// Read or Write holds up Wait, and Receive where there is nothing to take, but
// neither TryRecv nor TrySend. What is done to the socket behind its back
// (connecting it, shutting it down, changing what Report reports) is not taken
// note of.
func (s *Socket) SyscallConn() (syscall.RawConn, error) {
	if s.closing.Load() {
		return nil, socket.ErrClosed
	}
	return rawConn{s}, nil
}

// Family returns what the socket was opened with.
func (s *Socket) Family() socket.Family { return s.family }

// Bind gives the socket its own address and port.
func (s *Socket) Bind(addr netip.AddrPort) error {
	return s.control(func(fd uintptr) syscall.Errno {
		var sa sockaddr
		n, errno := sa.put(fd, addr)
		if errno != 0 {
			return errno
		}
		if s.family == socket.IPv6 {
			// Shorter, an IPv4 address would be EINVAL: the length is
			// looked at before the family.
			n = unix.SizeofSockaddrInet6
		}
		return callName(unix.SYS_BIND, fd, &sa, n)
	})
}

// Connect sets the peer; the zero AddrPort disconnects.
func (s *Socket) Connect(peer netip.AddrPort) error {
	return s.control(func(fd uintptr) syscall.Errno {
		var sa sockaddr // zero is AF_UNSPEC
		n := uint32(unix.SizeofSockaddrInet4)
		disconnect := peer == netip.AddrPort{}
		if !disconnect {
			var errno syscall.Errno
			if n, errno = sa.put(fd, peer); errno != 0 {
				return errno
			}
			// Before the call: the answer to another goroutine's
			// datagram may come at once.
			s.connected.Store(true)
		}
		errno := callName(unix.SYS_CONNECT, fd, &sa, n)
		if errno == 0 {
			s.peer4.Store(!disconnect && peer.Addr().Unmap().Is4())
		}
		s.port.Store(0)
		return errno
	})
}

// Shutdown ends receiving, sending or both.
func (s *Socket) Shutdown(how socket.How) error {
	if s.closing.Load() {
		return socket.ErrClosed
	}
	var h int
	switch how {
	case socket.ShutRead:
		h = unix.SHUT_RD
	case socket.ShutWrite:
		h = unix.SHUT_WR
	case socket.ShutBoth:
		h = unix.SHUT_RDWR
	default:
		return syscall.EINVAL
	}
	if how&socket.ShutRead != 0 {
		// The mark comes first: the kernel wakes who is parked, who looks at
		// it. There is no way back, and ENOTCONN does not mean that nothing
		// was done.
		s.readShut.Store(true)
	}
	return s.control(func(fd uintptr) syscall.Errno { return errnoOf(unix.Shutdown(int(fd), h)) })
}

// LocalAddr returns the socket's own address. After Close it is what it was.
func (s *Socket) LocalAddr() netip.AddrPort {
	var addr netip.AddrPort
	err := s.control(func(fd uintptr) (errno syscall.Errno) {
		addr, errno = getName(unix.SYS_GETSOCKNAME, fd)
		return errno
	})
	if end := s.last.Load(); err != nil && end != nil {
		return end.local
	}
	return addr
}

// PeerAddr returns the connected peer.
func (s *Socket) PeerAddr() (netip.AddrPort, error) {
	var addr netip.AddrPort
	err := s.control(func(fd uintptr) (errno syscall.Errno) {
		addr, errno = getName(unix.SYS_GETPEERNAME, fd)
		return errno
	})
	return addr, err
}

// Close wakes every waiter and returns when the descriptor is closed and the
// port is free.
func (s *Socket) Close() error {
	if !s.closing.CompareAndSwap(false, true) {
		return socket.ErrClosed
	}
	_ = s.control(func(fd uintptr) syscall.Errno {
		local, _ := getName(unix.SYS_GETSOCKNAME, fd)
		s.last.Store(&end{local, uint64(memInfo(fd)[unix.SK_MEMINFO_DROPS])})
		return 0
	})
	close(s.closed)
	s.sending.end()
	err := s.fd.close()
	s.errors.close()
	s.notes.callAll()
	if err != nil {
		return errnoOf(err)
	}
	return nil
}

// localPort returns the port that the socket is bound to.
func (s *Socket) localPort(fd uintptr) uint16 {
	if p := s.port.Load(); p != 0 {
		return uint16(p)
	}
	addr, _ := getName(unix.SYS_GETSOCKNAME, fd)
	s.port.Store(uint32(addr.Port()))
	return addr.Port()
}

// keep remembers an error that was not reported, and wakes who may have looked
// between the kernel's giving it up and now.
func (s *Socket) keep(errno syscall.Errno) {
	s.kept.Store(uint32(errno))
	s.read.kick()
	s.write.kick()
	if w := s.watched.Load(); w != nil {
		w.poller.tellKept(s)
	}
}

// takeKept returns the error that was kept, once; of one that has become pending
// since, it returns that, as the kernel would.
func (s *Socket) takeKept(fd uintptr) syscall.Errno {
	if s.kept.Load() == 0 {
		return 0
	}
	if s.receiveErrors.Load() {
		s.pendingError(fd)
	}
	return syscall.Errno(s.kept.Swap(0))
}

// callName makes a system call that takes an address.
func callName(trap, fd uintptr, sa *sockaddr, n uint32) syscall.Errno {
	for {
		_, _, errno := unix.Syscall(trap, fd, uintptr(unsafe.Pointer(sa)), uintptr(n))
		if errno != unix.EINTR {
			return errno
		}
	}
}

// getName makes a system call that returns an address.
func getName(trap, fd uintptr) (netip.AddrPort, syscall.Errno) {
	var sa sockaddr
	n := uint32(len(sa))
	_, _, errno := unix.Syscall(trap, fd, uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&n)))
	if errno != 0 {
		return netip.AddrPort{}, errno
	}
	return sa.get(fd), 0
}

// errnoOf returns the errno in err, 0 if err is nil.
func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	if err != nil && !errors.As(err, &errno) {
		return syscall.EIO // not seen: every error here comes from a system call
	}
	return errno
}
