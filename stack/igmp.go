package stack

import (
	"math"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/internal/text"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// Whom IGMP's messages go to besides the groups themselves.
const (
	allRouters4      ipv4 = 224<<24 | 2  // leave messages (RFC 2236, 9)
	reportReceivers4 ipv4 = 224<<24 | 22 // reports of version 3 (RFC 9776, 4.2.14)
)

// routerAlertLen is the length of the option Router Alert (RFC 2113).
const routerAlertLen = 4

// igmp is the way in for an IGMP message to this host. As on Linux neither its TTL nor
// a Router Alert is asked for, and a query may come from any source, 0.0.0.0 included.
func (l *lane) igmp(b *packet.Buffer) {
	l.flush()
	message := b.TransportBytes()
	h, body, err := wire.ParseIGMP(message)
	if err != nil {
		l.drop(b, drop.DatagramMalformed)
		return
	}
	if !h.ChecksumOK(body) {
		l.drop(b, drop.BadChecksum)
		return
	}
	s := &l.iface.groups
	switch h.Type() {
	case wire.IGMPMembershipQuery:
		q, err := wire.ParseIGMPQuery(message)
		if err != nil {
			l.drop(b, drop.DatagramMalformed)
			return
		}
		s.igmpQuery(&q)
	case wire.IGMPv1Report, wire.IGMPv2Report:
		// Of what was not sent to all the routers may not have heard, and what
		// is looped back is our own.
		if b.Flags&(packet.LinkBroadcast|packet.LinkMulticast) != 0 && b.Flags&looped == 0 {
			s.igmpReport(addressOf(h.Group()))
		}
	}
	l.iface.consume(b)
}

// igmpQuery takes note of a query. Without a group the host only remembers which version
// the querier speaks, and that it wants to be told.
func (s *groupSet) igmpQuery(q *wire.IGMPQuery) {
	if s.iface.kind == link.Loopback {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queriersFor(allHosts4.address()).query(q)
}

func (s *groupSet) igmpReport(group address) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.queriers; q != nil && q.reporter != nil {
		q.reporter.heard(group)
	}
}

// igmp is what IGMP has for itself of queries, and igmpReports of reports.
var (
	igmp = groupProtocol{
		ipv4: true, longest: math.MaxInt64, olderPresent: olderPresent4,
		ready: func(n *netif) (ready, settled bool) { return len(n.addresses) > 0, len(n.addresses) > 0 },
	}
	igmpReports = reportForm{
		headers: wire.IPv4HeaderLen + routerAlertLen + wire.IGMPHeaderLen, width: 4,
		report: reportMessage, leave: leaveMessage,
		records: func(records []wire.GroupRecord) outgoing {
			m := wire.AppendIGMPv3Report(nil, records...)
			wire.UpdateIGMPChecksum(m)
			return outgoing{to: reportReceivers4.address(), message: m}
		},
		send: (*Interface).sendReport,
	}
)

// olderPresent4 is for how long an older querier is taken to be there after it was heard
// (RFC 9776, 8.12; RFC 2236, 8.11), with its last known interval.
func olderPresent4(q *queriers, version int) time.Duration {
	if version == generation1 && q.forced == generation2 {
		return version1Present
	}
	return time.Duration(q.robustness)*q.interval + min(queryResponse, q.interval-time.Second)
}

// reportMessage is a report of version 1 or 2.
func reportMessage(group address, version uint8) outgoing {
	t := wire.IGMPv2Report
	if version == generation1 {
		t = wire.IGMPv1Report
	}
	m := make([]byte, wire.IGMPHeaderLen)
	wire.PutIGMP(m, t, group.netip()).UpdateChecksum(nil)
	return outgoing{to: group, message: m}
}

// leaveMessage is version 2's.
func leaveMessage(group address) outgoing {
	m := make([]byte, wire.IGMPHeaderLen)
	wire.PutIGMP(m, wire.IGMPv2Leave, group.netip()).UpdateChecksum(nil)
	return outgoing{to: allRouters4.address(), message: m}
}

// sendReport sends a message of IGMP's by the interface: with a TTL of 1, under
// internetwork control, and with Router Alert (RFC 9776, 4), as Linux does in version 1
// too. It is not looped back.
func (i *Interface) sendReport(m outgoing) {
	s := i.stack
	var p path
	q := query{dst: m.to, device: i.index, ttl: 1, tos: controlTOS, fragment: fragmentNever}
	if s.routeInto(&p, q) != nil {
		return // the interface went away
	}
	const headerLen = wire.IPv4HeaderLen + routerAlertLen
	b := packet.New(headerLen + len(m.message))
	f := b.Append(headerLen + len(m.message))
	h := wire.PutIPv4(f)
	h.SetHeaderLen(headerLen)
	h.SetTOS(controlTOS)
	h.SetTotalLength(uint16(len(f)))
	h.SetDontFragment(true)
	h.SetTTL(1)
	h.SetProtocol(wire.ProtocolIGMP)
	h.SetSource4(p.src.ipv4().bytes())
	h.SetDestination4(m.to.ipv4().bytes())
	options := f[wire.IPv4HeaderLen:headerLen]
	copy(options, wire.IPv4RouterAlertOption)
	h.UpdateChecksum(options)
	copy(f[headerLen:], m.message)
	if p.ethernet {
		e := wire.PutEthernet(b.Prepend(wire.EthernetHeaderLen))
		e.SetDestination(wordMAC(p.link))
		e.SetSource(i.mac())
		e.SetType(wire.EtherTypeIPv4)
	}
	i.generated(b)
	if s.letOut(&p, b) {
		s.sendBy(i, nil, b)
	}
}

// SetIGMPVersion makes the interface speak no newer version of IGMP than 1 or 2. With
// 0 or 3 it speaks version 3, and an older one while a querier of that is there
// (Linux's force_igmp_version).
func (i *Interface) SetIGMPVersion(version int) error {
	if version < 0 || version > 3 {
		return text.Errorf("stack: interface %q cannot speak version %d of IGMP: there are 1, 2 and 3, and 0 is the newest", i.name, version)
	}
	if i.kind == link.Loopback {
		return nil // on which nothing is reported
	}
	i.groups.force(allHosts4.address(), uint8(version))
	return nil
}

// IGMPVersion returns the version of IGMP that the interface speaks now.
func (i *Interface) IGMPVersion() int {
	return i.groups.spoken(&i.groups.queriers)
}
