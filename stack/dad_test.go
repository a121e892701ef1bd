package stack

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// test6 is how an address is asked for before it is used.
func test6(addr string) string { return "NS " + addr + " from :: to " + group6(addr) }

// testing6 returns a node whose link-local address has been tested, and which tests
// the addresses given.
func testing6(t *testing.T, c Config, addresses ...string) *node {
	t.Helper()
	if c.DADTransmits == 0 {
		c.DADTransmits = 1
	}
	c.AcceptRA = -1
	n := newNode(t, c)
	n.clock.Advance(time.Minute)
	n.said, n.start = nil, n.clock.Now()
	for _, a := range addresses {
		n.add(t, a)
	}
	return n
}

const linkLocalLine = linkLocalA + "/64 link-local preferred"

func TestRFC4862_5_4_2_solicitations(t *testing.T) {
	for _, transmits := range []int{1, 3} {
		n := testing6(t, Config{DADTransmits: transmits}, "2001:db8::1/64")
		checkAddresses(t, n.eth0, "at first", linkLocalLine, "2001:db8::1/64 manual tentative")
		var first time.Duration
		for k := range transmits {
			said := n.says(t, time.Second, test6("2001:db8::1"))
			if k == 0 {
				first = said[0].at
			} else if said[0].at != first {
				t.Errorf("solicitation %d came after %v, want %v", k+1, said[0].at, first)
			}
			checkAddresses(t, n.eth0, "asked", linkLocalLine, "2001:db8::1/64 manual tentative")
		}
		n.says(t, first-1)
		checkAddresses(t, n.eth0, "a moment before the end", linkLocalLine, "2001:db8::1/64 manual tentative")
		n.says(t, 1)
		checkAddresses(t, n.eth0, "at the end", linkLocalLine, "2001:db8::1/64 manual preferred")
		n.says(t, time.Hour)
		if p := n.clock.Pending(); p != 0 {
			t.Errorf("%d timers are left", p)
		}
		checkLedger(t, n.host)
	}
}

// The delay before the first is random, up to a second, so that many hosts that start
// together do not ask together.
func TestRFC4862_5_4_2_delay(t *testing.T) {
	seen := make(map[time.Duration]bool)
	var least, most time.Duration = time.Hour, 0
	for seed := range 40 {
		n := testing6(t, Config{Seed: [32]byte{1, byte(seed)}}, "2001:db8::1/64")
		said := n.says(t, time.Second, test6("2001:db8::1"))
		seen[said[0].at] = true
		least, most = min(least, said[0].at), max(most, said[0].at)
	}
	if len(seen) < 35 || least > 200*time.Millisecond || most < 800*time.Millisecond || most >= time.Second {
		t.Errorf("%d different delays of 40, from %v to %v", len(seen), least, most)
	}
}

func TestRFC4862_5_4_2_groups_are_joined_first(t *testing.T) {
	n := testing6(t, Config{}, "2001:db8::1:2345/64")
	for _, g := range []string{"ff02::1", group6(linkLocalA), group6("2001:db8::1:2345")} {
		if r := n.eth0.groups.hears(addressOf(netip.MustParseAddr(g)), address{hi: 1}); r != drop.None {
			t.Errorf("%s: %v", g, r)
		}
	}
	if err := n.eth0.RemoveAddress(netip.MustParsePrefix("2001:db8::1:2345/64")); err != nil {
		t.Fatal(err)
	}
	if r := n.eth0.groups.hears(addressOf(netip.MustParseAddr(group6("2001:db8::1:2345"))), address{hi: 1}); r != drop.NotAMember {
		t.Errorf("after its removal: %v", r)
	}
	n.says(t, time.Hour) // nothing is asked any more
	checkAddresses(t, n.eth0, "removed", linkLocalLine)
}

