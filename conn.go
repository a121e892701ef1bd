package castnet

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/socket"
)

// Conn is a UDP socket: a net.PacketConn, a net.Conn, and every method of
// *net.UDPConn except SyscallConn and File, with the same signatures.
//
// Broadcast is permitted, as package net permits it. Several goroutines may
// use it at once. Calls with netip addresses and batches do not allocate.
//
// [Listen], [Dial] and [Config] make a Conn. Methods of the zero Conn and of a
// nil one return EINVAL, like those of *net.UDPConn.
type Conn struct {
	s       socket.Socket
	r       socket.Receiver // s, if it is one
	network string          // "udp", "udp4" or "udp6", as it was asked for
	family  socket.Family
	on      Network
	clock   clock.Clock

	portless bool // it intercepts, and so has no port although it is bound

	addrs atomic.Pointer[addresses]
	mu    sync.Mutex // keeps Connect and what it stores in addrs in step

	read, write direction
	readShut    atomic.Bool
	closed      atomic.Bool
}

// A direction is what reads, or writes, have to themselves.
type direction struct {
	deadline
	singles
}

// addresses is what a Conn says of its ends. It is replaced, never changed.
type addresses struct {
	local, remote net.Addr // remote is nil if not connected
	bound         bool     // local has a port
}

var zeroAddrPort netip.AddrPort

// newConn makes a Conn of a socket that is ready. The peer is the one that it
// was connected to; the zero AddrPort if it was not.
func newConn(s socket.Socket, network string, on Network, peer netip.AddrPort) *Conn {
	c := &Conn{s: s, network: network, family: s.Family(), on: on, clock: on.Clock()}
	c.r, _ = s.(socket.Receiver)
	c.learnAddrs(peer)
	return c
}

func (c *Conn) ok() bool { return c != nil && c.s != nil }

// learnAddrs asks the socket for its addresses. The kernel connects to port 0
// and then knows of no peer; so that Write and WriteTo agree on what the Conn
// is, the peer that it was connected to is one all the same.
func (c *Conn) learnAddrs(peer netip.AddrPort) *addresses {
	local := c.s.LocalAddr()
	a := &addresses{local: toUDPAddr(local), bound: local.Port() != 0}
	if p, err := c.s.PeerAddr(); err == nil {
		peer = p
	}
	if peer.IsValid() {
		a.remote = toUDPAddr(peer)
	}
	c.addrs.Store(a)
	return a
}

// LocalAddr returns the address the Conn is bound to, a *net.UDPAddr. Callers
// share it and must not change it. It survives Close.
func (c *Conn) LocalAddr() net.Addr {
	if !c.ok() {
		return nil
	}
	a := c.addrs.Load()
	if !a.bound && !c.closed.Load() {
		// Disconnected, and with the peer went the port; a write since
		// then has bound another.
		c.mu.Lock()
		a = c.learnAddrs(zeroAddrPort)
		c.mu.Unlock()
	}
	return a.local
}

// RemoteAddr returns the peer that the Conn is connected to, a *net.UDPAddr,
// or nil. Callers share it and must not change it. It survives Close.
func (c *Conn) RemoteAddr() net.Addr {
	if !c.ok() {
		return nil
	}
	return c.addrs.Load().remote
}

// Network returns the network that the Conn is on; nil of the zero Conn.
func (c *Conn) Network() Network {
	if !c.ok() {
		return nil
	}
	return c.on
}

// connected reports whether the Conn has a peer.
func (c *Conn) connected() bool { return c.addrs.Load().remote != nil }

// Connect makes peer the one whom Write sends to and reads hear. The zero
// AddrPort disconnects: the port stays if Listen or Config.LocalAddr chose it
// and is given up if Dial did.
//
// A second peer must be reachable from the source address that the first one
// led to; the error is EINVAL if it is not.
func (c *Conn) Connect(peer netip.AddrPort) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	to := peer
	if peer.Addr().IsValid() {
		var err error
		if to, err = sockaddr(c.family, peer); err != nil {
			return c.connectError(peer, err)
		}
	} else if peer != zeroAddrPort {
		return c.connectError(peer, errMissingAddress)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.s.Connect(to); err != nil {
		return c.connectError(peer, err)
	}
	c.learnAddrs(to)
	return nil
}

