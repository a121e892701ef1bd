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

const us6 = "2001:db8::2/64"

func TestRFC9777_6_1_AChangeIsToldAtOnceAndAgain(t *testing.T) {
	var seconds []time.Duration
	for seed := range 50 {
		m := newMember6(t, Config{Seed: [32]byte{byte(seed), 1}}, us6)
		m.take(time.Minute)
		before := m.eth0.groups.table.live
		s := m.joins(t, h1)
		said := m.says(t, 0, "TO_EX ff15::1 {}")
		if said[0].to != "ff02::16" {
			t.Fatalf("it goes to %s", said[0].to)
		}
		said = m.says(t, time.Second, "TO_EX ff15::1 {}")
		seconds = append(seconds, said[0].at)
		m.says(t, time.Minute)
		m.change(t, s, socket.LeaveGroup, h1)
		m.says(t, 0, "TO_IN ff15::1 {}")
		m.says(t, time.Second, "TO_IN ff15::1 {}")
		m.says(t, time.Minute)
		if n := m.eth0.groups.table.live - before; n != 0 {
			t.Fatalf("%d groups are left over", n)
		}
		checkLedger(t, m.host)
	}
	slices.Sort(seconds)
	if seconds[0] <= 0 || seconds[0] > 200*time.Millisecond || seconds[49] < 800*time.Millisecond {
		t.Errorf("the second reports come after %v, which is not random within a second", seconds)
	}
}

func TestRFC9777_6_1_Records(t *testing.T) {
	m := newMember6(t, Config{}, us6)
	m.take(time.Minute)
	a, b := m.open6(t, ""), m.open6(t, "")
	for k, step := range []struct {
		who    *Socket
		change socket.GroupChange
		source []string
		want   string // "": nothing
	}{
		{a, socket.JoinSource, []string{"2"}, "ALLOW ff35::7 {2}"},
		{a, socket.JoinSource, []string{"1"}, "ALLOW ff35::7 {1}"},
		{b, socket.JoinSource, []string{"1"}, ""},
		{a, socket.LeaveSource, []string{"1"}, ""},
		{b, socket.LeaveGroup, nil, "BLOCK ff35::7 {1}"},
		{b, socket.JoinGroup, nil, "TO_EX ff35::7 {}"},
		{b, socket.BlockSource, []string{"2"}, ""}, // which the other hears
		{b, socket.BlockSource, []string{"3"}, "BLOCK ff35::7 {3}"},
		{b, socket.UnblockSource, []string{"3"}, "ALLOW ff35::7 {3}"},
		{a, socket.LeaveGroup, nil, "BLOCK ff35::7 {2}"},
		{b, socket.LeaveGroup, nil, "TO_IN ff35::7 {}"},
	} {
		m.change(t, step.who, step.change, h3, step.source...)
		if step.want == "" {
			m.says(t, time.Minute)
		} else {
			m.says(t, time.Minute, step.want, step.want)
		}
		if t.Failed() {
			t.Fatalf("step %d", k)
		}
	}
}

func TestRFC9777_6_1_ChangesAreMergedWithWhatIsStillToBeTold(t *testing.T) {
	m := newMember6(t, Config{}, us6)
	m.query6(wire.MLDQuery{Robustness: 3, MaxResponse: time.Millisecond}) // so that there are three reports
	m.take(time.Minute)
	s := m.open6(t, "")
	m.change(t, s, socket.JoinSource, h3, "1")
	m.says(t, 0, "ALLOW ff35::7 {1}")
	m.change(t, s, socket.JoinSource, h3, "2")
	m.says(t, 0, "ALLOW ff35::7 {1 2}")
	m.change(t, s, socket.LeaveSource, h3, "1")
	m.says(t, 0, "ALLOW ff35::7 {2}; BLOCK ff35::7 {1}")
	m.says(t, time.Minute, "ALLOW ff35::7 {2}; BLOCK ff35::7 {1}", "BLOCK ff35::7 {1}")
}

