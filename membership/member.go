package membership

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// A member is a Member with the time of each of its sources.
type member struct {
	Member
	filter  time.Time                // of one that is not Only: when it ends
	sources map[netip.Addr]time.Time // of one that is Only, when each ends; else those that are not heard
}

// snapshot returns the member as others see it.
func (m *member) snapshot() Member {
	s := m.Member
	s.Sources = slices.SortedFunc(maps.Keys(m.sources), netip.Addr.Compare)
	s.Expires = m.filter
	if m.Only {
		s.Expires = time.Time{}
		for _, at := range m.sources {
			if at.After(s.Expires) {
				s.Expires = at
			}
		}
	}
	return s
}

// eachDeadline calls f with the times at which something of the member ends.
func (m *member) eachDeadline(f func(time.Time)) {
	if !m.Only {
		f(m.filter)
		return
	}
	for _, at := range m.sources {
		f(at)
	}
}

// Members lists the memberships: IPv4 first, in the order of groups and hosts.
func (t *Table) Members() []Member {
	list := make([]Member, 0, len(t.members))
	for _, m := range t.members {
		list = append(list, m.snapshot())
	}
	slices.SortFunc(list, compareMembers)
	return list
}

func compareMembers(a, b Member) int {
	return cmp.Or(
		cmp.Compare(a.Group.BitLen(), b.Group.BitLen()), a.Group.Compare(b.Group),
		a.Host.Compare(b.Host), slices.Compare(a.MAC[:], b.MAC[:]))
}

// report acts on a report.
func (t *Table) report(now time.Time, mac wire.MAC, m *Message) (changes []Change) {
	records := m.Records
	if !m.Protocol.perSource() {
		// What older versions say is that all sources are heard (RFC 9776, 7.3.2).
		records = []Record{{Type: wire.ModeIsExclude, Group: m.Group}}
	}
	for i := range records {
		if r := &records[i]; r.known() && isGroup(r.Group) {
			if c, ok := t.record(now, mac, m, r); ok {
				changes = append(changes, c)
			}
		}
	}
	return changes
}

// record acts on one record. ok is false if it says nothing of a membership.
func (t *Table) record(now time.Time, mac wire.MAC, msg *Message, r *Record) (c Change, ok bool) {
	k := keyOf(r.Group, msg.Source, mac)
	end := now.Add(t.timers(r.Group.Is6()).membershipInterval())
	m := t.members[k]
	if m == nil {
		m = t.adopt(k, mac)
	}
	fresh := m == nil
	if fresh {
		m = &member{
			Member:  Member{Group: r.Group, Host: msg.Source, MAC: mac, Only: true, Since: now},
			sources: make(map[netip.Addr]time.Time),
		}
		if r.Type == wire.BlockOldSources || len(r.Sources) == 0 && r.Type != wire.ModeIsExclude && r.Type != wire.ChangeToExclude {
			// It takes something back that was not known. That is no membership,
			// but the end of one.
			if r.Type == wire.ChangeToInclude {
				m.Protocol, m.Heard = msg.Protocol, now
				return Change{Left, m.snapshot()}, true
			}
			return Change{}, false
		}
	}
	before := m.snapshot()
	m.Protocol, m.Heard, m.MAC, m.Host = msg.Protocol, now, mac, msg.Source
	t.apply(m, r, end)
	after := m.snapshot()
	switch {
	case m.Only && len(m.sources) == 0:
		delete(t.members, k)
		before.Heard, before.Protocol = now, msg.Protocol
		return Change{Left, before}, true
	case fresh && len(t.members) >= t.cfg.MaxMembers:
		t.untracked++
		return Change{Untracked, after}, true
	case fresh:
		c = Change{Joined, after}
	case before.Only != after.Only || !slices.Equal(before.Sources, after.Sources):
		c = Change{Changed, after}
	default:
		c = Change{Refreshed, after}
	}
	t.members[k] = m
	m.eachDeadline(t.wake)
	return c, true
}

// adopt returns the membership that a host had before it had an address, if it had one, and
// gives it the key that it has now.
func (t *Table) adopt(k key, mac wire.MAC) *member {
	if mac.IsZero() || k.host.IsUnspecified() {
		return nil
	}
	nobody := netip.IPv4Unspecified()
	if k.host.Is6() {
		nobody = netip.IPv6Unspecified()
	}
	before := keyOf(k.group, nobody, mac)
	m := t.members[before]
	if m != nil {
		delete(t.members, before)
		t.members[k] = m
	}
	return m
}