// A tentative address answers nothing, and packets for it are not for this host.
func TestRFC4862_5_4_tentative_addresses_are_not_used(t *testing.T) {
	n := testing6(t, Config{}, "2001:db8::1/64")
	n.hear(ndpPacket{dst: group6("2001:db8::1"), message: soliciting("2001:db8::1", macPeer)})
	n.says(t, 0)
	checkNeighbors(t, n.host, "nobody was learned")
	st := n.state.Load()
	a := addressOf(netip.MustParseAddr("2001:db8::1"))
	if st.local6(a, nil) != nil {
		t.Error("it is one of the host's")
	}
	if src := st.sourceFor6(addressOf(netip.MustParseAddr("2001:db8::9")), st.byName("eth0")); src.netip().String() != linkLocalA {
		t.Errorf("%v is sent from", src.netip())
	}
	if got := n.eth0.Addresses(); len(got) != 1 {
		t.Errorf("addresses to use: %v", got)
	}
	n.says(t, 3*time.Second, test6("2001:db8::1"))
	if st = n.state.Load(); st.local6(a, nil) == nil {
		t.Error("it is not the host's after its test")
	}
	checkLedger(t, n.host)
}

// Whoever shows that he has the address, or tests it too, makes it a duplicate; who
// only asks for it does not (RFC 4862, 5.4.3 and 5.4.4).
func TestRFC4862_5_4_3_duplicates(t *testing.T) {
	const addr = "2001:db8::1"
	for name, c := range map[string]struct {
		packet    ndpPacket
		duplicate bool
	}{
		"another test":                {ndpPacket{src: "::", dst: group6(addr), message: soliciting(addr, wire.MAC{})}, true},
		"an answer":                   {ndpPacket{src: addr, dst: "ff02::1", message: advertising(addr, "O", macPeer)}, true},
		"an answer without an option": {ndpPacket{src: addr, dst: "ff02::1", message: advertising(addr, "", wire.MAC{})}, true},
		"a question":                  {ndpPacket{dst: group6(addr), message: soliciting(addr, macPeer)}, false},
		"a test of another":           {ndpPacket{src: "::", dst: group6("2001:db8::2"), message: soliciting("2001:db8::2", wire.MAC{})}, false},
	} {
		t.Run(name, func(t *testing.T) {
			events := new(consumed)
			n := testing6(t, Config{Tracer: events}, addr+"/64")
			n.hear(c.packet)
			if !c.duplicate {
				n.says(t, time.Minute, test6(addr))
				checkAddresses(t, n.eth0, "not a duplicate", linkLocalLine, addr+"/64 manual preferred")
				return
			}
			n.says(t, time.Minute)
			checkAddresses(t, n.eth0, "a duplicate", linkLocalLine, addr+"/64 manual duplicate")
			if len(events.details) != 1 {
				t.Errorf("the tracer was told %q", events.details)
			}
			if err := n.eth0.AddAddress(netip.MustParsePrefix(addr + "/64")); err == nil {
				t.Error("it was added again")
			}
			// Down and up again it is tested again, as all are.
			n.eth0.SetUp(false)
			n.eth0.SetUp(true)
			n.clock.Advance(3 * time.Second)
			checkAddresses(t, n.eth0, "up again", linkLocalLine, addr+"/64 manual preferred")
			checkLedger(t, n.host)
		})
	}
}

// consumed keeps what a tracer is told of packets that the stack consumes.
type consumed struct {
	last    uint64
	details []string
}

func (c *consumed) NewID() uint64 {
	c.last++
	return c.last
}

func (c *consumed) Trace(e *trace.Event) {
	if e.Step == trace.Consume && e.Detail != "" {
		c.details = append(c.details, e.Detail)
	}
}

// The link brings back what was sent: that is known by its nonce, and by it alone.
func TestRFC7527_4_looped_back(t *testing.T) {
	n := testing6(t, Config{}, "2001:db8::1/64")
	n.cable.onSent = func(f []byte) {
		n.note(f)
		n.cable.deliver(f)
	}
	n.says(t, 3*time.Second, test6("2001:db8::1"))
	checkAddresses(t, n.eth0, "looped back", linkLocalLine, "2001:db8::1/64 manual preferred")

	n = testing6(t, Config{}, "2001:db8::1/64")
	m := soliciting("2001:db8::1", wire.MAC{})
	m.Options = wire.AppendNDPNonce(nil, []byte{1, 2, 3, 4, 5, 6})
	n.hear(ndpPacket{src: "::", dst: group6("2001:db8::1"), message: m})
	checkAddresses(t, n.eth0, "another's nonce", linkLocalLine, "2001:db8::1/64 manual duplicate")
}

