package lab

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// snooper is what a switch that snoops knows, and how it goes by it. Nothing in it
// has a timer but the querier: what is too old is found to be so when it is looked
// at.
type snooper struct {
	sw       *Switch
	cfg      SnoopingConfig
	families [2]snoopFamily
	out      []*port // room for the ports of one frame
	asking   int     // repeated queries that are scheduled
	stopped  bool
}

// snoopFamily is what is known of groups of IPv4, or of IPv6.
type snoopFamily struct {
	index   int // among the families, and in port.router
	newest  int // the newest version of IGMP or MLD
	groups  map[netip.Addr]*snoopGroup
	members int   // in all groups
	swept   int64 // when room was looked for last
	full    int64 // until when a member may be there of which there was no room to know
	other   otherQuerier
	own     *querier // nil: the switch has none
	settled int64    // when the first query of a querier has been answered
}

// snoopGroup is a group that somebody has joined.
type snoopGroup struct {
	members []member // in the order of their ports
}

// otherQuerier is the best querier that is heard, and what it says of itself.
type otherQuerier struct {
	address                     netip.Addr
	port                        *port // nil: it was detached
	version                     int
	until                       int64
	robustness                  int
	interval, response, present time.Duration
}

func newSnooper(s *Switch, cfg SnoopingConfig) *snooper {
	n := &snooper{sw: s, cfg: cfg}
	for i, newest := range [...]int{3, 2} {
		n.families[i] = snoopFamily{index: i, newest: newest, groups: make(map[netip.Addr]*snoopGroup)}
	}
	if q := cfg.Querier; q != nil {
		n.start(q)
	}
	return n
}

// forward takes over a frame to many, if it is one that snooping is about; if it is
// not, it returns false, and the frame is flooded.
func (n *snooper) forward(p *port, b *packet.Buffer, now int64) bool {
	frame := b.Bytes()
	switch wire.EtherType(binary.BigEndian.Uint16(frame[12:])) {
	case wire.EtherTypeIPv4:
		return n.ipv4(p, b, frame[wire.EthernetHeaderLen:], now)
	case wire.EtherTypeIPv6:
		return n.ipv6(p, b, frame[wire.EthernetHeaderLen:], now)
	}
	return false // RFC 4541, 2.1.2, 4: as any bridge does
}

// refuse drops a frame by which nothing can be gone (RFC 4541, 2.1.1, 5, and 2.1.2, 6).
func (n *snooper) refuse(b *packet.Buffer, r drop.Reason) bool {
	n.sw.drop(b, r)
	return true
}

// known reports whether a group can have members that say so.
func (f *snoopFamily) known(group netip.Addr) bool {
	if f.index == 0 {
		return group.IsMulticast() && !isLocal4(group)
	}
	return group.IsMulticast() && group != allNodes6 && scopeOf(group) >= linkScope
}

// membership returns how long a member is remembered that is not heard, and presence
// how long a querier is (RFC 9776, 8.4 and 8.5), with the values of the querier that
// there is.
func (f *snoopFamily) membership(n *snooper, now int64) time.Duration {
	robustness, interval, response := f.timing(n, now)
	return time.Duration(robustness)*interval + response
}

func (f *snoopFamily) presence(n *snooper, now int64) time.Duration {
	robustness, interval, response := f.timing(n, now)
	return time.Duration(robustness)*interval + response/2
}

func (f *snoopFamily) timing(n *snooper, now int64) (robustness int, interval, response time.Duration) {
	if o := &f.other; o.until > now && o.robustness > 0 {
		return o.robustness, o.interval, o.response
	}
	return n.cfg.Robustness, n.cfg.QueryInterval, n.cfg.QueryResponse
}

