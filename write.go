package castnet

import (
	"net"
	"net/netip"
	"syscall"
)

// Write sends b to the peer that the Conn is connected to. Without one the
// error is EDESTADDRREQ.
func (c *Conn) Write(b []byte) (int, error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	n, err := c.transmit(b, zeroAddrPort)
	if err != nil {
		err = c.opError(opWrite, callWrite, err)
	}
	return n, err
}

// WriteTo sends b to addr, which must be a *net.UDPAddr. On a connected Conn
// the error is net.ErrWriteToConnected.
func (c *Conn) WriteTo(b []byte, addr net.Addr) (int, error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	a, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, &net.OpError{Op: opWrite, Net: c.network, Source: c.addrs.Load().local, Addr: addr, Err: syscall.EINVAL}
	}
	return c.WriteToUDP(b, a)
}

// WriteToUDP is WriteTo with a *net.UDPAddr.
func (c *Conn) WriteToUDP(b []byte, addr *net.UDPAddr) (int, error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	var to netip.AddrPort
	err := c.checkDestination(addr != nil)
	if err == nil {
		to, err = udpSockaddr(c.family, addr)
	}
	var n int
	if err == nil {
		n, err = c.transmit(b, to)
	}
	if err != nil {
		err = c.sendError(callSendTo, addrOrNil(addr), err)
	}
	return n, err
}

// WriteToUDPAddrPort is WriteTo with a netip.AddrPort.
func (c *Conn) WriteToUDPAddrPort(b []byte, addr netip.AddrPort) (int, error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	var to netip.AddrPort
	err := c.checkDestination(addr.IsValid())
	if err == nil {
		to, err = sockaddr(c.family, addr)
	}
	var n int
	if err == nil {
		n, err = c.transmit(b, to)
	}
	if err != nil {
		err = c.sendError(callSendTo, addrPortAddr{addr}, err)
	}
	return n, err
}

// checkDestination is the rule of the calls that must name one.
func (c *Conn) checkDestination(named bool) error {
	if c.connected() {
		return net.ErrWriteToConnected
	}
	if !named {
		return errMissingAddress
	}
	return nil
}

// transmit sends one datagram; the zero address sends to the peer.
func (c *Conn) transmit(b []byte, to netip.AddrPort) (int, error) {
	h := c.write.borrow(b)
	m := &h.ms[0]
	m.Addr, m.Set = to, 0
	_, err := c.send(h.ms[:])
	c.write.giveBack(h)
	if err != nil {
		return 0, err
	}
	return len(b), nil
}

// WriteMsgUDP sends b to addr, which must be nil if the Conn is connected,
// with the fields that oob sets: Linux's control messages for the source
// address, the interface, TTL, TOS and segment size. A control message that
// none of these is gives an error that is [ErrNotSupported].
func (c *Conn) WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error) {
	if !c.ok() {
		return 0, 0, syscall.EINVAL
	}
	var to netip.AddrPort
	if err = c.checkMessageDestination(addr != nil); err == nil && addr != nil {
		to, err = udpSockaddr(c.family, addr)
	}
	if err == nil {
		n, oobn, err = c.transmitMessage(b, oob, to)
	}
	if err != nil {
		err = c.sendError(callSendMsg, addrOrNil(addr), err)
	}
	return n, oobn, err
}

// WriteMsgUDPAddrPort is WriteMsgUDP with a netip.AddrPort, which must be zero
// if the Conn is connected.
func (c *Conn) WriteMsgUDPAddrPort(b, oob []byte, addr netip.AddrPort) (n, oobn int, err error) {
	if !c.ok() {
		return 0, 0, syscall.EINVAL
	}
	var to netip.AddrPort
	if err = c.checkMessageDestination(addr.IsValid()); err == nil && addr.IsValid() {
		to, err = sockaddr(c.family, addr)
	}
	if err == nil {
		n, oobn, err = c.transmitMessage(b, oob, to)
	}
	if err != nil {
		err = c.sendError(callSendMsg, addrPortAddr{addr}, err)
	}
	return n, oobn, err
}

// checkMessageDestination is the rule of the calls that name one exactly if
// the Conn has no peer.
func (c *Conn) checkMessageDestination(named bool) error {
	switch connected := c.connected(); {
	case connected && named:
		return net.ErrWriteToConnected
	case !connected && !named:
		return errMissingAddress
	}
	return nil
}

func (c *Conn) transmitMessage(b, oob []byte, to netip.AddrPort) (n, oobn int, err error) {
	h := c.write.borrow(b)
	m := &h.ms[0]
	m.Addr, m.Set = to, 0
	if len(oob) > 0 {
		if err = parseControl(oob, m); err == nil && !hasForm(c.family, m) {
			err = mapAddrs(c.family, m)
		}
	}
	if err == nil {
		_, err = c.send(h.ms[:])
	}
	c.write.giveBack(h)
	if err != nil {
		return 0, 0, err
	}
	return len(b), len(oob), nil
}

// WriteBatch sends the messages in order, blocking while the send buffer is
// full, and returns how many went: all of them, or those before the one that
// the error is about. Nothing is skipped and nothing sent twice, so a caller
// goes on with ms[n:], or with ms[n+1:] to give that one up.
//
// A Message without an Addr goes to the peer that the Conn is connected to; an
// Addr is heeded even then.
func (c *Conn) WriteBatch(ms []Message) (int, error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	if len(ms) == 0 && c.closed.Load() {
		return 0, c.opError(opWrite, callSendMMsg, net.ErrClosed)
	}
	sent := 0
	for sent < len(ms) {
		n, err := c.sendSome(ms[sent:])
		sent += n
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}
