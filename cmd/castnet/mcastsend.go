package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/socket"
)

func newMcastSend() *cobra.Command {
	s := &groupSender{}
	cmd := &cobra.Command{
		Use:   "send GROUP[:PORT] [PAYLOAD…]",
		Short: "Send datagrams to a group",
		Long: `Send sends the payload, its words joined by spaces, to GROUP; without a payload it
sends standard input, as 'castnet send' does. It says by which interface each
datagram left and from which address: by the one that the route to the group
leads to, or if there is no route by the only one; by those given by --interface,
or by --all, a datagram each. IPv6 groups of a link need one: by --interface, or
as their zone (ff02::1%eth0).

A datagram to a group goes no further than the local network unless its TTL
says so: 1 if --ttl does not say otherwise.`,
		Example: `  castnet mcast send 239.1.2.3 hello
  castnet mcast send 239.1.2.3:5004 hello --all --ttl 8
  castnet mcast send [ff15::1]:5004 hello --interface eth0
  castnet mcast send 239.1.2.3 --count 10 --interval 100ms --size 1400
  castnet mcast send 239.1.2.3 hello --on tap,addr=10.0.0.2/24,host=10.0.0.1/24`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.checkFlags(cmd); err != nil {
				return err
			}
			return s.run(cmd.Context(), args)
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&s.interfaces, "interface", "i", nil, "send by this interface; may repeat")
	f.BoolVarP(&s.all, "all", "a", false, "send by every interface that is up and carries multicast")
	f.IntVar(&s.ttl, "ttl", 1, "how many hops, 0 to 255; 0: this host only")
	f.BoolVar(&s.noLoop, "no-loop", false, "this host's own members do not hear it")
	f.StringVar(&s.source, "source", "", "send from this `ADDR` of ours")
	s.payloadFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("interface", "all")
	s.common.addFlags(cmd)
	return cmd
}

// A groupSender is the command mcast send.
type groupSender struct {
	sender
	interfaces []string
	all        bool
	ttl        int
	noLoop     bool
	source     string

	group netip.AddrPort
	from  netip.Addr // zero: the network chooses
	exits []*groupExit
}

// A groupExit is a Conn and the interface by which it sends.
type groupExit struct {
	conn  *castnet.Conn
	name  string         // "" if the network does not say
	local netip.AddrPort // the source
}

func (s *groupSender) check(args []string) (err error) {
	if s.group, err = parseGroupPort(args[0]); err != nil {
		return err
	}
	switch {
	case s.count < 1:
		return errors.New("--count must be at least 1")
	case s.interval < 0:
		return errors.New("--interval cannot be negative")
	case s.ttl < 0 || s.ttl > 255:
		return fmt.Errorf("--ttl %d is not from 0 to 255", s.ttl)
	case s.size > maxPayload:
		return fmt.Errorf("--size %d is more than a datagram can carry, %d bytes", s.size, maxPayload)
	case s.lines && len(args) > 1:
		return errors.New("--lines is about standard input, and there is a payload")
	}
	if zone := s.group.Addr().Zone(); zone != "" {
		if s.interfaces != nil || s.all {
			return fmt.Errorf("%v names its interface, and --interface or --all another", s.group.Addr())
		}
		s.interfaces = []string{zone}
		s.group = netip.AddrPortFrom(s.group.Addr().WithZone(""), s.group.Port())
	}
	if s.source == "" {
		return nil
	}
	s.from, err = netip.ParseAddr(s.source)
	if err != nil || s.from.IsMulticast() || s.from.IsUnspecified() {
		return fmt.Errorf("--source %s is no address of a host", s.source)
	}
	if s.from.Is4() != s.group.Addr().Is4() {
		return fmt.Errorf("--source %v and %v are not of one family", s.from, s.group.Addr())
	}
	return nil
}

func (s *groupSender) run(ctx context.Context, args []string) error {
	if err := s.check(args); err != nil {
		return err
	}
	next, err := s.payloads(ctx, args[1:])
	if err != nil {
		return err
	}
	if s.place, err = s.common.open(ctx); err != nil {
		return fail(err)
	}
	defer s.place.Close()
	s.out = newOutput(os.Stdout, s.json)
	defer func() {
		for _, x := range s.exits {
			x.conn.Close()
		}
	}()
	if err := s.openExits(ctx); err != nil {
		return fail(err)
	}
	err = s.sendAll(ctx, next, s.send)
	if err == nil {
		s.settle(ctx)
	}
	if e := s.summarize(); err == nil {
		err = e
	}
	return fail(err)
}

// openExits opens a Conn for each interface.
func (s *groupSender) openExits(ctx context.Context) error {
	if s.interfaces == nil && !s.all {
		x, err := s.openExit(ctx, "")
		if list, e := s.place.multicastInterfaces(nil); errors.Is(err, syscall.ENETUNREACH) && e == nil && len(list) == 1 {
			// There is but one way to go.
			x, err = s.openExit(ctx, list[0].Name)
		}
		if err != nil {
			return err
		}
		s.exits = append(s.exits, x)
		return nil
	}
	list, err := s.place.multicastInterfaces(s.interfaces)
	if err != nil {
		return err
	}
	var first error
	for _, i := range list {
		x, err := s.openExit(ctx, i.Name)
		switch {
		case err == nil:
			s.exits = append(s.exits, x)
		case first == nil:
			first = fmt.Errorf("sending by %s: %w", i.Name, err)
		}
	}
	// With --all some may not know the family.
	if first != nil && (len(s.exits) == 0 || !s.all) {
		return first
	}
	return nil
}

