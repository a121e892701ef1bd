package membership

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// The defaults, for what a querier does not say (RFC 9776, section 8; RFC 9777, section 9).
const (
	defaultRobustness  = 2
	defaultInterval    = 125 * time.Second
	defaultMaxResponse = 10 * time.Second
)

// membershipInterval is how long a report is good for (RFC 9776, section 8.4).
func (q *Querier) membershipInterval() time.Duration {
	// An interval that was not said but measured may be a starting querier's, who asks
	// more often at first.
	interval := q.Interval
	if !q.Said {
		interval = max(interval, defaultInterval)
	}
	return time.Duration(q.Robustness)*interval + q.MaxResponse
}

// presentInterval is how long a querier is waited for (RFC 9776, section 8.5).
func (q *Querier) presentInterval() time.Duration {
	interval := q.Interval
	if !q.Said {
		interval = max(interval, defaultInterval)
	}
	return time.Duration(q.Robustness)*interval + q.MaxResponse/2
}

// usual is by whose timers a family goes in which nobody asks.
var usual = Querier{Interval: defaultInterval, MaxResponse: defaultMaxResponse, Robustness: defaultRobustness}

// general takes note of a general query, and returns the querier, nil if there is no room
// for another.
func (t *Table) general(now time.Time, mac wire.MAC, m *Message) *Querier {
	q := t.findQuerier(m.Source)
	if q == nil {
		if len(t.queriers) >= t.cfg.MaxQueriers {
			t.untracked++
			return nil
		}
		q = &Querier{Address: m.Source, Since: now, Interval: defaultInterval}
		t.queriers = append(t.queriers, q)
	} else if gap := now.Sub(q.Heard); !m.Protocol.perSource() && gap > 0 {
		q.Interval = gap
	}
	q.MAC, q.Protocol, q.MaxResponse, q.Heard = mac, m.Protocol, m.MaxResponse, now
	q.Robustness = m.Robustness
	if q.Robustness == 0 {
		q.Robustness = defaultRobustness
	}
	// A QQIC of zero says nothing that one could go by.
	if q.Said = m.Protocol.perSource() && m.Interval > 0; q.Said {
		q.Interval = m.Interval
	} else if m.Protocol.perSource() {
		q.Interval = defaultInterval
	}
	q.Due = now.Add(q.Interval)
	q.Expires = now.Add(q.presentInterval())
	t.wake(q.Expires)
	return q
}

func (t *Table) findQuerier(address netip.Addr) *Querier {
	for _, q := range t.queriers {
		if q.Address == address {
			return q
		}
	}
	return nil
}

// elect finds out who asks in a family, and returns that if it has changed: the lowest
// address of those that are heard (RFC 9776, section 6.6.2). Who has no address does not
// take part.
func (t *Table) elect(ipv6 bool) *Querier {
	var before, best *Querier
	for _, q := range t.queriers {
		if q.Address.Is6() != ipv6 {
			continue
		}
		if q.Elected {
			before = q
		}
		if !q.Address.IsUnspecified() && (best == nil || q.Address.Less(best.Address)) {
			best = q
		}
	}
	if best == before {
		return nil
	}
	if before != nil {
		before.Elected = false
	}
	best.Elected = true // there is one, for before would not be given up for none
	c := *best
	return &c
}

// timers returns by whose intervals a family goes: the elected querier's, or those of one
// without an address, or the usual.
func (t *Table) timers(ipv6 bool) *Querier {
	best := &usual
	for _, q := range t.queriers {
		if q.Address.Is6() == ipv6 && (q.Elected || best == &usual) {
			best = q
		}
	}
	return best
}

// loseQueriers forgets who has not been heard for too long.
func (t *Table) loseQueriers(now time.Time) (events []Event) {
	for _, q := range slices.Clone(t.queriers) {
		if q.Expires.After(now) {
			continue
		}
		t.queriers = slices.DeleteFunc(t.queriers, func(p *Querier) bool { return p == q })
		if !q.Elected {
			continue
		}
		next := &Querier{Protocol: q.Protocol}
		for _, p := range t.queriers {
			if p.Address.Is6() == q.Address.Is6() && !p.Address.IsUnspecified() {
				next = t.elect(q.Address.Is6())
				break
			}
		}
		events = append(events, Event{Time: q.Expires, Querier: next})
	}
	return events
}

// Queriers lists who has been asking lately: IPv4 first, in the order of their addresses.
func (t *Table) Queriers() []Querier {
	var list []Querier
	for _, q := range t.queriers {
		list = append(list, *q)
	}
	slices.SortFunc(list, func(a, b Querier) int {
		return cmp.Or(cmp.Compare(a.Address.BitLen(), b.Address.BitLen()), a.Address.Compare(b.Address))
	})
	return list
}
