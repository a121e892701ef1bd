package stack

import (
	"syscall"

	"github.com/castnet-go/castnet/socket"
)

var _ socket.Interceptor = (*Socket)(nil)

// Intercept binds the socket to every port that nobody has bound; see
// socket.Interceptor. In the port table its port is 0.
func (s *Socket) Intercept() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed.Load():
		return socket.ErrClosed
	case s.stack.cfg.Unprivileged:
		return syscall.EPERM
	case s.isBound():
		return syscall.EINVAL
	}
	t := &s.stack.ports
	w := claim{
		claimKey:  s.claimKey(s.any()),
		reuseAddr: s.opts.reuseAddr, reusePort: s.opts.reusePort,
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.uses.conflicts(&w) {
		return syscall.EADDRINUSE
	}
	t.uses.add(&w)
	s.opts.transparent = true
	s.bound = binding{addr: s.any(), any: true, explicitPort: true}
	s.setRank()
	s.publish()
	k, _ := s.entry()
	t.insert(k, s)
	return nil
}

// interceptor returns the socket for a unicast datagram that no other socket
// wants, or nil.
func (t *portTable) interceptor(f flow, firstBound bool) *Socket {
	s := t.pick(f.dst.any(), address{}, 0, f, firstBound)
	if t.duals.Load() > 0 && f.dst.is4() {
		return t.pickDual(s, 0, f, firstBound)
	}
	return s
}

// quoted returns the socket that may have sent the datagram that an ICMP error
// quotes, given the flow of the answers to it; nil if there is none. It is the one
// that would hear such an answer. A foreign address can be quoted only if a
// socket has it as its own, or intercepts.
func (s *Stack) quoted(f flow) *Socket {
	var sk *Socket
	if s.state.Load().hasAddress(f.dst) {
		sk = s.ports.lookup(f, s.cfg.FirstBound)
	} else if sk = s.ports.pick(f.dst, f.src, f.ports, f, s.cfg.FirstBound); sk == nil {
		sk = s.ports.pick(f.dst, address{}, f.ports&^0xffff, f, s.cfg.FirstBound)
	}
	if sk == nil {
		sk = s.ports.interceptor(f, s.cfg.FirstBound)
	}
	return sk
}
