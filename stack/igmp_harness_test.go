package stack

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// A member is a host on a cable whose reports are taken note of, with their times.
type member struct {
	*host
	cable *cable
	start time.Time
	said  []saying
}

// A saying is a message of IGMP or MLD that a host has sent.
type saying struct {
	at   time.Duration // since the test began, or since the last look
	to   string
	text string // the records, separated by "; "
}

func newMember(t *testing.T, c Config, addresses ...string) *member {
	t.Helper()
	l := newCable()
	m := &member{host: newHost(t, c, l, addresses...), cable: l}
	m.listen()
	return m
}

func (m *member) listen() {
	m.start = m.clock.Now()
	m.cable.onSent = func(f []byte) {
		if m.cable.kind == link.Ethernet {
			f = f[wire.EthernetHeaderLen:]
		}
		ip, _, body, err := wire.ParseIPv4(f)
		if err != nil || ip.Protocol() != wire.ProtocolIGMP {
			return
		}
		m.said = append(m.said, saying{m.clock.Now().Sub(m.start), ip.Destination().String(), describeIGMP(body)})
	}
}

// describeIGMP says what a message says.
func describeIGMP(body []byte) string {
	h, rest, err := wire.ParseIGMP(body)
	if err != nil || !h.ChecksumOK(rest) {
		return fmt.Sprintf("malformed % x", body)
	}
	switch h.Type() {
	case wire.IGMPv1Report:
		return "v1 " + h.Group().String()
	case wire.IGMPv2Report:
		return "v2 " + h.Group().String()
	case wire.IGMPv2Leave:
		return "leave " + h.Group().String()
	}
	rs, err := wire.ParseIGMPv3Report(body)
	if err != nil {
		return err.Error()
	}
	var records []string
	for r := range rs.All() {
		var sources []string
		for a := range r.Sources.All() {
			sources = append(sources, strings.TrimPrefix(a.String(), "10.0.0."))
		}
		records = append(records, fmt.Sprintf("%v %v {%s}", r.Type, r.Group, strings.Join(sources, " ")))
	}
	return strings.Join(records, "; ")
}

// take returns what was said within a time from now on, and starts counting again.
func (m *member) take(d time.Duration) []saying {
	m.clock.Advance(d)
	said := m.said
	m.said, m.start = nil, m.clock.Now()
	return said
}

// hears advances by d and checks what is said meanwhile, in this order.
func (m *member) says(t *testing.T, d time.Duration, want ...string) []saying {
	t.Helper()
	said := m.take(d)
	var got []string
	for _, s := range said {
		got = append(got, s.text)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("said\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
	return said
}

// sourceNet is what the sources of a group's family begin with; tests name the rest.
func sourceNet(group netip.Addr) string {
	if group.Is4() {
		return "10.0.0."
	}
	return "2001:db8::"
}

func groupOn(group string, i *Interface, source ...string) socket.Group {
	g := socket.Group{Address: netip.MustParseAddr(group)}
	if i != nil {
		g.Interface = i.index
	}
	if len(source) > 0 {
		g.Source = netip.MustParseAddr(sourceNet(g.Address) + source[0])
	}
	return g
}

// change changes what a socket hears by eth0; a source is the end of its address.
func (m *member) change(t testing.TB, s *Socket, c socket.GroupChange, group string, source ...string) {
	t.Helper()
	if err := s.ChangeGroup(c, groupOn(group, m.eth0, source...)); err != nil {
		t.Fatalf("%v of %s %v: %v", c, group, source, err)
	}
}

// joins opens a socket that has joined groups.
func (m *member) joins(t testing.TB, groups ...string) *Socket {
	t.Helper()
	open := m.open
	if len(groups) > 0 && !groupAddr(groups[0]).Is4() {
		open = m.open6
	}
	s := open(t, "")
	for _, g := range groups {
		m.change(t, s, socket.JoinGroup, g)
	}
	return s
}

// igmpFrame is an IGMP message from the peer, with the group's hardware address.
func igmpFrame(to string, body []byte) []byte {
	return datagram{
		src: "10.0.0.9:0", dst: to + ":0", ttl: 1, to: wire.MulticastMAC(netip.MustParseAddr(to)),
		options: []byte(wire.IPv4RouterAlertOption), protocol: wire.ProtocolIGMP, payload: string(body),
	}.frame()
}

// query is a query of version 3 unless it says otherwise; of all groups unless it names one.
func (m *member) query(q wire.IGMPQuery, sources ...string) {
	if q.Version == 0 {
		q.Version = 3
	}
	to := "224.0.0.1"
	if q.Group.IsValid() {
		to = q.Group.String()
	}
	for _, s := range sources {
		q.Sources = q.Sources.Append(netip.MustParseAddr("10.0.0." + s))
	}
	m.cable.deliver(igmpFrame(to, queryBody(q)))
}

// queryBody is a query as a message with its checksum.
func queryBody(q wire.IGMPQuery) []byte {
	body := q.AppendTo(nil)
	wire.UpdateIGMPChecksum(body)
	return body
}

func groupAddr(s string) netip.Addr { return netip.MustParseAddr(s) }

const (
	g1 = "239.1.2.3"
	g2 = "239.1.2.4"
	g3 = "232.7.7.7"
)
