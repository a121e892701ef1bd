package membership

import (
	"net/netip"
	"slices"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// Config bounds a Table. The zero Config is good.
type Config struct {
	// MaxMembers is how many memberships are known at most, counted by host and
	// group. If zero, 4096. What is beyond is Untracked.
	MaxMembers int

	// MaxSources is how many sources a membership has at most. If zero, 256. What is
	// beyond is left out.
	MaxSources int

	// MaxQueriers is how many queriers are known at most. If zero, 16.
	MaxQueriers int
}

// A Table knows the members and queriers of one segment. Use New to make one. Its methods
// must not be called at the same time; times must not go backwards.
type Table struct {
	cfg       Config
	members   map[key]*member
	queriers  []*Querier
	next      time.Time // nothing ends before; zero: nothing ends
	untracked uint64
}

// New returns an empty Table.
func New(cfg Config) *Table {
	if cfg.MaxMembers == 0 {
		cfg.MaxMembers = 4096
	}
	if cfg.MaxSources == 0 {
		cfg.MaxSources = 256
	}
	if cfg.MaxQueriers == 0 {
		cfg.MaxQueriers = 16
	}
	return &Table{cfg: cfg, members: make(map[key]*member)}
}

// Frame tells the Table of an Ethernet frame. It returns what that brought about, after
// what was to happen before it.
func (t *Table) Frame(now time.Time, frame []byte) []Event {
	h, payload, err := wire.ParseEthernet(frame)
	if err != nil || h.Type() != wire.EtherTypeIPv4 && h.Type() != wire.EtherTypeIPv6 {
		return t.Advance(now)
	}
	return t.Packet(now, h.Source(), payload)
}

// Packet tells the Table of an IP packet, and of the hardware address that sent it, if
// there is one.
func (t *Table) Packet(now time.Time, mac wire.MAC, packet []byte) []Event {
	events := t.Advance(now)
	m, ok := Parse(packet)
	if !ok {
		return events
	}
	return append(events, t.take(now, mac, &m))
}

// take acts on a message.
func (t *Table) take(now time.Time, mac wire.MAC, m *Message) Event {
	e := Event{Time: now, Message: m, MAC: mac}
	if m.Err != nil {
		return e
	}
	switch {
	case m.General():
		if q := t.general(now, mac, m); q != nil {
			e.Due = q.Due
			if !m.Protocol.perSource() {
				// The older version querier present timeout has the same terms.
				e.Fallback = now.Add(q.membershipInterval())
			}
			e.Querier = t.elect(m.Protocol.IPv6())
		}
	case m.Kind == Query:
		e.Due = now.Add(m.MaxResponse)
		t.asked(now, m)
	case m.Kind == Report:
		e.Due = now.Add(t.timers(m.Protocol.IPv6()).membershipInterval())
		e.Changes = t.report(now, mac, m)
	case m.Kind == Leave:
		e.Changes = t.leave(mac, m)
	}
	return e
}

// NextDeadline returns when Advance has something to do, at the earliest; ok is false if
// nothing is known that could end.
func (t *Table) NextDeadline() (at time.Time, ok bool) {
	if len(t.members) == 0 && len(t.queriers) == 0 {
		return time.Time{}, false
	}
	return t.next, true
}

// Advance tells the Table what time it is. It returns what did not come though it was due:
// memberships that expired, and queriers that are gone.
func (t *Table) Advance(now time.Time) []Event {
	if t.next.IsZero() || now.Before(t.next) {
		return nil
	}
	events := append(t.loseQueriers(now), t.expire(now)...)
	slices.SortStableFunc(events, func(a, b Event) int { return a.Time.Compare(b.Time) })
	t.next = time.Time{}
	for _, q := range t.queriers {
		t.wake(q.Expires)
	}
	for _, m := range t.members {
		m.eachDeadline(t.wake)
	}
	return events
}

// wake sees to it that Advance looks at that time.
func (t *Table) wake(at time.Time) {
	if t.next.IsZero() || at.Before(t.next) {
		t.next = at
	}
}

// Untracked counts the queriers, memberships and sources that there was no room for.
func (t *Table) Untracked() uint64 { return t.untracked }

// key names a membership. Hosts without an address are told apart by their hardware
// addresses.
type key struct {
	group, host netip.Addr
	mac         wire.MAC
}

func keyOf(group, host netip.Addr, mac wire.MAC) key {
	if !host.IsUnspecified() {
		mac = wire.MAC{}
	}
	return key{group, host, mac}
}
