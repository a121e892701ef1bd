package membership

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// A stage is a Table in a time of its own, which begins at zero.
type stage struct {
	t     *testing.T
	table *Table
	at    time.Duration
	told  []string // what was told, and not asked for yet
}

var zero = time.Unix(0, 0)

func newStage(t *testing.T, cfg Config) *stage { return &stage{t: t, table: New(cfg)} }

// hear lets a packet come.
func (s *stage) hear(packet []byte) *stage {
	s.t.Helper()
	events := s.table.Packet(zero.Add(s.at), wire.MAC{}, packet)
	if len(events) == 0 {
		s.t.Fatal("nothing was told of a message")
	}
	s.tell(events)
	return s
}

// wait lets time pass, and stops wherever something is due.
func (s *stage) wait(d time.Duration) *stage {
	s.t.Helper()
	end := s.at + d
	for {
		next, ok := s.table.NextDeadline()
		if !ok || next.After(zero.Add(end)) {
			break
		}
		s.at = next.Sub(zero)
		s.tell(s.table.Advance(next))
		if again, ok := s.table.NextDeadline(); ok && !again.After(next) {
			s.t.Fatalf("at %v the next deadline is %v", s.at, again.Sub(zero))
		}
	}
	s.at = end
	return s
}

func (s *stage) tell(events []Event) {
	for _, e := range events {
		line := fmt.Sprint(e.Time.Sub(zero))
		if m := e.Message; m != nil {
			line += fmt.Sprint(" ", m.Source, " ", m.Protocol, " ", m.Kind)
			if m.Group.IsValid() {
				line += " " + m.Group.String()
			}
			if m.Err != nil {
				line += " ignored"
			}
			if !e.Due.IsZero() {
				line += fmt.Sprint(" due ", e.Due.Sub(zero))
			}
		}
		for _, c := range e.Changes {
			line += fmt.Sprint("; ", c.Effect, " ", c.Member.Host, " ", c.Member.Group, " ", heard(&c.Member))
		}
		if q := e.Querier; q != nil && q.Address.IsValid() {
			line += "; elected " + q.Address.String()
		} else if q != nil {
			line += "; no querier"
		}
		s.told = append(s.told, line)
	}
}

func heard(m *Member) string {
	sign := "-"
	if m.Only {
		sign = "+"
	}
	return sign + strings.ReplaceAll(strings.Trim(fmt.Sprint(m.Sources), "[]"), " ", ",")
}

// wantTold checks what has been told since the last time.
func (s *stage) wantTold(want ...string) *stage {
	s.t.Helper()
	if !slices.Equal(s.told, want) {
		s.t.Errorf("told:\n\t%s\nwant:\n\t%s", strings.Join(s.told, "\n\t"), strings.Join(want, "\n\t"))
	}
	s.told = nil
	return s
}

