package socket

import (
	"context"
	"net/netip"

	"github.com/castnet-go/castnet/clock"
)

// A Network is a place where sockets live: the operating system, a user-space
// stack, a lab's host. Its methods may be called from any goroutine.
type Network interface {
	// Open makes a socket, bound to nothing. EAFNOSUPPORT if the network
	// does not speak the family.
	Open(family Family) (Socket, error)

	// Interfaces lists the network's interfaces in the order of their
	// indexes, loopback included.
	Interfaces() ([]Interface, error)

	// Clock is the time by which the network lives; deadlines follow it.
	Clock() clock.Clock
}

// An Interface is what a network says of one of its interfaces at one moment.
type Interface struct {
	Index        int    // from 1, unique in the network
	Name         string // unique in the network
	MTU          int    // longest IP packet, in bytes
	HardwareAddr [6]byte
	Addresses    []netip.Prefix
	Up           bool
	Loopback     bool
	Multicast    bool // groups can be joined on it
	Broadcast    bool // its subnets have broadcast addresses
}

// A Resolver is a Network that knows names of its own. A Network without it
// understands literal addresses only; the operating system's asks the system's
// resolver.
type Resolver interface {
	// LookupNetIP returns the addresses of a host. The network is "ip",
	// "ip4" or "ip6". Errors are *NameError or *net.DNSError.
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}
