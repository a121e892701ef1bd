package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// letters makes sources of letters: "ab" is two.
func letters(s string) (list []netip.Addr) {
	for _, c := range s {
		list = append(list, netip.AddrFrom4([4]byte{10, 0, 0, byte(c)}))
	}
	return list
}

func spelled(list []netip.Addr) string {
	var b strings.Builder
	for _, a := range list {
		b.WriteByte(a.As4()[3])
	}
	return b.String()
}

// state spells a member: "IN(ab)", or "EX(x,y)" with those wanted and those not, and
// behind a colon when the timers end, "group a b…".
func state(m *member) string {
	var wanted, not []netip.Addr
	var timers []string
	if m.exclude {
		timers = append(timers, fmt.Sprint(m.until))
	}
	for _, s := range m.sources {
		if s.until > 0 {
			wanted = append(wanted, s.address)
			timers = append(timers, fmt.Sprint(s.until))
		} else {
			not = append(not, s.address)
		}
	}
	if m.exclude {
		return fmt.Sprintf("EX(%s,%s):%s", spelled(wanted), spelled(not), strings.Join(timers, " "))
	}
	return fmt.Sprintf("IN(%s):%s", spelled(wanted), strings.Join(timers, " "))
}

// TestMemberStates: the tables of RFC 9776, 6.4.1 and 6.4.2. At the time 100, with a
// membership interval of 50, where the group's timer ends at 110, and those of sources
// at 120.
func TestMemberStates(t *testing.T) {
	include := func() *member {
		return &member{sources: []memberSource{{letters("a")[0], 120}, {letters("b")[0], 120}}}
	}
	exclude := func() *member { // X is a and b, Y is y and z
		m := include()
		m.exclude, m.until = true, 110
		m.sources = append(m.sources, memberSource{letters("y")[0], 0}, memberSource{letters("z")[0], 0})
		return m
	}
	for _, tt := range []struct {
		name string
		from func() *member
		t    wire.RecordType
		list string
		want string
		asks string // sources, and * for the group
	}{
		{"RFC9776_6_4_1_IN_IS_IN", include, isIn, "bc", "IN(abc):120 150 150", ""},
		{"RFC9776_6_4_1_IN_IS_EX", include, isEx, "bc", "EX(b,c):150 120", ""},
		{"RFC9776_6_4_2_EX_IS_IN", exclude, isIn, "bcy", "EX(abcy,z):110 120 150 150 150", ""},
		{"RFC9776_6_4_2_EX_IS_EX", exclude, isEx, "bcy", "EX(bc,y):150 120 150", ""},
		{"RFC9776_6_4_2_IN_ALLOW", include, allow, "bc", "IN(abc):120 150 150", ""},
		{"RFC9776_6_4_2_IN_BLOCK", include, block, "bc", "IN(ab):120 120", "b"},
		{"RFC9776_6_4_2_IN_TO_EX", include, toEx, "bc", "EX(b,c):150 120", "b"},
		{"RFC9776_6_4_2_IN_TO_IN", include, toIn, "bc", "IN(abc):120 150 150", "a"},
		{"RFC9776_6_4_2_EX_ALLOW", exclude, allow, "bcy", "EX(abcy,z):110 120 150 150 150", ""},
		{"RFC9776_6_4_2_EX_BLOCK", exclude, block, "bcy", "EX(abc,yz):110 120 120 110", "bc"},
		{"RFC9776_6_4_2_EX_TO_EX", exclude, toEx, "bcy", "EX(bc,y):150 120 110", "bc"},
		{"RFC9776_6_4_2_EX_TO_IN", exclude, toIn, "bcy", "EX(abcy,z):110 120 150 150 150", "a*"},
		{"RFC9776_6_4_2_IN_leave", include, toIn, "", "IN(ab):120 120", "ab"},
		{"RFC9776_6_4_2_EX_leave", exclude, toIn, "", "EX(ab,yz):110 120 120", "ab*"},
		{"RFC9776_6_4_2_EX_join", exclude, toEx, "", "EX(,):150", ""},
	} {
		m := tt.from()
		asked, whole := m.apply(tt.t, letters(tt.list), 100, 50)
		asks := spelled(asked)
		if whole {
			asks += "*"
		}
		if got := state(m); got != tt.want || asks != tt.asks {
			t.Errorf("%s(%s): %s asks %q, want %s and %q", tt.name, tt.list, got, asks, tt.want, tt.asks)
		}
	}

	// RFC 9776, 6.6.1: timers are lowered, and never raised.
	m := exclude()
	m.lower(letters("ay"), true, 105)
	if got := state(m); got != "EX(ab,yz):105 105 120" {
		t.Errorf("lowered: %s", got)
	}
	m.lower(letters("ab"), true, 115)
	if got := state(m); got != "EX(ab,yz):105 105 115" {
		t.Errorf("lowered again: %s", got)
	}

	// RFC 9776, 6.5: timers end.
	m = exclude()
	m.sources[1].until = 105
	if !m.settle(105) || state(m) != "EX(a,byz):110 120" {
		t.Errorf("a source's timer ends in EXCLUDE mode: %s", state(m))
	}
	if !m.settle(110) || state(m) != "IN(a):120" {
		t.Errorf("the group's timer ends: %s", state(m))
	}
	if m.alive(119) != true || m.alive(120) || m.settle(120) || state(m) != "IN():" {
		t.Errorf("the last source's timer ends: %s", state(m))
	}
}

