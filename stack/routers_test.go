package stack

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/wire"
)

// routerSays is an advertisement by the router fe80::b, or another one.
func (n *node) routerSays(m wire.RouterAdvertisement, from ...string) {
	src := append(from, peer6)[0]
	mac := macPeer
	if src != peer6 {
		mac = macOther
	}
	n.hear(ndpPacket{src: src, from: mac, dst: "ff02::1", message: m})
}

// prefixed is an advertisement of a prefix, for so many seconds; flags are some of "LA".
func prefixed(prefix, flags string, valid, preferred time.Duration) wire.RouterAdvertisement {
	return wire.RouterAdvertisement{RouterLifetime: 1800 * time.Second, Options: prefixOption(nil, prefix, flags, valid, preferred)}
}

func prefixOption(o wire.NDPOptions, prefix, flags string, valid, preferred time.Duration) wire.NDPOptions {
	return wire.PrefixInformation{
		Prefix: netip.MustParsePrefix(prefix), OnLink: strings.Contains(flags, "L"), Autonomous: strings.Contains(flags, "A"),
		ValidLifetime: valid, PreferredLifetime: preferred,
	}.AppendTo(o)
}

// routesOf returns one line for each IPv6 route, in their order.
func routesOf(s *Stack) (lines []string) {
	for _, r := range s.Routes() {
		if r.Destination.Addr().Is4() {
			continue
		}
		line := r.Destination.String()
		if r.Gateway.IsValid() {
			line += " via " + r.Gateway.String()
		}
		if r.Interface != "" {
			line += " dev " + r.Interface
		}
		if r.Metric != 0 {
			line += fmt.Sprint(" metric ", r.Metric)
		}
		lines = append(lines, line)
	}
	return lines
}

