package stack

import (
	"errors"
	"net/netip"
	"time"

	"github.com/castnet-go/castnet/internal/text"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/wire"
)

// An Advertisement is what a router tells the hosts on an interface's link of itself
// and of the link (RFC 4861, 6.2.1). The zero Advertisement is that of a default router
// with the prefixes of the interface's own addresses.
type Advertisement struct {
	// Interval is the longest time between two advertisements; the shortest is a third
	// of it. If zero, 10 minutes.
	Interval time.Duration
	// Lifetime is how long hosts take it for a default router after each. If zero,
	// three times the interval; if negative, they do not.
	Lifetime   time.Duration
	Preference wire.RouterPreference // among routers (RFC 4191)
	// HopLimit is what hosts are to send with, MTU the length of their longest packets,
	// ReachableTime and RetransTimer are the times for their neighbours. Of what is zero
	// nothing is said.
	HopLimit                    uint8
	MTU                         int
	ReachableTime, RetransTimer time.Duration
	// Managed and Other say that addresses, or other things, are to be had by DHCPv6.
	Managed, Other bool
	// Prefixes are advertised. If nil, they are those of the interface's addresses that
	// were given by AddAddress and are not link-local.
	Prefixes []AdvertisedPrefix
}

// An AdvertisedPrefix is a prefix of a link.
type AdvertisedPrefix struct {
	Prefix netip.Prefix
	// Valid and Preferred are the lifetimes of addresses made of it. If zero, 30 and 7
	// days; if negative, none: hosts are to give up what they have.
	Valid, Preferred time.Duration
	OffLink          bool // hosts are not to take its addresses for neighbours
	NotAutonomous    bool // hosts are not to make addresses of it
}

// The constants of RFC 4861, 6.2.1 and 10.
const (
	defaultAdvertised   = 600 * time.Second      // MaxRtrAdvInterval
	maxInitialAdvertise = 16 * time.Second       // MAX_INITIAL_RTR_ADVERT_INTERVAL
	initialAdvertised   = 3                      // MAX_INITIAL_RTR_ADVERTISEMENTS
	leastAdvertised     = 3 * time.Second        // MIN_DELAY_BETWEEN_RAS
	maxAnswerDelay      = 500 * time.Millisecond // MAX_RA_DELAY_TIME
	maxAdvertised       = 1800 * time.Second     // of MaxRtrAdvInterval
	maxRouterLifetime   = 9000 * time.Second     // of AdvDefaultLifetime
	defaultValid        = 30 * 24 * time.Hour    // AdvValidLifetime
	defaultPreferred    = 7 * 24 * time.Hour     // AdvPreferredLifetime
	maxPrefixes         = 16                     // in one message, which 1280 bytes hold
)

// advertiser is what an interface advertises.
type advertiser struct {
	Advertisement
	at      instant // when the next one is due; never: there is no address to send from
	last    instant // when the last one was sent
	initial int     // of the first ones still to come
}

// Advertise makes the interface tell the hosts on its link of itself, or changes what
// it tells: soon, then again within the interval, and whenever a host asks. The stack
// must forward, or be no default router. Hosts that heed it, as those of this package
// do by default, make themselves addresses and routes of it.
func (i *Interface) Advertise(a Advertisement) error {
	if i.stack.six == nil {
		return errIPv4Only
	}
	if err := a.check(i); err != nil {
		return err
	}
	x, err := i.enable6()
	if err != nil {
		return err
	}
	x.mu.Lock()
	if x.advertiser == nil && !i.stack.cfg.Forwarding {
		x.later(func() { i.groups.join(allRouters) })
	}
	x.advertiser = &advertiser{Advertisement: a, at: never, last: -leastAdvertised}
	x.advertiseSoon()
	x.finish()
	return nil
}

// StopAdvertising has the interface tell hosts that it is no router any more (RFC
// 4861, 6.2.5), and then nothing.
func (i *Interface) StopAdvertising() {
	x := i.ip6.Load()
	if x == nil {
		return
	}
	x.mu.Lock()
	if a := x.advertiser; a != nil {
		a.Lifetime = -1
		x.advertise(x.now())
		x.advertiser = nil
		if !i.stack.cfg.Forwarding {
			x.later(func() { i.groups.leave(allRouters) })
		}
	}
	x.finish()
}

