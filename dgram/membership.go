package dgram

import (
	"errors"
	"net/netip"
	"syscall"

	"github.com/castnet-go/castnet/socket"
)

// AddMembership joins a group on an interface, which is named by an IPv4 address that
// it has, for udp6 by its zone ("::%eth0"), or by its name; with an empty string it is
// where the route to the group leads. A socket that is not bound is bound to a port of
// the network's choice, which Bind does not change any more (EINVAL); to receive, it has
// to be bound first or to send.
//
// ErrMissingArgs: no group. Else the Error of the network, with Syscall
// "addMembership". EINVAL: not a group's address. ENODEV: no such interface, or no route.
// EADDRINUSE: joined already. ENOBUFS: too many groups.
func (s *Socket) AddMembership(group, on string) error {
	return s.membership("addMembership", socket.JoinGroup, group, on)
}

// DropMembership leaves a group, which happens by itself when the socket is closed.
// EADDRNOTAVAIL: it was not joined there.
func (s *Socket) DropMembership(group, on string) error {
	return s.membership("dropMembership", socket.LeaveGroup, group, on)
}

func (s *Socket) membership(call string, change socket.GroupChange, group, on string) error {
	if group == "" && s.handle != nil {
		return errMissing("multicastAddress")
	}
	return s.set(call, func() error { return s.changeGroup(change, group, netip.Addr{}, on) })
}

// AddSourceSpecificMembership joins a group to hear one source of it (RFC 4607), and one
// more with each call. EINVAL: no addresses, or the group was joined for every source.
// EADDRNOTAVAIL: the source is heard already.
func (s *Socket) AddSourceSpecificMembership(source, group, on string) error {
	return s.sourceMembership("addSourceSpecificMembership", socket.JoinSource, source, group, on)
}

// DropSourceSpecificMembership takes that back.
func (s *Socket) DropSourceSpecificMembership(source, group, on string) error {
	return s.sourceMembership("dropSourceSpecificMembership", socket.LeaveSource, source, group, on)
}

func (s *Socket) sourceMembership(call string, change socket.GroupChange, source, group, on string) error {
	return s.set(call, func() error {
		from, err := netip.ParseAddr(source)
		if err != nil {
			return syscall.EINVAL
		}
		return s.changeGroup(change, group, from, on)
	})
}

func (s *Socket) changeGroup(change socket.GroupChange, group string, source netip.Addr, on string) error {
	g, err := netip.ParseAddr(group)
	if err != nil || !s.suits(g) {
		return syscall.EINVAL
	}
	var by netip.Addr
	var index int
	if on != "" {
		if by, index, err = s.interfaceNamed(on); err != nil {
			return err
		}
	}
	join := change == socket.JoinGroup || change == socket.JoinSource
	if index != 0 {
		return s.handle.ChangeGroup(change, socket.Group{Address: g, Source: source, Interface: index})
	}
	if change.OfSource() {
		return s.handle.SetSourceMembership(g, by, source, join)
	}
	return s.handle.SetMembership(g, by, join)
}

// AddMembershipAll joins a group on every interface that is up and carries multicast,
// loopback excepted, and returns their names: what a program means that has no
// interface in mind. Where the group is joined already, it stays.
//
// ENODEV: there is no such interface. Another error: it could be joined on none.
func (s *Socket) AddMembershipAll(group string) ([]string, error) {
	if group == "" && s.handle != nil {
		return nil, errMissing("multicastAddress")
	}
	var joined []string
	err := s.set("addMembership", func() error {
		list, err := s.opts.On.Interfaces()
		if err != nil {
			return err
		}
		g, err := netip.ParseAddr(group)
		if err != nil || !s.suits(g) || g.Zone() != "" {
			return syscall.EINVAL
		}
		first := error(syscall.ENODEV)
		for _, i := range list {
			if !i.Up || !i.Multicast || i.Loopback {
				continue
			}
			err := s.handle.ChangeGroup(socket.JoinGroup, socket.Group{Address: g, Interface: i.Index})
			switch {
			case err == nil, errors.Is(err, syscall.EADDRINUSE):
				joined = append(joined, i.Name)
			case first == syscall.ENODEV:
				first = err
			}
		}
		if joined == nil {
			return first
		}
		return nil
	})
	return joined, err
}

// Memberships lists what was joined, in the order of joining.
func (s *Socket) Memberships() []socket.Membership {
	if s.handle == nil {
		return nil
	}
	return s.handle.Memberships()
}
