package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/drop"
)

func newMcastJoin() *cobra.Command {
	j := &joiner{}
	cmd := &cobra.Command{
		Use:   "join [SOURCE,]GROUP…",
		Short: "Join groups, and show what arrives",
		Long: `Join joins groups, of IPv4 and IPv6, on every interface that is up and carries
multicast, or on those given by --interface, and shows each datagram that is
sent to one of them and the port: from whom, by which interface, with which TTL
it arrived, how long it is and how it begins. With SOURCE, only what that host
sends is heard, and SOURCEs of one group add up; with --exclude, all but what
that host sends. It stays a member until it ends.

It fails if nothing arrives. Whether the network has heard that this host joined,
and whether anybody asks, 'castnet mcast watch' shows.`,
		Example: `  castnet mcast join 239.1.2.3                        on every interface, port 7000
  castnet mcast join 239.1.2.3 ff15::1 --port 5004 --interface eth0
  castnet mcast join 10.0.0.9,232.1.2.3 10.0.0.8,232.1.2.3    two sources
  castnet mcast join ff02::fb%eth0 --port 5353 --count 1 --json
  castnet mcast join 239.1.2.3 --on tap,addr=10.0.0.2/24,host=10.0.0.1/24`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("which group? such as 239.1.2.3 or ff15::1")
			}
			for _, a := range args {
				c, err := parseChannel(a)
				if err != nil {
					return err
				}
				j.channels = append(j.channels, c)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := j.check(); err != nil {
				return err
			}
			return j.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.Uint16VarP(&j.port, "port", "p", groupPort, "the port that the groups are sent to")
	f.StringArrayVarP(&j.interfaces, "interface", "i", nil, "join on this interface; may repeat; without it, on all")
	f.StringArrayVarP(&j.exclude, "exclude", "x", nil, "do not hear this source; may repeat")
	f.IntVarP(&j.flags.count, "count", "c", 0, "end after so many datagrams; 0: never")
	f.DurationVarP(&j.flags.timeout, "timeout", "t", 0, "end after so long, such as 10s; 0: never")
	f.BoolVarP(&j.flags.quiet, "quiet", "q", false, "print the summary only")
	f.BoolVar(&j.flags.hex, "hex", false, "dump whole payloads in hexadecimal")
	j.common.addFlags(cmd)
	return cmd
}

// A joiner is the command mcast join.
type joiner struct {
	common
	flags      receiveFlags
	port       uint16
	interfaces []string
	exclude    []string
	channels   []channel
	excluded   []netip.Addr

	place *place
	out   *output
	conns []joinConn
	start time.Time

	mu    sync.Mutex // what follows
	tally tally
	ended bool
	stop  context.CancelFunc
}

// A joinConn is a Conn that hears groups of one family.
type joinConn struct {
	*castnet.Conn
	ipv4 bool
}

func (j *joiner) check() error {
	if err := j.flags.check(); err != nil {
		return err
	}
	if j.port == 0 {
		return errors.New("--port 0 is no port: a number from 1 to 65535")
	}
	for _, text := range j.exclude {
		a, err := netip.ParseAddr(text)
		if err != nil || a.IsMulticast() || a.IsUnspecified() {
			return fmt.Errorf("--exclude %s is no source, such as 10.0.0.9", text)
		}
		j.excluded = append(j.excluded, a)
	}
	for _, a := range j.excluded {
		related := false
		for _, c := range j.channels {
			if c.source.IsValid() && c.group.Is4() == a.Is4() {
				return fmt.Errorf("--exclude %v: %v is heard of %v alone", a, c.group, c.source)
			}
			related = related || c.group.Is4() == a.Is4()
		}
		if !related {
			return fmt.Errorf("--exclude %v: no group is of its family", a)
		}
	}
	return nil
}

func (j *joiner) run(ctx context.Context) error {
	var err error
	if j.place, err = j.common.open(ctx); err != nil {
		return fail(err)
	}
	defer j.place.Close()
	j.out = newOutput(os.Stdout, j.json)
	j.start = time.Now()
	if j.flags.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, j.flags.timeout)
		defer cancel()
	}
	ctx, j.stop = context.WithCancel(ctx)
	defer j.stop()
	defer func() {
		for _, c := range j.conns {
			c.Close()
		}
	}()
	for _, c := range j.channels {
		if err := j.join(ctx, c); err != nil {
			return fail(err)
		}
	}
	if err := j.receive(ctx); err != nil {
		return fail(err)
	}
	return fail(j.summarize())
}

// A joinedEvent says where a group was joined.
type joinedEvent struct {
	Event      string     `json:"event"`
	Network    string     `json:"network"`
	Group      netip.Addr `json:"group"`
	Port       uint16     `json:"port"`
	Source     string     `json:"source"` // "": every one
	Interfaces []string   `json:"interfaces"`
}