// apply makes of a host's filter what its record says (RFC 9776, section 4.2.13). Unlike
// the tables of section 6.4 this is about one host alone, who means what it says: what it
// takes back is taken back at once.
func (t *Table) apply(m *member, r *Record, end time.Time) {
	switch r.Type {
	case wire.ModeIsExclude, wire.ChangeToExclude:
		m.Only, m.filter = false, end
		clear(m.sources)
		t.addSources(m, r.Sources, time.Time{})
	case wire.ChangeToInclude:
		m.Only = true
		clear(m.sources)
		t.addSources(m, r.Sources, end)
	case wire.ModeIsInclude, wire.AllowNewSources:
		// The answer to a query about sources names only those of them that are heard
		// (section 5.2): the others stay what they are. And of a host that hears all
		// sources but some it does not end that.
		if m.Only {
			t.addSources(m, r.Sources, end)
		} else {
			removeSources(m, r.Sources)
		}
	case wire.BlockOldSources:
		if m.Only {
			removeSources(m, r.Sources)
		} else {
			t.addSources(m, r.Sources, time.Time{})
		}
	}
}

func (t *Table) addSources(m *member, sources []netip.Addr, end time.Time) {
	for _, s := range sources {
		if _, known := m.sources[s]; !known && len(m.sources) >= t.cfg.MaxSources {
			t.untracked++
			continue
		}
		m.sources[s] = end
	}
}

func removeSources(m *member, sources []netip.Addr) {
	for _, s := range sources {
		delete(m.sources, s)
	}
}

// leave acts on a leave of version 2, or a done of MLDv1.
func (t *Table) leave(mac wire.MAC, msg *Message) []Change {
	k := keyOf(msg.Group, msg.Source, mac)
	m := t.members[k]
	if m == nil {
		m = t.adopt(k, mac)
	}
	if m == nil {
		return []Change{{Left, Member{Group: msg.Group, Host: msg.Source, MAC: mac, Protocol: msg.Protocol}}}
	}
	delete(t.members, k)
	return []Change{{Left, m.snapshot()}}
}

// asked acts on a query about a group: who does not answer is given up early (RFC 9776,
// section 6.6.1).
func (t *Table) asked(now time.Time, q *Message) {
	if q.SuppressRouter {
		return
	}
	// The last member query time: as many queries as the robustness says, of which this
	// may be the first.
	robustness := q.Robustness
	if robustness == 0 {
		robustness = t.timers(q.Protocol.IPv6()).Robustness
	}
	const tick = 100 * time.Millisecond // the least that IGMP can say but 0
	end := now.Add(time.Duration(robustness) * max(q.MaxResponse, tick))
	for k, m := range t.members {
		if k.group != q.Group {
			continue
		}
		switch {
		case len(q.Sources) == 0 && !m.Only:
			m.filter = earlier(m.filter, end)
		case len(q.Sources) == 0:
			for s, at := range m.sources {
				m.sources[s] = earlier(at, end)
			}
		case m.Only:
			for _, s := range q.Sources {
				if at, ok := m.sources[s]; ok {
					m.sources[s] = earlier(at, end)
				}
			}
		}
		m.eachDeadline(t.wake)
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// expire ends what was not reported any more.
func (t *Table) expire(now time.Time) (events []Event) {
	for k, m := range t.members {
		before := m.snapshot()
		effect := Effect(0)
		at := m.filter
		if m.Only {
			at = time.Time{}
			for s, end := range m.sources {
				if !end.After(now) {
					delete(m.sources, s)
					effect = Changed
					if end.After(at) {
						at = end
					}
				}
			}
			if len(m.sources) == 0 {
				effect, at = Expired, before.Expires
			}
		} else if !m.filter.After(now) {
			effect = Expired
		}
		c := Change{effect, m.snapshot()}
		switch effect {
		case 0:
			continue
		case Expired:
			c.Member = before
			delete(t.members, k)
		}
		events = append(events, Event{Time: at, Changes: []Change{c}})
	}
	// In the order in which it happened, and not that of the map.
	slices.SortFunc(events, func(a, b Event) int {
		return cmp.Or(a.Time.Compare(b.Time), compareMembers(a.Changes[0].Member, b.Changes[0].Member))
	})
	return events
}
