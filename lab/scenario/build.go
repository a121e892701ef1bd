package scenario

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/stack"
)

// routeType is what becomes of the packets that a route takes.
type routeType stack.RouteType

// routeTypes are the words of ip-route(8).
var routeTypes = []struct {
	name string
	kind stack.RouteType
}{
	{"unicast", stack.RouteUnicast},
	{"unreachable", stack.RouteUnreachable},
	{"prohibit", stack.RouteProhibit},
	{"blackhole", stack.RouteBlackhole},
}

func (t *routeType) set(text string) error {
	var known []string
	for _, k := range routeTypes {
		if k.name == text {
			*t = routeType(k.kind)
			return nil
		}
		known = append(known, k.name)
	}
	return fmt.Errorf("%q is no kind of route; %s", text, suggest(text, known))
}

// built is a lab made from a file.
type built struct {
	lab   *lab.Lab
	hosts map[*node]*lab.Host
}

// build makes the lab, without programs and timeline. Mistakes are noted with
// their lines.
func (f *File) build(cfg lab.Config, d *decoder) *built {
	b := &built{lab: lab.New(cfg), hosts: make(map[*node]*lab.Host)}
	doc := &f.doc
	segments := make(map[string]lab.Segment)
	for i := range doc.Switches {
		n := &doc.Switches[i]
		s := b.lab.AddSwitch(n.Name)
		segments[n.Name] = s
		if n.Snooping != nil {
			if err := s.Snoop(n.Snooping.lab()); err != nil {
				d.errorf(d.line(n.Snooping, n), join("switches", n.Name)+".snooping", "%v", d.because(err))
			}
		}
	}
	for _, name := range doc.Cables {
		segments[name] = b.lab.AddCable(name)
	}
	for i := range doc.Hosts {
		n := &doc.Hosts[i]
		b.hosts[n] = b.lab.AddHostWith(n.Name, n.Stack.config())
	}
	for i := range doc.Routers {
		n := &doc.Routers[i]
		b.hosts[n] = &b.lab.AddRouterWith(n.Name, n.Stack.config()).Host
	}
	for _, n := range doc.all() {
		f.attach(b.hosts[n], n, segments, d)
	}
	return b
}

// config returns what a host's stack is like; nil is as Linux.
func (s *hostStack) config() stack.Config {
	if s == nil {
		return stack.Config{}
	}
	c := stack.Config{JoinSetsInterface: s.JoinSetsInterface, FirstBound: s.FirstBound}
	if s.DADTransmits != nil {
		c.DADTransmits = *s.DADTransmits
		if c.DADTransmits == 0 {
			c.DADTransmits = -1 // to the stack, zero is the default
		}
	}
	return c
}

func (f *File) attach(h *lab.Host, n *node, segments map[string]lab.Segment, d *decoder) {
	path := f.doc.path(n)
	for _, a := range n.interfaces() {
		cfg := lab.LinkConfig{MTU: *a.MTU, Faults: a.Faults.lab(), Receive: a.Receive.lab(), RouterPort: *a.RouterPort, IPv6: *a.IPv6, Advertise: a.Advertise.lab()}
		for _, p := range *a.Address {
			cfg.Addresses = append(cfg.Addresses, netip.Prefix(p))
		}
		if _, err := h.Attach(segments[*a.Segment], cfg); err != nil {
			d.errorf(d.line(a.Segment, n), path, "%v", d.because(err))
			return
		}
	}
	for i := range n.Gateway {
		if err := h.AddRoute(stack.Route{Gateway: netip.Addr(n.Gateway[i])}); err != nil {
			d.errorf(d.line(&n.Gateway[i]), path+".gateway", "%v", d.because(err))
		}
	}
	for i := range n.Routes {
		r := &n.Routes[i]
		route := stack.Route{
			Destination: netip.Prefix(r.To), Interface: r.Interface, Metric: r.Metric, Type: stack.RouteType(r.Type),
		}
		if r.Via != nil {
			route.Gateway = netip.Addr(*r.Via)
		}
		if r.Source != nil {
			route.Source = netip.Addr(*r.Source)
		}
		if err := h.AddRoute(route); err != nil {
			d.errorf(d.line(r), fmt.Sprintf("%s.routes[%d]", path, i), "%v", d.because(err))
		}
	}
}

