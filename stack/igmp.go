package stack

import (
	"slices"

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

// igmpQuery tells the reporter of a query. Without a group the host only remembers
// which version the querier speaks.
func (s *groupSet) igmpQuery(q *wire.IGMPQuery) {
	if s.iface.kind == link.Loopback {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reporting().query(q)
}

func (s *groupSet) igmpReport(group address) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reporter != nil {
		s.reporter.heard(group)
	}
}

// reportMessage is a report of version 1 or 2.
func reportMessage(group ipv4, version uint8) outgoing {
	t := wire.IGMPv2Report
	if version == generation1 {
		t = wire.IGMPv1Report
	}
	m := make([]byte, wire.IGMPHeaderLen)
	wire.PutIGMP(m, t, group.netip()).UpdateChecksum(nil)
	return outgoing{to: group, message: m}
}

// leaveMessage is version 2's.
func leaveMessage(group ipv4) outgoing {
	m := make([]byte, wire.IGMPHeaderLen)
	wire.PutIGMP(m, wire.IGMPv2Leave, group.netip()).UpdateChecksum(nil)
	return outgoing{to: allRouters4, message: m}
}

// reportWriter puts group records into as few reports of version 3 as they fit in.
type reportWriter struct {
	room     int // in a report, for records
	used     int
	records  []wire.GroupRecord
	finished []outgoing
}

func (r *reporter) writer() *reportWriter {
	return &reportWriter{room: r.set.iface.MTU() - wire.IPv4HeaderLen - routerAlertLen - wire.IGMPHeaderLen}
}

// recordHeaderLen is the length of a record without sources.
const recordHeaderLen = 8

// add adds a record. A list that is too long for one report is cut into several, each
// with a report of its own, but that of an EXCLUDE record, whose rest is left out
// (RFC 9776, 4.2.16).
func (w *reportWriter) add(t wire.RecordType, group address, list []address) {
	most := (w.room - recordHeaderLen) / 4
	for {
		n := min(len(list), most)
		r := wire.GroupRecord{Type: t, Group: group.netip(), Sources: wire.NewAddrList(netips(list[:n])...)}
		if w.used+r.Len() > w.room {
			w.flush()
		}
		w.records = append(w.records, r)
		w.used += r.Len()
		if list = list[n:]; len(list) == 0 || t == wire.ModeIsExclude || t == wire.ChangeToExclude {
			return
		}
	}
}

func (w *reportWriter) flush() {
	if len(w.records) == 0 {
		return
	}
	m := wire.AppendIGMPv3Report(nil, w.records...)
	wire.UpdateIGMPChecksum(m)
	w.finished = append(w.finished, outgoing{to: reportReceivers4, message: m})
	w.records, w.used = nil, 0
}

// done returns the reports.
func (w *reportWriter) done() []outgoing {
	w.flush()
	return w.finished
}

// state adds what is heard of a group.
func (w *reportWriter) state(g *group) {
	if g.v.exclude() {
		w.add(wire.ModeIsExclude, g.key, g.v.excluded)
	} else if list := g.v.included(); len(list) > 0 {
		w.add(wire.ModeIsInclude, g.key, list)
	}
}

// answer adds what was asked about a group (RFC 9776, 5.2): all of it, or which of the
// sources in question are heard.
func (w *reportWriter) answer(g *group) {
	asked := g.v.report.queried
	if asked == nil {
		w.state(g)
		return
	}
	var list []address
	for _, a := range asked {
		if g.v.wants(a) {
			list = append(list, a)
		}
	}
	if len(list) > 0 {
		w.add(wire.ModeIsInclude, g.key, list)
	}
}

// wants reports whether a source is in what routers are to forward.
func (u *groupState) wants(a address) bool {
	if u.exclude() {
		_, listed := slices.BinarySearchFunc(u.excluded, a, address.compare)
		return !listed
	}
	return u.counts[a].include > 0
}

// change adds how a group has changed (RFC 9776, 5.1), and counts that down: the
// filter's mode as long as that has changed, and else the sources that have.
func (w *reportWriter) change(g *group) {
	s := &g.v.report
	if s.mode > 0 {
		s.mode--
		if g.v.exclude() {
			w.add(wire.ChangeToExclude, g.key, g.v.excluded)
		} else {
			w.add(wire.ChangeToInclude, g.key, g.v.included())
		}
		s.countDown()
		return
	}
	var allow, block []address
	for a := range s.sources {
		if g.v.wants(a) {
			allow = append(allow, a)
		} else {
			block = append(block, a)
		}
	}
	sortAddresses(allow)
	sortAddresses(block)
	if len(allow) > 0 {
		w.add(wire.AllowNewSources, g.key, allow)
	}
	if len(block) > 0 {
		w.add(wire.BlockOldSources, g.key, block)
	}
	s.countDown()
}

// countDown takes note that the changes of sources were told once.
func (s *reportState) countDown() {
	for a, n := range s.sources {
		if n <= 1 {
			delete(s.sources, a)
		} else {
			s.sources[a] = n - 1
		}
	}
	if len(s.sources) == 0 {
		s.sources = nil
	}
}

// sendReport sends a message of IGMP's by the interface: with a TTL of 1, under
// internetwork control, and with Router Alert (RFC 9776, 4), as Linux does in version 1
// too. It is not looped back.
func (i *Interface) sendReport(m outgoing) {
	s := i.stack
	var p path
	q := query{dst: m.to.address(), device: i.index, ttl: 1, tos: controlTOS, fragment: fragmentNever}
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
	h.SetDestination4(m.to.bytes())
	options := f[wire.IPv4HeaderLen:headerLen]
	copy(options, wire.IPv4RouterAlertOption)
	h.UpdateChecksum(options)
	copy(f[headerLen:], m.message)
	if p.ethernet {
		e := wire.PutEthernet(b.Prepend(wire.EthernetHeaderLen))
		e.SetDestination(wordMAC(p.link))
		e.SetSource(i.mac)
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
	s := &i.groups
	if i.kind == link.Loopback {
		return nil // on which nothing is reported
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.reporting()
	r.forced = uint8(version)
	r.speak(r.now())
	r.arm()
	return nil
}

// IGMPVersion returns the version of IGMP that the interface speaks now.
func (i *Interface) IGMPVersion() int {
	s := &i.groups
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reporter == nil {
		return generation3
	}
	s.reporter.speak(s.reporter.now())
	return int(s.reporter.current)
}