func TestRFC4862_5_4_tests_can_be_left_out(t *testing.T) {
	n := newNode(t, Config{AcceptRA: -1, DADTransmits: -1}, "2001:db8::1/64")
	checkAddresses(t, n.eth0, "at once", linkLocalLine, "2001:db8::1/64 manual preferred")
	n.says(t, time.Hour)
	if p := n.clock.Pending(); p != 0 {
		t.Errorf("%d timers are left", p)
	}
}

func TestRFC4861_7_2_6_announcements(t *testing.T) {
	n := testing6(t, Config{AnnounceAddresses: true}, "2001:db8::1/64")
	news := "NA 2001:db8::1 O from 2001:db8::1 to ff02::1 tlla"
	n.says(t, 3*time.Second, test6("2001:db8::1"), news)
	n = newNode(t, Config{AnnounceAddresses: true, AcceptRA: -1}, "2001:db8::1/64")
	n.says(t, time.Minute, strings.ReplaceAll(news, "2001:db8::1", linkLocalA), news)
}

// An interface that goes down keeps what it was given; when it comes up others are
// asked anew.
func TestAddressesOfAnInterfaceThatGoesDown(t *testing.T) {
	n := testing6(t, Config{}, "2001:db8::1/64")
	n.says(t, 500*time.Millisecond)
	n.clock.Advance(10 * time.Second)
	n.said = nil
	n.eth0.AddNeighbor(netip.MustParseAddr(peer6), macPeer)
	n.eth0.SetUp(false)
	checkAddresses(t, n.eth0, "down", linkLocalA+"/64 link-local tentative", "2001:db8::1/64 manual tentative")
	checkNeighbors(t, n.host, "down")
	n.add(t, "2001:db8::2/64")
	n.says(t, time.Hour)
	n.eth0.SetUp(false)
	n.eth0.SetUp(true)
	n.clock.Advance(time.Second)
	if len(n.said) != 3 {
		t.Errorf("asked for %v, want all three", n.said)
	}
	n.eth0.SetUp(true) // changes nothing
	n.clock.Advance(time.Second)
	checkAddresses(t, n.eth0, "up", linkLocalLine, "2001:db8::1/64 manual preferred", "2001:db8::2/64 manual preferred")
	if len(n.said) != 3 {
		t.Errorf("said %v", n.said)
	}
	if err := n.RemoveInterface("eth0"); err != nil {
		t.Fatal(err)
	}
	if p := n.clock.Pending(); p != 0 {
		t.Errorf("%d timers are left", p)
	}
	if err := n.eth0.AddAddress(netip.MustParsePrefix("2001:db8::3/64")); err == nil {
		t.Error("an interface that was removed got an address")
	}
	checkLedger(t, n.host)
}