func (c *Conn) connectError(peer netip.AddrPort, err error) error {
	return &net.OpError{
		Op: opConnect, Net: c.network, Source: c.addrs.Load().local, Addr: addrPortAddr{peer},
		Err: callError(callConnect, err),
	}
}

// CloseRead ends receiving. What has arrived can still be read; then reads
// return io.EOF, those under way included. On a Conn that is not connected it
// takes effect too, and returns ENOTCONN, as Linux does.
func (c *Conn) CloseRead() error {
	if !c.ok() {
		return syscall.EINVAL
	}
	// The mark comes first: Shutdown wakes readers, who look at it.
	c.readShut.Store(true)
	return c.opError(opClose, callShutdown, c.s.Shutdown(socket.ShutRead))
}

// CloseWrite ends sending: writes return EPIPE from then on. On a Conn that is
// not connected it takes effect too, and returns ENOTCONN, as Linux does.
func (c *Conn) CloseWrite() error {
	if !c.ok() {
		return syscall.EINVAL
	}
	return c.opError(opClose, callShutdown, c.s.Shutdown(socket.ShutWrite))
}

// Close gives up the port. Calls that block return net.ErrClosed, and so does
// every later call of a method that can fail, a second Close included.
func (c *Conn) Close() error {
	if !c.ok() {
		return syscall.EINVAL
	}
	c.closed.Store(true)
	err := c.s.Close()
	c.read.stop()
	c.write.stop()
	return c.opError(opClose, callClose, err)
}

// SetDeadline sets the read and the write deadline: the time, by the network's
// clock, from which calls return an error that is os.ErrDeadlineExceeded and
// whose Timeout method returns true. It applies to calls under way too. The
// zero time means none.
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadline(t, true, true) }

// SetReadDeadline sets the deadline of reads; see [Conn.SetDeadline].
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadline(t, true, false) }

// SetWriteDeadline sets the deadline of writes; see [Conn.SetDeadline]. A
// write blocks only while the send buffer is full.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(t, false, true) }

func (c *Conn) setDeadline(t time.Time, read, write bool) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	if c.closed.Load() {
		return c.optionError(opSet, "", net.ErrClosed)
	}
	if read {
		c.read.set(c.clock, t)
	}
	if write {
		c.write.set(c.clock, t)
	}
	return nil
}

// Stats returns what the Conn has received, sent and lost since it was made.
// It works after Close too.
func (c *Conn) Stats() Stats {
	if !c.ok() {
		return Stats{}
	}
	return c.s.Stats()
}

// recv blocks for the first datagram and takes up to len(ms) of those that are
// there. Every read goes through here.
func (c *Conn) recv(ms []Message) (int, error) {
	for {
		if c.read.passed.Load() {
			return 0, c.expired()
		}
		var n int
		var err error
		if c.r != nil {
			n, err = c.r.Receive(ms, &c.read.cancel)
		} else {
			n, err = c.s.TryRecv(ms)
		}
		switch {
		case err == socket.ErrCancelled:
			continue
		case err != syscall.EAGAIN:
			return n, err
		case c.readShut.Load():
			return 0, io.EOF
		}
		if err := c.s.Wait(socket.Readable, &c.read.cancel); err != nil && err != socket.ErrCancelled {
			return 0, err
		}
	}
}

// send blocks until at least one message is sent and returns how many were.
// Every write goes through here.
func (c *Conn) send(ms []Message) (int, error) {
	for {
		if c.write.passed.Load() {
			return 0, c.expired()
		}
		n, err := c.s.TrySend(ms)
		if err != syscall.EAGAIN {
			return n, err
		}
		if !c.portless && c.s.LocalAddr().Port() == 0 {
			// Not a full buffer but no port left to bind, and no
			// event tells of a port that is given back.
			return 0, err
		}
		if err := c.s.Wait(socket.Writable, &c.write.cancel); err != nil && err != socket.ErrCancelled {
			return 0, err
		}
	}
}

// expired is the error of a call after its deadline: of a closed Conn that it
// is closed, which comes first in package net too.
func (c *Conn) expired() error {
	if c.closed.Load() {
		return net.ErrClosed
	}
	return os.ErrDeadlineExceeded
}
