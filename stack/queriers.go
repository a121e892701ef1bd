package stack

import (
	"time"

	"github.com/castnet-go/castnet/wire"
)

// queriers is what an interface knows of those who ask, on its link, which groups of a
// family hosts hear: the part of IGMP and MLD that a host needs before it has joined any,
// since how it has to tell of the first depends on what it was asked before. The rest is
// the reporter's. It goes by groupSet.mu.
//
// It knows generations of the protocol, not versions: that of IGMPv1, in which nothing
// is told of leaving; that of IGMPv2 and MLDv1; and that of IGMPv3 and MLDv2, which
// knows sources. The host speaks the oldest that a querier on the link needs.
type queriers struct {
	set      *groupSet
	protocol *groupProtocol

	up      bool // the interface is up,
	ready   bool // has an address to send from,
	settled bool // and nobody objects to that

	forced  uint8      // the newest generation that may be spoken; 0: all
	current uint8      // the one spoken
	older   [3]instant // by generation: until when such a querier is taken to be there

	// What the querier has said of itself, or the defaults.
	robustness uint8
	interval   time.Duration
	response   time.Duration

	general instant // when everything is to be told; never: not asked

	// reporter is nil until there is a group to tell of. It is behind an interface for
	// the linker's sake, which then leaves it out of programs that join no group.
	reporter groupReporter
}

// A groupReporter is a reporter as what comes from the link has to do with it. The linker
// goes by the names of methods, so no other type of the package should have these.
type groupReporter interface {
	// cancel forgets everything that was to be sent.
	cancel()
	// announce tells of all groups.
	announce()
	// respond schedules what a query asks for, unless that is everything and the third
	// generation is spoken, in which answers are to be given at the instant.
	respond(q *wire.IGMPQuery, at, now instant)
	// heard takes note of another host's report of a group.
	heard(key address)
	// schedule sets the timer for the earliest thing to be done.
	schedule()
	// fire says what is due.
	fire(now instant)
}

// A groupProtocol is what IGMP and MLD have each for itself.
type groupProtocol struct {
	ipv4    bool
	longest time.Duration // the response time that the second generation takes from a query of the third

	ready func(*netif) (ready, settled bool)
	// olderPresent is for how long a querier of a generation is taken to be there
	// after it was heard.
	olderPresent func(q *queriers, generation int) time.Duration
}

// The generations.
const (
	generation1 = 1 + iota
	generation2
	generation3
)

// The protocol's constants (RFC 2236, 8, and RFC 9776, 8).
const (
	defaultRobustness    = 2
	defaultQueryInterval = 125 * time.Second
	queryResponse        = 10 * time.Second
	unsolicitedInterval  = 10 * time.Second // before the third generation
	changeInterval       = 1 * time.Second  // in it
	version1Present      = 400 * time.Second
)

func newQueriers(s *groupSet, p *groupProtocol) *queriers {
	q := &queriers{set: s, protocol: p, general: never, current: generation3}
	q.reset()
	q.look()
	return q
}

// reset forgets the queriers.
func (q *queriers) reset() {
	q.older = [3]instant{}
	q.robustness, q.interval, q.response = defaultRobustness, defaultQueryInterval, queryResponse
}

// look finds out whether the interface is up, and ready to send.
func (q *queriers) look() {
	i := q.set.iface
	n := i.stack.state.Load().byIndex(i.index)
	q.up, q.ready, q.settled = n != nil && n.up, false, false
	if q.up {
		q.ready, q.settled = q.protocol.ready(n)
	}
}

func (q *queriers) now() instant { return q.set.iface.stack.timers.now() }

// delay draws a time above zero and up to most.
func (q *queriers) delay(most time.Duration) time.Duration {
	if most <= 1 {
		return most
	}
	return 1 + time.Duration(q.set.iface.stack.random.uint64()%uint64(most))
}

// speak finds the generation to speak. When it has changed, all that was to be sent is
// forgotten (RFC 9776, 7.2.1).
func (q *queriers) speak(now instant) {
	next := uint8(generation3)
	for _, g := range []uint8{generation2, generation1} {
		if q.forced == g || now < q.older[g] {
			next = g
		}
	}
	if next != q.current {
		q.cancel()
		q.current = next
	}
	if q.reporter == nil && q.general <= now {
		q.general = never // there was nothing to tell
	}
}

// cancel forgets everything that was to be sent.
func (q *queriers) cancel() {
	q.general = never
	if q.reporter != nil {
		q.reporter.cancel()
	}
}

func (q *queriers) arm() {
	if q.reporter != nil {
		q.reporter.schedule()
	}
}

// configured takes note of how the interface is now. When it comes up, or gets its
// first address, all groups are told of as if they had just been joined, and once more
// when an address has turned out to be its own (RFC 9777, 6.1, and Linux's
// ipv6_mc_dad_complete); going down it says nothing, as on Linux, and forgets its
// queriers.
func (q *queriers) configured() {
	wasReady, wasSettled := q.ready, q.settled
	q.look()
	if !q.up {
		q.reset()
	}
	if !q.ready {
		q.cancel()
	} else if q.reporter != nil && (!wasReady || q.settled && !wasSettled) {
		q.reporter.announce()
	}
	q.arm()
}

// query takes note of a query: how routers want to be told, and of what. Its version is
// the generation.
func (q *queriers) query(m *wire.IGMPQuery) {
	now := q.now()
	if m.Version < generation3 {
		q.older[m.Version] = now + q.protocol.olderPresent(q, m.Version)
	}
	q.speak(now)
	var at instant // of the answer, in the third
	if q.current == generation3 {
		// What it says of itself replaces what was known, and zero the default
		// (RFC 9776, 4.1.6 and 4.1.7).
		q.robustness, q.interval, q.response = m.Robustness, m.Interval, m.MaxResponse
		if q.robustness == 0 {
			q.robustness = defaultRobustness
		}
		if q.interval == 0 {
			q.interval = defaultQueryInterval
		}
		at = now + q.delay(m.MaxResponse)
		if q.general <= at {
			return // everything is told sooner
		}
	}
	switch {
	case !q.ready:
	case q.current == generation3 && m.IsGeneral():
		if m.Sources.Count() == 0 {
			q.general = at
		}
	case q.reporter != nil:
		q.reporter.respond(m, at, now)
	}
	q.arm()
}

// force makes the interface speak no newer generation than one, for groups of the key's
// family; 0 is none.
func (s *groupSet) force(key address, generation uint8) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queriersFor(key)
	q.forced = generation
	q.speak(q.now())
	q.arm()
}

// spoken returns the generation that is spoken now, beside those who ask, if there are.
func (s *groupSet) spoken(of **queriers) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := *of
	if q == nil {
		return generation3
	}
	q.speak(q.now())
	return int(q.current)
}
