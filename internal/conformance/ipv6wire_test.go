//go:build linux

package conformance

import (
	"net/netip"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/socket"
)

// meetPeer makes the peer's addresses on eth0 known to the machine.
func meetPeer(t *testing.T, n *Machine) {
	t.Helper()
	n.Six.setNeighbor(t, peer6, peerMAC, "reachable")
	n.Six.setNeighbor(t, near6, peerMAC, "reachable")
	for len(n.Eth0.datagrams6) > 0 {
		<-n.Eth0.datagrams6
	}
}

var ipv6WireCases = []testCase{
	{name: "IPv6WireSend", rules: "D-SIX-19", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		meetPeer(t, n)
		s := open6(t, n)
		s.set(socket.TTL, 33)
		s.set(socket.TOS, 0xb8)
		s.set(socket.NoChecksum, 1) // which the wire would notice
		for to, from := range map[string]string{near6: own6, "fe80::b%eth0": machine6} {
			s.send(at6(to, 9), "out")
			d := n.Eth0.NextUDP6(t, "out")
			if d.To != peerMAC || d.IP.Source().String() != from || d.IP.HopLimit() != 33 || d.IP.TrafficClass() != 0xb8 || d.UDP.SourcePort() != s.port() {
				t.Errorf("to %s: by %v from %v, hop limit %d, class %#x", to, d.To, d.IP.Source(), d.IP.HopLimit(), d.IP.TrafficClass())
			}
		}
		// From a source that one message names.
		m := socket.Message{Buf: []byte("from"), Addr: addrPort(at6(near6, 9)), Set: socket.FieldLocal | socket.FieldInterface,
			Local: netip.AddrPortFrom(netip.MustParseAddr(machine6), 0), Interface: n.Index(t, "eth0")}
		s.sendMessage(m)
		if d := n.Eth0.NextUDP6(t, "from"); d.IP.Source().String() != machine6 {
			t.Errorf("from %v", d.IP.Source())
		}
		// Of which the port is not heeded.
		s.connect(at6(near6, 9))
		s.send("", "connected")
		n.Eth0.NextUDP6(t, "connected")
	}},
	{name: "IPv6WireReceive", rules: "D-SIX-20", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		s := bound6(t, n, "[::]:4000")
		s.set(socket.Report, int(socket.FieldLocal|socket.FieldInterface|socket.FieldTTL|socket.FieldTOS))
		for from, to := range map[string]string{at6(near6, 9): own6, at6("fe80::b", 9): machine6} {
			n.Eth0.SendUDP6(outer6{from: from, to: at6(to, 4000), payload: "in", hops: 7, class: 0x2e})
			m := s.want("in")
			shown, local := from, to
			if to == machine6 {
				shown, local = at6("fe80::b%eth0", 9), scoped6
			}
			if m.Addr.String() != shown || m.Local.Addr().String() != local || m.Interface != n.Index(t, "eth0") || m.TTL != 7 || m.TOS != 0x2e {
				t.Errorf("from %v to %v by %d, TTL %d TOS %#x", m.Addr, m.Local, m.Interface, m.TTL, m.TOS)
			}
		}
		// A length that is shorter than the packet cuts the datagram.
		n.Eth0.SendUDP6(outer6{from: at6(near6, 9), to: at6(own6, 4000), payload: "cut here, not there", length: 8 + 8})
		s.want("cut here")
	}},
	{name: "IPv6ZeroChecksum", rules: "D-CSUM-02", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		s := bound6(t, n, "[::]:4000")
		zero, wrong := uint16(0), uint16(0x1234)
		n.Eth0.SendUDP6(outer6{from: at6(near6, 9), to: at6(own6, 4000), payload: "none", checksum: &zero})
		n.Eth0.SendUDP6(outer6{from: at6(near6, 9), to: at6(own6, 4000), payload: "wrong", checksum: &wrong})
		n.Eth0.SendUDP6(outer6{from: at6(near6, 9), to: at6(own6, 4000), payload: "right"})
		s.want("right")
		s.wantNothing()
	}},
	{name: "IPv6Martians", rules: "D-MARTIAN-06 D-SIX-21", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		s := bound6(t, n, "[::]:4000")
		for what, d := range map[string]outer6{
			"v4-mapped destination": {from: at6(near6, 9), to: "[::ffff:10.0.0.1]:4000"},
			"both v4-mapped":        {from: "[::ffff:10.0.0.2]:9", to: "[::ffff:10.0.0.1]:4000"},
			"::1 as source":         {from: "[::1]:9", to: at6(own6, 4000)},
			"::1 as destination":    {from: at6(near6, 9), to: "[::1]:4000"},
			"group as source":       {from: "[ff02::1]:9", to: at6(own6, 4000)},
			"no destination":        {from: at6(near6, 9), to: "[::]:4000"},
			"another's address":     {from: at6(near6, 9), to: at6("2001:db8::77", 4000)},
			"group of scope 0":      {from: at6(near6, 9), to: "[ff00::1]:4000"},
			"group of scope 1":      {from: at6(near6, 9), to: "[ff01::1]:4000"},
			"group nobody joined":   {from: at6(near6, 9), to: "[ff0e::77]:4000"},
			"another station's":     {from: at6(near6, 9), to: at6(own6, 4000), station: otherMAC},
		} {
			d.payload = what
			n.Eth0.SendUDP6(d)
		}
		n.Eth0.SendUDP6(outer6{from: at6(near6, 9), to: at6(own6, 4000), payload: "good"})
		s.want("good")
		s.wantNothing()
	}},
	{name: "IPv6MappedSource", rules: "D-SIX-28", needs: speaksIPv6, only: Stack, run: func(t *testing.T, n *Machine) {
		s := bound6(t, n, "[::]:4000")
		n.Eth0.SendUDP6(outer6{from: "[::ffff:10.0.0.2]:9", to: at6(own6, 4000), payload: "forged"})
		s.wantNothing()
	}},
	{name: "IPv6OddSources", rules: "D-SIX-22", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		// What IPv4 takes for martians, Linux lets in.
		s := bound6(t, n, "[::]:4000")
		n.Eth0.SendUDP6(outer6{from: at6(own6, 9), to: at6(own6, 4000), payload: "own source"})
		s.want("own source")
		n.Eth0.SendUDP6(outer6{from: "[::]:9", to: at6(own6, 4000), payload: "no source"})
		s.want("no source")
	}},
	{name: "IPv6AllNodes", rules: "D-SIX-23", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		s := bound6(t, n, "[::]:4000")
		quiet := open6(t, n)
		quiet.set(socket.ReuseAddr, 1)
		n.Eth0.SendUDP6(outer6{from: at6(near6, 9), to: "[ff02::1]:4000", payload: "everybody"})
		s.want("everybody")
		unicast := bound6(t, n, at6(own6, 4001))
		n.Eth0.SendUDP6(outer6{from: at6(near6, 9), to: "[ff02::1]:4001", payload: "not for a unicast address"})
		n.Settle(t)
		unicast.wantNothing()
		member := bound6(t, n, "[ff02::1%eth0]:4002")
		n.Eth0.SendUDP6(outer6{from: at6(near6, 9), to: "[ff02::1]:4002", payload: "bound to it"})
		member.want("bound to it")
	}},
	{name: "IPv6GroupSend", rules: "D-SIX-24", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		eth0 := n.Index(t, "eth0")
		s := open6(t, n)
		s.sendErr("[ff02::77]:0", "x", syscall.EINVAL)
		s.send("[ff02::77%eth0]:9", "named")
		if d := n.Eth0.NextUDP6(t, "named"); d.IP.HopLimit() != 1 || d.To.String() != "33:33:00:00:00:77" || d.IP.Source().String() != machine6 {
			t.Errorf("hop limit %d, to %v, from %v", d.IP.HopLimit(), d.To, d.IP.Source())
		}
		s.set(socket.MulticastInterface, eth0)
		s.set(socket.MulticastTTL, 5)
		s.send("[ff02::77]:9", "by the option")
		if d := n.Eth0.NextUDP6(t, "by the option"); d.IP.HopLimit() != 5 {
			t.Errorf("hop limit %d", d.IP.HopLimit())
		}
		s.send("[ff0e::77]:9", "far")
		if d := n.Eth0.NextUDP6(t, "far"); d.IP.Source().String() != own6 {
			t.Errorf("from %v", d.IP.Source())
		}
		m := socket.Message{Buf: []byte("field"), Addr: addrPort("[ff0e::77]:9"), Set: socket.FieldTTL, TTL: 9}
		s.sendMessage(m)
		if d := n.Eth0.NextUDP6(t, "field"); d.IP.HopLimit() != 9 {
			t.Errorf("hop limit %d", d.IP.HopLimit())
		}
		c := open6(t, n)
		c.connect("[ff02::77%eth0]:9")
		c.wantLocalAddr(scoped6)
		c.wantOption(socket.BindInterface, eth0)
		c.send("", "connected")
		n.Eth0.NextUDP6(t, "connected")
	}},
	{name: "IPv6GroupLoop", rules: "D-SIX-24", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		eth0 := n.Index(t, "eth0")
		r := bound6(t, n, "[::]:4000")
		group := netip.MustParseAddr("ff0e::77")
		if err := r.ChangeGroup(socket.JoinGroup, socket.Group{Address: group, Interface: eth0}); err != nil {
			t.Fatal(err)
		}
		s := open6(t, n)
		s.set(socket.MulticastInterface, eth0)
		s.send("[ff0e::77]:4000", "own copy")
		if m := r.want("own copy"); m.Addr.Addr().String() != own6 {
			t.Errorf("from %v", m.Addr)
		}
		n.Eth0.NextUDP6(t, "own copy")
		s.set(socket.MulticastLoopback, 0)
		s.send("[ff0e::77]:4000", "no copy")
		n.Eth0.NextUDP6(t, "no copy")
		n.Settle(t)
		r.wantNothing()
		// With a hop limit of 0 it does not leave the host.
		s.set(socket.MulticastLoopback, 1)
		s.set(socket.MulticastTTL, 0)
		s.send("[ff0e::77]:4000", "stays")
		r.want("stays")
		s.set(socket.MulticastTTL, 1)
		s.send("[ff0e::77]:4000", "leaves")
		r.want("leaves")
		n.Eth0.NextUDP6(t, "leaves")
	}},
	{name: "IPv6Unscoped", rules: "D-SIX-25", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		// What one would not think of: without an interface the first one is taken, ::1
		// may be a source off the host, and a hop limit of 0 leaves.
		meetPeer(t, n)
		s := open6(t, n)
		for what, want := range map[string]string{at6("fe80::b", 9): machine6, "[ff02::99]:9": machine6, "[ff0e::99]:9": own6} {
			s.send(what, what)
			if d := n.Eth0.NextUDP6(t, what); d.IP.Source().String() != want {
				t.Errorf("to %s from %v, want %s", what, d.IP.Source(), want)
			}
		}
		lo := bound6(t, n, "[::1]:0")
		lo.send(at6(near6, 9), "from ::1")
		if d := n.Eth0.NextUDP6(t, "from ::1"); d.IP.Source().String() != "::1" {
			t.Errorf("from %v", d.IP.Source())
		}
		lo.connect(at6(near6, 9))
		s.sendMessage(socket.Message{Buf: []byte("hops"), Addr: addrPort(at6(near6, 9)), Set: socket.FieldTTL, TTL: 0})
		if d := n.Eth0.NextUDP6(t, "hops"); d.IP.HopLimit() != 0 {
			t.Errorf("hop limit %d", d.IP.HopLimit())
		}
	}},
	{name: "IPv6ByDevice", rules: "D-SIX-26", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		meetPeer(t, n)
		s := open6(t, n)
		s.set(socket.BindInterface, n.Index(t, "eth1"))
		for _, to := range []string{own6, "::1", near6} {
			s.sendErr(at6(to, 9), "x", syscall.ENETUNREACH)
		}
		// The scope of a destination goes before it.
		s.send("[fe80::b%eth0]:9", "by its scope")
		n.Eth0.NextUDP6(t, "by its scope")
	}},
	{name: "IPv6Reconnect", rules: "D-SIX-27", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		s := open6(t, n)
		s.connect("[::1]:9")
		s.connect(at6(near6, 9))
		s.wantLocalAddr("::1")
		s.connect("[::ffff:127.0.0.1]:9")
		s.wantLocalAddr("::1")
		s.wantPeer("[::ffff:127.0.0.1]:9")
		mapped := open6(t, n)
		mapped.connect("[::ffff:127.0.0.1]:9")
		mapped.connectErr("[::1]:9", syscall.EAFNOSUPPORT)
		mapped.wantPeer("[::ffff:127.0.0.1]:9")
		mapped.wantLocalAddr("::ffff:127.0.0.1")
	}},
}