// openExit opens a Conn that sends by an interface, or where the route leads if there is
// none.
func (s *groupSender) openExit(ctx context.Context, ifname string) (*groupExit, error) {
	network := "udp6"
	if s.group.Addr().Is4() {
		network = "udp4"
	}
	local := netip.IPv6Unspecified()
	if s.from.IsValid() {
		local = s.from
	} else if s.group.Addr().Is4() {
		local = netip.IPv4Unspecified()
	}
	cfg := castnet.Config{On: s.place.Network}
	c, err := cfg.Listen(ctx, network, netip.AddrPortFrom(local, 0).String())
	if err != nil {
		return nil, err
	}
	x := &groupExit{conn: c, name: ifname}
	err = errors.Join(c.SetMulticastInterface(ifname), c.SetMulticastTTL(s.ttl), c.SetMulticastLoopback(!s.noLoop))
	if err == nil {
		// Connecting finds the source, and by that the interface that the route leads to.
		if err = c.Connect(s.group); err == nil {
			x.local = localAddr(c)
		}
	}
	if err != nil {
		c.Close()
		if errors.Is(err, syscall.ENETUNREACH) {
			err = routeless{err, ifname}
		}
		return nil, err
	}
	if x.name == "" {
		x.name = s.interfaceOf(x.local.Addr())
	}
	return x, nil
}

// routeless is the error that no route leads to a group.
type routeless struct {
	error
	ifname string // the interface that was named
}

func (e routeless) Unwrap() error { return e.error }

func (e routeless) Error() string {
	if e.ifname == "" {
		return e.error.Error() + ": no route leads to the group; --interface or --all says which way"
	}
	return fmt.Sprintf("%v: no route leads to the group by %s; to make one: sudo ip route add GROUP dev %s", e.error, e.ifname, e.ifname)
}

// interfaceOf returns the name of the interface that has the address, or "" if none or
// several have.
func (s *groupSender) interfaceOf(a netip.Addr) (name string) {
	if a.Zone() != "" {
		return a.Zone()
	}
	all, _ := s.place.Interfaces()
	for _, i := range all {
		if hasAddress(i, a) {
			if name != "" {
				return ""
			}
			name = i.Name
		}
	}
	return name
}

func hasAddress(i socket.Interface, a netip.Addr) bool {
	for _, p := range i.Addresses {
		if p.Addr() == a {
			return true
		}
	}
	return false
}

type groupSentEvent struct {
	Event     string         `json:"event"`
	Time      time.Time      `json:"time"`
	Local     netip.AddrPort `json:"local"`
	Peer      netip.AddrPort `json:"peer"` // the group
	Interface string         `json:"interface"`
	TTL       int            `json:"ttl"`
	Size      int            `json:"size"`
}

// send sends one datagram by every exit.
func (s *groupSender) send(p []byte) error {
	for _, x := range s.exits {
		if err := s.sendBy(x, p); err != nil {
			return err
		}
	}
	return nil
}

func (s *groupSender) sendBy(x *groupExit, p []byte) error {
	if _, err := x.conn.Write(p); err != nil {
		return err
	}
	s.sent++
	s.bytes += len(p)
	if s.quiet {
		return s.out.err
	}
	e := groupSentEvent{"sent", time.Now(), x.local, s.group, x.name, s.ttl, len(p)}
	by := ""
	if x.name != "" {
		by = " " + x.name
	}
	s.out.say(e, fmt.Sprintf("%s %v > %s%s TTL %d %d B %s", s.out.paint(dim, e.Time.Format("15:04:05.000000")),
		e.Local, s.out.paint(cyan, e.Peer.String()), by, e.TTL, e.Size, preview(p)))
	return s.out.err
}

// settle waits until what was sent has left.
func (s *groupSender) settle(ctx context.Context) {
	for _, x := range s.exits {
		if !leave(ctx, x.conn) {
			return
		}
	}
}

type groupSendSummary struct {
	Event      string                 `json:"event"`
	Sent       int                    `json:"sent"`
	Bytes      int                    `json:"bytes"`
	Interfaces []string               `json:"interfaces"`
	Dropped    map[drop.Reason]uint64 `json:"dropped"`
}

func (s *groupSender) summarize() error {
	e := groupSendSummary{"summary", s.sent, s.bytes, []string{}, map[drop.Reason]uint64{}}
	for _, x := range s.exits {
		if x.name != "" {
			e.Interfaces = append(e.Interfaces, x.name)
		}
		for reason, n := range dropped(x.conn) {
			e.Dropped[reason] += n
		}
	}
	line := fmt.Sprintf("sent %s, %d B, to %v", plural(e.Sent, "datagram"), e.Bytes, s.group)
	if len(e.Dropped) > 0 {
		line += "; dropped: " + describeDropped(e.Dropped)
	}
	s.out.say(e, line)
	if e.Sent == 0 || len(e.Dropped) > 0 {
		return errNothing
	}
	return s.out.err
}
