package stack

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// FuzzNDP drives a host, or a router, by messages of neighbour discovery made of the
// bytes, valid and not, by the passing of time, and by what the host itself does. What
// advertisements do to neighbours is checked against the state machine of RFC 4861,
// appendix C; what becomes of addresses against RFC 4862; that every table keeps its
// bounds, every message sent is one that may be, and no packet is lost without a name.
func FuzzNDP(f *testing.F) {
	f.Add([]byte{0, 2, 1, 7, 1, 0x20, 3, 1, 3, 0xe0, 0, 9, 2, 2, 1, 1, 4, 0xff, 5, 60})
	f.Add([]byte{1, 2, 1, 5, 0, 2, 0, 0, 5, 200, 2, 1, 0, 0x60, 0x21, 6, 3, 7, 1, 1, 4, 0})
	f.Add([]byte("\x00\x04\x00\x03\x10\x05\x50\x04\x00\x13\x20\x05\x90\x04\x01\x03\x30\x05\xff\x05\xff\x06\x00\x06\x01"))
	f.Add([]byte("\x02\x01\x00\x07\x00\x01\x01\x37\x01\x05\x30\x03\x00\x02\x02\x05\x30\x08\x86\x18seventeen bytes.."))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 2000 {
			return
		}
		fuzzNDP(t, data)
	})
}

// ndpFuzz is what a run of FuzzNDP knows.
type ndpFuzz struct {
	*node
	t    *testing.T
	data []byte
}

func (z *ndpFuzz) next() byte {
	if len(z.data) == 0 {
		return 0
	}
	b := z.data[0]
	z.data = z.data[1:]
	return b
}

func (z *ndpFuzz) pick(of ...string) string { return of[int(z.next())%len(of)] }

func (z *ndpFuzz) mac() wire.MAC {
	return []wire.MAC{macPeer, macOther, {}, wire.Broadcast, macStack}[int(z.next())%5]
}

const fuzzLimit = 3

func fuzzNDP(t *testing.T, data []byte) {
	z := &ndpFuzz{t: t, data: data}
	c := Config{Limits: Limits{Neighbors: 4, Routers: fuzzLimit, Prefixes: fuzzLimit, AutoAddresses: fuzzLimit}}
	mode := z.next()
	if c.DADTransmits = 1; mode&1 != 0 {
		c.DADTransmits = -1
	}
	c.Forwarding = mode&2 != 0
	z.node = newNode(t, c)
	for len(z.data) > 0 {
		before := z.addresses()
		claimed := z.step(z.next())
		z.checkAddresses(before, claimed)
		if len(z.eth0.Routers()) > fuzzLimit || len(z.eth0.Addresses6()) > fuzzLimit+5 || z.neighbors.count > 4 {
			t.Fatalf("the tables have outgrown their bounds: %v, %v, %v", z.eth0.Routers(), z.eth0.Addresses6(), z.Neighbors())
		}
	}
	for _, s := range z.said {
		if strings.HasPrefix(s.text, "malformed") || strings.Contains(s.text, "wrong") {
			t.Fatalf("sent %s", s.text)
		}
	}
	checkLedger(t, z.host)
	z.Close()
	if l := z.Ledger(); l.Held != 0 || !l.Balanced() {
		t.Fatalf("after all: %+v", l)
	}
}

func (z *ndpFuzz) addresses() map[netip.Addr]AddressState {
	m := make(map[netip.Addr]AddressState)
	for _, a := range z.eth0.Addresses6() {
		m[a.Prefix.Addr()] = a.State
	}
	return m
}

// checkAddresses checks that no address became one that it cannot: one that is used is
// no duplicate any more, whatever anybody says, as long as the interface is up; and one
// that is tentative only by a claim.
func (z *ndpFuzz) checkAddresses(before map[netip.Addr]AddressState, claimed bool) {
	for a, is := range z.addresses() {
		was, known := before[a]
		if known && is == AddressDuplicate && (was == AddressPreferred || was == AddressDeprecated || was == AddressTentative && !claimed) {
			z.t.Fatalf("%v was %v and is a duplicate", a, was)
		}
	}
	published := make(map[netip.Addr]AddressState)
	for _, a := range z.state.Load().byName("eth0").addresses6 {
		published[a.addr.netip()] = a.state
	}
	for a, is := range z.addresses() {
		if published[a] != is {
			z.t.Fatalf("%v is %v, and published as %v", a, is, published[a])
		}
	}
}

