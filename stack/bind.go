package stack

import (
	"net/netip"
	"syscall"

	"github.com/castnet-go/castnet/socket"
)

// Bind gives the socket its own address and port.
func (s *Socket) Bind(addr netip.AddrPort) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return socket.ErrClosed
	}
	if s.six {
		return s.stack.six.bind(s, addr)
	}
	// The order in which Linux looks at things: the address before the state.
	if !addr.Addr().Is4() {
		return syscall.EAFNOSUPPORT
	}
	a := ipv4Of(addr.Addr())
	if !s.bindable(a) {
		return syscall.EADDRNOTAVAIL
	}
	if s.privileged(addr.Port()) {
		return syscall.EACCES
	}
	if s.isBound() {
		return syscall.EINVAL
	}
	return s.bindTo(a.address(), addr.Port())
}

// privileged reports whether binding the port takes a privilege that is not there.
func (s *Socket) privileged(port uint16) bool {
	return port != 0 && port < privilegedPorts && s.stack.cfg.Unprivileged
}

// bindTo is Bind once the address has been looked at.
func (s *Socket) bindTo(a address, port uint16) error {
	if err := s.claimPort(a, port); err != nil {
		s.bound.addr = s.any() // of an earlier bind, whose port was given up
		return err
	}
	s.bound.source = address{}
	// Once an address was named Linux never gives one up again.
	s.bound.explicitAddr = s.bound.explicitAddr || a != s.any()
	s.bound.explicitPort = port != 0
	return nil
}

// bind6 is Bind of a socket of IPv6 (Linux's __inet6_bind, which looks at the state
// before the address). An address that is good on one link only binds the socket to
// the interface as well.
func (s *Socket) bind6(addr netip.AddrPort) error {
	if !addr.Addr().Is6() {
		return syscall.EAFNOSUPPORT
	}
	st := s.stack.state.Load()
	scope, err := st.zoneIndex(addr.Addr())
	if err != nil {
		return err
	}
	if s.privileged(addr.Port()) {
		return syscall.EACCES
	}
	if s.isBound() {
		return syscall.EINVAL
	}
	a, only := addressOf(addr.Addr()), s.opts.only6
	switch {
	case a.is4():
		if only {
			return syscall.EINVAL
		}
		if !s.bindable(a.ipv4()) {
			return syscall.EADDRNOTAVAIL
		}
	case a != unspecified6:
		if a.needsScope() {
			if scope != 0 {
				s.opts.device = scope
			}
			if s.opts.device == 0 {
				return syscall.EINVAL
			}
		}
		var on *netif
		if s.opts.device != 0 {
			if on = st.byIndex(s.opts.device); on == nil {
				return syscall.ENODEV
			}
		}
		if !a.isMulticast() && !s.opts.freeBind && !s.opts.transparent && st.local6(a, on.iface()) == nil {
			return syscall.EADDRNOTAVAIL
		}
		s.opts.only6 = true // as the kernel has it, and says so when asked
	}
	if err := s.bindTo(a, addr.Port()); err != nil {
		s.opts.only6 = only
		return err
	}
	return nil
}

// bindable reports whether a socket may be bound to the address: a local one,
// a group, a broadcast address, or any at all with FreeBind or Transparent (Linux's
// inet_addr_valid_or_nonlocal).
func (s *Socket) bindable(a ipv4) bool {
	if a == unspecified4 || a == broadcast4 || a.isMulticast() || s.opts.freeBind || s.opts.transparent {
		return true
	}
	st := s.stack.state.Load()
	return st.local(a) != nil || st.broadcasts(a) != nil
}

// isFilter reports whether what is bound to the address only receives by it: a
// group or broadcast address is never a source.
func (s *Stack) isFilter(a address) bool {
	return a.isMulticast() || a.is4() && s.state.Load().isBroadcast(a)
}