func TestRFC7217_5_stable_addresses(t *testing.T) {
	stable := func(seed byte, name string, prefix string, tries uint8) string {
		h := newHost(t, Config{Seed: [32]byte{seed}}, nil)
		i := h.attach(t, name, newCable())
		x := &interface6{iface: i}
		return x.stable(addressOf(netip.MustParseAddr(prefix)), tries).addr.netip().String()
	}
	first := stable(1, "eth0", "2001:db8::", 0)
	if again := stable(1, "eth0", "2001:db8::", 0); again != first {
		t.Errorf("%s, and then %s", first, again)
	}
	for name, other := range map[string]string{
		"another secret": stable(2, "eth0", "2001:db8::", 0), "another interface": stable(1, "eth1", "2001:db8::", 0),
		"another prefix": stable(1, "eth0", "2001:db8:0:1::", 0), "another try": stable(1, "eth0", "2001:db8::", 1),
	} {
		if netip.MustParseAddr(other).As16()[15] == netip.MustParseAddr(first).As16()[15] &&
			netip.MustParseAddr(other).As16()[8] == netip.MustParseAddr(first).As16()[8] {
			t.Errorf("%s: %s, like %s", name, other, first)
		}
	}
	for id, reserved := range map[uint64]bool{
		0: true, 1: false, 0xfdffffffffffff7f: false, 0xfdffffffffffff80: true, 0xfdffffffffffffff: true, 0xfe00000000000000: false,
		0x02005efffe000000: true, 0x02005efffe005213: true, 0x02005efffe005214: false,
	} {
		if reservedID(id) != reserved {
			t.Errorf("RFC5453 %016x: %v", id, !reserved)
		}
	}
}

// A duplicate of an address that the stack has made itself is made anew, three times
// at most; one with the hardware address in it is not.
func TestRFC7217_6_conflicts(t *testing.T) {
	l := newCable()
	h := newHost(t, Config{AcceptRA: -1}, l)
	if err := h.eth0.EnableIPv6(); err != nil {
		t.Fatal(err)
	}
	seen := map[netip.Addr]bool{}
	for k := range 4 {
		list := h.eth0.Addresses6()
		if len(list) != 1 || list[0].State != AddressTentative || seen[list[0].Prefix.Addr()] {
			t.Fatalf("try %d: %+v", k, list)
		}
		addr := list[0].Prefix.Addr()
		seen[addr] = true
		l.deliver(ndpPacket{src: addr.String(), dst: "ff02::1", message: advertising(addr.String(), "O", macPeer)}.frame())
	}
	list := h.eth0.Addresses6()
	if len(list) != 1 || list[0].State != AddressDuplicate {
		t.Errorf("at last: %+v", list)
	}
	h.clock.Advance(time.Hour)
	checkLedger(t, h)

	n := newNode(t, Config{DADTransmits: 1, AcceptRA: -1})
	n.hear(ndpPacket{src: linkLocalA, dst: "ff02::1", message: advertising(linkLocalA, "O", macPeer)})
	n.says(t, time.Hour)
	checkAddresses(t, n.eth0, "by its hardware address", linkLocalA+"/64 link-local duplicate")
}

func TestWhatIPv6IsRefused(t *testing.T) {
	n := newNode(t, Config{}, "2001:db8::a/64")
	for _, a := range []string{"2001:db8::a/64", "2001:db8::a/128", "::/64", "::1/128", "ff02::5/16", linkLocalA + "/64"} {
		if err := n.eth0.AddAddress(netip.MustParsePrefix(a)); err == nil {
			t.Errorf("%s was added", a)
		}
	}
	for _, a := range []string{"2001:db8::a/65", "2001:db8::b/64"} {
		if err := n.eth0.RemoveAddress(netip.MustParsePrefix(a)); err == nil {
			t.Errorf("%s was removed", a)
		}
	}
	if err := n.eth0.SetMTU(1279); err == nil {
		t.Error("an MTU of 1279 was set")
	}
	small := newCable()
	small.mtu = 1279
	eth1 := n.attach(t, "eth1", small)
	if err := eth1.EnableIPv6(); err == nil {
		t.Error("IPv6 on a link with an MTU of 1279")
	}
	if err := eth1.AddAddress(netip.MustParsePrefix("2001:db8:1::a/64")); err == nil || eth1.Addresses6() != nil {
		t.Error("an address on it")
	}
	s, err := NewIPv4(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	lo := s.Interface("lo")
	if lo.EnableIPv6() == nil || lo.AddAddress(netip.MustParsePrefix("2001:db8::1/64")) == nil ||
		s.AddRoute(Route{Destination: netip.MustParsePrefix("2001:db8::/64"), Interface: "lo"}) == nil {
		t.Error("a stack without IPv6 took some")
	}
}
