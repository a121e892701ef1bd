package stack

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/internal/text"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
)

// A Socket is a UDP socket of a stack; it implements socket.Socket.
type Socket struct {
	stack *Stack
	flow  uint32 // by which lanes and receiving cores are chosen

	// Read without a lock.
	closed    atomic.Bool
	shut      atomic.Uint32 // socket.How
	pending   atomic.Uint32 // the errno to be reported once
	sendUsed  atomic.Int32  // bytes of frames that are held somewhere
	sendLimit atomic.Int32  // SO_SNDBUF
	reports   atomic.Uint32 // socket.Fields of option Report
	six       bool          // of IPv6
	past      bool          // guarded by the stack's socketSet: it counts among those that were closed

	match  atomic.Pointer[match]         // what incoming datagrams are matched against
	drops  atomic.Pointer[drop.Counters] // nil until the first
	errors atomic.Pointer[errorQueue]    // nil unless ReceiveErrors is set

	// What follows is written by whoever sends, what precedes is not: it is a cache
	// line.

	// mu guards the socket's state and its sending side.
	mu     sync.Mutex
	path   *path // to the peer, or where the last datagram went
	sent   uint64
	bytes  uint64
	opts   options
	bound  binding
	peer   netip.AddrPort // zero: not connected
	splits uint64         // datagrams beyond the first of each train
	hooked uint64         // of all those, what the stack has counted itself

	rank  atomic.Uint64 // among the sockets of one key: the order of binding
	waits waits

	prevOpen, nextOpen *Socket // guarded by the stack's socketSet

	queue receiveQueue
}

// binding is a socket's own end.
type binding struct {
	addr         address // what datagrams must be addressed to; unspecified: any local address
	source       address // if addr can be no source: the one that Connect chose first; else zero
	port         uint16
	explicitAddr bool // Bind named the address: disconnecting keeps it
	explicitPort bool // Bind named the port: disconnecting keeps it
	any          bool // Intercept: every port that nobody has bound; port is 0
}

// isBound reports whether the socket is in the port table. The caller holds s.mu.
func (s *Socket) isBound() bool { return s.bound.port != 0 || s.bound.any }

// match is what an incoming datagram must agree with for a socket to be a
// candidate, and what others must agree with that want its port. It is immutable
// once published.
type match struct {
	peer                 address // zero: anybody
	device               int32   // 0: any
	peerPort             uint16
	reuseAddr, reusePort bool
	six                  bool         // the socket is of IPv6
	only6                bool         // and hears no IPv4 (IPv6Only)
	quiet                bool         // what the socket has not joined it does not hear (MulticastAll is off)
	groups               *memberships // nil: none
	sketch               uint64       // the bits of those groups
}

// anything is the match of sockets without wishes, which most are, and anything6 that
// of those of IPv6.
var (
	anything  match
	anything6 = match{six: true}
)

func newSocket(st *Stack, family socket.Family) *Socket {
	s := &Socket{stack: st, flow: st.newFlow(), six: family == socket.IPv6}
	s.opts = defaultOptions
	s.bound.addr = s.any()
	s.sendLimit.Store(int32(st.cfg.SendBuffer))
	s.queue.limit = st.cfg.ReceiveBuffer
	if s.six {
		s.match.Store(&anything6)
	} else {
		s.match.Store(&anything)
	}
	return s
}

// Family returns socket.IPv4 or socket.IPv6.
func (s *Socket) Family() socket.Family {
	if s.six {
		return socket.IPv6
	}
	return socket.IPv4
}

// any returns the address of a socket that is bound to none.
func (s *Socket) any() address {
	if s.six {
		return unspecified6
	}
	return unspecified4.address()
}

// Stack returns the stack that the socket belongs to.
func (s *Socket) Stack() *Stack { return s.stack }

// describe names the socket in traces.
func (s *Socket) describe() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.describeLocked()
}

func (s *Socket) describeLocked() string {
	if s.peer.IsValid() {
		return text.Sprintf("socket %v-%v", s.localAddr(), s.peer)
	}
	return text.Sprintf("socket %v", s.localAddr())
}

// LocalAddr returns the socket's own address. After Close it is what it was.
func (s *Socket) LocalAddr() netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.localAddr()
}

func (s *Socket) localAddr() netip.AddrPort {
	return netip.AddrPortFrom(s.shown(s.bound.addr, s.opts.device), s.bound.port)
}

// shown returns an address as the socket shows it: one of IPv4 v4-mapped if the socket
// is of IPv6, and one of fe80::/10 with the interface that it is on, if that is known,
// as its zone.
func (s *Socket) shown(a address, device int) netip.Addr {
	switch {
	case !s.six:
		return a.netip()
	case device != 0 && a.needsScope():
		return netip.AddrFrom16(a.bytes16()).WithZone(s.stack.zoneOf(device))
	}
	return netip.AddrFrom16(a.bytes16())
}

