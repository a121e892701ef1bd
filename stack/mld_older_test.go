package stack

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

func TestRFC9777_8_2_1_OlderQueriers(t *testing.T) {
	m := newMember6(t, Config{}, us6)
	m.take(time.Minute)
	s := m.joins(t, h1)
	m.says(t, 0, "TO_EX ff15::1 {}")
	// What was still to be told is forgotten, and the query answered in its version.
	m.query6(wire.MLDQuery{Version: 1, MaxResponse: time.Second})
	said := m.says(t, 20*time.Second, "v1 ff15::1")
	if said[0].to != h1 || said[0].at > time.Second {
		t.Errorf("%+v", said)
	}
	if v := m.eth0.MLDVersion(); v != 1 {
		t.Errorf("version %d, want 1", v)
	}
	// Robustness 2 times the interval, 125 s, and 10 s after the query it is over.
	m.clock.Advance(260*time.Second - 20*time.Second - time.Millisecond)
	if v := m.eth0.MLDVersion(); v != 1 {
		t.Errorf("version %d before 260 s, want 1", v)
	}
	m.clock.Advance(time.Millisecond)
	if v := m.eth0.MLDVersion(); v != 2 {
		t.Errorf("version %d after 260 s, want 2", v)
	}
	m.change(t, s, socket.JoinGroup, h2)
	m.says(t, time.Minute, "TO_EX ff15::2 {}", "TO_EX ff15::2 {}")
}

func TestRFC9777_9_12_WhatTheQuerierSaidCounts(t *testing.T) {
	m := newMember6(t, Config{}, us6)
	m.query6(wire.MLDQuery{Robustness: 3, Interval: 30 * time.Second, MaxResponse: 4 * time.Second})
	m.query6(wire.MLDQuery{Version: 1, MaxResponse: time.Second})
	m.clock.Advance(93 * time.Second)
	if v := m.eth0.MLDVersion(); v != 1 {
		t.Errorf("version %d after 93 s, want 1", v)
	}
	m.clock.Advance(time.Second)
	if v := m.eth0.MLDVersion(); v != 2 {
		t.Errorf("version %d after 3 times 30 s and 4 s, want 2", v)
	}
}

// In version 1 a query of version 2 is answered as one of version 1, whose response time
// has no exponent.
func TestRFC9777_8_2_1_Version2QueriesWhileVersion1IsSpoken(t *testing.T) {
	var longest time.Duration
	for seed := range 30 {
		m := newMember6(t, Config{Seed: [32]byte{byte(seed), 2}}, us6)
		m.joins(t, h1, h2)
		m.take(time.Minute)
		m.query6(wire.MLDQuery{Version: 1, MaxResponse: time.Second})
		m.take(time.Minute)
		m.query6(wire.MLDQuery{Group: groupAddr(h1), MaxResponse: time.Hour}, "3")
		longest = max(longest, m.says(t, 32767*time.Millisecond, "v1 ff15::1")[0].at)
		m.says(t, 2*time.Minute)
	}
	if longest < 25*time.Second {
		t.Errorf("the latest of 30 answers comes after %v, want nearly 32.8 s", longest)
	}
}

func TestRFC2710_4_ReportsOfOthers(t *testing.T) {
	m := newMember6(t, Config{}, us6)
	s := m.joins(t, h1, h2)
	m.query6(wire.MLDQuery{Version: 1, MaxResponse: 10 * time.Second})
	m.take(time.Minute)
	m.query6(wire.MLDQuery{Version: 1, MaxResponse: 10 * time.Second})
	body := make([]byte, wire.MLDHeaderLen)
	wire.PutMLD(body, wire.ICMPv6MLDv1Report, groupAddr(h1))
	m.cable.deliver(mldFrame(h1, body))
	m.says(t, time.Minute, "v1 ff15::2")
	// And who has not reported last does not say that he is done.
	m.change(t, s, socket.LeaveGroup, h1)
	m.change(t, s, socket.LeaveGroup, h2)
	said := m.says(t, time.Minute, "done ff15::2")
	if said[0].to != "ff02::2" || said[0].at != 0 {
		t.Errorf("%+v", said)
	}
	// Version 2 takes no notice.
	m.change(t, s, socket.JoinGroup, h1)
	m.clock.Advance(5 * time.Minute)
	m.take(0)
	m.query6(wire.MLDQuery{Group: groupAddr(h1), MaxResponse: 10 * time.Second})
	m.cable.deliver(mldFrame(h1, body))
	m.says(t, time.Minute, "IS_EX ff15::1 {}")
}

