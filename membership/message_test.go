package membership

import (
	"net/netip"
	"testing"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// The segment of the tests: two routers and two hosts.
var (
	router4, router4b = ip("10.0.0.1"), ip("10.0.0.9")
	alice4, bob4      = ip("10.0.0.2"), ip("10.0.0.3")
	router6, router6b = ip("fe80::1"), ip("fe80::9")
	alice6, bob6      = ip("fe80::2"), ip("fe80::3")

	group4, group6 = ip("239.1.2.3"), ip("ff15::123")
	some4, some6   = ip("232.1.2.3"), ip("ff3e::123")

	s1, s2, s3 = ip("10.9.0.1"), ip("10.9.0.2"), ip("10.9.0.3")
	t1         = ip("fd00::1")
)

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

// An envelope is what a message is sent in, if not as it should be.
type envelope struct {
	ttl     uint8 // 0: 1
	plain   bool  // without Router Alert
	to      netip.Addr
	damaged bool // the checksum is wrong
}

// igmp returns a packet.
func igmp(from, to netip.Addr, message []byte, e envelope) []byte {
	if e.to.IsValid() {
		to = e.to
	}
	options := []byte(wire.IPv4RouterAlertOption)
	if e.plain {
		options = nil
	}
	b := make([]byte, 20, 64)
	h := wire.PutIPv4(b)
	h.SetHeaderLen(20 + len(options))
	h.SetTotalLength(uint16(20 + len(options) + len(message)))
	h.SetTTL(max(e.ttl, 1))
	h.SetProtocol(wire.ProtocolIGMP)
	h.SetSource(from)
	h.SetDestination(to)
	h.UpdateChecksum(options)
	wire.UpdateIGMPChecksum(message)
	if e.damaged {
		message[2]++
	}
	return append(append(b, options...), message...)
}

// mld returns a packet.
func mld(from, to netip.Addr, message []byte, e envelope) []byte {
	if e.to.IsValid() {
		to = e.to
	}
	wire.UpdateICMPv6Checksum(message, from.As16(), to.As16())
	if e.damaged {
		message[2]++
	}
	next := wire.ProtocolIPv6HopByHop
	options := []byte{byte(wire.ProtocolICMPv6), 0, 5, 2, 0, 0, 1, 0}
	if e.plain {
		next, options = wire.ProtocolICMPv6, nil
	}
	b := make([]byte, 40, 128)
	h := wire.PutIPv6(b)
	h.SetPayloadLength(uint16(len(options) + len(message)))
	h.SetNextHeader(next)
	h.SetHopLimit(max(e.ttl, 1))
	h.SetSource(from)
	h.SetDestination(to)
	return append(append(b, options...), message...)
}

// query returns a query about a group, or of all if it is the zero Addr; the querier's
// address tells the family, a version of 3 means MLDv2 too.
func query(from, group netip.Addr, version int, sources ...netip.Addr) []byte {
	return queryWith(from, group, wire.IGMPQuery{Version: version, MaxResponse: 10 * time.Second, Interval: 125 * time.Second, Robustness: 2}, sources...)
}

func queryWith(from, group netip.Addr, q wire.IGMPQuery, sources ...netip.Addr) []byte {
	return queryIn(envelope{plain: q.Version == 1 && from.Is4()}, from, group, q, sources...)
}

func queryIn(e envelope, from, group netip.Addr, q wire.IGMPQuery, sources ...netip.Addr) []byte {
	q.Group, q.Sources = group, wire.NewAddrList(sources...)
	if from.Is4() {
		to := group
		if !group.IsValid() {
			to = allHosts4
		}
		return igmp(from, to, q.AppendTo(nil), e)
	}
	to := group
	if !group.IsValid() {
		to = allHosts6
	}
	v := 2
	if q.Version < 3 {
		v = 1
	}
	m := wire.MLDQuery{
		Version: v, Group: group, MaxResponse: q.MaxResponse, Interval: q.Interval, Robustness: q.Robustness,
		SuppressRouter: q.SuppressRouter, Sources: q.Sources,
	}
	return mld(from, to, m.AppendTo(nil), e)
}

// report returns a report of IGMPv3 or MLDv2.
func report(from netip.Addr, records ...wire.GroupRecord) []byte {
	if from.Is4() {
		return igmp(from, ip("224.0.0.22"), wire.AppendIGMPv3Report(nil, records...), envelope{})
	}
	return mld(from, ip("ff02::16"), wire.AppendMLDv2Report(nil, records...), envelope{})
}

func record(t wire.RecordType, group netip.Addr, sources ...netip.Addr) wire.GroupRecord {
	return wire.GroupRecord{Type: t, Group: group, Sources: wire.NewAddrList(sources...)}
}

// old returns a report or leave of IGMPv1 or IGMPv2, or of MLDv1 by the type that IGMPv2 has.
func old(from netip.Addr, t wire.IGMPType, group netip.Addr) []byte {
	return oldIn(envelope{plain: t == wire.IGMPv1Report}, from, t, group)
}

func oldIn(e envelope, from netip.Addr, t wire.IGMPType, group netip.Addr) []byte {
	if from.Is4() {
		b := make([]byte, wire.IGMPHeaderLen)
		wire.PutIGMP(b, t, group)
		to := group
		if t == wire.IGMPv2Leave {
			to = ip("224.0.0.2")
		}
		return igmp(from, to, b, e)
	}
	b := make([]byte, wire.MLDHeaderLen)
	if t == wire.IGMPv2Leave {
		wire.PutMLD(b, wire.ICMPv6MLDv1Done, group)
		return mld(from, ip("ff02::2"), b, e)
	}
	wire.PutMLD(b, wire.ICMPv6MLDv1Report, group)
	return mld(from, group, b, e)
}

// What a receiver must ignore, and what is odd.
func TestJudgement(t *testing.T) {
	plain := wire.IGMPQuery{Version: 3, MaxResponse: 10 * time.Second, Interval: 125 * time.Second}
	older := wire.IGMPQuery{Version: 2, MaxResponse: 10 * time.Second}
	fragment := old(alice4, wire.IGMPv2Report, group4)
	fragment[6] |= 0x20
	header := old(alice4, wire.IGMPv2Report, group4)
	header[10]++
	short := igmp(router4, allHosts4, append(wire.IGMPQuery{Version: 2, MaxResponse: time.Second}.AppendTo(nil), 0, 0), envelope{})
	for _, c := range []struct {
		name    string
		packet  []byte
		err     string
		warning string
	}{
		{"RFC9776_4_1_query", query(router4, netip.Addr{}, 3), "", ""},
		{"RFC9777_5_1_query", query(router6, netip.Addr{}, 3), "", ""},
		{"RFC1112_query_has_no_alert", query(router4, netip.Addr{}, 1), "", ""},
		{"RFC9776_4_checksum", queryIn(envelope{damaged: true}, router4, netip.Addr{}, plain), string(errChecksum), ""},
		{"RFC9777_6_2_checksum", queryIn(envelope{damaged: true}, router6, netip.Addr{}, plain), string(errChecksum), ""},
		{"RFC1122_3_2_1_2_header_checksum", header, string(errHeaderChecksum), ""},
		{"fragment", fragment, string(errFragment), ""},
		{"RFC9776_7_1_length_of_no_version", short, "wire: igmp: query of 9 to 11 bytes, which no version has", ""},
		{"RFC9776_4_ttl", queryIn(envelope{ttl: 64}, router4, netip.Addr{}, plain), "", warnTTL},
		{"RFC9776_9_1_alert", queryIn(envelope{plain: true}, router4, netip.Addr{}, plain), "", warnNoAlert},
		{"RFC2236_2_alert", oldIn(envelope{plain: true}, alice4, wire.IGMPv2Report, group4), "", warnNoAlert},
		{"RFC2236_6_general_query_to_a_host", queryIn(envelope{to: alice4}, router4, netip.Addr{}, older), "", ""},
		{"RFC2236_6_general_query_to_a_group", queryIn(envelope{to: group4}, router4, netip.Addr{}, older), string(errGeneralTo), ""},
		{"RFC9777_6_2_hop_limit", queryIn(envelope{ttl: 255}, router6, netip.Addr{}, plain), string(errHopLimit), ""},
		{"RFC9777_6_2_alert", queryIn(envelope{plain: true}, router6, netip.Addr{}, plain), string(errNoAlert), ""},
		{"RFC9777_6_2_source_of_a_query", query(ip("fd00::1"), netip.Addr{}, 3), string(errNotLinkLocal), ""},
		{"RFC9777_6_2_query_without_a_source", query(ip("::"), netip.Addr{}, 3), string(errNotLinkLocal), ""},
		{"RFC3590_4_report_without_an_address", report(ip("::"), record(wire.ChangeToExclude, group6)), "", ""},
		{"RFC9777_7_4_source_of_a_report", report(ip("fd00::1"), record(wire.ChangeToExclude, group6)), string(errNotLinkLocal), ""},
		{"report_of_no_group", old(alice4, wire.IGMPv2Report, ip("10.0.0.7")), string(errNotAGroup), ""},
		{"query_about_no_group", queryIn(envelope{to: alice4}, router4, ip("10.0.0.7"), older), string(errNotAGroup), ""},
		{"record_of_no_group", report(alice4, record(wire.ChangeToExclude, alice4)), string(errNotAGroup), ""},
		{"report_of_a_mapped_group", old(alice6, wire.IGMPv2Report, ip("::ffff:239.1.2.3")), string(errNotAGroup), ""},
		{"record_of_a_mapped_group", report(alice6, record(wire.ChangeToExclude, ip("::ffff:239.1.2.3"))), string(errNotAGroup), ""},
		{"one_record_of_no_group", report(alice4, record(wire.ChangeToExclude, alice4), record(wire.ChangeToExclude, group4)), "", string(errNotAGroup)},
		{"RFC9776_4_2_13_type", report(alice4, record(9, group4)), "", warnRecord},
		{"RFC4604_2_2_1_old_report", old(alice4, wire.IGMPv2Report, some4), "", warnSSM},
		{"RFC4604_2_2_4_exclude", report(alice6, record(wire.ModeIsExclude, some6)), "", warnSSM},
		{"RFC4607_sources_are_fine", report(alice6, record(wire.ModeIsInclude, some6, t1)), "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, ok := Parse(c.packet)
			if !ok {
				t.Fatal("it is taken for something else")
			}
			err := ""
			if m.Err != nil {
				err = m.Err.Error()
			}
			if err != c.err || m.Warning != c.warning {
				t.Errorf("error %q, warning %q; want %q, %q", err, m.Warning, c.err, c.warning)
			}
		})
	}
}