// PeerAddr returns the connected peer.
func (s *Socket) PeerAddr() (netip.AddrPort, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed.Load():
		return netip.AddrPort{}, socket.ErrClosed
	case s.peer.Port() == 0:
		// Linux tells a peer by its port: one connected to port 0 has none.
		return netip.AddrPort{}, syscall.ENOTCONN
	}
	return s.peer, nil
}

// Shutdown ends receiving, sending or both.
func (s *Socket) Shutdown(how socket.How) error {
	s.mu.Lock()
	if s.closed.Load() {
		s.mu.Unlock()
		return socket.ErrClosed
	}
	if how == 0 || how&^socket.ShutBoth != 0 {
		s.mu.Unlock()
		return syscall.EINVAL
	}
	connected := s.peer.IsValid()
	s.shut.Store(s.shut.Load() | uint32(how))
	s.mu.Unlock()
	s.waits.wake(readable | writable)
	if !connected {
		return syscall.ENOTCONN
	}
	return nil
}

// Close gives up the port and drops what is queued.
func (s *Socket) Close() error {
	s.mu.Lock()
	if s.closed.Load() {
		s.mu.Unlock()
		return socket.ErrClosed
	}
	s.closed.Store(true)
	left := s.leaveAll()
	addr, port := s.bound.addr, s.bound.port
	s.release()
	s.bound.addr, s.bound.port = addr, port // for LocalAddr
	s.setPath(nil)
	s.mu.Unlock()
	for _, i := range left {
		i.groups.program()
	}

	s.queue.mu.Lock()
	s.queue.state = queueClosed
	begun := int(s.queue.begun)
	s.queue.begun = 0
	var rest []*packet.Buffer
	for s.queue.count > 0 {
		rest = append(rest, s.queue.pop())
	}
	s.queue.ring = nil
	if q := s.errors.Load(); q != nil {
		s.dropErrors(q)
	}
	s.queue.mu.Unlock()
	for _, b := range rest {
		s.discard(b, begun, drop.SocketClosed)
		begun = 0 // of the first only
	}
	s.stack.sockets.remove(s)
	s.waits.wake(allEvents)
	return nil
}

// interfaceOf returns the interface by which a packet came in, or nil.
func (s *Stack) interfaceOf(b *packet.Buffer) *Interface {
	if n := s.state.Load().byIndex(int(b.Interface)); n != nil {
		return n.Interface
	}
	return nil
}

// Charge and Uncharge are the send buffer's account of frames that something
// holds. They make the Socket a packet.Owner.
func (s *Socket) Charge(n int) { s.sendUsed.Add(int32(n)) }

// Uncharge wakes writers when the buffer is less than half full. It may be
// called with a link's lock held, so a notification is left to the timer.
func (s *Socket) Uncharge(n int) {
	used := s.sendUsed.Add(-int32(n))
	if 2*used >= s.sendLimit.Load() || !s.waits.wanted(writable) {
		return
	}
	if s.waits.wakeBlocked(writable) && s.waits.alarm.CompareAndSwap(false, true) {
		t := &s.stack.timers
		t.arm(&timer{due: func(instant) {
			s.waits.alarm.Store(false)
			if ev := s.Ready(writable); ev != 0 {
				s.waits.wake(ev)
			}
		}}, t.now())
	}
}

// takeError returns the pending error and clears it; nil if there is none.
func (s *Socket) takeError() error {
	if s.closed.Load() {
		return socket.ErrClosed
	}
	if e := s.pending.Swap(0); e != 0 {
		return syscall.Errno(e)
	}
	return nil
}

// fail sets the pending error and wakes everybody.
func (s *Socket) fail(e syscall.Errno) {
	s.pending.Store(uint32(e))
	s.waits.wake(allEvents)
}

func (s *Socket) countDrop(r drop.Reason, n int) {
	c := s.drops.Load()
	if c == nil {
		s.drops.CompareAndSwap(nil, new(drop.Counters))
		c = s.drops.Load()
	}
	c.Add(r, n)
}

// Stats returns the socket's counters.
func (s *Socket) Stats() socket.Stats {
	var st socket.Stats
	s.mu.Lock()
	st.Sent, st.SentBytes = s.sent+s.splits, s.bytes
	s.mu.Unlock()
	s.queue.mu.Lock()
	st.Received, st.ReceivedBytes = s.queue.received, s.queue.bytes
	st.ReceiveQueued = s.queue.used
	s.queue.mu.Unlock()
	st.SendQueued = int(s.sendUsed.Load())
	if c := s.drops.Load(); c != nil {
		st.Dropped = c.Map()
	}
	return st
}
