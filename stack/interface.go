package stack

import (
	"errors"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/internal/text"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// An Interface is a stack's end of a link. AddInterface makes it.
type Interface struct {
	// What every packet asks for is one cache line.
	link    link.Link
	stack   *Stack
	macWord uint64 // the link's hardware address, in the upper 48 bits
	index   int
	lanes   []lane

	name string
	kind link.Kind         // the link's, asked once
	caps link.Capabilities // likewise
	mtu  atomic.Int32      // set by SetMTU; 0: the link's

	groups groupSet

	configMu sync.Mutex                 // serialises SetUp, EnableIPv6 and the removal
	ip6      atomic.Pointer[interface6] // nil: it does not speak IPv6

	drops drop.Counters
	sent  sentCounters
}

func (i *Interface) mac() wire.MAC { return wordMAC(i.macWord) }

// maxLanes bounds the lanes of an interface.
const maxLanes = 64

// sentCounters count what an interface has handed to its link, apart from what
// the sockets' present paths still count for themselves.
type sentCounters struct {
	packets, bytes, refused atomic.Uint64
}

// AddInterface attaches a link under a name and brings the interface up. The
// interface has no address yet. A name has 1 to 15 bytes and neither white space,
// '/', ':' nor what does not print; "." and ".." are none, as in Linux's
// dev_valid_name. A link serves one interface: link.ErrInUse. The link is the stack's from now on, and
// Close closes it; if AddInterface fails, it remains the caller's.
func (s *Stack) AddInterface(name string, l link.Link) (*Interface, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if l == nil {
		return nil, text.Errorf("stack: interface %q needs a link, and got nil: package link lists what there is", name)
	}
	if mtu := l.MTU(); mtu < 68 {
		return nil, text.Errorf("stack: the link of interface %q has an MTU of %d; IPv4 needs 68 (RFC 791)", name, mtu)
	}
	i := &Interface{
		stack: s, name: name, link: l,
		kind: l.Kind(), macWord: macWord(l.Address()), caps: l.Capabilities(),
	}
	i.groups.iface, i.groups.card.stale = i, true
	if i.kind == link.Ethernet && (i.mac().IsZero() || i.mac().IsMulticast()) {
		return nil, text.Errorf("stack: the link of interface %q has the address %v, which is no station's", name, i.mac())
	}
	lanes := 1
	for lanes < min(l.Queues(), maxLanes) {
		lanes *= 2
	}
	i.lanes = make([]lane, lanes)
	for n := range i.lanes {
		i.lanes[n].init(i)
	}
	err := s.update(func(st *state) error {
		if st.byName(name) != nil {
			return text.Errorf("stack: there is an interface %q already", name)
		}
		s.index++
		i.index = s.index
		s.ever = append(s.ever, i)
		st.interfaces = append(st.interfaces, &netif{Interface: i, up: true})
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := l.Attach((*sink)(i)); err != nil {
		s.detach(i)
		return nil, text.Errorf("stack: attaching interface %q: %w", name, err)
	}
	i.groups.program()
	s.settle()
	return i, nil
}

// maxName is the longest name of an interface, in bytes: IFNAMSIZ less the zero
// at the end.
const maxName = 15

// checkName returns why an interface cannot have that name, or nil. It is Linux's
// dev_valid_name, and refuses besides what a terminal would not show.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New(`stack: an interface needs a name, such as "eth0"`)
	case len(name) > maxName:
		return text.Errorf("stack: the interface name %q has %d bytes; shorten it to %d", name, len(name), maxName)
	case name == ".", name == "..":
		return text.Errorf(`stack: %q is a directory to the system and no interface name; call it "eth0", say`, name)
	case !utf8.ValidString(name):
		return text.Errorf("stack: the interface name %q is not UTF-8", name)
	}
	for _, r := range name {
		if r == '/' || r == ':' || r == ' ' || !strconv.IsPrint(r) { // of white space only ' ' prints
			return text.Errorf("stack: the interface name %q has a %q in it; leave out white space, '/', ':' and what does not print", name, r)
		}
	}
	return nil
}

// RemoveInterface takes an interface away, with its addresses, routes and
// neighbours, and closes its link.
func (s *Stack) RemoveInterface(name string) error {
	n := s.state.Load().byName(name)
	if n == nil {
		return text.Errorf("stack: there is no interface %q", name)
	}
	if n.kind == link.Loopback {
		return errors.New("stack: the loopback interface cannot be removed")
	}
	n.configMu.Lock()
	s.detach(n.Interface)
	six := n.ip6.Load() != nil
	if six {
		s.six.removed(n.Interface)
	}
	n.configMu.Unlock()
	s.neighbors.flush(n.Interface)
	if six {
		s.six.finish6(n.Interface)
	}
	n.groups.configured()
	return n.link.Close()
}

// detach takes the interface out of the state.
func (s *Stack) detach(i *Interface) {
	s.update(func(st *state) error {
		for k, n := range st.interfaces {
			if n.Interface == i {
				st.interfaces = append(st.interfaces[:k], st.interfaces[k+1:]...)
				break
			}
		}
		st.routes, st.routes6 = without(st.routes, i), without(st.routes6, i)
		return nil
	})
}

// without returns the routes that do not leave by an interface, in place.
func without(routes []route, i *Interface) []route {
	kept := routes[:0]
	for _, r := range routes {
		if r.out != i {
			kept = append(kept, r)
		}
	}
	return kept
}

// Interface returns the interface of that name, or nil.
func (s *Stack) Interface(name string) *Interface {
	if n := s.state.Load().byName(name); n != nil {
		return n.Interface
	}
	return nil
}

// Name, Index and Stack say which interface this is.
func (i *Interface) Name() string  { return i.name }
func (i *Interface) Index() int    { return i.index }
func (i *Interface) Stack() *Stack { return i.stack }

// Addresses returns the interface's addresses in the order of adding, first those of
// IPv4. Addresses6 tells also of those of IPv6 that are not to be used.
func (i *Interface) Addresses() []netip.Prefix {
	n := i.stack.state.Load().byIndex(i.index)
	if n == nil {
		return nil
	}
	return n.prefixes()
}

func (n *netif) prefixes() []netip.Prefix {
	list := make([]netip.Prefix, 0, len(n.addresses)+len(n.addresses6))
	for _, a := range n.addresses {
		list = append(list, a.prefix())
	}
	for k := range n.addresses6 {
		if a := &n.addresses6[k]; a.usable() {
			list = append(list, a.prefix())
		}
	}
	return list
}

func (n *netif) describe() socket.Interface {
	return socket.Interface{
		Index: n.index, Name: n.name, MTU: n.MTU(), HardwareAddr: n.mac(),
		Addresses: n.prefixes(), Up: n.up,
		Loopback: n.kind == link.Loopback, Broadcast: n.kind == link.Ethernet,
		Multicast: n.kind != link.Loopback,
	}
}

// AddAddress gives the interface an address and a route to its subnet. The
// first address of a subnet is the source of what is sent there. It refuses an
// address that the host has already.
//
// With its first IPv6 address the interface begins to speak IPv6, as by EnableIPv6. An
// IPv6 address is not used until others have been asked whether they have it: see
// Config.DADTransmits and Addresses6.
func (i *Interface) AddAddress(p netip.Prefix) error {
	if p.IsValid() && p.Addr().Is6() && !p.Addr().Is4In6() && i.stack.six != nil {
		return i.stack.six.addAddress(i, p)
	}
	if !p.IsValid() || !p.Addr().Is4() {
		return text.Errorf("stack: %v is not an IPv4 address with a prefix length", p)
	}
	a := ifaddr{ipv4Of(p.Addr()), p.Bits()}
	if b, ok := a.broadcast(); a.addr == unspecified4 || a.addr.isMulticast() || ok && a.addr == b || a.addr == broadcast4 {
		return text.Errorf("stack: %v cannot be an interface's address", p)
	}
	defer i.groups.configured()
	return i.change(func(st *state, n *netif) error {
		for _, o := range st.interfaces {
			if o.has(a.addr) {
				return text.Errorf("stack: interface %q has the address %v already", o.name, a.addr.netip())
			}
		}
		n.addresses = append(n.addresses[:len(n.addresses):len(n.addresses)], a)
		st.addConnected(n.Interface, a)
		return nil
	})
}

// RemoveAddress takes an address away, and the route to its subnet if it was
// the last one in it. Sockets that are bound to it stay bound and hear nothing.
func (i *Interface) RemoveAddress(p netip.Prefix) error {
	if p.IsValid() && p.Addr().Is6() && !p.Addr().Is4In6() && i.stack.six != nil {
		return i.stack.six.removeAddress(i, p)
	}
	if !p.IsValid() || !p.Addr().Is4() {
		return text.Errorf("stack: %v is not an IPv4 address with a prefix length", p)
	}
	a := ifaddr{ipv4Of(p.Addr()), p.Bits()}
	defer i.groups.configured()
	return i.change(func(st *state, n *netif) error {
		for k, o := range n.addresses {
			if o == a {
				rest := append([]ifaddr(nil), n.addresses[:k]...)
				n.addresses = append(rest, n.addresses[k+1:]...)
				st.removeConnected(n, a)
				return nil
			}
		}
		return text.Errorf("stack: interface %q does not have the address %v", i.name, p)
	})
}

// SetUp takes the interface down or brings it up again. Down, it neither sends
// nor receives, its routes are not used, and its IPv4 addresses stay local.
//
// Of IPv6 it forgets what routers have told it, addresses made from their prefixes
// included. Those given by AddAddress stay, as with Linux's keep_addr_on_down, and so
// does the link-local one: when it comes up again, others are asked anew whether they
// have them, and until then they are tentative.
func (i *Interface) SetUp(up bool) error {
	six, err := i.setUp(up)
	if err == nil && !up {
		i.stack.neighbors.flush(i)
	}
	if six {
		i.stack.six.finish6(i)
	}
	i.groups.configured()
	return err
}

// setUp is SetUp, but for what follows from it for others. It reports whether there is
// something to be done for IPv6.
func (i *Interface) setUp(up bool) (six bool, err error) {
	i.configMu.Lock()
	defer i.configMu.Unlock()
	before := i.stack.state.Load().byIndex(i.index)
	err = i.change(func(_ *state, n *netif) error {
		n.up = up
		return nil
	})
	if err != nil || i.ip6.Load() == nil || before.up == up {
		return false, err
	}
	if up {
		i.stack.six.up(i)
	} else {
		i.stack.six.down(i)
	}
	return true, nil
}

// MTU returns the length of the longest IP packet that the interface sends whole.
func (i *Interface) MTU() int {
	if n := int(i.mtu.Load()); n != 0 {
		return min(n, i.link.MTU())
	}
	return i.link.MTU()
}

// SetMTU makes the interface send no longer packets than that, from 68, which is
// IPv4's least (RFC 791), to what the link carries; 0 is what the link carries.
// What comes in may be longer. What is known of paths is forgotten.
func (i *Interface) SetMTU(mtu int) error {
	if most := i.link.MTU(); mtu != 0 && (mtu < minMTU || mtu > most) {
		return text.Errorf("stack: interface %q cannot have an MTU of %d: IPv4 needs %d, and its link carries %d", i.name, mtu, minMTU, most)
	}
	if mtu != 0 && mtu < wire.IPv6MinMTU && i.ip6.Load() != nil {
		return text.Errorf("stack: interface %q cannot have an MTU of %d: it speaks IPv6, which needs %d (RFC 8200)", i.name, mtu, wire.IPv6MinMTU)
	}
	return i.change(func(*state, *netif) error {
		i.mtu.Store(int32(mtu))
		return nil
	})
}

// change replaces the interface's netif by what f makes of a copy.
func (i *Interface) change(f func(*state, *netif) error) error {
	return i.stack.update(func(st *state) error {
		for k, n := range st.interfaces {
			if n.Interface == i {
				c := *n
				st.interfaces[k] = &c
				return f(st, &c)
			}
		}
		return text.Errorf("stack: interface %q was removed", i.name)
	})
}

// InterfaceStats are an interface's counters.
type InterfaceStats struct {
	ReceivedPackets, ReceivedBytes uint64 // frames handed in by the link
	SentPackets, SentBytes         uint64 // frames handed to the link and not refused
	Dropped                        map[drop.Reason]uint64
}

// Stats returns the interface's counters. Those of sending are summed over the
// sockets, which count for themselves.
func (i *Interface) Stats() InterfaceStats {
	var st InterfaceStats
	for n := range i.lanes {
		packets, bytes := i.lanes[n].received()
		st.ReceivedPackets += packets
		st.ReceivedBytes += bytes
	}
	st.SentPackets = i.sent.packets.Load() - i.sent.refused.Load()
	st.SentBytes = i.sent.bytes.Load()
	i.stack.sockets.each(func(s *Socket) {
		packets, bytes := s.sentBy(i)
		st.SentPackets += packets
		st.SentBytes += bytes
	})
	st.Dropped = i.drops.Map()
	return st
}

// transmit hands frames to the link, each for itself: one that the link refuses is
// dropped by name, and those behind it are tried nevertheless. The caller has counted
// them.
func (i *Interface) transmit(frames []*packet.Buffer) {
	i.traceTransmit(frames)
	for {
		n, err := i.link.Write(frames)
		if n == len(frames) {
			return
		}
		i.refuse(frames[n:n+1], err)
		if frames = frames[n+1:]; len(frames) == 0 {
			return
		}
	}
}

// transmitWhole is transmit for the fragments of one packet: with one that is refused
// the rest is, which would be of no use to anybody (Linux's ip_do_fragment). It reports
// whether all were accepted.
func (i *Interface) transmitWhole(frames []*packet.Buffer) bool {
	i.traceTransmit(frames)
	n, err := i.link.Write(frames)
	if n < len(frames) {
		i.refuse(frames[n:], err)
	}
	return n == len(frames)
}

func (i *Interface) traceTransmit(frames []*packet.Buffer) {
	if i.stack.tracer != nil {
		for _, b := range frames {
			i.stack.trace(trace.Transmit, i, b, "")
		}
	}
}

// refuse drops frames that the link did not accept.
func (i *Interface) refuse(frames []*packet.Buffer, err error) {
	reason := drop.LinkError
	switch {
	case errors.Is(err, link.ErrQueueFull):
		reason = drop.LinkQueueFull
	case errors.Is(err, link.ErrTooBig):
		reason = drop.LinkTooBig
	case errors.Is(err, link.ErrDown), errors.Is(err, link.ErrClosed):
		reason = drop.LinkDown
	case errors.Is(err, link.ErrNoPeer):
		reason = drop.LinkNoPeer
	}
	i.sent.refused.Add(uint64(len(frames)))
	for _, b := range frames {
		i.sent.bytes.Add(-uint64(b.Len()))
		i.drop(b, reason)
	}
}

// drop ends a packet's journey under a reason, and releases it. It is a loss of
// the socket's that sent it too.
// It is called in a hundred places of which none is hot.
//
//go:noinline
func (i *Interface) drop(b *packet.Buffer, reason drop.Reason) { i.dropAs(b, reason, "") }

// dropAs is drop with more to say in traces.
func (i *Interface) dropAs(b *packet.Buffer, reason drop.Reason, detail string) {
	n := b.Datagrams()
	if n > 1 {
		i.stack.own.split.Add(uint64(n - 1))
	}
	i.stack.drops.Add(reason, n)
	i.drops.Add(reason, n)
	if sk, ok := b.Owner().(*Socket); ok {
		sk.countDrop(reason, n)
	}
	if i.stack.tracer != nil {
		i.stack.traceEvent(trace.Event{Step: trace.Drop, Reason: reason, Detail: detail}, i, b)
	}
	b.Release()
}

// preferred reports whether of two routes, of which routers have told both, this one
// goes before the other: by preference (RFC 4191), and then by interface, so that
// their order does not depend on who said it last.
func (r *route) preferred(before *route) bool {
	if !r.connected || !before.connected || r.dst.is4() || r.dst != before.dst {
		return false
	}
	if a, b := rank(r.preference), rank(before.preference); a != b {
		return a > b
	}
	return r.out.index < before.out.index
}

// rank orders preferences by how much they say.
func rank(p wire.RouterPreference) int {
	switch p {
	case wire.PreferenceHigh:
		return 1
	case wire.PreferenceLow:
		return -1
	}
	return 0
}

// sortRoutes puts routes into the order in which they are looked at: longest
// prefix first, then lowest metric, then the preferred, then the oldest. All but the
// last are in it already.
func sortRoutes(routes []route) {
	for i := len(routes) - 1; i > 0; i-- {
		a, b := &routes[i-1], &routes[i]
		if a.bits > b.bits || a.bits == b.bits && (a.metric < b.metric || a.metric == b.metric && !b.preferred(a)) {
			break
		}
		*a, *b = *b, *a
	}
}
