package loop

import (
	"errors"
	"net"
	"net/netip"
	"syscall"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/socket"
)

// UDPConfig says what a UDP handle is like. The zero UDPConfig is one on the loop's
// network.
type UDPConfig struct {
	// On is the network; if nil, the loop's.
	On socket.Network

	// Family, if not zero, makes the socket at once. Else it is made, and is of
	// the family, of what is bound, connected or sent to first.
	Family socket.Family

	// MaxQueued is how many datagrams may wait to be sent; more are ENOBUFS. If
	// zero, a million.
	MaxQueued int
}

// Flags are those of libuv's uv_udp_bind.
type Flags uint8

// The flags.
const (
	IPv6Only      Flags = 1 << iota // no IPv4 on an IPv6 socket (UV_UDP_IPV6ONLY)
	ReuseAddr                       // share the port (UV_UDP_REUSEADDR)
	ReusePort                       // share the port and its flows (UV_UDP_REUSEPORT)
	ReceiveErrors                   // hear of every ICMP error (UV_UDP_LINUX_RECVERR)

	allFlags = IPv6Only | ReuseAddr | ReusePort | ReceiveErrors
)

// A UDP is libuv's uv_udp_t on a socket of any network. Make it with [Loop.NewUDP].
//
// It is active while it receives or has datagrams to send.
type UDP struct {
	handle
	cfg       UDPConfig
	sock      socket.Socket // nil: none yet
	bound     bool
	connected bool
	errors    bool // it was bound with ReceiveErrors

	// Receiving.
	receive func(*socket.Message, error)
	batch   func([]socket.Message, error)
	left    []socket.Message // received, and not handed out because receiving was stopped
	refused map[drop.Reason]refusal

	// Sending: what waits, what is done and not yet told.
	queue      fifo[*sending]
	completed  fifo[*sending]
	queueSize  int
	queueCount int
	telling    bool // callbacks of sends are being called
	isPending  bool // in loop.pending
	retry      *Timer
	plain      [1]socket.Message // scratch, of TrySendTo: Buf and Addr only

	// Readiness. Watched are the events that the socket, or the loop's poller, is to
	// tell of; got are those that hold and are to be served.
	watched socket.Events
	got     socket.Events
	isReady bool          // it will be served: in loop.ready, or in loop.polled
	served  uint64        // of loop.served, which was its last
	polls   pollState     // who tells
	slot    uint64        // by which number the poller does
	noted   socket.Events // under loop.mu: of which the socket has notified
	inNotes bool          // under loop.mu: in loop.notified
	notify  [3]func()     // what the socket calls, by event; made once
}

// NewUDP makes a UDP handle. EINVAL: there is no network. EAFNOSUPPORT: the network
// does not speak the family.
func (l *Loop) NewUDP(cfg UDPConfig) (*UDP, error) {
	if cfg.On == nil {
		cfg.On = l.cfg.On
	}
	if cfg.On == nil {
		return nil, syscall.EINVAL
	}
	if cfg.MaxQueued <= 0 {
		cfg.MaxQueued = 1_000_000
	}
	u := &UDP{cfg: cfg}
	if cfg.Family != 0 {
		if err := u.open(cfg.Family); err != nil {
			return nil, err
		}
	}
	u.init(l, u)
	return u, nil
}

func (u *UDP) open(f socket.Family) error {
	s, err := u.cfg.On.Open(f)
	if err != nil {
		return errnoOf(err)
	}
	u.sock = s
	return nil
}

// Open takes a socket over, which is the handle's from then on. EBUSY: it has one
// already. (uv_udp_open)
func (u *UDP) Open(s socket.Socket) error {
	switch {
	case u.closing:
		return syscall.EBADF
	case u.sock != nil:
		return syscall.EBUSY
	}
	u.sock = s
	u.bound = s.LocalAddr().Port() != 0
	_, err := s.PeerAddr()
	u.connected = err == nil
	on, err := s.Option(socket.ReceiveErrors)
	u.errors = err == nil && on != 0
	return nil
}

// Socket returns the socket; nil if there is none. Who receives from it or closes it
// does so behind the handle's back.
func (u *UDP) Socket() socket.Socket { return u.sock }

