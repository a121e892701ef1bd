package lab

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// heard is run, and returns what card 1 got, with when it did.
func (w *world) heard(d time.Duration) []string {
	w.t.Helper()
	w.log = nil
	w.run(d)
	return w.log
}

// TestQuerier: the querier in a switch, in virtual time.
func TestQuerier(t *testing.T) {
	igmp := func(q QuerierConfig) SnoopingConfig {
		q.MLD = -1
		return SnoopingConfig{RoutersOnly: true, Querier: &q}
	}
	mld := func(q QuerierConfig) SnoopingConfig {
		q.IGMP = -1
		return SnoopingConfig{RoutersOnly: true, Querier: &q}
	}
	const general3 = "0.0.0.0 > 224.0.0.1 IGMPv3 general query, answer in 10s, every 2m5s, robustness 2"
	for _, tt := range []struct {
		name string
		cfg  SnoopingConfig
		run  func(w *world)
	}{
		{"RFC9776_8_6_startup_queries", igmp(QuerierConfig{}), func(w *world) {
			w.lines("two, 31.25 s apart, and then every 125 s", w.heard(5*time.Minute),
				"0s "+general3, "31.25s "+general3, "2m36.25s "+general3, "4m41.25s "+general3)
		}},
		{"IGMPv2", igmp(QuerierConfig{IGMP: 2, Address: netip.MustParseAddr("10.0.0.250"), StartupInterval: time.Second}), func(w *world) {
			const general = "10.0.0.250 > 224.0.0.1 IGMPv2 general query, answer in 10s"
			w.lines("with an address", w.heard(2*time.Minute+10*time.Second), "0s "+general, "1s "+general, "2m6s "+general)
		}},
		{"MLDv2", mld(QuerierConfig{}), func(w *world) {
			general := linkLocal(w.sw.mac).String() + " > ff02::1 MLDv2 general query, answer in 10s, every 2m5s, robustness 2"
			w.lines("of the switch's address", w.heard(time.Minute), "0s "+general, "31.25s "+general)
		}},
		{"MLDv1", mld(QuerierConfig{MLD: 1, Address6: netip.MustParseAddr("fe80::99")}), func(w *world) {
			const general = "fe80::99 > ff02::1 MLDv1 general query, answer in 10s"
			w.lines("of an address of its own", w.heard(time.Minute), "0s "+general, "31.25s "+general)
		}},
		{"memberships_stay_alive", igmp(QuerierConfig{}), func(w *world) {
			for range 20 { // a host that answers each query
				w.old(1, wire.IGMPv2Report, g1)
				for answered := false; !answered; {
					answered = len(w.heard(time.Second)) > 0
				}
			}
			w.reach("after 40 minutes", 0, g1, "1")
		}},
		{"RFC9776_6_6_2_it_yields_to_a_lower_address", igmp(QuerierConfig{Address: netip.MustParseAddr("10.0.0.250")}), func(w *world) {
			w.run(time.Minute)
			w.query(2, "10.0.0.3", wire.IGMPQuery{Robustness: 2, Interval: 125 * time.Second})
			w.lines("silence for 255 s", w.heard(255*time.Second-1))
			w.lines("and then it asks again", w.heard(125*time.Second),
				"5m15s 10.0.0.250 > 224.0.0.1 IGMPv3 general query, answer in 10s, every 2m5s, robustness 2")
		}},
		{"RFC9776_6_6_2_and_not_to_a_higher_one", igmp(QuerierConfig{Address: netip.MustParseAddr("10.0.0.1")}), func(w *world) {
			w.run(time.Minute)
			w.query(2, "10.0.0.3", wire.IGMPQuery{})
			if got := w.heard(125 * time.Second); len(got) != 1 {
				w.t.Errorf("got %q", got)
			}
			w.routers("who asks is a router all the same", "h2")
			if q := w.sw.Queriers(); len(q) != 1 || q[0] != (SwitchQuerier{Address: netip.MustParseAddr("10.0.0.1"), Version: 3}) {
				w.t.Errorf("the querier is %v", q)
			}
		}},
		{"RFC4541_2_1_1_without_an_address_it_yields_to_any", igmp(QuerierConfig{}), func(w *world) {
			w.run(time.Minute)
			w.query(2, "255.0.0.1", wire.IGMPQuery{Version: 2})
			w.lines("silence", w.heard(255*time.Second-1))
			want := SwitchQuerier{Address: netip.MustParseAddr("255.0.0.1"), Host: "h2", Interface: "eth0", Version: 2}
			if q := w.sw.Queriers(); len(q) != 1 || q[0].Expires <= 0 || (SwitchQuerier{q[0].Address, q[0].Host, q[0].Interface, q[0].Version, 0}) != want {
				w.t.Errorf("the querier is %v, want %v", q, want)
			}
			w.query(0, "0.0.0.0", wire.IGMPQuery{Version: 2})
			w.run(1)
			if q := w.sw.Queriers(); len(q) != 1 || q[0].Address != netip.IPv4Unspecified() || q[0].Host != "" {
				w.t.Errorf("then the querier is %v, want the switch", q)
			}
		}},
		{"RFC9776_6_6_2_the_lowest_of_others", SnoopingConfig{}, func(w *world) {
			for _, tt := range []struct{ source, want string }{{"10.0.0.7", "10.0.0.7"}, {"10.0.0.8", "10.0.0.7"}, {"10.0.0.6", "10.0.0.6"}, {"10.0.0.7", "10.0.0.6"}} {
				w.query(2, tt.source, wire.IGMPQuery{})
				if q := w.sw.Queriers(); len(q) != 1 || q[0].Address.String() != tt.want {
					w.t.Errorf("having heard %s, the querier is %v, want %s", tt.source, q, tt.want)
				}
			}
			w.run(200 * time.Second)
			w.query(2, "10.0.0.7", wire.IGMPQuery{})
			w.run(55 * time.Second)
			if q := w.sw.Queriers(); q != nil {
				w.t.Errorf("only the querier keeps itself alive, and it is %v", q)
			}
		}},
		{"RFC9776_4_1_6_and_7_the_queriers_own_values_count", SnoopingConfig{}, func(w *world) {
			w.query(2, "10.0.0.3", wire.IGMPQuery{Robustness: 3, Interval: 40 * time.Second, MaxResponse: 4 * time.Second})
			// For a group it gives less time than for all.
			w.query(2, "10.0.0.3", wire.IGMPQuery{Group: netip.MustParseAddr(g2), Robustness: 3, Interval: 40 * time.Second, MaxResponse: time.Second})
			w.report(1, isEx, g1)
			w.table("3 × 40 s + 4 s", "239.1.1.1 h1 v3 EXCLUDE {} 124s")
			w.run(122*time.Second - 1)
			w.routers("3 × 40 s + 4 s / 2", "h2")
			w.run(1)
			w.routers("gone", "")
			w.report(1, isEx, g1)
			w.table("and its values with it", "239.1.1.1 h1 v3 EXCLUDE {} 260s")
			w.query(2, "10.0.0.3", wire.IGMPQuery{})
			w.report(1, isEx, g1)
			w.table("zero is the default", "239.1.1.1 h1 v3 EXCLUDE {} 260s")
		}},
		{"RFC9776_6_6_3_1_last_member_queries", igmp(QuerierConfig{}), func(w *world) {
			w.run(time.Second)
			w.report(1, isEx, g1)
			w.report(2, isEx, g1)
			if got := cards(w.report(1, toIn, g1)); got != "1" {
				w.t.Errorf("%q are asked: the one port alone is", got)
			}
			w.run(0)
			w.lines("and once more after a second", w.heard(3*time.Second), "2s 0.0.0.0 > 239.1.1.1 IGMPv3 query 239.1.1.1, answer in 1s")
			w.reach("nobody has objected", 0, g1, "2")
		}},
		{"RFC9776_6_6_3_1_somebody_objects", igmp(QuerierConfig{}), func(w *world) {
			w.run(time.Second)
			w.report(1, isEx, g1)
			w.report(1, toIn, g1)
			w.run(500 * time.Millisecond)
			w.report(1, isEx, g1)
			w.lines("who is told", w.heard(3*time.Second), "2s 0.0.0.0 > 239.1.1.1 IGMPv3 query 239.1.1.1, answer in 1s, answered before")
			w.reach("it stays", 0, g1, "1")
		}},
		{"RFC9776_6_6_3_2_queries_for_sources", igmp(QuerierConfig{}), func(w *world) {
			w.run(time.Second)
			w.report(1, allow, g1, "10.0.0.1", "10.0.0.7", "10.0.0.9")
			w.lines("at once", w.report(1, block, g1, "10.0.0.1", "10.0.0.7"), "1: 0.0.0.0 > 239.1.1.1 IGMPv3 query 239.1.1.1 {10.0.0.1, 10.0.0.7}, answer in 1s")
			w.run(500 * time.Millisecond)
			w.report(1, isIn, g1, "10.0.0.7")
			w.lines("the one nobody has objected for", w.heard(3*time.Second), "2s 0.0.0.0 > 239.1.1.1 IGMPv3 query 239.1.1.1 {10.0.0.1}, answer in 1s")
			w.reach("it is gone", 0, g1, "")
			w.reachFrom("the other is not", 0, "10.0.0.7", g1, "1")
		}},
		{"RFC2236_3_last_member_queries", igmp(QuerierConfig{IGMP: 2}), func(w *world) {
			w.run(time.Second)
			w.old(1, wire.IGMPv2Report, g1)
			w.lines("at once", w.old(1, wire.IGMPv2Leave, g1), "1: 0.0.0.0 > 239.1.1.1 IGMPv2 query 239.1.1.1, answer in 1s")
			w.lines("and after a second", w.heard(3*time.Second), "2s 0.0.0.0 > 239.1.1.1 IGMPv2 query 239.1.1.1, answer in 1s")
			w.reach("nobody has objected", 0, g1, "")
		}},
		{"RFC2236_has_no_queries_for_sources", igmp(QuerierConfig{IGMP: 2}), func(w *world) {
			w.run(time.Second)
			w.report(1, allow, g1, "10.0.0.1", "10.0.0.7")
			w.lines("it does not ask", w.report(1, block, g1, "10.0.0.1"))
			w.lines("nor later", w.heard(3*time.Second))
		}},
		{"so_many_are_asked_again", igmp(QuerierConfig{}), func(w *world) {
			w.run(time.Second)
			for i := range maxAsking + 100 {
				g := netip.AddrFrom4([4]byte{239, 9, byte(i >> 8), byte(i)}).String()
				w.report(1, isEx, g)
				if got := len(w.report(1, toIn, g)); got != 1 {
					w.t.Fatalf("%d queries for group %d", got, i)
				}
			}
			if n := w.sw.snooper.asking; n != maxAsking {
				w.t.Errorf("%d will be", n)
			}
			if got := len(w.heard(3 * time.Second)); got != maxAsking {
				w.t.Errorf("%d are", got)
			}
			if n := w.sw.snooper.asking; n != 0 {
				w.t.Errorf("%d are left", n)
			}
		}},
		{"RFC2710_4_last_listener_queries", mld(QuerierConfig{MLD: 1, Address6: netip.MustParseAddr("fe80::99")}), func(w *world) {
			w.run(time.Second)
			w.old(1, wire.ICMPv6MLDv1Report, h1)
			w.lines("at once", w.old(1, wire.ICMPv6MLDv1Done, h1), "1: fe80::99 > ff05::1:1 MLDv1 query ff05::1:1, answer in 1s")
			w.lines("and after a second", w.heard(3*time.Second), "2s fe80::99 > ff05::1:1 MLDv1 query ff05::1:1, answer in 1s")
			w.reach("nobody has objected", 0, h1, "")
		}},
		{"it_is_silent_about_who_leaves_where_another_asks", igmp(QuerierConfig{}), func(w *world) {
			w.query(2, "10.0.0.3", wire.IGMPQuery{})
			w.run(time.Second)
			w.report(1, isEx, g1)
			w.lines("the report is for the router", w.report(1, toIn, g1), "2: 10.0.0.2 > 224.0.0.22 IGMPv3 report 239.1.1.1 TO_IN {}")
			w.lines("silence", w.heard(time.Minute))
		}},
		{"so_it_is_until_the_first_query_of_its_own_is_answered", SnoopingConfig{FloodWithoutQuerier: true, Querier: &QuerierConfig{}}, func(w *world) {
			w.old(1, wire.IGMPv2Report, g1)
			w.run(10*time.Second - 1)
			w.reach("not yet", 0, g1, "1 2")
			w.run(1)
			w.reach("now", 0, g1, "1")
			w.query(2, "10.0.0.3", wire.IGMPQuery{})
			w.reach("another takes over without a gap", 0, g1, "1 2")
			w.reach("because it is a router", 0, g2, "1 2")
			w.run(256 * time.Second)
			w.old(1, wire.IGMPv2Report, g1)
			w.reach("and the switch again", 0, g1, "1")
		}},
		{"without_a_querier_everything_is_flooded_if_it_shall_be", SnoopingConfig{FloodWithoutQuerier: true}, func(w *world) {
			w.old(1, wire.IGMPv2Report, g1)
			w.reach("nobody asks", 0, g1, "1 2")
			if got := cards(w.old(1, wire.IGMPv2Report, g1)); got != "0 2" {
				w.t.Errorf("a report gets to %q", got)
			}
			w.query(2, "10.0.0.3", wire.IGMPQuery{Version: 2})
			w.run(10*time.Second - 1)
			w.reach("not everybody has answered", 0, g1, "1 2")
			w.run(1)
			w.reach("everybody has", 1, g1, "2")
			w.query(2, "10.0.0.3", wire.IGMPQuery{Version: 2})
			w.reach("and is known when the next query comes", 1, g1, "2")
			w.old(1, wire.IGMPv2Report, g2)
			w.run(255 * time.Second)
			w.reach("nobody asks any more", 0, g2, "1 2")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.cfg, 3)
			tt.run(w)
		})
	}
}

