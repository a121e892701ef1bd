//go:build linux

package conformance

import (
	"fmt"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// sendGroup injects a datagram to a group, by the hardware address that it has.
func sendGroup(w *Wire, from, to, payload string) {
	w.Send(groupFrame(Datagram{From: from, To: to, Payload: payload}))
}

func groupFrame(d Datagram) []byte {
	return ethernet(wire.MulticastMAC(addrPort(d.To).Addr()), gatewayMAC, d.Bytes())
}

// on names a group, a source of it if there is one, and the interface by its index.
func on(group string, index int, source ...string) socket.Group {
	g := socket.Group{Address: netip.MustParseAddr(group), Interface: index}
	if len(source) > 0 {
		g.Source = netip.MustParseAddr(source[0])
	}
	return g
}

func (s *sock) change(c socket.GroupChange, g socket.Group) {
	s.t.Helper()
	s.changeErr(c, g, nil)
}

func (s *sock) changeErr(c socket.GroupChange, g socket.Group, want error) {
	s.t.Helper()
	if err := s.ChangeGroup(c, g); err != want {
		s.t.Errorf("%v of %v, source %v, on %d/%v: %v, want %v", c, g.Address, g.Source, g.Interface, g.Local, name(err), name(want))
	}
}

func (s *sock) join(group string, index int) {
	s.t.Helper()
	s.change(socket.JoinGroup, on(group, index))
}

// wantMemberships checks the list, each as "group index mode sources".
func (s *sock) wantMemberships(want ...string) {
	s.t.Helper()
	var got []string
	for _, m := range s.Memberships() {
		mode := "all but"
		if m.Only {
			mode = "only"
		}
		got = append(got, fmt.Sprint(m.Group, " ", m.Interface, " ", mode, " ", m.Sources))
	}
	if !slices.Equal(got, want) {
		s.t.Errorf("memberships %q, want %q", got, want)
	}
}

var groupCases = []testCase{
	{name: "GroupJoinErrors", rules: "F-JOIN-01 F-JOIN-02 F-JOIN-03 F-JOIN-06 F-JOIN-14 F-JOIN-15", needs: Wires, run: func(t *testing.T, n *Machine) {
		s, eth0 := open(t, n), n.Index(t, "eth0")
		for _, a := range []string{"10.0.0.1", "0.0.0.0", "255.255.255.255", "240.0.0.1", "127.0.0.1"} {
			s.changeErr(socket.JoinGroup, on(a, eth0), syscall.EINVAL)
			s.changeErr(socket.JoinSource, on(a, eth0, "10.0.0.2"), syscall.EINVAL)
			s.changeErr(socket.BlockSource, on(a, eth0, "10.0.0.2"), syscall.EINVAL)
			s.changeErr(socket.LeaveGroup, on(a, eth0), syscall.EADDRNOTAVAIL)
		}
		for _, c := range []socket.GroupChange{0, socket.UnblockSource + 1} {
			s.changeErr(c, on("239.1.2.3", eth0, "10.0.0.2"), syscall.EINVAL)
		}
		for _, c := range []socket.GroupChange{socket.JoinGroup, socket.JoinSource, socket.BlockSource, socket.UnblockSource, socket.LeaveSource} {
			s.changeErr(c, on("239.1.2.3", 999, "10.0.0.2"), syscall.ENODEV)
			g := on("239.1.2.3", 0, "10.0.0.2")
			g.Local = netip.MustParseAddr("10.9.9.9")
			s.changeErr(c, g, syscall.ENODEV)
			s.changeErr(c, on("239.1.2.3", 0, "10.0.0.2"), syscall.ENODEV) // no route
		}
		s.changeErr(socket.LeaveGroup, on("239.1.2.3", 0), syscall.ENODEV)
		s.changeErr(socket.LeaveGroup, on("239.1.2.3", 999), syscall.EADDRNOTAVAIL)
		s.changeErr(socket.LeaveGroup, on("239.1.2.3", eth0), syscall.EADDRNOTAVAIL)
		for _, c := range []socket.GroupChange{socket.BlockSource, socket.UnblockSource, socket.LeaveSource} {
			s.changeErr(c, on("239.1.2.3", eth0, "10.0.0.2"), syscall.EINVAL)
		}
		s.wantMemberships()
		s.join("239.1.2.3", eth0)
		s.changeErr(socket.JoinGroup, on("239.1.2.3", eth0), syscall.EADDRINUSE)
		s.change(socket.LeaveGroup, on("239.1.2.3", eth0))
		s.changeErr(socket.LeaveGroup, on("239.1.2.3", eth0), syscall.EADDRNOTAVAIL)
		s.join("224.0.0.1", eth0)
		s.change(socket.LeaveGroup, on("224.0.0.1", eth0))
	}},
	{name: "GroupLimits", rules: "F-JOIN-04 F-JOIN-05", needs: Wires, run: func(t *testing.T, n *Machine) {
		s, eth0 := open(t, n), n.Index(t, "eth0")
		for k := range 20 {
			if k%2 == 0 {
				s.join(fmt.Sprintf("239.1.1.%d", k), eth0)
			} else {
				s.change(socket.JoinSource, on(fmt.Sprintf("239.1.1.%d", k), eth0, "10.0.0.2"))
			}
		}
		s.changeErr(socket.JoinGroup, on("239.1.1.20", eth0), syscall.ENOBUFS)
		s.changeErr(socket.JoinSource, on("239.1.1.20", eth0, "10.0.0.2"), syscall.ENOBUFS)
		s.changeErr(socket.JoinGroup, on("239.1.1.0", eth0), syscall.EADDRINUSE) // before the limit
		for k := range 10 {
			s.change(socket.BlockSource, on("239.1.1.0", eth0, fmt.Sprintf("10.0.0.%d", 10+k)))
		}
		s.changeErr(socket.BlockSource, on("239.1.1.0", eth0, "10.0.0.20"), syscall.ENOBUFS)
		s.changeErr(socket.BlockSource, on("239.1.1.0", eth0, "10.0.0.19"), syscall.ENOBUFS) // before whether it is there
		for k := range 9 {
			s.change(socket.JoinSource, on("239.1.1.1", eth0, fmt.Sprintf("10.0.0.%d", 10+k)))
		}
		s.changeErr(socket.JoinSource, on("239.1.1.1", eth0, "10.0.0.20"), syscall.ENOBUFS)
	}},
	{name: "GroupSources", rules: "F-JOIN-07 F-JOIN-08 F-JOIN-12 F-JOIN-13", needs: Wires, run: inet4.groupSources},
	{name: "GroupInterface", rules: "F-JOIN-09 F-JOIN-16", needs: Wires | DefaultRoute, run: func(t *testing.T, n *Machine) {
		eth0, eth1 := n.Index(t, "eth0"), n.Index(t, "eth1")
		heard := func(g socket.Group, w0, w1 bool) {
			t.Helper()
			s := bound(t, n, "0.0.0.0:4000")
			s.set(socket.MulticastAll, 0)
			s.change(socket.JoinGroup, g)
			for _, tc := range []struct {
				w    *Wire
				from string
				want bool
			}{{n.Eth0, "10.0.0.2:9", w0}, {n.Eth1, "10.1.0.2:9", w1}} {
				sendGroup(tc.w, tc.from, "239.1.2.3:4000", tc.w.Name)
				if tc.want {
					s.wantFrom(tc.w.Name, tc.from)
				} else {
					s.wantNothing()
				}
			}
			s.change(socket.LeaveGroup, g)
			sendGroup(n.Eth0, "10.0.0.2:9", "239.1.2.3:4000", "left")
			s.wantNothing()
			s.Close()
		}
		heard(on("239.1.2.3", eth0), true, false)
		heard(on("239.1.2.3", eth1), false, true)
		g := on("239.1.2.3", 0)
		heard(g, true, false) // by the default route
		g.Local = netip.MustParseAddr("10.1.0.1")
		heard(g, false, true)
		g.Interface = eth0 // beats the address
		heard(g, true, false)
		s := bound(t, n, "0.0.0.0:4000")
		s.join("239.1.2.3", eth0)
		s.join("239.1.2.3", eth1)
		sendGroup(n.Eth0, "10.0.0.2:9", "239.1.2.3:4000", "0")
		s.want("0")
		sendGroup(n.Eth1, "10.1.0.2:9", "239.1.2.3:4000", "1")
		s.want("1")
		s.wantNothing()
	}},
	{name: "GroupClose", rules: "F-JOIN-10 F-RECV-02", needs: Wires, run: func(t *testing.T, n *Machine) {
		eth0 := n.Index(t, "eth0")
		wild := bound(t, n, "0.0.0.0:4000")
		a, b := open(t, n), open(t, n)
		a.join("239.1.2.3", eth0)
		b.join("239.1.2.3", eth0)
		sendGroup(n.Eth0, "10.0.0.2:9", "239.1.2.3:4000", "both")
		wild.want("both")
		a.Close()
		sendGroup(n.Eth0, "10.0.0.2:9", "239.1.2.3:4000", "one")
		wild.want("one")
		b.Close()
		sendGroup(n.Eth0, "10.0.0.2:9", "239.1.2.3:4000", "none")
		wild.wantNothing()
	}},
	{name: "GroupSend", rules: "F-SEND-01 F-SEND-04 F-CARD-01", needs: Wires | DefaultRoute, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		for group, mac := range map[string]wire.MAC{
			"239.1.2.3": {1, 0, 0x5e, 1, 2, 3}, "239.129.2.3": {1, 0, 0x5e, 1, 2, 3}, "224.0.0.251": {1, 0, 0x5e, 0, 0, 0xfb},
			"232.255.255.255": {1, 0, 0x5e, 0x7f, 0xff, 0xff},
		} {
			s.send(group+":9", group)
			p := n.Eth0.NextUDP(t, group)
			if p.To != mac || p.IP.TTL() != 1 {
				t.Errorf("%v to %v with TTL %d, want to %v with 1", p, p.To, p.IP.TTL(), mac)
			}
		}
		s.set(socket.TTL, 9)
		s.set(socket.MulticastTTL, 33)
		s.send("239.1.2.3:9", "further")
		if p := n.Eth0.NextUDP(t, "further"); p.IP.TTL() != 33 {
			t.Errorf("TTL %d, want 33", p.IP.TTL())
		}
		c := connected(t, n, "239.1.2.3:9")
		c.send("", "connected")
		n.Eth0.NextUDP(t, "connected")
		c.set(socket.MulticastTTL, 7)
		c.send("", "and then")
		if p := n.Eth0.NextUDP(t, "and then"); p.IP.TTL() != 7 {
			t.Errorf("TTL %d, want 7", p.IP.TTL())
		}
	}},
	{name: "GroupTTLZero", rules: "F-SEND-05 F-SEND-07", needs: Wires, run: func(t *testing.T, n *Machine) {
		eth0 := n.Index(t, "eth0")
		s, r := bound(t, n, "10.0.0.1:5000"), bound(t, n, "0.0.0.0:4000")
		s.set(socket.MulticastTTL, 0)
		s.send("239.1.2.3:4000", "nobody hears it here")
		if p := n.Eth0.NextUDP(t, "nobody hears it here"); p.IP.TTL() != 0 {
			t.Errorf("TTL %d, want 0: without a member here Linux lets it go", p.IP.TTL())
		}
		r.wantNothing()
		r.join("239.1.2.3", eth0)
		s.send("239.1.2.3:4000", "here alone")
		r.want("here alone")
		s.set(socket.MulticastLoopback, 0)
		s.send("239.1.2.3:4000", "not even here")
		r.wantNothing()
		wantQuiet(t, n, n.Eth0)
	}},
	{name: "GroupLoopback", rules: "F-SEND-02 F-SEND-07 F-RECV-01", needs: Wires, run: func(t *testing.T, n *Machine) {
		eth0 := n.Index(t, "eth0")
		s, r := bound(t, n, "10.0.0.1:5000"), bound(t, n, "0.0.0.0:4000")
		s.send("239.1.2.3:4000", "1")
		n.Eth0.NextUDP(t, "1")
		r.wantNothing()
		r.join("239.1.2.3", eth0)
		r.set(socket.MulticastLoopback, 0) // the receiver's does not matter
		s.send("239.1.2.3:4000", "2")
		n.Eth0.NextUDP(t, "2")
		r.wantFrom("2", "10.0.0.1:5000")
		s.set(socket.MulticastLoopback, 0)
		s.send("239.1.2.3:4000", "3")
		n.Eth0.NextUDP(t, "3")
		r.wantNothing()
		s.set(socket.MulticastLoopback, 1)
		other := bound(t, n, "10.1.0.1:5000")
		other.send("239.1.2.3:4000", "4") // by eth1, which is no member
		n.Eth1.NextUDP(t, "4")
		r.wantNothing()
		r.change(socket.LeaveGroup, on("239.1.2.3", eth0))
		r.change(socket.JoinSource, on("239.1.2.3", eth0, "10.0.0.2"))
		s.send("239.1.2.3:4000", "5") // whom the interface does not hear
		n.Eth0.NextUDP(t, "5")
		r.wantNothing()
	}},
	{name: "GroupOnLoopback", rules: "F-SEND-02 F-RECV-01 F-JOIN-09", needs: Wires, run: func(t *testing.T, n *Machine) {
		lo := n.Index(t, "lo")
		s, r := bound(t, n, "127.0.0.1:5000"), bound(t, n, "0.0.0.0:4000")
		s.send("239.1.2.3:4000", "1")
		r.wantNothing()
		g := on("239.1.2.3", 0)
		g.Local = netip.MustParseAddr("127.0.0.1")
		r.change(socket.JoinGroup, g)
		r.changeErr(socket.JoinGroup, on("239.1.2.3", lo), syscall.EADDRINUSE)
		s.send("239.1.2.3:4000", "2")
		r.wantFrom("2", "127.0.0.1:5000")
		r.wantNothing()
		s.set(socket.MulticastLoopback, 0) // there is no other way
		s.send("239.1.2.3:4000", "3")
		r.want("3")
	}},
	{name: "GroupWayOut", rules: "F-SEND-03 F-SEND-06", needs: Wires | DefaultRoute, run: func(t *testing.T, n *Machine) {
		eth0, eth1 := n.Index(t, "eth0"), n.Index(t, "eth1")
		s := open(t, n)
		s.send("239.1.2.3:9", "by the route")
		if p := n.Eth0.NextUDP(t, "by the route"); p.IP.Source() != netip.MustParseAddr("10.0.0.1") {
			t.Errorf("%v", p)
		}
		s.set(socket.MulticastInterface, eth1)
		s.send("239.1.2.3:9", "by eth1")
		if p := n.Eth1.NextUDP(t, "by eth1"); p.IP.Source() != netip.MustParseAddr("10.1.0.1") {
			t.Errorf("%v", p)
		}
		s.send("10.0.0.2:9", "unicast is not changed")
		n.Eth0.NextUDP(t, "unicast is not changed")
		s.setErr(socket.MulticastInterface, 999, syscall.EADDRNOTAVAIL)
		s.wantOption(socket.MulticastInterface, eth1)
		s.set(socket.MulticastInterface, 0)
		s.join("239.1.2.3", eth1)
		s.send("239.1.2.3:9", "joining sets no way out")
		n.Eth0.NextUDP(t, "joining sets no way out")
		s.set(socket.BindInterface, eth0)
		s.setErr(socket.MulticastInterface, eth1, syscall.EINVAL)
		s.set(socket.MulticastInterface, eth0)
	}},
	{name: "GroupNoWayOut", rules: "F-SEND-03", needs: Wires, run: func(t *testing.T, n *Machine) {
		open(t, n).sendErr("239.1.2.3:9", "x", syscall.ENETUNREACH)
		s := open(t, n)
		s.set(socket.MulticastInterface, n.Index(t, "eth1"))
		s.send("239.1.2.3:9", "x")
		n.Eth1.NextUDP(t, "x")
	}},
	{name: "GroupWho", rules: "F-RECV-01 F-RECV-02 F-RECV-03 F-RECV-04 E-REUSE-10", needs: Wires, run: inet4.groupWho},
	{name: "GroupAllHosts", rules: "F-RECV-05", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "0.0.0.0:4000")
		sendGroup(n.Eth0, "10.0.0.2:9", "224.0.0.1:4000", "1")
		s.want("1")
		s.set(socket.MulticastAll, 0)
		sendGroup(n.Eth0, "10.0.0.2:9", "224.0.0.1:4000", "2")
		s.wantNothing()
		s.join("224.0.0.1", n.Index(t, "eth0"))
		sendGroup(n.Eth0, "10.0.0.2:9", "224.0.0.1:4000", "3")
		s.want("3")
		s.change(socket.LeaveGroup, on("224.0.0.1", n.Index(t, "eth0")))
		s.set(socket.MulticastAll, 1)
		sendGroup(n.Eth0, "10.0.0.2:9", "224.0.0.1:4000", "4")
		s.want("4")
	}},
	{name: "GroupUnion", rules: "F-RECV-06", needs: Wires, run: inet4.groupUnion},
	{name: "GroupUnspecifiedSource", rules: "F-RECV-07", needs: Wires, run: func(t *testing.T, n *Machine) {
		s, eth0 := bound(t, n, "0.0.0.0:4000"), n.Index(t, "eth0")
		s.join("239.1.2.3", eth0)
		s.join("224.0.0.9", eth0)
		sendGroup(n.Eth0, "0.0.0.0:9", "239.1.2.3:4000", "1")
		s.wantNothing()
		sendGroup(n.Eth0, "0.0.0.0:9", "224.0.0.9:4000", "2")
		s.want("2")
	}},
	{name: "GroupDevice", rules: "F-RECV-08", needs: Wires, run: func(t *testing.T, n *Machine) {
		eth0, eth1 := n.Index(t, "eth0"), n.Index(t, "eth1")
		other := open(t, n)
		other.join("239.1.2.3", eth0)
		other.join("239.1.2.3", eth1)
		s := bound(t, n, "0.0.0.0:4000")
		s.set(socket.BindInterface, eth1)
		sendGroup(n.Eth0, "10.0.0.2:9", "239.1.2.3:4000", "0")
		s.wantNothing()
		sendGroup(n.Eth1, "10.1.0.2:9", "239.1.2.3:4000", "1")
		s.want("1")
	}},
	{name: "GroupMAC", rules: "F-CARD-02", needs: Wires, run: func(t *testing.T, n *Machine) {
		eth0 := n.Index(t, "eth0")
		s := bound(t, n, "0.0.0.0:4000")
		s.join("239.1.2.3", eth0)
		s.join("239.129.2.3", eth0) // the same hardware address
		for _, group := range []string{"239.1.2.3:4000", "239.129.2.3:4000"} {
			sendGroup(n.Eth0, "10.0.0.2:9", group, group)
			s.want(group)
		}
		sendGroup(n.Eth0, "10.0.0.2:9", "225.1.2.3:4000", "not joined, but let in by the card")
		s.wantNothing()
		s.change(socket.LeaveGroup, on("239.1.2.3", eth0))
		sendGroup(n.Eth0, "10.0.0.2:9", "239.1.2.3:4000", "left")
		s.wantNothing()
		sendGroup(n.Eth0, "10.0.0.2:9", "239.129.2.3:4000", "still there")
		s.want("still there")
	}},
	{name: "GroupDownAndUp", rules: "F-JOIN-11", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "0.0.0.0:4000")
		s.join("239.1.2.3", n.Index(t, "eth0"))
		wantRecords(t, n, n.Eth0, "TO_EX 239.1.2.3 []")
		n.SetUp(t, "eth0", false)
		s.wantMemberships(fmt.Sprintf("239.1.2.3 %d all but []", n.Index(t, "eth0")))
		drainReports(n, n.Eth0)
		n.SetUp(t, "eth0", true)
		wantRecords(t, n, n.Eth0, "TO_EX 239.1.2.3 []")
		sendGroup(n.Eth0, "10.0.0.2:9", "239.1.2.3:4000", "x")
		s.want("x")
	}},
}