func TestRFC9777_6_1_GroupsShareReports(t *testing.T) {
	m := newMember6(t, Config{}, us6)
	m.take(time.Minute)
	s := m.open6(t, "")
	for k := range 300 {
		m.change(t, s, socket.JoinGroup, fmt.Sprintf("ff15::5:%x", k))
	}
	said := m.take(time.Minute)
	records := 0
	for _, x := range said {
		records += 1 + strings.Count(x.text, ";")
	}
	// 72 records of 20 bytes fit into 1500 bytes less 40, 8 and 8.
	if len(said) != 10 || records != 600 {
		t.Fatalf("%d reports with %d records, want twice 5 with 300", len(said), records)
	}
	s.Close()
	if said = m.take(time.Minute); len(said) != 10 {
		t.Errorf("%d reports tell of leaving, want 10", len(said))
	}
}

func TestRFC9777_5_2_15_LongListsAreCut(t *testing.T) {
	m := newMember6(t, Config{}, us6)
	var all []*Socket
	for k := range 3 * maxSources6 { // each socket has 64 at most
		if k%maxSources6 == 0 {
			all = append(all, m.open6(t, ""))
		}
		m.change(t, all[len(all)-1], socket.JoinSource, h3, fmt.Sprintf("%x", k+1))
	}
	m.take(time.Minute)
	m.query6(wire.MLDQuery{MaxResponse: time.Millisecond})
	sources, reports := 0, 0
	for _, x := range m.take(time.Second) {
		reports++
		_, list, _ := strings.Cut(x.text, "{")
		sources += len(strings.Fields(strings.TrimSuffix(list, "}")))
	}
	// (1500-56-20)/16 fit into one report, which are 89.
	if sources != 192 || reports != 3 {
		t.Errorf("%d sources in %d reports, want 192 in 3", sources, reports)
	}
}

func TestRFC9777_6_2_AGeneralQueryIsAnsweredInItsTime(t *testing.T) {
	var at []time.Duration
	for seed := range 50 {
		m := newMember6(t, Config{Seed: [32]byte{byte(seed), 1}}, us6)
		m.joins(t, h1, h2, "ff02::1", "ff01::5", "ff00::5")
		m.take(time.Minute)
		m.query6(wire.MLDQuery{MaxResponse: 8 * time.Second})
		said := m.says(t, 8*time.Second, "IS_EX ff15::1 {}; IS_EX ff15::2 {}")
		at = append(at, said[0].at)
		m.says(t, time.Minute)
	}
	slices.Sort(at)
	if at[0] <= 0 || at[0] > 2*time.Second || at[49] < 6*time.Second {
		t.Errorf("answers after %v, which is not random within 8 s", at)
	}
}

func TestRFC9777_6_2_SolicitedNodesAreToldOf(t *testing.T) {
	m := newMember6(t, Config{}, us6)
	m.take(time.Minute)
	told := map[string]bool{}
	m.cable.onSent = func(f []byte) {
		if rs, err := wire.ParseMLDv2Report(f[wire.EthernetHeaderLen+wire.IPv6HeaderLen+len(wire.MLDHopByHop):]); err == nil {
			for r := range rs.All() {
				told[r.Group.String()] = true
			}
		}
	}
	m.query6(wire.MLDQuery{MaxResponse: time.Second})
	m.clock.Advance(time.Second)
	if !told["ff02::1:ff00:2"] || told["ff02::1"] || len(told) != 2 {
		t.Errorf("told of %v, want the solicited nodes of two addresses", told)
	}
}

func TestRFC9777_6_2_1_WhatIsToldSoonerIsNotToldTwice(t *testing.T) {
	m := newMember6(t, Config{}, us6)
	m.joins(t, h1)
	m.take(time.Minute)
	m.query6(wire.MLDQuery{MaxResponse: 100 * time.Millisecond})
	for range 5 {
		m.query6(wire.MLDQuery{MaxResponse: time.Hour / 2})
		m.query6(wire.MLDQuery{Group: groupAddr(h1), MaxResponse: time.Hour / 2})
	}
	m.says(t, 100*time.Millisecond, "IS_EX ff15::1 {}")
	m.says(t, time.Hour)
}