// TestQueriesAreWellFormed: TTL or hop limit 1, Router Alert, internetwork control,
// checksums (RFC 9776, 4; RFC 9777, 5).
func TestQueriesAreWellFormed(t *testing.T) {
	w := newWorld(t, SnoopingConfig{Querier: &QuerierConfig{}}, 1)
	for i := range w.sw.snooper.families {
		q := w.sw.snooper.families[i].own
		for _, group := range []netip.Addr{{}, netip.MustParseAddr([]string{g1, h1}[i])} {
			s := q.query()
			s.group = group
			b := q.frame(&s)
			e, data, err := wire.ParseEthernet(b.Bytes())
			if err != nil || e.Source() != w.sw.mac || !e.Destination().IsMulticast() {
				t.Fatalf("%v, %v", e, err)
			}
			if i == 0 {
				h, options, payload, err := wire.ParseIPv4(data)
				if err != nil || h.TTL() != 1 || h.TOS() != 0xc0 || !h.ChecksumOK(options) || !wire.IPv4Options(options).HasRouterAlert() {
					t.Errorf("% x: %v", data, err)
				}
				m, body, err := wire.ParseIGMP(payload)
				if err != nil || !m.ChecksumOK(body) || e.Destination() != wire.MulticastMAC(h.Destination()) {
					t.Errorf("% x: %v", data, err)
				}
			} else {
				h, payload, err := wire.ParseIPv6(data)
				if err != nil || h.HopLimit() != 1 || e.Destination() != wire.MulticastMAC(h.Destination()) {
					t.Fatalf("% x: %v", data, err)
				}
				walk := wire.WalkIPv6(h, payload)
				ext, _ := walk.Next()
				options, _ := ext.Options()
				value, alert := options.RouterAlert()
				m, body, err := wire.ParseICMPv6(walk.Payload())
				if !alert || value != 0 || err != nil || !m.ChecksumOK(h.PseudoSum(wire.ProtocolICMPv6, uint32(len(walk.Payload()))), body) {
					t.Errorf("% x: %v", data, err)
				}
			}
			b.Release()
		}
	}
}

