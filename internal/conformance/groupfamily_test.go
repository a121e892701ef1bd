//go:build linux

package conformance

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/socket"
)

// A family is what a case of groups that holds for IPv4 and for IPv6 has to know of the
// one it is run with.
type family struct {
	ipv4      bool
	all, own  string // addresses of the machine: the unspecified one, and eth0's
	g, other  string // groups
	neighbors string // the format of addresses at the far end
	allHosts  string // the group that everybody is in
}

var (
	inet4 = &family{ipv4: true, all: "0.0.0.0", own: "10.0.0.1", g: "239.1.2.3", other: "239.1.2.4", neighbors: "10.0.0.%d", allHosts: "224.0.0.1"}
	inet6 = &family{all: "::", own: global6, g: "ff35::7", other: "ff35::8", neighbors: "2001:db8::%x", allHosts: "ff02::1"}
)

// neighbor is the address of somebody at the far end of eth0.
func (f *family) neighbor(k int) string { return fmt.Sprintf(f.neighbors, k) }

func (f *family) at(addr string, port uint16) string {
	if f.ipv4 {
		return at(addr, port)
	}
	return at6(addr, port)
}

func (f *family) open(t *testing.T, n *Machine) *sock {
	t.Helper()
	if f.ipv4 {
		return open(t, n)
	}
	return open6(t, n)
}

// bound makes a socket with options and binds it to port 4000 of an address.
func (f *family) bound(t *testing.T, n *Machine, addr string, options ...socket.Option) *sock {
	t.Helper()
	if f.ipv4 {
		return bound(t, n, at(addr, 4000), options...)
	}
	return bound6(t, n, at6(addr, 4000), options...)
}

// settle lets pass what the machine has to say of itself.
func (f *family) settle(t *testing.T, n *Machine) {
	t.Helper()
	if !f.ipv4 {
		n.know6(t)
	}
}

// send injects a datagram from a neighbor's port 9 to a group's port 4000.
func (f *family) send(t *testing.T, n *Machine, from int, group, payload string) {
	t.Helper()
	if f.ipv4 {
		sendGroup(n.Eth0, f.at(f.neighbor(from), 9), f.at(group, 4000), payload)
		return
	}
	n.Eth0.sendGroup6(f.neighbor(from), group, payload)
	n.Sent6(t)
}

// groupSources is what F-JOIN6-03 says of both.
func (f *family) groupSources(t *testing.T, n *Machine) {
	s, eth0 := f.open(t, n), n.Index(t, "eth0")
	g, a, b := f.g, f.neighbor(2), f.neighbor(3)
	s.change(socket.JoinSource, on(g, eth0, b))
	s.change(socket.JoinSource, on(g, eth0, a))
	s.wantMemberships(fmt.Sprintf("%s %d only [%s %s]", g, eth0, a, b))
	s.changeErr(socket.JoinSource, on(g, eth0, a), syscall.EADDRNOTAVAIL)
	s.changeErr(socket.BlockSource, on(g, eth0, a), syscall.EINVAL)
	s.changeErr(socket.UnblockSource, on(g, eth0, a), syscall.EINVAL)
	s.changeErr(socket.JoinGroup, on(g, eth0), syscall.EADDRINUSE)
	s.changeErr(socket.LeaveSource, on(g, eth0, f.neighbor(9)), syscall.EADDRNOTAVAIL)
	s.change(socket.LeaveSource, on(g, eth0, a))
	s.change(socket.LeaveSource, on(g, eth0, b))
	s.wantMemberships()
	s.changeErr(socket.LeaveSource, on(g, eth0, b), syscall.EINVAL)

	s.join(g, eth0)
	s.change(socket.BlockSource, on(g, eth0, b))
	s.changeErr(socket.BlockSource, on(g, eth0, b), syscall.EADDRNOTAVAIL)
	s.changeErr(socket.UnblockSource, on(g, eth0, a), syscall.EADDRNOTAVAIL)
	s.changeErr(socket.JoinSource, on(g, eth0, a), syscall.EINVAL)
	s.changeErr(socket.LeaveSource, on(g, eth0, b), syscall.EINVAL)
	s.wantMemberships(fmt.Sprintf("%s %d all but [%s]", g, eth0, b))
	s.change(socket.UnblockSource, on(g, eth0, b))
	s.changeErr(socket.JoinSource, on(g, eth0, a), syscall.EINVAL) // there was a list once
	s.wantMemberships(fmt.Sprintf("%s %d all but []", g, eth0))
	s.change(socket.LeaveGroup, on(g, eth0))

	s.join(g, eth0)
	s.change(socket.JoinSource, on(g, eth0, a))
	s.wantMemberships(fmt.Sprintf("%s %d only [%s]", g, eth0, a))
	s.change(socket.LeaveGroup, on(g, eth0)) // whatever it hears
	s.wantMemberships()
}

