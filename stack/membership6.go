package stack

import (
	"syscall"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/socket"
)

// Bounds of what a socket joins of IPv6. Linux has none of groups, but the memory for a
// socket's options, in which that many find room (net.core.optmem_max); of sources it is
// net.ipv6.mld_max_msf.
const (
	maxGroups6  = 2340
	maxSources6 = 64
)

// change6 is ChangeGroup for a group of IPv6, and returns the interface whose card may
// have to be programmed anew. The caller holds s.mu.
func (s *Socket) change6(change socket.GroupChange, g socket.Group) (*Interface, error) {
	group := addressOf(g.Address)
	if !group.isMulticast6() {
		return nil, syscall.EINVAL
	}
	joined := s.match.Load().groups
	k := joined.find6(group, g.Interface)
	joins := change == socket.JoinGroup || change == socket.JoinSource
	switch {
	case change == socket.LeaveGroup && k < 0:
		return nil, syscall.EADDRNOTAVAIL
	case change == socket.LeaveGroup:
		return s.leave(k), nil
	case change == socket.JoinGroup && k >= 0:
		return nil, syscall.EADDRINUSE
	}
	n := s.stack.state.Load().groupInterface6(group, g.Interface)
	if n == nil {
		return nil, syscall.ENODEV
	}
	i := n.Interface
	if joins && i.ip6.Load() == nil && n.kind != link.Loopback && !n.covers(group) {
		return nil, syscall.EINVAL // it does not speak IPv6 (Linux's __ipv6_dev_mc_inc)
	}
	if joins && k < 0 {
		if joined.count(false) >= maxGroups6 {
			return nil, syscall.ENOMEM
		}
		m := membership{group: group, device: int32(i.index), heard: &sources{only: change == socket.JoinSource}}
		s.addMembership(m, i)
		if g.Interface != 0 {
			s.sendBy(i)
		}
		k = s.match.Load().groups.find6(group, i.index)
	}
	if change == socket.JoinGroup {
		return i, nil
	}
	if k >= 0 {
		// Without an index it is the membership's interface, not the route's.
		device := s.match.Load().groups.list[k].device
		if n = s.stack.state.Load().byIndex(int(device)); n == nil {
			return nil, syscall.ENODEV
		}
		i = n.Interface
	}
	return i, s.changeSource(change, k, i, addressOf(g.Source), maxSources6)
}

// find6 returns the place of a membership in a group of IPv6, by any interface if the
// index is 0: of several the last that was joined. It is -1 if there is none.
func (m *memberships) find6(group address, index int) int {
	if m == nil {
		return -1
	}
	for k := len(m.list) - 1; k >= 0; k-- {
		if g := &m.list[k]; g.group == group && (index == 0 || int(g.device) == index) {
			return k
		}
	}
	return -1
}

// groupInterface6 returns the interface of an index, or, if that is 0, the one to which
// the route to the group leads; nil if there is none.
func (st *state) groupInterface6(group address, index int) *netif {
	if index != 0 {
		return st.byIndex(index)
	}
	r := st.lookup6(group, nil)
	if r == nil || r.kind != RouteUnicast {
		return nil
	}
	return st.byIndex(r.out.index)
}

// join makes the stack itself a member of a group on the interface, as often as it is
// called: of all nodes, of the solicited nodes of its addresses.
func (s *groupSet) join(group address) {
	s.change(group, nil, &sources{})
	s.program()
}

// joinAll makes the stack a member of the groups that every host is in that speaks IPv6,
// and those of routers if it is one (RFC 4291, 2.8, and Linux's ipv6_add_dev and
// dev_forward_change).
func (s *groupSet) joinAll(router bool) {
	s.join(allNodes)
	s.join(address{0xff01 << 48, 1})
	if router {
		s.join(allRouters)
		s.join(address{0xff01 << 48, 2})
		s.join(address{0xff05 << 48, 2})
	}
}

// leave takes one membership of the stack's own back.
func (s *groupSet) leave(group address) {
	s.change(group, &sources{}, nil)
	s.program()
}
