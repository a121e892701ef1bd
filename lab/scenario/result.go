package scenario

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/lab"
)

// A Result says what happened in a lab. Its JSON names are stable.
type Result struct {
	File        string        `json:"file"`
	Seed        uint64        `json:"seed"`
	Elapsed     time.Duration `json:"elapsed_ns"` // of the lab's time
	Took        time.Duration `json:"took_ns"`    // of the clock on the wall; the only thing that differs from run to run
	Realtime    bool          `json:"realtime"`
	Interrupted bool          `json:"interrupted"`
	Fingerprint string        `json:"fingerprint,omitempty"` // 16 hexadecimal digits; not in real time

	Hosts       []HostResult `json:"hosts"` // routers included
	Changes     []Event      `json:"changes,omitempty"`
	MoreChanges int          `json:"more_changes,omitempty"` // that are not in Changes

	Expectations []Expectation `json:"expectations"`

	// NotBegun says which programs could not begin, and why, unless the file
	// expects that error.
	NotBegun []string `json:"not_begun,omitempty"`

	// Failed says which scripts have failed, and why.
	Failed []string `json:"failed,omitempty"`

	// Imbalances say what is not accounted for. There are none unless
	// castnet is broken.
	Imbalances []string `json:"imbalances,omitempty"`

	// Filters say at which filter the copies ended of what was sent to groups, if
	// programs of the file use groups.
	Filters []FilterResult `json:"filters,omitempty"`

	// Report counts packets, frames and drops.
	Report *lab.Report `json:"report"`
}

// A HostResult says what the programs of a host did.
type HostResult struct {
	Name      string           `json:"name"`
	Addresses []netip.Prefix   `json:"addresses"`
	Programs  []*ProgramResult `json:"programs"`
}

// A ProgramResult says what a program did and got.
type ProgramResult struct {
	Host    string            `json:"host"`
	Name    string            `json:"name"`
	Kind    string            `json:"kind"`  // echo, listen, send or script
	About   string            `json:"about"` // where it listens, whom it sends to, or its file
	Sent    uint64            `json:"sent"`
	Printed uint64            `json:"printed,omitempty"` // lines, by script
	Heard   uint64            `json:"heard"`             // by echo and listen
	Replies uint64            `json:"replies"`           // to send
	Peers   []PeerResult      `json:"peers,omitempty"`   // whom it heard; the first 100
	Errors  map[string]uint64 `json:"errors,omitempty"`
	Ended   bool              `json:"ended"`             // it has done what it was to do
	Failure string            `json:"failure,omitempty"` // why script has failed

	// NotBegun is why the program could not begin: the name of the error that
	// its socket could not be opened for, and what it says. If empty, it
	// could, or it was not yet time for it.
	NotBegun string `json:"not_begun,omitempty"`
	foreseen bool   // an expectation reckons with that error

	Events []Event `json:"events,omitempty"` // the first 100, without those that it sent
	More   uint64  `json:"more_events,omitempty"`
}

// A PeerResult counts the datagrams that a program heard from one address.
type PeerResult struct {
	Peer      netip.AddrPort `json:"peer"`
	Datagrams uint64         `json:"datagrams"`
}

// Passed reports whether everything that the file expects has come to pass, every
// program could begin, unless the file expects the error, and everything is
// accounted for.
func (r *Result) Passed() bool {
	return len(r.Imbalances) == 0 && len(r.NotBegun) == 0 && len(r.Failed) == 0 && !slices.ContainsFunc(r.Expectations, func(e Expectation) bool { return !e.Met })
}

// shownEvents is how many events of a program WriteTo shows.
const shownEvents = 6

// WriteTo writes the result for people: what each program did and what it heard,
// what was delivered and dropped where, and which expectations were not met.
func (r *Result) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	r.heading(&b)
	for i := range r.Hosts {
		r.Hosts[i].write(&b)
	}
	if len(r.Changes) > 0 {
		b.WriteString("\ntimeline\n")
		writeEvents(&b, r.Changes, uint64(r.MoreChanges), "  ")
	}
	b.WriteByte('\n')
	writeTable(&b, r.Report)
	for i := range r.Report.Segments {
		if s := &r.Report.Segments[i]; s.Snooping {
			b.WriteByte('\n')
			s.WriteSnooping(&b)
		}
	}
	writeFilters(&b, r.Filters)
	b.WriteByte('\n')
	r.verdict(&b)
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

