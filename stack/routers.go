package stack

import (
	"net/netip"
	"time"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/wire"
)

// router6 is a default router on the interface's link (RFC 4861, 5.1).
type router6 struct {
	addr       address
	until      instant
	preference wire.RouterPreference
}

// prefix6 is a prefix whose addresses are on the link.
type prefix6 struct {
	prefix address
	bits   int
	until  instant // never: without an end
}

// A Router is what Routers tells of one.
type Router struct {
	Addr       netip.Addr // link-local, without a zone
	Preference wire.RouterPreference
	Lifetime   time.Duration // how long it is one if it says no more
}

// Routers returns the default routers of which the interface has heard, in the order
// of their first advertisements.
func (i *Interface) Routers() []Router {
	x := i.ip6.Load()
	if x == nil {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	now := x.now()
	list := make([]Router, 0, len(x.routers))
	for _, r := range x.routers {
		list = append(list, Router{r.addr.netip(), r.preference, r.until - now})
	}
	return list
}

// Addresses6 returns the interface's IPv6 addresses in the order of adding, whatever
// their state.
func (i *Interface) Addresses6() []Address6 {
	x := i.ip6.Load()
	if x == nil {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	now := x.now()
	rest := func(until instant) time.Duration {
		if until == never {
			return wire.NDPInfinity
		}
		return max(until-now, 0)
	}
	list := make([]Address6, 0, len(x.addresses))
	for _, a := range x.addresses {
		list = append(list, Address6{
			Prefix: netip.PrefixFrom(a.addr.netip(), a.bits), State: a.state, Origin: a.origin,
			Preferred: rest(a.preferred), Valid: rest(a.valid),
		})
	}
	return list
}

// acceptsRouters reports whether what routers advertise is heeded (Linux's accept_ra):
// by hosts, unless they forward and so are routers themselves.
func (x *interface6) acceptsRouters() bool {
	c := &x.iface.stack.cfg
	return x.iface.kind != link.Loopback && (c.AcceptRA > 0 || c.AcceptRA == 0 && !c.Forwarding)
}

// searchRouters begins to solicit routers, now that there is a link-local address: at
// once if that was tested first, since that took a random time, else after one (RFC
// 4861, 6.3.7).
func (x *interface6) searchRouters(now instant) {
	if !x.acceptsRouters() || len(x.routers) > 0 || x.solicitAt != never {
		return
	}
	x.solicitations, x.solicitAt = maxSolicits, now
	if !x.tests() {
		x.solicitAt += x.random(maxSolicitDelay)
	}
}

// solicitRouters sends a solicitation to all routers, three at most.
func (x *interface6) solicitRouters(now instant) {
	x.solicitations--
	if x.solicitAt = now + solicitInterval; x.solicitations <= 0 {
		x.solicitAt = never
	}
	var m wire.RouterSolicitation
	src := x.linkLocalSource()
	if !src.isUnspecified() {
		m.Options = x.iface.sourceOption()
	}
	message := m.AppendTo(nil)
	x.later(func() { x.iface.sendNDP(src, allRouters, wire.MulticastMAC(allRouters.netip()), message) })
}

// advertised takes note of a router's advertisement (RFC 4861, 6.3.4). What it leaves
// out stays as it was.
func (x *interface6) advertised(src address, m *wire.RouterAdvertisement) {
	x.mu.Lock()
	if x.gone || !x.up {
		x.mu.Unlock()
		return
	}
	now := x.now()
	x.routerHeard(src, m, now)
	if m.HopLimit != 0 && m.HopLimit != x.hopLimit {
		x.hopLimit, x.changed = m.HopLimit, true
	}
	if m.ReachableTime != 0 && m.ReachableTime <= maxReachableTime {
		x.reachable.Store(int64(m.ReachableTime))
	}
	if m.RetransTimer != 0 {
		x.retrans.Store(int64(min(max(m.RetransTimer, minRetransTimer), maxReachableTime)))
	}
	for o := range m.Options.All() {
		switch o.Type {
		case wire.NDPMTU:
			if mtu, ok := o.MTU(); ok && mtu >= wire.IPv6MinMTU && int64(mtu) <= int64(x.iface.MTU()) && int(mtu) != x.mtu {
				x.mtu, x.changed = int(mtu), true
			}
		case wire.NDPPrefixInformation:
			p, ok := o.PrefixInformation()
			if !ok || addressOf(p.Prefix.Addr()).isLinkLocal() || p.Prefix.Addr().IsMulticast() {
				continue
			}
			if p.OnLink {
				x.onLink(addressOf(p.Prefix.Addr()), p.Prefix.Bits(), until(now, p.ValidLifetime))
			}
			if p.Autonomous {
				x.configure(&p, now)
			}
		}
	}
	x.finishHeard(now)
}

// minRetransTimer is the least that a router can make hosts wait for an answer: else it
// could make them flood the link. Linux's least is a jiffy.
const minRetransTimer = 10 * time.Millisecond

// until returns when a lifetime ends.
func until(now instant, lifetime time.Duration) instant {
	if lifetime >= wire.NDPInfinity {
		return never
	}
	return now + lifetime
}

// routerHeard takes note that a router is one for so long; for no time if it is none.
func (x *interface6) routerHeard(src address, m *wire.RouterAdvertisement, now instant) {
	if m.RouterLifetime == 0 {
		x.removeRouter(src)
		return
	}
	x.solicitAt, x.solicitations = never, 0 // who has answered need not be asked
	for k := range x.routers {
		if r := &x.routers[k]; r.addr == src {
			if r.until = now + m.RouterLifetime; r.preference != m.Preference {
				r.preference, x.changed = m.Preference, true
			}
			return
		}
	}
	if len(x.routers) < x.iface.stack.cfg.Limits.Routers {
		x.routers = append(x.routers, router6{src, now + m.RouterLifetime, m.Preference})
		x.changed = true
	}
}

func (x *interface6) removeRouter(addr address) {
	for k, r := range x.routers {
		if r.addr == addr {
			x.routers = append(x.routers[:k], x.routers[k+1:]...)
			x.changed = true
			return
		}
	}
}

// ceased takes note that a neighbour says that it is a router no more: it is not sent
// through any longer (RFC 4861, 7.2.5).
func (x *interface6) ceased(addr address) {
	x.mu.Lock()
	x.removeRouter(addr)
	x.finishHeard(x.now())
}

// onLink takes note that a prefix is on the link for so long; with no lifetime it is
// not any more.
func (x *interface6) onLink(prefix address, bits int, until instant) {
	now := x.now()
	for k := range x.prefixes {
		if p := &x.prefixes[k]; p.prefix == prefix && p.bits == bits {
			p.until = until
			if until <= now {
				x.prefixes = append(x.prefixes[:k], x.prefixes[k+1:]...)
				x.changed = true
			}
			return
		}
	}
	if until > now && len(x.prefixes) < x.iface.stack.cfg.Limits.Prefixes {
		x.prefixes = append(x.prefixes, prefix6{prefix, bits, until})
		x.changed = true
	}
}

// expire forgets routers and prefixes whose time is over.
func (x *interface6) expire(now instant) {
	routers := x.routers[:0]
	for _, r := range x.routers {
		if r.until > now {
			routers = append(routers, r)
		}
	}
	prefixes := x.prefixes[:0]
	for _, p := range x.prefixes {
		if p.until > now {
			prefixes = append(prefixes, p)
		}
	}
	if len(routers) != len(x.routers) || len(prefixes) != len(x.prefixes) {
		x.changed = true
	}
	x.routers, x.prefixes = routers, prefixes
}