// member returns the member of a group on a port. If there is none it makes one,
// unless look only is asked for or there is no room; then it returns nil.
func (n *snooper) member(f *snoopFamily, p *port, group netip.Addr, look bool, now int64) *member {
	g := f.groups[group]
	at := 0
	if g != nil {
		var found bool
		at, found = slices.BinarySearchFunc(g.members, p.number, func(m member, number uint64) int {
			return cmp.Compare(m.port.number, number)
		})
		if found {
			return &g.members[at]
		}
	}
	if look {
		return nil
	}
	if f.members >= n.cfg.MaxMembers && !n.sweep(f, now) {
		// It may be a member of which nothing is known: until it reports
		// again, everything is for everybody.
		f.full = now + int64(f.membership(n, now))
		return nil
	}
	if g = f.groups[group]; g == nil {
		g, at = new(snoopGroup), 0
		f.groups[group] = g
	}
	at = min(at, len(g.members))
	for at > 0 && g.members[at-1].port.number > p.number {
		at-- // the sweep has taken some away
	}
	g.members = slices.Insert(g.members, at, member{port: p})
	f.members++
	return &g.members[at]
}

// sweep forgets members that are too old, and reports whether there is room. A flood
// of made-up groups does not make it search the table all the time.
func (n *snooper) sweep(f *snoopFamily, now int64) bool {
	if now-f.swept < sweepEvery && f.swept != 0 {
		return false
	}
	f.swept = now
	for group, g := range f.groups {
		n.forget(f, group, g, func(m *member) bool { return !m.alive(now) })
	}
	return f.members < n.cfg.MaxMembers
}

// forget takes members out of a group, and the group out of the table if none is
// left.
func (n *snooper) forget(f *snoopFamily, group netip.Addr, g *snoopGroup, which func(*member) bool) {
	before := len(g.members)
	g.members = slices.DeleteFunc(g.members, func(m member) bool { return which(&m) })
	f.members -= before - len(g.members)
	if len(g.members) == 0 {
		delete(f.groups, group)
	}
}

// join takes note of a report of an old version.
func (n *snooper) join(f *snoopFamily, p *port, group netip.Addr, version int, now int64) {
	if !f.known(group) {
		return
	}
	m := n.member(f, p, group, false, now)
	if m == nil {
		return
	}
	m.settle(now)
	interval := int64(f.membership(n, now))
	m.older[version-1] = now + interval
	m.apply(wire.ModeIsExclude, nil, now, interval)
}

// leave takes note of a leave message, which hosts of version 1 do not send and which
// while one is there says nothing about it (RFC 9776, 7.3.2).
func (n *snooper) leave(f *snoopFamily, p *port, group netip.Addr, now int64) {
	n.record(f, p, wire.ChangeToInclude, group, nil, now)
}

// report takes note of a report of the newest version.
func (n *snooper) report(f *snoopFamily, p *port, records wire.GroupRecords, now int64) {
	for r := range records.All() {
		if r.Type < wire.ModeIsInclude || r.Type > wire.BlockOldSources {
			continue
		}
		n.record(f, p, r.Type, r.Group, sortedSources(r.Sources), now)
	}
}

// record takes note of what is said of one group.
func (n *snooper) record(f *snoopFamily, p *port, t wire.RecordType, group netip.Addr, list []netip.Addr, now int64) {
	if !f.known(group) {
		return
	}
	// What takes something away, or adds nothing, makes no member.
	look := t == wire.BlockOldSources || t != wire.ModeIsExclude && t != wire.ChangeToExclude && len(list) == 0
	m := n.member(f, p, group, look, now)
	if m == nil {
		return
	}
	m.settle(now)
	if v := m.version(f, now); v < f.newest {
		// RFC 9776, 7.3.2, and RFC 9777, 8.3.2.
		switch {
		case t == wire.BlockOldSources, t == wire.ChangeToInclude && v == 1 && f.newest == 3:
			return
		case t == wire.ChangeToExclude:
			list = nil
		}
	}
	asked, whole := m.apply(t, list, now, int64(f.membership(n, now)))
	if len(asked) > 0 || whole {
		n.ask(f, m, group, asked, whole, now)
	}
	if !m.settle(now) {
		n.forget(f, group, f.groups[group], func(o *member) bool { return o.port == p })
	}
}

