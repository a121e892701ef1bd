package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/castnet-go/castnet/membership"
	"github.com/castnet-go/castnet/wire"
)

// A groupMessage is a query, a report or a leave.
type groupMessage struct {
	Event       string              `json:"event"` // query, report, leave
	Time        time.Time           `json:"time"`
	Interface   string              `json:"interface"`
	Ours        bool                `json:"ours"` // sent by this machine, as far as can be told
	Source      netip.Addr          `json:"source"`
	MAC         string              `json:"mac"` // "" if there is none
	Protocol    membership.Protocol `json:"protocol"`
	Group       string              `json:"group"`        // "": all, or those of the records
	Sources     []netip.Addr        `json:"sources"`      // of a query
	MaxResponse float64             `json:"max_response"` // of a query, in seconds, as the next three
	Interval    float64             `json:"interval"`
	Robustness  int                 `json:"robustness"`
	Suppress    bool                `json:"suppress"`
	Records     []recordJSON        `json:"records"` // of a report of IGMPv3 or MLDv2
	Changes     []changeJSON        `json:"changes"`
	Due         *time.Time          `json:"due"`      // the next query, the answers, or the end of the memberships
	Fallback    *time.Time          `json:"fallback"` // until when hosts speak this older version
	Warning     string              `json:"warning"`  // what is odd
	Ignored     string              `json:"ignored"`  // why receivers ignore it
}

type recordJSON struct {
	Type    string       `json:"type"`
	Group   netip.Addr   `json:"group"`
	Sources []netip.Addr `json:"sources"`
}

type changeJSON struct {
	Effect membership.Effect `json:"effect"`
	memberJSON
}

type memberJSON struct {
	Interface string              `json:"interface"`
	Group     netip.Addr          `json:"group"`
	Host      netip.Addr          `json:"host"`
	MAC       string              `json:"mac"`
	Protocol  membership.Protocol `json:"protocol"`
	Only      bool                `json:"only"` // of these sources alone, or of all but these
	Sources   []netip.Addr        `json:"sources"`
	Expires   *time.Time          `json:"expires"`
}

type querierJSON struct {
	Interface   string              `json:"interface"`
	Address     string              `json:"address"` // "": there is none any more
	MAC         string              `json:"mac"`
	Protocol    membership.Protocol `json:"protocol"`
	Elected     bool                `json:"elected"`
	Interval    float64             `json:"interval"` // in seconds
	MaxResponse float64             `json:"max_response"`
	Robustness  int                 `json:"robustness"`
	Due         *time.Time          `json:"due"`
	Expires     *time.Time          `json:"expires"`
}

type querierEvent struct {
	Event string    `json:"event"`
	Time  time.Time `json:"time"`
	querierJSON
}

type expiredEvent struct {
	Event string    `json:"event"` // expired, or changed if some of its sources are left
	Time  time.Time `json:"time"`
	memberJSON
}

type watchSummary struct {
	Event     string        `json:"event"`
	Queries   uint64        `json:"queries"`
	Reports   uint64        `json:"reports"`
	Leaves    uint64        `json:"leaves"`
	Ignored   uint64        `json:"ignored"`
	Lost      uint64        `json:"lost"`
	Untracked uint64        `json:"untracked"`
	Members   []memberJSON  `json:"members"`
	Queriers  []querierJSON `json:"queriers"`
}

func (w *watcher) messageEvent(iface string, e *membership.Event) groupMessage {
	m := e.Message
	g := groupMessage{
		Event: m.Kind.String(), Time: e.Time, Interface: iface, Ours: w.ours, Source: m.Source, MAC: macText(e.MAC), Protocol: m.Protocol,
		Sources: list(m.Sources), MaxResponse: m.MaxResponse.Seconds(), Interval: m.Interval.Seconds(), Robustness: m.Robustness,
		Suppress: m.SuppressRouter, Records: []recordJSON{}, Changes: []changeJSON{}, Due: timeOrNull(e.Due), Fallback: timeOrNull(e.Fallback), Warning: m.Warning,
	}
	if m.Group.IsValid() {
		g.Group = m.Group.String()
	}
	if m.Err != nil {
		g.Ignored = m.Err.Error()
	}
	for _, r := range m.Records {
		g.Records = append(g.Records, recordJSON{r.Type.String(), r.Group, list(r.Sources)})
	}
	for i := range e.Changes {
		g.Changes = append(g.Changes, changeJSON{e.Changes[i].Effect, newMemberJSON(iface, &e.Changes[i].Member)})
	}
	return g
}

func newMemberJSON(iface string, m *membership.Member) memberJSON {
	return memberJSON{iface, m.Group, m.Host, macText(m.MAC), m.Protocol, m.Only, list(m.Sources), timeOrNull(m.Expires)}
}

func newQuerierJSON(iface string, q *membership.Querier) querierJSON {
	j := querierJSON{
		Interface: iface, MAC: macText(q.MAC), Protocol: q.Protocol, Elected: q.Elected, Interval: q.Interval.Seconds(),
		MaxResponse: q.MaxResponse.Seconds(), Robustness: q.Robustness, Due: timeOrNull(q.Due), Expires: timeOrNull(q.Expires),
	}
	if q.Address.IsValid() {
		j.Address = q.Address.String()
	}
	return j
}

func newQuerierEvent(iface string, e *membership.Event) querierEvent {
	return querierEvent{"querier", e.Time, newQuerierJSON(iface, e.Querier)}
}

func newExpiredEvent(iface string, e *membership.Event, c *membership.Change) expiredEvent {
	return expiredEvent{c.Effect.String(), e.Time, newMemberJSON(iface, &c.Member)}
}

