package scenario

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/lab"
)

// An Expectation is what became of one amount that a file expects. Its JSON
// names are stable.
type Expectation struct {
	Line int    `json:"line"` // in the file
	Want string `json:"want"` // in words: "bob hears 3 datagrams from alice"
	Got  uint64 `json:"got"`
	Met  bool   `json:"met"`
}

// watch counts what an expectation is about while the lab runs.
type watch struct {
	*expectation
	line int
	host *lab.Host // that the datagrams are to be from; nil: no host

	heard, replies, sent uint64
	errors               map[string]uint64
}

// watches makes a watch for each expectation.
func (f *File) watches() (list []*watch) {
	for i := range f.doc.Expect {
		e := &f.doc.Expect[i]
		list = append(list, &watch{expectation: e, line: f.lines[i], errors: make(map[string]uint64)})
	}
	return list
}

// concerns reports whether it is about a program.
func (w *watch) concerns(host, program string) bool {
	return w.Drops == nil && w.Withheld == nil && (w.Host == nil || *w.Host == host) && (w.Program == nil || *w.Program == program)
}

// foresees reports whether it reckons with an error: then how many there are is
// for it to judge.
func (w *watch) foresees(name string) bool {
	return slices.ContainsFunc(w.Errors, func(e namedAmount) bool {
		return (e.name == name || e.name == total) && e.amount.most > 0
	})
}

// hasMade reports whether the host that datagrams are to be from has the address by now,
// though the file does not give it: it has made it of a prefix that a router advertises.
func (w *watch) hasMade(a netip.AddrPort) bool {
	return w.host != nil && slices.ContainsFunc(addressesOf(w.host), func(p netip.Prefix) bool { return p.Addr() == a.Addr().Unmap() })
}

// see counts an event of a program that it is about.
func (w *watch) see(e *Event) {
	if e.Event == Heard || e.Event == Reply {
		if w.From != nil && !w.from.matches(e.Peer) && !w.hasMade(e.Peer) || w.Payload != nil && *w.Payload != string(e.Payload) {
			return
		}
	}
	switch e.Event {
	case Heard:
		w.heard++
	case Reply:
		w.replies++
	case Sent:
		w.sent++
	case Failed:
		w.errors[e.Error]++
		w.errors[total]++
	}
}

// outcomes says what became of each amount that the expectation names.
func (w *watch) outcomes(f *File, r *lab.Report) (list []Expectation) {
	add := func(a amount, got uint64, format string, args ...any) {
		list = append(list, Expectation{w.line, fmt.Sprintf(format, args...), got, a.holds(got)})
	}
	who := "every program together"
	if w.Host != nil {
		who = *w.Host
	}
	if w.Program != nil {
		who += "'s " + *w.Program
	}
	which := ""
	if w.Payload != nil {
		which += " " + shorten(strconv.Quote(*w.Payload))
	}
	if w.From != nil {
		which += " from " + *w.From
	}
	if w.Heard != nil {
		add(*w.Heard, w.heard, "%s hears %s%s", who, w.Heard.of("datagram", "datagrams"), which)
	}
	if w.Replies != nil {
		add(*w.Replies, w.replies, "%s gets %s%s", who, w.Replies.of("reply", "replies"), which)
	}
	if w.Sent != nil {
		add(*w.Sent, w.sent, "%s sends %s", who, w.Sent.of("datagram", "datagrams"))
	}
	for _, e := range w.Errors {
		name := e.name
		if name == total {
			add(e.amount, w.errors[name], "%s gets %s", who, e.amount.of("error", "errors"))
			continue
		}
		add(e.amount, w.errors[name], "%s gets %s", who, e.amount.of(name, name))
	}
	if w.Drops != nil {
		where, counts := w.drops(r)
		for _, e := range w.Drops {
			if e.name == total {
				add(e.amount, sum(counts), "%s has %s", where, e.amount.of("drop", "drops"))
				continue
			}
			var reason drop.Reason
			reason.UnmarshalText([]byte(e.name))
			add(e.amount, counts[reason], "%s has %s", where, e.amount.of(e.name, e.name))
		}
	}
	if w.Withheld != nil {
		where, n := w.withheld(r)
		add(*w.Withheld, n, "snooping keeps %s from %s", w.Withheld.of("frame", "frames"), where)
	}
	return list
}

// withheld returns how many frames switches did not send where the expectation looks,
// and where that is: to a host, by one of its links, from a switch.
func (w *watch) withheld(r *lab.Report) (where string, n uint64) {
	switch {
	case w.Segment != nil:
		where = "those on " + *w.Segment
	case w.Host == nil:
		where = "hosts"
	default:
		where = *w.Host
		if w.Interface != nil {
			where += " " + *w.Interface
		}
	}
	for _, k := range r.Links {
		if (w.Segment == nil || k.Segment == *w.Segment) && (w.Host == nil || k.Host == *w.Host) && (w.Interface == nil || k.Interface == *w.Interface) {
			n += k.Withheld
		}
	}
	return where, n
}

func sum(counts map[drop.Reason]uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// drops returns what was dropped where the expectation looks: on a host, in its
// stack and on its links; on one link; on a segment; anywhere.
func (w *watch) drops(r *lab.Report) (where string, counts map[drop.Reason]uint64) {
	counts = make(map[drop.Reason]uint64)
	add := func(m map[drop.Reason]uint64) {
		for k, n := range m {
			counts[k] += n
		}
	}
	switch {
	case w.Segment != nil:
		for _, s := range r.Segments {
			if s.Name == *w.Segment {
				add(s.Dropped)
			}
		}
		return *w.Segment, counts
	case w.Host == nil:
		return "the lab", r.Dropped
	}
	where = *w.Host
	if w.Interface != nil {
		where += " " + *w.Interface
	} else {
		for _, h := range r.Hosts {
			if h.Name == *w.Host {
				add(h.Dropped)
			}
		}
	}
	for _, k := range r.Links {
		if k.Host == *w.Host && (w.Interface == nil || *w.Interface == k.Interface) {
			add(k.Send.Dropped)
			add(k.Receive.Dropped)
		}
	}
	return where, counts
}
