package stack

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

func TestRFC9776_5_1_AChangeIsToldAtOnceAndAgain(t *testing.T) {
	var seconds []time.Duration
	for seed := range 50 {
		m := newMember(t, Config{Seed: [32]byte{byte(seed), 1}}, "10.0.0.2/24")
		s := m.joins(t, g1)
		said := m.says(t, 0, "TO_EX 239.1.2.3 {}")
		if said[0].to != "224.0.0.22" {
			t.Fatalf("it goes to %s", said[0].to)
		}
		said = m.says(t, time.Second, "TO_EX 239.1.2.3 {}")
		seconds = append(seconds, said[0].at)
		m.says(t, time.Minute)
		m.change(t, s, socket.LeaveGroup, g1)
		m.says(t, 0, "TO_IN 239.1.2.3 {}")
		m.says(t, time.Second, "TO_IN 239.1.2.3 {}")
		m.says(t, time.Minute)
		if n := m.eth0.groups.table.live; n != 0 {
			t.Fatalf("%d groups are left over", n)
		}
		checkLedger(t, m.host)
	}
	slices.Sort(seconds)
	if seconds[0] <= 0 || seconds[0] > 200*time.Millisecond || seconds[49] < 800*time.Millisecond {
		t.Errorf("the second reports come after %v, which is not random within a second", seconds)
	}
}

func TestRFC9776_5_1_Records(t *testing.T) {
	type step struct {
		who    int
		change socket.GroupChange
		source string
		want   string // "": nothing
	}
	for name, steps := range map[string][]step{
		"INCLUDE to INCLUDE": {
			{0, socket.JoinSource, "2", "ALLOW 232.7.7.7 {2}"}, {0, socket.JoinSource, "1", "ALLOW 232.7.7.7 {1}"},
			{0, socket.LeaveSource, "2", "BLOCK 232.7.7.7 {2}"}, {0, socket.LeaveGroup, "", "BLOCK 232.7.7.7 {1}"},
		},
		"EXCLUDE to EXCLUDE": {
			{0, socket.JoinGroup, "", "TO_EX 232.7.7.7 {}"}, {0, socket.BlockSource, "2", "BLOCK 232.7.7.7 {2}"},
			{0, socket.BlockSource, "1", "BLOCK 232.7.7.7 {1}"}, {0, socket.UnblockSource, "2", "ALLOW 232.7.7.7 {2}"},
			{0, socket.LeaveGroup, "", "TO_IN 232.7.7.7 {}"},
		},
		"INCLUDE to EXCLUDE and back": {
			{0, socket.JoinSource, "2", "ALLOW 232.7.7.7 {2}"}, {1, socket.JoinGroup, "", "TO_EX 232.7.7.7 {}"},
			{1, socket.LeaveGroup, "", "TO_IN 232.7.7.7 {2}"},
		},
		"two in EXCLUDE": {
			{0, socket.JoinGroup, "", "TO_EX 232.7.7.7 {}"}, {0, socket.BlockSource, "2", "BLOCK 232.7.7.7 {2}"},
			{1, socket.JoinGroup, "", "ALLOW 232.7.7.7 {2}"}, {1, socket.BlockSource, "3", ""},
			{1, socket.BlockSource, "2", "BLOCK 232.7.7.7 {2}"}, {0, socket.LeaveGroup, "", "BLOCK 232.7.7.7 {3}"},
		},
		"one in each": {
			{0, socket.JoinGroup, "", "TO_EX 232.7.7.7 {}"}, {0, socket.BlockSource, "2", "BLOCK 232.7.7.7 {2}"},
			{1, socket.JoinSource, "2", "ALLOW 232.7.7.7 {2}"}, {1, socket.JoinSource, "4", ""},
			{1, socket.LeaveSource, "2", "BLOCK 232.7.7.7 {2}"}, {0, socket.LeaveGroup, "", "TO_IN 232.7.7.7 {4}"},
		},
		"the same twice": {
			{0, socket.JoinSource, "2", "ALLOW 232.7.7.7 {2}"}, {1, socket.JoinSource, "2", ""},
			{0, socket.LeaveGroup, "", ""}, {1, socket.LeaveSource, "2", "BLOCK 232.7.7.7 {2}"},
		},
		"changing sides": {
			{0, socket.JoinGroup, "", "TO_EX 232.7.7.7 {}"}, {0, socket.JoinSource, "2", "TO_IN 232.7.7.7 {2}"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMember(t, Config{}, "10.0.0.2/24")
			who := []*Socket{m.open(t, ""), m.open(t, "")}
			for k, s := range steps {
				if s.source == "" {
					m.change(t, who[s.who], s.change, g3)
				} else {
					m.change(t, who[s.who], s.change, g3, s.source)
				}
				if s.want == "" {
					m.says(t, time.Minute)
				} else {
					m.says(t, time.Minute, s.want, s.want)
				}
				if t.Failed() {
					t.Fatalf("step %d", k)
				}
			}
		})
	}
}

