package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/castnet-go/castnet/membership"
	"github.com/castnet-go/castnet/netspec"
)

func newMcastWatch() *cobra.Command {
	w := &watcher{}
	cmd := &cobra.Command{
		Use:   "watch [GROUP…]",
		Short: "Show every report, leave and query on a segment",
		Long: `Watch shows the messages of IGMP and MLD: who sent them, in which version, which
groups and sources they are about, and what follows: when the querier's next
query is due, and until when a membership lasts if it is not reported again. It
says too when one of these does not come. At the end it lists the members and
the queriers. With GROUPs it shows only what concerns these.

It takes no part: it neither joins nor answers. On host it looks at all interfaces,
or those given by --interface, and sees what this machine sends, too; it needs
CAP_NET_RAW. On a device (--on tap,… or packet,…) it sees what comes in by it,
and addr may be left out. A switch that snoops keeps others' reports away from
it, as from every port but the routers'.`,
		Example: `  castnet mcast watch                                all interfaces, until Ctrl-C
  castnet mcast watch --interface eth0 239.1.2.3     one group on one interface
  castnet mcast watch --read capture.pcapng          out of a capture
  castnet mcast watch --on packet,dev=eth0 --json
  castnet mcast watch --timeout 130s --quiet         who is there? one query interval`,
		Args: func(_ *cobra.Command, args []string) error {
			for _, a := range args {
				g, err := parseGroup(a)
				if err != nil {
					return err
				}
				w.groups = append(w.groups, g.WithZone(""))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return w.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.StringArrayVarP(&w.interfaces, "interface", "i", nil, "watch this interface; may repeat; without it, all")
	f.StringVarP(&w.file, "read", "r", "", "read a capture `FILE`, pcapng or pcap, instead")
	f.IntVarP(&w.count, "count", "c", 0, "end after so many messages; 0: never")
	f.DurationVarP(&w.timeout, "timeout", "t", 0, "end after so long, such as 10s; 0: never")
	f.BoolVarP(&w.quiet, "quiet", "q", false, "print the summary only")
	f.StringVar(&w.on, "on", "host", "`NETWORK` to watch: host or a device")
	f.BoolVar(&w.json, "json", false, "print one JSON object a line")
	f.SortFlags = false
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) (err error) {
		if w.spec, err = netspec.ParseLink(w.on); err != nil {
			return err
		}
		switch {
		case w.count < 0 || w.timeout < 0:
			return errors.New("--count and --timeout cannot be negative")
		case w.file != "" && (cmd.Flags().Changed("on") || w.interfaces != nil || w.timeout > 0):
			return errors.New("--read is about a capture, and --on, --interface and --timeout about a network")
		case w.interfaces != nil && w.spec.Kind != "host":
			return errors.New("--interface is for host: a device is one interface")
		}
		return nil
	}
	return cmd
}

// A watcher is the command mcast watch.
type watcher struct {
	interfaces []string
	file       string
	count      int
	timeout    time.Duration
	quiet      bool
	on         string
	json       bool
	spec       *netspec.Spec
	groups     []netip.Addr // to show; none: all

	out      *output
	segments []*segment
	seen     map[string]uint64 // messages, by kind
	shown    int
	lost     uint64
	ours     bool // the message that is shown was sent by this machine
}

// A segment is what is behind one interface.
type segment struct {
	name  string
	table *membership.Table
}

// maxSegments bounds how many interfaces are told apart; a capture may name more.
const maxSegments = 1024

func (w *watcher) run(ctx context.Context) error {
	w.out = newOutput(os.Stdout, w.json)
	w.seen = make(map[string]uint64)
	if w.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, w.timeout)
		defer cancel()
	}
	var err error
	switch {
	case w.file != "":
		err = w.readFile(ctx)
	case w.spec.Kind == "host":
		err = w.watchHost(ctx)
	default:
		err = w.watchDevice(ctx)
	}
	if err != nil {
		return fail(err)
	}
	return fail(w.summarize())
}

// packets goes through what comes until the context ends or enough has come.
func (w *watcher) packets(ctx context.Context, from <-chan seenPacket) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for w.out.err == nil && !w.done() {
		if next, ok := w.nextDeadline(); ok {
			timer.Reset(time.Until(next))
		} else {
			timer.Stop()
		}
		select {
		case p, more := <-from:
			if !more {
				return nil
			}
			if p.err != nil {
				return p.err
			}
			w.packet(&p)
		case now := <-timer.C:
			w.advance(now)
		case <-ctx.Done():
			return nil
		}
	}
	return w.out.err
}

