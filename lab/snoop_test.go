package lab

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/wire"
)

const (
	isIn, isEx, toIn, toEx = wire.ModeIsInclude, wire.ModeIsExclude, wire.ChangeToInclude, wire.ChangeToExclude
	allow, block           = wire.AllowNewSources, wire.BlockOldSources

	g1, g2 = "239.1.1.1", "239.1.1.2"
	h1, h2 = "ff05::1:1", "ff05::1:2"
)

// TestSnooping: a rule of a standard each, in virtual time. Card 0 is the sender.
func TestSnooping(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cfg   SnoopingConfig
		cards int
		run   func(w *world)
	}{
		{"RFC4541_2_1_1_1_reports_go_to_routers_alone", SnoopingConfig{}, 4, func(w *world) {
			w.query(1, "10.0.0.2", wire.IGMPQuery{Version: 2})
			w.lines("version 2", w.old(2, wire.IGMPv2Report, g1), "1: 10.0.0.3 > 239.1.1.1 IGMPv2 report 239.1.1.1")
			w.lines("version 1", w.old(3, wire.IGMPv1Report, g1), "1: 10.0.0.4 > 239.1.1.1 IGMPv1 report 239.1.1.1")
			w.lines("version 3", w.report(2, isEx, g1), "1: 10.0.0.3 > 224.0.0.22 IGMPv3 report 239.1.1.1 IS_EX {}")
			w.lines("leave", w.old(2, wire.IGMPv2Leave, g1), "1: 10.0.0.3 > 224.0.0.2 IGMPv2 leave 239.1.1.1")
			w.lines("by the router itself", w.report(1, isEx, g1))
			if s := w.lab.Report().Segments[0]; s.Consumed != 1 || len(s.Dropped) != 0 {
				w.t.Errorf("%d reports were the switch's alone, dropped are %v", s.Consumed, s.Dropped)
			}
		}},
		{"RFC4541_2_1_1_1_routers_are_where_queries_come_from", SnoopingConfig{}, 4, func(w *world) {
			w.routers("before", "")
			if got := cards(w.query(2, "10.0.0.3", wire.IGMPQuery{})); got != "0 1 3" {
				w.t.Errorf("a query gets to %q", got)
			}
			w.routers("after", "h2")
			w.old(1, wire.IGMPv2Report, g1)
			w.reach("members and routers", 0, g1, "1 2")
			w.reach("by the router", 2, g1, "1")
			w.query(3, "10.0.0.4", wire.IGMPQuery{Version: 1})
			w.routers("another, that is not elected", "h2 h3")
		}},
		{"RFC4541_2_1_1_1_not_by_a_source_of_zero", SnoopingConfig{}, 3, func(w *world) {
			if got := cards(w.query(2, "0.0.0.0", wire.IGMPQuery{})); got != "0 1" {
				w.t.Errorf("a query gets to %q", got)
			}
			w.routers("a switch that asks is no router", "")
			if list := w.sw.Queriers(); len(list) != 0 {
				w.t.Errorf("and no querier: %v", list)
			}
		}},
		{"RFC4541_2_1_1_1_static_router_ports", SnoopingConfig{}, 2, func(w *world) {
			w.add(LinkConfig{RouterPort: true})
			w.routers("configured", "h2")
			w.old(1, wire.IGMPv2Report, g1)
			w.reach("it hears everything", 0, g1, "1 2")
			w.run(time.Hour)
			w.routers("and is never forgotten", "h2")
			w.nics[2].Close()
			w.routers("until it is gone", "")
			if n := len(w.sw.routers); n != 0 {
				w.t.Errorf("%d ports are kept", n)
			}
		}},
		{"RFC4541_2_1_1_2_reports_from_a_source_of_zero_count", SnoopingConfig{}, 3, func(w *world) {
			m := make([]byte, wire.IGMPHeaderLen)
			wire.PutIGMP(m, wire.IGMPv2Report, netip.MustParseAddr(g1))
			w.write(1, frameOf(netip.IPv4Unspecified(), netip.MustParseAddr(g1), wire.ProtocolIGMP, m))
			w.reach("proxy reporting", 0, g1, "1")
		}},
		{"RFC4541_2_1_1_3_unknown_messages_are_flooded", SnoopingConfig{RoutersOnly: true}, 3, func(w *world) {
			for _, to := range []string{"224.0.0.2", g1} {
				m := []byte{0x1f, 0, 0, 0, 1, 2, 3, 4}
				if got := cards(w.write(1, frameOf(address(1), netip.MustParseAddr(to), wire.ProtocolIGMP, m))); got != "0 2" {
					w.t.Errorf("type 0x1f to %s gets to %q", to, got)
				}
			}
		}},
		{"RFC4541_2_1_1_3_bytes_behind_a_report_change_nothing", SnoopingConfig{}, 3, func(w *world) {
			m := make([]byte, wire.IGMPHeaderLen+5)
			wire.PutIGMP(m, wire.IGMPv2Report, netip.MustParseAddr(g1))
			m[10] = 7
			w.write(1, frameOf(address(1), netip.MustParseAddr(g1), wire.ProtocolIGMP, m))
			w.reach("joined", 0, g1, "1")
		}},
		{"RFC4541_2_1_1_4_a_port_that_comes_up_is_asked", SnoopingConfig{Querier: &QuerierConfig{MLD: -1}}, 3, func(w *world) {
			w.run(time.Second)
			w.old(1, wire.IGMPv2Report, g1)
			w.lab.Host("h1").SetLink("eth0", false)
			w.table("unplugged, it is forgotten")
			w.lab.Host("h1").SetLink("eth0", true)
			w.lines("and asked", w.run(time.Second),
				"1: 0.0.0.0 > 224.0.0.1 IGMPv3 general query, answer in 10s, every 2m5s, robustness 2")
			w.lab.Host("h1").SetLink("eth0", true)
			w.lines("that it is up is no news", w.run(time.Second))
			w.lab.At(w.lab.Elapsed()+time.Millisecond, func() { w.add(LinkConfig{}) })
			w.lines("nor need it be there at the start", w.run(time.Second),
				"3: 0.0.0.0 > 224.0.0.1 IGMPv3 general query, answer in 10s, every 2m5s, robustness 2")
		}},
		{"RFC4541_2_1_1_5_broken_messages_are_neither_used_nor_flooded", SnoopingConfig{}, 3, func(w *world) {
			m := make([]byte, wire.IGMPHeaderLen)
			wire.PutIGMP(m, wire.IGMPv2Report, netip.MustParseAddr(g1))
			f := frameOf(address(1), netip.MustParseAddr(g1), wire.ProtocolIGMP, m)
			f[len(f)-5] ^= 1
			w.lines("IGMP's checksum", w.write(1, f))
			f = frameOf(address(1), netip.MustParseAddr(g1), wire.ProtocolIGMP, m[:7])
			w.lines("too short", w.write(1, f))
			f = reportOf(1, isEx, g1)
			w.lines("records missing", w.write(1, frameOf(address(1), netip.MustParseAddr("224.0.0.22"), wire.ProtocolIGMP, f[38:50])))
			w.lines("a length that no version has", w.write(1, frameOf(address(1), allHosts4, wire.ProtocolIGMP, append(wire.IGMPQuery{Version: 2, MaxResponse: 1e9}.AppendTo(nil), 0))))
			w.table("nothing is known")
			w.routers("and nobody", "")
			want := map[drop.Reason]uint64{drop.BadChecksum: 1, drop.DatagramMalformed: 3}
			if got := w.lab.Report().Segments[0].Dropped; len(got) != len(want) || got[drop.BadChecksum] != 1 || got[drop.DatagramMalformed] != 3 {
				w.t.Errorf("dropped %v, want %v", got, want)
			}
		}},
		{"RFC4541_2_1_1_6_members_that_are_not_heard_are_forgotten", SnoopingConfig{RoutersOnly: true}, 3, func(w *world) {
			w.old(1, wire.IGMPv2Report, g1)
			w.run(260*time.Second - 1)
			w.reach("after 2 × 125 s + 10 s, less a moment", 0, g1, "1")
			w.run(1)
			w.reach("and then", 0, g1, "")
			w.table("nothing is known")
		}},
		{"RFC4541_2_1_1_6_the_timeout_can_be_configured", SnoopingConfig{Robustness: 3, QueryInterval: 20 * time.Second, QueryResponse: 5 * time.Second}, 3, func(w *world) {
			w.old(1, wire.IGMPv2Report, g1)
			w.table("3 × 20 s + 5 s", "239.1.1.1 h1 v2 EXCLUDE {} 65s")
			w.query(2, "10.0.0.3", wire.IGMPQuery{Version: 2})
			w.run(62500*time.Millisecond - 1)
			w.routers("3 × 20 s + 5 s / 2", "h2")
			w.run(1)
			w.routers("and then", "")
		}},
		{"RFC4541_2_1_2_1_data_go_to_members_and_routers", SnoopingConfig{}, 5, func(w *world) {
			w.query(4, "10.0.0.5", wire.IGMPQuery{})
			w.report(2, toEx, g1)
			w.reach("the group", 0, g1, "2 4")
			w.reach("by a member", 2, g1, "4")
			if k := w.lab.Report().Links; k[1].Withheld != 3 || k[2].Withheld != 0 || k[3].Withheld != 3 || k[4].Withheld != 0 || k[0].Withheld != 2 {
				// The report was kept from all but the router, too.
				w.t.Errorf("withheld: %d %d %d %d %d", k[0].Withheld, k[1].Withheld, k[2].Withheld, k[3].Withheld, k[4].Withheld)
			}
			w.add(LinkConfig{})
			w.reach("again", 0, g1, "2 4")
			if k := w.lab.Report().Links[5].Withheld; k != 1 {
				w.t.Errorf("from who came later, %d are withheld, want 1", k)
			}
		}},
		{"RFC4541_2_1_2_2_link_local_groups_are_flooded", SnoopingConfig{RoutersOnly: true}, 3, func(w *world) {
			w.old(1, wire.IGMPv2Report, "224.0.0.251")
			w.table("they have no members")
			for _, g := range []string{"224.0.0.1", "224.0.0.5", "224.0.0.251", "224.0.0.255"} {
				w.reach("link-local", 0, g, "1 2")
			}
			w.reach("and no others", 0, "224.0.1.1", "")
		}},
		{"RFC4541_2_1_2_3_unregistered_groups_are_flooded", SnoopingConfig{}, 3, func(w *world) {
			w.old(1, wire.IGMPv2Report, g1)
			w.run(260 * time.Second)
			w.reach("again, when nobody has been heard", 0, g1, "1 2")
			w.query(2, "10.0.0.3", wire.IGMPQuery{})
			w.reach("nobody has joined", 0, g1, "1 2")
			w.old(1, wire.IGMPv2Report, g1)
			w.reach("the other one", 0, g2, "1 2")
		}},
		{"RFC4541_2_1_2_3_or_sent_to_routers", SnoopingConfig{RoutersOnly: true}, 4, func(w *world) {
			w.reach("nobody at all", 0, g1, "")
			if got := w.lab.Report().Segments[0].Dropped[drop.NotAMember]; got != 1 {
				w.t.Errorf("%d frames that were for nobody", got)
			}
			w.query(2, "10.0.0.3", wire.IGMPQuery{})
			w.reach("the router", 0, g1, "2")
		}},
		{"RFC4541_2_1_2_4_what_is_not_IP_is_flooded", SnoopingConfig{RoutersOnly: true}, 3, func(w *world) {
			f := datagramTo(address(0), netip.MustParseAddr(g1))
			for _, change := range []func(){
				func() { f[12], f[13] = 0x88, 0xcc },
				func() { copy(f, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}) },
			} {
				change()
				if got := cards(w.write(0, f)); got != "1 2" {
					w.t.Errorf("% x gets to %q", f[:14], got)
				}
			}
			f = datagramTo(address(0), netip.MustParseAddr(g1))
			copy(f[30:], []byte{10, 0, 0, 255}) // IP unicast in a frame to many
			h, _, _, _ := wire.ParseIPv4(f[14:])
			h.UpdateChecksum(nil)
			if got := cards(w.write(0, f)); got != "1 2" {
				w.t.Errorf("unicast in a frame to many gets to %q", got)
			}
		}},
		{"RFC4541_2_1_2_5_groups_are_told_apart_by_IP_addresses", SnoopingConfig{}, 4, func(w *world) {
			w.old(1, wire.IGMPv2Report, "224.1.1.1")
			w.old(2, wire.IGMPv2Report, "225.1.1.1") // which has the same MAC
			w.reach("the one", 0, "224.1.1.1", "1")
			w.reach("the other", 0, "225.1.1.1", "2")
		}},
		{"RFC4541_2_1_2_6_a_bad_header_is_discarded", SnoopingConfig{}, 3, func(w *world) {
			f := datagramTo(address(0), netip.MustParseAddr(g1))
			f[14+8]++
			w.lines("checksum", w.write(0, f))
			f[14] = 0x41
			w.lines("header", w.write(0, f))
			if got := w.lab.Report().Segments[0].Dropped; got[drop.BadChecksum] != 1 || got[drop.PacketMalformed] != 1 {
				w.t.Errorf("dropped %v", got)
			}
		}},
		{"RFC4541_2_1_2_7_a_port_gets_what_any_of_its_hosts_wants", SnoopingConfig{}, 3, func(w *world) {
			w.report(1, allow, g1, "10.0.0.1")
			w.report(1, isIn, g1, "10.0.0.9") // another host's
			w.reachFrom("one's", 0, "10.0.0.1", g1, "1")
			w.reachFrom("the other's", 0, "10.0.0.9", g1, "1")
			w.reachFrom("nobody's", 0, "10.0.0.8", g1, "")
			w.report(1, isEx, g1, "10.0.0.1", "10.0.0.8") // and a third one's
			w.reachFrom("whom two exclude and one includes", 0, "10.0.0.1", g1, "1")
			w.reachFrom("whom all that matter exclude", 0, "10.0.0.8", g1, "")
			w.reachFrom("everybody else", 0, "10.0.0.7", g1, "1")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.cfg, tt.cards)
			w.t = t
			tt.run(w)
		})
	}
}

