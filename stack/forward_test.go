package stack

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/wire"
)

// newRouter returns a router between 10.0.0.0/24 and 10.1.0.0/24 that knows the
// stations 10.0.0.9 and 10.1.0.9.
func newRouter(t testing.TB, c Config) (h *host, l0, l1 *cable) {
	t.Helper()
	c.Forwarding = true
	h, l0, l1 = twoCables(t, c)
	h.eth0.AddNeighbor(netip.MustParseAddr("10.0.0.9"), macPeer)
	h.Interface("eth1").AddNeighbor(netip.MustParseAddr("10.1.0.9"), macOther)
	return h, l0, l1
}

// across is a datagram from 10.0.0.9 to 10.1.0.9.
func across(d datagram) datagram {
	d.src, d.dst = orString(d.src, "10.0.0.9:9"), orString(d.dst, "10.1.0.9:7")
	return d
}

func TestForwardedPacketsAreChangedOnlyWhereTheyMustBe(t *testing.T) {
	for name, d := range map[string]datagram{
		"plain":      {payload: "x", ttl: 64, tos: 0xb9, dontFrag: true},
		"padded":     {payload: "x", trailing: 17},
		"empty":      {},
		"options":    {payload: "x", options: []byte{7, 7, 8, 1, 2, 3, 4, 0}},
		"fragment":   {payload: "some bytes", fragment: 1480, more: true},
		"bad UDP":    {payload: "x", badSum: true}, // the router is not its judge
		"protocol":   {protocol: 89, payload: "hello"},
		"TTL 2":      {payload: "x", ttl: 2},
		"whole MTU":  {payload: strings.Repeat("m", 1472)},
		"no sum":     {payload: "x", noChecksum: true},
		"to group E": {payload: "x", dst: "240.0.0.1:7"},
	} {
		t.Run(name, func(t *testing.T) {
			h, l0, l1 := newRouter(t, Config{})
			h.route(t, "240.0.0.0/8 via 10.1.0.9")
			in := across(d)
			l0.deliver(in.frame())
			frames := l1.take()
			if len(frames) != 1 {
				t.Fatalf("%d frames came out, drops %v", len(frames), h.Drops().Map())
			}
			// The same with other stations, a lower TTL and its checksum.
			in.to, in.from, in.trailing = macOther, l1.mac, 0
			if in.ttl == 0 {
				in.ttl = 64
			}
			in.ttl--
			if want := in.frame(); !bytes.Equal(frames[0], want) {
				t.Errorf("came out as\n% x\nwant\n% x", frames[0], want)
			}
			l0.expect(t, "back")
			if l := h.Ledger(); l.In != 1 || l.Sent != 1 {
				t.Errorf("ledger: %+v", l)
			}
			checkLedger(t, h)
		})
	}
}