func TestRFC9776_5_1_ChangesAreMergedWithWhatIsStillToBeTold(t *testing.T) {
	m := newMember(t, Config{}, "10.0.0.2/24")
	s := m.open(t, "")
	m.query(wire.IGMPQuery{Robustness: 3, MaxResponse: time.Millisecond}) // so that there are three reports
	m.take(time.Minute)
	m.change(t, s, socket.JoinSource, g3, "1")
	m.says(t, 0, "ALLOW 232.7.7.7 {1}")
	m.change(t, s, socket.JoinSource, g3, "2")
	m.says(t, 0, "ALLOW 232.7.7.7 {1 2}")
	m.change(t, s, socket.LeaveSource, g3, "1")
	// 1 begins anew, as one to be blocked.
	m.says(t, 0, "ALLOW 232.7.7.7 {2}; BLOCK 232.7.7.7 {1}")
	m.says(t, time.Minute, "ALLOW 232.7.7.7 {2}; BLOCK 232.7.7.7 {1}", "BLOCK 232.7.7.7 {1}")

	// As long as the mode is to be told, it is, whatever the sources do.
	other := m.joins(t, g3)
	m.says(t, 0, "TO_EX 232.7.7.7 {}")
	m.change(t, other, socket.BlockSource, g3, "5")
	m.says(t, 0, "TO_EX 232.7.7.7 {5}")
	m.says(t, time.Minute, "TO_EX 232.7.7.7 {5}", "BLOCK 232.7.7.7 {5}")
	m.change(t, other, socket.LeaveGroup, g3)
	m.says(t, 0, "TO_IN 232.7.7.7 {2}")
	m.change(t, other, socket.JoinGroup, g3) // before that was told often enough
	m.says(t, 0, "TO_EX 232.7.7.7 {}")
	m.says(t, time.Minute, "TO_EX 232.7.7.7 {}", "TO_EX 232.7.7.7 {}")
}

func TestRFC9776_5_1_GroupsShareReports(t *testing.T) {
	m := newMember(t, Config{Limits: Limits{SocketGroups: 1000}}, "10.0.0.2/24")
	s := m.open(t, "")
	for k := range 300 {
		m.change(t, s, socket.JoinGroup, fmt.Sprintf("239.0.%d.%d", k/256, k%256))
	}
	said := m.take(time.Minute)
	records := 0
	for _, x := range said {
		records += 1 + strings.Count(x.text, ";")
	}
	// 183 records of 8 bytes fit into 1500 bytes less 24 and 8.
	if len(said) != 4 || records != 600 {
		t.Fatalf("%d reports with %d records, want twice 2 with 300", len(said), records)
	}
	m.query(wire.IGMPQuery{MaxResponse: time.Second})
	if said = m.take(time.Second); len(said) != 2 {
		t.Errorf("a general query is answered by %d reports, want 2", len(said))
	}
	s.Close()
	if said = m.take(time.Minute); len(said) != 4 {
		t.Errorf("%d reports tell of leaving, want 4", len(said))
	}
}