// because returns the reason for an error, and keeps the first.
func (d *decoder) because(err error) error {
	err = reason(err)
	d.cause = cmp.Or(d.cause, err)
	return err
}

// reason takes off an error what the line that it is reported with says anyway.
func reason(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil || !strings.HasPrefix(err.Error(), "lab: ") {
			return err
		}
		err = inner
	}
}

// apply changes the network as the timeline says, now. It returns the change in
// words.
func (b *built) apply(f *File, h *change) (string, error) {
	switch {
	case h.Heal:
		return "the partition ends", b.lab.Partition()
	case h.Partition != nil:
		text := "a partition is between"
		for i, g := range h.Partition {
			if i > 0 {
				text += " |"
			}
			for _, name := range g {
				text += " " + name
			}
		}
		return shortenTo(text, 200), b.lab.Partition(h.Partition...)
	}
	host, ifname := b.hosts[f.doc.node(*h.Host)], ethernet(0)
	if h.Interface != nil {
		ifname = *h.Interface
	}
	text := fmt.Sprintf("%s %s:", *h.Host, ifname)
	if h.Link != nil {
		if err := host.SetLink(ifname, bool(*h.Link)); err != nil {
			return "", err
		}
		text += map[linkState]string{true: " link up", false: " link down"}[*h.Link]
	}
	send, receive, err := host.Faults(ifname)
	if err != nil {
		return "", err
	}
	if h.Faults != nil {
		send = h.Faults.lab()
		text += " faults " + describeFaults(send)
	}
	if h.Receive != nil {
		receive = h.Receive.lab()
		text += " receive " + describeFaults(receive)
	}
	return text, host.SetFaults(ifname, send, receive)
}

func shortenTo(s string, n int) string {
	if len(s) > n {
		return s[:n-3] + "…"
	}
	return s
}

// describeFaults says what faults there are, as they are written in a file.
func describeFaults(f lab.Faults) string {
	var parts []any
	text := ""
	add := func(name string, value any, is bool) {
		if !is {
			return
		}
		if len(parts) > 0 {
			text += ", "
		}
		parts = append(parts, value)
		text += fmt.Sprintf("%s: %v", name, value)
	}
	add("delay", f.Delay, f.Delay > 0)
	add("jitter", f.Jitter, f.Jitter > 0)
	add("loss", f.Loss, f.Loss > 0)
	add("duplicate", f.Duplicate, f.Duplicate > 0)
	add("reorder", f.Reorder, f.Reorder > 0)
	add("corrupt", f.Corrupt, f.Corrupt > 0)
	add("rate", f.Rate, f.Rate > 0)
	add("limit", f.Limit, f.Limit > 0)
	return "{" + text + "}"
}

// rehearse applies the timeline, in the order of its times, to a lab that does
// not run, to see that it can be applied.
func (b *built) rehearse(f *File, d *decoder) {
	for i := range f.doc.Timeline {
		if _, err := b.apply(f, &f.doc.Timeline[i]); err != nil {
			d.errorf(d.line(&f.doc.Timeline[i]), fmt.Sprintf("timeline[%d]", i), "%v", d.because(err))
		}
	}
}

// plan puts the timeline into the lab's queue.
func (b *built) plan(f *File, r *run) {
	for i := range f.doc.Timeline {
		h := &f.doc.Timeline[i]
		b.lab.At(time.Duration(h.At), func() {
			text, err := b.apply(f, h)
			e := &Event{Event: Change, Message: text}
			if err != nil {
				e.Message = err.Error()
			}
			r.changed(e)
		})
	}
}
