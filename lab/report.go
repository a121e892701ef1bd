package lab

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/castnet-go/castnet/drop"
)

// A Report says what has become of everything that was sent in a lab. Its JSON
// names are stable.
type Report struct {
	Seed        uint64        `json:"seed"`
	Elapsed     time.Duration `json:"elapsed_ns"` // of the lab's time
	Fingerprint uint64        `json:"fingerprint,string"`

	Hosts    []HostReport    `json:"hosts"`
	Links    []LinkReport    `json:"links"`
	Segments []SegmentReport `json:"segments"`
	Bridges  []BridgeReport  `json:"bridges,omitempty"`

	// Dropped counts the drops of all hosts, links, segments and bridges by
	// reason.
	Dropped map[drop.Reason]uint64 `json:"dropped,omitempty"`
}

// A HostReport counts datagrams and packets of one host.
type HostReport struct {
	Name      string                 `json:"name"`
	Generated uint64                 `json:"generated"` // sent by programs or made by the stack
	Received  uint64                 `json:"received"`  // packets that came in, loopback included
	Sent      uint64                 `json:"sent"`      // packets that went out, loopback included
	Delivered uint64                 `json:"delivered"` // datagrams that programs read
	Queued    uint64                 `json:"queued"`    // that wait: to be read, for a neighbour
	Dropped   map[drop.Reason]uint64 `json:"dropped,omitempty"`
}

// A LinkReport counts frames in both directions of a link.
type LinkReport struct {
	Host      string          `json:"host"`
	Interface string          `json:"interface"`
	Segment   string          `json:"segment"`
	Send      DirectionReport `json:"send"`
	Receive   DirectionReport `json:"receive"`
	// Withheld counts frames that the segment, a switch that snoops, did not send
	// by this link, since nobody there wanted them. Of those no copy was made.
	Withheld uint64 `json:"withheld,omitempty"`
}

// A DirectionReport counts frames in one direction of a link.
type DirectionReport struct {
	Frames     uint64                 `json:"frames"`     // that were sent into it
	Duplicated uint64                 `json:"duplicated"` // that it doubled
	Arrived    uint64                 `json:"arrived"`    // at its other end, duplicates included
	Underway   uint64                 `json:"underway"`   // that have not arrived yet
	Dropped    map[drop.Reason]uint64 `json:"dropped,omitempty"`
}

// A SegmentReport counts frames of a switch or a cable.
type SegmentReport struct {
	Name      string                 `json:"name"`
	Frames    uint64                 `json:"frames"`    // that came in
	Copies    uint64                 `json:"copies"`    // more of them, for further ports
	Forwarded uint64                 `json:"forwarded"` // that left, copies included
	Dropped   map[drop.Reason]uint64 `json:"dropped,omitempty"`

	// Of a switch that snoops.

	Queries  uint64          `json:"queries,omitempty"`  // that it made itself
	Consumed uint64          `json:"consumed,omitempty"` // reports that it alone read, since there was no router
	Withheld uint64          `json:"withheld,omitempty"` // copies that it did not make
	Groups   []SwitchGroup   `json:"groups,omitempty"`
	Routers  []RouterPort    `json:"routers,omitempty"`
	Queriers []SwitchQuerier `json:"queriers,omitempty"`
	Snooping bool            `json:"snooping,omitempty"`
}

// A BridgeReport counts frames that a bridge took over, between the link that
// leads out of the lab and its own link to the segment.
type BridgeReport struct {
	Name    string          `json:"name"`
	Segment string          `json:"segment"`
	In      uint64          `json:"in"`  // frames that came from outside
	Out     uint64          `json:"out"` // frames that went outside
	Send    DirectionReport `json:"send"`
	Receive DirectionReport `json:"receive"`
	// Dropped counts what the segment's link or the one to the outside
	// refused.
	Dropped map[drop.Reason]uint64 `json:"dropped,omitempty"`
}

// Report counts what has happened so far. Hosts and segments are in the order of
// adding.
func (l *Lab) Report() *Report {
	r := &Report{Seed: l.cfg.Seed, Elapsed: l.Elapsed(), Fingerprint: l.Fingerprint(), Dropped: make(map[drop.Reason]uint64)}
	l.lock()
	defer l.unlock()
	for _, h := range l.hosts {
		g := h.stack.Ledger()
		r.Hosts = append(r.Hosts, HostReport{
			Name: h.name, Generated: g.Generated, Received: g.In, Sent: g.Sent,
			Delivered: g.Delivered, Queued: g.Held, Dropped: h.stack.Drops().Map(),
		})
		add(r.Dropped, h.stack.Drops().Map())
		for _, n := range h.nics {
			k := LinkReport{
				Host: h.name, Interface: n.name, Segment: n.on.Name(),
				Send: n.send.report(), Receive: n.get.report(),
			}
			if p, ok := n.at.(*port); ok {
				k.Withheld = p.withheld()
			}
			r.Links = append(r.Links, k)
			n.send.drops.addTo(r.Dropped)
			n.get.drops.addTo(r.Dropped)
		}
	}
	for _, seg := range l.segments {
		s := seg.base()
		g := SegmentReport{
			Name: s.name, Frames: s.in, Copies: s.cloned, Forwarded: s.out, Dropped: s.drops.addTo(nil),
			Queries: s.made, Consumed: s.consumed,
		}
		if sw, ok := seg.(*Switch); ok && sw.snooper != nil {
			g.Snooping, g.Groups, g.Routers, g.Queriers = true, sw.groups(), sw.routerPorts(), sw.queriers()
			for _, p := range sw.ports {
				g.Withheld += p.withheld()
			}
		}
		r.Segments = append(r.Segments, g)
		s.drops.addTo(r.Dropped)
	}
	for _, b := range l.bridges {
		dropped := b.lostOut.addTo(b.lostIn.addTo(nil))
		r.Bridges = append(r.Bridges, BridgeReport{
			Name: b.Name(), Segment: b.nic.on.Name(), In: b.in, Out: b.out,
			Send: b.nic.send.report(), Receive: b.nic.get.report(), Dropped: dropped,
		})
		add(r.Dropped, dropped)
		b.nic.send.drops.addTo(r.Dropped)
		b.nic.get.drops.addTo(r.Dropped)
	}
	return r
}

