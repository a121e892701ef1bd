package stack

import (
	"slices"
	"syscall"

	"github.com/castnet-go/castnet/socket"
)

// A membership is what a socket hears of a group by an interface.
type membership struct {
	group  address
	device int32
	local  ipv4     // by which the interface was named; 0: otherwise
	heard  *sources // which of them
}

// sources is a source filter: of a group all sources but those listed, or, if only is
// set, those alone (EXCLUDE and INCLUDE of RFC 9776, 3.1). It is immutable but for its
// place in an interface's list.
type sources struct {
	only   bool
	filter bool      // there was a list once: it can no longer change sides (Linux's sflist)
	list   []address // sorted

	prev, next *sources // among a group's EXCLUDE filters that list something
}

// memberships are what a socket has joined, in the order of joining. They are
// immutable once published.
type memberships struct{ list []membership }

// groupBit is a group's bit in the sketches of memberships: if it is not set, the group
// was not joined, and the list need not be looked at.
func groupBit(group address) uint64 { return 1 << ((group.lo ^ group.hi) * 0x9e3779b97f4a7c15 >> 58) }

// hears reports whether the socket wants what a source sends to a group, whose bit is
// given, that came in by a device (Linux's ip_mc_sf_allow).
func (m *match) hears(group, source address, bit uint64, device int32) bool {
	if m.sketch&bit != 0 {
		list := m.groups.list
		for k := range list {
			if g := &list[k]; g.group == group && g.device == device {
				if len(g.heard.list) == 0 {
					return !g.heard.only
				}
				_, listed := slices.BinarySearchFunc(g.heard.list, source, address.compare)
				return listed == g.heard.only
			}
		}
	}
	return !m.quiet
}

// find returns the place of a membership; -1 if there is none.
func (m *memberships) find(group address, device int32) int {
	if m == nil {
		return -1
	}
	return slices.IndexFunc(m.list, func(g membership) bool { return g.group == group && g.device == device })
}

// count returns how many groups of a family there are.
func (m *memberships) count(ipv4 bool) (n int) {
	if m == nil {
		return 0
	}
	for k := range m.list {
		if m.list[k].group.is4() == ipv4 {
			n++
		}
	}
	return n
}

// ChangeGroup changes what the socket hears of a group. On a socket of IPv6 the group may
// be one of IPv4, whether it hears IPv4 or not. What is looked at, and in which order, is
// as in Linux's ip_mc_join_group, ip_mc_leave_group and ip_mc_source, and for groups of
// IPv6 as in ipv6_sock_mc_join, ipv6_sock_mc_drop and ip6_mc_source. Zones are not looked
// at.
func (s *Socket) ChangeGroup(change socket.GroupChange, g socket.Group) error {
	switch {
	case change < socket.JoinGroup || change > socket.UnblockSource,
		!g.Address.IsValid(), change.OfSource() && !g.Source.IsValid(), g.Interface < 0:
		return syscall.EINVAL
	case !g.Address.Is4() && s.Family() == socket.IPv4:
		return syscall.EAFNOSUPPORT
	case change.OfSource() && g.Source.Is4() != g.Address.Is4():
		return syscall.EINVAL
	case g.Address.Is4() && g.Local.IsValid() && !g.Local.Is4():
		return syscall.EAFNOSUPPORT
	}
	g.Address, g.Source = g.Address.WithZone(""), g.Source.WithZone("")
	s.mu.Lock()
	if s.closed.Load() {
		s.mu.Unlock()
		return socket.ErrClosed
	}
	by := (*Socket).change
	if !g.Address.Is4() {
		by = s.stack.six.changeGroup
	}
	n, err := by(s, change, g)
	s.mu.Unlock()
	if n != nil {
		n.groups.program()
	}
	return err
}

// change is ChangeGroup for a group of IPv4, and returns the interface whose card may have to be
// programmed anew. The caller holds s.mu.
func (s *Socket) change(change socket.GroupChange, g socket.Group) (*Interface, error) {
	group := addressOf(g.Address)
	if change != socket.LeaveGroup && !g.Address.IsMulticast() {
		return nil, syscall.EINVAL
	}
	m := membership{group: group, device: int32(g.Interface)}
	if g.Interface == 0 && g.Local.IsValid() {
		m.local = ipv4Of(g.Local)
	}
	n := s.stack.state.Load().groupInterface(g)
	if n != nil {
		m.device = int32(n.index)
	}
	if change == socket.LeaveGroup {
		return s.leaveGroup(m, n)
	}
	if n == nil {
		return nil, syscall.ENODEV
	}
	i := n.Interface
	if change == socket.JoinGroup || change == socket.JoinSource {
		m.heard = &sources{only: change == socket.JoinSource}
		err := s.joinGroup(m, i)
		if err == nil && (g.Interface != 0 || m.local != 0) {
			s.sendBy(i)
		}
		if change == socket.JoinGroup || err != nil && err != syscall.EADDRINUSE {
			return i, err
		}
	}
	k := s.match.Load().groups.find(group, m.device)
	return i, s.changeSource(change, k, i, addressOf(g.Source), s.stack.cfg.Limits.GroupSources)
}

// sendBy takes note that a group was joined on an interface that was named.
func (s *Socket) sendBy(i *Interface) {
	if s.stack.cfg.JoinSetsInterface {
		s.opts.multicastDevice = i.index
		s.path.forget()
	}
}

