package trace

import (
	"net/netip"
	"time"

	"github.com/castnet-go/castnet/wire"
)

var (
	group4 = netip.MustParseAddr("239.1.1.1")
	group6 = netip.MustParseAddr("ff05::1:3")
	link1  = netip.MustParseAddr("fe80::1")
)

// igmp is a message in a packet to a group.
func igmp(to string, message []byte) []byte {
	wire.UpdateIGMPChecksum(message)
	return ipv4(wire.ProtocolIGMP, addr1, netip.MustParseAddr(to), message)
}

func igmpOld(t wire.IGMPType) []byte {
	b := make([]byte, wire.IGMPHeaderLen)
	wire.PutIGMP(b, t, group4)
	return b
}

// mld is a message in a packet with the hop-by-hop options that it needs.
func mld(to string, message []byte) []byte {
	dst := netip.MustParseAddr(to)
	wire.UpdateICMPv6Checksum(message, link1.As16(), dst.As16())
	return ipv6(wire.ProtocolIPv6HopByHop, link1, dst, append([]byte(wire.MLDHopByHop), message...))
}

func mldOld(t wire.ICMPv6Type) []byte {
	b := make([]byte, wire.MLDHeaderLen)
	wire.PutMLD(b, t, group6)
	return b
}

func sources(list ...string) (l wire.AddrList) {
	for _, s := range list {
		l = l.Append(netip.MustParseAddr(s))
	}
	return l
}

func record(t wire.RecordType, group string, list ...string) wire.GroupRecord {
	return wire.GroupRecord{Type: t, Group: netip.MustParseAddr(group), Sources: sources(list...)}
}

