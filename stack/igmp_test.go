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

// Of an EXCLUDE record that does not fit into a report the rest is left out, which is
// heard needlessly then. With MLD a socket cannot block so many sources.
func TestRFC9776_4_2_16_LongExcludeListsAreCutShort(t *testing.T) {
	m := newMember(t, inet4, Config{Limits: Limits{GroupSources: 1000}}, "10.0.0.2/24")
	s := m.joins(t, g1)
	for k := range 500 {
		g := groupOn(g1, m.eth0)
		g.Source = inet4.source(k)
		if err := s.ChangeGroup(socket.BlockSource, g); err != nil {
			t.Fatal(err)
		}
	}
	m.take(time.Minute)
	m.query(wire.IGMPQuery{MaxResponse: time.Millisecond})
	said := m.take(time.Second)
	if len(said) != 1 || !strings.HasPrefix(said[0].text, "IS_EX g1 {") || strings.Count(said[0].text, "10.1.") != inet4.sources {
		t.Errorf("said %v, want one record with as many sources as fit, %d", said, inet4.sources)
	}
}

func TestReportsWaitForAnAddress(t *testing.T) {
	m := newMember(t, inet4, Config{})
	s := m.joins(t, g1, g2)
	m.change(t, s, socket.LeaveGroup, g2)
	m.change(t, s, socket.JoinSource, g3, "1")
	m.query(wire.IGMPQuery{MaxResponse: time.Second})
	m.says(t, time.Hour)
	if err := m.eth0.AddAddress(netip.MustParsePrefix("10.0.0.2/24")); err != nil {
		t.Fatal(err)
	}
	m.says(t, 0, "TO_EX g1 {}; ALLOW g3 {1}")
	m.says(t, time.Minute, "TO_EX g1 {}; ALLOW g3 {1}")

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
	m.says(t, 0, "TO_EX g1 {}; ALLOW g3 {1}")
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
		m := newMember(t, inet4, Config{}, "10.0.0.2/24")
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

// The oldest wins, and version 1 beats 2 as long as it is there. Queries of version 3 are
// then answered as if they were general and of version 1.
func TestRFC9776_7_2_1_Version1IsTheOldest(t *testing.T) {
	m := newMember(t, inet4, Config{}, "10.0.0.2/24")
	s := m.joins(t, g1, g2)
	m.take(time.Minute)
	both := func(said []saying) {
		t.Helper()
		if len(said) != 2 || !strings.HasPrefix(said[0].text, "first report") || said[0].text == said[1].text {
			t.Errorf("said %v, want both groups", said)
		}
	}
	m.query(wire.IGMPQuery{Version: 1})
	m.query(wire.IGMPQuery{Version: 2, MaxResponse: time.Second})
	both(m.take(20 * time.Second))
	m.query(wire.IGMPQuery{Version: 3, Group: groupAddr(g1), MaxResponse: time.Second})
	both(m.take(20 * time.Second))
	m.change(t, s, socket.LeaveGroup, g2)
	m.says(t, time.Minute)
	m.clock.Advance(260 * time.Second)
	m.speaks(t, "after all", 3)
}

func TestRFC2236_8_11_AVersion1RouterIsRemembered400Seconds(t *testing.T) {
	m := newMember(t, inet4, Config{}, "10.0.0.2/24")
	if err := m.eth0.SetIGMPVersion(2); err != nil {
		t.Fatal(err)
	}
	m.query(wire.IGMPQuery{Version: 1})
	m.clock.Advance(399 * time.Second)
	m.speaks(t, "after 399 s", 1)
	m.clock.Advance(time.Second)
	m.speaks(t, "after 400 s", 2)
}
