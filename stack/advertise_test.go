package stack

import (
	"net/netip"
	"testing"
	"time"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/wire"
)

func advertiseOn(t *testing.T, i *Interface, a Advertisement) {
	t.Helper()
	if err := i.Advertise(a); err != nil {
		t.Fatal(err)
	}
}

const says6 = "RA 30m0s hops 0 from " + linkLocalA + " to ff02::1 slla prefix 2001:db8::/64"

// The first three come at intervals of at most 16 seconds, the others at random ones
// between a third of the interval and all of it.
func TestRFC4861_6_2_4_unsolicited_advertisements(t *testing.T) {
	n := newNode(t, Config{Forwarding: true}, "2001:db8::a/64")
	advertiseOn(t, n.eth0, Advertisement{})
	n.clock.Advance(24 * time.Hour)
	if len(n.said) < 24*6 {
		t.Fatalf("%d advertisements in a day", len(n.said))
	}
	var least, most time.Duration = time.Hour, 0
	for k, s := range n.said {
		if s.text != says6 {
			t.Fatalf("said %s, want %s", s.text, says6)
		}
		switch {
		case k == 0 && s.at != 0:
			t.Errorf("the first came after %v", s.at)
		case k == 1, k == 2:
			if d := s.at - n.said[k-1].at; d != maxInitialAdvertise {
				t.Errorf("the %d. came after %v", k+1, d)
			}
		case k > 2:
			d := s.at - n.said[k-1].at
			least, most = min(least, d), max(most, d)
		}
	}
	if least < 200*time.Second || most > 600*time.Second || most-least < 300*time.Second {
		t.Errorf("intervals from %v to %v", least, most)
	}
}

func TestRFC4861_6_2_6_solicited_advertisements(t *testing.T) {
	n := newNode(t, Config{Forwarding: true}, "2001:db8::a/64")
	rs := ndpPacket{dst: "ff02::2", message: wire.RouterSolicitation{Options: slla(macPeer)}}
	n.hear(rs)
	checkDrops(t, n.host, drop.ICMPUnsupported, 1) // it does not advertise yet
	advertiseOn(t, n.eth0, Advertisement{})
	n.says(t, time.Minute, says6, says6, says6)
	n.hear(rs)
	said := n.says(t, 500*time.Millisecond, says6)
	if said[0].at == 0 {
		t.Error("it came without delay")
	}
	checkNeighbors(t, n.host, "who asks is known", neighborLine(peer6, NeighborStale, macPeer))
	for range 20 {
		n.hear(rs) // in a row they are one answer, and not sooner than three seconds after the last
	}
	said = n.says(t, 4*time.Second, says6)
	if at := said[0].at; at < 2500*time.Millisecond || at > 3*time.Second {
		t.Errorf("the next came after %v", at)
	}
	n.eth0.StopAdvertising()
	n.says(t, 24*time.Hour, "RA 0s hops 0 from "+linkLocalA+" to ff02::1 slla prefix 2001:db8::/64")
	n.eth0.StopAdvertising()
	n.says(t, 0)
	checkLedger(t, n.host)
}

func TestAdvertisementsThatAreRefused(t *testing.T) {
	n := newNode(t, Config{Forwarding: true}, "2001:db8::a/64")
	for name, a := range map[string]Advertisement{
		"interval too short": {Interval: time.Second}, "interval too long": {Interval: time.Hour},
		"lifetime too short": {Lifetime: time.Minute}, "lifetime too long": {Lifetime: 3 * time.Hour},
		"mtu too small": {MTU: 1279}, "mtu too large": {MTU: 1501}, "reachable": {ReachableTime: 2 * time.Hour},
		"no prefix":                {Prefixes: []AdvertisedPrefix{{}}},
		"IPv4":                     {Prefixes: []AdvertisedPrefix{{Prefix: netip.MustParsePrefix("10.0.0.0/8")}}},
		"link-local":               {Prefixes: []AdvertisedPrefix{{Prefix: netip.MustParsePrefix("fe80::/64")}}},
		"preferred beyond valid":   {Prefixes: []AdvertisedPrefix{{Prefix: netip.MustParsePrefix("2001:db8::/64"), Valid: time.Hour}}},
		"too many for one message": {Prefixes: make([]AdvertisedPrefix, 17)},
	} {
		if err := n.eth0.Advertise(a); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
	if err := n.Interface("lo").Advertise(Advertisement{}); err == nil {
		t.Error("on lo")
	}
	if err := newNode(t, Config{}).eth0.Advertise(Advertisement{}); err == nil {
		t.Error("a host became a default router")
	}
	n.says(t, time.Hour)
}

// A host beside a router configures itself, and is left without when it goes.
func TestAHostConfiguresItselfByARouter(t *testing.T) {
	v := clock.NewVirtual(time.Time{})
	la, lb := mem.Pair(mem.Config{})
	r := newHost(t, Config{Name: "r", Clock: v, Forwarding: true}, la)
	if err := r.eth0.AddAddress(netip.MustParsePrefix("2001:db8::1/64")); err != nil {
		t.Fatal(err)
	}
	advertiseOn(t, r.eth0, Advertisement{MTU: 1400, HopLimit: 33})
	h := newHost(t, Config{Name: "h", Clock: v, Seed: [32]byte{9}}, lb)
	if err := h.eth0.EnableIPv6(); err != nil {
		t.Fatal(err)
	}
	v.Advance(10 * time.Second)
	list := h.eth0.Addresses6()
	if len(list) != 2 || list[1].State != AddressPreferred || list[1].Origin != OriginRouter ||
		!netip.MustParsePrefix("2001:db8::/64").Contains(list[1].Prefix.Addr()) {
		t.Fatalf("addresses: %+v", list)
	}
	if rs := h.eth0.Routers(); len(rs) != 1 || rs[0].Addr != r.eth0.Addresses6()[0].Prefix.Addr() {
		t.Errorf("routers: %+v", rs)
	}
	if n := h.state.Load().byName("eth0"); n.hopLimit6() != 33 || n.MTU6() != 1400 {
		t.Errorf("hop limit %d, MTU %d", n.hopLimit6(), n.MTU6())
	}
	r.eth0.StopAdvertising()
	if rs := h.eth0.Routers(); len(rs) != 0 {
		t.Errorf("routers after it has ceased: %+v", rs)
	}
	checkLedger(t, r, h)
}
