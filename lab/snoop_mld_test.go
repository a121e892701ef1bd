package lab

import (
	"net/netip"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/wire"
)

// TestSnoopingMLD: what RFC 4541, 3, and the standards of MLD say beyond what IPv4 has.
func TestSnoopingMLD(t *testing.T) {
	group := netip.MustParseAddr(h1)
	for _, tt := range []struct {
		name string
		cfg  SnoopingConfig
		run  func(w *world)
	}{
		{"RFC4541_3_reports_of_both_versions", SnoopingConfig{RoutersOnly: true}, func(w *world) {
			w.query6(3, "fe80::4", wire.MLDQuery{Robustness: 2, Interval: 125 * time.Second})
			w.routers("by a query", "h3")
			w.lines("version 1", w.old(1, wire.ICMPv6MLDv1Report, h1), "3: fe80::2 > ff05::1:1 MLDv1 report ff05::1:1")
			w.lines("version 2", w.report(2, isIn, h1, "fe80::1"), "3: fe80::3 > ff02::16 MLDv2 report ff05::1:1 IS_IN {fe80::1}")
			w.table("both", "ff05::1:1 h1 v1 EXCLUDE {} 260s", "ff05::1:1 h2 v2 INCLUDE {fe80::1} 260s")
			w.reachFrom("the source", 0, "fe80::1", h1, "1 2 3")
			w.reachFrom("another", 0, "fe80::9", h1, "1 3")
			w.reach("another group", 0, h2, "3")
			w.reach("IPv4 is another matter", 0, g1, "")
		}},
		{"RFC2710_4_done", SnoopingConfig{RoutersOnly: true}, func(w *world) {
			w.old(1, wire.ICMPv6MLDv1Report, h1)
			w.old(1, wire.ICMPv6MLDv1Done, h1)
			w.run(2 * time.Second)
			w.reach("nobody objects", 0, h1, "")
		}},
		{"RFC9777_7_6_1_another_querier_asks", SnoopingConfig{RoutersOnly: true}, func(w *world) {
			w.query6(3, "fe80::4", wire.MLDQuery{Robustness: 2, Interval: 125 * time.Second})
			w.report(1, isEx, h1)
			w.report(2, isEx, h1)
			w.report(1, toIn, h1)
			w.query6(3, "fe80::4", wire.MLDQuery{Group: group, MaxResponse: time.Second})
			w.report(2, isEx, h1)
			w.run(2 * time.Second)
			w.reach("who has answered stays", 0, h1, "2 3")
		}},
		{"RFC9777_8_3_2_sources_say_nothing_beside_a_version_1_host", SnoopingConfig{}, func(w *world) {
			w.old(1, wire.ICMPv6MLDv1Report, h1)
			w.report(1, block, h1, "fe80::1")
			w.report(1, toEx, h1, "fe80::1")
			w.reachFrom("it hears everybody", 0, "fe80::1", h1, "1")
			w.report(1, toIn, h1)
			w.run(2 * time.Second)
			w.table("but may leave")
		}},
		{"RFC4541_3_all_nodes_is_flooded", SnoopingConfig{RoutersOnly: true}, func(w *world) {
			w.report(1, isEx, "ff02::1")
			w.report(1, isEx, "ff01::5")
			w.table("they have no members")
			w.reach("ff02::1", 0, "ff02::1", "1 2 3")
			w.reach("of an interface alone, which should not be seen", 0, "ff01::5", "1 2 3")
		}},
		{"RFC4541_3_link_local_groups_are_snooped", SnoopingConfig{RoutersOnly: true}, func(w *world) {
			w.reach("unless nobody has joined", 0, "ff02::1:ff00:2", "1 2 3")
			w.report(1, isEx, "ff02::1:ff00:2")
			w.reach("the solicited node", 0, "ff02::1:ff00:2", "1")
			w.reach("another", 0, "ff02::1:ff00:3", "1 2 3")
		}},
		{"RFC3590_reports_from_no_address_count", SnoopingConfig{}, func(w *world) {
			m := wire.AppendMLDv2Report(nil, wire.GroupRecord{Type: isEx, Group: group})
			w.write(1, frameOf(netip.IPv6Unspecified(), netip.MustParseAddr("ff02::16"), wire.ProtocolICMPv6, m))
			w.reach("joined", 0, h1, "1")
		}},
		{"RFC9777_6_2_and_7_2_what_is_no_message_of_MLD_goes_nowhere", SnoopingConfig{}, func(w *world) {
			all := netip.MustParseAddr("ff02::16")
			global := netip.MustParseAddr("2001:db8::1")
			report := func() []byte { return wire.AppendMLDv2Report(nil, wire.GroupRecord{Type: isEx, Group: group}) }
			spoil := func(change func(f []byte)) []byte {
				f := frameOf(address6(1), all, wire.ProtocolICMPv6, report())
				change(f)
				return f
			}
			general := wire.MLDQuery{MaxResponse: time.Second}
			for name, f := range map[string][]byte{
				"report from a global source": frameOf(global, all, wire.ProtocolICMPv6, report()),
				"query from a global source":  frameOf(global, allNodes6, wire.ProtocolICMPv6, general.AppendTo(nil)),
				"query from no source":        frameOf(netip.IPv6Unspecified(), allNodes6, wire.ProtocolICMPv6, general.AppendTo(nil)),
				"hop limit 2":                 spoil(func(f []byte) { f[14+7] = 2 }),
				"no Router Alert":             spoil(func(f []byte) { copy(f[14+40+2:], []byte{1, 4, 0, 0, 0, 0}) }),
				"options that do not fit":     spoil(func(f []byte) { f[14+40+3] = 9 }),
				"records that do not fit":     spoil(func(f []byte) { f[14+40+8+7] = 2; resum(f) }),
				"a length no version has":     frameOf(address6(1), allNodes6, wire.ProtocolICMPv6, append(general.AppendTo(nil), 0)[:26]),
				"too short":                   frameOf(address6(1), allNodes6, wire.ProtocolICMPv6, general.AppendTo(nil)[:20]),
				"shorter than ICMPv6":         frameOf(address6(1), allNodes6, wire.ProtocolICMPv6, general.AppendTo(nil)[:5]),
			} {
				before := w.lab.Report().Segments[0].Dropped[drop.DatagramMalformed]
				w.lines(name, w.write(1, f))
				if got := w.lab.Report().Segments[0].Dropped[drop.DatagramMalformed]; got != before+1 {
					w.t.Errorf("%s: %d dropped, want one more than %d", name, got, before)
				}
			}
			w.lines("checksum", w.write(1, spoil(func(f []byte) { f[len(f)-1]++ })))
			w.lines("no packet of IPv6", w.write(1, spoil(func(f []byte) { f[14+5]++ })))
			if got := w.lab.Report().Segments[0].Dropped; got[drop.BadChecksum] != 1 || got[drop.PacketMalformed] != 1 {
				w.t.Errorf("dropped %v", got)
			}
			w.table("nothing is known")
			w.routers("and nobody", "")
		}},
		{"general_queries_are_for_all_nodes", SnoopingConfig{}, func(w *world) {
			// One to a single group would make a router of whoever knows it.
			for _, f := range [][]byte{
				frameOf(address6(1), group, wire.ProtocolICMPv6, wire.MLDQuery{MaxResponse: time.Second}.AppendTo(nil)),
				frameOf(address6(1), allNodes6, wire.ProtocolICMPv6, wire.MLDQuery{MaxResponse: time.Second, Group: group}.AppendTo(nil)),
				frameOf(address(1), netip.MustParseAddr(g1), wire.ProtocolIGMP, wire.IGMPQuery{MaxResponse: time.Second}.AppendTo(nil)),
				frameOf(address(1), allHosts4, wire.ProtocolIGMP, wire.IGMPQuery{MaxResponse: time.Second, Group: netip.MustParseAddr(g1)}.AppendTo(nil)),
			} {
				if got := cards(w.write(1, f)); got != "0 2 3" {
					w.t.Errorf("it gets to %q", got)
				}
			}
			w.routers("nobody", "")
		}},
		{"what_is_not_MLD_is_data", SnoopingConfig{}, func(w *world) {
			w.report(1, isEx, h1)
			// An echo request behind hop-by-hop options.
			w.lines("an echo request", w.write(0, frameOf(address6(0), group, wire.ProtocolICMPv6, []byte{128, 0, 0, 0, 0, 1, 0, 1})),
				"1: fe80::1 > ff05::1:1 [hop-by-hop] ICMPv6 echo request id 1 seq 1 0 B")
			// A datagram behind them, that begins as a report would.
			u := frameOf(address6(0), group, wire.ProtocolICMPv6, []byte{143, 0, 0, 7, 0, 8, 0, 0})
			u[14+40] = byte(wire.ProtocolUDP)
			if got := cards(w.write(0, u)); got != "1" {
				w.t.Errorf("a datagram behind hop-by-hop options gets to %q", got)
			}
			// What looks like a report without hop-by-hop options.
			f := frameOf(address6(2), group, wire.ProtocolUDP, []byte{143, 0, 0, 0, 0, 0, 0, 0})
			f[14+6] = byte(wire.ProtocolICMPv6)
			if got := cards(w.write(2, f)); got != "1" {
				w.t.Errorf("a report without Router Alert gets to %q", got)
			}
			f[14+24] = 0x20 // unicast in a frame to many
			if got := cards(w.write(2, f)); got != "0 1 3" {
				w.t.Errorf("unicast in a frame to many gets to %q", got)
			}
		}},
		{"RFC4286_advertisements_of_routers", SnoopingConfig{}, func(w *world) {
			adv := func(to string) []byte {
				return frameOf(address(1), netip.MustParseAddr(to), wire.ProtocolIGMP, []byte{0x30, 20, 0, 0, 0, 0, 0, 0})
			}
			w.write(1, adv("224.0.0.2"))
			w.routers("not to all snoopers", "")
			if got := cards(w.write(1, adv("224.0.0.106"))); got != "0 2 3" {
				w.t.Errorf("it gets to %q", got)
			}
			w.routers("IPv4", "h1")
			w.write(2, frameOf(address6(2), allSnoopers6, wire.ProtocolICMPv6, []byte{151, 20, 0, 0, 0, 0, 0, 0}))
			w.routers("IPv6", "h1 h2")
			w.old(3, wire.IGMPv2Report, g1)
			w.reach("of one family alone", 0, g1, "3 1")
		}},
		{"RFC7761_4_3_1_hellos_of_PIM", SnoopingConfig{}, func(w *world) {
			hello := []byte{0x20, 0, 0, 0, 0, 1, 0, 2, 0, 105}
			for _, tt := range []struct {
				card int
				f    []byte
			}{
				{1, frameOf(address(1), allPIMRouters4, wire.ProtocolPIM, hello)},
				{2, frameOf(address6(2), allPIMRouters6, wire.ProtocolPIM, hello)},
				{3, frameOf(address(3), allPIMRouters4, wire.ProtocolPIM, []byte{0x23, 0, 0, 0})}, // a join
				{3, frameOf(address6(3), netip.MustParseAddr("ff02::16"), wire.ProtocolPIM, hello)},
			} {
				if got := len(w.write(tt.card, tt.f)); got != 3 {
					w.t.Errorf("it gets to %d", got)
				}
			}
			w.routers("who greets", "h1 h2")
			w.run(255*time.Second - 1)
			w.routers("for 255 s", "h1 h2")
			w.run(1)
			w.routers("and no longer", "")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.cfg, 4)
			tt.run(w)
		})
	}
}