// String returns what WriteTo writes.
func (r *Result) String() string {
	var b strings.Builder
	r.WriteTo(&b)
	return b.String()
}

func (r *Result) heading(b *strings.Builder) {
	kind := "virtual"
	if r.Realtime {
		kind = "real"
	}
	fmt.Fprintf(b, "%s: %s and %s, seed %d, %v of %s time\n", r.File,
		plural(len(r.Report.Hosts), "host"), plural(len(r.Report.Segments), "segment"), r.Seed, r.Elapsed.Round(time.Microsecond), kind)
	if r.Interrupted {
		b.WriteString("interrupted; what follows is of the time until then\n")
	}
}

func (h *HostResult) write(b *strings.Builder) {
	if len(h.Programs) == 0 {
		return
	}
	var list []string
	for _, a := range h.Addresses {
		list = append(list, a.String())
	}
	fmt.Fprintf(b, "\n%s  %s\n", h.Name, strings.Join(list, " "))
	width := 0
	for _, p := range h.Programs {
		width = max(width, len(p.Name))
	}
	for _, p := range h.Programs {
		fmt.Fprintf(b, "  %-*s  %s\n", width, p.Name, p.summary())
		indent := "  " + strings.Repeat(" ", width+2)
		if p.Kind == "echo" && len(p.Errors) == 0 {
			// Each datagram is to be seen where the answer arrives.
			p.writePeers(b, indent)
			continue
		}
		writeEvents(b, p.Events, p.More, indent)
	}
}

// writePeers says how many datagrams were heard from whom.
func (p *ProgramResult) writePeers(b *strings.Builder, indent string) {
	rest := p.Heard
	for i, peer := range p.Peers {
		if i == shownEvents-1 && len(p.Peers) > shownEvents {
			break
		}
		fmt.Fprintf(b, "%s%d from %v\n", indent, peer.Datagrams, peer.Peer)
		rest -= peer.Datagrams
	}
	if rest > 0 {
		fmt.Fprintf(b, "%s… and %d from others\n", indent, rest)
	}
}

// summary says in a line what the program did.
func (p *ProgramResult) summary() string {
	var s string
	switch {
	case p.NotBegun != "" && p.Kind == "send":
		return fmt.Sprintf("could not begin to send to %s", p.About)
	case p.NotBegun != "":
		return fmt.Sprintf("could not begin on %s", p.About)
	}
	switch p.Kind {
	case "send":
		s = fmt.Sprintf("sent %s to %s", plural(int(p.Sent), "datagram"), p.About)
		switch {
		case p.Replies > 0:
			s += ", got " + number(p.Replies, "reply", "replies")
		case len(p.Errors) == 0:
			s += ", got no reply"
		}
		if !p.Ended && len(p.Errors) == 0 {
			s += "; it has not finished"
		}
	case "script":
		s = fmt.Sprintf("ran %s, which printed %s", p.About, plural(int(p.Printed), "line"))
		if p.Printed == 0 {
			s = fmt.Sprintf("ran %s, which printed nothing", p.About)
		}
		if !p.Ended {
			s += "; it has not ended"
		}
		if p.Failure != "" {
			s += "; " + p.Failure
		}
	case "echo":
		s = fmt.Sprintf("on %s answered %d of %s", p.About, p.Sent, plural(int(p.Heard), "datagram"))
	default:
		s = fmt.Sprintf("on %s heard %s", p.About, plural(int(p.Heard), "datagram"))
		if p.Heard == 0 {
			s = fmt.Sprintf("on %s heard nothing", p.About)
		}
	}
	return s
}

func writeEvents(b *strings.Builder, events []Event, more uint64, indent string) {
	shown := events
	if len(events)+int(more) > shownEvents {
		// As many lines, the last of which says how many more there are.
		shown = events[:shownEvents-1]
		more += uint64(len(events) - len(shown))
	}
	for i := range shown {
		fmt.Fprintf(b, "%s%s\n", indent, &shown[i])
	}
	if more > 0 {
		fmt.Fprintf(b, "%s… and %d more\n", indent, more)
	}
}