// join joins a group on each interface, and says so.
func (j *joiner) join(ctx context.Context, c channel) error {
	if err := j.place.hearGroups(c.group); err != nil {
		return err
	}
	list, err := j.place.multicastInterfaces(j.interfaces)
	if err == nil && !(len(j.interfaces) == 0 && c.group.Zone() != "") {
		list, err = onInterfaces(list, c.group)
	} else if err == nil {
		list, err = j.place.multicastInterfaces([]string{c.group.Zone()})
	}
	if err != nil {
		return err
	}
	e := joinedEvent{Event: "joined", Network: j.place.kind, Group: c.group.WithZone(""), Port: j.port, Interfaces: []string{}}
	text := fmt.Sprintf("joined %v port %d on ", e.Group, j.port)
	if c.source.IsValid() {
		e.Source = c.source.String()
		text = fmt.Sprintf("joined %v of %v port %d on ", e.Group, c.source, j.port)
	}
	var first error
	for _, i := range list {
		switch err := j.joinOn(ctx, i.Name, c); {
		case err == nil:
			e.Interfaces = append(e.Interfaces, i.Name)
		case first == nil:
			first = fmt.Errorf("joining %v on %s: %w", e.Group, i.Name, err)
		}
	}
	// Of interfaces that were not named, some may not know the family.
	if first != nil && (len(e.Interfaces) == 0 || len(j.interfaces) > 0) {
		return first
	}
	j.out.say(e, text+strings.Join(e.Interfaces, ", ")+onNetwork(j.place.kind))
	return nil
}

// joinOn joins a group on an interface, on the Conn that is not full.
func (j *joiner) joinOn(ctx context.Context, ifname string, c channel) error {
	group := c.group.WithZone("")
	for n := 0; ; n++ {
		conn, fresh, err := j.conn(ctx, group.Is4(), n)
		if err != nil {
			return err
		}
		if c.source.IsValid() {
			err = conn.JoinSourceSpecificGroup(ifname, group, c.source)
		} else {
			err = conn.JoinGroup(ifname, group)
		}
		switch {
		case isFull(err) && !fresh:
			continue
		case errors.Is(err, syscall.EADDRINUSE) || c.source.IsValid() && errors.Is(err, syscall.EADDRNOTAVAIL):
			return nil // it was named twice
		case err != nil:
			return err
		}
		for _, a := range j.excluded {
			if a.Is4() == group.Is4() {
				if err := conn.ExcludeSourceSpecificGroup(ifname, group, a); err != nil {
					return fmt.Errorf("excluding %v: %w", a, err)
				}
			}
		}
		return nil
	}
}

// conn returns the nth Conn of a family, and whether it is a new one. A socket holds only
// so many groups.
func (j *joiner) conn(ctx context.Context, ipv4 bool, n int) (c *castnet.Conn, fresh bool, err error) {
	network := "udp6"
	if ipv4 {
		network = "udp4"
	}
	for _, c := range j.conns {
		if c.ipv4 == ipv4 {
			if n == 0 {
				return c.Conn, false, nil
			}
			n--
		}
	}
	cfg := castnet.Config{On: j.place.Network, ReuseAddr: true}
	if c, err = cfg.Listen(ctx, network, fmt.Sprint(":", j.port)); err != nil {
		return nil, false, err
	}
	reportAll(c)
	// What others on this host have joined is not what was asked for.
	if err := c.SetMulticastAll(false); err != nil && !errors.Is(err, castnet.ErrNotSupported) {
		c.Close()
		return nil, false, err
	}
	j.conns = append(j.conns, joinConn{c, ipv4})
	return c, true, nil
}

// receive shows what comes until the context ends or enough has come.
func (j *joiner) receive(ctx context.Context) error {
	errs := make(chan error, len(j.conns))
	for _, c := range j.conns {
		interruptible(ctx, c.Conn)
		go func() { errs <- j.receiveFrom(c.Conn) }()
	}
	var first error
	for range j.conns {
		err := <-errs
		j.stop() // the others end too
		if first == nil && !(timedOut(err) && ctx.Err() != nil) {
			first = err
		}
	}
	return first
}

func (j *joiner) receiveFrom(c *castnet.Conn) error {
	ms := []castnet.Message{{Buf: make([]byte, 65535)}}
	r := &receiver{flags: &j.flags, out: j.out, place: j.place, conn: c, local: localAddr(c)}
	for {
		if _, err := c.ReadBatch(ms); err != nil {
			return err
		}
		if ended, err := j.take(r, &ms[0]); ended || err != nil {
			return err
		}
	}
}

// take shows a datagram, if it is to one of the groups, and reports whether it was the
// last that was wanted.
func (j *joiner) take(r *receiver, m *castnet.Message) (ended bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended {
		return true, nil
	}
	if !j.wanted(m) {
		return false, nil
	}
	j.tally.add(m)
	r.show("datagram", m)
	j.ended = j.flags.count > 0 && j.tally.datagrams >= uint64(j.flags.count)
	return j.ended, j.out.err
}

// wanted reports whether a datagram was sent to one of the groups, and not to this host
// alone, whose port it is too.
func (j *joiner) wanted(m *castnet.Message) bool {
	if m.Set&castnet.FieldLocal == 0 {
		return true
	}
	to := m.Local.Addr().Unmap().WithZone("")
	for _, c := range j.channels {
		if c.group.WithZone("") == to {
			return true
		}
	}
	return false
}

func (j *joiner) summarize() error {
	s := receiveSummary{
		Event: "summary", Datagrams: j.tally.datagrams, Bytes: j.tally.bytes, Peers: len(j.tally.peers),
		Seconds: time.Since(j.start).Seconds(), Dropped: map[drop.Reason]uint64{},
	}
	for _, c := range j.conns {
		for reason, n := range dropped(c.Conn) {
			s.Dropped[reason] += n
		}
	}
	j.out.say(s, s.line(""))
	if s.Datagrams == 0 {
		return errNothing
	}
	return j.out.err
}