// resum makes the checksum of a frame with a message of MLD right.
func resum(f []byte) {
	h, payload, _ := wire.ParseIPv6(f[14:])
	wire.UpdateICMPv6Checksum(payload[len(wire.MLDHopByHop):], h.Source16(), h.Destination16())
}

// TestSnoopingTableIsBounded: made-up groups do not fill the memory, and take nothing
// from those who have joined.
func TestSnoopingTableIsBounded(t *testing.T) {
	w := newWorld(t, SnoopingConfig{RoutersOnly: true, MaxMembers: 100}, 4)
	w.run(10 * time.Second)
	w.old(1, wire.IGMPv2Report, g1)
	f := &w.sw.snooper.families[0]
	for i := range 300 {
		w.old(2, wire.IGMPv2Report, netip.AddrFrom4([4]byte{239, 9, byte(i >> 8), byte(i)}).String())
		if f.members > 100 || len(f.groups) > 100 {
			t.Fatalf("%d members in %d groups", f.members, len(f.groups))
		}
	}
	w.old(3, wire.IGMPv2Report, g1)
	w.reach("what does not fit may be there", 0, g1, "1 2 3")
	w.reach("also of other groups", 0, "239.9.1.40", "1 2 3")
	w.reach("IPv6 has a table of its own", 0, h1, "")
	// When the old ones are gone, everybody who is there has been heard again.
	w.run(255 * time.Second)
	w.old(1, wire.IGMPv2Report, g1)
	w.run(6 * time.Second)
	w.reach("260 s later", 0, g1, "1")
	w.old(3, wire.IGMPv2Report, g1)
	w.reach("and there is room", 0, g1, "1 3")
	if f.members != 2 || len(f.groups) != 1 {
		t.Errorf("%d members in %d groups", f.members, len(f.groups))
	}
}

// TestSnoopingInAPartition: what is for some is parted as what is for all.
func TestSnoopingInAPartition(t *testing.T) {
	w := newWorld(t, SnoopingConfig{}, 4)
	w.old(1, wire.IGMPv2Report, g1)
	w.old(2, wire.IGMPv2Report, g1)
	w.lab.Partition([]string{"h0", "h1"}, []string{"h2"})
	w.reach("one is beyond", 0, g1, "1")
	w.lab.Partition([]string{"h0"}, []string{"h1", "h2"})
	w.reach("both are", 0, g1, "")
	if got := w.lab.Report().Segments[0].Dropped; got[drop.LinkLoss] != 3 || len(got) != 1 {
		t.Errorf("dropped %v, want 3 LinkLoss", got)
	}
}