// What is said is found, in every version.
func TestParse(t *testing.T) {
	for _, c := range []struct {
		packet   []byte
		kind     Kind
		protocol Protocol
		group    netip.Addr
		response time.Duration
		interval time.Duration
		sources  int
		records  int
	}{
		{query(router4, netip.Addr{}, 1), Query, IGMPv1, netip.Addr{}, 10 * time.Second, 0, 0, 0},
		{query(router4, netip.Addr{}, 2), Query, IGMPv2, netip.Addr{}, 10 * time.Second, 0, 0, 0},
		{query(router4, group4, 2), Query, IGMPv2, group4, 10 * time.Second, 0, 0, 0},
		{query(router4, some4, 3, s1, s2), Query, IGMPv3, some4, 10 * time.Second, 125 * time.Second, 2, 0},
		{query(router6, netip.Addr{}, 2), Query, MLDv1, netip.Addr{}, 10 * time.Second, 0, 0, 0},
		{query(router6, some6, 3, t1), Query, MLDv2, some6, 10 * time.Second, 125 * time.Second, 1, 0},
		{old(alice4, wire.IGMPv1Report, group4), Report, IGMPv1, group4, 0, 0, 0, 0},
		{old(alice4, wire.IGMPv2Report, group4), Report, IGMPv2, group4, 0, 0, 0, 0},
		{old(alice4, wire.IGMPv2Leave, group4), Leave, IGMPv2, group4, 0, 0, 0, 0},
		{old(alice6, wire.IGMPv2Report, group6), Report, MLDv1, group6, 0, 0, 0, 0},
		{old(alice6, wire.IGMPv2Leave, group6), Leave, MLDv1, group6, 0, 0, 0, 0},
		{report(alice4, record(wire.ChangeToExclude, group4), record(wire.AllowNewSources, some4, s1)), Report, IGMPv3, netip.Addr{}, 0, 0, 0, 2},
		{report(alice6, record(wire.ModeIsExclude, group6)), Report, MLDv2, netip.Addr{}, 0, 0, 0, 1},
	} {
		m, ok := Parse(c.packet)
		if !ok || m.Err != nil || m.Kind != c.kind || m.Protocol != c.protocol || m.Group != c.group ||
			m.MaxResponse != c.response || m.Interval != c.interval || len(m.Sources) != c.sources || len(m.Records) != c.records {
			t.Errorf("got %+v, %v, want %+v", m, ok, c)
		}
		if m.General() != (c.kind == Query && !c.group.IsValid()) {
			t.Errorf("%+v is general: %v", m, m.General())
		}
		// A packet that is cut is never taken for a whole one.
		for n := range c.packet {
			if m, ok := Parse(c.packet[:n]); ok && m.Err == nil {
				t.Errorf("%v %v: %d of %d bytes are taken for %+v", c.protocol, c.kind, n, len(c.packet), m)
			}
		}
	}
}

func TestParseOfOtherThings(t *testing.T) {
	udp := old(alice4, wire.IGMPv2Report, group4)
	udp[9] = byte(wire.ProtocolUDP)
	dvmrp := old(alice4, wire.IGMPv2Report, group4)
	dvmrp[24] = 0x13
	for name, packet := range map[string][]byte{"nothing": nil, "a byte": {0x45}, "version 5": {0x50, 0}, "UDP": udp, "DVMRP": dvmrp} {
		if m, ok := Parse(packet); ok {
			t.Errorf("%s is taken for %+v", name, m)
		}
	}
}