// errnoOf is how errors leave a UDP: as libuv has them.
func errnoOf(err error) error {
	if err == nil {
		return nil
	}
	if errno, ok := err.(syscall.Errno); ok {
		return errno
	}
	if errors.Is(err, net.ErrClosed) {
		return syscall.EBADF
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// open for business: the socket, or EBADF.
func (u *UDP) socket() (socket.Socket, error) {
	if u.sock == nil || u.closing {
		return nil, syscall.EBADF
	}
	return u.sock, nil
}

func familyOf(a netip.Addr) socket.Family {
	switch {
	case a.Is4():
		return socket.IPv4
	case a.Is6():
		return socket.IPv6
	}
	return 0
}

// Bind gives the socket its address, and makes it first if there is none, of the
// address's family. Errors are [socket.Socket]'s Bind's, but an address of the other
// family is EINVAL; so is a flag that is none.
func (u *UDP) Bind(addr netip.AddrPort, flags Flags) error {
	f := familyOf(addr.Addr())
	switch {
	case u.closing:
		return syscall.EBADF
	case f == 0 || flags&^allFlags != 0 || flags&IPv6Only != 0 && f != socket.IPv6:
		return syscall.EINVAL
	}
	if u.sock == nil {
		if err := u.open(f); err != nil {
			return err
		}
	}
	for _, o := range [...]struct {
		flag   Flags
		option socket.Option
	}{
		{ReceiveErrors, socket.ReceiveErrors}, {ReuseAddr, socket.ReuseAddr}, {ReusePort, socket.ReusePort}, {IPv6Only, socket.IPv6Only},
	} {
		if flags&o.flag != 0 {
			if err := u.sock.SetOption(o.option, 1); err != nil {
				return errnoOf(err)
			}
		}
	}
	err := u.sock.Bind(addr)
	if err == syscall.EAFNOSUPPORT {
		err = syscall.EINVAL
	}
	if err != nil {
		return errnoOf(err)
	}
	u.bound = true
	u.errors = u.errors || flags&ReceiveErrors != 0
	return nil
}

// bindAny makes a socket that is bound to any address and a port of the network's
// choice, unless there is a socket.
func (u *UDP) bindAny(f socket.Family, flags Flags) error {
	switch {
	case u.closing:
		return syscall.EBADF
	case u.sock != nil:
		return nil
	case f == socket.IPv6:
		return u.Bind(netip.AddrPortFrom(netip.IPv6Unspecified(), 0), flags)
	}
	return u.Bind(netip.AddrPortFrom(netip.IPv4Unspecified(), 0), flags)
}

// Connect sets the peer, of whom alone is received and to whom is sent. The zero
// AddrPort disconnects. EISCONN: it is connected; ENOTCONN: to be disconnected, it is
// not. EINVAL: no address.
func (u *UDP) Connect(peer netip.AddrPort) error {
	if u.closing {
		return syscall.EBADF
	}
	if (peer == netip.AddrPort{}) {
		if !u.connected {
			return syscall.ENOTCONN
		}
		if err := u.sock.Connect(peer); err != nil {
			return errnoOf(err)
		}
		u.connected = false
		return nil
	}
	f := familyOf(peer.Addr())
	switch {
	case u.connected:
		return syscall.EISCONN
	case f == 0:
		return syscall.EINVAL
	}
	if err := u.bindAny(f, 0); err != nil {
		return err
	}
	if err := u.sock.Connect(peer); err != nil {
		return errnoOf(err)
	}
	u.connected = true
	return nil
}

// Connected reports whether Connect has set a peer.
func (u *UDP) Connected() bool { return u.connected }

// LocalAddr returns the socket's own address. EBADF: there is no socket.
func (u *UDP) LocalAddr() (netip.AddrPort, error) {
	s, err := u.socket()
	if err != nil {
		return netip.AddrPort{}, err
	}
	return s.LocalAddr(), nil
}

// PeerAddr returns the peer. ENOTCONN: there is none.
func (u *UDP) PeerAddr() (netip.AddrPort, error) {
	s, err := u.socket()
	if err != nil {
		return netip.AddrPort{}, err
	}
	peer, err := s.PeerAddr()
	return peer, errnoOf(err)
}

// Close closes the socket at once. In the closing phase the callbacks of the sends
// that wait are called, with ECANCELED, and then done.
func (u *UDP) Close(done func()) error {
	if u.closing {
		return socket.ErrClosed
	}
	u.receive, u.batch = nil, nil
	u.lose(u.left)
	u.left = nil
	if u.retry != nil {
		_ = u.retry.Close(nil)
	}
	err := u.close(done)
	if u.sock != nil {
		u.forget()
		_ = u.sock.Close()
	}
	return err
}

// lose counts datagrams that nobody will be told of, since the handle is closed.
func (u *UDP) lose(ms []socket.Message) {
	for i := range ms {
		u.Refuse(&ms[i], drop.SocketClosed)
	}
}

// closed is called in the closing phase.
func (u *UDP) closed() {
	for u.queue.len() > 0 {
		s := u.queue.pop()
		s.err = syscall.ECANCELED
		u.completed.push(s)
	}
	u.tell()
	if u.completed.len() > 0 { // a callback has failed the run
		u.loop.closing.push(u)
		return
	}
	u.handle.closed()
}