// list returns the addresses, never nil, so that JSON has a list.
func list(a []netip.Addr) []netip.Addr { return append([]netip.Addr{}, a...) }

func macText(m wire.MAC) string {
	if m.IsZero() {
		return ""
	}
	return m.String()
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// timeOfDay returns a time of day; what is due is told to the second.
func timeOfDay(t time.Time) string { return t.Format("15:04:05") }

// start is what every line of a message begins with.
func (w *watcher) start(iface string, at time.Time) string {
	return w.out.paint(dim, at.Format("15:04:05.000000")) + " " + iface
}

// messageLines returns a message as text, a report a line for each record that is to be
// shown.
func (w *watcher) messageLines(iface string, e *membership.Event) []string {
	m := e.Message
	who := w.out.paint(cyan, m.Source.String())
	if w.ours {
		who += " (this host)"
	}
	head := fmt.Sprintf("%s %s %v %v", w.start(iface, e.Time), who, m.Protocol, m.Kind)
	tail := ""
	if m.Warning != "" {
		tail = "; " + w.out.paint(red, m.Warning)
	}
	switch {
	case m.Err != nil:
		if m.Group.IsValid() {
			head += " " + m.Group.String()
		}
		return []string{head + ": " + w.out.paint(red, "ignored: "+m.Err.Error())}
	case m.Kind == membership.Query:
		return []string{head + w.queryText(e) + tail}
	case len(m.Records) == 0:
		text := ""
		for i := range e.Changes {
			text = changeText(&e.Changes[i])
		}
		if m.Group.IsValid() {
			return []string{fmt.Sprintf("%s %v%s%s", head, m.Group, text, tail)}
		}
		return []string{head + " of nothing" + tail}
	}
	var lines []string
	changes := e.Changes
	for _, r := range m.Records {
		text := ""
		// The changes are in the order of the records, though not each has one.
		if len(changes) > 0 && changes[0].Member.Group == r.Group {
			text = changeText(&changes[0])
			changes = changes[1:]
		}
		if len(w.groups) > 0 && !slices.Contains(w.groups, r.Group) {
			continue
		}
		lines = append(lines, fmt.Sprintf("%s %v %v%s%s%s", head, r.Group, r.Type, sourcesText(" ", r.Sources), text, tail))
	}
	return lines
}

func (w *watcher) queryText(e *membership.Event) string {
	m := e.Message
	text := ""
	if m.Group.IsValid() {
		text = fmt.Sprintf(" %v%s", m.Group, sourcesText(" ", m.Sources))
	}
	text += fmt.Sprintf(": answers within %v", m.MaxResponse)
	if m.General() && !e.Due.IsZero() {
		text += ", next due "
		if m.Interval == 0 {
			text += "about " // it does not say so
		}
		text += timeOfDay(e.Due)
	}
	if !e.Fallback.IsZero() {
		text += fmt.Sprintf("; hosts speak %v until %s", m.Protocol, timeOfDay(e.Fallback))
	}
	if m.SuppressRouter {
		text += ", routers keep their timers"
	}
	return text
}

func sourcesText(before string, sources []netip.Addr) string {
	if len(sources) == 0 {
		return ""
	}
	words := make([]string, len(sources))
	for i, s := range sources {
		words[i] = s.String()
	}
	return before + strings.Join(words, " ")
}

// changeText says what became of a membership.
func changeText(c *membership.Change) string {
	switch c.Effect {
	case membership.Left:
		return ": left"
	case membership.Untracked:
		return ": joined; no room to remember it"
	}
	return fmt.Sprintf(": %v%s until %s", c.Effect, heardText(&c.Member), timeOfDay(c.Member.Expires))
}

// heardText says which sources a member hears, if not all.
func heardText(m *membership.Member) string {
	switch {
	case len(m.Sources) == 0:
		return ""
	case m.Only:
		return " for" + sourcesText(" ", m.Sources)
	}
	return " for all but" + sourcesText(" ", m.Sources)
}

func (w *watcher) querierLine(iface string, e *membership.Event) string {
	q := e.Querier
	if !q.Address.IsValid() {
		family := "IGMP"
		if q.Protocol.IPv6() {
			family = "MLD"
		}
		return w.start(iface, e.Time) + " " + w.out.paint(red, "no querier of "+family+" any more: switches that snoop will forget the members")
	}
	return fmt.Sprintf("%s %s is the querier, %v, every %s", w.start(iface, e.Time), w.out.paint(cyan, q.Address.String()), q.Protocol, intervalText(q))
}

func intervalText(q *membership.Querier) string {
	if q.Said {
		return q.Interval.String()
	}
	return "about " + q.Interval.Round(time.Second).String()
}

func (w *watcher) expiredLine(iface string, e *membership.Event, c *membership.Change) string {
	m := &c.Member
	head := fmt.Sprintf("%s %s %v", w.start(iface, e.Time), w.out.paint(cyan, m.Host.String()), m.Group)
	if c.Effect == membership.Changed {
		return head + ": left are" + sourcesText(" ", m.Sources) + " until " + timeOfDay(m.Expires)
	}
	return fmt.Sprintf("%s: %s, not reported since %s", head, w.out.paint(red, "expired"), timeOfDay(m.Heard))
}

func (w *watcher) querierRow(iface string, q *membership.Querier) string {
	what := "querier"
	if !q.Elected {
		what = "would-be querier"
	}
	return fmt.Sprintf("%s %s %v, %v, every %s, next due %s", iface, what, q.Address, q.Protocol, intervalText(q), timeOfDay(q.Due))
}

func (w *watcher) memberRow(iface string, m *membership.Member) string {
	return fmt.Sprintf("%s %v has %v%s, %v, until %s", iface, m.Group, m.Host, heardText(m), m.Protocol, timeOfDay(m.Expires))
}