func (d *direction) report() DirectionReport {
	return DirectionReport{
		Frames: d.in, Duplicated: d.cloned, Arrived: d.out, Underway: uint64(d.underway), Dropped: d.drops.addTo(nil),
	}
}

func add(to, from map[drop.Reason]uint64) {
	for r, n := range from {
		to[r] += n
	}
}

// WriteTo writes the report as a table: a line for each host, direction of a
// link, bridge and segment at which something happened, with how many packets came in,
// were made there, went on and were read by programs, and how many were dropped,
// and why. Behind it is what switches that snoop know, and how many frames they kept
// from whom.
func (r *Report) WriteTo(w io.Writer) (int64, error) {
	rows := [][]string{{"WHERE", "IN", "MADE", "OUT", "READ", "DROPPED"}}
	row := func(where string, in, made, out, read, waiting uint64, dropped map[drop.Reason]uint64) {
		why := reasons(dropped)
		if waiting > 0 {
			why = strings.TrimPrefix(why+", "+strconv.FormatUint(waiting, 10)+" waiting", ", ")
		}
		if in+made+out > 0 || why != "" {
			rows = append(rows, []string{where, number(in), number(made), number(out), number(read), why})
		}
	}
	direction := func(where string, d DirectionReport) {
		row(where, d.Frames, d.Duplicated, d.Arrived, 0, d.Underway, d.Dropped)
	}
	var withheld []string // by switches that snoop
	links := r.Links
	for _, h := range r.Hosts {
		row(h.Name, h.Received, h.Generated, h.Sent, h.Delivered, h.Queued, h.Dropped)
		for len(links) > 0 && links[0].Host == h.Name {
			k := links[0]
			links = links[1:]
			name := "  " + h.Name + " " + k.Interface
			direction(name+" > "+k.Segment, k.Send)
			direction(name+" < "+k.Segment, k.Receive)
			if k.Withheld > 0 {
				withheld = append(withheld, fmt.Sprintf("%d from %s %s", k.Withheld, k.Host, k.Interface))
			}
		}
	}
	for _, b := range r.Bridges {
		row(b.Name, b.In+b.Receive.Arrived, 0, b.Out+b.Send.Frames, 0, 0, b.Dropped)
		direction("  "+b.Name+" > "+b.Segment, b.Send)
		direction("  "+b.Name+" < "+b.Segment, b.Receive)
	}
	for _, s := range r.Segments {
		row(s.Name, s.Frames, s.Copies+s.Queries, s.Forwarded, s.Consumed, 0, s.Dropped)
	}

	var widths [6]int
	for _, cells := range rows {
		for i, c := range cells {
			widths[i] = max(widths[i], len(c))
		}
	}
	var b strings.Builder
	for _, cells := range rows {
		line := fmt.Sprintf("%-*s  %*s  %*s  %*s  %*s  %s", widths[0], cells[0], widths[1], cells[1],
			widths[2], cells[2], widths[3], cells[3], widths[4], cells[4], cells[5])
		b.WriteString(strings.TrimRight(line, " "))
		b.WriteByte('\n')
	}
	for i := range r.Segments {
		r.Segments[i].WriteSnooping(&b)
	}
	if len(withheld) > 0 {
		fmt.Fprintf(&b, "withheld: %s\n", enumerate(withheld))
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

// String returns the table of WriteTo.
func (r *Report) String() string {
	var b strings.Builder
	r.WriteTo(&b)
	return b.String()
}

func number(n uint64) string {
	if n == 0 {
		return "-"
	}
	return strconv.FormatUint(n, 10)
}

// reasons lists drops, the most frequent first: "3 LinkLoss, 1 NoPort".
func reasons(m map[drop.Reason]uint64) string {
	keys := slices.SortedFunc(maps.Keys(m), func(a, b drop.Reason) int {
		return cmp.Or(cmp.Compare(m[b], m[a]), cmp.Compare(a, b))
	})
	var b strings.Builder
	for i, k := range keys {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%d %v", m[k], k)
	}
	return b.String()
}
