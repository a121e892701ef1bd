package stack

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

func TestRFC9776_5_1_AChangeIsToldAtOnceAndAgain(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		var seconds []time.Duration
		for seed := range 50 {
			m := newMember(t, f, Config{Seed: [32]byte{byte(seed), 1}}, f.address)
			before := m.eth0.groups.table.live
			s := m.joins(t, f.g1)
			said := m.says(t, 0, "TO_EX g1 {}")
			if said[0].to != f.receivers {
				t.Fatalf("it goes to %s", said[0].to)
			}
			said = m.says(t, time.Second, "TO_EX g1 {}")
			seconds = append(seconds, said[0].at)
			m.says(t, time.Minute)
			m.change(t, s, socket.LeaveGroup, f.g1)
			m.says(t, 0, "TO_IN g1 {}")
			m.says(t, time.Second, "TO_IN g1 {}")
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
	})
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
			{0, socket.JoinSource, "2", "ALLOW g3 {2}"}, {0, socket.JoinSource, "1", "ALLOW g3 {1}"},
			{0, socket.LeaveSource, "2", "BLOCK g3 {2}"}, {0, socket.LeaveGroup, "", "BLOCK g3 {1}"},
		},
		"EXCLUDE to EXCLUDE": {
			{0, socket.JoinGroup, "", "TO_EX g3 {}"}, {0, socket.BlockSource, "2", "BLOCK g3 {2}"},
			{0, socket.BlockSource, "1", "BLOCK g3 {1}"}, {0, socket.UnblockSource, "2", "ALLOW g3 {2}"},
			{0, socket.LeaveGroup, "", "TO_IN g3 {}"},
		},
		"INCLUDE to EXCLUDE and back": {
			{0, socket.JoinSource, "2", "ALLOW g3 {2}"}, {1, socket.JoinGroup, "", "TO_EX g3 {}"},
			{1, socket.LeaveGroup, "", "TO_IN g3 {2}"},
		},
		"two in EXCLUDE": {
			{0, socket.JoinGroup, "", "TO_EX g3 {}"}, {0, socket.BlockSource, "2", "BLOCK g3 {2}"},
			{1, socket.JoinGroup, "", "ALLOW g3 {2}"}, {1, socket.BlockSource, "3", ""},
			{1, socket.BlockSource, "2", "BLOCK g3 {2}"}, {0, socket.LeaveGroup, "", "BLOCK g3 {3}"},
		},
		"one in each": {
			{0, socket.JoinGroup, "", "TO_EX g3 {}"}, {0, socket.BlockSource, "2", "BLOCK g3 {2}"},
			{1, socket.JoinSource, "2", "ALLOW g3 {2}"}, {1, socket.JoinSource, "4", ""},
			{1, socket.LeaveSource, "2", "BLOCK g3 {2}"}, {0, socket.LeaveGroup, "", "TO_IN g3 {4}"},
		},
		"what one blocks the other hears": {
			{0, socket.JoinSource, "2", "ALLOW g3 {2}"}, {1, socket.JoinGroup, "", "TO_EX g3 {}"},
			{1, socket.BlockSource, "2", ""}, {1, socket.BlockSource, "3", "BLOCK g3 {3}"},
			{1, socket.UnblockSource, "3", "ALLOW g3 {3}"}, {0, socket.LeaveGroup, "", "BLOCK g3 {2}"},
			{1, socket.LeaveGroup, "", "TO_IN g3 {}"},
		},
		"the same twice": {
			{0, socket.JoinSource, "2", "ALLOW g3 {2}"}, {1, socket.JoinSource, "2", ""},
			{0, socket.LeaveGroup, "", ""}, {1, socket.LeaveSource, "2", "BLOCK g3 {2}"},
		},
		"changing sides": {
			{0, socket.JoinGroup, "", "TO_EX g3 {}"}, {0, socket.JoinSource, "2", "TO_IN g3 {2}"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachFamily(t, func(t *testing.T, f *family) {
				m := newMember(t, f, Config{}, f.address)
				who := []*Socket{m.socket(t, 0), m.socket(t, 0)}
				for k, s := range steps {
					if s.source == "" {
						m.change(t, who[s.who], s.change, f.g3)
					} else {
						m.change(t, who[s.who], s.change, f.g3, s.source)
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
		})
	}
}

func TestRFC9776_5_1_ChangesAreMergedWithWhatIsStillToBeTold(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		m := newMember(t, f, Config{}, f.address)
		s := m.socket(t, 0)
		m.query(wire.IGMPQuery{Robustness: 3, MaxResponse: time.Millisecond}) // so that there are three reports
		m.take(time.Minute)
		m.change(t, s, socket.JoinSource, f.g3, "1")
		m.says(t, 0, "ALLOW g3 {1}")
		m.change(t, s, socket.JoinSource, f.g3, "2")
		m.says(t, 0, "ALLOW g3 {1 2}")
		m.change(t, s, socket.LeaveSource, f.g3, "1")
		// 1 begins anew, as one to be blocked.
		m.says(t, 0, "ALLOW g3 {2}; BLOCK g3 {1}")
		m.says(t, time.Minute, "ALLOW g3 {2}; BLOCK g3 {1}", "BLOCK g3 {1}")

		// As long as the mode is to be told, it is, whatever the sources do.
		other := m.joins(t, f.g3)
		m.says(t, 0, "TO_EX g3 {}")
		m.change(t, other, socket.BlockSource, f.g3, "5")
		m.says(t, 0, "TO_EX g3 {5}")
		m.says(t, time.Minute, "TO_EX g3 {5}", "BLOCK g3 {5}")
		m.change(t, other, socket.LeaveGroup, f.g3)
		m.says(t, 0, "TO_IN g3 {2}")
		m.change(t, other, socket.JoinGroup, f.g3) // before that was told often enough
		m.says(t, 0, "TO_EX g3 {}")
		m.says(t, time.Minute, "TO_EX g3 {}", "TO_EX g3 {}")
	})
}