// TestSnoopingIsOff: a switch that was not told to snoop floods.
func TestSnoopingIsOff(t *testing.T) {
	w := newWorld(t, SnoopingConfig{}, 3)
	w.sw.snooper = nil
	w.lines("a report", w.report(1, isEx, g1), "0: 10.0.0.2 > 224.0.0.22 IGMPv3 report 239.1.1.1 IS_EX {}", "2: 10.0.0.2 > 224.0.0.22 IGMPv3 report 239.1.1.1 IS_EX {}")
	w.reach("data", 0, g1, "1 2")
	if w.sw.Groups() != nil || w.sw.RouterPorts() != nil || w.sw.Queriers() != nil {
		t.Error("it has tables")
	}
}

// TestSnoopAgain: what was known is forgotten, and the old querier is silent.
func TestSnoopAgain(t *testing.T) {
	w := newWorld(t, SnoopingConfig{Querier: &QuerierConfig{MLD: -1}}, 3)
	w.run(time.Second)
	w.query(2, "10.0.0.3", wire.IGMPQuery{})
	w.old(1, wire.IGMPv2Report, g1)
	w.old(0, wire.IGMPv2Report, g1)
	w.sw.snooper.families[0].other.until = 0
	if got := w.old(0, wire.IGMPv2Leave, g1); len(got) == 0 {
		t.Fatal("nobody asks who is left")
	}
	if err := w.sw.Snoop(SnoopingConfig{}); err != nil {
		t.Fatal(err)
	}
	w.table("forgotten")
	w.routers("forgotten", "")
	w.lines("silent", w.run(time.Hour))
}

