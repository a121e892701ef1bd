package stack

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/castnet-go/castnet/internal/text"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// interface6 is what an interface that speaks IPv6 knows of its link: its addresses
// and how far they are tested, the routers and prefixes there (RFC 4861, 5.1 and
// 6.3.2). It is a state machine with one timer. Whatever of it packets are handled by
// is published with the stack's state; what only it needs, such as lifetimes, is not,
// so that an advertisement that says nothing new leaves every path as it is.
type interface6 struct {
	iface *Interface

	// What neighbours are asked by, 0: the default.
	reachable, retrans atomic.Int64

	mu        sync.Mutex // taken before Stack.mu
	todo      []func()   // to be done with mu released, in this order
	busy      bool       // somebody is at it
	changed   bool       // what is published is to be published anew
	heard     hearsay
	gone      bool
	up        bool
	addresses []*address6
	routers   []router6
	prefixes  []prefix6

	hopLimit uint8 // of what is sent; 0: the default
	mtu      int   // that routers advertise; 0: none

	solicitations int     // of routers, still to be sent
	solicitAt     instant // when the next one is
	advertiser    *advertiser

	wake  timer
	armed instant
}

// The constants of RFC 4861, section 10.
const (
	maxSolicitDelay  = 1 * time.Second // MAX_RTR_SOLICITATION_DELAY, and what DAD waits for
	solicitInterval  = 4 * time.Second // RTR_SOLICITATION_INTERVAL
	maxSolicits      = 3               // MAX_RTR_SOLICITATIONS
	ndpHopLimit      = 255             // of every message, and by that it is known to come from the link
	defaultHopLimit  = 64
	maxReachableTime = 3600 * time.Second // MAX_REACHABLE_TIME of RFC 4861, 6.2.1
)

// EnableIPv6 makes the interface speak IPv6, if it does not yet. It makes itself a
// link-local address (RFC 7217, unless Config.EUI64 is set), joins the groups that it
// has to, and, as far as Config.AcceptRA says so, asks routers how it is to be
// configured, and heeds what they answer. AddAddress does the same with an
// interface's first IPv6 address. The link has to carry packets of 1280 bytes.
func (i *Interface) EnableIPv6() error {
	if i.stack.six == nil {
		return errIPv4Only
	}
	_, err := i.enable6()
	return err
}

// enable6 returns the interface's IPv6 side, which it makes if there is none.
func (i *Interface) enable6() (*interface6, error) {
	x, made, err := i.begin6()
	if made {
		i.finish6()
	}
	return x, err
}

// begin6 is enable6, but for what is left for later, and says whether there was none.
func (i *Interface) begin6() (x *interface6, made bool, err error) {
	i.configMu.Lock()
	defer i.configMu.Unlock()
	if x := i.ip6.Load(); x != nil {
		return x, false, nil
	}
	st := i.stack.state.Load()
	n := st.byIndex(i.index)
	switch {
	case st.closed:
		return nil, false, socket.ErrClosed
	case n == nil:
		return nil, false, text.Errorf("stack: interface %q was removed", i.name)
	case i.MTU() < wire.IPv6MinMTU:
		return nil, false, text.Errorf("stack: interface %q has an MTU of %d; IPv6 needs %d (RFC 8200)", i.name, i.MTU(), wire.IPv6MinMTU)
	}
	x = &interface6{iface: i, up: n.up, armed: never, solicitAt: never, heard: hearsay{at: never}}
	x.wake.due = x.fire
	i.ip6.Store(x)
	x.mu.Lock()
	x.later(func() { i.groups.joinAll(i.stack.cfg.Forwarding) })
	if i.kind == link.Loopback {
		x.add(&address6{addr: loopback6, bits: 128, origin: OriginManual, preferred: never, valid: never, at: never})
	} else {
		x.add(x.linkLocal(0))
	}
	x.changed = true
	x.settle()
	return x, true, nil
}

// finish6 does what was left for later.
func (i *Interface) finish6() {
	x := i.ip6.Load()
	x.mu.Lock()
	x.finish()
}

// later has something done when the mutex is released.
func (x *interface6) later(f func()) { x.todo = append(x.todo, f) }

