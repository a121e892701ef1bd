package lab

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// A SnoopingConfig says how a switch snoops; see [Switch.Snoop]. The zero
// SnoopingConfig has the timers of RFC 9776, floods what nobody is known to have
// joined, and sends no queries. One with RoutersOnly and FloodWithoutQuerier does as
// Linux's bridge does.
type SnoopingConfig struct {
	// RoutersOnly sends a group that nobody is known to have joined to the
	// ports of routers alone. If false, it is flooded, which RFC 4541, 2.1.2,
	// asks a switch to be capable of. Link-local groups of IPv6 are flooded in
	// any case while nobody has joined them: neighbour discovery must not
	// depend on whether a report was lost.
	RoutersOnly bool

	// FloodWithoutQuerier floods every group, and reports too, while there is no
	// querier, neither one that is heard nor the switch itself, and until its
	// first query may have been answered, as Linux's bridge does: without one,
	// members are forgotten although they are still there. If false, reports
	// that are heard count all the same.
	FloodWithoutQuerier bool

	// FastLeave ends a membership as soon as it is taken back, and waits for
	// nobody else on the port to object. It is for ports with one host each.
	FastLeave bool

	// Robustness is how many messages in a row, less one, may be lost; it is at
	// most 7. If zero, 2.
	Robustness int

	// QueryInterval is the time from one general query to the next, and
	// QueryResponse the time in which they are answered. A member that has not
	// been heard for Robustness times the one plus the other is forgotten. A
	// querier that says what its own values are (IGMPv3, MLDv2) is believed. If
	// zero, 125 s and 10 s.
	QueryInterval, QueryResponse time.Duration

	// LastMemberInterval is the time between the queries that the switch, if it
	// is the querier, sends for what was taken back, as many as Robustness; if
	// none is answered, the membership ends. If zero, 1 s.
	LastMemberInterval time.Duration

	// MaxMembers is how many memberships the switch remembers of each family,
	// once for each group and port. When there are more, it floods all groups of
	// the family until everybody has been heard again. If zero, 16384.
	MaxMembers int

	// Querier makes the switch send queries while nobody else does, so that
	// members are not forgotten where there is no router. If nil, it sends none.
	Querier *QuerierConfig
}

// A QuerierConfig says what queries a switch sends. The zero QuerierConfig is of
// IGMPv3 and MLDv2.
type QuerierConfig struct {
	// IGMP is the version of its queries for IPv4, 2 or 3. If zero, 3; if
	// negative, there are none.
	IGMP int

	// MLD is the version of its queries for IPv6, 1 or 2. If zero, 2; if
	// negative, there are none.
	MLD int

	// Address is the IPv4 source of its queries. If zero, 0.0.0.0: the switch has
	// no address, and yields to any querier that has one (RFC 4541, 2.1.1). With
	// an address it yields to lower ones.
	Address netip.Addr

	// Address6 is the IPv6 source, which is link-local. If zero, it is made of
	// the switch's hardware address.
	Address6 netip.Addr

	// StartupInterval is the time between the first queries, of which there are
	// as many as Robustness. If zero, a quarter of the QueryInterval.
	StartupInterval time.Duration
}

// The defaults of RFC 9776, 8, and of the table.
const (
	defaultRobustness    = 2
	defaultQueryInterval = 125 * time.Second
	defaultQueryResponse = 10 * time.Second
	defaultLastMember    = time.Second
	defaultMaxMembers    = 1 << 14
)

// The greatest values that queries can say (RFC 9776, 4.1.1 and 4.1.7), and the
// largest table.
const (
	maxRobustness    = 7
	maxQueryInterval = 31744 * time.Second
	maxQueryResponse = 3174400 * time.Millisecond
	maxMaxMembers    = 1 << 22
)