var groupDescriptions = []description{
	{"IGMPv1 query", igmp("224.0.0.1", wire.IGMPQuery{Version: 1}.AppendTo(nil)), LayerIP,
		`10.0.0.1 > 224.0.0.1 IGMPv1 general query, answer in 10s`},
	{"IGMPv2 query", igmp("239.1.1.1", wire.IGMPQuery{Version: 2, Group: group4, MaxResponse: time.Second}.AppendTo(nil)), LayerIP,
		`10.0.0.1 > 239.1.1.1 IGMPv2 query 239.1.1.1, answer in 1s`},
	{"IGMPv3 general query", igmp("224.0.0.1", wire.IGMPQuery{MaxResponse: 10 * time.Second, Robustness: 2, Interval: 125 * time.Second}.AppendTo(nil)), LayerIP,
		`10.0.0.1 > 224.0.0.1 IGMPv3 general query, answer in 10s, every 2m5s, robustness 2`},
	{"IGMPv3 query for sources", igmp("239.1.1.1", wire.IGMPQuery{Group: group4, MaxResponse: time.Second, SuppressRouter: true, Sources: sources("10.0.0.7", "10.0.0.8")}.AppendTo(nil)), LayerIP,
		`10.0.0.1 > 239.1.1.1 IGMPv3 query 239.1.1.1 {10.0.0.7, 10.0.0.8}, answer in 1s, answered before`},
	{"IGMPv1 report", igmp("239.1.1.1", igmpOld(wire.IGMPv1Report)), LayerIP, `10.0.0.1 > 239.1.1.1 IGMPv1 report 239.1.1.1`},
	{"IGMPv2 report", frame(wire.EtherTypeIPv4, igmp("239.1.1.1", igmpOld(wire.IGMPv2Report))), LayerEthernet,
		`10.0.0.1 > 239.1.1.1 IGMPv2 report 239.1.1.1`},
	{"IGMPv2 leave", igmp("224.0.0.2", igmpOld(wire.IGMPv2Leave)), LayerIP, `10.0.0.1 > 224.0.0.2 IGMPv2 leave 239.1.1.1`},
	{"IGMPv3 report", igmp("224.0.0.22", wire.AppendIGMPv3Report(nil, record(wire.ChangeToExclude, "239.1.1.1"),
		record(wire.AllowNewSources, "232.1.1.1", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"))), LayerIP,
		`10.0.0.1 > 224.0.0.22 IGMPv3 report 239.1.1.1 TO_EX {}; 232.1.1.1 ALLOW {10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, ...}`},
	{"IGMPv3 report of many", igmp("224.0.0.22", wire.AppendIGMPv3Report(nil, record(4, "239.1.1.1"), record(3, "239.1.1.2"),
		record(1, "239.1.1.3", "10.0.0.1"), record(6, "239.1.1.4", "10.0.0.1"), record(9, "239.1.1.5"))), LayerIP,
		`10.0.0.1 > 224.0.0.22 IGMPv3 report 239.1.1.1 TO_EX {}; 239.1.1.2 TO_IN {}; 239.1.1.3 IS_IN {10.0.0.1}; 239.1.1.4 BLOCK {10.0.0.1}; ...`},
	{"IGMPv3 report of nothing", igmp("224.0.0.22", wire.AppendIGMPv3Report(nil)), LayerIP,
		`10.0.0.1 > 224.0.0.22 IGMPv3 report of nothing`},
	{"IGMP of another type", igmp("224.0.0.106", []byte{0x30, 20, 0, 0, 0, 0, 0, 0}), LayerIP, `10.0.0.1 > 224.0.0.106 IGMP type 0x30 8 B`},
	{"IGMP query that has no length", igmp("224.0.0.1", append(wire.IGMPQuery{Version: 2, MaxResponse: time.Second}.AppendTo(nil), 1)), LayerIP,
		`10.0.0.1 > 224.0.0.1 IGMP query malformed: 9 B, `},
	{"cut IGMP", ipv4(wire.ProtocolIGMP, addr1, addr2, make([]byte, 7)), LayerIP, `10.0.0.1 > 10.0.1.2 IGMP malformed: 7 B, `},
	{"IGMPv3 report without its records", igmp("224.0.0.22", wire.AppendIGMPv3Report(nil, record(4, "239.1.1.1"))[:12]), LayerIP,
		`10.0.0.1 > 224.0.0.22 IGMPv3 report malformed: 12 B, `},

	{"MLDv1 query", mld("ff02::1", wire.MLDQuery{Version: 1, MaxResponse: 10 * time.Second}.AppendTo(nil)), LayerIP,
		`fe80::1 > ff02::1 MLDv1 general query, answer in 10s`},
	{"MLDv2 query", mld("ff05::1:3", wire.MLDQuery{Group: group6, MaxResponse: time.Second, Sources: sources("2001:db8::1")}.AppendTo(nil)), LayerIP,
		`fe80::1 > ff05::1:3 MLDv2 query ff05::1:3 {2001:db8::1}, answer in 1s`},
	{"MLDv1 report", frame(wire.EtherTypeIPv6, mld("ff05::1:3", mldOld(wire.ICMPv6MLDv1Report))), LayerEthernet,
		`fe80::1 > ff05::1:3 MLDv1 report ff05::1:3`},
	{"MLDv1 done", mld("ff02::2", mldOld(wire.ICMPv6MLDv1Done)), LayerIP, `fe80::1 > ff02::2 MLDv1 done ff05::1:3`},
	{"MLDv2 report", mld("ff02::16", wire.AppendMLDv2Report(nil, record(4, "ff05::1:3"), record(5, "ff3e::8000:1", "2001:db8::1"))), LayerIP,
		`fe80::1 > ff02::16 MLDv2 report ff05::1:3 TO_EX {}; ff3e::8000:1 ALLOW {2001:db8::1}`},
	{"cut MLDv1 report", mld("ff05::1:3", mldOld(wire.ICMPv6MLDv1Report)[:20]), LayerIP, `fe80::1 > ff05::1:3 MLDv1 report malformed: 20 B, `},
	{"MLDv2 report without its records", mld("ff02::16", wire.AppendMLDv2Report(nil, record(4, "ff05::1:3"))[:24]), LayerIP,
		`fe80::1 > ff02::16 MLDv2 report malformed: 24 B, `},
	{"MLD query that has no length", mld("ff02::1", append(wire.MLDQuery{Version: 1}.AppendTo(nil), 1)), LayerIP,
		`fe80::1 > ff02::1 MLD query malformed: 25 B, `},
}