// TestQueriesAreLinuxs: general and group-specific queries of IGMPv3 are, byte for byte
// but for the source's hardware address, those that Linux 6.18's bridge sends.
func TestQueriesAreLinuxs(t *testing.T) {
	w := newWorld(t, SnoopingConfig{Querier: &QuerierConfig{}}, 1)
	q := w.sw.snooper.families[0].own
	q.mac = wire.MAC{0x8a, 0x64, 0x5f, 0x02, 0x8b, 0x82}
	specific := q.query()
	specific.group, specific.response = netip.MustParseAddr("239.1.1.3"), time.Second
	for _, tt := range []struct {
		query heardQuery
		want  string
	}{
		{q.query(), "01 00 5e 00 00 01 8a 64 5f 02 8b 82 08 00 46 c0 00 24 00 00 40 00 01 02 04 13 00 00 00 00 e0 00 00 01 94 04 00 00 11 64 ec 1e 00 00 00 00 02 7d 00 00"},
		{specific, "01 00 5e 01 01 03 8a 64 5f 02 8b 82 08 00 46 c0 00 24 00 00 40 00 01 02 f4 0f 00 00 00 00 ef 01 01 03 94 04 00 00 11 0a fc 73 ef 01 01 03 02 7d 00 00"},
	} {
		b := q.frame(&tt.query)
		if got := fmt.Sprintf("% x", b.Bytes()); got != tt.want {
			t.Errorf("got\n%s\nwant\n%s", got, tt.want)
		}
		b.Release()
	}
}
