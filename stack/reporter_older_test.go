package stack

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

func TestRFC9776_7_2_1_OlderQueriers(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		m := newMember(t, f, Config{}, f.address)
		s := m.joins(t, f.g1)
		m.says(t, 0, "TO_EX g1 {}")
		// What was still to be told is forgotten, and the query answered in its version.
		m.query(wire.IGMPQuery{Version: 2, MaxResponse: time.Second})
		said := m.says(t, 20*time.Second, "report g1")
		if said[0].to != f.g1 || said[0].at > time.Second {
			t.Errorf("%+v", said)
		}
		m.speaks(t, "after the query", 2)
		// Robustness 2 times the interval, 125 s, and 10 s after the query it is over.
		m.clock.Advance(260*time.Second - 20*time.Second - time.Millisecond)
		m.speaks(t, "before 260 s", 2)
		m.clock.Advance(time.Millisecond)
		m.speaks(t, "after 260 s", 3)
		m.change(t, s, socket.JoinGroup, f.g2)
		m.says(t, time.Minute, "TO_EX g2 {}", "TO_EX g2 {}")
	})
}

// What the querier of the newest version has said counts: its robustness, 3, times its
// interval, 30 s, and with IGMP 10 s (RFC 9776, 8.12), with MLD its response time, 4 s
// (RFC 9777, 9.12).
func TestRFC9776_8_12_TheIntervalIsTheLastKnown(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		m := newMember(t, f, Config{}, f.address)
		m.query(wire.IGMPQuery{Robustness: 3, Interval: 30 * time.Second, MaxResponse: 4 * time.Second})
		m.query(wire.IGMPQuery{Version: 2, MaxResponse: time.Second})
		m.clock.Advance(f.older - time.Second)
		m.speaks(t, "a second before", 2)
		m.clock.Advance(time.Second)
		m.speaks(t, "then", 3)
	})
}

func TestRFC2236_3_ReportsOfOthers(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		m := newMember(t, f, Config{}, f.address)
		s := m.joins(t, f.g1, f.g2)
		m.query(wire.IGMPQuery{Version: 2, MaxResponse: 10 * time.Second})
		report := f.report(f.g1)
		m.cable.deliver(f.frame(f.g1, report))
		m.says(t, time.Minute, "report g2")
		// And who has not reported last does not say that he leaves.
		m.change(t, s, socket.LeaveGroup, f.g1)
		m.change(t, s, socket.LeaveGroup, f.g2)
		said := m.says(t, time.Minute, "leave g2")
		if said[0].to != f.leaves || said[0].at != 0 {
			t.Errorf("%+v", said)
		}
		// A report that came by unicast may not have reached the routers.
		m.change(t, s, socket.JoinGroup, f.g1)
		m.take(time.Minute)
		m.query(wire.IGMPQuery{Version: 2, MaxResponse: 10 * time.Second})
		m.cable.deliver(f.frame(netip.MustParsePrefix(f.address).Addr().String(), report))
		m.says(t, time.Minute, "report g1")
		// The third generation takes no notice.
		m.clock.Advance(5 * time.Minute)
		m.query(wire.IGMPQuery{Group: groupAddr(f.g1), MaxResponse: 10 * time.Second})
		m.cable.deliver(f.frame(f.g1, report))
		m.says(t, time.Minute, "IS_EX g1 {}")
	})
}

func TestRFC2236_3_UnsolicitedReports(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		var second []time.Duration
		for seed := range 40 {
			m := newMember(t, f, Config{Seed: [32]byte{byte(seed), 3}}, f.address)
			m.query(wire.IGMPQuery{Version: 2, MaxResponse: time.Second})
			m.take(time.Minute)
			m.joins(t, f.g1)
			m.says(t, 0, "report g1")
			second = append(second, m.says(t, 10*time.Second, "report g1")[0].at)
			m.says(t, time.Minute)
		}
		slices.Sort(second)
		if second[0] <= 0 || second[0] > 3*time.Second || second[39] < 7*time.Second {
			t.Errorf("the second reports come after %v, which is not random within 10 s", second)
		}
	})
}

func TestRFC2236_3_ATimerIsResetOnlyToSooner(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		m := newMember(t, f, Config{}, f.address)
		m.joins(t, f.g1)
		m.query(wire.IGMPQuery{Version: 2, MaxResponse: 100 * time.Millisecond})
		m.query(wire.IGMPQuery{Version: 2, MaxResponse: 25 * time.Second})
		m.says(t, 100*time.Millisecond, "report g1")
		m.says(t, time.Minute)
		m.query(wire.IGMPQuery{Version: 2, MaxResponse: 25 * time.Second})
		m.query(wire.IGMPQuery{Version: 2, Group: groupAddr(f.g1), MaxResponse: 100 * time.Millisecond})
		m.says(t, 100*time.Millisecond, "report g1")
		m.says(t, time.Minute)
	})
}

// Forcing the newest version means nothing with IGMP, and with MLD that older queriers
// are not listened to (Linux's force_igmp_version and force_mld_version).
func TestTheVersionCanBeForced(t *testing.T) {
	newest := []string{"TO_EX g1 {}", "TO_EX g1 {}", "TO_IN g1 {}", "TO_IN g1 {}"}
	older := [][]string{1: {"first report g1", "first report g1"}, 2: {"report g1", "report g1", "leave g1"}}
	eachFamily(t, func(t *testing.T, f *family) {
		for generation, want := range [][]string{0: newest, 1: older[1], 2: older[2], 3: newest} {
			if generation != 0 && generation < f.oldest {
				continue
			}
			m := newMember(t, f, Config{}, f.address)
			if err := f.setGeneration(m.eth0, generation); err != nil {
				t.Fatal(err)
			}
			m.take(time.Minute)
			s := m.joins(t, f.g1)
			m.clock.Advance(time.Minute)
			s.Close()
			m.says(t, time.Minute, want...)
			m.query(wire.IGMPQuery{Version: 2, MaxResponse: time.Second})
			if generation == 0 || generation == 3 && !f.onlyNewest {
				generation = 2
			}
			m.speaks(t, "beside an older querier", generation)
			checkLedger(t, m.host)
		}
		m := newMember(t, f, Config{}, f.address)
		for _, v := range []int{-1, 4} {
			if err := f.setGeneration(m.eth0, v); err == nil {
				t.Errorf("generation %d is accepted", v)
			}
		}
	})
}