func TestPacketsThatAreNotForwarded(t *testing.T) {
	const host0 = "10.0.0.2 > 10.0.0.9 ICMP "
	const quote = " [10.0.0.9:9 > 10.1.0.9:7 UDP]"
	to := func(dst string) datagram { return datagram{payload: "x", dst: dst + ":7"} }
	with := func(d datagram, f func(*datagram)) datagram { f(&d); return d }
	big := strings.Repeat("m", 1473)
	cases := []struct {
		rule   string
		in     datagram
		reason drop.Reason
		answer string // what the sender is told
	}{
		{"TTL 1", datagram{payload: "x", ttl: 1}, drop.TTLExpired, host0 + "TTL exceeded in transit" + quote},
		{"no route", to("192.0.2.1"), drop.NoRoute, host0 + "network unreachable [10.0.0.9:9 > 192.0.2.1:7 UDP]"},
		{"no route comes before the TTL", with(to("192.0.2.1"), func(d *datagram) { d.ttl = 1 }), drop.NoRoute,
			host0 + "network unreachable [10.0.0.9:9 > 192.0.2.1:7 UDP]"},
		{"unreachable", to("198.51.100.1"), drop.RouteUnreachable, host0 + "host unreachable [10.0.0.9:9 > 198.51.100.1:7 UDP]"},
		{"prohibit", to("198.51.101.1"), drop.RouteProhibited, host0 + "communication administratively prohibited [10.0.0.9:9 > 198.51.101.1:7 UDP]"},
		{"blackhole", to("198.51.102.1"), drop.RouteBlackhole, ""},
		{"too big, not to be fragmented", datagram{payload: big, dontFrag: true}, drop.PacketTooBig,
			host0 + "fragmentation needed MTU 1000" + quote},
		{"the limited broadcast address", to("255.255.255.255"), drop.NoPort, ""},
		{"a broadcast into another subnet", to("10.1.0.255"), drop.NoPort, ""},
		{"in a broadcast frame", datagram{payload: "x", to: wire.Broadcast}, drop.NotLocal, ""},
		{"in a group's frame", datagram{payload: "x", to: allHosts}, drop.NotLocal, ""},
		{"to another station", datagram{payload: "x", to: macPeer}, drop.MACFiltered, ""},
		{"a group", to("239.1.1.1"), drop.NotAMember, ""},
		{"from a group", datagram{payload: "x", src: "239.1.1.1:9"}, drop.MartianSource, ""},
		{"from the limited broadcast address", datagram{payload: "x", src: "255.255.255.255:9"}, drop.MartianSource, ""},
		{"from a subnet's broadcast address", datagram{payload: "x", src: "10.0.0.255:9"}, drop.MartianSource, ""},
		{"from another subnet's broadcast address", datagram{payload: "x", src: "10.1.0.255:9"}, drop.MartianSource, ""},
		{"from nobody", datagram{payload: "x", src: "0.0.0.0:9"}, drop.MartianSource, ""},
		{"from the router itself", datagram{payload: "x", src: "10.0.0.2:9"}, drop.MartianSource, ""},
		{"from the router's other address", datagram{payload: "x", src: "10.1.0.2:9"}, drop.MartianSource, ""},
		{"from loopback", datagram{payload: "x", src: "127.0.0.1:9"}, drop.MartianSource, ""},
		{"to loopback", to("127.0.0.1"), drop.MartianDestination, ""},
		{"to nobody", to("0.0.0.0"), drop.MartianDestination, ""},
		{"with a source route", datagram{payload: "x", options: []byte{131, 3, 4, 0}}, drop.OptionsRejected, ""},
		{"with malformed options", datagram{payload: "x", options: []byte{7, 9, 4, 0}}, drop.OptionsRejected, host0 + "pointer indicates the error" + quote},
		{"TTL 1, a later fragment", datagram{payload: "x", ttl: 1, fragment: 8}, drop.TTLExpired, ""},
		{"TTL 1, the first fragment", datagram{payload: "12345678", ttl: 1, more: true}, drop.TTLExpired, host0 + "TTL exceeded in transit" + quote},
		{"TTL 1, an ICMP error", datagram{ttl: 1, protocol: wire.ProtocolICMP,
			payload: icmpBody(wire.ICMPTimeExceeded, 0, [4]byte{}, make([]byte, 28))}, drop.TTLExpired, ""},
		{"TTL 1, an echo request", datagram{ttl: 1, protocol: wire.ProtocolICMP,
			payload: icmpBody(wire.ICMPEchoRequest, 0, [4]byte{}, nil)}, drop.TTLExpired, host0 + "TTL exceeded in transit [10.0.0.9 > 10.1.0.9 ICMP]"},
		{"TTL 1, a cut ICMP message", datagram{ttl: 1, protocol: wire.ProtocolICMP, payload: "\x08"}, drop.TTLExpired, ""},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			h, l0, l1 := newRouter(t, Config{})
			h.route(t, "unreachable 198.51.100.0/24")
			h.route(t, "prohibit 198.51.101.0/24")
			h.route(t, "blackhole 198.51.102.0/24")
			if c.reason == drop.PacketTooBig {
				l1.mtu = 1000
			}
			l0.deliver(across(c.in).frame())
			checkDrops(t, h, c.reason, 1)
			var want []string
			if c.answer != "" {
				want = append(want, c.answer)
			}
			l0.expect(t, "the sender", want...)
			l1.expect(t, "beyond")
			checkLedger(t, h)
		})
	}
}

func TestAHostDoesNotForward(t *testing.T) {
	h, l0, l1 := twoCables(t, Config{})
	l0.deliver(across(datagram{payload: "x"}).frame())
	checkDrops(t, h, drop.NotLocal, 1)
	l0.expect(t, "the sender is told nothing")
	l1.expect(t, "beyond")
}

// The weak host model: a router's, or a host's, own address is heard on every interface.
func TestAnOwnAddressIsHeardOnEveryInterface(t *testing.T) {
	h, l0, l1 := twoCables(t, Config{})
	s := h.open(t, "10.1.0.2:7")
	l0.deliver(datagram{payload: "a", dst: "10.1.0.2:7"}.frame())
	l1.deliver(datagram{payload: "b", dst: "10.1.0.2:7", to: l1.mac}.frame())
	if got := payloads(t, s); len(got) != 2 {
		t.Errorf("received %q", got)
	}
	checkLedger(t, h)
}

func TestForwardingByAGateway(t *testing.T) {
	h, l0, l1 := newRouter(t, Config{})
	h.route(t, "192.0.2.0/24 via 10.1.0.9")
	h.route(t, "198.51.100.0/24 via 10.0.0.7") // back out by the way it came in
	l0.deliver(datagram{payload: "x", dst: "192.0.2.1:7"}.frame(), datagram{payload: "y", dst: "198.51.100.1:7"}.frame())
	l1.expect(t, "by the gateway", `10.0.0.9:9 > 192.0.2.1:7 UDP 1 B "x"`)
	l0.expect(t, "on the same link", "ARP who has 10.0.0.7? tell 10.0.0.2")
	l0.deliver(arpReply(macOther, "10.0.0.7", "10.0.0.2"))
	l0.expect(t, "on the same link", `10.0.0.9:9 > 198.51.100.1:7 UDP 1 B "y"`)
	checkLedger(t, h)
}