func TestRFC9776_5_1_GroupsShareReports(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		m := newMember(t, f, Config{Limits: Limits{SocketGroups: 1000}}, f.address)
		s := m.socket(t, 0)
		for k := range 300 {
			m.change(t, s, socket.JoinGroup, f.group(k).String())
		}
		said := m.take(time.Minute)
		records := 0
		for _, x := range said {
			records += 1 + strings.Count(x.text, ";")
		}
		want := (300 + f.records - 1) / f.records
		if len(said) != 2*want || records != 600 {
			t.Fatalf("%d reports with %d records, want twice %d with 300", len(said), records, want)
		}
		if n := 1 + strings.Count(said[0].text, ";"); n != f.records {
			t.Errorf("%d records in the first report, want as many as fit, %d", n, f.records)
		}
		m.query(wire.IGMPQuery{MaxResponse: time.Second})
		if said = m.take(time.Second); len(said) != want {
			t.Errorf("a general query is answered by %d reports, want %d", len(said), want)
		}
		s.Close()
		if said = m.take(time.Minute); len(said) != 2*want {
			t.Errorf("%d reports tell of leaving, want twice %d", len(said), want)
		}
	})
}

func TestRFC9776_4_2_16_LongListsAreCut(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		m := newMember(t, f, Config{Limits: Limits{GroupSources: maxSources6}}, f.address)
		var s *Socket
		for k := range 500 { // of which each socket has as many as it may
			if k%maxSources6 == 0 {
				s = m.socket(t, 0)
			}
			g := groupOn(f.g3, m.eth0)
			g.Source = f.source(k)
			if err := s.ChangeGroup(socket.JoinSource, g); err != nil {
				t.Fatal(err)
			}
		}
		m.take(time.Minute)
		m.query(wire.IGMPQuery{MaxResponse: time.Millisecond})
		said := m.take(time.Second)
		told := map[string]bool{}
		for k, x := range said {
			list, ok := strings.CutPrefix(x.text, "IS_IN g3 {")
			if !ok || strings.Contains(list, ";") {
				t.Fatalf("said %q, want a record of the group", x.text)
			}
			for _, source := range strings.Fields(strings.TrimSuffix(list, "}")) {
				told[source] = true
			}
			if k == 0 && len(told) != f.sources {
				t.Errorf("%d sources in the first report, want as many as fit, %d", len(told), f.sources)
			}
		}
		if want := (500 + f.sources - 1) / f.sources; len(told) != 500 || len(said) != want {
			t.Errorf("%d sources in %d reports, want all 500 in %d", len(told), len(said), want)
		}
	})
}

func TestRFC9776_5_2_AGeneralQueryIsAnsweredInItsTime(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		var at []time.Duration
		for seed := range 50 {
			m := newMember(t, f, Config{Seed: [32]byte{byte(seed), 1}}, f.address)
			m.joins(t, append([]string{f.g1, f.g2}, f.untold...)...)
			m.take(time.Minute)
			m.query(wire.IGMPQuery{MaxResponse: 8 * time.Second})
			said := m.says(t, 8*time.Second, "IS_EX g1 {}; IS_EX g2 {}")
			at = append(at, said[0].at)
			m.says(t, time.Minute)
		}
		slices.Sort(at)
		if at[0] <= 0 || at[0] > 2*time.Second || at[49] < 6*time.Second {
			t.Errorf("answers after %v, which is not random within 8 s", at)
		}
	})
}

