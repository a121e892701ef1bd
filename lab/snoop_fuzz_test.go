package lab

import (
	"net/netip"
	"testing"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// FuzzSnooping gives a snooping switch frames that nobody thought of, some of them
// right but for a few bytes, and time between them. Its tables stay within their
// bounds, the ledger balances, and who says that it has joined a group hears it.
//
// Each step of the input is a byte that says what to do, from which card and for how
// long to wait, and a length with as many bytes: the frame, or what is changed of one.
func FuzzSnooping(f *testing.F) {
	seed := func(what byte, frame []byte) []byte { return append([]byte{what, byte(len(frame))}, frame...) }
	f.Add(seed(0, reportOf(1, isEx, g1)))
	f.Add(seed(0, reportOf(1, allow, h1, "fe80::1", "fe80::2")))
	f.Add(append(seed(0, reportOf(1, toEx, g1, "10.0.0.1")), seed(0x41, reportOf(1, block, g1, "10.0.0.2"))...))
	f.Add(seed(1, frameOf(address(1), allHosts4, wire.ProtocolIGMP, wire.IGMPQuery{MaxResponse: time.Second, Interval: time.Hour}.AppendTo(nil))))
	f.Add(seed(1, frameOf(address6(1), allNodes6, wire.ProtocolICMPv6, wire.MLDQuery{MaxResponse: time.Second}.AppendTo(nil))))
	f.Add(append([]byte{2, 3, 20, 1, 9}, 3, 3, 50, 7, 1, 0xf2, 3, 0, 0, 0))
	group4, group6 := netip.MustParseAddr("239.77.1.1"), netip.MustParseAddr("ff05::7701")
	f.Fuzz(func(t *testing.T, input []byte) {
		cfg := SnoopingConfig{MaxMembers: 8}
		if len(input) > 0 {
			cfg.RoutersOnly, cfg.FastLeave, cfg.FloodWithoutQuerier = input[0]&1 != 0, input[0]&2 != 0, input[0]&4 != 0
			if input[0]&8 != 0 {
				cfg.Querier = &QuerierConfig{}
			}
			input = input[1:]
		}
		w := newWorld(t, cfg, 4)
		for steps := 0; len(input) >= 2 && steps < 100; steps++ {
			what, n := input[0], min(int(input[1]), len(input)-2)
			data := input[2 : 2+n]
			input = input[2+n:]
			card := int(what & 3)
			frame := data
			switch what >> 2 & 7 {
			case 0: // as it is
			case 1, 2, 3, 4, 5, 6: // one that is right but for what is said
				frame = [][]byte{
					reportOf(card, isEx, g1, "10.0.0.1"), reportOf(card, toIn, g1), reportOf(card, allow, h1, "fe80::1", "fe80::2"),
					frameOf(address(card), allHosts4, wire.ProtocolIGMP, wire.IGMPQuery{MaxResponse: time.Second}.AppendTo(nil)),
					frameOf(address6(card), allNodes6, wire.ProtocolICMPv6, wire.MLDQuery{MaxResponse: time.Second}.AppendTo(nil)),
					datagramTo(address(card), netip.MustParseAddr(g1)),
				}[what>>2&7-1]
				for k := 0; k+1 < len(data); k += 2 {
					frame[int(data[k])%len(frame)] ^= data[k+1]
				}
				fixChecksums(frame)
			default:
				w.run(time.Duration(n) * 7 * time.Second)
				continue
			}
			if len(frame) >= wire.EthernetHeaderLen {
				w.write(card, frame)
			}
			for i := range w.sw.snooper.families {
				f := &w.sw.snooper.families[i]
				members := 0
				for _, g := range f.groups {
					if len(g.members) == 0 {
						t.Fatal("a group without members is kept")
					}
					members += len(g.members)
					for k := range g.members {
						if len(g.members[k].sources) > maxSources {
							t.Fatalf("%d sources", len(g.members[k].sources))
						}
					}
				}
				if members != f.members || members > cfg.MaxMembers {
					t.Fatalf("%d members are in the table, %d are counted, %d are possible", members, f.members, cfg.MaxMembers)
				}
			}
			if w.sw.snooper.asking > maxAsking || len(w.sw.routers) > 4 {
				t.Fatalf("%d queries and %d routers", w.sw.snooper.asking, len(w.sw.routers))
			}
		}
		// Whatever was before, who joins now hears.
		w.report(1, isEx, group4.String())
		w.report(2, isEx, group6.String())
		hears := func(group netip.Addr, src netip.Addr, card string) {
			got := cards(w.write(0, datagramTo(src, group)))
			for _, c := range got {
				if string(c) == card {
					return
				}
			}
			t.Fatalf("a member of %v on card %s does not hear it: it gets to %q", group, card, got)
		}
		hears(group4, address(0), "1")
		hears(group6, address6(0), "2")
		if err := w.lab.CheckLedger(); err != nil {
			t.Fatal(err)
		}
		w.sw.Groups()
		w.sw.RouterPorts()
		w.sw.Queriers()
	})
}

// fixChecksums makes the checksums of a frame right as far as it can be read.
func fixChecksums(frame []byte) {
	e, data, err := wire.ParseEthernet(frame)
	if err != nil {
		return
	}
	switch e.Type() {
	case wire.EtherTypeIPv4:
		h, options, payload, err := wire.ParseIPv4(data)
		if err != nil {
			return
		}
		h.UpdateChecksum(options)
		if h.Protocol() == wire.ProtocolIGMP && len(payload) >= wire.IGMPHeaderLen {
			wire.UpdateIGMPChecksum(payload)
		}
	case wire.EtherTypeIPv6:
		h, payload, err := wire.ParseIPv6(data)
		if err != nil {
			return
		}
		w := wire.WalkIPv6(h, payload)
		for _, ok := w.Next(); ok; _, ok = w.Next() {
		}
		if w.Protocol() == wire.ProtocolICMPv6 && len(w.Payload()) >= wire.ICMPv6HeaderLen {
			wire.UpdateICMPv6Checksum(w.Payload(), h.Source16(), h.Destination16())
		}
	}
}
