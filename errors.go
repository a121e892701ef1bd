package castnet

import (
	"errors"
	"net"
	"os"
	"syscall"

	"github.com/castnet-go/castnet/socket"
)

// The operations and calls that errors name. They are package net's, so that
// a program that looks at them finds what it looks for.
const (
	opListen  = "listen"
	opDial    = "dial"
	opConnect = "connect"
	opRead    = "read"
	opWrite   = "write"
	opClose   = "close"
	opSet     = "set"
	opGet     = "get"
	opAccept  = "accept"

	callSocket     = "socket"
	callBind       = "bind"
	callConnect    = "connect"
	callRead       = "read"
	callRecvFrom   = "recvfrom"
	callRecvMsg    = "recvmsg"
	callRecvMMsg   = "recvmmsg"
	callWrite      = "write"
	callSendTo     = "sendto"
	callSendMsg    = "sendmsg"
	callSendMMsg   = "sendmmsg"
	callAccept     = "accept"
	callShutdown   = "shutdown"
	callClose      = "close"
	callSetsockopt = "setsockopt"
	callGetsockopt = "getsockopt"
)

// These two have package net's wording; it does not export them.
var (
	errMissingAddress = errors.New("missing address")
	noSuitableAddress = "no suitable address found"
)

// callError names the call that an errno came from; other errors are left as
// they are.
func callError(call string, err error) error {
	if _, ok := err.(syscall.Errno); ok {
		return os.NewSyscallError(call, err)
	}
	if err == socket.ErrClosed {
		return net.ErrClosed // the very value, as package net returns it
	}
	return err
}

// opError is what Read, Write, Close and their like return: from the local
// address to the peer, if there is one.
func (c *Conn) opError(op, call string, err error) error {
	if err == nil {
		return nil
	}
	a := c.addrs.Load()
	return &net.OpError{Op: op, Net: c.network, Source: a.local, Addr: a.remote, Err: callError(call, err)}
}

// sendError is what a write to an address returns.
func (c *Conn) sendError(call string, to net.Addr, err error) error {
	return &net.OpError{Op: opWrite, Net: c.network, Source: c.addrs.Load().local, Addr: to, Err: callError(call, err)}
}

// optionError is what setters and getters return: about the local address.
func (c *Conn) optionError(op, call string, err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: op, Net: c.network, Addr: c.addrs.Load().local, Err: callError(call, err)}
}

// errnoOf returns the errno at the bottom of an error, if there is one.
func errnoOf(err error) (syscall.Errno, bool) {
	var errno syscall.Errno
	ok := errors.As(err, &errno)
	return errno, ok
}