func TestRFC9777_6_2_3_AGroupIsAskedAbout(t *testing.T) {
	m := newMember6(t, Config{}, us6)
	s := m.joins(t, h1, h2, "ff02::1")
	m.change(t, s, socket.BlockSource, h2, "5")
	m.change(t, s, socket.JoinSource, h3, "1")
	m.change(t, s, socket.JoinSource, h3, "2")
	m.take(time.Minute)
	for _, tc := range []struct {
		group   string
		sources []string
		want    []string
	}{
		{h1, nil, []string{"IS_EX ff15::1 {}"}},
		{h2, nil, []string{"IS_EX ff15::2 {5}"}},
		{h3, nil, []string{"IS_IN ff35::7 {1 2}"}},
		{h1, []string{"9", "8", "9"}, []string{"IS_IN ff15::1 {8 9}"}},
		{h2, []string{"5", "6"}, []string{"IS_IN ff15::2 {6}"}},
		{h2, []string{"5"}, nil},
		{h3, []string{"2", "3"}, []string{"IS_IN ff35::7 {2}"}},
		{h3, []string{"3"}, nil},
		{"ff15::99", nil, nil},
		{"ff02::1", nil, nil},
	} {
		m.query6(wire.MLDQuery{Group: groupAddr(tc.group), MaxResponse: time.Second}, tc.sources...)
		m.says(t, time.Second, tc.want...)
	}
}

func TestRFC9777_6_2_4_TheWholeGroupBeatsItsSources(t *testing.T) {
	for _, first := range []bool{true, false} {
		m := newMember6(t, Config{}, us6)
		s := m.open6(t, "")
		m.change(t, s, socket.JoinSource, h3, "1")
		m.change(t, s, socket.JoinSource, h3, "2")
		m.take(time.Minute)
		ask := func(sources ...string) {
			m.query6(wire.MLDQuery{Group: groupAddr(h3), MaxResponse: time.Second}, sources...)
		}
		if first {
			ask()
			ask("1")
		} else {
			ask("1")
			ask()
		}
		m.says(t, time.Second, "IS_IN ff35::7 {1 2}")
		m.says(t, time.Hour)
	}
}

func TestRFC9777_6_2_5_SourcesAskedAboutAddUp(t *testing.T) {
	m := newMember6(t, Config{}, us6)
	s := m.open6(t, "")
	for _, source := range []string{"1", "2", "3"} {
		m.change(t, s, socket.JoinSource, h3, source)
	}
	m.take(time.Minute)
	m.query6(wire.MLDQuery{Group: groupAddr(h3), MaxResponse: time.Hour / 2}, "3", "9")
	m.query6(wire.MLDQuery{Group: groupAddr(h3), MaxResponse: time.Second}, "1", "3")
	m.says(t, time.Second, "IS_IN ff35::7 {1 3}") // at the earlier of both times
	m.says(t, time.Hour)
}

// A source that is v4-mapped is nobody's, and is told like any other.
func TestMLDTellsOfMappedSources(t *testing.T) {
	m := newMember6(t, Config{}, us6)
	s := m.open6(t, "")
	m.change(t, s, socket.JoinSource, h3, "1")
	g := groupOn(h3, m.eth0)
	g.Source = netip.MustParseAddr("::ffff:10.0.0.1")
	if err := s.ChangeGroup(socket.JoinSource, g); err != nil {
		t.Fatal(err)
	}
	m.take(time.Minute)
	m.query6(wire.MLDQuery{Group: groupAddr(h3), MaxResponse: time.Second})
	m.says(t, time.Minute, "IS_IN ff35::7 {::ffff:10.0.0.1 1}")
}

func TestRFC9777_5_1_8_TheQuerierSaysHowOften(t *testing.T) {
	m := newMember6(t, Config{}, us6)
	for _, tc := range []struct {
		robustness uint8
		times      int
	}{{0, 2}, {5, 5}, {1, 1}, {0, 2}} {
		m.query6(wire.MLDQuery{Robustness: tc.robustness, MaxResponse: time.Millisecond})
		m.take(time.Minute)
		s := m.joins(t, h1)
		if said := m.take(time.Minute); len(said) != tc.times {
			t.Errorf("robustness %d: told %d times, want %d", tc.robustness, len(said), tc.times)
		}
		s.Close()
		m.take(time.Minute)
	}
}