// heardQuery is a query of any version.
type heardQuery struct {
	version            int
	group              netip.Addr
	general            bool
	response, interval time.Duration
	robustness         int // 0: it does not say
	suppress           bool
	sources            wire.AddrList
}

// query takes note of a query: where there is a router, who is the querier, and which
// members have to answer soon.
func (n *snooper) query(f *snoopFamily, p *port, src netip.Addr, q heardQuery, now int64) {
	// One from 0.0.0.0 is of a switch without an address and not of a router, and
	// takes no part in the election (RFC 4541, 2.1.1, 1 and 4).
	if !src.IsUnspecified() {
		n.elect(f, p, src, q, now)
		p.hearRouter(f, now+int64(f.presence(n, now)))
	}
	g := f.groups[q.group]
	if q.general || g == nil || q.suppress && q.version == f.newest {
		return
	}
	robustness, _, _ := f.timing(n, now)
	until := now + int64(robustness)*int64(q.response)
	asked := sortedSources(q.sources)
	for i := range g.members {
		m := &g.members[i]
		m.settle(now)
		m.lower(asked, len(asked) == 0, until)
	}
}

// elect takes note of a querier, if it is the one with the lowest address (RFC 9776,
// 6.6.2).
func (n *snooper) elect(f *snoopFamily, p *port, src netip.Addr, q heardQuery, now int64) {
	if f.own != nil && !f.own.address.IsUnspecified() && f.own.address.Less(src) {
		return // the switch itself is
	}
	o := &f.other
	if o.until > now && o.address.Less(src) {
		return
	}
	if o.until <= now && f.own == nil {
		f.settled = now + int64(q.response)
	}
	if o.until <= now || o.address != src {
		*o = otherQuerier{address: src}
	}
	o.port, o.version = p, q.version
	if q.general && q.version == f.newest {
		// What it says of itself replaces what is configured here, and zero
		// the default (RFC 9776, 4.1.6, 4.1.7).
		o.robustness, o.interval, o.response = q.robustness, q.interval, q.response
		if o.robustness == 0 {
			o.robustness = defaultRobustness
		}
		if o.interval == 0 {
			o.interval = defaultQueryInterval
		}
	}
	o.until = now + 1 // so that its own values count
	o.until = now + int64(f.presence(n, now))
}

// floods reports whether nobody asks who is there, or nobody has had the time to
// answer, and the switch is one that floods then.
func (n *snooper) floods(f *snoopFamily, now int64) bool {
	return n.cfg.FloodWithoutQuerier && (f.own == nil && f.other.until <= now || now < f.settled)
}

// data sends a packet for a group to its members and to routers.
func (n *snooper) data(f *snoopFamily, p *port, b *packet.Buffer, src, dst netip.Addr, now int64) bool {
	if f.full > now || n.floods(f, now) {
		return false
	}
	out, registered := n.out[:0], false
	if g := f.groups[dst]; g != nil {
		for i := range g.members {
			m := &g.members[i]
			if !m.alive(now) {
				continue
			}
			registered = true
			if m.wants(src, now) {
				out = append(out, m.port)
			}
		}
	}
	// RFC 4541, 2.1.2, 3.
	if !registered && (!n.cfg.RoutersOnly || f.index == 1 && scopeOf(dst) == linkScope) {
		return false
	}
	members := len(out)
	for _, r := range n.sw.routers {
		if !r.isRouter(f, now) {
			continue
		}
		if _, found := slices.BinarySearchFunc(out[:members], r.number, (*port).compare); !found {
			out = append(out, r)
		}
	}
	n.send(p, b, out, func(q *port) string {
		switch g := f.groups[dst]; {
		case !registered:
			return "nobody has joined " + dst.String() + ", and no router is there"
		case g != nil && slices.ContainsFunc(g.members, func(m member) bool { return m.port == q && m.alive(now) }):
			return "nobody there wants " + src.String() + " of " + dst.String()
		}
		return "nobody there has joined " + dst.String()
	})
	return true
}

