package lab

import (
	"net/netip"
	"time"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// querier is the querier in a switch for one family: what Linux's bridge has as
// mcast_querier. It asks while nobody else does whose address is better.
type querier struct {
	n       *snooper
	f       *snoopFamily
	version int
	address netip.Addr
	mac     wire.MAC
	startup int // first queries that are left to be sent
	timer   clock.Timer
}

// start makes the queriers. They begin at once.
func (n *snooper) start(cfg *QuerierConfig) {
	s := n.sw
	if s.mac.IsZero() {
		s.mac = s.lab.mac(s.name, "querier")
	}
	address6 := cfg.Address6
	if !address6.IsValid() {
		address6 = linkLocal(s.mac)
	}
	for i, q := range [...]*querier{
		{version: cfg.IGMP, address: cfg.Address}, {version: cfg.MLD, address: address6},
	} {
		if q.version < 0 {
			continue
		}
		q.n, q.f, q.mac, q.startup = n, &n.families[i], s.mac, n.cfg.Robustness
		q.f.own = q
		q.f.settled = s.lab.queue.now() + int64(n.cfg.QueryResponse)
		q.timer = s.lab.queue.AfterFunc(0, q.fire)
	}
}

// linkLocal returns the link-local address that an interface makes of its hardware
// address (RFC 4291, appendix A).
func linkLocal(m wire.MAC) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 8: m[0] ^ 2, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe, 13: m[3], 14: m[4], 15: m[5]})
}

// stop ends the snooper, whose timers do nothing from now on.
func (n *snooper) stop() {
	n.stopped = true
	for i := range n.families {
		if q := n.families[i].own; q != nil {
			q.timer.Stop()
		}
	}
}

// asks reports whether the switch is the querier of a family.
func (f *snoopFamily) asks(now int64) bool { return f.own != nil && f.other.until <= now }

// fire is called when it is time for a general query.
func (q *querier) fire() {
	l := q.n.sw.lab
	l.lock()
	defer l.unlock()
	if q.n.stopped || l.closed {
		return
	}
	now := l.queue.now()
	if !q.f.asks(now) {
		// Somebody else is the querier, and is looked for again when it should
		// have been heard.
		q.startup = 0
		q.timer = l.queue.AfterFunc(time.Duration(q.f.other.until-now), q.fire)
		return
	}
	q.send(nil, q.query())
	next := q.n.cfg.QueryInterval
	if q.startup > 0 {
		q.startup--
	}
	if q.startup > 0 {
		next = q.n.cfg.Querier.StartupInterval
	}
	q.timer = l.queue.AfterFunc(next, q.fire)
}

// plugged asks who is on a port that has come up (RFC 4541, 2.1.1, 4).
func (n *snooper) plugged(p *port) {
	for i := range n.families {
		if f := &n.families[i]; f.asks(n.sw.lab.queue.now()) {
			f.own.send(p, f.own.query())
		}
	}
}

// ask is called for what a member has taken back: it ends unless somebody on the port
// wants it still. If another is the querier, it asks, and its query is heard; if
// nobody is, nobody can object (as with Linux's bridge).
func (n *snooper) ask(f *snoopFamily, m *member, group netip.Addr, asked []netip.Addr, whole bool, now int64) {
	switch {
	case n.cfg.FastLeave:
		m.lower(asked, whole, now)
		return
	case f.other.until > now:
		return
	}
	m.lower(asked, whole, now+int64(n.cfg.Robustness)*int64(n.cfg.LastMemberInterval))
	if q := f.own; q != nil {
		q.askAbout(m.port, group, asked, whole, n.cfg.Robustness)
	}
}

// maxAsking is how many repetitions of queries are scheduled at once. What is beyond
// it is asked once.
const maxAsking = 1024