func TestRFC9777_5_1_3_ResponseTimesOfBothForms(t *testing.T) {
	// 0x8fff is (0xfff|0x1000)<<3 ms: 65.528 s.
	const most = 65528 * time.Millisecond
	var longest time.Duration
	for seed := range 40 {
		m := newMember6(t, Config{Seed: [32]byte{byte(seed), 2}}, us6)
		m.joins(t, h1)
		m.take(time.Minute)
		m.query6(wire.MLDQuery{MaxResponse: most})
		longest = max(longest, m.says(t, most, "IS_EX ff15::1 {}")[0].at)
	}
	if longest < 55*time.Second {
		t.Errorf("the latest of 40 answers comes after %v, want nearly 65.5 s", longest)
	}
	m := newMember6(t, Config{}, us6)
	m.joins(t, h1)
	m.take(time.Minute)
	m.query6(wire.MLDQuery{MaxResponse: 0}) // at once
	m.says(t, 0, "IS_EX ff15::1 {}")
}

// While the link-local address is tentative reports come from ::, and when it is not any
// more everything is told again, from it (RFC 3590, 4; RFC 9777, 5.2.13).
func TestRFC3590_4_ReportsDuringDuplicateAddressDetection(t *testing.T) {
	m := newMember6(t, Config{DADTransmits: 1})
	if err := m.eth0.EnableIPv6(); err != nil {
		t.Fatal(err)
	}
	s := m.joins(t, h1)
	m.change(t, s, socket.JoinSource, h3, "1")
	m.says(t, 0, "from ::, TO_EX ff15::1 {}; ALLOW ff35::7 {1}")
	said := m.take(time.Minute)
	var own []string
	for _, x := range said {
		if !strings.HasPrefix(x.text, "from ::") {
			own = append(own, x.text)
		}
	}
	if want := []string{"TO_EX ff15::1 {}; ALLOW ff35::7 {1}", "TO_EX ff15::1 {}; ALLOW ff35::7 {1}"}; !slices.Equal(own, want) {
		t.Errorf("said %q from the address, want %q; all is %v", own, want, said)
	}
	checkLedger(t, m.host)
}