// joinGroup adds a membership.
func (s *Socket) joinGroup(m membership, i *Interface) error {
	joined := s.match.Load().groups
	if joined.find(m.group, m.device) >= 0 {
		return syscall.EADDRINUSE
	}
	if joined.count(true) >= s.stack.cfg.Limits.SocketGroups {
		return syscall.ENOBUFS
	}
	s.addMembership(m, i)
	return nil
}

func (s *Socket) addMembership(m membership, i *Interface) {
	var list []membership
	if joined := s.match.Load().groups; joined != nil {
		list = append(make([]membership, 0, len(joined.list)+1), joined.list...)
	}
	i.groups.change(m.group, nil, m.heard)
	s.setMemberships(append(list, m))
}

// leaveGroup takes a membership away, whatever it hears; n is nil if what was said
// names no interface.
func (s *Socket) leaveGroup(m membership, n *netif) (*Interface, error) {
	if n == nil && m.device == 0 && m.local == 0 {
		return nil, syscall.ENODEV
	}
	if joined := s.match.Load().groups; joined != nil {
		for k, o := range joined.list {
			switch {
			case o.group != m.group, m.device != 0 && o.device != m.device, m.device == 0 && o.local != m.local:
				continue
			}
			return s.leave(k), nil
		}
	}
	return nil, syscall.EADDRNOTAVAIL
}

// leave takes the membership of that number away and returns its interface, or nil
// if that is gone.
func (s *Socket) leave(k int) *Interface {
	old := s.match.Load().groups.list
	m := old[k]
	list := make([]membership, 0, len(old)-1)
	s.setMemberships(append(append(list, old[:k]...), old[k+1:]...))
	n := s.stack.state.Load().byIndex(int(m.device))
	if n == nil {
		return nil
	}
	n.groups.change(m.group, m.heard, nil)
	return n.Interface
}

// changeSource adds a source to the list of the membership of that number, of which there
// may be so many, or takes one off it; a number below 0 is no membership.
func (s *Socket) changeSource(change socket.GroupChange, k int, i *Interface, source address, most int) error {
	only := change == socket.JoinSource || change == socket.LeaveSource
	add := change == socket.JoinSource || change == socket.BlockSource
	if k < 0 {
		return syscall.EINVAL
	}
	old := s.match.Load().groups.list[k].heard
	if old.filter && old.only != only {
		return syscall.EINVAL
	}
	if old.only != only {
		// Without a list it may change sides.
		next := &sources{only: only}
		s.setSources(k, i, next)
		old = next
	}
	at, listed := slices.BinarySearchFunc(old.list, source, address.compare)
	switch {
	case !add && !listed:
		return syscall.EADDRNOTAVAIL
	case !add && only && len(old.list) == 1:
		s.leave(k) // who hears nobody is no member
		return nil
	case !add:
		s.setSources(k, i, &sources{only: only, filter: true, list: slices.Delete(slices.Clone(old.list), at, at+1)})
		return nil
	case len(old.list) >= most:
		return syscall.ENOBUFS
	case listed:
		return syscall.EADDRNOTAVAIL
	}
	s.setSources(k, i, &sources{only: only, filter: true, list: slices.Insert(slices.Clone(old.list), at, source)})
	return nil
}

// setSources replaces the filter of the membership of that number.
func (s *Socket) setSources(k int, i *Interface, next *sources) {
	list := slices.Clone(s.match.Load().groups.list)
	m := &list[k]
	i.groups.change(m.group, m.heard, next)
	m.heard = next
	s.setMemberships(list)
}

// setMemberships publishes what the socket has joined. It changes nothing by which
// the port table goes. The caller holds s.mu.
func (s *Socket) setMemberships(list []membership) {
	m := *s.match.Load()
	m.groups, m.sketch = nil, 0
	if len(list) > 0 {
		m.groups = &memberships{list}
	}
	for _, g := range list {
		m.sketch |= groupBit(g.group)
	}
	s.setMatch(m)
	s.stack.ports.joins.Add(1)
}

// leaveAll ends every membership, and returns the interfaces whose cards may have to
// be programmed anew. The caller holds s.mu.
func (s *Socket) leaveAll() (left []*Interface) {
	joined := s.match.Load().groups
	if joined == nil {
		return nil
	}
	s.setMemberships(nil)
	st := s.stack.state.Load()
	for _, m := range joined.list {
		if n := st.byIndex(int(m.device)); n != nil {
			n.groups.change(m.group, m.heard, nil)
			if !slices.Contains(left, n.Interface) {
				left = append(left, n.Interface)
			}
		}
	}
	return left
}

// Memberships lists what ChangeGroup has joined, in the order of joining. After Close
// there is nothing.
func (s *Socket) Memberships() []socket.Membership {
	joined := s.match.Load().groups
	if joined == nil {
		return nil
	}
	list := make([]socket.Membership, len(joined.list))
	for k, m := range joined.list {
		list[k] = socket.Membership{
			Group: m.group.netip(), Interface: int(m.device), Only: m.heard.only, Sources: netips(m.heard.list),
		}
	}
	return list
}

// groupInterface returns the interface that a Group of IPv4 names: by its index, else by an
// address it has, else the one to which the route to the group leads (Linux's
// ip_mc_find_dev); nil if there is none.
func (st *state) groupInterface(g socket.Group) *netif {
	if g.Interface != 0 {
		return st.byIndex(g.Interface)
	}
	if g.Local.IsValid() && !g.Local.IsUnspecified() {
		return st.local(ipv4Of(g.Local))
	}
	r := st.lookup(ipv4Of(g.Address), nil)
	if r == nil || r.kind != RouteUnicast {
		return nil
	}
	return st.byIndex(r.out.index)
}
