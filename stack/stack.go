package stack

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/internal/entropy"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// A Stack is one host's UDP/IP kernel. It is a socket.Network. Make it with
// New; all methods may be called from any goroutine.
type Stack struct {
	// state is the configuration that packets are handled by. With it stands what else
	// every packet asks for: with the front of ports it is one cache line.
	state  atomic.Pointer[state]
	six    *version6    // nil: a stack without IPv6
	tracer trace.Tracer // nil: none
	ports  portTable

	cfg   Config       // its zeros filled in, the seed included
	mu    sync.Mutex   // held while state is replaced
	index int          // the last interface index given out
	ever  []*Interface // those there are, and some that there have been, for the ledger
	gone  interfaceTotals

	timers     timers
	random     random
	neighbors  neighborTable
	pathMTUs   pathMTUs
	errorLimit errorLimiter
	echo       echoPorts

	identifiers identifiers
	reassembly  reassemblyTable

	flows   atomic.Uint32 // sockets opened
	drops   drop.Counters
	own     ownCounters
	sockets socketSet
}

var _ socket.Network = (*Stack)(nil)
var _ socket.Resolver = (*Stack)(nil)

// state is a configuration: immutable once published. That it is still the
// published one is what a cached path checks, so its address is the
// generation number.
type state struct {
	interfaces []*netif // by rising index
	locals     localSet // all their addresses
	routes     []route  // in the order in which they are looked at
	routes6    []route  // those of IPv6, likewise
	handlers   map[wire.Protocol]Handler
	hooks      Hooks
	closed     bool
}

// netif is an interface as a state sees it.
type netif struct {
	*Interface
	addresses   []ifaddr
	addresses6  []ifaddr6
	transparent []block // ranges of foreign addresses that are for this host
	up          bool
	hopLimit    uint8 // of IPv6, and its MTU, that routers advertise; 0: none
	mtu6        int
}

// ifaddr is an address of an interface.
type ifaddr struct {
	addr ipv4
	bits int
}

// broadcast returns the subnet's broadcast address; a /31 or /32 has none
// (RFC 3021).
func (a ifaddr) broadcast() (ipv4, bool) {
	if a.bits >= 31 {
		return 0, false
	}
	return a.addr | ^mask4(a.bits), true
}

func (a ifaddr) contains(x ipv4) bool { return (a.addr^x)&mask4(a.bits) == 0 }

func (a ifaddr) prefix() netip.Prefix { return netip.PrefixFrom(a.addr.netip(), a.bits) }

// New makes a stack with a loopback interface.
func New(c Config) (*Stack, error) { return newStack(c, ipv6) }

// NewIPv4 makes a stack without IPv6, for programs that are to be small: one that
// makes no other does not carry the code of IPv6. Sockets of that family are
// EAFNOSUPPORT then, its addresses are refused, and its frames UnknownEtherType.
func NewIPv4(c Config) (*Stack, error) { return newStack(c, nil) }

