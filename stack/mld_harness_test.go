package stack

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/wire"
)

// newMember6 is newMember for MLD: what is said of solicited-node groups is left out.
// Without addresses the interface speaks no IPv6 yet.
func newMember6(t *testing.T, c Config, addresses ...string) *member {
	t.Helper()
	if c.DADTransmits == 0 {
		c.DADTransmits = -1
	}
	l := newCable()
	m := &member{host: newHost(t, c, l, addresses...), cable: l}
	m.take(0)
	m.listen6()
	return m
}

func (m *member) listen6() {
	m.start = m.clock.Now()
	m.cable.onSent = func(f []byte) {
		if m.cable.kind == link.Ethernet {
			f = f[wire.EthernetHeaderLen:]
		}
		h, payload, err := wire.ParseIPv6(f)
		if err != nil || h.NextHeader() != wire.ProtocolIPv6HopByHop {
			return
		}
		text := describeMLD(h, payload)
		if text != "" {
			m.said = append(m.said, saying{m.clock.Now().Sub(m.start), h.Destination().String(), text})
		}
	}
}

// describeMLD says what a message says, and whether it comes as it has to: behind a
// Router Alert, with a hop limit of 1, from a link-local address. What comes from :: is
// marked.
func describeMLD(h *wire.IPv6Header, payload []byte) string {
	body, ok := strings.CutPrefix(string(payload), wire.MLDHopByHop)
	src := addressOf16(h.Source16())
	m, rest, err := wire.ParseICMPv6([]byte(body))
	if !ok || err != nil || h.HopLimit() != 1 || src != unspecified6 && !src.isLinkLocal() ||
		!m.ChecksumOK(h.PseudoSum(wire.ProtocolICMPv6, uint32(len(body))), rest) {
		return fmt.Sprintf("malformed % x", payload)
	}
	mark := ""
	if src == unspecified6 {
		mark = "from ::, "
	}
	if m.Type() != wire.ICMPv6MLDv2Report {
		v1, err := wire.ParseMLD([]byte(body))
		if err != nil {
			return err.Error()
		}
		if solicited(v1.Group()) {
			return ""
		}
		return mark + map[wire.ICMPv6Type]string{wire.ICMPv6MLDv1Report: "v1 ", wire.ICMPv6MLDv1Done: "done "}[v1.Type()] + v1.Group().String()
	}
	rs, err := wire.ParseMLDv2Report([]byte(body))
	if err != nil {
		return err.Error()
	}
	var records []string
	for r := range rs.All() {
		if solicited(r.Group) {
			continue
		}
		var sources []string
		for a := range r.Sources.All() {
			sources = append(sources, strings.TrimPrefix(a.String(), "2001:db8::"))
		}
		records = append(records, fmt.Sprintf("%v %v {%s}", r.Type, r.Group, strings.Join(sources, " ")))
	}
	if len(records) == 0 {
		return ""
	}
	return mark + strings.Join(records, "; ")
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

// query6 is query for MLD: of version 2 unless it says otherwise.
func (m *member) query6(q wire.MLDQuery, sources ...string) {
	if q.Version == 0 {
		q.Version = 2
	}
	to := "ff02::1"
	if q.Group.IsValid() {
		to = q.Group.String()
	} else {
		q.Group = netip.IPv6Unspecified()
	}
	for _, s := range sources {
		q.Sources = q.Sources.Append(netip.MustParseAddr("2001:db8::" + s))
	}
	m.cable.deliver(mldFrame(to, q.AppendTo(nil)))
}

const (
	h1 = "ff15::1"
	h2 = "ff15::2"
	h3 = "ff35::7"
)
