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

func TestRFC9777_6_2_SolicitedNodesAreToldOf(t *testing.T) {
	m := newMember(t, inet6, Config{}, us6)
	m.take(time.Minute)
	told := map[string]bool{}
	m.cable.onSent = func(f []byte) {
		if rs, err := wire.ParseMLDv2Report(f[wire.EthernetHeaderLen+wire.IPv6HeaderLen+len(wire.MLDHopByHop):]); err == nil {
			for r := range rs.All() {
				told[r.Group.String()] = true
			}
		}
	}
	m.query(wire.IGMPQuery{MaxResponse: time.Second})
	m.clock.Advance(time.Second)
	if !told["ff02::1:ff00:2"] || told["ff02::1"] || len(told) != 2 {
		t.Errorf("told of %v, want the solicited nodes of two addresses", told)
	}
}

// A source that is v4-mapped is nobody's, and is told like any other.
func TestMLDTellsOfMappedSources(t *testing.T) {
	m := newMember(t, inet6, Config{}, us6)
	s := m.socket(t, 0)
	m.change(t, s, socket.JoinSource, h3, "1")
	g := groupOn(h3, m.eth0)
	g.Source = netip.MustParseAddr("::ffff:10.0.0.1")
	if err := s.ChangeGroup(socket.JoinSource, g); err != nil {
		t.Fatal(err)
	}
	m.take(time.Minute)
	m.query(wire.IGMPQuery{Group: groupAddr(h3), MaxResponse: time.Second})
	m.says(t, time.Minute, "IS_IN g3 {::ffff:10.0.0.1 1}")
}

// While the link-local address is tentative reports come from ::, and when it is not any
// more everything is told again, from it (RFC 3590, 4; RFC 9777, 5.2.13).
func TestRFC3590_4_ReportsDuringDuplicateAddressDetection(t *testing.T) {
	m := newMember(t, inet6, Config{DADTransmits: 1})
	if err := m.eth0.EnableIPv6(); err != nil {
		t.Fatal(err)
	}
	s := m.joins(t, h1)
	m.change(t, s, socket.JoinSource, h3, "1")
	m.says(t, 0, "from ::, TO_EX g1 {}; ALLOW g3 {1}")
	said := m.take(time.Minute)
	var own []string
	for _, x := range said {
		if !strings.HasPrefix(x.text, "from ::") {
			own = append(own, x.text)
		}
	}
	if want := []string{"TO_EX g1 {}; ALLOW g3 {1}", "TO_EX g1 {}; ALLOW g3 {1}"}; !slices.Equal(own, want) {
		t.Errorf("said %q from the address, want %q; all is %v", own, want, said)
	}
	checkLedger(t, m.host)
}

// In version 1 a query of version 2 is answered as one of version 1, whose response time
// has no exponent.
func TestRFC9777_8_2_1_Version2QueriesWhileVersion1IsSpoken(t *testing.T) {
	var longest time.Duration
	for seed := range 30 {
		m := newMember(t, inet6, Config{Seed: [32]byte{byte(seed), 2}}, us6)
		m.joins(t, h1, h2)
		m.take(time.Minute)
		m.query(wire.IGMPQuery{Version: 2, MaxResponse: time.Second})
		m.take(time.Minute)
		m.query(wire.IGMPQuery{Group: groupAddr(h1), MaxResponse: time.Hour}, "3")
		longest = max(longest, m.says(t, 32767*time.Millisecond, "report g1")[0].at)
		m.says(t, 2*time.Minute)
	}
	if longest < 25*time.Second {
		t.Errorf("the latest of 30 answers comes after %v, want nearly 32.8 s", longest)
	}
}

// What another host claims to hear is about groups of IPv6 only: one of IPv4, which the
// same interface is in and has a report due for, is not touched.
func TestReportsOfMLDLeaveIPv4Alone(t *testing.T) {
	m := newMember(t, inet6, Config{}, us6, "10.0.0.2/24")
	m.query(wire.IGMPQuery{Version: 2, MaxResponse: 10 * time.Second})
	m.family = inet4
	m.listen()
	m.joins(t, g1, g2)
	m.take(time.Minute)
	m.query(wire.IGMPQuery{Version: 2, MaxResponse: 10 * time.Second})
	for _, g := range []string{g2, g1} {
		m.cable.deliver(mldFrame("ff02::1", inet6.report("::ffff:"+g)))
	}
	checkDrops(t, m.host, drop.DatagramMalformed, 2)
	said := m.take(time.Minute)
	slices.SortFunc(said, func(a, b saying) int { return strings.Compare(a.text, b.text) })
	if len(said) != 2 || said[0].text != "report g1" || said[1].text != "report g2" {
		t.Errorf("said %v", said)
	}
	checkLedger(t, m.host)
}

// RFC 9777, 6.2: a query comes from a link-local address, with a hop limit of 1, behind
// a Router Alert, and is 24 bytes long or 28 and more (8.1). Reports of version 1 come
// from there, or from ::.
func TestStrictMLD(t *testing.T) {
	query := mldQuery(wire.MLDQuery{Version: 2, MaxResponse: time.Millisecond, Sources: wire.NewAddrList(groupAddr("2001:db8::1"))})
	general := mldQuery(wire.MLDQuery{Version: 2, MaxResponse: time.Millisecond})
	report := inet6.report
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
		m := newMember(t, inet6, Config{}, us6)
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
	m := newMember(t, inet6, Config{}, us6)
	m.joins(t, h1)
	m.take(time.Minute)
	f := mldFrame("ff02::1", slices.Clone(general))
	f[len(f)-1]++
	m.cable.deliver(f)
	m.says(t, time.Hour)
	checkDrops(t, m.host, drop.BadChecksum, 1)
}
