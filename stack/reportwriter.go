package stack

import (
	"net/netip"
	"slices"

	"github.com/castnet-go/castnet/wire"
)

// reportWriter puts group records into as few reports of the third generation as they fit
// in.
type reportWriter struct {
	ipv4     bool
	form     *reportForm
	room     int // in a report, for records
	used     int
	records  []wire.GroupRecord
	finished []outgoing
}

func (r *reporter) writer() *reportWriter {
	f := r.form
	return &reportWriter{ipv4: r.protocol.ipv4, form: f, room: max(r.set.iface.MTU()-f.headers, f.recordLen(1))}
}

// recordLen is the length of a record with so many sources.
func (f *reportForm) recordLen(sources int) int { return 4 + f.width*(1+sources) }

// add adds a record. A list that is too long for one report is cut into several, each
// with a report of its own, but that of an EXCLUDE record, whose rest is left out
// (RFC 9776, 4.2.16).
func (w *reportWriter) add(t wire.RecordType, group address, list []address) {
	most := (w.room - w.form.recordLen(0)) / w.form.width
	for {
		n := min(len(list), most)
		r := wire.GroupRecord{Type: t, Group: group.netip(), Sources: w.sources(list[:n])}
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

// sources returns a list as records carry it. A source of a group of IPv6 may be v4-mapped.
func (w *reportWriter) sources(list []address) (l wire.AddrList) {
	for _, a := range list {
		if w.ipv4 {
			l = l.Append(a.netip())
		} else {
			l = l.Append(netip.AddrFrom16(a.bytes16()))
		}
	}
	return l
}

func (w *reportWriter) flush() {
	if len(w.records) == 0 {
		return
	}
	w.finished = append(w.finished, w.form.records(w.records))
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
