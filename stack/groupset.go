package stack

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/wire"
)

// groupSet is what an interface hears of groups: the union of what sockets have joined
// there (RFC 9776, 3.2), and for IPv6 the stack itself. Of 224.0.0.1 it hears everybody
// always, and so does not count it unless somebody joins it.
//
// A change costs what the socket's own filter costs, however many sockets there are: the
// list of an EXCLUDE union is a part of every list it is made of, so each of them
// tells where to look, and that of an INCLUDE union is written out for reports only.
type groupSet struct {
	iface *Interface

	mu          sync.RWMutex // held to change it; and to look at sources
	table       addressTable[groupState]
	first, last *group // in the order of joining

	card      card
	queriers  *queriers // of IGMP; nil until the first query or group
	queriers6 *queriers // of MLD, likewise
}

// A group is one that an interface hears, or has left without having said so yet.
type group = entry[groupState]

type groupState struct {
	open      atomic.Bool // every source is heard
	users     int         // memberships
	excluders int         // of those, in EXCLUDE mode
	unlisted  int         // of those, without a list
	lists     *sources    // the others
	excluded  []address   // who is not heard, sorted; while there are excluders
	counts    map[address]sourceCount

	prev, next *entry[groupState] // among the interface's; by its name Go 1.25 does not find the type
	report     reportState
}

// sourceCount says how many memberships list a source.
type sourceCount struct{ include, exclude int32 }

// allHosts4 is the group in which every host is a member always.
const allHosts4 ipv4 = 224<<24 | 1

func (g *groupState) exclude() bool { return g.excluders > 0 }

// hash is what the interface's tables go by.
func (s *groupSet) hash(a address) uint64 {
	return s.iface.stack.ports.mix(a.lo^a.hi<<1, a.hi^a.lo>>32)
}