func TestRFC9776_5_2_1_WhatIsToldSoonerIsNotToldTwice(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		m := newMember(t, f, Config{}, f.address)
		m.joins(t, f.g1)
		m.take(time.Minute)
		m.query(wire.IGMPQuery{MaxResponse: 100 * time.Millisecond})
		for range 5 {
			m.query(wire.IGMPQuery{MaxResponse: time.Hour / 2})
			m.query(wire.IGMPQuery{Group: groupAddr(f.g1), MaxResponse: time.Hour / 2})
		}
		m.says(t, 100*time.Millisecond, "IS_EX g1 {}")
		m.says(t, time.Hour)
	})
}

func TestRFC9776_5_2_2_ALaterGeneralAnswerGivesWay(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		m := newMember(t, f, Config{}, f.address)
		m.joins(t, f.g1)
		m.take(time.Minute)
		m.query(wire.IGMPQuery{MaxResponse: time.Hour / 2})
		m.query(wire.IGMPQuery{MaxResponse: 100 * time.Millisecond})
		m.says(t, 100*time.Millisecond, "IS_EX g1 {}")
		m.says(t, time.Hour)
	})
}

// Records of what is and of what has changed are not in one report, though they are due
// at once.
func TestWhatIsAndWhatHasChangedAreToldApart(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		m := newMember(t, f, Config{}, f.address)
		m.joins(t, f.g1)
		m.take(time.Minute)
		m.query(wire.IGMPQuery{MaxResponse: 0})
		m.joins(t, f.g2)
		m.says(t, 0, "IS_EX g1 {}; IS_EX g2 {}", "TO_EX g2 {}")
	})
}

func TestRFC9776_5_2_3_AGroupIsAskedAbout(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		m := newMember(t, f, Config{}, f.address)
		s := m.joins(t, f.g1, f.g2, f.untold[0])
		m.change(t, s, socket.BlockSource, f.g2, "5")
		m.change(t, s, socket.JoinSource, f.g3, "1")
		m.change(t, s, socket.JoinSource, f.g3, "2")
		m.take(time.Minute)
		for _, tc := range []struct {
			group   string
			sources []string
			want    []string
		}{
			{f.g1, nil, []string{"IS_EX g1 {}"}},
			{f.g2, nil, []string{"IS_EX g2 {5}"}},
			{f.g3, nil, []string{"IS_IN g3 {1 2}"}},
			{f.g1, []string{"9", "8", "9"}, []string{"IS_IN g1 {8 9}"}},
			{f.g2, []string{"5", "6"}, []string{"IS_IN g2 {6}"}},
			{f.g2, []string{"5"}, nil},
			{f.g3, []string{"2", "3"}, []string{"IS_IN g3 {2}"}},
			{f.g3, []string{"3"}, nil},
			{f.group(9).String(), nil, nil},
			{f.untold[0], nil, nil},
		} {
			m.query(wire.IGMPQuery{Group: groupAddr(tc.group), MaxResponse: time.Second}, tc.sources...)
			m.says(t, time.Second, tc.want...)
		}
		s.Close()
		m.query(wire.IGMPQuery{Group: groupAddr(f.g1), MaxResponse: time.Millisecond})
		m.says(t, 0, "TO_IN g1 {}; TO_IN g2 {}; BLOCK g3 {1 2}")
	})
}

func TestRFC9776_5_2_4_TheWholeGroupBeatsItsSources(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		for _, first := range []bool{true, false} {
			m := newMember(t, f, Config{}, f.address)
			s := m.socket(t, 0)
			m.change(t, s, socket.JoinSource, f.g3, "1")
			m.change(t, s, socket.JoinSource, f.g3, "2")
			m.take(time.Minute)
			ask := func(sources ...string) {
				m.query(wire.IGMPQuery{Group: groupAddr(f.g3), MaxResponse: time.Second}, sources...)
			}
			if first {
				ask()
				ask("1")
			} else {
				ask("1")
				ask()
			}
			m.says(t, time.Second, "IS_IN g3 {1 2}")
			m.says(t, time.Hour)
		}
	})
}

func TestRFC9776_5_2_5_SourcesAskedAboutAddUp(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		m := newMember(t, f, Config{}, f.address)
		s := m.socket(t, 0)
		for _, source := range []string{"1", "2", "3"} {
			m.change(t, s, socket.JoinSource, f.g3, source)
		}
		m.take(time.Minute)
		m.query(wire.IGMPQuery{Group: groupAddr(f.g3), MaxResponse: time.Hour / 2}, "3", "9")
		m.query(wire.IGMPQuery{Group: groupAddr(f.g3), MaxResponse: time.Second}, "1", "3")
		m.says(t, time.Second, "IS_IN g3 {1 3}") // at the earlier of both times
		m.says(t, time.Hour)

		// What others make us remember is bounded: then the whole group is told of.
		asked := 0
		for asked <= maxQueried+200 {
			q := wire.IGMPQuery{Group: groupAddr(f.g3), MaxResponse: time.Second}
			for range 80 {
				q.Sources = q.Sources.Append(f.source(asked))
				asked++
			}
			m.query(q)
		}
		m.says(t, time.Second, "IS_IN g3 {1 2 3}")
	})
}

