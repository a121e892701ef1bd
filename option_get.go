package castnet

import (
	"strconv"
	"syscall"

	"github.com/castnet-go/castnet/socket"
)

// option is the way of every getter.
func (c *Conn) option(o socket.Option) (int, error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	v, err := c.s.Option(o)
	return v, c.optionError(opGet, callGetsockopt, err)
}

// TTL returns what [Conn.SetTTL] sets.
func (c *Conn) TTL() (int, error) { return c.option(socket.TTL) }

// TOS returns what [Conn.SetTOS] sets.
func (c *Conn) TOS() (int, error) { return c.option(socket.TOS) }

// MulticastTTL returns what [Conn.SetMulticastTTL] sets.
func (c *Conn) MulticastTTL() (int, error) { return c.option(socket.MulticastTTL) }

// MulticastLoopback returns what [Conn.SetMulticastLoopback] sets.
func (c *Conn) MulticastLoopback() (bool, error) {
	v, err := c.option(socket.MulticastLoopback)
	return v != 0, err
}

// MulticastAll returns what [Conn.SetMulticastAll] sets.
func (c *Conn) MulticastAll() (bool, error) {
	v, err := c.option(socket.MulticastAll)
	return v != 0, err
}

// MulticastInterface returns what [Conn.SetMulticastInterface] sets: the name of the
// interface by which datagrams to groups leave, or its number if it is gone; "" if the
// route says.
func (c *Conn) MulticastInterface() (string, error) {
	index, err := c.option(socket.MulticastInterface)
	if err != nil || index == 0 {
		return "", err
	}
	list, err := c.on.Interfaces()
	if err != nil {
		return "", c.optionError(opGet, callGetsockopt, err)
	}
	for _, i := range list {
		if i.Index == index {
			return i.Name, nil
		}
	}
	return strconv.Itoa(index), nil
}
