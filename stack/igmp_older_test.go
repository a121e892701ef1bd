package stack

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

func TestRFC9776_7_2_1_OlderQueriers(t *testing.T) {
	m := newMember(t, Config{}, "10.0.0.2/24")
	s := m.joins(t, g1)
	m.says(t, 0, "TO_EX 239.1.2.3 {}")
	// What was still to be told is forgotten, and the query answered in its version.
	m.query(wire.IGMPQuery{Version: 2, MaxResponse: time.Second})
	said := m.says(t, 20*time.Second, "v2 239.1.2.3")
	if said[0].to != g1 || said[0].at > time.Second {
		t.Errorf("%+v", said)
	}
	if v := m.eth0.IGMPVersion(); v != 2 {
		t.Errorf("version %d, want 2", v)
	}
	// Robustness 2 times the interval, 125 s, and 10 s after the query it is over.
	m.clock.Advance(260*time.Second - 20*time.Second - time.Millisecond)
	if v := m.eth0.IGMPVersion(); v != 2 {
		t.Errorf("version %d before 260 s, want 2", v)
	}
	m.clock.Advance(time.Millisecond)
	if v := m.eth0.IGMPVersion(); v != 3 {
		t.Errorf("version %d after 260 s, want 3", v)
	}
	m.change(t, s, socket.JoinGroup, g2)
	m.says(t, time.Minute, "TO_EX 239.1.2.4 {}", "TO_EX 239.1.2.4 {}")

	// The oldest wins, and version 1 beats 2 as long as it is there. Queries of
	// version 3 are then answered as if they were general and of version 1.
	m.query(wire.IGMPQuery{Version: 1})
	m.query(wire.IGMPQuery{Version: 2, MaxResponse: time.Second})
	if said := m.take(20 * time.Second); len(said) != 2 || !strings.HasPrefix(said[0].text, "v1") || said[0].text == said[1].text {
		t.Errorf("said %v, want both groups", said)
	}
	m.query(wire.IGMPQuery{Version: 3, Group: groupAddr(g1), MaxResponse: time.Second})
	if said := m.take(20 * time.Second); len(said) != 2 || !strings.HasPrefix(said[0].text, "v1") {
		t.Errorf("said %v, want both groups", said)
	}
	m.change(t, s, socket.LeaveGroup, g2)
	m.says(t, time.Minute)
	m.clock.Advance(260 * time.Second)
	if v := m.eth0.IGMPVersion(); v != 3 {
		t.Errorf("version %d after all, want 3", v)
	}
}

func TestRFC9776_8_12_TheIntervalIsTheLastKnown(t *testing.T) {
	m := newMember(t, Config{}, "10.0.0.2/24")
	m.query(wire.IGMPQuery{Robustness: 3, Interval: 30 * time.Second, MaxResponse: time.Second})
	m.query(wire.IGMPQuery{Version: 2, MaxResponse: time.Second})
	m.clock.Advance(99 * time.Second)
	if v := m.eth0.IGMPVersion(); v != 2 {
		t.Errorf("version %d after 99 s, want 2", v)
	}
	m.clock.Advance(time.Second)
	if v := m.eth0.IGMPVersion(); v != 3 {
		t.Errorf("version %d after 3 times 30 s and 10 s, want 3", v)
	}
}

func TestRFC2236_3_ReportsOfOthers(t *testing.T) {
	m := newMember(t, Config{}, "10.0.0.2/24")
	s := m.joins(t, g1, g2)
	m.query(wire.IGMPQuery{Version: 2, MaxResponse: 10 * time.Second})
	body := make([]byte, wire.IGMPHeaderLen)
	wire.PutIGMP(body, wire.IGMPv2Report, groupAddr(g1)).UpdateChecksum(nil)
	m.cable.deliver(igmpFrame(g1, body))
	m.says(t, time.Minute, "v2 239.1.2.4")
	// And who has not reported last does not say that he leaves.
	m.change(t, s, socket.LeaveGroup, g1)
	m.change(t, s, socket.LeaveGroup, g2)
	said := m.says(t, time.Minute, "leave 239.1.2.4")
	if said[0].to != "224.0.0.2" || said[0].at != 0 {
		t.Errorf("%+v", said)
	}
	// A report that came by unicast may not have reached the routers.
	m.change(t, s, socket.JoinGroup, g1)
	m.take(time.Minute)
	m.query(wire.IGMPQuery{Version: 2, MaxResponse: 10 * time.Second})
	m.cable.deliver(datagram{dst: "10.0.0.2:0", protocol: wire.ProtocolIGMP, payload: string(body)}.frame())
	m.says(t, time.Minute, "v2 239.1.2.3")
	// Version 3 takes no notice.
	m.clock.Advance(5 * time.Minute)
	m.query(wire.IGMPQuery{Group: groupAddr(g1), MaxResponse: 10 * time.Second})
	m.cable.deliver(igmpFrame(g1, body))
	m.says(t, time.Minute, "IS_EX 239.1.2.3 {}")
}