func TestRFC9776_4_1_6_TheQuerierSaysHowOften(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		m := newMember(t, f, Config{}, f.address)
		for _, tc := range []struct {
			robustness uint8
			times      int
		}{{0, 2}, {5, 5}, {1, 1}, {0, 2}} {
			m.query(wire.IGMPQuery{Robustness: tc.robustness, MaxResponse: time.Millisecond})
			m.take(time.Minute)
			s := m.joins(t, f.g1)
			if said := m.take(time.Minute); len(said) != tc.times {
				t.Errorf("robustness %d: told %d times, want %d", tc.robustness, len(said), tc.times)
			}
			s.Close()
			m.take(time.Minute)
		}
	})
}

func TestRFC9776_4_1_1_ResponseTimesOfBothForms(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		var longest time.Duration
		for seed := range 40 {
			m := newMember(t, f, Config{Seed: [32]byte{byte(seed), 2}}, f.address)
			m.joins(t, f.g1)
			m.take(time.Minute)
			m.query(wire.IGMPQuery{MaxResponse: f.longest})
			longest = max(longest, m.says(t, f.longest, "IS_EX g1 {}")[0].at)
		}
		if longest < f.longest*5/6 {
			t.Errorf("the latest of 40 answers comes after %v, want nearly %v", longest, f.longest)
		}
		m := newMember(t, f, Config{}, f.address)
		m.joins(t, f.g1)
		m.take(time.Minute)
		m.query(wire.IGMPQuery{MaxResponse: 0}) // at once
		m.says(t, 0, "IS_EX g1 {}")
	})
}

func TestAnInterfaceDownSaysNothingAndUpTellsAll(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		m := newMember(t, f, Config{}, f.address)
		s := m.joins(t, f.g1)
		m.query(wire.IGMPQuery{Version: 2, MaxResponse: time.Second})
		m.eth0.SetUp(false)
		m.take(0)
		m.change(t, s, socket.JoinGroup, f.g2)
		m.says(t, time.Hour)
		m.eth0.SetUp(true)
		// The older querier is forgotten.
		m.says(t, time.Minute, "TO_EX g1 {}; TO_EX g2 {}", "TO_EX g1 {}; TO_EX g2 {}")
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
	})
}

func TestNothingIsReportedOfAllHostsNorOfWhatStaysHere(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		m := newMember(t, f, Config{}, f.address)
		s := m.joins(t, f.untold...)
		if err := s.ChangeGroup(socket.JoinGroup, groupOn(f.g1, m.Interface("lo"))); err != nil {
			t.Fatal(err)
		}
		m.query(wire.IGMPQuery{MaxResponse: time.Second})
		m.query(wire.IGMPQuery{Version: 2, MaxResponse: time.Second})
		s.Close()
		m.says(t, time.Hour)
		checkLedger(t, m.host)
	})
}

func TestReportsWithoutEthernet(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		l := newCable()
		l.kind, l.mac = link.IP, wire.MAC{}
		m := newMemberOn(t, f, l, Config{}, f.address)
		m.joins(t, f.g1)
		m.says(t, time.Minute, "TO_EX g1 {}", "TO_EX g1 {}")
	})
}

func TestGroupsThatWereLeftAreBounded(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		m := newMember(t, f, Config{}, f.address)
		own := m.eth0.groups.table.live
		s := m.socket(t, 0)
		for k := range 3 * maxLeft {
			g := socket.Group{Address: f.group(k), Interface: m.eth0.index}
			if err := s.ChangeGroup(socket.JoinGroup, g); err != nil {
				t.Fatal(err)
			}
			if err := s.ChangeGroup(socket.LeaveGroup, g); err != nil {
				t.Fatal(err)
			}
		}
		if n := m.eth0.groups.table.live - own; n > maxLeft {
			t.Errorf("%d groups are remembered, want no more than %d", n, maxLeft)
		}
		m.take(time.Minute)
		r := m.eth0.groups.reporting(addressOf(groupAddr(f.g1)))
		if n := m.eth0.groups.table.live - own; n != 0 || r.left != 0 || len(r.changes.heap) != 0 {
			t.Errorf("%d groups are left over, %d counted, %d due", n, r.left, len(r.changes.heap))
		}
	})
}