func TestSnoopingConfigIsChecked(t *testing.T) {
	w := newWorld(t, SnoopingConfig{}, 1)
	for _, tt := range []struct {
		cfg  SnoopingConfig
		want string
	}{
		{SnoopingConfig{Robustness: 8}, "Robustness is 8"},
		{SnoopingConfig{Robustness: -1}, "Robustness is -1"},
		{SnoopingConfig{QueryInterval: time.Millisecond}, "QueryInterval is 1ms"},
		{SnoopingConfig{QueryInterval: 10 * time.Hour}, "QueryInterval is 10h0m0s"},
		{SnoopingConfig{QueryResponse: 50 * time.Millisecond}, "QueryResponse is 50ms"},
		{SnoopingConfig{QueryInterval: 10 * time.Second}, "must be less than QueryInterval"},
		{SnoopingConfig{LastMemberInterval: -1}, "LastMemberInterval is -1ns"},
		{SnoopingConfig{MaxMembers: -1}, "MaxMembers is -1"},
		{SnoopingConfig{Querier: &QuerierConfig{IGMP: 1}}, "Querier.IGMP is 1"},
		{SnoopingConfig{Querier: &QuerierConfig{MLD: 3}}, "Querier.MLD is 3"},
		{SnoopingConfig{Querier: &QuerierConfig{IGMP: 2}, QueryResponse: 30 * time.Second}, "25.5s"},
		{SnoopingConfig{Querier: &QuerierConfig{MLD: 1}, LastMemberInterval: 70 * time.Second}, "65.535s"},
		{SnoopingConfig{Querier: &QuerierConfig{Address: netip.MustParseAddr("::1")}}, "must be an IPv4 address"},
		{SnoopingConfig{Querier: &QuerierConfig{Address6: netip.MustParseAddr("2001:db8::1")}}, "link-local"},
		{SnoopingConfig{Querier: &QuerierConfig{StartupInterval: -1}}, "StartupInterval is -1ns"},
	} {
		before := w.sw.snooper
		if err := w.sw.Snoop(tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "lab: switch lan: snooping: ") {
			t.Errorf("%+v: %v, want one that says %q", tt.cfg, err, tt.want)
		}
		if tt.cfg.Check() == nil || w.sw.snooper != before {
			t.Errorf("%+v: checked, or changed something", tt.cfg)
		}
	}
	if err := w.lab.AddSwitch("lan").Snoop(SnoopingConfig{}); err == nil {
		t.Error("a switch that is none snoops")
	}
	l := New(Config{})
	s := l.AddSwitch("lan")
	l.Close()
	if err := s.Snoop(SnoopingConfig{}); err == nil {
		t.Error("a closed lab's switch snoops")
	}
}
