package lab

import (
	"net/netip"
	"slices"

	"github.com/castnet-go/castnet/wire"
)

// member is a port with members of a group: what routers keep of a group on a
// network (RFC 9776, 6.2), kept for each port. Between two reports it does not
// matter how many hosts are behind the port, and the port gets what any of them
// wants (RFC 4541, 2.1.2, 7).
type member struct {
	port *port

	// exclude is the filter mode EXCLUDE, which lasts until the group's timer ends.
	exclude bool
	until   int64

	// sources are sorted. In INCLUDE mode they are those that are wanted, until
	// their timers end; in EXCLUDE mode those whose timers run are wanted and the
	// others, whose timers are zero, are not.
	sources []memberSource

	older [2]int64 // until when hosts of versions 1 and 2 are taken to be there
}

type memberSource struct {
	address netip.Addr
	until   int64
}

// maxSources is how many sources are remembered of a member. One who wants more gets
// the whole group, and of those whom one does not want the rest is sent to it too:
// what is forwarded may be more than is wanted, never less.
const maxSources = 64

// compareSource is for binary searches.
func compareSource(s memberSource, a netip.Addr) int { return s.address.Compare(a) }

// settle makes timers that have ended count (RFC 9776, 6.5), and reports whether
// there is a member still.
func (m *member) settle(now int64) bool {
	if m.exclude && m.until <= now {
		m.exclude = false
	}
	if !m.exclude {
		m.sources = slices.DeleteFunc(m.sources, func(s memberSource) bool { return s.until <= now })
		return len(m.sources) > 0
	}
	for i := range m.sources {
		if m.sources[i].until <= now {
			m.sources[i].until = 0
		}
	}
	return true
}

// alive is settle for who only looks.
func (m *member) alive(now int64) bool {
	if m.exclude && m.until > now {
		return true
	}
	for i := range m.sources {
		if m.sources[i].until > now {
			return true
		}
	}
	return false
}

// wants reports whether the port is to get what a source sends.
func (m *member) wants(source netip.Addr, now int64) bool {
	i, listed := slices.BinarySearchFunc(m.sources, source, compareSource)
	heard := listed && m.sources[i].until > now
	return heard || !listed && m.exclude && m.until > now
}

// listed returns the sources of the filter: those wanted or those not wanted.
func (m *member) listed() (list []netip.Addr) {
	for _, s := range m.sources {
		if !m.exclude || s.until == 0 {
			list = append(list, s.address)
		}
	}
	return list
}

// expires returns when there is no member any more unless one is heard.
func (m *member) expires() int64 {
	last := int64(0)
	if m.exclude {
		last = m.until
	}
	for _, s := range m.sources {
		last = max(last, s.until)
	}
	return last
}

// version returns which version of IGMP or MLD counts: that of the oldest host that
// is there (RFC 9776, 7.3.2).
func (m *member) version(f *snoopFamily, now int64) int {
	for i, until := range m.older {
		if until > now {
			return i + 1
		}
	}
	return f.newest
}

// apply makes a report's record count, at the present and with a membership
// interval: the tables of RFC 9776, 6.4.1 and 6.4.2. It returns what is to be asked
// about before it ends: of the sources that are wanted, some, and whether the group
// as a whole.
func (m *member) apply(t wire.RecordType, list []netip.Addr, now, interval int64) (asked []netip.Addr, whole bool) {
	switch t {
	case wire.ModeIsInclude, wire.AllowNewSources:
		m.allow(list, now, now+interval)
	case wire.ChangeToInclude:
		for _, s := range m.sources {
			if _, still := slices.BinarySearchFunc(list, s.address, netip.Addr.Compare); !still && s.until > 0 {
				asked = append(asked, s.address)
			}
		}
		whole = m.exclude
		m.allow(list, now, now+interval)
	case wire.ModeIsExclude:
		m.become(list, now+interval, now+interval)
	case wire.ChangeToExclude:
		m.become(list, m.until, now+interval)
		for _, s := range m.sources {
			if s.until > 0 {
				asked = append(asked, s.address)
			}
		}
	case wire.BlockOldSources:
		for _, a := range list {
			i, listed := slices.BinarySearchFunc(m.sources, a, compareSource)
			switch {
			case listed && m.sources[i].until > 0:
				asked = append(asked, a)
			case !listed && m.exclude && len(m.sources) < maxSources:
				m.sources = slices.Insert(m.sources, i, memberSource{a, m.until})
				asked = append(asked, a)
			}
		}
	}
	return asked, whole
}

// allow makes sources wanted until then.
func (m *member) allow(list []netip.Addr, now, until int64) {
	for _, a := range list {
		i, listed := slices.BinarySearchFunc(m.sources, a, compareSource)
		switch {
		case listed:
			m.sources[i].until = until
		case len(m.sources) < maxSources:
			m.sources = slices.Insert(m.sources, i, memberSource{a, until})
		case !m.exclude:
			m.exclude, m.until = true, until // and m.sources are wanted still
		default:
			m.until = max(m.until, until)
		}
	}
}

// become makes the mode EXCLUDE. Sources of the list that were known before keep
// their timers; new ones are not wanted if the mode was INCLUDE, for nobody here
// wanted them, and else are until then.
func (m *member) become(list []netip.Addr, then, until int64) {
	if !m.exclude {
		then = 0
	}
	next := make([]memberSource, 0, min(len(list), maxSources))
	for _, a := range list {
		if len(next) == maxSources {
			break
		}
		s := memberSource{a, then}
		if i, listed := slices.BinarySearchFunc(m.sources, a, compareSource); listed {
			s.until = m.sources[i].until
		}
		next = append(next, s)
	}
	m.sources, m.exclude, m.until = next, true, until
}

// lower shortens timers to what is left for an answer to a query (RFC 9776, 6.6.1).
func (m *member) lower(asked []netip.Addr, whole bool, until int64) {
	for _, a := range asked {
		if i, listed := slices.BinarySearchFunc(m.sources, a, compareSource); listed && m.sources[i].until > 0 {
			m.sources[i].until = min(m.sources[i].until, until)
		}
	}
	if whole && m.exclude {
		m.until = min(m.until, until)
	}
}

// wanted returns until when a source is wanted; 0: it is not.
func (m *member) wanted(a netip.Addr) int64 {
	if i, listed := slices.BinarySearchFunc(m.sources, a, compareSource); listed {
		return m.sources[i].until
	}
	return 0
}

// sortedSources returns the sources of a record or query, each once. More than are
// ever remembered of a member, and one, make no difference.
func sortedSources(l wire.AddrList) (list []netip.Addr) {
	for a := range l.All() {
		if list = append(list, a); len(list) > maxListed {
			break
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list)
}

// maxListed bounds the work that one record makes. A packet of 1500 bytes lists 366.
const maxListed = 512