func TestRFC9776_4_2_16_LongListsAreCut(t *testing.T) {
	m := newMember(t, Config{Limits: Limits{GroupSources: 1000}}, "10.0.0.2/24")
	in, ex := m.open(t, ""), m.joins(t, g1)
	for k := range 500 {
		source := netip.AddrFrom4([4]byte{10, 1, byte(k >> 8), byte(k)})
		for s, c := range map[*Socket]socket.GroupChange{in: socket.JoinSource, ex: socket.BlockSource} {
			g := groupOn(map[*Socket]string{in: g3, ex: g1}[s], m.eth0)
			g.Source = source
			if err := s.ChangeGroup(c, g); err != nil {
				t.Fatal(err)
			}
		}
	}
	m.take(time.Minute)
	m.query(wire.IGMPQuery{MaxResponse: time.Millisecond})
	sources := map[string]int{}
	for _, x := range m.take(time.Second) {
		for _, r := range strings.Split(x.text, "; ") {
			kind, _, _ := strings.Cut(r, " {")
			sources[kind] += strings.Count(r, "10.1.")
		}
	}
	// (1500-24-8-8)/4 sources fit into one report.
	if sources["IS_IN 232.7.7.7"] != 500 || sources["IS_EX 239.1.2.3"] != 365 {
		t.Errorf("%v, want all 500 and as many as fit, 365", sources)
	}
}

func TestRFC9776_5_2_AGeneralQueryIsAnsweredInItsTime(t *testing.T) {
	var at []time.Duration
	for seed := range 50 {
		m := newMember(t, Config{Seed: [32]byte{byte(seed), 1}}, "10.0.0.2/24")
		m.joins(t, g1, g2, "224.0.0.1")
		m.take(time.Minute)
		m.query(wire.IGMPQuery{MaxResponse: 8 * time.Second})
		said := m.says(t, 8*time.Second, "IS_EX 239.1.2.3 {}; IS_EX 239.1.2.4 {}")
		at = append(at, said[0].at)
		m.says(t, time.Minute)
	}
	slices.Sort(at)
	if at[0] <= 0 || at[0] > 2*time.Second || at[49] < 6*time.Second {
		t.Errorf("answers after %v, which is not random within 8 s", at)
	}
}

func TestRFC9776_5_2_1_WhatIsToldSoonerIsNotToldTwice(t *testing.T) {
	m := newMember(t, Config{}, "10.0.0.2/24")
	m.joins(t, g1)
	m.take(time.Minute)
	m.query(wire.IGMPQuery{MaxResponse: 100 * time.Millisecond})
	for range 5 {
		m.query(wire.IGMPQuery{MaxResponse: time.Hour / 2})
		m.query(wire.IGMPQuery{Group: groupAddr(g1), MaxResponse: time.Hour / 2})
	}
	m.says(t, 100*time.Millisecond, "IS_EX 239.1.2.3 {}")
	m.says(t, time.Hour)
}

func TestRFC9776_5_2_2_ALaterGeneralAnswerGivesWay(t *testing.T) {
	m := newMember(t, Config{}, "10.0.0.2/24")
	m.joins(t, g1)
	m.take(time.Minute)
	m.query(wire.IGMPQuery{MaxResponse: time.Hour / 2})
	m.query(wire.IGMPQuery{MaxResponse: 100 * time.Millisecond})
	m.says(t, 100*time.Millisecond, "IS_EX 239.1.2.3 {}")
	m.says(t, time.Hour)
}

