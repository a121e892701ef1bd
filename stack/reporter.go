package stack

import (
	"slices"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// A reporter tells the routers on an interface's link which groups of a family the host
// hears: the host's part of IGMP (RFC 1112, 2236, 9776) or MLD (RFC 2710, 9777). It is a
// state machine: what happens is told to it with the groupSet's mutex held, and what is
// to be sent comes out of step, when the one timer it has of the stack fires. The first
// group makes it; how routers want to be told is known before.
type reporter struct {
	*queriers
	form *reportForm

	changes   deadlines[*group] // groups whose changes are to be told, or told again
	responses deadlines[*group] // groups that were asked about; before the third generation, whose report is due
	left      int               // groups in changes that nobody hears any more

	wake  timer
	armed instant
}

// A reportForm is what IGMP's and MLD's reports have each for themselves.
type reportForm struct {
	headers int // of a report of the third generation, before its records
	width   int // of an address

	report  func(group address, generation uint8) outgoing // before the third
	leave   func(group address) outgoing
	records func([]wire.GroupRecord) outgoing
	send    func(*Interface, outgoing)
}

// Bounds of what others can make a reporter remember: the sources that queries ask
// about, beyond which the whole group is told of, and the groups that were left and not
// told of often enough, beyond which one is not told of at all.
const (
	maxQueried = 1024
	maxLeft    = 4096
)

// reportState is what the reporter knows of a group.
type reportState struct {
	change  deadline[*group]
	respond deadline[*group]

	// The third generation's: how many of the next reports carry the filter's mode, and
	// a change of each source.
	mode    uint8
	sources map[address]uint8
	queried []address // sources that were asked about; nil: the group was

	// The older ones': how many reports are to be sent unasked, and whether no other
	// host has reported the group since.
	unsolicited uint8
	reported    bool

	left bool // it is counted in the reporter's left
}

// pending reports whether something of the group is to be told that its members
// cannot be asked about any more.
func (s *reportState) pending() bool { return s.change.slot != 0 }

// An outgoing message is one that a reporter wants sent.
type outgoing struct {
	to      address
	message []byte
}

func newReporter(q *queriers, f *reportForm) *reporter {
	r := &reporter{queriers: q, form: f, armed: never}
	r.wake.due = r.fire
	return r
}

// concerns reports whether the reporter is to tell of a group.
func (r *reporter) concerns(key address) bool {
	return key.is4() == r.protocol.ipv4 && r.set.reportable(key)
}

// unsolicitedAfter is how long to wait before something is told once more.
func (r *reporter) unsolicitedAfter() time.Duration {
	if r.current == generation3 {
		return r.delay(changeInterval)
	}
	return r.delay(unsolicitedInterval)
}

// cancel forgets everything that was to be sent of any group.
func (r *reporter) cancel() {
	for d := r.responses.take(never); d != nil; d = r.responses.take(never) {
		r.calm(d.due)
	}
	for d := r.changes.take(never); d != nil; d = r.changes.take(never) {
		r.calm(d.due)
		r.set.bury(d.due)
	}
}

// calm forgets what was to be sent of a group.
func (r *reporter) calm(g *group) {
	s := &g.v.report
	r.responses.cancel(&s.respond)
	r.changes.cancel(&s.change)
	s.mode, s.sources, s.queried, s.unsolicited = 0, nil, nil, 0
	r.count(g)
}

// announce tells of all groups.
func (r *reporter) announce() {
	now := r.now()
	r.speak(now)
	for g := r.set.first; g != nil; g = g.v.next {
		if g.v.users > 0 && r.concerns(g.key) {
			var list []address
			if !g.v.exclude() {
				list = g.v.included()
			}
			r.tell(g, now, g.v.exclude(), list)
		}
	}
}

// changed takes note of a change of what is heard of a group: before it had so many
// members; whether the filter has changed sides, and else which sources have. The
// generation was found before, since finding it may forget groups.
func (r *reporter) changed(g *group, before int, sides bool, sources []address) {
	now := r.now()
	switch {
	case !r.ready:
	case r.current == generation3:
		if sides || len(sources) > 0 {
			r.tell(g, now, sides, sources)
		}
	case before == 0:
		r.tell(g, now, false, nil)
	case g.v.users == 0:
		said := g.v.report.reported
		r.calm(g)
		if r.current == generation2 && said {
			r.changes.set(&g.v.report.change, now)
		}
	}
	if r.count(g); r.left > maxLeft {
		r.calm(g)
	}
	r.schedule()
}

// count notes whether a group is only there to be told of.
func (r *reporter) count(g *group) {
	s := &g.v.report
	if left := g.v.users == 0 && s.pending(); left != s.left {
		if s.left = left; left {
			r.left++
		} else {
			r.left--
		}
	}
}

// tell has a change told now, and again as often as the robustness says.
func (r *reporter) tell(g *group, now instant, sides bool, sources []address) {
	s := &g.v.report
	if r.current != generation3 {
		r.calm(g) // a leave that was not told of yet
		s.unsolicited = r.robustness
		r.responses.set(&s.respond, now)
		return
	}
	if sides {
		s.mode = r.robustness
	}
	for _, a := range sources {
		if s.sources == nil {
			s.sources = make(map[address]uint8)
		}
		s.sources[a] = r.robustness
	}
	r.changes.set(&s.change, now)
}

// schedule sets the timer for the earliest thing to be done.
func (r *reporter) schedule() {
	at := min(r.general, r.changes.next(), r.responses.next())
	if at == r.armed {
		return
	}
	t := &r.set.iface.stack.timers
	if r.armed = at; at == never {
		t.disarm(&r.wake)
	} else {
		t.arm(&r.wake, at)
	}
}

// fire is what the timer calls.
func (r *reporter) fire(now instant) {
	s := r.set
	s.mu.Lock()
	r.armed = never
	messages := r.step(now)
	r.schedule()
	s.mu.Unlock()
	for _, m := range messages {
		r.form.send(s.iface, m)
	}
}

// step does what is due and returns what is to be sent.
func (r *reporter) step(now instant) []outgoing {
	r.speak(now)
	if !r.ready {
		return nil
	}
	if r.current != generation3 {
		return r.stepOld(now)
	}
	w := r.writer()
	if r.general <= now {
		r.general = never
		for g := r.set.first; g != nil; g = g.v.next {
			if g.v.users > 0 && r.concerns(g.key) {
				w.state(g)
			}
		}
		w.flush() // what is and what has changed are told apart
	}
	again := now + r.unsolicitedAfter()
	for d := r.changes.take(now); d != nil; d = r.changes.take(now) {
		g := d.due
		w.change(g)
		if s := &g.v.report; s.mode > 0 || len(s.sources) > 0 {
			r.changes.set(&s.change, again)
		} else {
			r.told(g)
		}
	}
	w.flush()
	for d := r.responses.take(now); d != nil; d = r.responses.take(now) {
		w.answer(d.due)
		d.due.v.report.queried = nil
	}
	return w.done()
}

// told forgets a group that was left and told of often enough.
func (r *reporter) told(g *group) {
	if r.count(g); g.v.users == 0 {
		r.set.bury(g)
	}
}

// stepOld is step before the third generation: each group has a report of its own.
func (r *reporter) stepOld(now instant) (list []outgoing) {
	for d := r.changes.take(now); d != nil; d = r.changes.take(now) {
		g := d.due
		list = append(list, r.form.leave(g.key))
		g.v.report.reported = false
		r.told(g)
	}
	for d := r.responses.take(now); d != nil; d = r.responses.take(now) {
		g := d.due
		list = append(list, r.form.report(g.key, r.current))
		s := &g.v.report
		s.reported = true
		if s.unsolicited > 0 {
			s.unsolicited--
		}
		if s.unsolicited > 0 {
			r.responses.set(&s.respond, now+r.unsolicitedAfter())
		}
	}
	return list
}

// respond schedules what a query asks for, at the instant if the third generation is
// spoken.
func (r *reporter) respond(q *wire.IGMPQuery, at, now instant) {
	asked := addressOf(q.Group)
	if r.current == generation3 {
		r.respondNew(q, asked, at)
		return
	}
	most, all := q.MaxResponse, q.IsGeneral() || q.Version == generation1
	if q.Version == generation3 {
		if most = min(most, r.protocol.longest); r.current == generation1 {
			most, all = wire.IGMPv1MaxResponse, true
		}
	}
	if !all {
		if g := r.set.table.find(r.set.hash(asked), asked); g != nil {
			r.respondOld(g, now, most)
		}
		return
	}
	for g := r.set.first; g != nil; g = g.v.next {
		r.respondOld(g, now, most)
	}
}

// respondOld schedules a group's report, unless it is to be sent soon enough already
// (RFC 2236, 3).
func (r *reporter) respondOld(g *group, now instant, most time.Duration) {
	s := &g.v.report
	if g.v.users == 0 || !r.concerns(g.key) || s.respond.slot != 0 && s.respond.at < now+most {
		return
	}
	s.unsolicited = 0
	r.responses.set(&s.respond, now+r.delay(most))
}

// respondNew schedules the answer to a query of the third generation about a group at an
// instant, by the rules of RFC 9776, 5.2; those for general queries are in query.
func (r *reporter) respondNew(q *wire.IGMPQuery, asked address, at instant) {
	sources := q.Sources.Count()
	g := r.set.table.find(r.set.hash(asked), asked)
	if g == nil || g.v.users == 0 || !r.concerns(asked) {
		return
	}
	s := &g.v.report
	pending := s.respond.slot != 0
	switch {
	case sources == 0, pending && s.queried == nil, len(s.queried)+sources > maxQueried:
		s.queried = nil
	default:
		for a := range q.Sources.All() {
			s.queried = append(s.queried, addressOf(a))
		}
		sortAddresses(s.queried)
		s.queried = slices.Compact(s.queried)
	}
	if pending {
		at = min(at, s.respond.at)
	}
	r.responses.set(&s.respond, at)
}

// heard takes note of another host's report of a group, which makes our own needless
// before the third generation (RFC 2236, 3). The third knows every host.
func (r *reporter) heard(key address) {
	r.speak(r.now())
	if g := r.set.table.find(r.set.hash(key), key); g != nil && r.concerns(key) && r.current != generation3 {
		s := &g.v.report
		r.responses.cancel(&s.respond)
		s.unsolicited, s.reported = 0, false
	}
	r.schedule()
}