func TestRFC2236_3_UnsolicitedReports(t *testing.T) {
	var second []time.Duration
	for seed := range 40 {
		m := newMember(t, Config{Seed: [32]byte{byte(seed), 3}}, "10.0.0.2/24")
		m.query(wire.IGMPQuery{Version: 2, MaxResponse: time.Second})
		m.take(time.Minute)
		m.joins(t, g1)
		m.says(t, 0, "v2 239.1.2.3")
		second = append(second, m.says(t, 10*time.Second, "v2 239.1.2.3")[0].at)
		m.says(t, time.Minute)
	}
	slices.Sort(second)
	if second[0] <= 0 || second[0] > 3*time.Second || second[39] < 7*time.Second {
		t.Errorf("the second reports come after %v, which is not random within 10 s", second)
	}
}

func TestRFC2236_3_ATimerIsResetOnlyToSooner(t *testing.T) {
	m := newMember(t, Config{}, "10.0.0.2/24")
	m.joins(t, g1)
	m.query(wire.IGMPQuery{Version: 2, MaxResponse: 100 * time.Millisecond})
	m.query(wire.IGMPQuery{Version: 2, MaxResponse: 25 * time.Second})
	m.says(t, 100*time.Millisecond, "v2 239.1.2.3")
	m.says(t, time.Minute)
	m.query(wire.IGMPQuery{Version: 2, MaxResponse: 25 * time.Second})
	m.query(wire.IGMPQuery{Version: 2, Group: groupAddr(g1), MaxResponse: 100 * time.Millisecond})
	m.says(t, 100*time.Millisecond, "v2 239.1.2.3")
	m.says(t, time.Minute)
}

func TestRFC2236_8_11_AVersion1RouterIsRemembered400Seconds(t *testing.T) {
	m := newMember(t, Config{}, "10.0.0.2/24")
	if err := m.eth0.SetIGMPVersion(2); err != nil {
		t.Fatal(err)
	}
	m.query(wire.IGMPQuery{Version: 1})
	m.clock.Advance(399 * time.Second)
	if v := m.eth0.IGMPVersion(); v != 1 {
		t.Errorf("version %d after 399 s, want 1", v)
	}
	m.clock.Advance(time.Second)
	if v := m.eth0.IGMPVersion(); v != 2 {
		t.Errorf("version %d after 400 s, want 2", v)
	}
}

func TestTheVersionCanBeForced(t *testing.T) {
	for version, want := range map[int][]string{
		0: {"TO_EX 239.1.2.3 {}", "TO_EX 239.1.2.3 {}", "TO_IN 239.1.2.3 {}", "TO_IN 239.1.2.3 {}"},
		1: {"v1 239.1.2.3", "v1 239.1.2.3"},
		2: {"v2 239.1.2.3", "v2 239.1.2.3", "leave 239.1.2.3"},
		3: {"TO_EX 239.1.2.3 {}", "TO_EX 239.1.2.3 {}", "TO_IN 239.1.2.3 {}", "TO_IN 239.1.2.3 {}"},
	} {
		m := newMember(t, Config{}, "10.0.0.2/24")
		if err := m.eth0.SetIGMPVersion(version); err != nil {
			t.Fatal(err)
		}
		s := m.joins(t, g1)
		m.clock.Advance(time.Minute)
		s.Close()
		m.says(t, time.Minute, want...)
		checkLedger(t, m.host)
	}
	m := newMember(t, Config{}, "10.0.0.2/24")
	for _, v := range []int{-1, 4} {
		if err := m.eth0.SetIGMPVersion(v); err == nil {
			t.Errorf("version %d is accepted", v)
		}
	}
}