// groupWho is about who hears a group (F-RECV-01 to 05, F-RECV6-01).
func (f *family) groupWho(t *testing.T, n *Machine) {
	f.settle(t, n)
	eth0 := n.Index(t, "eth0")
	one := func(addr string) *sock { return f.bound(t, n, addr, socket.ReuseAddr) }
	joined := one(f.all)
	joined.join(f.g, eth0)
	wild := one(f.all)
	deaf := one(f.all)
	deaf.set(socket.MulticastAll, 0)
	group := one(f.g)
	groupDeaf := one(f.g)
	groupDeaf.set(socket.MulticastAll, 0)
	other := one(f.other)
	unicast := one(f.own)
	unicast.join(f.g, eth0)
	blocking := one(f.all)
	blocking.join(f.g, eth0)
	blocking.change(socket.BlockSource, on(f.g, eth0, f.neighbor(2)))
	only := one(f.all)
	only.change(socket.JoinSource, on(f.g, eth0, f.neighbor(3)))
	elsewhere := one(f.all)
	elsewhere.join(f.g, eth0)
	elsewhere.connect(f.at(f.neighbor(5), 9))
	silent := []*sock{deaf, groupDeaf, other, unicast, blocking, only, elsewhere}
	if !f.ipv4 {
		n.Sent6(t)
		silent = append(silent, bound(t, n, "0.0.0.0:4001"))
	}

	f.send(t, n, 2, f.g, "from 2")
	for _, s := range []*sock{joined, wild, group} {
		m := s.wantFrom("from 2", f.at(f.neighbor(2), 9))
		copy(m.Buf, "changed")
	}
	for _, s := range silent {
		s.wantNothing()
	}
	f.send(t, n, 3, f.g, "from 3")
	for _, s := range []*sock{joined, wild, group, blocking, only} {
		s.want("from 3")
		s.wantNothing()
	}
	f.send(t, n, 2, f.other, "nobody has joined")
	for _, s := range []*sock{joined, wild, other} {
		s.wantNothing()
	}
	f.send(t, n, 2, f.allHosts, "to all")
	for _, s := range []*sock{joined, wild, blocking, only} {
		s.want("to all")
	}
	for _, s := range []*sock{deaf, group, other, unicast} {
		s.wantNothing()
	}
	deaf.join(f.g, eth0)
	wild.set(socket.MulticastAll, 0)
	f.send(t, n, 2, f.g, "again")
	deaf.want("again")
	wild.wantNothing()
}

// groupUnion is about what an interface hears (F-RECV-06, F-RECV6-03).
func (f *family) groupUnion(t *testing.T, n *Machine) {
	f.settle(t, n)
	eth0 := n.Index(t, "eth0")
	wild := f.bound(t, n, f.all)
	a, b := f.open(t, n), f.open(t, n)
	hears := func(what string, from ...int) {
		t.Helper()
		for k := 2; k <= 4; k++ {
			f.send(t, n, k, f.g, what)
			if slices.Contains(from, k) {
				wild.wantFrom(what, f.at(f.neighbor(k), 9))
			} else {
				wild.wantNothing()
			}
		}
	}
	hears("nobody is a member")
	a.change(socket.JoinSource, on(f.g, eth0, f.neighbor(2)))
	hears("IN{2}", 2)
	b.change(socket.JoinSource, on(f.g, eth0, f.neighbor(3)))
	hears("IN{2} IN{3}", 2, 3)
	b.change(socket.LeaveGroup, on(f.g, eth0))
	b.join(f.g, eth0)
	hears("IN{2} EX{}", 2, 3, 4)
	b.change(socket.BlockSource, on(f.g, eth0, f.neighbor(2)))
	b.change(socket.BlockSource, on(f.g, eth0, f.neighbor(3)))
	hears("IN{2} EX{2,3}", 2, 4)
	a.change(socket.LeaveGroup, on(f.g, eth0))
	hears("EX{2,3}", 4)
	a.join(f.g, eth0)
	hears("EX{} EX{2,3}", 2, 3, 4)
	a.change(socket.BlockSource, on(f.g, eth0, f.neighbor(3)))
	hears("EX{3} EX{2,3}", 2, 4)
	b.Close()
	hears("EX{3}", 2, 4)
	a.change(socket.UnblockSource, on(f.g, eth0, f.neighbor(3)))
	hears("EX{}", 2, 3, 4)
	a.Close()
	hears("nobody")
}

// wantRecords checks what the next report by eth0 says.
func (f *family) wantRecords(t *testing.T, n *Machine, want ...string) {
	t.Helper()
	if f.ipv4 {
		wantRecords(t, n, n.Eth0, want...)
	} else {
		wantRecords6(t, n, want...)
	}
}

// reportMerged is about filters of several sockets (F-REPORT-03, F-REPORT6-03).
func (f *family) reportMerged(t *testing.T, n *Machine) {
	silence := func(d time.Duration) { wantSilence(t, n, n.Eth0, d) }
	if !f.ipv4 {
		settleReports(t, n)
		silence = func(d time.Duration) { wantSilence6(t, n, d) }
	}
	eth0 := n.Index(t, "eth0")
	a, b := f.open(t, n), f.open(t, n)
	two, three := f.neighbor(2), f.neighbor(3)
	record := func(kind string, sources ...string) string { return fmt.Sprint(kind, " ", f.g, " ", sources) }
	next := func(want string) {
		t.Helper()
		f.wantRecords(t, n, want)
		f.wantRecords(t, n, want)
	}
	state := func(want string) {
		t.Helper()
		if f.ipv4 {
			n.Eth0.Send(query{}.frame(n.Eth0))
		} else {
			n.Eth0.Send(query{}.frame6(n.Eth0))
		}
		f.wantRecords(t, n, want)
	}
	a.change(socket.JoinSource, on(f.g, eth0, two))
	next(record("ALLOW", two))
	state(record("IS_IN", two))
	b.change(socket.JoinSource, on(f.g, eth0, three))
	next(record("ALLOW", three))
	state(record("IS_IN", two, three))
	b.change(socket.LeaveGroup, on(f.g, eth0))
	next(record("BLOCK", three))
	b.join(f.g, eth0)
	next(record("TO_EX"))
	state(record("IS_EX"))
	b.change(socket.BlockSource, on(f.g, eth0, three))
	next(record("BLOCK", three))
	b.change(socket.BlockSource, on(f.g, eth0, two)) // whom a hears
	silence(300 * time.Millisecond)
	state(record("IS_EX", three))
	b.change(socket.LeaveGroup, on(f.g, eth0))
	next(record("TO_IN", two))
	state(record("IS_IN", two))
}