// check completes an Advertisement, or returns what is wrong with it.
func (a *Advertisement) check(i *Interface) error {
	if a.Interval == 0 {
		a.Interval = defaultAdvertised
	}
	if a.Lifetime == 0 {
		a.Lifetime = 3 * a.Interval
	}
	switch {
	case i.kind == link.Loopback:
		return errors.New("stack: there is nobody on the loopback interface to advertise to")
	case a.Interval < leastAdvertised || a.Interval > maxAdvertised:
		return text.Errorf("stack: an interval of %v between advertisements cannot be: it is from 3 to 1800 seconds (RFC 4861, 6.2.1)", a.Interval)
	case a.Lifetime > 0 && !i.stack.cfg.Forwarding:
		return errors.New("stack: a stack that does not forward is no default router; set Config.Forwarding, or a negative Lifetime")
	case a.Lifetime > maxRouterLifetime || a.Lifetime > 0 && a.Lifetime < a.Interval:
		return text.Errorf("stack: a router's lifetime of %v cannot be: it is from the interval, %v, to 9000 seconds (RFC 4861, 6.2.1)", a.Lifetime, a.Interval)
	case a.MTU != 0 && (a.MTU < wire.IPv6MinMTU || a.MTU > i.MTU()):
		return text.Errorf("stack: an MTU of %d cannot be advertised: it is from 1280 to the interface's %d", a.MTU, i.MTU())
	case a.ReachableTime < 0 || a.ReachableTime > maxReachableTime || a.RetransTimer < 0:
		return text.Errorf("stack: a reachable time of %v and a retransmission timer of %v cannot be advertised", a.ReachableTime, a.RetransTimer)
	case len(a.Prefixes) > maxPrefixes:
		return text.Errorf("stack: %d prefixes do not fit in an advertisement; there is room for %d", len(a.Prefixes), maxPrefixes)
	}
	if a.Prefixes != nil {
		a.Prefixes = append([]AdvertisedPrefix{}, a.Prefixes...)
	}
	for k := range a.Prefixes {
		p := &a.Prefixes[k]
		if addr := p.Prefix.Addr(); !p.Prefix.IsValid() || !addr.Is6() || addr.Is4In6() || addr.IsMulticast() || addr.IsLinkLocalUnicast() {
			return text.Errorf("stack: %v is no prefix to advertise", p.Prefix)
		}
		p.Valid, p.Preferred = lifetimeOr(p.Valid, defaultValid), lifetimeOr(p.Preferred, defaultPreferred)
		if p.Preferred > p.Valid {
			return text.Errorf("stack: addresses of %v cannot be preferred for %v and valid for %v", p.Prefix, p.Preferred, p.Valid)
		}
	}
	return nil
}

// lifetimeOr returns a lifetime, the default one if it is zero, and none if it is
// negative.
func lifetimeOr(d, other time.Duration) time.Duration {
	if d == 0 {
		return other
	}
	return max(d, 0)
}

// advertiseSoon begins to advertise: three times at shorter intervals.
func (x *interface6) advertiseSoon() {
	if a := x.advertiser; a != nil && x.up {
		a.initial = initialAdvertised
		a.at = max(x.now(), a.last+leastAdvertised)
	}
}

// solicited takes note that a host asks for routers, and reports whether this is one.
// It is answered to all, at a random time, and not more often than every three seconds
// (RFC 4861, 6.2.6).
func (x *interface6) solicited() bool {
	x.mu.Lock()
	defer x.finish()
	a := x.advertiser
	if a == nil {
		return false
	}
	if now := x.now(); x.up && a.at > now+maxAnswerDelay && a.at != never {
		a.at = min(a.at, max(now+x.random(maxAnswerDelay), a.last+leastAdvertised))
	}
	return true
}

// advertise sends an advertisement, and says when the next one is due. Without a
// link-local address it waits until there is one.
func (x *interface6) advertise(now instant) {
	a := x.advertiser
	src := x.linkLocalSource()
	if !x.up || src.isUnspecified() {
		a.at = never
		return
	}
	m := wire.RouterAdvertisement{
		HopLimit: a.HopLimit, Managed: a.Managed, Other: a.Other, Preference: a.Preference,
		RouterLifetime: max(a.Lifetime, 0), ReachableTime: a.ReachableTime, RetransTimer: a.RetransTimer,
		Options: x.iface.sourceOption(),
	}
	if a.Lifetime < 0 {
		m.Preference = wire.PreferenceMedium // as it must be then (RFC 4191, 2.2)
	}
	if a.MTU != 0 {
		m.Options = wire.AppendNDPMTU(m.Options, uint32(a.MTU))
	}
	for _, p := range x.advertisedPrefixes() {
		m.Options = wire.PrefixInformation{
			Prefix: p.Prefix, OnLink: !p.OffLink, Autonomous: !p.NotAutonomous, ValidLifetime: p.Valid, PreferredLifetime: p.Preferred,
		}.AppendTo(m.Options)
	}
	message := m.AppendTo(nil)
	x.later(func() { x.iface.sendNDP(src, allNodes, wire.MulticastMAC(allNodes.netip()), message) })
	a.last = now
	next := a.Interval/3 + x.random(a.Interval-a.Interval/3)
	if a.initial--; a.initial > 0 {
		next = min(next, maxInitialAdvertise)
	}
	a.at = now + max(next, leastAdvertised)
}

// advertisedPrefixes returns the prefixes to be advertised.
func (x *interface6) advertisedPrefixes() []AdvertisedPrefix {
	a := x.advertiser
	if a.Prefixes != nil {
		return a.Prefixes
	}
	var list []AdvertisedPrefix
	for _, o := range x.addresses {
		p := netip.PrefixFrom(o.addr.netip(), o.bits).Masked()
		if o.origin == OriginManual && !o.addr.isLinkLocal() && o.bits < 128 && len(list) < maxPrefixes {
			list = append(list, AdvertisedPrefix{Prefix: p, Valid: defaultValid, Preferred: defaultPreferred})
		}
	}
	return list
}

// linkLocalSource returns a link-local address that may be sent from; the unspecified
// one if there is none.
func (x *interface6) linkLocalSource() address {
	for _, a := range x.addresses {
		if a.addr.isLinkLocal() && (a.state == AddressPreferred || a.state == AddressDeprecated) {
			return a.addr
		}
	}
	return unspecified6
}
