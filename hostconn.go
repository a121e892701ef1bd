package castnet

import (
	"net"
	"syscall"
)

// HostConn is a Conn on the operating system's network, which has a
// descriptor. It is a type of its own because libraries look for SyscallConn
// by type assertion and, having found it, expect a descriptor.
type HostConn struct{ *Conn }

// Host returns the Conn as a HostConn, or false if it is not on the operating
// system's network. Both are the same socket.
func (c *Conn) Host() (*HostConn, bool) {
	if !c.ok() {
		return nil, false
	}
	if _, ok := c.s.(syscall.Conn); !ok {
		return nil, false
	}
	return &HostConn{c}, true
}

// SyscallConn returns access to the descriptor; see [net.UDPConn.SyscallConn].
// What is done to it behind the Conn's back, the Conn does not know of.
func (h *HostConn) SyscallConn() (syscall.RawConn, error) {
	if h == nil || !h.ok() {
		return nil, syscall.EINVAL
	}
	sc, ok := h.s.(syscall.Conn)
	if !ok {
		return nil, syscall.EINVAL
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return nil, &net.OpError{Op: "raw-control", Net: h.network, Addr: h.LocalAddr(), Err: err}
	}
	return rc, nil
}

var _ syscall.Conn = (*HostConn)(nil)