// hears says whether what a source sends to a group is for this host, and why not
// (Linux's ip_check_mc_rcu).
func (s *groupSet) hears(dst, src address) drop.Reason {
	if dst == allHosts4.address() {
		return drop.None
	}
	g := s.table.find(s.hash(dst), dst)
	if g == nil {
		return drop.NotAMember
	}
	if g.v.open.Load() {
		return drop.None
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	switch c := g.v.counts[src]; {
	case g.v.users == 0:
		return drop.NotAMember
	case g.v.exclude():
		if c.include == 0 && int(c.exclude) == g.v.excluders {
			return drop.SourceFiltered
		}
	case c.include == 0:
		return drop.SourceFiltered
	}
	return drop.None
}

// member reports whether anybody here has joined the group, from whichever source.
func (s *groupSet) member(dst address) bool {
	if dst == allHosts4.address() {
		return true
	}
	g := s.table.find(s.hash(dst), dst)
	if g == nil || g.v.open.Load() {
		return g != nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return g.v.users > 0
}

// change replaces one membership's filter in the union; nil is none, before joining or
// after leaving. Who calls it calls program then, with no lock held.
func (s *groupSet) change(key address, from, to *sources) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var r *reporter
	if s.reportable(key) {
		r = s.reporting(key)
	}
	g := s.table.find(s.hash(key), key)
	if g == nil {
		g = &group{key: key}
		g.v.report.change.due, g.v.report.respond.due = g, g
		s.table.insert(g, s.hash)
		g.v.prev = s.last
		if s.last != nil {
			s.last.v.next = g
		} else {
			s.first = g
		}
		s.last = g
	}
	u := &g.v
	users, excluded, before := u.users, u.exclude(), u.excluded
	var affected []address
	var heard []bool // before
	note := func(f *sources) {
		if f != nil && !excluded {
			for _, a := range f.list {
				affected = append(affected, a)
				heard = append(heard, u.counts[a].include > 0)
			}
		}
	}
	note(from)
	note(to)
	u.count(from, -1)
	u.count(to, 1)
	u.excluded = u.merged()
	u.open.Store(u.exclude() && len(u.excluded) == 0)
	if users == 0 && u.users > 0 {
		s.card.add(s, macOfGroup(key))
	} else if users > 0 && u.users == 0 {
		s.card.remove(s, macOfGroup(key))
	}

	// What of it routers are to be told.
	var changed []address
	switch {
	case excluded != u.exclude():
	case excluded:
		changed = difference(difference(nil, before, u.excluded), u.excluded, before)
	default:
		for k, a := range affected {
			if heard[k] != (u.counts[a].include > 0) && !slices.Contains(changed, a) {
				changed = append(changed, a)
			}
		}
	}
	if r != nil && (excluded != u.exclude() || len(changed) > 0 || (users == 0) != (u.users == 0)) {
		r.changed(g, users, excluded != u.exclude(), changed)
	}
	s.bury(g)
}

// bury forgets a group that nobody has joined and of which nothing is to be told.
func (s *groupSet) bury(g *group) {
	if g.v.users > 0 || g.v.report.pending() {
		return
	}
	if g.v.prev != nil {
		g.v.prev.v.next = g.v.next
	} else {
		s.first = g.v.next
	}
	if g.v.next != nil {
		g.v.next.v.prev = g.v.prev
	} else {
		s.last = g.v.prev
	}
	s.table.remove(s.hash(g.key), g.key)
}

// reportable reports whether routers are told of the group at all: not of those in which
// every host is, nor of what stays on the host (RFC 9776, 5, and RFC 9777, 6).
func (s *groupSet) reportable(key address) bool {
	if s.iface.kind == link.Loopback || key == allNodes || key == allHosts4.address() {
		return false
	}
	return key.is4() || key.scope() >= scopeLink
}

// count adds a membership's filter to the counts, or takes it off them.
func (u *groupState) count(f *sources, by int) {
	if f == nil {
		return
	}
	u.users += by
	if !f.only {
		u.excluders += by
		if len(f.list) == 0 {
			u.unlisted += by
		} else {
			u.link(f, by > 0)
		}
	}
	for _, a := range f.list {
		if u.counts == nil {
			u.counts = make(map[address]sourceCount)
		}
		c := u.counts[a]
		if f.only {
			c.include += int32(by)
		} else {
			c.exclude += int32(by)
		}
		if c == (sourceCount{}) {
			delete(u.counts, a)
		} else {
			u.counts[a] = c
		}
	}
	if len(u.counts) == 0 {
		u.counts = nil
	}
}

// link puts a filter into the list of EXCLUDE filters, or takes it out.
func (u *groupState) link(f *sources, in bool) {
	if in {
		if f.next = u.lists; f.next != nil {
			f.next.prev = f
		}
		u.lists = f
		return
	}
	if f.prev != nil {
		f.prev.next = f.next
	} else {
		u.lists = f.next
	}
	if f.next != nil {
		f.next.prev = f.prev
	}
	f.prev, f.next = nil, nil
}

// merged returns whom an EXCLUDE union does not hear: those whom every EXCLUDE
// membership lists and no INCLUDE one (RFC 9776, 3.2).
func (u *groupState) merged() (list []address) {
	if u.unlisted > 0 || u.lists == nil {
		return nil
	}
	for _, a := range u.lists.list {
		if c := u.counts[a]; int(c.exclude) == u.excluders && c.include == 0 {
			list = append(list, a)
		}
	}
	return list
}

// included returns whom an INCLUDE union hears, sorted.
func (u *groupState) included() (list []address) {
	for a, c := range u.counts {
		if c.include > 0 {
			list = append(list, a)
		}
	}
	sortAddresses(list)
	return list
}

// listed returns the list that the union's filter has.
func (u *groupState) listed() []address {
	if u.exclude() {
		return u.excluded
	}
	return u.included()
}

// difference appends to list what is in a and not in b, both sorted.
func difference(list, a, b []address) []address {
	for _, x := range a {
		if _, found := slices.BinarySearchFunc(b, x, address.compare); !found {
			list = append(list, x)
		}
	}
	return list
}

// queriersFor returns what is known of those who ask about groups of the key's family.
func (s *groupSet) queriersFor(key address) *queriers {
	if key.is4() {
		if s.queriers == nil {
			s.queriers = newQueriers(s, &igmp)
		}
		return s.queriers
	}
	if s.queriers6 == nil {
		s.queriers6 = newQueriers(s, s.iface.stack.six.groups)
	}
	return s.queriers6
}

// reporting returns the reporter of a group, which the first one makes.
func (s *groupSet) reporting(key address) *reporter {
	q := s.queriersFor(key)
	q.speak(q.now())
	r, _ := q.reporter.(*reporter)
	if r == nil {
		form := &igmpReports
		if !key.is4() {
			form = s.iface.stack.six.reports
		}
		r = newReporter(q, form)
		q.reporter = r
	}
	return r
}

// configured takes note that the interface has gone up or down, has got or lost an
// address or may use one now, or was removed.
func (s *groupSet) configured() {
	s.mu.Lock()
	for _, q := range []*queriers{s.queriers, s.queriers6} {
		if q != nil {
			q.configured()
		}
	}
	s.mu.Unlock()
	s.program()
}

// tell says what is due, without waiting for the timer.
func (s *groupSet) tell(now instant) {
	var reporters []groupReporter
	s.mu.Lock()
	for _, q := range []*queriers{s.queriers, s.queriers6} {
		if q != nil && q.reporter != nil {
			reporters = append(reporters, q.reporter)
		}
	}
	s.mu.Unlock()
	for _, r := range reporters {
		r.fire(now)
	}
}

// An InterfaceGroup is what an interface hears of a group: of every source but those
// listed, or, if Only is set, of those alone.
type InterfaceGroup struct {
	Group   netip.Addr
	MAC     wire.MAC // by which its frames are let in
	Members int      // sockets, once for each membership, and the stack itself
	Only    bool
	Sources []netip.Addr // in the order of their addresses
}

// Groups lists the groups that sockets have joined on the interface, in the order of
// joining, and those that the stack itself is in where the interface speaks IPv6: all
// nodes, and the solicited nodes of its addresses. Every host hears 224.0.0.1 besides.
func (i *Interface) Groups() (list []InterfaceGroup) {
	s := &i.groups
	s.mu.RLock()
	defer s.mu.RUnlock()
	for g := s.first; g != nil; g = g.v.next {
		if g.v.users > 0 {
			list = append(list, InterfaceGroup{
				Group: g.key.netip(), MAC: macOfGroup(g.key), Members: g.v.users,
				Only: !g.v.exclude(), Sources: netips(g.v.listed()),
			})
		}
	}
	return list
}

// netips returns the addresses as a program reads them; nil for none.
func netips(list []address) (addrs []netip.Addr) {
	for _, a := range list {
		addrs = append(addrs, a.netip())
	}
	return addrs
}