func (x *interface6) now() instant { return x.iface.stack.timers.now() }

// random draws a time from zero to below most.
func (x *interface6) random(most time.Duration) time.Duration {
	return time.Duration(x.iface.stack.random.uint64() % uint64(max(most, 1)))
}

// commit publishes what has changed and sets the timer.
func (x *interface6) commit() {
	if x.changed && !x.gone {
		x.changed, x.heard.at = false, never
		x.publish()
		x.later(x.iface.groups.configured)
	}
	x.arm()
}

// settle is commit and releases the mutex. What was left for later is for finish6.
func (x *interface6) settle() {
	x.commit()
	x.mu.Unlock()
}

// finish is commit, releases the mutex and does what was left for later. If somebody
// else is at that, he does it, so that a group is not left before it was joined.
func (x *interface6) finish() {
	x.commit()
	if x.busy {
		x.mu.Unlock()
		return
	}
	for len(x.todo) > 0 {
		todo := x.todo
		x.todo, x.busy = nil, true
		x.mu.Unlock()
		for _, f := range todo {
			f()
		}
		x.mu.Lock()
		x.busy = false
	}
	x.mu.Unlock()
}

// publish makes what the interface knows the stack's state.
func (x *interface6) publish() {
	x.iface.change(func(st *state, n *netif) error {
		n.addresses6 = make([]ifaddr6, 0, len(x.addresses))
		for _, a := range x.addresses {
			n.addresses6 = append(n.addresses6, ifaddr6{a.addr, a.bits, a.origin, a.state})
		}
		n.hopLimit, n.mtu6 = x.hopLimit, x.mtu
		kept := st.routes6[:0]
		for _, r := range st.routes6 {
			if r.out != x.iface || !r.connected {
				kept = append(kept, r)
			}
		}
		st.routes6 = kept
		x.routes(func(r route) {
			r.out, r.connected = x.iface, true
			for _, o := range st.routes6 {
				if o.dst == r.dst && o.bits == r.bits && o.gateway == r.gateway && o.out == r.out && o.connected {
					return
				}
			}
			st.routes6 = append(st.routes6, r)
			sortRoutes(st.routes6)
		})
		return nil
	})
}

// routes yields the routes that follow from addresses, prefixes and routers.
func (x *interface6) routes(yield func(route)) {
	if x.iface.kind == link.Loopback {
		return // its addresses are local
	}
	yield(route{dst: address{hi: 0xff << 56}, bits: 8})
	for _, a := range x.addresses {
		if a.origin != OriginRouter && a.bits < 128 {
			yield(route{dst: a.addr.masked6(a.bits), bits: a.bits})
		}
	}
	for _, p := range x.prefixes {
		yield(route{dst: p.prefix, bits: p.bits})
	}
	for _, r := range x.routers {
		yield(route{gateway: r.addr, metric: routerMetric, preference: r.preference})
	}
}

// arm sets the timer for what comes first.
func (x *interface6) arm() {
	at := min(x.solicitAt, x.heard.at)
	for _, a := range x.addresses {
		at = min(at, a.next())
	}
	for _, r := range x.routers {
		at = min(at, r.until)
	}
	for _, p := range x.prefixes {
		at = min(at, p.until)
	}
	if x.advertiser != nil {
		at = min(at, x.advertiser.at)
	}
	if x.gone {
		at = never
	}
	switch timers := &x.iface.stack.timers; {
	case at == x.armed:
	case at == never:
		timers.disarm(&x.wake)
		x.armed = never
	default:
		timers.arm(&x.wake, at)
		x.armed = at
	}
}

// fire is the timer: everything is done that is due.
func (x *interface6) fire(now instant) {
	x.mu.Lock()
	x.armed = never
	if x.gone {
		x.mu.Unlock()
		return
	}
	for _, a := range append([]*address6(nil), x.addresses...) {
		x.ripen(a, now)
	}
	x.changed = x.changed || x.heard.ripe(now)
	x.expire(now)
	if x.solicitAt <= now {
		x.solicitRouters(now)
	}
	if x.advertiser != nil && x.advertiser.at <= now {
		x.advertise(now)
	}
	x.finish()
}