// What waits for a next hop that does not answer comes back as host unreachable,
// each packet for itself.
func TestForwardedPacketsWhoseNextHopIsSilent(t *testing.T) {
	h, l0, l1 := newRouter(t, Config{})
	for n := range 4 {
		l0.deliver(datagram{payload: fmt.Sprint(n), dst: "10.1.0.77:7"}.frame())
	}
	l0.expect(t, "meanwhile")
	for range 3 {
		l1.expect(t, "asking", "ARP who has 10.1.0.77? tell 10.1.0.2")
		h.clock.Advance(time.Second)
	}
	answer := "10.0.0.2 > 10.0.0.9 ICMP host unreachable [10.0.0.9:9 > 10.1.0.77:7 UDP]"
	l0.expect(t, "given up", answer, answer, answer, answer)
	l1.expect(t, "given up")
	checkDrops(t, h, drop.NeighborUnreachable, 4)
	checkLedger(t, h)
}

// An error message quotes as much of the packet as fits into 576 bytes (RFC
// 1812, 4.3.2.3), its options too, and the packet as it came.
func TestErrorMessagesQuote(t *testing.T) {
	for _, c := range []struct{ payload, want int }{{0, 28}, {1, 29}, {100, 128}, {519, 547}, {520, 548}, {521, 548}, {1400, 548}} {
		h, l0, _ := newRouter(t, Config{})
		in := across(datagram{payload: strings.Repeat("q", c.payload), ttl: 1, tos: 0x2e}).frame()
		l0.deliver(in)
		frames := l0.take()
		if len(frames) != 1 {
			t.Fatalf("%d frames", len(frames))
		}
		ip, options, payload, err := wire.ParseIPv4(frames[0][wire.EthernetHeaderLen:])
		if err != nil {
			t.Fatal(err)
		}
		m, body, err := wire.ParseICMP(payload)
		if err != nil || !m.ChecksumOK(body) || !ip.ChecksumOK(options) {
			t.Fatalf("the message is malformed: % x", frames[0])
		}
		if want := in[wire.EthernetHeaderLen:][:c.want]; !bytes.Equal(body, want) {
			t.Errorf("payload of %d: quoted %d bytes, want %d:\n% x\n% x", c.payload, len(body), c.want, body, want)
		}
		if ip.TotalLength() > 576 || ip.TTL() != 64 || ip.TOS() != 0xce || ip.DontFragment() {
			t.Errorf("header: length %d, TTL %d, TOS %#x, don't fragment %v", ip.TotalLength(), ip.TTL(), ip.TOS(), ip.DontFragment())
		}
		checkLedger(t, h)
	}
}

// A frame whose bytes others share is copied before its TTL is lowered.
func TestForwardingDoesNotWriteIntoSharedBytes(t *testing.T) {
	h, l0, l1 := newRouter(t, Config{})
	frame := across(datagram{payload: "shared"}).frame()
	b := newBuffer(frame)
	kept := b.Clone()
	l0.sink.Deliver(0, b.Single())
	if !bytes.Equal(kept.Bytes(), frame) {
		t.Error("the clone's bytes changed")
	}
	kept.Release()
	if n := len(l1.take()); n != 1 {
		t.Errorf("%d frames came out", n)
	}
	checkLedger(t, h)
}

// A loop between two routers ends by the TTL, with one message to the sender.
func TestARoutingLoopEndsByTheTTL(t *testing.T) {
	a, b := pair(t, Config{Name: "a", Forwarding: true, Seed: [32]byte{1}}, Config{Name: "b", Forwarding: true, Seed: [32]byte{2}})
	a.route(t, "192.0.2.0/24 via 10.0.0.2")
	b.route(t, "192.0.2.0/24 via 10.0.0.1")
	l := newCable()
	a.attach(t, "eth1", l, "10.9.0.1/24").AddNeighbor(netip.MustParseAddr("10.9.0.9"), macPeer)
	b.route(t, "10.9.0.0/24 via 10.0.0.1")
	l.deliver(datagram{src: "10.9.0.9:9", dst: "192.0.2.1:7", ttl: 255, payload: "round"}.frame())
	l.expect(t, "the end", "10.9.0.1 > 10.9.0.9 ICMP TTL exceeded in transit [10.9.0.9:9 > 192.0.2.1:7 UDP]")
	if n := a.Drops().Get(drop.TTLExpired) + b.Drops().Get(drop.TTLExpired); n != 1 {
		t.Errorf("TTLExpired = %d", n)
	}
	checkLedger(t, a, b)
}
