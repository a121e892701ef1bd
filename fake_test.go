package castnet

import (
	"net"
	"net/netip"
	"sync"
	"syscall"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/socket"
)

// A fakeNetwork is the least of a network: sockets that hand each other
// datagrams in memory, and switches to make them refuse. It is for what the
// real ones do not do on demand.
type fakeNetwork struct {
	mu       sync.Mutex
	sockets  map[uint16]*fakeSocket
	nextPort uint16

	noIPv6  bool                         // Open(IPv6) is EAFNOSUPPORT
	refuse  map[socket.Option]error      // what SetOption returns
	connect map[netip.Addr]syscall.Errno // what Connect returns
	opened  []*fakeSocket                // all of them
	names   map[string][]netip.Addr      // for the fakeResolver
}

func newFake() *fakeNetwork {
	return &fakeNetwork{sockets: map[uint16]*fakeSocket{}, nextPort: 40000}
}

func (n *fakeNetwork) Clock() clock.Clock { return clock.System }

func (n *fakeNetwork) Interfaces() ([]socket.Interface, error) {
	return []socket.Interface{{Index: 1, Name: "lo", Up: true, Loopback: true}, {Index: 4, Name: "fake0", Up: true}}, nil
}

func (n *fakeNetwork) Open(f socket.Family) (socket.Socket, error) {
	if f == socket.IPv6 && n.noIPv6 {
		return nil, syscall.EAFNOSUPPORT
	}
	s := &fakeSocket{net: n, family: f, options: map[socket.Option]int{}}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.opened = append(n.opened, s)
	return s, nil
}

type fakeSocket struct {
	net    *fakeNetwork
	family socket.Family

	// All below is guarded by net.mu.
	local, peer netip.AddrPort
	queue       []socket.Message
	lastTo      netip.AddrPort // of TrySend
	options     map[socket.Option]int
	sendFull    bool  // TrySend is EAGAIN
	room        int   // so many datagrams from now on it is; 0: no limit
	pending     error // of the next TryRecv or TrySend
	noPorts     bool
	shutRead    bool
	closed      bool
	waiters     []*fakeWaiter
	waits       int // how many Waits have begun to block
}

type fakeWaiter struct{ woken chan struct{} }

func (w *fakeWaiter) WakeCancelled() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

func (s *fakeSocket) wakeAll() {
	for _, w := range s.waiters {
		w.WakeCancelled()
	}
}

func (s *fakeSocket) Family() socket.Family { return s.family }

func (s *fakeSocket) bindLocked(addr netip.AddrPort) error {
	if s.closed {
		return net.ErrClosed
	}
	if s.local.Port() != 0 {
		return syscall.EINVAL
	}
	port := addr.Port()
	if port == 0 {
		if s.noPorts {
			return syscall.EAGAIN
		}
		s.net.nextPort++
		port = s.net.nextPort
	}
	if s.net.sockets[port] != nil {
		return syscall.EADDRINUSE
	}
	s.net.sockets[port] = s
	s.local = netip.AddrPortFrom(addr.Addr(), port)
	return nil
}

func (s *fakeSocket) Bind(addr netip.AddrPort) error {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	return s.bindLocked(addr)
}

func (s *fakeSocket) Connect(peer netip.AddrPort) error {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	if e := s.net.connect[peer.Addr().Unmap()]; e != 0 {
		return e
	}
	if peer == zeroAddrPort {
		delete(s.net.sockets, s.local.Port())
		s.local = zeroAddrPort
	} else if s.local.Port() == 0 {
		if err := s.bindLocked(netip.AddrPortFrom(unspecified(s.family), 0)); err != nil {
			return err
		}
	}
	s.peer = peer
	return nil
}

func (s *fakeSocket) Shutdown(how socket.How) error {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	if how&socket.ShutRead != 0 {
		s.shutRead = true
		s.wakeAll()
	}
	if s.peer == zeroAddrPort {
		return syscall.ENOTCONN
	}
	return nil
}

func (s *fakeSocket) LocalAddr() netip.AddrPort {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	if !s.local.IsValid() {
		return netip.AddrPortFrom(unspecified(s.family), 0)
	}
	return s.local
}

func (s *fakeSocket) PeerAddr() (netip.AddrPort, error) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	if s.peer == zeroAddrPort {
		return netip.AddrPort{}, syscall.ENOTCONN
	}
	return s.peer, nil
}

func (s *fakeSocket) TryRecv(ms []socket.Message) (int, error) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	switch {
	case s.closed:
		return 0, net.ErrClosed
	case s.pending != nil:
		err := s.pending
		s.pending = nil
		return 0, err
	case len(s.queue) == 0:
		return 0, syscall.EAGAIN
	}
	n := 0
	for ; n < len(ms) && n < len(s.queue); n++ {
		buf := ms[n].Buf
		ms[n] = s.queue[n]
		ms[n].Buf = buf[:copy(buf[:cap(buf)], s.queue[n].Buf)]
	}
	s.queue = append(s.queue[:0], s.queue[n:]...)
	return n, nil
}