func TestMLDDownSaysNothingAndUpTellsAll(t *testing.T) {
	m := newMember6(t, Config{}, us6)
	s := m.joins(t, h1)
	m.query6(wire.MLDQuery{Version: 1, MaxResponse: time.Second})
	m.eth0.SetUp(false)
	m.take(0)
	m.change(t, s, socket.JoinGroup, h2)
	m.says(t, time.Hour)
	m.eth0.SetUp(true)
	// The querier of version 1 is forgotten.
	m.says(t, time.Minute, "TO_EX ff15::1 {}; TO_EX ff15::2 {}", "TO_EX ff15::1 {}; TO_EX ff15::2 {}")
	if err := m.RemoveInterface("eth0"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	m.says(t, time.Hour)
	checkLedger(t, m.host)
}

func TestMLDSaysNothingOfAllNodesNorOfWhatStaysHere(t *testing.T) {
	m := newMember6(t, Config{}, us6)
	m.take(time.Minute)
	s := m.joins(t, "ff02::1", "ff01::1", "ff11::7", "ff00::7", "ff10::7")
	if err := s.ChangeGroup(socket.JoinGroup, groupOn(h1, m.Interface("lo"))); err != nil {
		t.Fatal(err)
	}
	m.query6(wire.MLDQuery{MaxResponse: time.Second})
	m.query6(wire.MLDQuery{Version: 1, MaxResponse: time.Second})
	s.Close()
	m.says(t, time.Hour)
	checkLedger(t, m.host)
}

func TestMLDWithoutEthernet(t *testing.T) {
	l := newCable()
	l.kind, l.mac = link.IP, wire.MAC{}
	m := &member{host: newHost(t, Config{DADTransmits: -1}, l, us6), cable: l}
	m.listen6()
	m.take(time.Minute)
	m.joins(t, h1)
	m.says(t, time.Minute, "TO_EX ff15::1 {}", "TO_EX ff15::1 {}")
}

// RFC 9777, 6.2: a query comes from a link-local address, with a hop limit of 1, behind
// a Router Alert, and is 24 bytes long or 28 and more (8.1). Reports of version 1 come
// from there, or from ::.
func TestStrictMLD(t *testing.T) {
	query := wire.MLDQuery{Version: 2, Group: netip.IPv6Unspecified(), MaxResponse: time.Millisecond,
		Sources: wire.NewAddrList(groupAddr("2001:db8::1"))}.AppendTo(nil)
	general := wire.MLDQuery{Version: 2, Group: netip.IPv6Unspecified(), MaxResponse: time.Millisecond}.AppendTo(nil)
	report := func(group string) []byte {
		b := make([]byte, wire.MLDHeaderLen)
		wire.PutMLD(b, wire.ICMPv6MLDv1Report, groupAddr(group))
		return b
	}
	const alert = wire.MLDHopByHop
	const notMLD = "\x3a\x00\x05\x02\x00\x01\x01\x00"
	const padding = "\x3a\x00\x01\x04\x00\x00\x00\x00"
	for name, tc := range map[string]struct {
		src    string
		hops   uint8
		hop    string
		body   []byte
		reason drop.Reason
		heard  bool
	}{
		"good":                      {"fe80::9", 1, alert, general, drop.None, true},
		"24 bytes":                  {"fe80::9", 1, alert, general[:24], drop.None, true},
		"23 bytes":                  {"fe80::9", 1, alert, general[:23], drop.DatagramMalformed, false},
		"25 bytes":                  {"fe80::9", 1, alert, general[:25], drop.DatagramMalformed, false},
		"27 bytes":                  {"fe80::9", 1, alert, general[:27], drop.DatagramMalformed, false},
		"a source too few":          {"fe80::9", 1, alert, query[:28], drop.DatagramMalformed, false},
		"general with a source":     {"fe80::9", 1, alert, query, drop.None, false},
		"a hop limit of 2":          {"fe80::9", 2, alert, general, drop.MartianSource, false},
		"a hop limit of 255":        {"fe80::9", 255, alert, general, drop.MartianSource, false},
		"from afar":                 {"2001:db8::9", 1, alert, general, drop.MartianSource, false},
		"no Router Alert":           {"fe80::9", 1, padding, general, drop.MartianSource, false},
		"no options":                {"fe80::9", 1, "", general, drop.MartianSource, false},
		"an alert for others":       {"fe80::9", 1, notMLD, general, drop.MartianSource, false},
		"about one host":            {"fe80::9", 1, alert, wire.MLDQuery{Group: groupAddr("2001:db8::2")}.AppendTo(nil), drop.DatagramMalformed, false},
		"about a group of IPv4":     {"fe80::9", 1, alert, wire.MLDQuery{Group: groupAddr("::ffff:239.1.2.3")}.AppendTo(nil), drop.DatagramMalformed, false},
		"a report of one of IPv4":   {"fe80::9", 1, alert, report("::ffff:239.1.2.3"), drop.DatagramMalformed, false},
		"another's report":          {"fe80::9", 1, alert, report("ff15::9"), drop.None, false},
		"another's report from ::":  {"::", 1, alert, report("ff15::9"), drop.None, false},
		"a report from afar":        {"2001:db8::9", 1, alert, report("ff15::9"), drop.MartianSource, false},
		"a report of no group":      {"fe80::9", 1, alert, report("2001:db8::2"), drop.DatagramMalformed, false},
		"another's report 2":        {"fe80::9", 1, alert, []byte{143, 0, 0, 0, 0, 0, 0, 0}, drop.None, false},
		"a done":                    {"fe80::9", 1, alert, append([]byte{132}, report("ff15::9")[1:]...), drop.None, false},
		"seven bytes":               {"fe80::9", 1, alert, general[:7], drop.DatagramMalformed, false},
		"a report 1 of seven bytes": {"fe80::9", 1, alert, report("ff15::9")[:7], drop.DatagramMalformed, false},
	} {
		m := newMember6(t, Config{}, us6)
		m.joins(t, h1)
		m.take(time.Minute)
		before := m.Ledger().Consumed
		body := summed6(tc.src, "ff02::1", slices.Clone(tc.body))
		next := wire.ProtocolIPv6HopByHop
		if tc.hop == "" {
			next = wire.ProtocolICMPv6
		}
		m.cable.deliver(frame6(tc.src, "ff02::1", tc.hops, next, append([]byte(tc.hop), body...)))
		if tc.reason == drop.None {
			if n := m.Ledger().Consumed - before; n != 1 {
				t.Errorf("%s: %d consumed, want 1; %v", name, n, m.Drops().Map())
			}
		} else if n := m.Drops().Get(tc.reason); n != 1 {
			t.Errorf("%s: %v, want %v", name, m.Drops().Map(), tc.reason)
		}
		if said := m.take(time.Hour); (len(said) > 0) != tc.heard {
			t.Errorf("%s: said %v", name, said)
		}
		checkLedger(t, m.host)
	}
	m := newMember6(t, Config{}, us6)
	m.joins(t, h1)
	m.take(time.Minute)
	f := mldFrame("ff02::1", slices.Clone(general))
	f[len(f)-1]++
	m.cable.deliver(f)
	m.says(t, time.Hour)
	checkDrops(t, m.host, drop.BadChecksum, 1)
}

// FuzzMLD hands a host MLD messages and changes of its sockets while time advances.
// Nothing panics, nothing is lost without a name, what is said is well formed, and when
// all groups are left, only those of the host itself are remembered.
func FuzzMLD(f *testing.F) {
	query := wire.MLDQuery{Version: 2, Group: groupAddr(h1), MaxResponse: time.Second, Sources: wire.NewAddrList(groupAddr("2001:db8::1"))}.AppendTo(nil)
	f.Add(uint64(1), append([]byte{0, 1, 1, 0, 200, byte(len(query)), 7, 0, byte(len(query))}, query...))
	f.Add(uint64(2), append([]byte{1, 0, 10, 7, 0, 24}, query[:24]...))
	for seed := range uint64(4) {
		f.Add(seed, chance(seed, 400))
	}
	f.Fuzz(func(t *testing.T, seed uint64, script []byte) {
		if len(script) > 1000 {
			return
		}
		live := packet.Live()
		m := newMember6(t, Config{Seed: [32]byte{byte(seed), 9}, DADTransmits: int(seed%3) - 1}, us6)
		m.clock.Advance(time.Minute)
		own := m.eth0.groups.table.live
		sockets := []*Socket{m.open6(t, "[::]:7"), m.open6(t, ""), m.open6(t, "")}
		groups := []string{h1, h2, h3, "ff02::1"}
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
				m.eth0.SetMLDVersion(a % 3)
			default:
				n := min(b%60, len(script))
				body := slices.Clone(script[:n])
				script = script[n:]
				if n >= wire.ICMPv6HeaderLen && a%4 != 0 {
					body[0] = []byte{130, 131, 132, 130}[a%4]
				}
				m.cable.deliver(mldFrame(groups[a/4%4], body))
			}
			if led := m.Ledger(); !led.Balanced() {
				t.Fatalf("the ledger does not balance: %+v, drops %v", led, m.Drops().Map())
			}
		}
		for _, s := range m.said {
			if strings.HasPrefix(s.text, "malformed") || strings.Contains(s.text, "ff02::1 ") {
				t.Fatalf("said %q", s.text)
			}
		}
		for _, s := range sockets {
			s.Close()
		}
		m.clock.Advance(time.Minute)
		if set := &m.eth0.groups; set.table.live != own {
			t.Fatalf("%d groups, want the host's own %d", set.table.live, own)
		}
		if r := m.eth0.groups.reporting(allNodes); r.left != 0 {
			t.Fatalf("the reporter has %d left", r.left)
		}
		m.Close()
		if n := packet.Live() - live; n != 0 {
			t.Fatalf("%d buffers are still out", n)
		}
	})
}