// addAddress6 is AddAddress for IPv6.
func (i *Interface) addAddress6(p netip.Prefix) error {
	addr := addressOf(p.Addr())
	if addr.isUnspecified() || addr.isMulticast() || addr.isLoopback() && i.kind != link.Loopback {
		return text.Errorf("stack: %v cannot be an address of interface %q", p, i.name)
	}
	x, err := i.enable6()
	if err != nil {
		return err
	}
	x.mu.Lock()
	if x.gone {
		x.mu.Unlock()
		return text.Errorf("stack: interface %q was removed", i.name)
	}
	st := i.stack.state.Load()
	if st.closed {
		x.mu.Unlock()
		return socket.ErrClosed
	}
	holder := st.local6(addr, i)
	if x.find(addr) != nil {
		holder = st.byIndex(i.index)
	}
	if holder != nil {
		x.mu.Unlock()
		return text.Errorf("stack: interface %q has the address %v already", holder.name, p.Addr())
	}
	x.add(&address6{addr: addr, bits: p.Bits(), origin: OriginManual, preferred: never, valid: never, at: never})
	x.finish()
	return nil
}

// removeAddress6 is RemoveAddress for IPv6.
func (i *Interface) removeAddress6(p netip.Prefix) error {
	x := i.ip6.Load()
	if x == nil && i.kind == link.Loopback {
		x, _ = i.enable6() // it has ::1 without that
	}
	if x != nil {
		x.mu.Lock()
		if a := x.find(addressOf(p.Addr())); a != nil && a.bits == p.Bits() {
			x.remove(a)
			x.finish()
			return nil
		}
		x.mu.Unlock()
	}
	return text.Errorf("stack: interface %q does not have the address %v", i.name, p)
}

// up6 takes note that the interface came up: others are asked whether they have its
// addresses (RFC 4862, 5.4), and routers how it is to be configured.
func (i *Interface) up6() {
	x := i.ip6.Load()
	x.mu.Lock()
	x.up = true
	for _, a := range x.addresses {
		x.test(a)
	}
	x.changed = true
	x.advertiseSoon()
	x.settle()
}

// down6 takes note that the interface went down: what others have said is forgotten.
func (i *Interface) down6() {
	x := i.ip6.Load()
	x.mu.Lock()
	x.up = false
	x.forget()
	if x.advertiser != nil {
		x.advertiser.at = never
	}
	for _, a := range x.addresses {
		a.at = never
		if x.tests() {
			a.state = AddressTentative
		}
	}
	x.changed = true
	x.settle()
}

// forget forgets all that routers have said.
func (x *interface6) forget() {
	x.routers, x.prefixes = nil, nil
	x.hopLimit, x.mtu = 0, 0
	x.reachable.Store(0)
	x.retrans.Store(0)
	x.solicitAt, x.solicitations = never, 0
	for _, a := range append([]*address6(nil), x.addresses...) {
		if a.origin == OriginRouter {
			x.remove(a)
		}
	}
}

// removed6 takes note that the interface is no more.
func (i *Interface) removed6() {
	x := i.ip6.Load()
	x.mu.Lock()
	x.gone = true
	x.settle()
}

// retransTimer returns how long an answer to a solicitation is waited for.
func (i *Interface) retransTimer() time.Duration {
	if x := i.ip6.Load(); x != nil {
		if d := x.retrans.Load(); d != 0 {
			return time.Duration(d)
		}
	}
	return probeInterval
}

// baseReachableTime returns how long neighbours are trusted, on average.
func (i *Interface) baseReachableTime() time.Duration {
	if x := i.ip6.Load(); x != nil {
		if d := x.reachable.Load(); d != 0 {
			return time.Duration(d)
		}
	}
	return reachableTime
}

// hopLimit6 returns the hop limit of unicast, unless a socket says another.
func (n *netif) hopLimit6() uint8 {
	if n.hopLimit != 0 {
		return n.hopLimit
	}
	return defaultHopLimit
}

// MTU6 returns the length of the longest IPv6 packet that the interface sends whole:
// the MTU, or what routers advertise, if that is less.
func (n *netif) MTU6() int {
	if n.mtu6 != 0 {
		return min(n.mtu6, n.MTU())
	}
	return n.MTU()
}
