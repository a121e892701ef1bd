package castnet

import (
	"io"
	"net"
	"net/netip"
	"syscall"

	"github.com/castnet-go/castnet/socket"
)

// Read reads one datagram; what does not fit into b is lost. Reading into an
// empty b returns at once and takes nothing, as in package net. After
// CloseRead it returns io.EOF.
func (c *Conn) Read(b []byte) (int, error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	if len(b) == 0 && !c.closed.Load() {
		return 0, nil
	}
	n, _, err := c.receive(b, callRead)
	return n, err
}

// WaitReadable blocks until a read would not: there is a datagram, or an error, or
// the end. So who serves many Conns need not hold a buffer for each. The read
// deadline counts.
func (c *Conn) WaitReadable() error {
	if !c.ok() {
		return syscall.EINVAL
	}
	for {
		if c.read.passed.Load() {
			return c.opError(opRead, callRead, c.expired())
		}
		err := c.s.Wait(socket.Readable, &c.read.cancel)
		if err != socket.ErrCancelled {
			return c.opError(opRead, callRead, err)
		}
	}
}

// ReadFrom reads one datagram and says who sent it, as a *net.UDPAddr. What
// does not fit into b is lost.
func (c *Conn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, addr, err := c.ReadFromUDP(b)
	if addr == nil {
		return n, nil, err
	}
	return n, addr, err
}

// ReadFromUDP is ReadFrom with a *net.UDPAddr.
func (c *Conn) ReadFromUDP(b []byte) (n int, addr *net.UDPAddr, err error) {
	n, ap, err := c.receiveFrom(b)
	if err != nil {
		return n, nil, err
	}
	return n, toUDPAddr(ap), nil
}

// ReadFromUDPAddrPort is ReadFrom with a netip.AddrPort. On an IPv6 socket,
// which Listen("udp", ":0") makes where it can, IPv4 senders are v4-mapped:
// [netip.Addr.Unmap] gives the plain address.
func (c *Conn) ReadFromUDPAddrPort(b []byte) (n int, addr netip.AddrPort, err error) {
	return c.receiveFrom(b)
}

func (c *Conn) receiveFrom(b []byte) (int, netip.AddrPort, error) {
	if !c.ok() {
		return 0, netip.AddrPort{}, syscall.EINVAL
	}
	return c.receive(b, callRecvFrom)
}

// receive reads one datagram for the calls that want its sender only.
func (c *Conn) receive(b []byte, call string) (n int, from netip.AddrPort, err error) {
	h := c.read.borrow(b)
	if _, err = c.recv(h.ms[:]); err == nil {
		n, from = len(h.ms[0].Buf), h.ms[0].Addr
	} else {
		err = c.readError(call, err)
	}
	c.read.giveBack(h)
	return n, from, err
}

// readError is opError for reads, whose io.EOF stays bare as package net's.
func (c *Conn) readError(call string, err error) error {
	if err == io.EOF {
		return err
	}
	return c.opError(opRead, call, err)
}

// ReadMsgUDP reads one datagram into b and the fields that the Conn reports
// (see [Conn.SetReport]) into oob, as Linux's control messages. The flags are
// Linux's too: MSG_TRUNC (0x20) says that the datagram did not fit into b,
// MSG_CTRUNC (0x8) that a field did not fit into oob. [Conn.ReadBatch] gives
// the same without control messages.
func (c *Conn) ReadMsgUDP(b, oob []byte) (n, oobn, flags int, addr *net.UDPAddr, err error) {
	n, oobn, flags, ap, err := c.ReadMsgUDPAddrPort(b, oob)
	if ap.IsValid() {
		addr = toUDPAddr(ap)
	}
	return n, oobn, flags, addr, err
}

// ReadMsgUDPAddrPort is ReadMsgUDP with a netip.AddrPort.
func (c *Conn) ReadMsgUDPAddrPort(b, oob []byte) (n, oobn, flags int, addr netip.AddrPort, err error) {
	if !c.ok() {
		return 0, 0, 0, netip.AddrPort{}, syscall.EINVAL
	}
	h := c.read.borrow(b)
	if _, err = c.recv(h.ms[:]); err == nil {
		m := &h.ms[0]
		n, addr = len(m.Buf), m.Addr
		if m.Truncated() {
			flags |= msgTrunc
		}
		if m.Set != 0 {
			var cut bool
			if oobn, cut = putControl(oob, c.family, m); cut {
				flags |= msgCtrunc
			}
		}
	} else {
		err = c.readError(callRecvMsg, err)
	}
	c.read.giveBack(h)
	return n, oobn, flags, addr, err
}

// ReadBatch blocks for one datagram, takes those that are there besides, up to
// len(ms), and returns how many it took. Each fills the Buf of its Message up
// to the capacity and reslices it; Message says what else there is. Senders
// are in the form of [Conn.ReadFromUDPAddrPort].
func (c *Conn) ReadBatch(ms []Message) (int, error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	if len(ms) == 0 && !c.closed.Load() {
		return 0, nil
	}
	n, err := c.recv(ms)
	if err != nil {
		err = c.readError(callRecvMMsg, err)
	}
	return n, err
}
