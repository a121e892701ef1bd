package loop

import (
	"net/netip"
	"slices"
	"strconv"
	"syscall"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/socket"
)

// SetOption sets an option of the socket; Option reads it. EBADF: there is no socket.
func (u *UDP) SetOption(o socket.Option, value int) error {
	s, err := u.socket()
	if err != nil {
		return err
	}
	return errnoOf(s.SetOption(o, value))
}

// Option reads an option of the socket.
func (u *UDP) Option(o socket.Option) (int, error) {
	s, err := u.socket()
	if err != nil {
		return 0, err
	}
	v, err := s.Option(o)
	return v, errnoOf(err)
}

func (u *UDP) setWithin(o socket.Option, value, low, high int) error {
	if value < low || value > high {
		return syscall.EINVAL
	}
	return u.SetOption(o, value)
}

func number(on bool) int {
	if on {
		return 1
	}
	return 0
}

// SetBroadcast permits to send to broadcast addresses.
func (u *UDP) SetBroadcast(on bool) error { return u.SetOption(socket.Broadcast, number(on)) }

// SetTTL sets the TTL, or hop limit, of what is sent to one: 1 to 255, else EINVAL.
func (u *UDP) SetTTL(ttl int) error { return u.setWithin(socket.TTL, ttl, 1, 255) }

// SetMulticastTTL sets that of what is sent to groups: 0 to 255, else EINVAL.
func (u *UDP) SetMulticastTTL(ttl int) error { return u.setWithin(socket.MulticastTTL, ttl, 0, 255) }

// SetMulticastLoop says whether this host hears what it sends to groups.
func (u *UDP) SetMulticastLoop(on bool) error {
	return u.SetOption(socket.MulticastLoopback, number(on))
}

// SetMulticastInterface says by which interface to send to groups: the one that has
// the IPv4 address, or that is the zone of the IPv6 address. An unspecified address
// without a zone leaves it to the route, and so does the zero Addr. EADDRNOTAVAIL:
// no interface has the address, or that zone.
func (u *UDP) SetMulticastInterface(by netip.Addr) error {
	if _, err := u.socket(); err != nil {
		return err
	}
	index, err := u.interfaceOf(by)
	if err != nil {
		return err
	}
	return u.SetOption(socket.MulticastInterface, index)
}

// interfaceOf returns the index of an interface that is named by its address or
// zone; 0: none is named.
func (u *UDP) interfaceOf(by netip.Addr) (int, error) {
	zone := by.Zone()
	if !by.IsValid() || by.Is6() && zone == "" || by == netip.IPv4Unspecified() {
		return 0, nil
	}
	list, err := u.cfg.On.Interfaces()
	if err != nil {
		return 0, errnoOf(err)
	}
	index, _ := strconv.Atoi(zone)
	for _, i := range list {
		if zone != "" {
			if i.Name == zone || i.Index == index {
				return i.Index, nil
			}
		} else if slices.ContainsFunc(i.Addresses, func(p netip.Prefix) bool { return p.Addr() == by }) {
			return i.Index, nil
		}
	}
	return 0, syscall.EADDRNOTAVAIL
}

// SetMembership joins a group or leaves it, on the interface that has the IPv4
// address or is the zone of the IPv6 address; with the zero Addr, where the route to
// the group leads. The socket is bound, with ReuseAddr, if there is none. Errors are
// those of [socket.Socket]'s ChangeGroup.
func (u *UDP) SetMembership(group, on netip.Addr, join bool) error {
	change := socket.LeaveGroup
	if join {
		change = socket.JoinGroup
	}
	return u.changeGroup(change, socket.Group{Address: group}, on)
}

// SetSourceMembership is SetMembership for what one source sends to the group.
func (u *UDP) SetSourceMembership(group, on, source netip.Addr, join bool) error {
	if familyOf(source) != familyOf(group) {
		return syscall.EINVAL
	}
	change := socket.LeaveSource
	if join {
		change = socket.JoinSource
	}
	return u.changeGroup(change, socket.Group{Address: group, Source: source}, on)
}

// ChangeGroup is the socket's own, for who names interfaces by their index. The socket
// is bound, with ReuseAddr, if there is none.
func (u *UDP) ChangeGroup(change socket.GroupChange, g socket.Group) error {
	f := familyOf(g.Address)
	if f == 0 {
		return syscall.EINVAL
	}
	if err := u.bindAny(f, ReuseAddr); err != nil {
		return err
	}
	return errnoOf(u.sock.ChangeGroup(change, g))
}

func (u *UDP) changeGroup(change socket.GroupChange, g socket.Group, on netip.Addr) error {
	f := familyOf(g.Address)
	if f == 0 || on.IsValid() && familyOf(on) != f {
		return syscall.EINVAL
	}
	if err := u.bindAny(f, ReuseAddr); err != nil {
		return err
	}
	if f == socket.IPv4 {
		g.Local = on
	} else {
		var err error
		if g.Interface, err = u.interfaceOf(on); err != nil {
			return syscall.ENODEV
		}
	}
	return errnoOf(u.sock.ChangeGroup(change, g))
}

// Memberships lists what was joined.
func (u *UDP) Memberships() []socket.Membership {
	if u.sock == nil {
		return nil
	}
	return u.sock.Memberships()
}

// Stats returns the socket's counters, drops included. They survive Close.
func (u *UDP) Stats() socket.Stats {
	if u.sock == nil {
		return socket.Stats{}
	}
	st := u.sock.Stats()
	for reason, n := range u.refused {
		st.Received -= min(n.datagrams, st.Received)
		st.ReceivedBytes -= min(n.bytes, st.ReceivedBytes)
		if st.Dropped == nil {
			st.Dropped = make(map[drop.Reason]uint64)
		}
		st.Dropped[reason] += n.datagrams
	}
	return st
}

// A refusal counts what was refused for a reason.
type refusal struct{ datagrams, bytes uint64 }

// Refuse says that a datagram which was received is dropped after all, for a reason: it
// counts as that, and not as received. A network that keeps an account of its own is told;
// the operating system is not, and counts it as read. It may be called after Close.
func (u *UDP) Refuse(m *socket.Message, reason drop.Reason) {
	if r, ok := u.sock.(socket.Refuser); ok {
		r.Refuse(1, m.Len, reason)
		return
	}
	if u.refused == nil {
		u.refused = make(map[drop.Reason]refusal)
	}
	n := u.refused[reason]
	u.refused[reason] = refusal{n.datagrams + 1, n.bytes + uint64(m.Len)}
}