// askAbout sends a port group-specific queries, and those for sources where the version
// has them, count times (RFC 9776, 6.6.3).
func (q *querier) askAbout(p *port, group netip.Addr, asked []netip.Addr, whole bool, count int) {
	n := q.n
	now := n.sw.lab.queue.now()
	m := n.member(q.f, p, group, true, now)
	if m == nil {
		return // it is gone already, or its port is
	}
	late := now + int64(count)*int64(n.cfg.LastMemberInterval)
	if whole {
		s := q.query()
		s.group, s.response = group, n.cfg.LastMemberInterval
		s.suppress = m.exclude && m.until > late // somebody has answered
		q.send(p, s)
	}
	if len(asked) > 0 && q.version == q.f.newest {
		s := q.query()
		s.group, s.response = group, n.cfg.LastMemberInterval
		for _, a := range asked {
			// Of those for which somebody has answered nothing more is asked.
			if until := m.wanted(a); until > 0 && until <= late {
				s.sources = s.sources.Append(a)
			}
		}
		if s.sources.Count() > 0 {
			q.send(p, s)
		}
	}
	if count--; count == 0 || n.asking >= maxAsking {
		return
	}
	n.asking++
	n.sw.lab.queue.AfterFunc(n.cfg.LastMemberInterval, func() {
		l := n.sw.lab
		l.lock()
		defer l.unlock()
		n.asking--
		if !n.stopped && !l.closed && q.f.asks(l.queue.now()) {
			q.askAbout(p, group, asked, whole, count)
		}
	})
}

// query returns a general query.
func (q *querier) query() heardQuery {
	cfg := &q.n.cfg
	return heardQuery{version: q.version, robustness: cfg.Robustness, interval: cfg.QueryInterval, response: cfg.QueryResponse}
}

// send sends a query to a port, or if that is nil to all.
func (q *querier) send(to *port, query heardQuery) {
	s := q.n.sw
	ports := s.ports
	if to != nil {
		ports = []*port{to}
	}
	if len(ports) == 0 {
		return
	}
	b := q.frame(&query)
	s.made++
	if s.lab.tracer != nil {
		where := "to every port"
		if to != nil {
			where = "to " + to.nic.describe()
		}
		s.trace(trace.Generate, drop.None, b, where)
	}
	s.send(nil, ports, b)
}

// The source and lengths of a query's packet.
const (
	controlTOS    = 0xc0 // internetwork control
	alertLen      = len(wire.IPv4RouterAlertOption)
	queryHeader4  = wire.IPv4HeaderLen + alertLen
	queryHeader6  = wire.IPv6HeaderLen + len(wire.MLDHopByHop)
	queryHopLimit = 1
)

// frame makes the frame of a query (RFC 9776, 4; RFC 9777, 5).
func (q *querier) frame(query *heardQuery) *packet.Buffer {
	group, to := query.group, query.group
	var message []byte
	header := queryHeader4
	if q.f.index == 0 {
		if !group.IsValid() {
			to = allHosts4
		}
		message = wire.IGMPQuery{
			Version: q.version, Group: group, MaxResponse: query.response, SuppressRouter: query.suppress,
			Robustness: uint8(query.robustness), Interval: query.interval, Sources: query.sources,
		}.AppendTo(nil)
		wire.UpdateIGMPChecksum(message)
	} else {
		header = queryHeader6
		if !group.IsValid() {
			to = allNodes6
		}
		message = wire.MLDQuery{
			Version: q.version, Group: group, MaxResponse: query.response, SuppressRouter: query.suppress,
			Robustness: uint8(query.robustness), Interval: query.interval, Sources: query.sources,
		}.AppendTo(nil)
		wire.UpdateICMPv6Checksum(message, q.address.As16(), to.As16())
	}
	size := wire.EthernetHeaderLen + header + len(message)
	b := packet.New(size)
	data := b.Append(size)
	e := wire.PutEthernet(data)
	e.SetDestination(wire.MulticastMAC(to))
	e.SetSource(q.mac)
	data = data[wire.EthernetHeaderLen:]
	if q.f.index == 0 {
		e.SetType(wire.EtherTypeIPv4)
		h := wire.PutIPv4(data)
		h.SetHeaderLen(queryHeader4)
		h.SetTOS(controlTOS)
		h.SetTotalLength(uint16(len(data)))
		h.SetDontFragment(true)
		h.SetTTL(queryHopLimit)
		h.SetProtocol(wire.ProtocolIGMP)
		h.SetSource(q.address)
		h.SetDestination(to)
		options := data[wire.IPv4HeaderLen:queryHeader4]
		copy(options, wire.IPv4RouterAlertOption)
		h.UpdateChecksum(options)
	} else {
		e.SetType(wire.EtherTypeIPv6)
		h := wire.PutIPv6(data)
		h.SetPayloadLength(uint16(len(data) - wire.IPv6HeaderLen))
		h.SetNextHeader(wire.ProtocolIPv6HopByHop)
		h.SetHopLimit(queryHopLimit)
		h.SetSource(q.address)
		h.SetDestination(to)
		copy(data[wire.IPv6HeaderLen:], wire.MLDHopByHop)
	}
	copy(data[header:], message)
	return b
}