func (s *fakeSocket) TryPeek(*socket.Message) error { return syscall.EAGAIN }

func (s *fakeSocket) TryRecvError(*socket.ErrorMessage) error { return syscall.EAGAIN }

func (s *fakeSocket) ChangeGroup(socket.GroupChange, socket.Group) error { return syscall.ENOPROTOOPT }

func (s *fakeSocket) Memberships() []socket.Membership { return nil }

func (s *fakeSocket) TrySend(ms []socket.Message) (int, error) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	for i := range ms {
		if err := s.sendLocked(&ms[i]); err != nil {
			if i > 0 {
				err = nil
			}
			return i, err
		}
	}
	return len(ms), nil
}

func (s *fakeSocket) sendLocked(m *socket.Message) error {
	to := m.Addr
	if to == zeroAddrPort {
		to = s.peer
	}
	s.lastTo = to
	switch {
	case s.closed:
		return net.ErrClosed
	case s.pending != nil:
		err := s.pending
		s.pending = nil
		return err
	case s.sendFull:
		return syscall.EAGAIN
	case !to.IsValid():
		return syscall.EDESTADDRREQ
	case to.Addr().Is4() != (s.family == socket.IPv4):
		return syscall.EAFNOSUPPORT
	case len(m.Buf) > 65507:
		return syscall.EMSGSIZE
	}
	if s.local.Port() == 0 {
		if err := s.bindLocked(netip.AddrPortFrom(unspecified(s.family), 0)); err != nil {
			return err
		}
	}
	if s.room > 0 {
		if s.room--; s.room == 0 {
			s.sendFull = true
		}
	}
	if d := s.net.sockets[to.Port()]; d != nil {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), s.local.Port())
		from, _ = sockaddr(d.family, from)
		got := *m
		got.Addr, got.Buf, got.Len = from, append([]byte(nil), m.Buf...), len(m.Buf)
		d.queue = append(d.queue, got)
		d.wakeAll()
	}
	return nil
}

func (s *fakeSocket) ready(mask socket.Events) socket.Events {
	var e socket.Events
	if len(s.queue) > 0 || s.pending != nil || s.shutRead {
		e |= socket.Readable
	}
	if !s.sendFull {
		e |= socket.Writable
	}
	return e & mask
}

func (s *fakeSocket) Ready(mask socket.Events) socket.Events {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	return s.ready(mask)
}

func (s *fakeSocket) Wait(mask socket.Events, cancel *socket.Cancel) error {
	w := &fakeWaiter{make(chan struct{}, 1)}
	if !cancel.Attach(w) {
		return socket.ErrCancelled
	}
	defer cancel.Detach(w)
	s.net.mu.Lock()
	s.waiters = append(s.waiters, w)
	s.waits++
	s.net.mu.Unlock()
	defer func() {
		s.net.mu.Lock()
		defer s.net.mu.Unlock()
		for i, o := range s.waiters {
			if o == w {
				s.waiters = append(s.waiters[:i], s.waiters[i+1:]...)
				return
			}
		}
	}()
	for {
		s.net.mu.Lock()
		closed, e := s.closed, s.ready(mask)
		s.net.mu.Unlock()
		switch {
		case closed:
			return net.ErrClosed
		case e != 0:
			return nil
		case cancel.Fired():
			return socket.ErrCancelled
		}
		<-w.woken
	}
}

func (s *fakeSocket) Notify(socket.Events, func()) { panic("not used above the seam") }

func (s *fakeSocket) SetOption(o socket.Option, v int) error {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	if err := s.net.refuse[o]; err != nil {
		return err
	}
	s.options[o] = v
	return nil
}

func (s *fakeSocket) Option(o socket.Option) (int, error) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	if o == socket.PathMTU && s.peer == zeroAddrPort {
		return 0, syscall.ENOTCONN
	}
	return s.options[o], nil
}

func (s *fakeSocket) Stats() socket.Stats { return socket.Stats{} }

func (s *fakeSocket) Close() error {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.closed = true
	if s.net.sockets[s.local.Port()] == s {
		delete(s.net.sockets, s.local.Port())
	}
	s.wakeAll()
	return nil
}

// set changes the socket under the network's lock and wakes who waits.
func (s *fakeSocket) set(change func()) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	change()
	s.wakeAll()
}

// fakeResolver is a fakeNetwork that knows names.
type fakeResolver struct{ *fakeNetwork }
