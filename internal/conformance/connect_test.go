//go:build linux

package conformance

import (
	"net/netip"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

var connectCases = []testCase{
	{name: "ConnectLoopback", rules: "D-CONN-01 D-CONN-02", run: func(t *testing.T, n *Machine) {
		peer := bound(t, n, "127.0.0.1:0")
		s := open(t, n)
		s.wantNoPeer()
		s.connect(peer.local())
		s.wantLocalAddr("127.0.0.1")
		s.wantPeer(peer.local())
		if s.port() == 0 {
			t.Error("connected without a port")
		}
		s.send("", "x")
		peer.wantFrom("x", s.local())
		peer.send(s.local(), "y")
		s.wantFrom("y", peer.local())
	}},
	{name: "ConnectPicksSource", rules: "D-CONN-01 D-CONN-21 D-CONN-22 D-CONN-24", needs: Wires, run: func(t *testing.T, n *Machine) {
		for _, tc := range []struct{ peer, source string }{
			{"10.0.0.2:9", "10.0.0.1"},       // the first address of the interface
			{"10.1.0.2:9", "10.1.0.1"},       // of another interface
			{"10.2.0.1:9", "10.2.0.0"},       // the address in the peer's subnet
			{"198.51.100.1:9", "10.0.0.1"},   // by a gateway
			{"198.51.100.200:9", "10.1.0.1"}, // by the gateway of a longer prefix
			{"198.18.0.1:9", "10.0.0.7"},     // the route's preferred source
			{"127.0.0.1:9", "127.0.0.1"},
			{"127.5.5.5:9", "127.0.0.1"},
			{"10.0.0.1:9", "10.0.0.1"}, // own addresses
			{"10.0.0.7:9", "10.0.0.1"}, // the first of its subnet
			{"10.3.0.1:9", "10.3.0.1"},
		} {
			s := connected(t, n, tc.peer)
			if got := s.LocalAddr().Addr().String(); got != tc.source {
				t.Errorf("connected to %s the source is %s, want %s", tc.peer, got, tc.source)
			}
			s.wantPeer(tc.peer)
		}
	}},
	{name: "ConnectOwn127", rules: "D-CONN-24", run: func(t *testing.T, n *Machine) {
		peer := bound(t, n, "127.5.5.5:0")
		s := connected(t, n, peer.local())
		s.send("", "x")
		peer.wantFrom("x", s.local())
	}},
	{name: "ConnectAgain", rules: "D-CONN-03", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "10.0.0.2:9")
		was := s.local()
		s.connect("10.1.0.2:99")
		s.wantLocal(was)
		s.wantPeer("10.1.0.2:99")
		s.send("", "x")
		p := n.Eth1.NextUDP(t, "x")
		if p.Source().String() != was || p.Destination() != addrPort("10.1.0.2:99") {
			t.Errorf("sent %v, want it from %s to the second peer", p, was)
		}
	}},
	{name: "ConnectAgainLoopback", rules: "D-CONN-03", run: func(t *testing.T, n *Machine) {
		a, b := bound(t, n, "127.0.0.1:0"), bound(t, n, "127.0.0.2:0")
		s := connected(t, n, a.local())
		was := s.local()
		s.connect(b.local())
		s.wantLocal(was)
		s.send("", "x")
		b.wantFrom("x", was)
		a.send(was, "not heard")
		b.send(was, "heard")
		s.wantFrom("heard", b.local())
	}},
	{name: "ConnectAgainImpossible", rules: "D-CONN-04", needs: Wires, run: func(t *testing.T, n *Machine) {
		peer := bound(t, n, "127.0.0.1:0")
		s := connected(t, n, peer.local())
		was := s.local()
		s.connectErr("10.0.0.2:9", syscall.EINVAL)
		s.connectErr("198.51.100.1:9", syscall.EINVAL)
		s.wantLocal(was)
		s.wantPeer(peer.local())
		s.send("", "x")
		peer.wantFrom("x", was)
	}},
	{name: "Disconnect", rules: "D-CONN-05 D-CONN-26", run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "127.0.0.1:9")
		was := s.local()
		s.disconnect()
		s.wantLocal("0.0.0.0:0")
		s.wantNoPeer()
		bound(t, n, was) // the port is free
		s.sendErr("", "x", syscall.EDESTADDRREQ)
		s.connect("127.0.0.1:9")
		s.wantLocalAddr("127.0.0.1")
	}},
	{name: "DisconnectThenBind", rules: "D-CONN-05", run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "127.0.0.1:9")
		s.disconnect()
		s.bind("127.0.0.2:0")
		s.wantLocalAddr("127.0.0.2")
	}},
	{name: "DisconnectBound", rules: "D-CONN-06 D-CONN-26 D-CONN-28", run: func(t *testing.T, n *Machine) {
		// A port that is certainly free, to be named.
		probe := bound(t, n, "127.88.0.1:0")
		port := probe.port()
		probe.Close()

		s := bound(t, n, at("127.88.0.1", port))
		peer, other := bound(t, n, "127.0.0.1:0"), bound(t, n, "127.0.0.1:0")
		s.connect(peer.local())
		s.wantLocal(at("127.88.0.1", port))
		other.send(s.local(), "not heard")
		s.wantNothing()
		s.disconnect()
		s.wantLocal(at("127.88.0.1", port))
		s.wantNoPeer()
		other.send(s.local(), "heard")
		s.wantFrom("heard", other.local())
	}},
	{name: "DisconnectWildcard", rules: "D-CONN-06 D-CONN-28", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "0.0.0.0:4000")
		s.connect("10.0.0.2:9")
		s.wantLocal("10.0.0.1:4000")
		n.Eth1.SendUDP("10.1.0.2:9", "10.1.0.1:4000", "not heard")
		s.wantNothing()
		s.disconnect()
		s.wantLocal("0.0.0.0:4000")
		n.Eth1.SendUDP("10.1.0.2:9", "10.1.0.1:4000", "heard")
		s.wantFrom("heard", "10.1.0.2:9")
		s.connect("10.1.0.2:9") // and a source is chosen anew
		s.wantLocal("10.1.0.1:4000")
	}},
	{name: "DisconnectPickedPort", rules: "D-CONN-07", run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "127.0.0.2:0")
		was := s.local()
		s.connect("127.0.0.1:9")
		s.wantLocal(was)
		s.disconnect()
		// Port 0 was asked for: nothing was bound explicitly.
		s.wantLocal("127.0.0.2:0")
		bound(t, n, was)
		s.send("127.0.0.1:9", "x")
		s.wantLocalAddr("127.0.0.2")
		if s.port() == 0 {
			t.Error("after a send it has no port")
		}
	}},
	{name: "DisconnectUnconnected", rules: "D-CONN-20", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.disconnect()
		s.wantLocal("0.0.0.0:0")
		s.send("127.0.0.1:9", "x")
		s.disconnect() // gives up the port that the send picked
		s.wantLocal("0.0.0.0:0")
		probe := bound(t, n, "127.88.0.2:0")
		a := probe.local()
		probe.Close()
		b := bound(t, n, a)
		b.disconnect()
		b.wantLocal(a)
	}},
	{name: "ConnectUnspecified", rules: "D-CONN-08", run: func(t *testing.T, n *Machine) {
		peer := bound(t, n, "127.0.0.1:0")
		s := connected(t, n, at("0.0.0.0", peer.port()))
		s.wantPeer(peer.local())
		s.wantLocalAddr("127.0.0.1")
		s.send("", "x")
		peer.wantFrom("x", s.local())
	}},
	{name: "ConnectUnspecifiedBound", rules: "D-CONN-08", run: func(t *testing.T, n *Machine) {
		peer := bound(t, n, "127.0.0.2:0")
		s := bound(t, n, "127.0.0.2:0")
		s.connect(at("0.0.0.0", peer.port()))
		s.wantPeer(peer.local())
		s.send("", "x")
		peer.wantFrom("x", s.local())
	}},
	{name: "ConnectBroadcast", rules: "D-CONN-09 D-CONN-18", needs: Wires | DefaultRoute, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.connectErr("10.0.0.255:9", syscall.EACCES)
		s.connectErr("255.255.255.255:9", syscall.EACCES)
		s.connectErr("127.255.255.255:9", syscall.EACCES)
		s.wantNoPeer()
		s.set(socket.Broadcast, 1)
		s.connect("10.0.0.255:9")
		s.wantLocalAddr("10.0.0.1")
		s.send("", "x")
		if p := n.Eth0.NextUDP(t, "x"); p.To != broadcastMAC {
			t.Errorf("the frame goes to %v", p.To)
		}
		s.set(socket.Broadcast, 0)
		s.sendErr("10.0.0.255:9", "x", syscall.EACCES)
		s.disconnect()
		s.set(socket.Broadcast, 1)
		s.connect("255.255.255.255:9")
		s.wantLocalAddr("10.0.0.1")
	}},
	{name: "ConnectNoRoute", rules: "D-CONN-10 D-CONN-18", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.connectErr("203.0.113.1:9", syscall.ENETUNREACH)
		s.wantNoPeer()
		s.wantLocalAddr("0.0.0.0")
		if s.port() == 0 {
			t.Error("a connect that fails does not bind")
		}
		s.sendErr("203.0.113.1:9", "x", syscall.ENETUNREACH)
		s.send("10.0.0.2:9", "x")
	}},
	{name: "ConnectUnreachable", rules: "D-CONN-11 D-CONN-18", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.connectErr("192.0.2.1:9", syscall.EHOSTUNREACH)
		s.wantNoPeer()
		s.sendErr("192.0.2.1:9", "x", syscall.EHOSTUNREACH)
	}},
	{name: "ConnectBlackhole", rules: "D-CONN-12 D-CONN-18", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.connectErr("192.0.2.129:9", syscall.EINVAL)
		s.wantNoPeer()
		s.sendErr("192.0.2.129:9", "x", syscall.EINVAL)
	}},
	{name: "ConnectProhibit", rules: "D-CONN-13 D-CONN-18", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.connectErr("192.0.2.65:9", syscall.EACCES)
		s.wantNoPeer()
		s.sendErr("192.0.2.65:9", "x", syscall.EACCES)
	}},
	{name: "ConnectFailsConnected", rules: "D-CONN-04 D-CONN-18", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "10.0.0.2:9")
		was := s.local()
		for _, peer := range []string{"203.0.113.1:9", "192.0.2.1:9", "192.0.2.65:9", "192.0.2.129:9", "10.0.0.255:9", "[::1]:9"} {
			if err := s.Connect(addrPort(peer)); err == nil {
				t.Errorf("Connect(%s) succeeded", peer)
			}
			s.wantLocal(was)
			s.wantPeer("10.0.0.2:9")
		}
		s.send("", "x")
		n.Eth0.NextUDP(t, "x")
	}},
	{name: "ConnectedSendsElsewhere", rules: "D-CONN-14", run: func(t *testing.T, n *Machine) {
		peer, other := bound(t, n, "127.0.0.1:0"), bound(t, n, "127.0.0.2:0")
		s := connected(t, n, peer.local())
		s.send(other.local(), "x")
		other.wantFrom("x", s.local())
		s.send("", "y")
		peer.wantFrom("y", s.local())
		s.send(peer.local(), "z") // naming the peer is allowed as well
		peer.wantFrom("z", s.local())
	}},
	{name: "ConnectedSendsElsewhereSource", rules: "D-CONN-14", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "10.0.0.2:9")
		s.send("10.1.0.2:9", "x")
		// The source is fixed by the connect.
		if p := n.Eth1.NextUDP(t, "x"); p.IP.Source().String() != "10.0.0.1" {
			t.Errorf("the source is %v, want 10.0.0.1", p.IP.Source())
		}
	}},
	{name: "ConnectedHearsPeer", rules: "D-CONN-15", run: func(t *testing.T, n *Machine) {
		peer, other := bound(t, n, "127.0.0.1:0"), bound(t, n, "127.0.0.1:0")
		samePort := bound(t, n, at("127.0.0.2", peer.port()))
		s := connected(t, n, peer.local())
		other.send(s.local(), "another port")
		samePort.send(s.local(), "another address")
		s.wantNothing()
		peer.send(s.local(), "peer")
		s.wantFrom("peer", peer.local())
	}},
	{name: "ConnectKeepsQueue", rules: "D-CONN-16", run: func(t *testing.T, n *Machine) {
		s, other, peer := bound(t, n, "127.0.0.1:0"), bound(t, n, "127.0.0.1:0"), bound(t, n, "127.0.0.1:0")
		other.send(s.local(), "before")
		settle(t, n)
		s.connect(peer.local())
		other.send(s.local(), "after")
		s.wantFrom("before", other.local())
		s.wantNothing()
	}},
	{name: "ConnectOtherFamily", rules: "D-CONN-17", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.connectErr("[::1]:9", syscall.EAFNOSUPPORT)
		s.connectErr("[::ffff:127.0.0.1]:9", syscall.EAFNOSUPPORT)
		s.wantNoPeer()
	}},
	{name: "ConnectKeepsShutdown", rules: "D-CONN-19", run: func(t *testing.T, n *Machine) {
		peer := bound(t, n, "127.0.0.1:0")
		s := connected(t, n, peer.local())
		if err := s.Shutdown(socket.ShutWrite); err != nil {
			t.Fatalf("Shutdown: %v", err)
		}
		s.sendErr("", "x", syscall.EPIPE)
		s.connect(peer.local())
		s.sendErr("", "x", syscall.EPIPE)
		s.disconnect()
		s.sendErr(peer.local(), "x", syscall.EPIPE)
	}},
	{name: "ConnectBoundElsewhere", rules: "D-CONN-23", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "10.1.0.1:4000")
		s.connect("10.0.0.2:9")
		s.wantLocal("10.1.0.1:4000")
		s.send("", "x")
		if p := n.Eth0.NextUDP(t, "x"); p.Source() != addrPort("10.1.0.1:4000") {
			t.Errorf("sent from %v, want 10.1.0.1:4000", p.Source())
		}
		u := bound(t, n, "10.0.0.7:4000")
		u.send("10.1.0.2:9", "y")
		if p := n.Eth1.NextUDP(t, "y"); p.Source() != addrPort("10.0.0.7:4000") {
			t.Errorf("sent from %v, want 10.0.0.7:4000", p.Source())
		}
	}},
	{name: "ConnectPortZero", rules: "D-CONN-25", run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "127.0.0.1:0")
		s.wantLocalAddr("127.0.0.1")
		s.wantNoPeer()
		other := bound(t, n, "127.0.0.1:0")
		other.send(s.local(), "any port of the peer")
		s.want("any port of the peer")
		far := bound(t, n, "127.0.0.2:0")
		far.send(s.local(), "another address")
		s.wantNothing()
		s.sendErr("127.0.0.1:0", "x", syscall.EINVAL)
	}},
	{name: "ConnectFilterKeepsSource", rules: "D-CONN-31 D-CONN-03 D-BIND-16", needs: Wires, run: func(t *testing.T, n *Machine) {
		for _, addr := range []string{"239.1.2.3:4000", "255.255.255.255:4000", "10.0.0.255:4000"} {
			s := bound(t, n, addr)
			s.connect("10.1.0.2:9")
			s.wantLocal(addr)
			s.connect("10.0.0.2:9")
			s.send("", "x")
			if p := n.Eth0.NextUDP(t, "x"); p.Source() != addrPort("10.1.0.1:4000") {
				t.Errorf("bound to %s and connected again: %v, want it from 10.1.0.1", addr, p)
			}
			s.disconnect()
			s.wantLocal(addr)
			s.send("10.0.0.2:9", "y")
			if p := n.Eth0.NextUDP(t, "y"); p.Source() != addrPort("10.1.0.1:4000") {
				t.Errorf("bound to %s and disconnected: %v, want it from 10.1.0.1", addr, p)
			}
			s.Close()
		}
	}},
	{name: "ConnectUnspecifiedDevice", rules: "D-CONN-08 D-DEV-02", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.set(socket.BindInterface, n.Index(t, "eth1"))
		s.connect("0.0.0.0:9")
		s.wantPeer("10.1.0.1:9")
		s.wantLocalAddr("10.1.0.1")
		s = bound(t, n, "10.0.0.7:0")
		s.set(socket.BindInterface, n.Index(t, "eth1"))
		s.connect("0.0.0.0:9")
		s.wantPeer("10.0.0.7:9")
	}},
	{name: "DisconnectInterface", rules: "D-CONN-30", needs: Wires, run: func(t *testing.T, n *Machine) {
		for _, addr := range []string{"", "0.0.0.0:4000", "10.0.0.1:4000"} {
			for _, peer := range []string{"", "10.0.0.2:9"} {
				s := open(t, n)
				s.set(socket.BindInterface, n.Index(t, "eth0"))
				if addr != "" {
					s.bind(addr)
				}
				if peer != "" {
					s.connect(peer)
				}
				s.disconnect()
				s.wantOption(socket.BindInterface, 0)
				s.send("10.1.0.2:9", "by eth1")
				n.Eth1.NextUDP(t, "by eth1")
				if addr == "0.0.0.0:4000" {
					n.Eth1.SendUDP("10.1.0.2:9", "10.1.0.1:4000", "from eth1")
					s.want("from eth1")
				}
				s.Close()
			}
		}
	}},
	{name: "ConnectPortZeroSends", rules: "D-CONN-29", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "10.0.0.2:0")
		s.send("", "x")
		if p := n.Eth0.NextUDP(t, "x"); p.Destination() != addrPort("10.0.0.2:0") {
			t.Errorf("%v, want it to port 0", p)
		}
	}},
	{name: "ConnectedPair", rules: "D-CONN-27 D-LOOKUP-02", run: func(t *testing.T, n *Machine) {
		a := bound(t, n, "127.0.0.1:0", socket.ReuseAddr)
		b := bound(t, n, a.local(), socket.ReuseAddr)
		pa, pb := bound(t, n, "127.0.0.1:0"), bound(t, n, "127.0.0.1:0")
		a.connect(pa.local())
		b.connect(pb.local())
		pa.send(a.local(), "for a")
		pb.send(a.local(), "for b")
		a.wantFrom("for a", pa.local())
		b.wantFrom("for b", pb.local())
	}},
	{name: "ConnectInvalidAddress", rules: "D-CONN-17", run: func(t *testing.T, n *Machine) {
		// No address and yet a port is nothing that could be connected to.
		s := open(t, n)
		if err := s.Connect(netip.AddrPortFrom(netip.Addr{}, 9)); err == nil {
			t.Error("connecting to the zero address, port 9, succeeded")
		}
		s.wantNoPeer()
	}},
	{name: "ConnectGateway", rules: "D-SEND-09", needs: Wires, run: func(t *testing.T, n *Machine) {
		for _, tc := range []struct {
			to      string
			w       *Wire
			nextHop string
		}{
			{"198.51.100.1:9", n.Eth0, "10.0.0.254"},
			{"198.51.100.129:9", n.Eth1, "10.1.0.254"},
			{"10.0.0.2:9", n.Eth0, "10.0.0.2"},
			{"10.2.0.1:9", n.Eth1, "10.2.0.1"},
		} {
			s := open(t, n)
			s.send(tc.to, tc.to)
			p := tc.w.NextUDP(t, tc.to)
			if want := macOf(netip.MustParseAddr(tc.nextHop)); p.To != want || p.Destination() != addrPort(tc.to) {
				t.Errorf("%v goes to %v, want to the hardware address of %s", p, p.To, tc.nextHop)
			}
		}
	}},
	{name: "ConnectDefaultRoute", rules: "D-SEND-09 D-CONN-01", needs: Wires | DefaultRoute, run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "203.0.113.1:9")
		s.wantLocalAddr("10.0.0.1")
		s.send("", "x")
		if p := n.Eth0.NextUDP(t, "x"); p.To != (wire.MAC{2, 0xff, 10, 0, 0, 254}) {
			t.Errorf("%v goes to %v, want to the gateway", p, p.To)
		}
		s = open(t, n)
		s.connectErr("192.0.2.1:9", syscall.EHOSTUNREACH) // the longer prefix counts
	}},
}
