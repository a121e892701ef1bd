package castnet

import (
	"io"
	"net"
	"syscall"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/socket"
)

// NewConn returns a Conn of a socket that the caller has opened on the network and
// made ready. The socket belongs to the Conn from now on. Who can uses [Config],
// which does both; NewConn is for sockets that come from elsewhere.
func NewConn(on Network, s socket.Socket) *Conn {
	network := "udp4"
	if s.Family() == socket.IPv6 {
		network = "udp"
	}
	return newConn(s, network, on, zeroAddrPort)
}

// Intercept returns a Conn that hears what is for nobody else: each datagram to
// this host alone, at whatever port, that no other socket wants. On a stack with a
// transparent interface that is whatever comes in by it, to any address. The
// network is "udp", "udp4" or "udp6".
//
// Messages that are read carry FieldLocal, the datagram's own destination, whether
// Report asks for it or not. The Conn has no port of its own, so a Message that it
// sends must say where it is from, as one turned into its answer by Message.Reply
// does. [Conn.Accept] makes connected Conns of the flows that it hears.
//
// Stacks and lab hosts can do it. On other networks the error is
// [ErrNotSupported].
func (c *Config) Intercept(network string) (*Conn, error) {
	cfg := c.orZero()
	fail := func(err error) (*Conn, error) {
		return nil, &net.OpError{Op: opListen, Net: network, Err: err}
	}
	as, err := cfg.effective(network)
	if err != nil {
		return fail(err)
	}
	cfg.Report |= FieldLocal
	for _, ch := range listenChoices(as, cfg.LocalAddr.Addr()) {
		var s socket.Socket
		if s, err = cfg.open(ch); err != nil {
			if isFamilyError(err) {
				continue
			}
			break
		}
		i, ok := s.(socket.Interceptor)
		if !ok {
			s.Close()
			return fail(&socket.NotSupportedError{What: "Intercept", Reason: "the network has no sockets that hear every port"})
		}
		if err = i.Intercept(); err != nil {
			s.Close()
			return fail(callError(callBind, err))
		}
		conn := newConn(s, network, cfg.On, zeroAddrPort)
		conn.portless = true
		return conn, nil
	}
	return fail(err)
}

// Accept waits for a datagram and returns a Conn of its flow: connected to its
// sender, from the address and port that it was sent to, which need not be this
// host's. That datagram, and all of the flow that have arrived or will, are read
// from the new Conn, each once and in order, and not from c. Options are c's.
//
// EINVAL: the first datagram belongs to no flow that can be answered; it is read or
// refused. EINVAL also if c has a peer. Stacks and lab hosts can do it. On other
// networks the error is [ErrNotSupported].
func (c *Conn) Accept() (*Conn, error) {
	if !c.ok() {
		return nil, syscall.EINVAL
	}
	a, err := c.acceptor()
	if err != nil {
		return nil, c.opError(opAccept, callAccept, err)
	}
	s, err := c.accept(a)
	if err != nil {
		return nil, c.opError(opAccept, callAccept, err)
	}
	return newConn(s, c.network, c.on, zeroAddrPort), nil
}

// accept blocks for a flow.
func (c *Conn) accept(a socket.Acceptor) (socket.Socket, error) {
	for {
		if c.read.passed.Load() {
			return nil, c.expired()
		}
		s, err := a.Accept()
		switch {
		case err != syscall.EAGAIN:
			return s, err
		case c.readShut.Load():
			return nil, io.EOF
		}
		if err := c.s.Wait(socket.Readable, &c.read.cancel); err != nil && err != socket.ErrCancelled {
			return nil, err
		}
	}
}

// Refuse drops the first datagram that has arrived, for a reason, without reading
// it. EAGAIN: there is none.
func (c *Conn) Refuse(reason drop.Reason) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	a, err := c.acceptor()
	if err == nil {
		err = a.Refuse(reason)
	}
	return c.opError(opAccept, callAccept, err)
}

func (c *Conn) acceptor() (socket.Acceptor, error) {
	if a, ok := c.s.(socket.Acceptor); ok {
		return a, nil
	}
	return nil, &socket.NotSupportedError{What: "Accept", Reason: "the network cannot make a socket of a flow without losing what arrives meanwhile"}
}
