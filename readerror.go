package castnet

import (
	"os"
	"syscall"

	"github.com/castnet-go/castnet/socket"
)

// An ErrorMessage says what became of a datagram that was sent: its payload, as
// far as that is known, its destination, the errno, and who said so.
type ErrorMessage = socket.ErrorMessage

// Where an error comes from; see ErrorMessage.Origin.
const (
	OriginLocal  = socket.OriginLocal  // this host
	OriginICMP   = socket.OriginICMP   // an ICMP message
	OriginICMPv6 = socket.OriginICMPv6 // an ICMPv6 message
)

// SetReceiveErrors says whether the Conn hears of every error that the network
// reports about what it has sent. A Conn that is not connected hears of none
// otherwise, and one that is of a few.
//
// On, reads and writes return each error, once, whichever destination it is
// about, and more rarely if several come at once; none of them is a reason to
// give up the Conn. [Conn.ReadError] tells of each in full. What it does not read
// takes the receive buffer's room, and in the end the datagrams': who turns this
// on reads errors. Off, what is unread is forgotten.
func (c *Conn) SetReceiveErrors(on bool) error {
	return c.setOption(socket.ReceiveErrors, boolInt(on))
}

// ReadError blocks until there is an error about a datagram that was sent, and
// fills m with it: m.Buf up to its capacity with the payload, as much of it as
// the network has given back. The read deadline counts. Without
// [Conn.SetReceiveErrors] nothing comes.
//
// A server that wants to know which of its peers are gone, in a goroutine of its
// own:
//
//	c.SetReceiveErrors(true)
//	go func() {
//		var m castnet.ErrorMessage
//		for c.ReadError(&m) == nil {
//			switch m.Errno {
//			case syscall.ECONNREFUSED:
//				forget(m.Addr) // its port is closed
//			case syscall.EMSGSIZE:
//				shrink(m.Addr, int(m.Info)) // the path's MTU
//			}
//		}
//	}()
func (c *Conn) ReadError(m *ErrorMessage) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	for {
		if c.read.passed.Load() {
			return c.readError(callRecvMsg, c.expired())
		}
		err := c.s.TryRecvError(m)
		if err != syscall.EAGAIN {
			return c.readError(callRecvMsg, err)
		}
		if err := c.s.Wait(socket.ErrorQueued, &c.read.cancel); err != nil && err != socket.ErrCancelled {
			return c.readError(callRecvMsg, err)
		}
	}
}

// TryReadError is ReadError that does not block: if there is no error it returns
// one that is os.ErrDeadlineExceeded, at once.
func (c *Conn) TryReadError(m *ErrorMessage) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	err := c.s.TryRecvError(m)
	if err == syscall.EAGAIN {
		err = os.ErrDeadlineExceeded
	}
	return c.readError(callRecvMsg, err)
}

// A Discovery is a way of path MTU discovery; see [Conn.SetMTUDiscovery].
type Discovery = socket.Discovery

// The ways of path MTU discovery, with Linux's numbers (IP_PMTUDISC_…).
const (
	DiscoveryOff       = socket.DiscoveryOff       // may be fragmented on the way; cut over the path MTU
	DiscoveryWant      = socket.DiscoveryWant      // the default: not to be fragmented on the way; cut over the path MTU
	DiscoveryOn        = socket.DiscoveryOn        // never fragmented: EMSGSIZE over the path MTU
	DiscoveryProbe     = socket.DiscoveryProbe     // never fragmented: EMSGSIZE over the interface's MTU, for who finds out the path's
	DiscoveryInterface = socket.DiscoveryInterface // may be fragmented on the way; EMSGSIZE over the interface's MTU
	DiscoveryOmit      = socket.DiscoveryOmit      // may be fragmented on the way; cut over the interface's MTU
)

// SetMTUDiscovery says what is done with datagrams over the MTU, and whether
// routers may fragment those below it. [Conn.SetDontFragment] is a shorthand for
// DiscoveryOn and DiscoveryOff.
func (c *Conn) SetMTUDiscovery(d Discovery) error { return c.setOption(socket.MTUDiscovery, int(d)) }