// withDefaults returns the Config with every zero field filled in.
func (c SnoopingConfig) withDefaults() (SnoopingConfig, error) {
	c.Robustness = cmp.Or(c.Robustness, defaultRobustness)
	c.QueryInterval = cmp.Or(c.QueryInterval, defaultQueryInterval)
	c.QueryResponse = cmp.Or(c.QueryResponse, defaultQueryResponse)
	c.LastMemberInterval = cmp.Or(c.LastMemberInterval, defaultLastMember)
	c.MaxMembers = cmp.Or(c.MaxMembers, defaultMaxMembers)
	switch {
	case c.Robustness < 1 || c.Robustness > maxRobustness:
		return c, fmt.Errorf("Robustness is %d; it can be from 1 to %d", c.Robustness, maxRobustness)
	case c.QueryInterval < time.Second || c.QueryInterval > maxQueryInterval:
		return c, fmt.Errorf("QueryInterval is %v; it can be from 1s to %v", c.QueryInterval, maxQueryInterval)
	case c.QueryResponse < 100*time.Millisecond || c.QueryResponse > maxQueryResponse:
		return c, fmt.Errorf("QueryResponse is %v; it can be from 100ms to %v", c.QueryResponse, maxQueryResponse)
	case c.QueryResponse >= c.QueryInterval:
		return c, fmt.Errorf("QueryResponse is %v; it must be less than QueryInterval, %v", c.QueryResponse, c.QueryInterval)
	case c.LastMemberInterval < 100*time.Millisecond || c.LastMemberInterval > maxQueryResponse:
		return c, fmt.Errorf("LastMemberInterval is %v; it can be from 100ms to %v", c.LastMemberInterval, maxQueryResponse)
	case c.MaxMembers < 1 || c.MaxMembers > maxMaxMembers:
		return c, fmt.Errorf("MaxMembers is %d; it can be from 1 to %d", c.MaxMembers, maxMaxMembers)
	}
	if c.Querier == nil {
		return c, nil
	}
	q := *c.Querier
	c.Querier = &q
	q.IGMP = cmp.Or(q.IGMP, 3)
	q.MLD = cmp.Or(q.MLD, 2)
	q.StartupInterval = cmp.Or(q.StartupInterval, c.QueryInterval/4)
	switch {
	case q.IGMP > 3 || q.IGMP == 1:
		return c, fmt.Errorf("Querier.IGMP is %d; it can be 2 or 3, or negative", q.IGMP)
	case q.MLD > 2:
		return c, fmt.Errorf("Querier.MLD is %d; it can be 1 or 2, or negative", q.MLD)
	case q.IGMP == 2 && (c.QueryResponse > 25500*time.Millisecond || c.LastMemberInterval > 25500*time.Millisecond):
		return c, errors.New("queries of IGMPv2 cannot say a QueryResponse or LastMemberInterval of more than 25.5s")
	case q.MLD == 1 && (c.QueryResponse > 65535*time.Millisecond || c.LastMemberInterval > 65535*time.Millisecond):
		return c, errors.New("queries of MLDv1 cannot say a QueryResponse or LastMemberInterval of more than 65.535s")
	case q.Address.IsValid() && (!q.Address.Is4() || q.Address.IsMulticast()):
		return c, fmt.Errorf("Querier.Address is %v; it must be an IPv4 address", q.Address)
	case q.Address6.IsValid() && (!q.Address6.Is6() || !q.Address6.IsLinkLocalUnicast() || q.Address6.Zone() != ""):
		return c, fmt.Errorf("Querier.Address6 is %v; it must be a link-local IPv6 address without a zone", q.Address6)
	case q.StartupInterval < 100*time.Millisecond || q.StartupInterval > maxQueryInterval:
		return c, fmt.Errorf("Querier.StartupInterval is %v; it can be from 100ms to %v", q.StartupInterval, maxQueryInterval)
	}
	if !q.Address.IsValid() {
		q.Address = netip.IPv4Unspecified()
	}
	return c, nil
}

// Check says what is wrong with a SnoopingConfig; nil: nothing.
func (c SnoopingConfig) Check() error {
	_, err := c.withDefaults()
	return err
}

// Snoop makes the switch look at IGMP and MLD and send what is for a group to the
// ports of its members and of routers alone (RFC 4541). What it knew from snooping
// before is forgotten.
//
// The ports of routers are those by which queries come in, and those of which
// LinkConfig.RouterPort says so. Reports go to them alone. Link-local groups that
// are not reported, 224.0.0.0/24 and ff02::1, go to all ports, and so does what is
// neither IPv4 nor IPv6.
//
// A port to which a frame is not sent gets no copy, so there is none that could be
// lost: it is not a drop, and counted by itself ([SegmentReport].Withheld). If a
// frame is for nobody at all, it is dropped (NotAMember).
func (s *Switch) Snoop(cfg SnoopingConfig) error {
	cfg, err := cfg.withDefaults()
	if err == nil {
		err = s.err
	}
	if err != nil {
		return fmt.Errorf("lab: switch %s: snooping: %w", s.name, err)
	}
	l := s.lab
	l.lock()
	defer l.unlock()
	if l.closed {
		return fmt.Errorf("lab: switch %s: snooping: %w", s.name, errClosed)
	}
	if s.snooper != nil {
		s.snooper.stop()
	}
	s.snooper = newSnooper(s, cfg)
	for _, p := range s.ports {
		p.forgetRouter()
	}
	return nil
}

