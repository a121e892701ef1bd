package stack

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/castnet-go/castnet/wire"
)

// describeMLD says what a packet of MLD says, and whether it comes as it has to: behind a
// Router Alert, with a hop limit of 1, from a link-local address. What comes from :: is
// marked, and what is said of solicited nodes, which every host tells of, is left out.
func describeMLD(packet []byte) (to netip.Addr, text string) {
	h, payload, err := wire.ParseIPv6(packet)
	if err != nil || h.NextHeader() != wire.ProtocolIPv6HopByHop {
		return to, ""
	}
	to = h.Destination()
	body, ok := strings.CutPrefix(string(payload), wire.MLDHopByHop)
	src := addressOf16(h.Source16())
	m, rest, err := wire.ParseICMPv6([]byte(body))
	if !ok || err != nil || h.HopLimit() != 1 || src != unspecified6 && !src.isLinkLocal() ||
		!m.ChecksumOK(h.PseudoSum(wire.ProtocolICMPv6, uint32(len(body))), rest) {
		return to, fmt.Sprintf("malformed % x", payload)
	}
	if text = describeMLDMessage(m.Type(), []byte(body)); text != "" && src == unspecified6 {
		text = "from ::, " + text
	}
	return to, text
}

func describeMLDMessage(t wire.ICMPv6Type, body []byte) string {
	if t != wire.ICMPv6MLDv2Report {
		v1, err := wire.ParseMLD(body)
		if err != nil {
			return err.Error()
		}
		if solicited(v1.Group()) {
			return ""
		}
		return map[wire.ICMPv6Type]string{wire.ICMPv6MLDv1Report: "report ", wire.ICMPv6MLDv1Done: "leave "}[v1.Type()] + nameOf(v1.Group())
	}
	rs, err := wire.ParseMLDv2Report(body)
	if err != nil {
		return err.Error()
	}
	var records []string
	for r := range rs.All() {
		if !solicited(r.Group) {
			records = append(records, describeRecord(r))
		}
	}
	return strings.Join(records, "; ")
}

func solicited(a netip.Addr) bool {
	return netip.MustParsePrefix("ff02::1:ff00:0/104").Contains(a)
}

// frame6 is a packet of IPv6 from the peer's station, to the host's or to a group's.
func frame6(src, dst string, hopLimit uint8, next wire.Protocol, payload []byte) []byte {
	to := netip.MustParseAddr(dst)
	f := make([]byte, wire.EthernetHeaderLen+wire.IPv6HeaderLen, wire.EthernetHeaderLen+wire.IPv6HeaderLen+len(payload))
	e := wire.PutEthernet(f)
	e.SetSource(macPeer)
	e.SetDestination(macStack)
	if to.IsMulticast() {
		e.SetDestination(wire.MulticastMAC(to))
	}
	e.SetType(wire.EtherTypeIPv6)
	h := wire.PutIPv6(f[wire.EthernetHeaderLen:])
	h.SetPayloadLength(uint16(len(payload)))
	h.SetNextHeader(next)
	h.SetHopLimit(hopLimit)
	h.SetSource(netip.MustParseAddr(src))
	h.SetDestination(to)
	return append(f, payload...)
}

// mldFrame is a message of MLD as routers send it, with its checksum.
func mldFrame(to string, body []byte) []byte {
	return frame6("fe80::9", to, 1, wire.ProtocolIPv6HopByHop, append([]byte(wire.MLDHopByHop), summed6("fe80::9", to, body)...))
}

// summed6 makes the checksum of an ICMPv6 message, if it is long enough to have one.
func summed6(src, dst string, body []byte) []byte {
	if len(body) >= wire.ICMPv6HeaderLen {
		wire.UpdateICMPv6Checksum(body, netip.MustParseAddr(src).As16(), netip.MustParseAddr(dst).As16())
	}
	return body
}

// mldQuery is a query as a message, whose checksum is the frame's part.
func mldQuery(q wire.MLDQuery) []byte {
	if !q.Group.IsValid() {
		q.Group = netip.IPv6Unspecified()
	}
	return q.AppendTo(nil)
}
