//go:build linux

package conformance

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// sendGroup6 injects a datagram from port 9 to a group's port 4000.
func (w *Wire) sendGroup6(from, group, payload string) {
	w.Send6(from, group, wire.ProtocolUDP, udp6(from, group, 9, 4000, payload))
}

// nextUDP6 takes a datagram with the payload off the wire.
func (w *Wire) nextUDP6(t *testing.T, payload string) *Packet6 {
	t.Helper()
	for {
		p := w.Next6(t)
		if p.ICMP != nil {
			continue
		}
		if p.UDP == nil || string(p.Data) != payload {
			t.Fatalf("got %v, want a datagram %q", p, payload)
		}
		return p
	}
}

var group6Cases = []testCase{
	{name: "Group6JoinErrors", rules: "F-JOIN6-01", needs: Wires | IPv6, run: func(t *testing.T, n *Machine) {
		s, eth0 := open6(t, n), n.Index(t, "eth0")
		for _, a := range []string{"2001:db8::1", "::", "::1", "fe80::1", "::ffff:224.1.2.3"} {
			for _, c := range []socket.GroupChange{socket.JoinGroup, socket.JoinSource, socket.BlockSource, socket.LeaveGroup} {
				s.changeErr(c, on(a, eth0, "2001:db8::2"), syscall.EINVAL)
			}
		}
		for _, c := range []socket.GroupChange{socket.JoinGroup, socket.JoinSource, socket.BlockSource, socket.UnblockSource, socket.LeaveSource} {
			s.changeErr(c, on("ff15::1", 999, "2001:db8::2"), syscall.ENODEV)
		}
		s.changeErr(socket.LeaveGroup, on("ff15::1", 999), syscall.EADDRNOTAVAIL)
		s.changeErr(socket.LeaveGroup, on("ff15::1", eth0), syscall.EADDRNOTAVAIL)
		s.changeErr(socket.LeaveGroup, on("ff15::1", 0), syscall.EADDRNOTAVAIL)
		for _, c := range []socket.GroupChange{socket.BlockSource, socket.UnblockSource, socket.LeaveSource} {
			s.changeErr(c, on("ff15::1", eth0, "2001:db8::2"), syscall.EINVAL)
		}
		s.changeErr(socket.JoinSource, on("ff15::1", eth0, "10.0.0.2"), syscall.EINVAL)
		s.wantMemberships()
		for _, g := range []string{"ff00::1", "ff01::1", "ff01::7", "ff02::1", "ff02::16", "ff0f::1", "ff12::1", "ff35::1", "ffff::1"} {
			s.join(g, eth0)
			s.changeErr(socket.JoinGroup, on(g, eth0), syscall.EADDRINUSE)
			s.change(socket.LeaveGroup, on(g, eth0))
			s.changeErr(socket.LeaveGroup, on(g, eth0), syscall.EADDRNOTAVAIL)
		}
		open(t, n).changeErr(socket.JoinGroup, on("ff15::1", eth0), syscall.EAFNOSUPPORT)
	}},
	{name: "Group6Limits", rules: "F-JOIN6-02", needs: Wires | IPv6, run: func(t *testing.T, n *Machine) {
		s, eth0 := open6(t, n), n.Index(t, "eth0")
		for k := range 300 { // of IPv4 20 are the most
			s.join(fmt.Sprintf("ff15::1:%x", k), eth0)
		}
		for k := range 64 {
			s.change(socket.BlockSource, on("ff15::1:0", eth0, fmt.Sprintf("2001:db8::%x", 10+k)))
		}
		s.changeErr(socket.BlockSource, on("ff15::1:0", eth0, "2001:db8::fff"), syscall.ENOBUFS)
		s.changeErr(socket.BlockSource, on("ff15::1:0", eth0, "2001:db8::a"), syscall.ENOBUFS) // before whether it is there
		for k := range 64 {
			s.change(socket.JoinSource, on("ff35::1", eth0, fmt.Sprintf("2001:db8::%x", 10+k)))
		}
		s.changeErr(socket.JoinSource, on("ff35::1", eth0, "2001:db8::fff"), syscall.ENOBUFS)
		for k := range 20 { // which count for themselves
			s.join(fmt.Sprintf("239.1.1.%d", k), eth0)
		}
		s.changeErr(socket.JoinGroup, on("239.1.1.99", eth0), syscall.ENOBUFS)
	}},
	{name: "Group6Sources", rules: "F-JOIN6-03", needs: Wires | IPv6, run: inet6.groupSources},
	{name: "Group6Interface", rules: "F-JOIN6-04", needs: Wires | IPv6, run: func(t *testing.T, n *Machine) {
		s, eth0, lo := open6(t, n), n.Index(t, "eth0"), n.Index(t, "lo")
		s.join("ff15::1", 0) // by the route
		s.wantMemberships(fmt.Sprintf("ff15::1 %d all but []", eth0))
		s.changeErr(socket.JoinGroup, on("ff15::1", eth0), syscall.EADDRINUSE)
		s.join("ff15::1", lo)
		s.changeErr(socket.JoinGroup, on("ff15::1", 0), syscall.EADDRINUSE)
		s.change(socket.LeaveGroup, on("ff15::1", 0)) // the last that was joined
		s.wantMemberships(fmt.Sprintf("ff15::1 %d all but []", eth0))
		s.change(socket.LeaveGroup, on("ff15::1", 0))
		s.wantMemberships()
		s.change(socket.JoinSource, on("ff35::1", 0, "2001:db8::2"))
		s.change(socket.JoinSource, on("ff35::1", 0, "2001:db8::3"))
		s.wantMemberships(fmt.Sprintf("ff35::1 %d only [2001:db8::2 2001:db8::3]", eth0))
	}},
	{name: "Group6Who", rules: "F-RECV6-01", needs: Wires | IPv6, run: inet6.groupWho},
	{name: "Group6Scopes", rules: "F-RECV6-02", needs: Wires | IPv6, run: func(t *testing.T, n *Machine) {
		n.know6(t)
		s, eth0 := bound6(t, n, "[::]:4000"), n.Index(t, "eth0")
		for g, heard := range map[string]bool{
			"ff00::7": false, "ff10::7": false, "ff01::7": false, "ff11::7": false,
			"ff02::7": true, "ff12::7": true, "ff05::7": true, "ff0e::7": true, "ff0f::7": true, "ff35::7": true,
		} {
			s.join(g, eth0)
			n.Eth0.sendGroup6("2001:db8::2", g, g)
			n.Sent6(t)
			if heard {
				s.want(g)
			} else {
				s.wantNothing()
			}
			s.change(socket.LeaveGroup, on(g, eth0))
			n.Eth0.sendGroup6("2001:db8::2", g, "left")
			n.Sent6(t)
			s.wantNothing()
		}
	}},
	{name: "Group6DualStack", rules: "F-JOIN6-05", needs: Wires | IPv6, run: func(t *testing.T, n *Machine) {
		s, eth0 := bound6(t, n, "[::]:4000"), n.Index(t, "eth0")
		s.join("239.1.2.3", eth0)
		s.changeErr(socket.JoinGroup, on("239.1.2.3", eth0), syscall.EADDRINUSE)
		s.change(socket.JoinSource, on("232.1.2.3", eth0, "10.0.0.2"))
		sendGroup(n.Eth0, "10.0.0.2:9", "239.1.2.3:4000", "any")
		s.wantFrom("any", "[::ffff:10.0.0.2]:9")
		sendGroup(n.Eth0, "10.0.0.2:9", "232.1.2.3:4000", "one")
		s.want("one")
		sendGroup(n.Eth0, "10.0.0.3:9", "232.1.2.3:4000", "another")
		s.wantNothing()
		g := on("239.1.2.4", 0)
		g.Local = netip.MustParseAddr("10.0.0.1")
		s.change(socket.JoinGroup, g)
		s.change(socket.LeaveGroup, on("239.1.2.3", eth0))
		sendGroup(n.Eth0, "10.0.0.2:9", "239.1.2.3:4000", "left")
		s.wantNothing()
		only := open6(t, n)
		only.set(socket.IPv6Only, 1)
		only.bind("[::]:4001")
		only.join("239.1.2.5", eth0) // and hears it not
		n.Eth0.Send(groupFrame(Datagram{From: "10.0.0.2:9", To: "239.1.2.5:4001", Payload: "x"}))
		settle(t, n)
		only.wantNothing()
	}},
	{name: "Group6Send", rules: "F-SEND6-01", needs: Wires | IPv6, run: func(t *testing.T, n *Machine) {
		n.know6(t)
		s, eth0 := bound6(t, n, "[::]:0"), n.Index(t, "eth0")
		s.set(socket.MulticastInterface, eth0)
		n.Sent6(t)
		for group, mac := range map[string]wire.MAC{
			"ff15::1:2:3": {0x33, 0x33, 0, 2, 0, 3}, "ff02::fb": {0x33, 0x33, 0, 0, 0, 0xfb}, "ff0e::8765:4321": {0x33, 0x33, 0x87, 0x65, 0x43, 0x21},
		} {
			s.send(at6(group, 9), group)
			if p := n.Eth0.nextUDP6(t, group); p.To != mac || p.IP.HopLimit() != 1 {
				t.Errorf("%v to %v with hop limit %d, want to %v with 1", p, p.To, p.IP.HopLimit(), mac)
			}
		}
		s.set(socket.TTL, 9)
		s.set(socket.MulticastTTL, 33)
		s.send(at6("ff15::1", 9), "further")
		if p := n.Eth0.nextUDP6(t, "further"); p.IP.HopLimit() != 33 {
			t.Errorf("hop limit %d, want 33", p.IP.HopLimit())
		}
		r := bound6(t, n, "[::]:4000")
		s.send(at6("ff15::1", 4000), "not joined")
		n.Eth0.nextUDP6(t, "not joined")
		r.wantNothing()
		r.join("ff15::1", eth0)
		r.set(socket.MulticastLoopback, 0) // the receiver's does not matter
		s.send(at6("ff15::1", 4000), "own")
		n.Eth0.nextUDP6(t, "own")
		r.want("own")
		s.set(socket.MulticastLoopback, 0)
		s.send(at6("ff15::1", 4000), "no own")
		n.Eth0.nextUDP6(t, "no own")
		r.wantNothing()
	}},
	{name: "Group6Here", rules: "F-SEND6-02", needs: Wires | IPv6, run: func(t *testing.T, n *Machine) {
		n.know6(t)
		s, r, eth0 := bound6(t, n, "[::]:0"), bound6(t, n, "[::]:4000"), n.Index(t, "eth0")
		s.set(socket.MulticastInterface, eth0)
		n.Sent6(t)
		quiet := func(what string) {
			t.Helper()
			if got := n.Sent6(t); len(got) != 0 {
				t.Errorf("%s: sent %v, want nothing", what, got)
			}
		}
		for _, g := range []string{"ff01::7", "ff11::7"} {
			s.send(at6(g, 4000), "nobody is a member")
			quiet("scope 1")
			r.wantNothing()
			r.join(g, eth0)
			s.send(at6(g, 4000), "here alone")
			quiet("scope 1, with a member")
			r.want("here alone")
			r.change(socket.LeaveGroup, on(g, eth0))
		}
		s.set(socket.MulticastTTL, 0)
		s.send(at6("ff15::7", 4000), "nobody hears it here")
		if p := n.Eth0.nextUDP6(t, "nobody hears it here"); p.IP.HopLimit() != 0 {
			t.Errorf("hop limit %d, want 0", p.IP.HopLimit())
		}
		r.join("ff15::7", eth0)
		s.send(at6("ff15::7", 4000), "here alone")
		quiet("hop limit 0, with a member")
		r.want("here alone")
		s.set(socket.MulticastLoopback, 0)
		s.send(at6("ff15::7", 4000), "by no copy")
		n.Eth0.nextUDP6(t, "by no copy") // and so, as on Linux, by the wire
		r.wantNothing()
		s.send(at6("ff01::7", 4000), "nowhere")
		quiet("scope 1, without a copy")
	}},
	{name: "Group6Union", rules: "F-RECV6-03", needs: Wires | IPv6, run: inet6.groupUnion},
}