func TestRFC9776_5_2_3_AGroupIsAskedAbout(t *testing.T) {
	m := newMember(t, Config{}, "10.0.0.2/24")
	s := m.joins(t, g1, g2)
	m.change(t, s, socket.BlockSource, g2, "5")
	m.change(t, s, socket.JoinSource, g3, "1")
	m.change(t, s, socket.JoinSource, g3, "2")
	m.take(time.Minute)
	for _, tc := range []struct {
		group   string
		sources []string
		want    []string
	}{
		{g1, nil, []string{"IS_EX 239.1.2.3 {}"}},
		{g2, nil, []string{"IS_EX 239.1.2.4 {5}"}},
		{g3, nil, []string{"IS_IN 232.7.7.7 {1 2}"}},
		{g1, []string{"9", "8", "9"}, []string{"IS_IN 239.1.2.3 {8 9}"}},
		{g2, []string{"5", "6"}, []string{"IS_IN 239.1.2.4 {6}"}},
		{g2, []string{"5"}, nil},
		{g3, []string{"2", "3"}, []string{"IS_IN 232.7.7.7 {2}"}},
		{g3, []string{"3"}, nil},
		{"239.9.9.9", nil, nil},
		{"224.0.0.1", nil, nil},
	} {
		m.query(wire.IGMPQuery{Group: groupAddr(tc.group), MaxResponse: time.Second}, tc.sources...)
		m.says(t, time.Second, tc.want...)
	}
	s.Close()
	m.query(wire.IGMPQuery{Group: groupAddr(g1), MaxResponse: time.Millisecond})
	m.says(t, 0, "TO_IN 239.1.2.3 {}; TO_IN 239.1.2.4 {}; BLOCK 232.7.7.7 {1 2}")
}

func TestRFC9776_5_2_4_TheWholeGroupBeatsItsSources(t *testing.T) {
	for _, first := range []bool{true, false} {
		m := newMember(t, Config{}, "10.0.0.2/24")
		s := m.open(t, "")
		m.change(t, s, socket.JoinSource, g3, "1")
		m.change(t, s, socket.JoinSource, g3, "2")
		m.take(time.Minute)
		ask := func(sources ...string) {
			m.query(wire.IGMPQuery{Group: groupAddr(g3), MaxResponse: time.Second}, sources...)
		}
		if first {
			ask()
			ask("1")
		} else {
			ask("1")
			ask()
		}
		m.says(t, time.Second, "IS_IN 232.7.7.7 {1 2}")
		m.says(t, time.Hour)
	}
}

func TestRFC9776_5_2_5_SourcesAskedAboutAddUp(t *testing.T) {
	m := newMember(t, Config{}, "10.0.0.2/24")
	s := m.open(t, "")
	for _, source := range []string{"1", "2", "3"} {
		m.change(t, s, socket.JoinSource, g3, source)
	}
	m.take(time.Minute)
	m.query(wire.IGMPQuery{Group: groupAddr(g3), MaxResponse: time.Hour / 2}, "3", "9")
	m.query(wire.IGMPQuery{Group: groupAddr(g3), MaxResponse: time.Second}, "1", "3")
	m.says(t, time.Second, "IS_IN 232.7.7.7 {1 3}") // at the earlier of both times
	m.says(t, time.Hour)

	// What others make us remember is bounded: then the whole group is told of.
	many := wire.IGMPQuery{Group: groupAddr(g3), MaxResponse: time.Second}
	for k := range 300 {
		many.Sources = many.Sources.Append(netip.AddrFrom4([4]byte{172, 16, byte(k >> 8), byte(k)}))
	}
	m.query(many)
	for k := range 5 {
		more := wire.IGMPQuery{Group: groupAddr(g3), MaxResponse: time.Second}
		for n := range 300 {
			more.Sources = more.Sources.Append(netip.AddrFrom4([4]byte{172, byte(17 + k), byte(n >> 8), byte(n)}))
		}
		m.query(more)
	}
	m.says(t, time.Second, "IS_IN 232.7.7.7 {1 2 3}")
}

func TestRFC9776_4_1_6_TheQuerierSaysHowOften(t *testing.T) {
	m := newMember(t, Config{}, "10.0.0.2/24")
	for _, tc := range []struct {
		robustness uint8
		times      int
	}{{0, 2}, {5, 5}, {1, 1}, {0, 2}} {
		m.query(wire.IGMPQuery{Robustness: tc.robustness, MaxResponse: time.Millisecond})
		m.take(time.Minute)
		s := m.joins(t, g1)
		if said := m.take(time.Minute); len(said) != tc.times {
			t.Errorf("robustness %d: told %d times, want %d", tc.robustness, len(said), tc.times)
		}
		s.Close()
		m.take(time.Minute)
	}
}