// toRouters sends a report to routers alone (RFC 4541, 2.1.1, 1): hosts that heard it
// would keep their own back. If there are none, the switch was its only reader.
func (n *snooper) toRouters(f *snoopFamily, p *port, b *packet.Buffer, now int64) {
	if n.floods(f, now) {
		n.sw.flood(p, b)
		return
	}
	out := n.out[:0]
	for _, r := range n.sw.routers {
		if r != p && r.isRouter(f, now) {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		n.withhold(p, b, nil, notARouter)
		n.sw.consumed++
		n.sw.trace(trace.Consume, drop.None, b, "snooped; no router is there to be told")
		b.Release()
		return
	}
	n.send(p, b, out, notARouter)
}

func notARouter(*port) string { return "no router there" }

// send sends a frame to some of the ports, and keeps it from the others.
func (n *snooper) send(from *port, b *packet.Buffer, out []*port, why func(*port) string) {
	s := n.sw
	out = slices.DeleteFunc(out, func(p *port) bool { return p == from })
	n.withhold(from, b, out, why)
	if s.lab.tracer != nil && len(out) > 0 {
		text := "to"
		for i, p := range out {
			if i == maxNamed {
				text += " …"
				break
			}
			if i > 0 {
				text += ","
			}
			text += " " + p.nic.describe()
		}
		s.trace(trace.Carry, drop.None, b, text)
	}
	if len(out) == 0 {
		s.drop(b, drop.NotAMember)
	} else {
		s.send(from, out, b)
	}
	clear(out)
	n.out = out[:0]
}

// maxNamed is how many ports are named on a line of a trace.
const maxNamed = 8

// withhold counts a frame as kept from all ports but those.
func (n *snooper) withhold(from *port, b *packet.Buffer, out []*port, why func(*port) string) {
	s := n.sw
	s.restricted++
	from.unrestricted++
	for _, p := range out {
		p.unrestricted++
	}
	if s.lab.tracer == nil {
		return
	}
	for _, p := range s.ports {
		if p != from && !slices.Contains(out, p) {
			s.lab.traceFrame(trace.Event{Node: s.name, Interface: "> " + p.nic.describe(), Step: trace.Withhold, Detail: why(p)}, b)
		}
	}
}

// compare is for binary searches: a switch's lists of ports are in the order of
// attaching.
func (p *port) compare(number uint64) int { return cmp.Compare(p.number, number) }

// hearRouter takes note of a router on the port, until then.
func (p *port) hearRouter(f *snoopFamily, until int64) {
	p.router[f.index] = max(p.router[f.index], until)
	p.list()
}

// list puts the port among those of routers.
func (p *port) list() {
	s := p.sw
	at, found := slices.BinarySearchFunc(s.routers, p.number, (*port).compare)
	if !found {
		s.routers = slices.Insert(s.routers, at, p)
	}
}

// isRouter reports whether there is a router on the port. Routers hear all groups:
// before IGMPv3, reports are sent to the groups themselves.
func (p *port) isRouter(f *snoopFamily, now int64) bool { return p.static || p.router[f.index] > now }

// forgetRouter forgets a router that was heard on the port.
func (p *port) forgetRouter() {
	p.router = [2]int64{}
	if !p.static {
		p.sw.routers = slices.DeleteFunc(p.sw.routers, func(o *port) bool { return o == p })
	}
}

// unplug forgets what was heard on a port whose link is gone.
func (n *snooper) unplug(p *port) {
	p.forgetRouter()
	for i := range n.families {
		f := &n.families[i]
		for group, g := range f.groups {
			n.forget(f, group, g, func(m *member) bool { return m.port == p })
		}
		if f.other.port == p {
			f.other.port = nil
		}
	}
}
