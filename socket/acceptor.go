package socket

import (
	"net/netip"

	"github.com/castnet-go/castnet/drop"
)

// An Acceptor is a Socket that many peers send to and that can make, of what it
// has received, one socket a peer, as a listening TCP socket does: what servers
// and tunnels need that keep a state for each flow. The sockets of package stack,
// and so of a lab's hosts, are Acceptors. The operating system has nothing of the
// kind: what arrives while a socket is being bound and connected goes astray.
type Acceptor interface {
	// Accept takes the flow of the first datagram in the receive queue: it
	// returns a new socket, connected to the datagram's sender and bound to
	// the address and port that the datagram was sent to, whether the host
	// has that address or not. Every datagram of the flow that is queued goes
	// over to it, in order, and what arrives from now on goes to it as well:
	// none is lost, none comes twice, none overtakes another of those that
	// came in by one queue of the link. The new socket has the old one's
	// options.
	//
	// If admit is not nil it is asked first, with no lock held: a reason drops
	// the datagram under it, and the next one is looked at. Datagrams of no
	// flow that could be answered (from or to port 0, or to a broadcast
	// address or a group) are dropped as drop.NoFlow.
	//
	// EAGAIN: there is no datagram, or none is left. EINVAL: the socket is
	// connected itself.
	Accept(admit func(peer, own netip.AddrPort) drop.Reason) (Socket, error)
}

// An Interceptor is a Socket that can hear what is for nobody else.
type Interceptor interface {
	// Intercept is another Bind: to every port of every address. The socket
	// hears each UDP datagram to this host alone that no other socket wants,
	// on the interface of BindInterface or on all. Its sender is told of no
	// closed port. With a transparent interface that is whatever comes in by
	// it. FieldLocal says what a datagram's destination was.
	//
	// The socket becomes Transparent. It has no port of its own: what it sends
	// must say by FieldLocal, with a port, where it is from; EINVAL if not.
	//
	// EINVAL: bound already. EADDRINUSE: another socket intercepts, and they
	// do not share by ReuseAddr or ReusePort, nor are bound to different
	// interfaces. EPERM: without a privilege.
	Intercept() error
}
