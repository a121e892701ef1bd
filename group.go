package castnet

import (
	"errors"
	"net/netip"
	"syscall"

	"github.com/castnet-go/castnet/socket"
)

// A Membership is what a Conn hears of a group by an interface: of every source
// but Sources, or, if Only is set, of Sources alone.
type Membership struct {
	Interface string // its name
	Group     netip.Addr
	Only      bool
	Sources   []netip.Addr
}

// JoinGroup joins a group on an interface, so that the Conn hears what any source
// sends to it there. With an empty ifname the network chooses the interface, by the
// zone of the group's address, else by its route to the group; [Conn.Memberships]
// says which. Joined groups are left when the Conn is closed. A Conn of both families
// joins groups of both.
//
// The port is the Conn's own: listen on the group's. What is sent to that port and to
// groups that others on this host have joined is heard too, unless
// [Conn.SetMulticastAll] says otherwise.
//
// EADDRINUSE: joined already. ENODEV: no such interface, or no route. EINVAL: not a
// group's address, or its zone is another interface than ifname. ENOBUFS: too many
// groups, on Linux 20 of IPv4 (net.ipv4.igmp_max_memberships). EAFNOSUPPORT: a group of
// IPv6 on a Conn of IPv4.
func (c *Conn) JoinGroup(ifname string, group netip.Addr) error {
	return c.changeGroup(socket.JoinGroup, ifname, group, netip.Addr{})
}

// LeaveGroup leaves a group, whichever way it was joined. EADDRNOTAVAIL: it was
// not.
func (c *Conn) LeaveGroup(ifname string, group netip.Addr) error {
	return c.changeGroup(socket.LeaveGroup, ifname, group, netip.Addr{})
}

// JoinSourceSpecificGroup joins a group to hear one source of it, and one more with
// each call (RFC 4607). Of an IPv6 group that is joined on several interfaces, Linux asks
// for the sources of the last, whichever a datagram comes in by. A group that was joined for every source is from then on heard
// of that one alone, unless sources are excluded: EINVAL. EADDRNOTAVAIL: the source is
// heard already. ENOBUFS: too many sources, on Linux 10 of IPv4 and 64 of IPv6.
func (c *Conn) JoinSourceSpecificGroup(ifname string, group, source netip.Addr) error {
	return c.changeGroup(socket.JoinSource, ifname, group, source)
}

// LeaveSourceSpecificGroup takes back a JoinSourceSpecificGroup.
func (c *Conn) LeaveSourceSpecificGroup(ifname string, group, source netip.Addr) error {
	return c.changeGroup(socket.LeaveSource, ifname, group, source)
}

// ExcludeSourceSpecificGroup hears one source less of a group that was joined by
// JoinGroup. EINVAL: it was not.
func (c *Conn) ExcludeSourceSpecificGroup(ifname string, group, source netip.Addr) error {
	return c.changeGroup(socket.BlockSource, ifname, group, source)
}

// IncludeSourceSpecificGroup takes back an ExcludeSourceSpecificGroup.
func (c *Conn) IncludeSourceSpecificGroup(ifname string, group, source netip.Addr) error {
	return c.changeGroup(socket.UnblockSource, ifname, group, source)
}

// JoinGroupAll joins a group on every interface that is up and carries multicast,
// and returns their names: what a program means that has no interface in mind. Where
// the group is joined already, it stays. Loopback is not one of them. It is an error,
// ENODEV, if there is no such interface, and otherwise only if none could be joined. EINVAL:
// the group's address names an interface by its zone.
func (c *Conn) JoinGroupAll(group netip.Addr) ([]string, error) {
	if !c.ok() {
		return nil, syscall.EINVAL
	}
	if group.Zone() != "" {
		return nil, c.optionError(opSet, callSetsockopt, syscall.EINVAL)
	}
	list, err := c.on.Interfaces()
	if err != nil {
		return nil, c.optionError(opSet, callSetsockopt, err)
	}
	var joined []string
	first := error(syscall.ENODEV)
	for _, i := range list {
		if !i.Up || !i.Multicast || i.Loopback {
			continue
		}
		err := c.s.ChangeGroup(socket.JoinGroup, socket.Group{Address: group.Unmap(), Interface: i.Index})
		if err == nil || errors.Is(err, syscall.EADDRINUSE) {
			joined = append(joined, i.Name)
		} else if first == syscall.ENODEV {
			first = err
		}
	}
	if joined == nil {
		return nil, c.optionError(opSet, callSetsockopt, first)
	}
	return joined, nil
}

// Memberships lists the groups that were joined, in the order of joining.
func (c *Conn) Memberships() []Membership {
	if !c.ok() {
		return nil
	}
	names := map[int]string{}
	if list, err := c.on.Interfaces(); err == nil {
		for _, i := range list {
			names[i.Index] = i.Name
		}
	}
	var all []Membership
	for _, m := range c.s.Memberships() {
		all = append(all, Membership{Interface: names[m.Interface], Group: m.Group, Only: m.Only, Sources: m.Sources})
	}
	return all
}

// changeGroup makes a change on an interface given by name.
func (c *Conn) changeGroup(change socket.GroupChange, ifname string, group, source netip.Addr) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	if zone := group.Zone(); ifname == "" {
		ifname = zone
	} else if zone != "" && zone != ifname {
		return c.optionError(opSet, callSetsockopt, syscall.EINVAL)
	}
	index, err := interfaceIndex(c.on, ifname)
	if err == nil {
		err = c.s.ChangeGroup(change, socket.Group{Address: group.WithZone("").Unmap(), Source: source.Unmap(), Interface: index})
	}
	return c.optionError(opSet, callSetsockopt, err)
}
