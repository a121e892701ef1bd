// Package jam is a network whose sockets can be jammed: then nothing can be sent, as
// when the send buffer is full, until the jam is over. It is for the tests of what
// stands above the seam, since a loopback's buffers are never full.
//
//	n := jam.New(network)
//	s, err := n.Open(socket.IPv4)
//	n.Jam(2, syscall.EAGAIN) // two more datagrams go
//	...
//	n.Clear()
//
// # Limitations
//
// Only sending is jammed. The network's optional abilities are hidden, but for its
// Resolver's.
package jam

import (
	"context"
	"math"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"github.com/castnet-go/castnet/socket"
)

// A Network is another network, whose sockets can be jammed, all at once.
type Network struct {
	socket.Network

	mu    sync.Mutex
	left  int   // datagrams that may still go
	err   error // what the next one gets
	waits []*Socket
	calls int // of TrySend
}

// New returns a network that is not jammed.
func New(on socket.Network) *Network { return &Network{Network: on, left: math.MaxInt} }

// Jam lets n more datagrams go; those after them get err. With EAGAIN or ENOBUFS they
// may be tried again; any other error comes once, and then the jam is over.
func (n *Network) Jam(left int, err error) {
	n.mu.Lock()
	n.left, n.err = left, err
	n.mu.Unlock()
}

// Clear ends the jam, and tells the sockets that wait for it.
func (n *Network) Clear() {
	n.mu.Lock()
	n.left = math.MaxInt
	waits := n.waits
	n.waits = nil
	n.mu.Unlock()
	for _, s := range waits {
		s.clear()
	}
}

// Calls returns how often TrySend was called.
func (n *Network) Calls() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.calls
}

// Open opens a socket, of type *Socket.
func (n *Network) Open(f socket.Family) (socket.Socket, error) {
	s, err := n.Network.Open(f)
	if err != nil {
		return nil, err
	}
	return &Socket{Socket: s, network: n}, nil
}

// LookupNetIP asks the network beneath.
func (n *Network) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if r, ok := n.Network.(socket.Resolver); ok {
		return r.LookupNetIP(ctx, network, host)
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// A Socket is one that can be jammed.
type Socket struct {
	socket.Socket
	network *Network
	fn      func() // waits for room
}

// admit returns how many of count datagrams may go.
func (n *Network) admit(count int) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.calls++
	if n.left == math.MaxInt {
		return count, nil
	}
	if n.left > 0 {
		count = min(count, n.left)
		n.left -= count
		return count, nil
	}
	err := n.err
	if !waits(err) {
		n.left = math.MaxInt
	}
	return 0, err
}

// TrySend sends as many as may go.
func (s *Socket) TrySend(ms []socket.Message) (int, error) {
	count, err := s.network.admit(len(ms))
	if err != nil {
		return 0, err
	}
	return s.Socket.TrySend(ms[:count])
}

// Notify calls fn when the jam is over, if it waits for room.
func (s *Socket) Notify(mask socket.Events, fn func()) {
	n := s.network
	if mask&socket.Writable != 0 {
		n.mu.Lock()
		s.fn = nil
		if jammed := n.left == 0 && waits(n.err); jammed && fn != nil {
			s.fn = fn
			n.waits = append(n.waits, s)
			mask &^= socket.Writable
		}
		n.mu.Unlock()
	}
	if mask != 0 {
		s.Socket.Notify(mask, fn)
	}
}

func (s *Socket) clear() {
	s.network.mu.Lock()
	fn := s.fn
	s.fn = nil
	s.network.mu.Unlock()
	if fn != nil {
		fn()
	}
}

// Close closes the socket, and calls what waits.
func (s *Socket) Close() error {
	err := s.Socket.Close()
	s.clear()
	return err
}

// waits reports whether who gets the error is to try again.
func waits(err error) bool { return err == syscall.EAGAIN || err == syscall.ENOBUFS }