func checkRoutes(t testing.TB, s *Stack, when string, want ...string) {
	t.Helper()
	if got := routesOf(s); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s: the routes are\n\t%s\nwant\n\t%s", when, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

const (
	routeLinkLocal = "fe80::/64 dev eth0"
	routeRouter    = "::/0 via fe80::b dev eth0 metric 1024"
	routeOther     = "::/0 via fe80::c dev eth0 metric 1024"
	askRouters     = "RS from " + linkLocalA + " to ff02::2 slla"
	autoAddress    = "2001:db8::ff:fe00:a/64 router "
)

// Routers are asked three times, four seconds apart: at once after the link-local
// address was tested, and after a random time if it was not.
func TestRFC4861_6_3_7_router_solicitations(t *testing.T) {
	n := newNode(t, Config{DADTransmits: 1})
	said := n.says(t, 20*time.Second, test6(linkLocalA), askRouters, askRouters, askRouters)
	for k, want := range []time.Duration{time.Second, 5 * time.Second, 9 * time.Second} {
		if got := said[k+1].at - said[0].at; got != want {
			t.Errorf("solicitation %d came %v after the test, want %v", k+1, got, want)
		}
	}
	if p := n.clock.Pending(); p != 0 {
		t.Errorf("%d timers are left", p)
	}
	n = newNode(t, Config{})
	said = n.says(t, 20*time.Second, askRouters, askRouters, askRouters)
	if said[0].at == 0 || said[0].at >= time.Second || said[1].at-said[0].at != 4*time.Second || said[2].at-said[1].at != 4*time.Second {
		t.Errorf("asked at %v", said)
	}
	for _, c := range []Config{{AcceptRA: -1}, {Forwarding: true}} {
		newNode(t, c).says(t, time.Hour)
	}
	newNode(t, Config{AcceptRA: 1, Forwarding: true}).says(t, 20*time.Second, askRouters, askRouters, askRouters)
	checkLedger(t, n.host)
}

func TestRFC4861_6_3_7_an_answer_ends_asking(t *testing.T) {
	n := newNode(t, Config{})
	n.says(t, time.Second, askRouters)
	n.routerSays(wire.RouterAdvertisement{RouterLifetime: 0})
	n.says(t, 4*time.Second, askRouters) // who is no default router does not count
	n.routerSays(wire.RouterAdvertisement{RouterLifetime: time.Hour})
	n.says(t, 10*time.Second)
}

func TestRFC4861_6_3_4_default_routers(t *testing.T) {
	n := newNode(t, Config{})
	n.says(t, 20*time.Second, askRouters, askRouters, askRouters)
	n.routerSays(wire.RouterAdvertisement{RouterLifetime: 1800 * time.Second, Options: slla(macPeer)})
	n.routerSays(wire.RouterAdvertisement{RouterLifetime: 600 * time.Second}, other6)
	checkRoutes(t, n.Stack, "two routers", routeLinkLocal, routeRouter, routeOther)
	checkNeighbors(t, n.host, "the one that said so is known", neighborLine(peer6, NeighborStale, macPeer))
	if nb := n.Neighbors(); !nb[0].Router {
		t.Error("it is not known as a router")
	}
	// An advertisement that says nothing new leaves every path as it is.
	before := n.state.Load()
	n.clock.Advance(time.Minute)
	n.routerSays(wire.RouterAdvertisement{RouterLifetime: 1800 * time.Second, Options: slla(macPeer)})
	if n.state.Load() != before {
		t.Error("the same again made a new configuration")
	}
	if r := n.eth0.Routers(); len(r) != 2 || r[0].Lifetime != 1800*time.Second || r[1].Lifetime != 540*time.Second {
		t.Errorf("routers: %+v", r)
	}
	n.clock.Advance(540*time.Second - 1)
	checkRoutes(t, n.Stack, "before the end", routeLinkLocal, routeRouter, routeOther)
	n.clock.Advance(1)
	checkRoutes(t, n.Stack, "a lifetime ended", routeLinkLocal, routeRouter)
	n.routerSays(wire.RouterAdvertisement{RouterLifetime: 0})
	checkRoutes(t, n.Stack, "it ceased", routeLinkLocal)
	checkLedger(t, n.host)
}

func TestRFC4191_2_2_preference(t *testing.T) {
	n := newNode(t, Config{})
	for _, c := range []struct {
		a, b wire.RouterPreference
		want string
	}{
		{wire.PreferenceMedium, wire.PreferenceMedium, "fe80::b"},
		{wire.PreferenceLow, wire.PreferenceMedium, "fe80::c"},
		{wire.PreferenceLow, wire.PreferenceHigh, "fe80::c"},
		{wire.PreferenceHigh, wire.PreferenceMedium, "fe80::b"},
		{wire.PreferenceMedium, wire.PreferenceLow, "fe80::b"},
	} {
		n.routerSays(wire.RouterAdvertisement{RouterLifetime: time.Hour, Preference: c.a})
		n.routerSays(wire.RouterAdvertisement{RouterLifetime: time.Hour, Preference: c.b}, other6)
		if got := n.state.Load().lookup6(addressOf(netip.MustParseAddr("2001:db8:9::9")), nil).gateway.netip().String(); got != c.want {
			t.Errorf("%v and %v: by %s, want %s", c.a, c.b, got, c.want)
		}
	}
}

// A router that does not answer is left for one that may (RFC 4861, 6.3.6), and so is
// one that says that it is none any more (7.2.5).
func TestRFC4861_6_3_6_router_selection(t *testing.T) {
	n := newNode(t, Config{})
	n.routerSays(wire.RouterAdvertisement{RouterLifetime: time.Hour})
	n.routerSays(wire.RouterAdvertisement{RouterLifetime: time.Hour}, other6)
	by := func(want string) {
		t.Helper()
		if got := n.state.Load().lookup6(addressOf(netip.MustParseAddr("2001:db8:9::9")), nil).gateway.netip().String(); got != want {
			t.Errorf("by %s, want %s", got, want)
		}
	}
	by(peer6)
	n.use(t, peer6)
	n.clock.Advance(10 * time.Second)
	by(other6)
	n.use(t, other6)
	n.clock.Advance(10 * time.Second)
	by(peer6) // if none answers, the first
	n.use(t, peer6)
	n.hear(ndpPacket{message: advertising(peer6, "RSO", macPeer)})
	by(peer6)
	n.hear(ndpPacket{dst: "ff02::1", message: advertising(peer6, "O", macPeer)})
	by(other6)
	checkRoutes(t, n.Stack, "it ceased to be a router", routeLinkLocal, routeOther)
	checkLedger(t, n.host)
}

func TestRFC4861_6_3_4_on_link_prefixes(t *testing.T) {
	n := newNode(t, Config{})
	n.routerSays(prefixed("2001:db8::/48", "L", time.Hour, time.Hour))
	checkRoutes(t, n.Stack, "on the link", routeLinkLocal, "2001:db8::/48 dev eth0", routeRouter)
	checkAddresses(t, n.eth0, "no address of it", linkLocalLine)
	n.routerSays(prefixed("2001:db8:1::/64", "", time.Hour, time.Hour))
	n.routerSays(prefixed("fe80::/64", "LA", 0, 0))
	checkRoutes(t, n.Stack, "what does not count", routeLinkLocal, "2001:db8::/48 dev eth0", routeRouter)
	n.routerSays(prefixed("2001:db8::/48", "", 0, 0))
	checkRoutes(t, n.Stack, "without the flag nothing is said of it", routeLinkLocal, "2001:db8::/48 dev eth0", routeRouter)
	n.routerSays(prefixed("2001:db8::/48", "L", 0, 0))
	checkRoutes(t, n.Stack, "no longer on the link", routeLinkLocal, routeRouter)
	n.routerSays(prefixed("2001:db8::/48", "L", time.Minute, time.Minute))
	n.clock.Advance(time.Minute)
	checkRoutes(t, n.Stack, "its time is over", routeLinkLocal, routeRouter)
	n.routerSays(prefixed("2001:db8::/48", "L", wire.NDPInfinity, wire.NDPInfinity))
	n.routerSays(wire.RouterAdvertisement{})
	n.clock.Advance(1000 * time.Hour)
	checkRoutes(t, n.Stack, "for ever", routeLinkLocal, "2001:db8::/48 dev eth0")
}

func TestRFC4861_6_3_4_parameters(t *testing.T) {
	n := newNode(t, Config{})
	eth0 := func() *netif { return n.state.Load().byName("eth0") }
	mtu := func(m uint32) wire.RouterAdvertisement {
		return wire.RouterAdvertisement{Options: wire.AppendNDPMTU(nil, m)}
	}
	if eth0().hopLimit6() != 64 || eth0().MTU6() != 1500 || n.eth0.baseReachableTime() != 30*time.Second || n.eth0.retransTimer() != time.Second {
		t.Error("the defaults are others")
	}
	n.routerSays(wire.RouterAdvertisement{RouterLifetime: time.Hour, HopLimit: 7, ReachableTime: 10 * time.Second, RetransTimer: 250 * time.Millisecond})
	n.routerSays(wire.RouterAdvertisement{ReachableTime: 3601 * time.Second}) // zero does not say, and this is too much
	if eth0().hopLimit6() != 7 || n.eth0.baseReachableTime() != 10*time.Second || n.eth0.retransTimer() != 250*time.Millisecond {
		t.Errorf("%d, %v, %v", eth0().hopLimit6(), n.eth0.baseReachableTime(), n.eth0.retransTimer())
	}
	for _, c := range []struct {
		says uint32
		want int
	}{{1400, 1400}, {1279, 1400}, {1501, 1400}, {1280, 1280}, {1<<32 - 1, 1280}, {1500, 1500}} {
		if n.routerSays(mtu(c.says)); eth0().MTU6() != c.want || eth0().MTU() != 1500 {
			t.Errorf("an MTU of %d made it %d, want %d", c.says, eth0().MTU6(), c.want)
		}
	}
	n.use(t, other6)
	n.said = nil
	n.says(t, 250*time.Millisecond, "NS "+other6+" from "+linkLocalA+" to "+group6(other6)+" slla")
	n.hear(ndpPacket{src: other6, from: macOther, message: advertising(other6, "SO", macOther)})
	n.clock.Advance(15 * time.Second)
	checkNeighbors(t, n.host, "after one and a half times what it says", neighborLine(other6, NeighborStale, macOther))
	n.routerSays(wire.RouterAdvertisement{RetransTimer: time.Millisecond})
	if d := n.eth0.retransTimer(); d != minRetransTimer {
		t.Errorf("a router made it ask every %v", d)
	}
}

func TestRFC4862_5_5_3_addresses_from_prefixes(t *testing.T) {
	n := newNode(t, Config{})
	n.routerSays(prefixed("2001:db8::/64", "A", 4*time.Hour, time.Hour))
	checkAddresses(t, n.eth0, "made", linkLocalLine, autoAddress+"preferred")
	checkRoutes(t, n.Stack, "that says nothing of what is on the link", routeLinkLocal, routeRouter)
	n.clock.Advance(time.Hour - 1)
	checkAddresses(t, n.eth0, "before its time is over", linkLocalLine, autoAddress+"preferred")
	n.clock.Advance(1)
	checkAddresses(t, n.eth0, "no longer preferred", linkLocalLine, autoAddress+"deprecated")
	n.routerSays(prefixed("2001:db8::/64", "A", 4*time.Hour, time.Hour))
	checkAddresses(t, n.eth0, "advertised again", linkLocalLine, autoAddress+"preferred")
	n.clock.Advance(4*time.Hour - 1)
	checkAddresses(t, n.eth0, "deprecated", linkLocalLine, autoAddress+"deprecated")
	n.clock.Advance(1)
	checkAddresses(t, n.eth0, "no longer valid", linkLocalLine)

	for name, m := range map[string]wire.RouterAdvertisement{
		"without the flag":                prefixed("2001:db8:1::/64", "L", time.Hour, time.Hour),
		"preferred for longer than valid": prefixed("2001:db8:1::/64", "A", time.Hour, 2*time.Hour),
		"not valid":                       prefixed("2001:db8:1::/64", "A", 0, 0),
		"another length":                  prefixed("2001:db8:1::/48", "A", time.Hour, time.Hour),
		"link-local":                      prefixed("fe80::/64", "A", time.Hour, time.Hour),
		"a group":                         prefixed("ff05::/64", "A", time.Hour, time.Hour),
	} {
		n.routerSays(m)
		checkAddresses(t, n.eth0, name, linkLocalLine)
	}
	n.routerSays(prefixed("2001:db8:1::/64", "A", time.Hour, 0))
	checkAddresses(t, n.eth0, "deprecated from the beginning", linkLocalLine, "2001:db8:1::ff:fe00:a/64 router deprecated")
	n.eth0.SetUp(false)
	checkAddresses(t, n.eth0, "down", linkLocalLine)
	checkRoutes(t, n.Stack, "down", routeLinkLocal)
	if len(n.eth0.Routers()) != 0 {
		t.Error("routers are remembered")
	}
	n.said = nil
	n.eth0.SetUp(true)
	n.says(t, 20*time.Second, askRouters, askRouters, askRouters)
	checkLedger(t, n.host)
}

// The lifetime of an address becomes less than two hours only by waiting.
func TestRFC4862_5_5_3_e_two_hours(t *testing.T) {
	for _, c := range []struct {
		had, says, want time.Duration
	}{
		{4 * time.Hour, time.Minute, 2 * time.Hour},
		{4 * time.Hour, 0, 2 * time.Hour},
		{4 * time.Hour, 2*time.Hour + time.Second, 2*time.Hour + time.Second},
		{4 * time.Hour, 10 * time.Hour, 10 * time.Hour},
		{time.Hour, time.Minute, time.Hour},
		{time.Hour, 61 * time.Minute, 61 * time.Minute},
		{time.Hour, 0, time.Hour},
		{wire.NDPInfinity, time.Minute, 2 * time.Hour},
		{time.Hour, wire.NDPInfinity, wire.NDPInfinity},
	} {
		n := newNode(t, Config{})
		n.routerSays(prefixed("2001:db8::/64", "A", c.had, c.had))
		n.routerSays(prefixed("2001:db8::/64", "A", c.says, 0))
		list := n.eth0.Addresses6()
		if len(list) != 2 || list[1].Valid != c.want || list[1].Preferred != 0 || list[1].State != AddressDeprecated {
			t.Errorf("valid for %v, then for %v: %+v, want %v", c.had, c.says, list[1:], c.want)
		}
	}
}

func TestRFC4862_5_5_4_addresses_are_tested(t *testing.T) {
	n := testing6(t, Config{})
	n.cfg.AcceptRA = 1
	n.routerSays(prefixed("2001:db8::/64", "LA", time.Hour, time.Hour))
	checkAddresses(t, n.eth0, "advertised", linkLocalLine, autoAddress+"tentative")
	n.says(t, 2*time.Second, test6("2001:db8::ff:fe00:a"))
	checkAddresses(t, n.eth0, "tested", linkLocalLine, autoAddress+"preferred")
	checkRoutes(t, n.Stack, "of it", routeLinkLocal, "2001:db8::/64 dev eth0", routeRouter)
}

func TestTablesOfRoutersAreBounded(t *testing.T) {
	n := newNode(t, Config{Limits: Limits{Routers: 3, Prefixes: 4, AutoAddresses: 2}})
	for k := range 200 {
		m := wire.RouterAdvertisement{RouterLifetime: time.Hour}
		for p := range 4 {
			m.Options = prefixOption(m.Options, fmt.Sprintf("2001:db8:%x:%x::/64", k, p), "LA", time.Hour, time.Hour)
		}
		n.hear(ndpPacket{src: fmt.Sprintf("fe80::1:%x", k), dst: "ff02::1", message: m})
	}
	if r := n.eth0.Routers(); len(r) != 3 || r[0].Addr.String() != "fe80::1:0" {
		t.Errorf("routers: %v", r)
	}
	if a := n.eth0.Addresses6(); len(a) != 3 {
		t.Errorf("addresses: %v", a)
	}
	if r := routesOf(n.Stack); len(r) != 1+3+4 {
		t.Errorf("routes: %q", r)
	}
	checkLedger(t, n.host)
}

func TestRFC4861_6_2_3_routers_do_not_configure_themselves(t *testing.T) {
	n := newNode(t, Config{Forwarding: true})
	n.routerSays(prefixed("2001:db8::/64", "LA", time.Hour, time.Hour))
	checkAddresses(t, n.eth0, "a router", linkLocalLine)
	checkRoutes(t, n.Stack, "a router", routeLinkLocal)
	checkDrops(t, n.host, drop.ICMPUnsupported, 1)
	checkLedger(t, n.host)
}