// claimPort takes a port for the address, a free one if port is 0, and enters
// the socket into the port table. The caller holds s.mu.
func (s *Socket) claimPort(a address, port uint16) error {
	t := &s.stack.ports
	w := claim{
		claimKey:  s.claimKey(a),
		port:      port,
		reuseAddr: s.opts.reuseAddr, reusePort: s.opts.reusePort,
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if port == 0 {
		low, high := s.ephemeral()
		if err := s.stack.choosePort(&w, low, high); err != nil {
			return err
		}
	} else if t.uses.conflicts(&w) {
		return syscall.EADDRINUSE
	}
	t.uses.add(&w)
	s.bound.addr, s.bound.port = a, w.port
	s.setRank()
	s.publish()
	k, _ := s.entry()
	t.insert(k, s)
	return nil
}

// claimKey is where the socket is when it is bound to the address.
func (s *Socket) claimKey(a address) claimKey {
	return claimKey{a, int32(s.opts.device), s.opts.only6 && a == unspecified6}
}

// ephemeral returns the range that the socket's port is picked from.
func (s *Socket) ephemeral() (low, high uint16) {
	low, high = s.stack.cfg.EphemeralLow, s.stack.cfg.EphemeralHigh
	if l := uint16(s.opts.portRange); l != 0 {
		low = max(low, l)
	}
	if h := uint16(s.opts.portRange >> 16); h != 0 {
		high = min(high, h)
	}
	if low > high {
		return s.stack.cfg.EphemeralLow, s.stack.cfg.EphemeralHigh
	}
	return low, high
}

// autobind binds an unbound socket to a free port, on behalf of a send or a
// connect: if there is none, that is EAGAIN, not EADDRINUSE.
func (s *Socket) autobind() error {
	if s.isBound() {
		return nil
	}
	if err := s.claimPort(s.bound.addr, 0); err != nil {
		return syscall.EAGAIN
	}
	return nil
}

// setRank makes the socket the last bound. The caller holds the table's mutex.
func (s *Socket) setRank() {
	s.stack.ports.rank++
	s.rank.Store(s.stack.ports.rank)
}

// publish makes what incoming datagrams are matched against.
func (s *Socket) publish() {
	old := s.match.Load()
	m := match{
		device: int32(s.opts.device), reuseAddr: s.opts.reuseAddr, reusePort: s.opts.reusePort,
		six: s.six, only6: s.opts.only6,
		quiet: !s.opts.multicastAll, groups: old.groups, sketch: old.sketch,
	}
	if s.peer.IsValid() {
		m.peer, m.peerPort = addressOf(s.peer.Addr()), s.peer.Port()
	}
	s.setMatch(m)
}

func (s *Socket) setMatch(m match) {
	switch m {
	case anything:
		s.match.Store(&anything)
	case anything6:
		s.match.Store(&anything6)
	default:
		s.match.Store(&m)
	}
}

// entry returns the key under which the socket is in the port table, and its
// claim, by what was published last.
func (s *Socket) entry() (portKey, claim) {
	m, local := s.match.Load(), s.bound.addr
	k := portKey{local: local, ports: portPair(s.bound.port, 0)}
	if m.peerPort != 0 { // else it hears every port of the peer
		k.peer, k.ports = m.peer, portPair(s.bound.port, m.peerPort)
	}
	place := claimKey{local, m.device, m.only6 && local == unspecified6}
	return k, claim{place, s.bound.port, m.reuseAddr, m.reusePort}
}

// rebind moves the socket in the port table after change, which may alter its
// address, peer and options. Datagrams that come in meanwhile find it under the
// old key or the new one. It keeps its rank unless its address changes (Linux
// rehashes it then). The caller holds s.mu.
func (s *Socket) rebind(change func()) {
	if !s.isBound() {
		change()
		return
	}
	t := &s.stack.ports
	t.mu.Lock()
	defer t.mu.Unlock()
	old, w := s.entry()
	t.uses.remove(&w)
	addr := s.bound.addr
	change()
	if s.bound.addr != addr {
		s.setRank()
	}
	s.publish()
	k, w := s.entry()
	t.uses.add(&w)
	if k == old {
		t.refresh(k)
		return
	}
	t.insert(k, s)
	t.remove(old, s)
}

// release gives the port up. The caller holds s.mu.
func (s *Socket) release() {
	if !s.isBound() {
		return
	}
	t := &s.stack.ports
	t.mu.Lock()
	defer t.mu.Unlock()
	k, w := s.entry()
	t.remove(k, s)
	t.uses.remove(&w)
	s.bound = binding{addr: s.any()}
}
