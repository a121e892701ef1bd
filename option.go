package castnet

import (
	"os"
	"syscall"

	"github.com/castnet-go/castnet/socket"
)

// setOption is the way of every setter.
func (c *Conn) setOption(o socket.Option, value int) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	return c.optionError(opSet, callSetsockopt, c.s.SetOption(o, value))
}

// SetReadBuffer sets the size of the receive buffer, in bytes of true size:
// bookkeeping counts. As on Linux it is capped by the network's maximum, which is
// also what a negative size means, and doubled.
func (c *Conn) SetReadBuffer(bytes int) error { return c.setOption(socket.ReceiveBuffer, bytes) }

// SetWriteBuffer sets the size of the send buffer; see [Conn.SetReadBuffer].
func (c *Conn) SetWriteBuffer(bytes int) error { return c.setOption(socket.SendBuffer, bytes) }

// SetTTL sets the time to live (IPv6: the hop limit) of what is sent to single
// hosts: 1 to 255, or -1 for the network's default, 64.
func (c *Conn) SetTTL(ttl int) error { return c.setOption(socket.TTL, ttl) }

// SetTOS sets the type of service (IPv6: the traffic class), 0 to 255. ECN is
// in the low two bits.
func (c *Conn) SetTOS(tos int) error { return c.setOption(socket.TOS, tos) }

// SetDontFragment forbids to fragment what is sent; a datagram that is longer
// than the path's MTU is then EMSGSIZE. Off, datagrams may be fragmented here and
// on their way, and nothing is learned of the path but by others. It is not what
// a Conn begins with, which is DiscoveryWant: see [Conn.SetMTUDiscovery].
func (c *Conn) SetDontFragment(on bool) error { return c.setOption(socket.DontFragment, boolInt(on)) }

// SetMulticastTTL sets the time to live of what is sent to groups: 0 to 255,
// or -1 for the default, 1, which does not leave the local network.
func (c *Conn) SetMulticastTTL(ttl int) error { return c.setOption(socket.MulticastTTL, ttl) }

// SetMulticastLoopback says whether this host hears what the Conn sends to
// groups that the host is in. It does by default.
func (c *Conn) SetMulticastLoopback(on bool) error {
	return c.setOption(socket.MulticastLoopback, boolInt(on))
}

// SetMulticastInterface names the interface by which datagrams to groups
// leave; "" is the one that the route to the group leads to.
func (c *Conn) SetMulticastInterface(ifname string) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	index, err := interfaceIndex(c.on, ifname)
	if err != nil {
		return c.optionError(opSet, callSetsockopt, err)
	}
	return c.setOption(socket.MulticastInterface, index)
}

// SetMulticastAll says whether the Conn hears all groups that any socket of this host
// has joined, as far as its address and port match, or only those that it has joined
// itself. It hears all by default, which surprises many (IP_MULTICAST_ALL); but on Linux
// not those of IPv4 if it is a Conn of both families.
func (c *Conn) SetMulticastAll(on bool) error {
	return c.setOption(socket.MulticastAll, boolInt(on))
}

// SetReport says which optional fields the messages that are read from now on
// shall carry. A network that cannot report one of them returns an error that
// is [ErrNotSupported].
func (c *Conn) SetReport(fields Fields) error { return c.setOption(socket.Report, int(fields)) }

// PathMTU returns the longest IP packet, in bytes, that is known to reach the
// peer whole: the outgoing interface's MTU, or less if routers have said so within
// ten minutes. A payload may be 28 bytes shorter over IPv4, 48 over IPv6. Without a
// peer it is ENOTCONN.
func (c *Conn) PathMTU() (int, error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	mtu, err := c.s.Option(socket.PathMTU)
	return mtu, c.optionError(opGet, callGetsockopt, err)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// An interfaceError says which interface there is not.
type interfaceError struct {
	name string
	err  error
}

func (e *interfaceError) Error() string { return "interface " + e.name + ": " + e.err.Error() }
func (e *interfaceError) Unwrap() error { return e.err }

// interfaceIndex finds an interface by name; "" is 0, which is none of them.
func interfaceIndex(n Network, name string) (int, error) {
	if name == "" {
		return 0, nil
	}
	interfaces, err := n.Interfaces()
	if err != nil {
		return 0, &interfaceError{name, err}
	}
	for _, i := range interfaces {
		if i.Name == name {
			return i.Index, nil
		}
	}
	return 0, &interfaceError{name, os.NewSyscallError(callSetsockopt, syscall.ENODEV)}
}
