package scenario

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/lab"
)

// joins are the groups that a program joins: one, or a list of them.
type joins []groupJoin

// groupJoin is one group: its address alone, or with on which interface and whom to
// hear.
type groupJoin struct {
	Group     group     `yaml:"group,required"`
	Interface *string   `yaml:"interface"`
	Sources   []address `yaml:"sources,max=1000"`
	Except    []address `yaml:"except,max=1000"`
}

// maxJoins is how many groups a program can join.
const maxJoins = 100

func (j *joins) decode(d *decoder, n *yaml.Node, path string) {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
		if len(items) > maxJoins {
			d.errorf(n.Line, path, "there are %d; at most %d are possible", len(items), maxJoins)
			return
		}
	}
	*j = make(joins, len(items))
	for i, item := range items {
		if item.Kind == yaml.AliasNode {
			item = item.Alias
		}
		at := path
		if n.Kind == yaml.SequenceNode {
			at = fmt.Sprintf("%s[%d]", path, i)
		}
		to := &(*j)[i]
		if item.Kind == yaml.ScalarNode {
			d.lines[to] = item.Line
			d.value(item, valueOf(&to.Group), at)
			continue
		}
		d.value(item, valueOf(to), at)
	}
}

// group is the address of a group.
type group netip.Addr

func (g *group) set(text string) error {
	a, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return fmt.Errorf("%s is no group, as in 239.1.1.1", shorten(strconv.Quote(text)))
	case !a.IsMulticast() || a.Is4In6():
		return fmt.Errorf("%s is no group; those of IPv4 are from 224.0.0.0 to 239.255.255.255, those of IPv6 begin with ff", text)
	case a.Zone() != "":
		return fmt.Errorf("%s: a group stands here without a zone; say interface: %s", text, a.Zone())
	}
	*g = group(a)
	return nil
}

// joins checks what a program of a node joins.
func (c *checker) joins(list joins, n *node, path string) {
	for i := range list {
		j := &list[i]
		c.iface(j.Interface, n, path)
		for _, list := range [][]address{j.Sources, j.Except} {
			for k := range list {
				if s := netip.Addr(list[k]); s.Is4() != netip.Addr(j.Group).Is4() {
					c.errorf(c.line(&list[k], j), path, "%v is no source of %v: they are of different families", s, netip.Addr(j.Group))
				}
			}
		}
		if j.Sources != nil && j.Except != nil {
			c.errorf(c.line(&j.Except, j), path, "one hears some sources or all except some: sources and except do not go together")
		}
		if j.Sources != nil && len(j.Sources) == 0 {
			c.errorf(c.line(&j.Sources, j), path, "without a source there is nothing to hear; leave sources out to hear them all")
		}
	}
}

// prepare makes a socket of echo or listen what the program says.
func (s *service) prepare(conn *castnet.Conn) error {
	if s.MulticastAll != nil {
		if err := conn.SetMulticastAll(*s.MulticastAll); err != nil {
			return err
		}
	}
	return s.Join.join(conn)
}

// prepare makes a socket of send what the program says. What it joins comes last, as
// a stack may take that for the way out too.
func (s *send) prepare(conn *castnet.Conn) error {
	if s.Interface != nil {
		if err := conn.SetMulticastInterface(*s.Interface); err != nil {
			return err
		}
	}
	if s.TTL != nil {
		if err := conn.SetMulticastTTL(*s.TTL); err != nil {
			return err
		}
		if *s.TTL > 0 {
			if err := conn.SetTTL(*s.TTL); err != nil {
				return err
			}
		}
	}
	if s.Loop != nil {
		if err := conn.SetMulticastLoopback(*s.Loop); err != nil {
			return err
		}
	}
	return s.Join.join(conn)
}

func (j joins) join(conn *castnet.Conn) error {
	for i := range j {
		if err := j[i].join(conn); err != nil {
			return err
		}
	}
	return nil
}

func (j *groupJoin) join(conn *castnet.Conn) error {
	group, ifname := netip.Addr(j.Group), ""
	if j.Interface != nil {
		ifname = *j.Interface
	}
	if j.Sources == nil {
		if err := conn.JoinGroup(ifname, group); err != nil {
			return err
		}
	}
	for _, a := range j.Sources {
		if err := conn.JoinSourceSpecificGroup(ifname, group, netip.Addr(a)); err != nil {
			return err
		}
	}
	for _, a := range j.Except {
		if err := conn.ExcludeSourceSpecificGroup(ifname, group, netip.Addr(a)); err != nil {
			return err
		}
	}
	return nil
}

// switches are names, or names with what kind of switch each is.
type switches []switchNode