func (w *watcher) done() bool { return w.count > 0 && w.shown >= w.count }

func (w *watcher) nextDeadline() (next time.Time, ok bool) {
	for _, s := range w.segments {
		if at, any := s.table.NextDeadline(); any && (!ok || at.Before(next)) {
			next, ok = at, true
		}
	}
	return next, ok
}

func (w *watcher) advance(now time.Time) {
	for _, s := range w.segments {
		w.show(s, s.table.Advance(now))
	}
}

// packet takes in one packet.
func (w *watcher) packet(p *seenPacket) {
	w.advance(p.time)
	s := w.segment(p.iface)
	if s == nil {
		w.lost++
		return
	}
	w.ours = p.outgoing
	if p.ethernet {
		w.show(s, s.table.Frame(p.time, p.data))
	} else {
		w.show(s, s.table.Packet(p.time, p.mac, p.data))
	}
}

func (w *watcher) segment(name string) *segment {
	for _, s := range w.segments {
		if s.name == name {
			return s
		}
	}
	if len(w.segments) >= maxSegments {
		return nil
	}
	s := &segment{name, membership.New(membership.Config{})}
	w.segments = append(w.segments, s)
	return s
}

// concerns reports whether an event is about a group that is to be shown.
func (w *watcher) concerns(e *membership.Event) bool {
	if len(w.groups) == 0 {
		return true
	}
	if m := e.Message; m != nil {
		if m.General() || slices.Contains(w.groups, m.Group) {
			return true
		}
		for _, r := range m.Records {
			if slices.Contains(w.groups, r.Group) {
				return true
			}
		}
	}
	for _, c := range e.Changes {
		if slices.Contains(w.groups, c.Member.Group) {
			return true
		}
	}
	return e.Querier != nil
}

// show tells of events.
func (w *watcher) show(s *segment, events []membership.Event) {
	for i := range events {
		e := &events[i]
		if w.done() || !w.concerns(e) {
			continue
		}
		if m := e.Message; m != nil {
			w.shown++
			switch {
			case m.Err != nil:
				w.seen["ignored"]++
			default:
				w.seen[m.Kind.String()]++
			}
		}
		if w.quiet {
			continue
		}
		if e.Message != nil {
			w.out.say(w.messageEvent(s.name, e), strings.Join(w.messageLines(s.name, e), "\n"))
		}
		if e.Querier != nil {
			w.out.say(newQuerierEvent(s.name, e), w.querierLine(s.name, e))
		}
		if e.Message == nil {
			for i := range e.Changes {
				c := &e.Changes[i]
				w.out.say(newExpiredEvent(s.name, e, c), w.expiredLine(s.name, e, c))
			}
		}
	}
}

// summarize lists who is there, and returns errNothing if nothing was to be seen.
func (w *watcher) summarize() error {
	e := watchSummary{
		Event: "summary", Queries: w.seen["query"], Reports: w.seen["report"], Leaves: w.seen["leave"], Ignored: w.seen["ignored"],
		Lost: w.lost, Members: []memberJSON{}, Queriers: []querierJSON{},
	}
	var lines []string
	for _, s := range w.segments {
		e.Untracked += s.table.Untracked()
		for _, q := range s.table.Queriers() {
			e.Queriers = append(e.Queriers, newQuerierJSON(s.name, &q))
			lines = append(lines, w.querierRow(s.name, &q))
		}
		for _, m := range s.table.Members() {
			if len(w.groups) > 0 && !slices.Contains(w.groups, m.Group) {
				continue
			}
			e.Members = append(e.Members, newMemberJSON(s.name, &m))
			lines = append(lines, w.memberRow(s.name, &m))
		}
	}
	last := fmt.Sprintf("%s, %s, %s; ignored: %d; lost here: %d", pluralOf(e.Queries, "query", "queries"),
		plural(int(e.Reports), "report"), plural(int(e.Leaves), "leave"), e.Ignored, e.Lost)
	if e.Untracked > 0 {
		last += fmt.Sprintf("; no room for %d members, sources or queriers", e.Untracked)
	}
	w.out.say(e, strings.Join(append(lines, last), "\n"))
	if e.Queries+e.Reports+e.Leaves+e.Ignored == 0 {
		return errNothing
	}
	return w.out.err
}

func pluralOf(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}