// step does one thing. It reports whether somebody has claimed an address.
func (z *ndpFuzz) step(op byte) (claimed bool) {
	addr := func() string {
		return z.pick(peer6, other6, linkLocalA, "2001:db8::1", "2001:db8::b", "fe80::d", "fe80::e", "::")
	}
	p := ndpPacket{src: addr()}
	switch op % 9 {
	case 0:
		z.use(z.t, z.pick(peer6, other6, "fe80::d", "fe80::e", "fe80::f", "2001:db8::b"))
		return false
	case 1:
		target := addr()
		p.dst = z.pick(linkLocalA, group6(target), "ff02::1")
		p.message = soliciting(target, z.mac())
		claimed = p.src == "::"
	case 2:
		z.advertise(addr())
		return true
	case 3:
		p.message, p.dst = z.router(), "ff02::1"
	case 4:
		p.message, p.dst = wire.RouterSolicitation{Options: slla(z.mac())}, z.pick("ff02::2", linkLocalA)
	case 5:
		z.clock.Advance(time.Duration(z.next()) * time.Duration(1+z.next()) * 100 * time.Millisecond)
		return false
	case 6:
		z.eth0.SetUp(z.next()%2 == 0)
		return false
	case 7:
		a := netip.PrefixFrom(netip.MustParseAddr(z.pick("2001:db8::1", "2001:db8::2", "fd00::1", "fe80::1")), 64)
		if z.next()%3 == 0 {
			z.eth0.RemoveAddress(a)
		} else {
			z.eth0.AddAddress(a)
		}
		return false
	default: // raw bytes of a message
		t, n := z.next(), min(int(z.next()), len(z.data))
		m := append([]byte{133 + t%5, 0, 0, 0}, z.data[:n]...)
		if z.data = z.data[n:]; len(m) < wire.ICMPv6HeaderLen {
			m = append(m, make([]byte, wire.ICMPv6HeaderLen-len(m))...)
		}
		p.message, p.dst = rawMessage(m), z.pick(linkLocalA, "ff02::1")
		claimed = true
	}
	if z.next()%16 == 1 {
		p.hops = 254
	}
	z.hear(p)
	return claimed
}

// router is a router's advertisement.
func (z *ndpFuzz) router() wire.RouterAdvertisement {
	m := wire.RouterAdvertisement{
		RouterLifetime: time.Duration(z.next()) * time.Second, HopLimit: z.next(), Preference: wire.RouterPreference(z.next() % 4),
		ReachableTime: time.Duration(z.next()) * time.Second, RetransTimer: time.Duration(z.next()) * 10 * time.Millisecond,
	}
	for k := z.next() % 4; k > 0; k-- {
		lifetimes := []time.Duration{0, time.Second, time.Minute, 3 * time.Hour, wire.NDPInfinity}
		m.Options = prefixOption(m.Options, z.pick("2001:db8::/64", "2001:db8:1::/64", "2001:db8:2::/64", "2001:db8:3::/64", "2001:db8::/48", "fe80::/64"),
			z.pick("", "L", "A", "LA"), lifetimes[int(z.next())%5], lifetimes[int(z.next())%5])
	}
	return m
}

// advertise has a neighbour advertise itself, and checks what that does to it.
func (z *ndpFuzz) advertise(target string) {
	flags, mac := z.next(), z.mac()
	m := advertising(target, "", mac)
	m.Router, m.Solicited, m.Override = flags&1 != 0, flags&2 != 0, flags&4 != 0
	p := ndpPacket{src: target, dst: z.pick(linkLocalA, "ff02::1"), message: m}
	find := func() (n Neighbor, found bool) {
		for _, n := range z.Neighbors() {
			if n.Addr.String() == target {
				return n, true
			}
		}
		return n, false
	}
	before, found := find()
	dropped := z.Drops().Total()
	up, own := z.state.Load().byName("eth0").up, z.addresses()
	z.hear(p)
	after, still := find()
	if z.Drops().Total() != dropped || !up || len(own) != len(z.addresses()) {
		return // it was not heard, or it made one of the own addresses another one
	}
	if found != still {
		z.t.Fatalf("%s: a neighbour was there: %v, and is: %v", target, found, still)
	}
	if !found {
		return
	}
	state, known := appendixC(before.State, before.MAC, mac, m.Solicited, m.Override)
	if after.State != state || after.MAC != known {
		z.t.Fatalf("%s was %v at %v, and is %v at %v after %+v at %v; want %v at %v",
			target, before.State, before.MAC, after.State, after.MAC, m, mac, state, known)
	}
}