// wantMembers checks who is a member, each as "host group filter until".
func (s *stage) wantMembers(want ...string) *stage {
	s.t.Helper()
	var got []string
	for _, m := range s.table.Members() {
		got = append(got, fmt.Sprint(m.Host, " ", m.Group, " ", heard(&m), " ", m.Expires.Sub(zero)))
	}
	if !slices.Equal(got, want) {
		s.t.Errorf("members:\n\t%s\nwant:\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
	return s
}

// wantQueriers checks who asks, each as "address version interval due expires", with a star
// behind the one that is elected.
func (s *stage) wantQueriers(want ...string) *stage {
	s.t.Helper()
	var got []string
	for _, q := range s.table.Queriers() {
		line := fmt.Sprint(q.Address, " ", q.Protocol, " ", q.Interval, " ", q.Due.Sub(zero), " ", q.Expires.Sub(zero))
		if q.Elected {
			line += " *"
		}
		got = append(got, line)
	}
	if !slices.Equal(got, want) {
		s.t.Errorf("queriers:\n\t%s\nwant:\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
	return s
}

var all = netip.Addr{} // a general query's group

// both runs a test with IPv4's addresses and IPv6's.
func both(t *testing.T, test func(t *testing.T, f family)) {
	t.Run("IPv4", func(t *testing.T) {
		test(t, family{router4, router4b, alice4, bob4, group4, some4, s1, s2, s3, IGMPv2, IGMPv3})
	})
	t.Run("IPv6", func(t *testing.T) {
		test(t, family{router6, router6b, alice6, bob6, group6, some6, ip("fd00::1"), ip("fd00::2"), ip("fd00::3"), MLDv1, MLDv2})
	})
}

type family struct {
	router, other, alice, bob, group, some, a, b, c netip.Addr
	older, newer                                    Protocol
}

// A report is good for the membership interval: robustness × query interval + response
// interval, by the defaults 260 s.
func TestRFC9776_8_4_membership_interval(t *testing.T) {
	both(t, func(t *testing.T, f family) {
		s := newStage(t, Config{})
		s.hear(report(f.alice, record(wire.ChangeToExclude, f.group)))
		s.wantTold(fmt.Sprintf("0s %v %v report due 4m20s; joined %v %v -", f.alice, f.newer, f.alice, f.group))
		s.wait(100 * time.Second).hear(report(f.alice, record(wire.ModeIsExclude, f.group)))
		s.wantTold(fmt.Sprintf("1m40s %v %v report due 6m0s; refreshed %v %v -", f.alice, f.newer, f.alice, f.group))
		s.wait(259 * time.Second).wantTold().wantMembers(fmt.Sprintf("%v %v - 6m0s", f.alice, f.group))
		s.wait(time.Second).wantTold(fmt.Sprintf("6m0s; expired %v %v -", f.alice, f.group)).wantMembers()
		if _, ok := s.table.NextDeadline(); ok {
			t.Error("there is something to wait for")
		}
	})
}

// The querier says by what everybody goes.
func TestRFC9776_4_1_6_robustness_and_interval(t *testing.T) {
	both(t, func(t *testing.T, f family) {
		s := newStage(t, Config{})
		s.hear(queryWith(f.router, all, wire.IGMPQuery{Version: 3, Robustness: 3, Interval: 20 * time.Second, MaxResponse: 4 * time.Second}))
		s.wantQueriers(fmt.Sprintf("%v %v 20s 20s 1m2s *", f.router, f.newer))
		s.wantTold(fmt.Sprintf("0s %v %v query due 20s; elected %v", f.router, f.newer, f.router))
		s.hear(report(f.alice, record(wire.ModeIsExclude, f.group)))
		s.wantMembers(fmt.Sprintf("%v %v - 1m4s", f.alice, f.group))
	})
}

// Robustness and interval of zero are not said.
func TestRFC9776_4_1_6_zero_means_the_default(t *testing.T) {
	s := newStage(t, Config{})
	s.hear(queryWith(router4, all, wire.IGMPQuery{Version: 3, MaxResponse: 10 * time.Second}))
	s.wantQueriers("10.0.0.1 IGMPv3 2m5s 2m5s 4m15s *")
}

// An older querier does not say how often it asks: the time between two queries does.
func TestOlderQuerierIsMeasured(t *testing.T) {
	both(t, func(t *testing.T, f family) {
		s := newStage(t, Config{})
		s.hear(query(f.router, all, 2)).wantQueriers(fmt.Sprintf("%v %v 2m5s 2m5s 4m15s *", f.router, f.older))
		s.wait(60 * time.Second).hear(query(f.router, all, 2))
		s.wantQueriers(fmt.Sprintf("%v %v 1m0s 2m0s 5m15s *", f.router, f.older))
		if q := s.table.Queriers()[0]; q.Said {
			t.Errorf("%+v has said its interval", q)
		}
		// A starting querier asks four times as often: memberships last for the usual
		// time at least.
		s.hear(old(f.alice, wire.IGMPv2Report, f.group)).wantMembers(fmt.Sprintf("%v %v - 5m20s", f.alice, f.group))
	})
}

// An older query makes hosts speak its version for robustness × query interval + response
// interval.
func TestRFC9776_8_12_older_version_querier_present(t *testing.T) {
	both(t, func(t *testing.T, f family) {
		for version, want := range map[int]time.Duration{2: 260 * time.Second, 3: 0} {
			table := New(Config{})
			e := table.Packet(zero.Add(time.Second), wire.MAC{}, query(f.router, all, version))[0]
			if want == 0 && !e.Fallback.IsZero() || want != 0 && !e.Fallback.Equal(zero.Add(time.Second+want)) {
				t.Errorf("version %d: until %v, want %v", version, e.Fallback, want)
			}
		}
	})
}

// RFC 1112 says neither interval nor response time: RFC 2236, section 4, has 10 s.
func TestRFC2236_4_version_1_querier(t *testing.T) {
	s := newStage(t, Config{})
	s.hear(query(router4, all, 1)).hear(old(alice4, wire.IGMPv1Report, group4))
	s.wantQueriers("10.0.0.1 IGMPv1 2m5s 2m5s 4m15s *").wantMembers("10.0.0.2 239.1.2.3 - 4m20s")
}

// The lowest address asks, and the next lowest when it is not heard any more: after
// robustness × query interval + half the response interval, 255 s.
func TestRFC9776_6_6_2_election(t *testing.T) {
	both(t, func(t *testing.T, f family) {
		s := newStage(t, Config{})
		s.hear(query(f.other, all, 3)).hear(query(f.router, all, 3))
		s.wantTold(
			fmt.Sprintf("0s %v %v query due 2m5s; elected %v", f.other, f.newer, f.other),
			fmt.Sprintf("0s %v %v query due 2m5s; elected %v", f.router, f.newer, f.router))
		s.wait(time.Second).hear(query(f.other, all, 3))
		s.wantTold(fmt.Sprintf("1s %v %v query due 2m6s", f.other, f.newer))
		s.wait(254 * time.Second).wantTold(fmt.Sprintf("4m15s; elected %v", f.other))
		s.wait(time.Second).wantTold("4m16s; no querier").wantQueriers()
	})
}

// Who has no address is never elected, but asks.
func TestRFC4541_2_1_1_querier_without_an_address(t *testing.T) {
	s := newStage(t, Config{})
	s.hear(queryWith(ip("0.0.0.0"), all, wire.IGMPQuery{Version: 3, Robustness: 2, Interval: 10 * time.Second, MaxResponse: time.Second}))
	s.wantTold("0s 0.0.0.0 IGMPv3 query due 10s").wantQueriers("0.0.0.0 IGMPv3 10s 10s 20.5s")
	// Until somebody else does, it is its timers that count.
	s.hear(report(alice4, record(wire.ChangeToExclude, group4))).wantMembers("10.0.0.2 239.1.2.3 - 21s")
	s.hear(query(router4, all, 3)).hear(report(bob4, record(wire.ChangeToExclude, group4)))
	s.wantMembers("10.0.0.2 239.1.2.3 - 21s", "10.0.0.3 239.1.2.3 - 4m20s")
}

// The families do not know of each other.
func TestFamiliesHaveQueriersOfTheirOwn(t *testing.T) {
	s := newStage(t, Config{})
	s.hear(queryWith(router4, all, wire.IGMPQuery{Version: 3, Robustness: 2, Interval: 10 * time.Second, MaxResponse: time.Second}))
	s.hear(report(alice6, record(wire.ChangeToExclude, group6))).wantMembers("fe80::2 ff15::123 - 4m20s")
	s.hear(query(router6, all, 3))
	s.wantQueriers("10.0.0.1 IGMPv3 10s 10s 20.5s *", "fe80::1 MLDv2 2m5s 2m5s 4m15s *")
}

// A leave of version 2 ends a membership, whether it is known or not.
func TestRFC2236_3_leave(t *testing.T) {
	both(t, func(t *testing.T, f family) {
		s := newStage(t, Config{})
		s.hear(old(f.alice, wire.IGMPv2Report, f.group)).hear(old(f.bob, wire.IGMPv2Leave, f.group)).hear(old(f.alice, wire.IGMPv2Leave, f.group))
		s.wantTold(
			fmt.Sprintf("0s %v %v report %v due 4m20s; joined %v %v -", f.alice, f.older, f.group, f.alice, f.group),
			fmt.Sprintf("0s %v %v leave %v; left %v %v -", f.bob, f.older, f.group, f.bob, f.group),
			fmt.Sprintf("0s %v %v leave %v; left %v %v -", f.alice, f.older, f.group, f.alice, f.group),
		).wantMembers()
	})
}

// A query about a group leaves who does not answer the last member query time: robustness
// × the response time that it says.
func TestRFC9776_6_6_1_group_query(t *testing.T) {
	both(t, func(t *testing.T, f family) {
		for _, version := range []int{2, 3} {
			s := newStage(t, Config{})
			s.hear(report(f.alice, record(wire.ChangeToExclude, f.group))).hear(report(f.bob, record(wire.ChangeToInclude, f.group, f.a)))
			s.told = nil
			s.hear(queryWith(f.router, f.group, wire.IGMPQuery{Version: version, MaxResponse: time.Second, Robustness: 2}))
			s.wantMembers(fmt.Sprintf("%v %v - 2s", f.alice, f.group), fmt.Sprintf("%v %v +%v 2s", f.bob, f.group, f.a))
			s.wait(500 * time.Millisecond).hear(report(f.bob, record(wire.ModeIsInclude, f.group, f.a)))
			s.wait(2 * time.Second)
			s.wantMembers(fmt.Sprintf("%v %v +%v 4m20.5s", f.bob, f.group, f.a))
			if last := s.told[len(s.told)-1]; last != fmt.Sprintf("2s; expired %v %v -", f.alice, f.group) {
				t.Errorf("told %q", last)
			}
		}
	})
}

// Routers that are told not to, and other groups, keep their timers.
func TestRFC9776_6_6_1_suppressed(t *testing.T) {
	both(t, func(t *testing.T, f family) {
		s := newStage(t, Config{}).hear(report(f.alice, record(wire.ChangeToExclude, f.group)))
		s.hear(queryWith(f.router, f.group, wire.IGMPQuery{Version: 3, MaxResponse: time.Second, Robustness: 2, SuppressRouter: true}))
		s.hear(queryWith(f.router, f.some, wire.IGMPQuery{Version: 3, MaxResponse: time.Second, Robustness: 2}))
		s.wantMembers(fmt.Sprintf("%v %v - 4m20s", f.alice, f.group))
	})
}

// A query about sources is about these alone.
func TestRFC9776_6_6_1_source_query(t *testing.T) {
	both(t, func(t *testing.T, f family) {
		s := newStage(t, Config{}).hear(report(f.alice, record(wire.AllowNewSources, f.some, f.a, f.b, f.c)))
		s.hear(report(f.bob, record(wire.ChangeToExclude, f.some)))
		s.told = nil
		s.hear(queryWith(f.router, f.some, wire.IGMPQuery{Version: 3, MaxResponse: time.Second, Robustness: 2}, f.a, f.b))
		// The answer names those of them that are still heard; the third stays.
		s.wait(time.Second).hear(report(f.alice, record(wire.ModeIsInclude, f.some, f.b)))
		s.wait(10 * time.Second)
		if last := s.told[len(s.told)-1]; last != fmt.Sprintf("2s; changed %v %v +%v,%v", f.alice, f.some, f.b, f.c) {
			t.Errorf("told %q", last)
		}
		s.wantMembers(fmt.Sprintf("%v %v +%v,%v 4m21s", f.alice, f.some, f.b, f.c), fmt.Sprintf("%v %v - 4m20s", f.bob, f.some))
		s.told = nil
		s.wait(300 * time.Second).wantMembers()
		s.wantTold(
			fmt.Sprintf("4m20s; changed %v %v +%v", f.alice, f.some, f.b), fmt.Sprintf("4m20s; expired %v %v -", f.bob, f.some),
			fmt.Sprintf("4m21s; expired %v %v +%v", f.alice, f.some, f.b))
	})
}

// The hardware address tells hosts apart that have no address yet.
func TestHostsWithoutAnAddress(t *testing.T) {
	table := New(Config{})
	join := report(ip("0.0.0.0"), record(wire.ChangeToExclude, group4))
	a, b := wire.MAC{2, 0, 0, 0, 0, 1}, wire.MAC{2, 0, 0, 0, 0, 2}
	table.Packet(zero, a, join)
	frame := append(append(append([]byte{}, 1, 0, 0x5e, 0, 0, 22), b[:]...), 8, 0)
	table.Frame(zero, append(frame, join...))
	if m := table.Members(); len(m) != 2 || m[0].MAC != a || m[1].MAC != b {
		t.Errorf("members: %+v", m)
	}
	// When one of them gets its address, it is the same still.
	e := table.Packet(zero, a, report(alice4, record(wire.ModeIsExclude, group4)))
	if c := e[0].Changes; len(c) != 1 || c[0].Effect != Refreshed || c[0].Member.Host != alice4 {
		t.Errorf("changes: %+v", c)
	}
	if m := table.Members(); len(m) != 2 || m[0].MAC != b || m[1].MAC != a || m[1].Host != alice4 {
		t.Errorf("members: %+v", m)
	}
	table.Packet(zero, b, report(bob4, record(wire.ChangeToInclude, group4)))
	if m := table.Members(); len(m) != 1 || m[0].MAC != a {
		t.Errorf("members: %+v", m)
	}
	// And with an address it is one host, whatever it is sent by.
	table = New(Config{})
	table.Packet(zero, a, report(alice4, record(wire.ChangeToExclude, group4)))
	table.Packet(zero, b, report(alice4, record(wire.ModeIsExclude, group4)))
	if m := table.Members(); len(m) != 1 || m[0].MAC != b {
		t.Errorf("members: %+v", m)
	}
}

// What must be ignored changes nothing.
func TestIgnoredMessagesChangeNothing(t *testing.T) {
	s := newStage(t, Config{})
	s.hear(queryIn(envelope{damaged: true}, router4, all, wire.IGMPQuery{Version: 3}))
	s.hear(oldIn(envelope{ttl: 2}, alice6, wire.IGMPv2Report, group6))
	s.wantTold("0s 10.0.0.1 IGMPv3 query ignored", "0s fe80::2 MLDv1 report ff15::123 ignored").wantMembers().wantQueriers()
}

// The Table is bounded, and says what it leaves out.
func TestBounds(t *testing.T) {
	s := newStage(t, Config{MaxMembers: 2, MaxSources: 2, MaxQueriers: 1})
	s.hear(query(router4b, all, 3)).hear(query(router4, all, 3)).wantTold("0s 10.0.0.9 IGMPv3 query due 2m5s; elected 10.0.0.9", "0s 10.0.0.1 IGMPv3 query")
	s.hear(report(alice4, record(wire.AllowNewSources, some4, s1, s2, s3), record(wire.ChangeToExclude, group4), record(wire.ChangeToExclude, ip("239.9.9.9"))))
	s.wantTold("0s 10.0.0.2 IGMPv3 report due 4m20s; joined 10.0.0.2 232.1.2.3 +10.9.0.1,10.9.0.2; joined 10.0.0.2 239.1.2.3 -; untracked 10.0.0.2 239.9.9.9 -")
	s.wantMembers("10.0.0.2 232.1.2.3 +10.9.0.1,10.9.0.2 4m20s", "10.0.0.2 239.1.2.3 - 4m20s")
	if n := s.table.Untracked(); n != 3 {
		t.Errorf("untracked: %d, want 3", n)
	}
	// When one leaves there is room again.
	s.hear(report(alice4, record(wire.ChangeToInclude, group4), record(wire.ChangeToExclude, ip("239.9.9.9"))))
	s.wantMembers("10.0.0.2 232.1.2.3 +10.9.0.1,10.9.0.2 4m20s", "10.0.0.2 239.9.9.9 - 4m20s")
}