// TestMemberWants compares what a member wants, which is asked without settling, with
// what RFC 9776, 6.3, says of a member that is settled.
func TestMemberWants(t *testing.T) {
	for _, group := range []int64{0, 10, 20} {
		for _, a := range []int64{0, 10, 20} {
			for _, b := range []int64{0, 10, 20} {
				for now := int64(0); now < 25; now += 5 {
					m := &member{exclude: group > 0, until: group, sources: []memberSource{{letters("a")[0], a}, {letters("b")[0], b}}}
					alive := m.alive(now)
					got := ""
					for _, s := range "abc" {
						if m.wants(letters(string(s))[0], now) {
							got += string(s)
						}
					}
					want := ""
					if settled := m.settle(now); settled != alive {
						t.Fatalf("group %d, sources %d %d, at %d: alive %v, settled %v", group, a, b, now, alive, settled)
					}
					listed := spelled(m.listed())
					for _, s := range "abc" {
						if m.exclude != strings.ContainsRune(listed, s) {
							want += string(s)
						}
					}
					if !alive {
						want = ""
					}
					if got != want {
						t.Errorf("group %d, sources %d %d, at %d: wants %q, want %q", group, a, b, now, got, want)
					}
				}
			}
		}
	}
}

// TestMemberRemembersSoMany: with more sources than are remembered, what is wanted is
// still got.
func TestMemberRemembersSoMany(t *testing.T) {
	var many []netip.Addr
	for i := range 3 * maxSources {
		many = append(many, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
	}
	other := netip.MustParseAddr("192.0.2.1")
	check := func(what string, m *member, wanted, not []netip.Addr) {
		t.Helper()
		if len(m.sources) > maxSources {
			t.Errorf("%s: %d sources", what, len(m.sources))
		}
		for _, a := range wanted {
			if !m.wants(a, 100) {
				t.Errorf("%s: %v is wanted", what, a)
			}
		}
		for _, a := range not {
			if m.wants(a, 100) {
				t.Errorf("%s: %v is not wanted", what, a)
			}
		}
	}
	m := new(member)
	m.apply(isIn, many, 100, 50)
	check("included", m, many, nil)
	m = new(member)
	m.apply(isIn, many[:maxSources], 100, 50)
	check("as many as there is room for", m, many[:maxSources], append(many[maxSources:], other))
	m = new(member)
	m.apply(isEx, many, 100, 50)
	check("excluded", m, []netip.Addr{other}, many[:maxSources])
	m.apply(block, many, 100, 50)
	check("blocked", m, []netip.Addr{other}, many[:maxSources])
	m.until = 110
	m.apply(allow, many, 100, 50)
	check("allowed", m, append(many, other), nil)
	if m.until != 150 {
		t.Errorf("those that are not remembered are wanted until %d", m.until)
	}
}

// TestSortedSources: each once, in order, and not without bound.
func TestSortedSources(t *testing.T) {
	var l wire.AddrList
	for _, a := range letters("cabca") {
		l = l.Append(a)
	}
	if got := spelled(sortedSources(l)); got != "abc" {
		t.Errorf("got %q", got)
	}
	l = wire.AddrList{}
	for i := range 5000 {
		l = l.Append(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
	}
	if got := sortedSources(l); len(got) != maxListed+1 || !slices.IsSortedFunc(got, netip.Addr.Compare) {
		t.Errorf("%d sources", len(got))
	}
}

// TestLeaving: what becomes of a membership that is taken back.
func TestLeaving(t *testing.T) {
	const lastMember = 2 * time.Second // 2 queries, 1 s apart
	fast := SnoopingConfig{FastLeave: true, RoutersOnly: true}
	slow := SnoopingConfig{RoutersOnly: true}
	group := netip.MustParseAddr(g1)
	for _, tt := range []struct {
		name string
		cfg  SnoopingConfig
		run  func(w *world)
	}{
		{"fast_leave_of_IGMPv2", fast, func(w *world) {
			w.old(1, wire.IGMPv2Report, g1)
			w.old(2, wire.IGMPv2Report, g1)
			w.old(1, wire.IGMPv2Leave, g1)
			w.reach("at once", 0, g1, "2")
		}},
		{"fast_leave_of_IGMPv3", fast, func(w *world) {
			w.report(1, toEx, g1)
			w.report(1, toIn, g1)
			w.reach("the group", 0, g1, "")
			w.report(1, allow, g1, "10.0.0.1", "10.0.0.9")
			w.report(1, block, g1, "10.0.0.1")
			w.reach("one source", 0, g1, "")
			w.reachFrom("the other", 0, "10.0.0.9", g1, "1")
			w.report(1, toIn, g1)
			w.table("nothing is left")
		}},
		{"fast_leave_keeps_what_is_included", fast, func(w *world) {
			w.report(1, toEx, g1)
			w.report(1, toIn, g1, "10.0.0.1")
			w.reach("the source", 0, g1, "1")
			w.reachFrom("another", 0, "10.0.0.9", g1, "")
		}},
		{"without_a_querier_nobody_objects", slow, func(w *world) {
			w.old(1, wire.IGMPv2Report, g1)
			w.old(1, wire.IGMPv2Leave, g1)
			w.run(lastMember - 1)
			w.reach("for two seconds", 0, g1, "1")
			w.run(1)
			w.reach("and no longer", 0, g1, "")
		}},
		{"RFC9776_6_6_1_another_querier_asks", slow, func(w *world) {
			w.query(3, "10.0.0.4", wire.IGMPQuery{Version: 2})
			w.old(1, wire.IGMPv2Report, g1)
			w.old(2, wire.IGMPv2Report, g1)
			w.old(1, wire.IGMPv2Leave, g1)
			w.run(lastMember)
			w.reach("it has not asked yet", 0, g1, "1 2 3")
			if got := cards(w.query(3, "10.0.0.4", wire.IGMPQuery{Version: 2, Group: group, MaxResponse: time.Second})); got != "0 1 2" {
				w.t.Errorf("its query gets to %q", got)
			}
			w.old(2, wire.IGMPv2Report, g1)
			w.run(lastMember - 1)
			w.reach("until a moment before", 0, g1, "1 2 3")
			w.run(1)
			w.reach("who has answered stays", 0, g1, "2 3")
		}},
		{"RFC9776_6_6_1_suppressed_queries_change_nothing", slow, func(w *world) {
			w.report(1, isEx, g1)
			w.query(3, "10.0.0.4", wire.IGMPQuery{Group: group, MaxResponse: time.Second, SuppressRouter: true})
			w.run(lastMember)
			w.reach("it stays", 0, g1, "1 3")
		}},
		{"RFC9776_6_6_1_queries_for_sources", slow, func(w *world) {
			w.query(3, "10.0.0.4", wire.IGMPQuery{})
			w.report(1, isIn, g1, "10.0.0.1", "10.0.0.9")
			w.report(1, block, g1, "10.0.0.1")
			w.query(3, "10.0.0.4", wire.IGMPQuery{Group: group, MaxResponse: time.Second, Sources: wire.NewAddrList(address(0))})
			w.run(lastMember)
			w.reach("the one that was asked about", 0, g1, "3")
			w.reachFrom("the other", 0, "10.0.0.9", g1, "1 3")
		}},
		{"RFC9776_6_6_1_and_not_about_the_group", slow, func(w *world) {
			w.report(1, isEx, g1)
			w.query(3, "10.0.0.4", wire.IGMPQuery{Group: group, MaxResponse: time.Second, Sources: wire.NewAddrList(address(0))})
			w.run(lastMember)
			w.reach("it stays", 0, g1, "1 3")
		}},
		{"RFC9776_6_6_1_by_a_querier_without_an_address", slow, func(w *world) {
			w.old(1, wire.IGMPv2Report, g1)
			w.query(3, "0.0.0.0", wire.IGMPQuery{Version: 2, Group: group, MaxResponse: time.Second})
			w.run(lastMember)
			w.reach("hosts were asked", 0, g1, "")
		}},
		{"RFC9776_7_3_2_leaving_says_nothing_beside_a_version_1_host", slow, func(w *world) {
			w.old(1, wire.IGMPv1Report, g1)
			w.report(1, toEx, g1, "10.0.0.1")
			w.old(1, wire.IGMPv2Leave, g1)
			w.report(1, block, g1, "10.0.0.1")
			w.report(1, toIn, g1)
			w.run(lastMember)
			w.reach("it stays", 0, g1, "1")
			w.table("and is version 1", "239.1.1.1 h1 v1 EXCLUDE {} 258s")
		}},
		{"RFC9776_7_3_2_sources_say_nothing_beside_a_version_2_host", slow, func(w *world) {
			w.old(1, wire.IGMPv2Report, g1)
			w.report(1, block, g1, "10.0.0.1")
			w.report(1, toEx, g1, "10.0.0.1")
			w.run(lastMember)
			w.reach("it hears everybody", 0, g1, "1")
			w.report(1, toIn, g1)
			w.run(lastMember)
			w.reach("but may leave", 0, g1, "")
		}},
		{"RFC9776_7_3_2_until_it_is_gone", slow, func(w *world) {
			w.old(1, wire.IGMPv2Report, g1)
			w.run(259 * time.Second)
			w.report(1, isEx, g1, "10.0.0.1")
			w.table("it is there", "239.1.1.1 h1 v2 EXCLUDE {} 260s")
			w.run(time.Second)
			w.table("it is gone", "239.1.1.1 h1 v3 EXCLUDE {} 259s")
		}},
		{"leaving_what_was_not_joined_makes_nothing", slow, func(w *world) {
			w.old(1, wire.IGMPv2Leave, g1)
			w.report(1, block, g1, "10.0.0.1")
			w.report(1, toIn, g1)
			w.report(1, isIn, g1)
			w.report(1, allow, g1)
			if n := len(w.sw.snooper.families[0].groups); n != 0 {
				w.t.Errorf("%d groups", n)
			}
		}},
		{"records_of_other_types_are_ignored", slow, func(w *world) {
			w.report(1, 7, g1, "10.0.0.1")
			w.report(1, 0, g1)
			w.table("nothing")
		}},
		{"a_card_that_is_gone_is_no_member", slow, func(w *world) {
			w.query(1, "10.0.0.2", wire.IGMPQuery{})
			w.old(1, wire.IGMPv2Report, g1)
			w.nics[1].Close()
			w.table("nothing")
			w.routers("nobody", "")
			if q := w.sw.Queriers(); len(q) != 1 || q[0].Host != "" {
				w.t.Errorf("the querier has no port any more, but is expected back: %v", q)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.cfg, 4)
			tt.run(w)
		})
	}
}