func newStack(c Config, six *version6) (*Stack, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	if c.Seed == ([32]byte{}) {
		c.Seed = entropy.Seed()
	}
	s := &Stack{cfg: c, six: six, tracer: c.Tracer}
	s.random.src = rand.NewChaCha8(c.Seed)
	s.timers.init(c.Clock)
	s.ports.init(s)
	s.neighbors.init(s)
	s.reassembly.init(s)
	s.errorLimit.init(c.Limits.ErrorDestinations)
	s.pathMTUs.init(s)
	s.state.Store(new(state))
	lo, err := s.AddInterface("lo", newLoopback())
	if err != nil {
		return nil, err
	}
	err = lo.change(func(st *state, n *netif) error {
		a := ifaddr{loopback4, 8}
		n.addresses = []ifaddr{a}
		st.addConnected(lo, a)
		if six != nil {
			n.addresses6 = loopbackAddresses6
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Name returns the host's name.
func (s *Stack) Name() string { return s.cfg.Name }

// Clock returns the time by which the stack lives.
func (s *Stack) Clock() clock.Clock { return s.cfg.Clock }

// Drops returns the counters of everything the stack has dropped; they go on
// counting.
func (s *Stack) Drops() *drop.Counters { return &s.drops }

// Open makes a socket. EAFNOSUPPORT: IPv6, on a stack without it.
func (s *Stack) Open(family socket.Family) (socket.Socket, error) {
	sk, err := s.OpenSocket(family)
	if err != nil {
		return nil, err
	}
	return sk, nil
}

// OpenSocket is Open with the concrete type.
func (s *Stack) OpenSocket(family socket.Family) (*Socket, error) {
	if family != socket.IPv4 && (family != socket.IPv6 || s.six == nil) {
		return nil, syscall.EAFNOSUPPORT
	}
	sk := newSocket(s, family)
	if !s.sockets.add(sk) {
		return nil, socket.ErrClosed
	}
	return sk, nil
}

// Interfaces lists the interfaces by rising index.
func (s *Stack) Interfaces() ([]socket.Interface, error) {
	st := s.state.Load()
	list := make([]socket.Interface, 0, len(st.interfaces))
	for _, n := range st.interfaces {
		list = append(list, n.describe())
	}
	return list, nil
}

// LookupNetIP knows only the host's own name and "localhost": 127.0.0.1 and ::1.
func (s *Stack) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	var addrs []netip.Addr
	if host == "localhost" || host == s.cfg.Name {
		if network != "ip6" {
			addrs = append(addrs, loopback4.netip())
		}
		if network != "ip4" && s.six != nil {
			addrs = append(addrs, loopback6.netip())
		}
	}
	if len(addrs) == 0 {
		return nil, &socket.NameError{Name: host}
	}
	return addrs, nil
}

// Close closes every socket and every link. Routers are told before which groups are
// left by that, and were left just now: once, as far as it is due. A second Close returns
// socket.ErrClosed.
func (s *Stack) Close() error {
	if s.state.Load().closed {
		return socket.ErrClosed
	}
	for _, sk := range s.sockets.close() {
		sk.mu.Lock()
		sk.leaveAll()
		sk.mu.Unlock()
	}
	for _, n := range s.state.Load().interfaces {
		n.groups.tell(s.timers.now())
	}

	s.mu.Lock()
	old := s.state.Load()
	if old.closed {
		s.mu.Unlock()
		return socket.ErrClosed
	}
	s.state.Store(&state{closed: true})
	s.mu.Unlock()

	var first error
	for _, n := range old.interfaces {
		if err := n.link.Close(); err != nil && first == nil {
			first = err
		}
	}
	for _, sk := range s.sockets.close() {
		sk.Close()
	}
	s.timers.close()
	for _, n := range old.interfaces {
		for k := range n.lanes {
			n.lanes[k].help() // what waits is dropped, by name
		}
	}
	s.neighbors.close()
	s.reassembly.close()
	s.echo.close()
	return first
}

// update replaces the state by what change makes of a copy of it. If change
// returns an error, nothing has changed.
func (s *Stack) update(change func(*state) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.state.Load()
	if old.closed {
		return socket.ErrClosed
	}
	next := &state{
		interfaces: append([]*netif(nil), old.interfaces...),
		routes:     append([]route(nil), old.routes...),
		routes6:    append([]route(nil), old.routes6...),
		locals:     old.locals, // for change to ask
		handlers:   old.handlers,
		hooks:      old.hooks,
	}
	if err := change(next); err != nil {
		return err
	}
	next.locals = localsOf(next.interfaces)
	s.pathMTUs.clear()
	s.state.Store(next)
	return nil
}

// byIndex returns the interface of that index, or nil.
func (st *state) byIndex(index int) *netif {
	for _, n := range st.interfaces {
		if n.index == index {
			return n
		}
	}
	return nil
}

// byName returns the interface of that name, or nil.
func (st *state) byName(name string) *netif {
	for _, n := range st.interfaces {
		if n.name == name {
			return n
		}
	}
	return nil
}

// localSet is the set of a host's addresses: a list, and when it is long a map.
type localSet struct {
	few  []ipv4
	many map[ipv4]struct{}
}

// maxFew is how long a list of addresses may be that is searched from end to end.
const maxFew = 8

func localsOf(interfaces []*netif) (l localSet) {
	for _, n := range interfaces {
		for _, a := range n.addresses {
			l.few = append(l.few, a.addr)
		}
	}
	if len(l.few) > maxFew {
		l.many = make(map[ipv4]struct{}, len(l.few))
		for _, a := range l.few {
			l.many[a] = struct{}{}
		}
		l.few = nil
	}
	return l
}

// hasAddress reports whether the address is one of the host's own, of either family.
func (st *state) hasAddress(a address) bool {
	if a.is4() {
		return st.local(a.ipv4()) != nil
	}
	return st.local6(a, nil) != nil
}

// isBroadcast reports whether the address is a broadcast one, which IPv6 has none of.
func (st *state) isBroadcast(a address) bool {
	return a.is4() && (a.ipv4() == broadcast4 || st.broadcasts(a.ipv4()) != nil)
}

// isLocal reports whether one of the interfaces has the address.
func (st *state) isLocal(a ipv4) bool {
	if st.locals.many != nil {
		_, ok := st.locals.many[a]
		return ok
	}
	for _, o := range st.locals.few {
		if o == a {
			return true
		}
	}
	return false
}

// loopback returns the interface "lo".
func (st *state) loopback() *netif { return st.interfaces[0] }

// local returns the interface that has the address, or nil. All of 127/8 is
// local.
func (st *state) local(a ipv4) *netif {
	if !st.isLocal(a) {
		if a.isLoopback() && !st.closed {
			return st.loopback()
		}
		return nil
	}
	for _, n := range st.interfaces {
		for i := range n.addresses {
			if n.addresses[i].addr == a {
				return n
			}
		}
	}
	return nil
}

// broadcasts returns the interface whose subnet has the broadcast address, or
// nil; the limited broadcast address is of none.
func (st *state) broadcasts(a ipv4) *netif {
	for _, n := range st.interfaces {
		if n.isBroadcast(a) {
			return n
		}
	}
	return nil
}

// isBroadcast reports whether a is the broadcast address of one of the
// interface's subnets.
func (n *netif) isBroadcast(a ipv4) bool {
	if n.kind == link.IP {
		return false
	}
	for _, x := range n.addresses {
		if b, ok := x.broadcast(); ok && a == b {
			return true
		}
	}
	return false
}

// has reports whether a is one of the interface's own addresses.
func (n *netif) has(a ipv4) bool {
	for i := range n.addresses {
		if n.addresses[i].addr == a {
			return true
		}
	}
	return false
}

// socketSet is the set of a stack's open sockets, for Close and the counters,
// linked through the sockets themselves.
type socketSet struct {
	mu     sync.Mutex
	first  *Socket
	closed bool
	past   socketTotals // of sockets that have been closed
}

func (l *socketSet) add(s *Socket) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	s.nextOpen = l.first
	if l.first != nil {
		l.first.prevOpen = s
	}
	l.first = s
	return true
}

// remove takes a socket out, whose counters count no more.
func (l *socketSet) remove(s *Socket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.past.add(s)
	s.past = true
	if s.prevOpen != nil {
		s.prevOpen.nextOpen = s.nextOpen
	} else if l.first == s {
		l.first = s.nextOpen
	}
	if s.nextOpen != nil {
		s.nextOpen.prevOpen = s.prevOpen
	}
	s.nextOpen, s.prevOpen = nil, nil
}

// close returns the sockets that are open; none can be added any more.
func (l *socketSet) close() (open []*Socket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for s := l.first; s != nil; s = s.nextOpen {
		open = append(open, s)
	}
	return open
}
