package scenario

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// A FilterResult says where on the way to programs the copies ended of what was sent to
// a group, for one interface of a host. Its JSON names are stable.
//
// A switch that snoops, and a stack, make no copy for whom they know not to want one:
// such a copy is counted in Switch or Sockets, and is no drop.
type FilterResult struct {
	Group     netip.Addr `json:"group"`
	Host      string     `json:"host"`
	Interface string     `json:"interface"`
	Sent      uint64     `json:"sent"`    // by programs there
	Link      uint64     `json:"link"`    // lost on the host's link
	Switch    uint64     `json:"switch"`  // kept from the host by snooping
	Card      uint64     `json:"card"`    // refused by the card, by their hardware address
	Groups    uint64     `json:"groups"`  // refused by the list of groups and sources that were joined there
	Sockets   uint64     `json:"sockets"` // that no socket, or not this one, wanted or had room for
	Other     uint64     `json:"other"`   // that ended for other reasons
	Heard     uint64     `json:"heard"`   // that programs read

	refused uint64 // the packet of which a socket got no copy last
}

// filters counts where copies end, as a Tracer, and hands on to another one what it is
// told. In real time it is told by several goroutines.
type filters struct {
	inner trace.Tracer // nil: none
	order map[string]int

	mu   sync.Mutex
	ids  uint64
	rows map[filterKey]*FilterResult
}

type filterKey struct {
	group netip.Addr
	place string // "h1 eth0"
}

// maxFilters is how many groups on interfaces are told apart.
const maxFilters = 4096

// newFilters returns the Tracer for a file in which programs use groups; else it is the
// inner one that is to be used.
func newFilters(doc *document, inner trace.Tracer) *filters {
	uses := false
	for _, n := range doc.all() {
		for i := range n.Programs {
			p := &n.Programs[i]
			if s := p.Send; s != nil {
				uses = uses || s.Join != nil || s.To.ip.IsMulticast()
			} else {
				uses = uses || p.Script == nil && p.service().Join != nil
			}
		}
	}
	if !uses {
		return nil
	}
	f := &filters{inner: inner, order: make(map[string]int), rows: make(map[filterKey]*FilterResult)}
	for i, n := range doc.all() {
		f.order[n.Name] = i
	}
	return f
}