// What another host claims to hear is about groups of IPv6 only: one of IPv4, which the
// same interface is in and has a report due for, is not touched.
func TestReportsOfMLDLeaveIPv4Alone(t *testing.T) {
	m := newMember6(t, Config{}, us6, "10.0.0.2/24")
	m.joins(t, g1, g2)
	m.take(time.Minute)
	m.query6(wire.MLDQuery{Version: 1, MaxResponse: 10 * time.Second})
	m.query(wire.IGMPQuery{Version: 2, MaxResponse: 10 * time.Second})
	for _, g := range []string{g2, g1} {
		body := make([]byte, wire.MLDHeaderLen)
		wire.PutMLD(body, wire.ICMPv6MLDv1Report, netip.MustParseAddr("::ffff:"+g))
		m.cable.deliver(mldFrame("ff02::1", body))
	}
	checkDrops(t, m.host, drop.DatagramMalformed, 2)
	m.listen()
	said := m.take(time.Minute)
	slices.SortFunc(said, func(a, b saying) int { return strings.Compare(a.text, b.text) })
	if len(said) != 2 || said[0].text != "v2 "+g1 || said[1].text != "v2 "+g2 {
		t.Errorf("said %v", said)
	}
	checkLedger(t, m.host)
}

func TestRFC2710_4_UnsolicitedReports(t *testing.T) {
	var second []time.Duration
	for seed := range 40 {
		m := newMember6(t, Config{Seed: [32]byte{byte(seed), 3}}, us6)
		m.query6(wire.MLDQuery{Version: 1, MaxResponse: time.Second})
		m.take(time.Minute)
		m.joins(t, h1)
		m.says(t, 0, "v1 ff15::1")
		second = append(second, m.says(t, 10*time.Second, "v1 ff15::1")[0].at)
		m.says(t, time.Minute)
	}
	slices.Sort(second)
	if second[0] <= 0 || second[0] > 3*time.Second || second[39] < 7*time.Second {
		t.Errorf("the second reports come after %v, which is not random within 10 s", second)
	}
}

func TestRFC2710_4_ATimerIsResetOnlyToSooner(t *testing.T) {
	m := newMember6(t, Config{}, us6)
	m.joins(t, h1)
	m.query6(wire.MLDQuery{Version: 1, MaxResponse: 100 * time.Millisecond})
	m.query6(wire.MLDQuery{Version: 1, MaxResponse: 25 * time.Second})
	m.says(t, 100*time.Millisecond, "v1 ff15::1")
	m.says(t, time.Minute)
	m.query6(wire.MLDQuery{Version: 1, MaxResponse: 25 * time.Second})
	m.query6(wire.MLDQuery{Version: 1, Group: groupAddr(h1), MaxResponse: 100 * time.Millisecond})
	m.says(t, 100*time.Millisecond, "v1 ff15::1")
	m.says(t, time.Minute)
}

func TestTheMLDVersionCanBeForced(t *testing.T) {
	for version, want := range map[int][]string{
		0: {"TO_EX ff15::1 {}", "TO_EX ff15::1 {}", "TO_IN ff15::1 {}", "TO_IN ff15::1 {}"},
		1: {"v1 ff15::1", "v1 ff15::1", "done ff15::1"},
		2: {"TO_EX ff15::1 {}", "TO_EX ff15::1 {}", "TO_IN ff15::1 {}", "TO_IN ff15::1 {}"},
	} {
		m := newMember6(t, Config{}, us6)
		if err := m.eth0.SetMLDVersion(version); err != nil {
			t.Fatal(err)
		}
		m.take(time.Minute)
		s := m.joins(t, h1)
		m.clock.Advance(time.Minute)
		s.Close()
		m.says(t, time.Minute, want...)
		checkLedger(t, m.host)
		if version == 2 {
			m.query6(wire.MLDQuery{Version: 1, MaxResponse: time.Second})
			if v := m.eth0.MLDVersion(); v != 2 {
				t.Errorf("version %d is spoken where 2 is forced", v)
			}
		}
	}
	m := newMember6(t, Config{}, us6)
	for _, v := range []int{-1, 3} {
		if err := m.eth0.SetMLDVersion(v); err == nil {
			t.Errorf("version %d is accepted", v)
		}
	}
}