// A SwitchGroup is what a snooping switch knows of a group on a port. Its JSON
// names are stable.
type SwitchGroup struct {
	Group     netip.Addr `json:"group"`
	Host      string     `json:"host"` // that is on the port
	Interface string     `json:"interface"`
	Version   int        `json:"version"` // of IGMP or MLD, of the oldest that was heard there
	// The port gets what every source but those listed sends to the group, or,
	// if Only is set, what those alone do.
	Only    bool         `json:"only"`
	Sources []netip.Addr `json:"sources,omitempty"`
	// Expires is after how much of the lab's time it is forgotten unless it is
	// heard again.
	Expires time.Duration `json:"expires_ns"`
}

// Groups returns the table of a snooping switch, by groups and then by ports; nil
// if the switch does not snoop.
func (s *Switch) Groups() []SwitchGroup {
	s.lab.lock()
	defer s.lab.unlock()
	return s.groups()
}

func (s *Switch) groups() (list []SwitchGroup) {
	if s.snooper == nil {
		return nil
	}
	now := s.lab.queue.now()
	for i := range s.snooper.families {
		f := &s.snooper.families[i]
		for group, g := range f.groups {
			for k := range g.members {
				m := &g.members[k]
				if !m.settle(now) {
					continue
				}
				list = append(list, SwitchGroup{
					Group: group, Host: m.port.nic.host.name, Interface: m.port.nic.name, Version: m.version(f, now),
					Only: !m.exclude, Sources: m.listed(), Expires: time.Duration(m.expires() - now),
				})
			}
		}
	}
	order := make(map[string]int)
	for i, p := range s.ports {
		order[p.nic.describe()] = i
	}
	slices.SortFunc(list, func(a, b SwitchGroup) int {
		return cmp.Or(a.Group.Compare(b.Group), cmp.Compare(order[a.Host+" "+a.Interface], order[b.Host+" "+b.Interface]))
	})
	return list
}

// A RouterPort is a port of a snooping switch at which there is a multicast router.
// Its JSON names are stable.
type RouterPort struct {
	Host      string `json:"host"`
	Interface string `json:"interface"`
	// Static says that LinkConfig.RouterPort made it one. Otherwise the other
	// fields say which families it was learned for, and after how much of the
	// lab's time it is forgotten unless the router is heard again.
	Static bool          `json:"static"`
	IPv4   time.Duration `json:"ipv4_expires_ns,omitempty"`
	IPv6   time.Duration `json:"ipv6_expires_ns,omitempty"`
}

// RouterPorts returns the ports of routers, in the order of attaching; nil if the
// switch does not snoop.
func (s *Switch) RouterPorts() []RouterPort {
	s.lab.lock()
	defer s.lab.unlock()
	return s.routerPorts()
}

func (s *Switch) routerPorts() (list []RouterPort) {
	if s.snooper == nil {
		return nil
	}
	now := s.lab.queue.now()
	for _, p := range s.ports {
		r := RouterPort{Host: p.nic.host.name, Interface: p.nic.name, Static: p.static}
		if !p.static {
			r.IPv4, r.IPv6 = time.Duration(max(p.router[0]-now, 0)), time.Duration(max(p.router[1]-now, 0))
		}
		if r.Static || r.IPv4 > 0 || r.IPv6 > 0 {
			list = append(list, r)
		}
	}
	return list
}

// A SwitchQuerier is whom a snooping switch takes for the querier of a family. Its
// JSON names are stable.
type SwitchQuerier struct {
	Address netip.Addr `json:"address"`
	// Host and Interface say on which port it is; they are empty if it is the
	// switch itself.
	Host      string `json:"host,omitempty"`
	Interface string `json:"interface,omitempty"`
	Version   int    `json:"version"` // of its queries, of IGMP or MLD
	// Expires is after how much of the lab's time it is taken to be gone unless
	// it is heard again; of the switch itself it is zero.
	Expires time.Duration `json:"expires_ns,omitempty"`
}

// Queriers returns the queriers, at most one of each family; nil if there is none or
// the switch does not snoop.
func (s *Switch) Queriers() []SwitchQuerier {
	s.lab.lock()
	defer s.lab.unlock()
	return s.queriers()
}

func (s *Switch) queriers() (list []SwitchQuerier) {
	if s.snooper == nil {
		return nil
	}
	now := s.lab.queue.now()
	for i := range s.snooper.families {
		switch f := &s.snooper.families[i]; {
		case f.other.until > now:
			q := SwitchQuerier{Address: f.other.address, Version: f.other.version, Expires: time.Duration(f.other.until - now)}
			if p := f.other.port; p != nil {
				q.Host, q.Interface = p.nic.host.name, p.nic.name
			}
			list = append(list, q)
		case f.own != nil:
			list = append(list, SwitchQuerier{Address: f.own.address, Version: f.own.version})
		}
	}
	return list
}