// NewID returns the number of a packet.
func (f *filters) NewID() uint64 {
	if f.inner != nil {
		return f.inner.NewID()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ids++
	return f.ids
}

// Trace counts a step, if it is one of a copy's end.
func (f *filters) Trace(e *trace.Event) {
	if f.inner != nil {
		f.inner.Trace(e)
	}
	switch e.Step {
	case trace.Send, trace.Withhold, trace.Read, trace.Drop:
	default:
		return
	}
	group, ok := groupOf(e.Frame, e.Layer)
	if !ok {
		return
	}
	place := e.Node + " " + e.Interface
	if to, atSwitch := strings.CutPrefix(e.Interface, "> "); atSwitch {
		place = to
	}
	host, ifname, _ := strings.Cut(place, " ")
	if _, is := f.order[host]; !is || ifname == "lo" {
		return // of a segment: what nobody wanted was withheld from all
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	key := filterKey{group, place}
	r := f.rows[key]
	if r == nil {
		if len(f.rows) == maxFilters {
			return
		}
		r = &FilterResult{Group: group, Host: host, Interface: ifname}
		f.rows[key] = r
	}
	r.count(e, place != e.Node+" "+e.Interface)
}

// count counts one step; atSwitch says that it is of a switch before the host.
func (r *FilterResult) count(e *trace.Event, atSwitch bool) {
	switch {
	case e.Step == trace.Send:
		r.Sent++
	case e.Step == trace.Read:
		r.Heard++
	case atSwitch:
		r.Switch++
	case e.Step == trace.Withhold:
		r.Sockets++
		r.refused = e.Packet
	default:
		switch e.Reason {
		case drop.LinkLoss, drop.LinkDown, drop.LinkQueueFull, drop.LinkOverrun, drop.LinkTooBig:
			r.Link++
		case drop.MACFiltered:
			r.Card++
		case drop.NotAMember:
			r.Groups++
		case drop.SourceFiltered:
			if strings.HasPrefix(e.Detail, "groups: ") {
				r.Groups++
				return
			}
			fallthrough
		case drop.NoPort:
			if r.refused != e.Packet {
				r.Sockets++ // else each socket was counted
			}
		case drop.ReceiveQueueFull, drop.SocketShutdown, drop.SocketClosed:
			r.Sockets++
		default:
			r.Other++
		}
	}
}

// groupOf returns the group that a datagram is for, if it is for one.
func groupOf(frame []byte, layer trace.Layer) (netip.Addr, bool) {
	if layer == trace.LayerEthernet {
		_, payload, err := wire.ParseEthernet(frame)
		if err != nil {
			return netip.Addr{}, false
		}
		frame = payload
	} else if layer != trace.LayerIP {
		return netip.Addr{}, false
	}
	if h, _, _, err := wire.ParseIPv4(frame); err == nil {
		a := h.Destination()
		return a, a.IsMulticast() && h.Protocol() == wire.ProtocolUDP
	}
	h, payload, err := wire.ParseIPv6(frame)
	if err != nil {
		return netip.Addr{}, false
	}
	w := wire.WalkIPv6(h, payload)
	for _, ok := w.Next(); ok; _, ok = w.Next() {
	}
	a := h.Destination()
	return a, a.IsMulticast() && w.Protocol() == wire.ProtocolUDP
}

// results returns what was counted, by groups and in the order of the hosts.
func (f *filters) results() (list []FilterResult) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.rows {
		list = append(list, *r)
	}
	slices.SortFunc(list, func(a, b FilterResult) int {
		if c := a.Group.Compare(b.Group); c != 0 {
			return c
		}
		if c := f.order[a.Host] - f.order[b.Host]; c != 0 {
			return c
		}
		return strings.Compare(a.Interface, b.Interface)
	})
	return list
}

// shownGroups is how many groups WriteTo shows in its tables.
const shownGroups = 8

// writeFilters writes where the copies of what was sent to groups ended.
func writeFilters(b *strings.Builder, list []FilterResult) {
	if len(list) == 0 {
		return
	}
	columns := []string{"LINK", "SWITCH", "CARD", "GROUPS", "SOCKETS", "OTHER", "HEARD"}
	counts := func(r *FilterResult) []uint64 {
		return []uint64{r.Link, r.Switch, r.Card, r.Groups, r.Sockets, r.Other, r.Heard}
	}
	// A column in which there is nothing is left out, but for the filters'.
	shown := []bool{1: true, 2: true, 3: true, 4: true, 6: true}
	for i := range list {
		for k, n := range counts(&list[i]) {
			shown[k] = shown[k] || n > 0
		}
	}
	rows := [][]string{{"where copies ended", "SENT"}}
	for k, c := range columns {
		if shown[k] {
			rows[0] = append(rows[0], c)
		}
	}
	groups := 0
	for i := range list {
		r := &list[i]
		if i == 0 || list[i-1].Group != r.Group {
			if groups++; groups > shownGroups {
				continue
			}
			rows = append(rows, []string{r.Group.String()})
		}
		if groups > shownGroups {
			continue
		}
		row := []string{"  " + r.Host + " " + r.Interface, orDash(r.Sent)}
		for k, n := range counts(r) {
			if shown[k] {
				row = append(row, orDash(n))
			}
		}
		rows = append(rows, row)
	}
	b.WriteByte('\n')
	writeColumns(b, rows)
	if groups > shownGroups {
		fmt.Fprintf(b, "… and %s more\n", plural(groups-shownGroups, "group"))
	}
}

func orDash(n uint64) string {
	if n == 0 {
		return "-"
	}
	return strconv.FormatUint(n, 10)
}

// writeColumns writes a table whose first column is text and whose others are numbers.
func writeColumns(b *strings.Builder, rows [][]string) {
	var widths []int
	for _, cells := range rows {
		for i, c := range cells {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len([]rune(c)))
		}
	}
	for _, cells := range rows {
		line := fmt.Sprintf("%-*s", widths[0], cells[0])
		for i, c := range cells[1:] {
			line += fmt.Sprintf("  %*s", widths[i+1], c)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}