func TestRFC9776_4_1_1_ResponseTimesOfBothForms(t *testing.T) {
	// 0x8f is (0xf|0x10)<<3 tenths: 24.8 s.
	var longest time.Duration
	for seed := range 40 {
		m := newMember(t, Config{Seed: [32]byte{byte(seed), 2}}, "10.0.0.2/24")
		m.joins(t, g1)
		m.take(time.Minute)
		m.query(wire.IGMPQuery{MaxResponse: 24800 * time.Millisecond})
		longest = max(longest, m.says(t, 24800*time.Millisecond, "IS_EX 239.1.2.3 {}")[0].at)
	}
	if longest < 20*time.Second {
		t.Errorf("the latest of 40 answers comes after %v, want nearly 24.8 s", longest)
	}
	m := newMember(t, Config{}, "10.0.0.2/24")
	m.joins(t, g1)
	m.take(time.Minute)
	m.query(wire.IGMPQuery{MaxResponse: 0}) // at once
	m.says(t, 0, "IS_EX 239.1.2.3 {}")
}

func TestReportsWaitForAnAddress(t *testing.T) {
	m := newMember(t, Config{})
	s := m.joins(t, g1, g2)
	m.change(t, s, socket.LeaveGroup, g2)
	m.change(t, s, socket.JoinSource, g3, "1")
	m.query(wire.IGMPQuery{MaxResponse: time.Second})
	m.says(t, time.Hour)
	if err := m.eth0.AddAddress(netip.MustParsePrefix("10.0.0.2/24")); err != nil {
		t.Fatal(err)
	}
	m.says(t, 0, "TO_EX 239.1.2.3 {}; ALLOW 232.7.7.7 {1}")
	m.says(t, time.Minute, "TO_EX 239.1.2.3 {}; ALLOW 232.7.7.7 {1}")

	// A second address changes nothing, nor does losing one of two.
	for _, change := range []func(netip.Prefix) error{m.eth0.AddAddress, m.eth0.RemoveAddress} {
		if err := change(netip.MustParsePrefix("10.0.0.3/24")); err != nil {
			t.Fatal(err)
		}
		m.says(t, time.Minute)
	}
	// Another address in the place of the only one is a new beginning.
	m.eth0.RemoveAddress(netip.MustParsePrefix("10.0.0.2/24"))
	m.query(wire.IGMPQuery{MaxResponse: time.Second})
	m.says(t, time.Minute)
	m.eth0.AddAddress(netip.MustParsePrefix("10.0.0.7/24"))
	m.says(t, 0, "TO_EX 239.1.2.3 {}; ALLOW 232.7.7.7 {1}")
}

