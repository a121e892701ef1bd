package socket

import (
	"net/netip"
)

// Family is an IP version: what a socket's own address is.
type Family uint8

// The families. An IPv6 socket also carries IPv4, as v4-mapped addresses,
// unless [IPv6Only] is set.
const (
	IPv4 Family = 4
	IPv6 Family = 6
)

// String returns "ip4" or "ip6".
func (f Family) String() string {
	switch f {
	case IPv4:
		return "ip4"
	case IPv6:
		return "ip6"
	}
	return "unknown family"
}

// A Socket is a UDP socket. It never blocks, except in Wait. All methods may
// be called from any goroutine at any time; after Close they return
// [ErrClosed].
type Socket interface {
	// Family returns what the socket was opened with.
	Family() Family

	// Bind gives the socket its own address and port. Port 0 picks an
	// ephemeral one; an unspecified address means every local one. A group
	// or a broadcast address may be bound too: it filters what is received
	// and is never a source.
	//
	// EINVAL: bound already, or a scope is missing. EADDRINUSE: the port is
	// taken, or none is left. EADDRNOTAVAIL: not a local address. EACCES: a
	// privileged port. EAFNOSUPPORT: an address of the other family.
	Bind(addr netip.AddrPort) error

	// Connect sets the peer: what TrySend sends to and the only one TryRecv
	// hears. It picks the source address and binds implicitly. Connecting
	// again changes the peer and keeps the source. The zero AddrPort
	// disconnects; what was chosen implicitly is then given up and what was
	// bound explicitly kept.
	//
	// EINVAL: the source first chosen cannot reach the peer. EAFNOSUPPORT:
	// an address of the other family. EACCES: a broadcast address without
	// Broadcast, or a prohibit route.
	// ENETUNREACH, EHOSTUNREACH: no route. EAGAIN: no port is left.
	Connect(peer netip.AddrPort) error

	// Shutdown ends receiving, sending or both. On an unconnected socket it
	// returns ENOTCONN and yet takes effect, as on Linux. After ShutWrite
	// TrySend returns EPIPE. After ShutRead a waiter is woken and TryRecv
	// on an empty queue returns EAGAIN, while Wait(Readable) returns at
	// once; data that arrives is still delivered.
	Shutdown(how How) error

	// LocalAddr returns the socket's own address; unbound, the family's
	// unspecified address and port 0.
	LocalAddr() netip.AddrPort

	// PeerAddr returns the connected peer, or ENOTCONN.
	PeerAddr() (netip.AddrPort, error)

	// TryRecv takes up to len(ms) datagrams from the receive queue and
	// fills one Message each. It returns EAGAIN if there is none.
	TryRecv(ms []Message) (int, error)

	// TryPeek fills m with the first datagram of the receive queue and
	// leaves it there. EAGAIN if there is none.
	TryPeek(m *Message) error

	// TryRecvError takes the first entry off the error queue, which is empty
	// unless ReceiveErrors is set. EAGAIN if there is none.
	TryRecvError(m *ErrorMessage) error

	// TrySend sends up to len(ms) datagrams, binding implicitly if need be.
	//
	// EAGAIN: the send buffer is full (or no port is left to bind).
	// EMSGSIZE: longer than IP can carry, or over the MTU and not to be
	// fragmented. EDESTADDRREQ: no address and not connected. EAFNOSUPPORT:
	// an address of the other family. EINVAL: port 0, or a field that is
	// not one of SendFields. EACCES: broadcast without permission. ENETUNREACH, EHOSTUNREACH: no
	// route. EPIPE: shut down. ENOBUFS: the device refused it and
	// ReceiveErrors is set.
	TrySend(ms []Message) (int, error)

	// Wait blocks until one of the events in mask holds, and returns nil.
	// It returns ErrCancelled if cancel fires first, or had fired before,
	// and ErrClosed if the socket is closed. A nil cancel never fires.
	//
	// EINVAL: there is no event in mask.
	Wait(mask Events, cancel *Cancel) error

	// Notify calls fn once, as soon as one of the events in mask holds: at
	// once, inside Notify, if it holds already. fn runs on the goroutine
	// that brought the event about and with no lock held; it must not
	// block. A socket holds at most one notification for each event: a
	// later call replaces it, a nil fn removes it. Close calls what is
	// pending.
	Notify(mask Events, fn func())

	// Ready returns those of the events in mask that hold now.
	Ready(mask Events) Events

	// SetOption sets an option; Option reads it. ENOPROTOOPT or
	// ErrNotSupported: the network does not have it. EINVAL: the value.
	SetOption(o Option, value int) error
	Option(o Option) (int, error)

	// ChangeGroup changes what the socket hears of a group. Memberships end
	// with the socket. An interface that goes down and comes up again joins
	// anew.
	//
	// EINVAL: not a group's address, or a change that contradicts what the
	// socket has of the group. ENODEV: there is no such interface, or no
	// route. EADDRINUSE: joined already. EADDRNOTAVAIL: not joined, or a
	// source that is blocked or heard already. ENOBUFS: the socket has as
	// many groups, or as many sources of one, as the network allows.
	// EAFNOSUPPORT, ENOPROTOOPT: an address of the other family.
	ChangeGroup(change GroupChange, g Group) error

	// Memberships lists what ChangeGroup has joined, in the order of joining.
	Memberships() []Membership

	// Stats returns the socket's counters. They survive Close.
	Stats() Stats

	// Close gives up the port, wakes every waiter and drops what is queued
	// as SocketClosed. A second Close returns ErrClosed.
	Close() error
}

// How says which direction Shutdown ends.
type How uint8

// The directions of Shutdown.
const (
	ShutRead How = 1 << iota
	ShutWrite
	ShutBoth = ShutRead | ShutWrite
)

// Events is a set of things that a socket can be waited for.
type Events uint8

const (
	// Readable: TryRecv will not return EAGAIN (a datagram or an error
	// waits), or the socket is shut down for reading.
	Readable Events = 1 << iota
	// Writable: TrySend will not return EAGAIN.
	Writable
	// ErrorQueued: TryRecvError will not return EAGAIN. The entries of the
	// error queue make a socket neither Readable nor Writable by themselves,
	// as who reads datagrams only would never be rid of them; poll(2) makes
	// no such difference.
	ErrorQueued
)
