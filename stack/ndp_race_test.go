package stack

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/wire"
)

// Everything at once from several goroutines, on the system's time: what neighbours
// and routers say, what programs configure, and what they ask.
func TestNeighborDiscoveryFromManySides(t *testing.T) {
	l := newCable()
	l.queues = 4
	h := newHost(t, Config{Clock: clock.System, EUI64: true, DADTransmits: -1, Limits: Limits{Neighbors: 8}}, l)
	if err := h.eth0.EnableIPv6(); err != nil {
		t.Fatal(err)
	}
	if err := h.eth0.AddAddress(netip.MustParsePrefix("2001:db8::a/64")); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for side, do := range []func(k int){
		func(k int) {
			l.deliverBy(0, ndpPacket{message: soliciting(linkLocalA, []wire.MAC{macPeer, macOther}[k%2])}.frame())
		},
		func(k int) {
			l.deliverBy(1, ndpPacket{message: advertising(peer6, []string{"SO", "S", "RO", ""}[k%4], macPeer)}.frame())
		},
		func(k int) {
			m := prefixed("2001:db8:1::/64", "LA", time.Duration(k%3)*time.Hour, time.Duration(k%2)*time.Hour)
			l.deliverBy(2, ndpPacket{dst: "ff02::1", message: m}.frame())
		},
		func(k int) {
			l.deliverBy(3, ndpPacket{src: "::", dst: group6("2001:db8::b"), message: soliciting("2001:db8::b", wire.MAC{})}.frame())
		},
		func(k int) {
			p := netip.MustParsePrefix("2001:db8::b/64")
			h.eth0.AddAddress(p)
			h.eth0.RemoveAddress(p)
		},
		func(k int) { h.eth0.RemoveAddress(netip.MustParsePrefix("2001:db8::b/64")) },
		func(k int) {
			h.eth0.SetUp(k%4 != 0)
			h.Neighbors()
			h.eth0.Routers()
			h.eth0.Addresses6()
			h.Routes()
		},
		func(k int) {
			h.eth0.AddNeighbor(netip.MustParseAddr("fe80::d"), macOther)
			h.eth0.ConfirmNeighbor(netip.MustParseAddr(peer6))
			st := h.state.Load()
			st.lookup6(addressOf(netip.MustParseAddr("2001:db8:9::9")), nil)
			st.sourceFor6(addressOf(netip.MustParseAddr("2001:db8:9::9")), st.byName("eth0"))
		},
	} {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for k := range 300 {
				do(k + side)
			}
		}()
	}
	wg.Wait()
	h.eth0.SetUp(true)
	h.eth0.RemoveAddress(netip.MustParsePrefix("2001:db8::b/64"))
	if got := addressesOf(h.eth0)[:2]; got[0] != linkLocalLine || got[1] != "2001:db8::a/64 manual preferred" {
		t.Errorf("addresses: %q", got)
	}
	for _, g := range []string{"ff02::1", group6(linkLocalA), group6("2001:db8::a")} {
		if r := h.eth0.groups.hears(addressOf(netip.MustParseAddr(g)), address{hi: 1}); r != drop.None {
			t.Errorf("%s: %v", g, r)
		}
	}
	if r := h.eth0.groups.hears(addressOf(netip.MustParseAddr(group6("2001:db8::b"))), address{hi: 1}); r != drop.NotAMember {
		t.Errorf("the group of an address that was removed: %v", r)
	}
	// What the interface has to say after it came up goes out meanwhile, by the system's
	// timers, and the ledger's sums are not taken at one instant.
	for range 1000 {
		if h.Ledger().Balanced() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	checkLedger(t, h)
}
