package stack

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/wire"
)

func TestTransparentInterface(t *testing.T) {
	h, l := onTunnel(t, Config{})
	wild := h.open(t, "0.0.0.0:53")
	l.deliver(datagram{bare: true, src: "10.9.0.7:1000", dst: "192.0.2.1:53", payload: "query"}.frame())
	if got := receive(t, wild); string(got.Buf) != "query" || got.Addr != netip.MustParseAddrPort("10.9.0.7:1000") {
		t.Errorf("got %q from %v", got.Buf, got.Addr)
	}
	l.expect(t, "taken")

	// As for an address of the host's own: ICMP in its name.
	l.deliver(datagram{bare: true, src: "10.9.0.7:1000", dst: "192.0.2.1:54", payload: "query"}.frame())
	l.expect(t, "nobody there", "192.0.2.1 > 10.9.0.7 ICMP port unreachable [10.9.0.7:1000 > 192.0.2.1:54 UDP]")
	l.deliver(datagram{bare: true, src: "10.9.0.7:0", dst: "192.0.2.1:0", protocol: wire.ProtocolICMP,
		payload: icmpBody(wire.ICMPEchoRequest, 0, [4]byte{0, 1, 0, 1}, []byte("ping"))}.frame())
	l.expect(t, "echo", "192.0.2.1 > 10.9.0.7 ICMP echo reply id 1 seq 1 4 B")
	l.deliver(datagram{bare: true, src: "10.9.0.7:0", dst: "192.0.2.1:0", protocol: wire.ProtocolTCP, payload: "segment"}.frame())
	l.expect(t, "no handler", "192.0.2.1 > 10.9.0.7 ICMP protocol unreachable [10.9.0.7 > 192.0.2.1 TCP]")

	// What cannot be is as impossible as elsewhere.
	for _, d := range []datagram{
		{src: "10.9.0.1:1"}, {src: "127.0.0.1:1"}, {src: "224.0.0.1:1"}, {dst: "127.0.0.1:53"}, {dst: "0.0.0.0:53"},
	} {
		d.bare = true
		d.src, d.dst = orString(d.src, "10.9.0.7:1"), orString(d.dst, "192.0.2.1:53")
		l.deliver(d.frame())
	}
	checkDrops(t, h, drop.MartianSource, 3)
	checkDrops(t, h, drop.MartianDestination, 2)
	if got := payloads(t, wild); len(got) != 0 {
		t.Errorf("got %q", got)
	}
	checkLedger(t, h)
}

func TestTransparentRanges(t *testing.T) {
	h, l := onCable(t, Config{})
	if got := h.eth0.Transparent(); got != nil {
		t.Errorf("Transparent() = %v at first", got)
	}
	ranges := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/25"), netip.MustParsePrefix("198.51.100.7/32")}
	if err := h.eth0.SetTransparent(ranges...); err != nil {
		t.Fatal(err)
	}
	if got := h.eth0.Transparent(); fmt.Sprint(got) != fmt.Sprint(ranges) {
		t.Errorf("Transparent() = %v, want %v", got, ranges)
	}
	s := h.open(t, "0.0.0.0:7")
	// Twice each: the second time the addresses are known to be in order.
	for range 2 {
		for _, a := range []string{"192.0.2.1", "192.0.2.127", "192.0.2.128", "198.51.100.6", "198.51.100.7", "10.0.0.2"} {
			l.deliver(datagram{dst: a + ":7", payload: a}.frame())
		}
		if got, want := fmt.Sprint(payloads(t, s)), "[192.0.2.1 192.0.2.127 198.51.100.7 10.0.0.2]"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	checkDrops(t, h, drop.NotLocal, 4)
	if err := h.eth0.SetTransparent(); err != nil {
		t.Fatal(err)
	}
	l.deliver(datagram{dst: "192.0.2.1:7"}.frame())
	checkDrops(t, h, drop.NotLocal, 5)

	for _, bad := range [][]netip.Prefix{
		{netip.MustParsePrefix("192.0.2.1/24")}, {netip.MustParsePrefix("::ffff:192.0.2.0/120")}, {{}}, make([]netip.Prefix, maxTransparent+1),
	} {
		if err := h.eth0.SetTransparent(bad...); err == nil {
			t.Errorf("%v was taken", bad[:1])
		}
	}
	if got := h.eth0.Transparent(); got != nil {
		t.Errorf("Transparent() = %v after what was refused", got)
	}
	checkLedger(t, h)
}

// A transparent range is not forwarded, the rest is.
func TestTransparentBesideForwarding(t *testing.T) {
	h, l := known(t, Config{Forwarding: true})
	h.route(t, "default via 10.0.0.9")
	if err := h.eth0.SetTransparent(netip.MustParsePrefix("192.0.2.0/24")); err != nil {
		t.Fatal(err)
	}
	s := h.open(t, "0.0.0.0:7")
	l.deliver(datagram{dst: "192.0.2.1:7", payload: "mine"}.frame(), datagram{dst: "198.51.100.1:7", payload: "not mine"}.frame())
	l.expect(t, "forwarded", `10.0.0.9:9 > 198.51.100.1:7 UDP 8 B "not mine"`)
	if got := payloads(t, s); len(got) != 1 || got[0] != "mine" {
		t.Errorf("got %q", got)
	}
	checkLedger(t, h)
}
