package stack

import (
	"net/netip"
	"syscall"

	"github.com/castnet-go/castnet/socket"
)

// Connect sets the peer, or takes it back.
func (s *Socket) Connect(peer netip.AddrPort) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed.Load():
		return socket.ErrClosed
	case peer == netip.AddrPort{}:
		s.disconnect()
		return nil
	case s.bound.any:
		return syscall.EINVAL // it has no port to be connected from
	case !peer.Addr().IsValid():
		return syscall.EAFNOSUPPORT
	}
	// Linux binds before it looks at the peer: a connect that fails has bound.
	if err := s.autobind(); err != nil {
		return err
	}
	q, err := s.toConnect(peer.Addr())
	if err != nil {
		return err
	}
	if q.dst.needsScope() && s.opts.device != q.device {
		// Whatever comes of it.
		s.rebind(func() { s.opts.device = q.device })
		s.setPath(nil)
	}
	q.port = peer.Port()
	p, err := s.stack.route(q)
	if err == nil && q.dst.isUnspecified() {
		// Which own address that is has been found now; whether it can be
		// reached is another question (Linux's ip_route_connect).
		q.dst, q.src = p.dst, p.src
		p, err = s.stack.route(q)
	}
	if err != nil {
		return err
	}
	if p.broadcast && !s.opts.broadcast {
		return syscall.EACCES
	}
	s.rebind(func() {
		s.peer = netip.AddrPortFrom(s.shown(p.dst, q.device), peer.Port())
		if s.bound.addr.isUnspecified() {
			s.bound.addr = p.src
		}
	})
	if s.bound.source == (address{}) && s.stack.isFilter(s.bound.addr) {
		s.bound.source = p.src
	}
	s.setPath(nil)
	return nil
}

// toConnect returns the question for the way to a peer, or why the socket cannot have
// it (Linux's __ip6_datagram_connect). One that is good on one link only needs an
// interface, which the socket is then bound to, and must not be on another.
func (s *Socket) toConnect(peer netip.Addr) (query, error) {
	q, err := s.toward(peer)
	switch {
	case err == syscall.ENETUNREACH && peer.Is4():
		return q, syscall.EAFNOSUPPORT
	case err != nil || !q.dst.needsScope():
		return q, err
	case q.device == 0, s.opts.device != 0 && s.opts.device != q.device:
		return q, syscall.EINVAL
	}
	return q, nil
}

// disconnect takes the peer back, and with it the address and the port that
// Bind did not name (Linux's __udp_disconnect: SOCK_BINDADDR_LOCK and
// SOCK_BINDPORT_LOCK). A port that was picked is given up even if the address
// is kept; the next send picks another. The interface it was bound to is given
// up as well.
func (s *Socket) disconnect() {
	if !s.isBound() || s.bound.any {
		s.opts.device = 0
		return
	}
	s.setPath(nil)
	if s.bound.explicitPort {
		s.rebind(func() {
			s.peer = netip.AddrPort{}
			s.opts.device = 0
			if !s.bound.explicitAddr {
				s.bound.addr = s.any()
			}
		})
		return
	}
	addr, source, explicit := s.bound.addr, s.bound.source, s.bound.explicitAddr
	s.peer = netip.AddrPort{}
	s.release()
	s.opts.device = 0
	if explicit {
		s.bound.addr, s.bound.source, s.bound.explicitAddr = addr, source, true
	}
}