// switchNode is a switch.
type switchNode struct {
	Name     string
	Snooping *snooping `yaml:"snooping"`
}

// maxSwitches is how many there can be.
const maxSwitches = 1000

func (s *switches) decode(d *decoder, n *yaml.Node, path string) {
	if n.Kind == yaml.MappingNode {
		d.named(n, valueOf((*[]switchNode)(s)), path, maxSwitches)
		return
	}
	var names []string
	d.list(n, valueOf(&names), path, maxSwitches)
	*s = make(switches, len(names))
	for i := range names {
		(*s)[i].Name = names[i]
		d.lines[&(*s)[i]] = d.line(&names[i])
	}
}

// snooping is a lab.SnoopingConfig.
type snooping struct {
	Unregistered   unregistered   `yaml:"unregistered"`
	WithoutQuerier withoutQuerier `yaml:"without_querier"`
	FastLeave      bool           `yaml:"fast_leave"`

	Robustness         int  `yaml:"robustness"`
	QueryInterval      span `yaml:"query_interval"`
	QueryResponse      span `yaml:"query_response"`
	LastMemberInterval span `yaml:"last_member_interval"`
	MaxMembers         int  `yaml:"max_members"`

	Querier *querier `yaml:"querier"`
}

// querier is a lab.QuerierConfig.
type querier struct {
	IGMP            queryVersion `yaml:"igmp"`
	MLD             queryVersion `yaml:"mld"`
	Address         *address     `yaml:"address"`
	Address6        *linkLocal   `yaml:"address6"`
	StartupInterval span         `yaml:"startup_interval"`
}

// unregistered is whether a group that nobody has joined is for routers alone.
type unregistered bool

func (u *unregistered) set(text string) error {
	if text != "flood" && text != "routers" {
		return fmt.Errorf("what nobody has joined goes to all, flood, or to routers, not %s", shorten(strconv.Quote(text)))
	}
	*u = text == "routers"
	return nil
}

// withoutQuerier is whether everything is flooded while there is no querier.
type withoutQuerier bool

func (w *withoutQuerier) set(text string) error {
	if text != "flood" && text != "snoop" {
		return fmt.Errorf("without a querier a switch can snoop or flood, not %s", shorten(strconv.Quote(text)))
	}
	*w = text == "flood"
	return nil
}

// queryVersion is the version of queries; none is negative.
type queryVersion int

func (v *queryVersion) set(text string) error {
	if text == "none" {
		*v = -1
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 3 {
		return fmt.Errorf("%s is no version of queries; those of IGMP are 2 and 3, those of MLD 1 and 2, and none sends none", shorten(strconv.Quote(text)))
	}
	*v = queryVersion(n)
	return nil
}

// linkLocal is a link-local IPv6 address.
type linkLocal netip.Addr

func (l *linkLocal) set(text string) error {
	a, err := netip.ParseAddr(text)
	if err != nil || !a.Is6() || a.Is4In6() || !a.IsLinkLocalUnicast() || a.Zone() != "" {
		return fmt.Errorf("%s is no link-local address, as in fe80::1", shorten(strconv.Quote(text)))
	}
	*l = linkLocal(a)
	return nil
}

func (s *snooping) lab() lab.SnoopingConfig {
	c := lab.SnoopingConfig{
		RoutersOnly: bool(s.Unregistered), FloodWithoutQuerier: bool(s.WithoutQuerier), FastLeave: s.FastLeave,
		Robustness: s.Robustness, QueryInterval: time.Duration(s.QueryInterval), QueryResponse: time.Duration(s.QueryResponse),
		LastMemberInterval: time.Duration(s.LastMemberInterval), MaxMembers: s.MaxMembers,
	}
	if q := s.Querier; q != nil {
		c.Querier = &lab.QuerierConfig{IGMP: int(q.IGMP), MLD: int(q.MLD), StartupInterval: time.Duration(q.StartupInterval)}
		if q.Address != nil {
			c.Querier.Address = netip.Addr(*q.Address)
		}
		if q.Address6 != nil {
			c.Querier.Address6 = netip.Addr(*q.Address6)
		}
	}
	return c
}

// routerPort checks that a port that is said to be a router's is on a switch that
// snoops.
func (c *checker) routerPort(f attachment, path string) {
	if f.Segment == nil {
		return
	}
	for i := range c.doc.Switches {
		if s := &c.doc.Switches[i]; s.Name == *f.Segment && s.Snooping != nil {
			return
		}
	}
	c.errorf(c.line(f.RouterPort), path+".router_port", "%s is no switch that snoops, so it makes no difference where routers are", *f.Segment)
}
