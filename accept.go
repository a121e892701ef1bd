package castnet

import (
	"io"
	"net"
	"net/netip"
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
// If admit is not nil it is asked first; a reason other than drop.None drops the
// datagram, and Accept goes on waiting. Datagrams of no flow that could be answered
// are dropped as drop.NoFlow.
//
// EINVAL: c has a peer. Stacks and lab hosts can do it. On other networks the error
// is [ErrNotSupported].
func (c *Conn) Accept(admit func(client, destination netip.AddrPort) drop.Reason) (*Conn, error) {
	if !c.ok() {
		return nil, syscall.EINVAL
	}
	a, ok := c.s.(socket.Acceptor)
	if !ok {
		return nil, c.opError(opAccept, callAccept, &socket.NotSupportedError{
			What: "Accept", Reason: "the network cannot make a socket of a flow without losing what arrives meanwhile",
		})
	}
	for {
		if c.read.passed.Load() {
			return nil, c.opError(opAccept, callAccept, c.expired())
		}
		s, err := a.Accept(admit)
		switch {
		case err == nil:
			return newConn(s, c.network, c.on, zeroAddrPort), nil
		case err != syscall.EAGAIN:
			return nil, c.opError(opAccept, callAccept, err)
		case c.readShut.Load():
			return nil, c.opError(opAccept, callAccept, io.EOF)
		}
		if err := c.s.Wait(socket.Readable, &c.read.cancel); err != nil && err != socket.ErrCancelled {
			return nil, c.opError(opAccept, callAccept, err)
		}
	}
}