// writeTable writes what was delivered and dropped on each host, and on the links
// and segments that dropped something.
func writeTable(b *strings.Builder, r *lab.Report) {
	rows := [][]string{{"packets", "SENT", "RECEIVED", "READ", "DROPPED"}}
	links := r.Links
	for _, h := range r.Hosts {
		why := reasons(h.Dropped)
		if h.Queued > 0 {
			why = strings.TrimPrefix(why+", "+strconv.FormatUint(h.Queued, 10)+" waiting", ", ")
		}
		rows = append(rows, []string{h.Name, strconv.FormatUint(h.Sent, 10), strconv.FormatUint(h.Received, 10), strconv.FormatUint(h.Delivered, 10), why})
		for len(links) > 0 && links[0].Host == h.Name {
			k := links[0]
			links = links[1:]
			for _, d := range [...]struct {
				name   string
				report lab.DirectionReport
			}{{" to ", k.Send}, {" from ", k.Receive}} {
				why := underway(d.report)
				if k.Withheld > 0 && d.name == " from " {
					why = strings.TrimPrefix(why+", "+strconv.FormatUint(k.Withheld, 10)+" withheld", ", ")
				}
				if why != "" {
					rows = append(rows, []string{"  " + k.Interface + d.name + k.Segment, "", "", "", why})
				}
			}
		}
	}
	for _, s := range r.Segments {
		if why := reasons(s.Dropped); why != "" {
			rows = append(rows, []string{s.Name, "", "", "", why})
		}
	}
	if why := reasons(r.Dropped); why != "" {
		rows = append(rows, []string{"all drops", "", "", "", why})
	}
	var widths [5]int
	for _, cells := range rows {
		for i, c := range cells {
			widths[i] = max(widths[i], len(c))
		}
	}
	for _, c := range rows {
		line := fmt.Sprintf("%-*s  %*s  %*s  %*s  ", widths[0], c[0], widths[1], c[1], widths[2], c[2], widths[3], c[3])
		indent := len(line)
		for i, part := range wrap(c[4], max(98-indent, 30)) {
			if i > 0 {
				line = strings.Repeat(" ", indent)
			}
			b.WriteString(strings.TrimRight(line+part, " ") + "\n")
		}
	}
}

// underway says what a direction dropped, and what was on its way at the end.
func underway(d lab.DirectionReport) string {
	why := reasons(d.Dropped)
	if d.Underway > 0 {
		why = strings.TrimPrefix(why+", "+strconv.FormatUint(d.Underway, 10)+" under way", ", ")
	}
	return why
}

// wrap breaks a list at its commas into lines of at most width.
func wrap(s string, width int) (lines []string) {
	for len(s) > width {
		i := strings.LastIndex(s[:width], ", ")
		if i < 0 {
			break
		}
		lines = append(lines, s[:i+1])
		s = s[i+2:]
	}
	return append(lines, s)
}

// reasons lists drops, the most frequent first: "3 LinkLoss, 1 NoPort".
func reasons(m map[drop.Reason]uint64) string {
	keys := slices.SortedFunc(maps.Keys(m), func(a, b drop.Reason) int {
		return cmp.Or(cmp.Compare(m[b], m[a]), cmp.Compare(a, b))
	})
	var parts []string
	for _, k := range keys {
		parts = append(parts, fmt.Sprintf("%d %v", m[k], k))
	}
	return strings.Join(parts, ", ")
}

// verdict says what became of the expectations.
func (r *Result) verdict(b *strings.Builder) {
	met := 0
	for _, e := range r.Expectations {
		if e.Met {
			met++
			continue
		}
		fmt.Fprintf(b, "%s:%d: expected that %s; it was %d\n", r.File, e.Line, e.Want, e.Got)
	}
	for _, text := range r.Failed {
		fmt.Fprintf(b, "%s: %s\n", r.File, text)
	}
	for _, text := range r.NotBegun {
		fmt.Fprintf(b, "%s: %s\n", r.File, text)
	}
	for _, text := range r.Imbalances {
		fmt.Fprintf(b, "not accounted for: %s\n", text)
	}
	if n := len(r.Expectations); n > 0 {
		fmt.Fprintf(b, "%d of %s met", met, plural(n, "expectation"))
	} else {
		b.WriteString("no expectations")
	}
	if n := len(r.NotBegun); n > 0 {
		fmt.Fprintf(b, "; %s could not begin", plural(n, "program"))
	}
	if len(r.Imbalances) == 0 {
		b.WriteString("; every packet is accounted for")
	}
	if r.Fingerprint != "" {
		fmt.Fprintf(b, "; fingerprint %s", r.Fingerprint)
	}
	b.WriteByte('\n')
}

func plural(n int, what string) string { return number(uint64(n), what, what+"s") }

func number(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatUint(n, 10) + " " + many
}