func TestAnInterfaceDownSaysNothingAndUpTellsAll(t *testing.T) {
	m := newMember(t, Config{}, "10.0.0.2/24")
	s := m.joins(t, g1)
	m.query(wire.IGMPQuery{Version: 2, MaxResponse: time.Second})
	m.eth0.SetUp(false)
	m.take(0)
	m.change(t, s, socket.JoinGroup, g2)
	m.says(t, time.Hour)
	m.eth0.SetUp(true)
	// The querier of version 2 is forgotten.
	m.says(t, time.Minute, "TO_EX 239.1.2.3 {}; TO_EX 239.1.2.4 {}", "TO_EX 239.1.2.3 {}; TO_EX 239.1.2.4 {}")
	if err := m.RemoveInterface("eth0"); err != nil {
		t.Fatal(err)
	}
	if got := len(s.Memberships()); got != 2 {
		t.Errorf("%d memberships, want 2: the socket's list stays", got)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	m.says(t, time.Hour)
	checkLedger(t, m.host)
}

func TestNothingIsReportedOfAllHostsNorOnLoopback(t *testing.T) {
	m := newMember(t, Config{}, "10.0.0.2/24")
	s := m.joins(t, "224.0.0.1")
	if err := s.ChangeGroup(socket.JoinGroup, groupOn(g1, m.Interface("lo"))); err != nil {
		t.Fatal(err)
	}
	m.query(wire.IGMPQuery{MaxResponse: time.Second})
	m.query(wire.IGMPQuery{Version: 2, MaxResponse: time.Second})
	s.Close()
	m.says(t, time.Hour)
	checkLedger(t, m.host)
}

func TestReportsWithoutEthernet(t *testing.T) {
	l := newCable()
	l.kind, l.mac = link.IP, wire.MAC{}
	m := &member{host: newHost(t, Config{}, l, "10.0.0.2/24"), cable: l}
	m.listen()
	m.joins(t, g1)
	m.says(t, time.Minute, "TO_EX 239.1.2.3 {}", "TO_EX 239.1.2.3 {}")
}

func TestStrictIGMP(t *testing.T) {
	good := wire.IGMPQuery{Version: 3, MaxResponse: time.Millisecond, Sources: wire.NewAddrList(groupAddr("10.0.0.1"))}.AppendTo(nil)
	wire.UpdateIGMPChecksum(good)
	summed := func(b []byte) []byte {
		if len(b) >= wire.IGMPHeaderLen {
			wire.UpdateIGMPChecksum(b)
		}
		return b
	}
	for name, tc := range map[string]struct {
		body   []byte
		reason drop.Reason
	}{
		"nothing":            {nil, drop.DatagramMalformed},
		"seven bytes":        {good[:7], drop.DatagramMalformed},
		"nine bytes":         {summed(slices.Clone(good[:9])), drop.DatagramMalformed},
		"eleven bytes":       {summed(slices.Clone(good[:11])), drop.DatagramMalformed},
		"a source too few":   {summed(slices.Clone(good[:12])), drop.DatagramMalformed},
		"a wrong checksum":   {append(slices.Clone(good[:2]), append([]byte{1, 2}, good[4:]...)...), drop.BadChecksum},
		"a leave":            {summed([]byte{0x17, 0, 0, 0, 239, 1, 2, 3}), drop.None},
		"another's report 3": {summed([]byte{0x22, 0, 0, 0, 0, 0, 0, 0}), drop.None},
		"an unknown type":    {summed([]byte{0x99, 0, 0, 0, 239, 1, 2, 3}), drop.None},
	} {
		m := newMember(t, Config{}, "10.0.0.2/24")
		m.joins(t, g1)
		m.take(time.Minute)
		before := m.Ledger().Consumed
		m.cable.deliver(igmpFrame("224.0.0.1", tc.body))
		if tc.reason == drop.None {
			if n := m.Ledger().Consumed - before; n != 1 {
				t.Errorf("%s: %d consumed, want 1", name, n)
			}
		} else {
			checkDrops(t, m.host, tc.reason, 1)
		}
		m.says(t, time.Hour)
		checkLedger(t, m.host)
	}
}

func TestGroupsThatWereLeftAreBounded(t *testing.T) {
	m := newMember(t, Config{}, "10.0.0.2/24")
	s := m.open(t, "")
	for k := range 3 * maxLeft {
		g := netip.AddrFrom4([4]byte{239, 1, byte(k >> 8), byte(k)})
		if err := s.ChangeGroup(socket.JoinGroup, socket.Group{Address: g, Interface: m.eth0.index}); err != nil {
			t.Fatal(err)
		}
		if err := s.ChangeGroup(socket.LeaveGroup, socket.Group{Address: g, Interface: m.eth0.index}); err != nil {
			t.Fatal(err)
		}
	}
	if n := m.eth0.groups.table.live; n > maxLeft {
		t.Errorf("%d groups are remembered, want no more than %d", n, maxLeft)
	}
	m.take(time.Minute)
	if n, r := m.eth0.groups.table.live, m.eth0.groups.reporting(allHosts4.address()); n != 0 || r.left != 0 || len(r.changes.heap) != 0 {
		t.Errorf("%d groups are left over, %d counted, %d due", n, r.left, len(r.changes.heap))
	}
}

// FuzzIGMP hands a host IGMP messages and changes of its sockets while time advances.
// Nothing panics, nothing is lost without a name, what is said is well formed, and when
// all groups are left, nothing is remembered of them.
func FuzzIGMP(f *testing.F) {
	query := wire.IGMPQuery{Version: 3, Group: groupAddr(g1), MaxResponse: time.Second, Sources: wire.NewAddrList(groupAddr("10.0.0.1"))}.AppendTo(nil)
	f.Add(uint64(1), append([]byte{0, 1, 1, 0, 200, byte(len(query))}, query...))
	f.Add(uint64(2), []byte{0, 9, 2, 3, 100, 8, 0x11, 10, 0, 0, 0, 0, 0, 0, 1, 9, 8, 8, 0x16, 0, 0, 0, 239, 1, 2, 3})
	f.Add(uint64(3), []byte{1, 0, 10, 8, 0x11, 0, 0, 0, 0, 0, 0, 0, 2, 2, 3, 1})
	for seed := range uint64(4) {
		f.Add(seed, chance(seed, 400))
	}
	f.Fuzz(func(t *testing.T, seed uint64, script []byte) {
		if len(script) > 1000 {
			return
		}
		live := packet.Live()
		l := newCable()
		m := &member{host: newHost(t, Config{Seed: [32]byte{byte(seed), 9}}, l, "10.0.0.2/24"), cable: l}
		m.listen()
		sockets := []*Socket{m.open(t, "0.0.0.0:7"), m.open(t, ""), m.open(t, "")}
		groups := []string{g1, g2, g3, "224.0.0.1"}
		for len(script) >= 3 {
			op, a, b := script[0], int(script[1]), int(script[2])
			script = script[3:]
			switch op % 8 {
			case 0, 1, 2, 3:
				c := socket.GroupChange(a%6 + 1)
				sockets[b%3].ChangeGroup(c, groupOn(groups[b/3%4], m.eth0, fmt.Sprint(b/12%5+1)))
			case 4:
				m.clock.Advance(time.Duration(a*b) * 10 * time.Millisecond)
			case 5:
				m.eth0.SetUp(a%4 != 0)
			case 6:
				m.eth0.SetIGMPVersion(a % 4)
			default:
				n := min(b%40, len(script))
				body := slices.Clone(script[:n])
				script = script[n:]
				if n >= wire.IGMPHeaderLen && a%4 != 0 {
					body[0] = []byte{0x11, 0x12, 0x16, 0x11}[a%4]
					wire.UpdateIGMPChecksum(body)
				}
				l.deliver(igmpFrame(groups[a/4%4], body))
			}
			if led := m.Ledger(); !led.Balanced() {
				t.Fatalf("the ledger does not balance: %+v, drops %v", led, m.Drops().Map())
			}
		}
		for _, s := range m.said {
			if strings.HasPrefix(s.text, "malformed") || strings.Contains(s.text, "224.0.0.1 ") {
				t.Fatalf("said %q", s.text)
			}
		}
		for _, s := range sockets {
			s.Close()
		}
		m.clock.Advance(time.Minute)
		if set := &m.eth0.groups; set.table.live != 0 || set.first != nil || set.card.macs.live != 0 {
			t.Fatalf("%d groups, %d hardware addresses are left over", set.table.live, set.card.macs.live)
		}
		if r := m.eth0.groups.reporting(allHosts4.address()); r.left != 0 || len(r.changes.heap) != 0 || len(r.responses.heap) != 0 {
			t.Fatalf("the reporter has %d left, %d changes, %d responses", r.left, len(r.changes.heap), len(r.responses.heap))
		}
		m.Close()
		if n := packet.Live() - live; n != 0 {
			t.Fatalf("%d buffers are still out", n)
		}
	})
}
