//go:build linux

package conformance

import (
	"strings"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/socket"
)

var bindCases = []testCase{
	{name: "BindDefaults", rules: "D-BIND-01", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.wantLocal("0.0.0.0:0")
		s.wantNoPeer()
	}},
	{name: "BindPortZero", rules: "D-BIND-02", run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "127.0.0.1:0")
		s.wantLocalAddr("127.0.0.1")
		if s.port() == 0 {
			t.Error("bound to port 0")
		}
		if other := bound(t, n, "127.0.0.1:0"); other.port() == s.port() {
			t.Errorf("two sockets were given port %d", s.port())
		}
	}},
	{name: "BindTwice", rules: "D-BIND-03", run: func(t *testing.T, n *Machine) {
		for _, how := range []string{"Bind", "TrySend", "Connect"} {
			s := open(t, n)
			switch how {
			case "Bind":
				s.bind("127.0.0.1:0")
			case "TrySend":
				s.send("127.0.0.1:9", "x")
			case "Connect":
				s.connect("127.0.0.1:9")
			}
			was := s.local()
			s.bindErr("127.0.0.1:0", syscall.EINVAL)
			s.bindErr("0.0.0.0:0", syscall.EINVAL)
			s.wantLocal(was)
		}
	}},
	{name: "BindTwiceForeign", rules: "D-BIND-03 D-BIND-04", run: func(t *testing.T, n *Machine) {
		// The address is looked at before the state.
		s := bound(t, n, "127.0.0.1:0")
		s.bindErr("192.0.2.200:0", syscall.EADDRNOTAVAIL)
	}},
	{name: "BindForeign", rules: "D-BIND-04 D-BIND-14", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.bindErr("192.0.2.200:0", syscall.EADDRNOTAVAIL)
		s.bindErr("192.0.2.200:7777", syscall.EADDRNOTAVAIL)
		s.wantLocal("0.0.0.0:0")
		s.bind("127.0.0.1:0")
		s.wantLocalAddr("127.0.0.1")
	}},
	{name: "BindNeighbour", rules: "D-BIND-04", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.bindErr("10.0.0.2:7", syscall.EADDRNOTAVAIL) // on the link, and not ours
		s.bindErr("198.51.100.1:7", syscall.EADDRNOTAVAIL)
		s.bind("10.0.0.7:7") // the second address of eth0
		s.wantLocal("10.0.0.7:7")
		bound(t, n, "10.3.0.1:7")
		bound(t, n, "10.2.0.0:7")
	}},
	{name: "BindFree", rules: "D-BIND-05", run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "192.0.2.200:0", socket.FreeBind)
		s.wantLocalAddr("192.0.2.200")
		if s.port() == 0 {
			t.Error("bound to port 0")
		}
		s.sendErr("127.0.0.1:9", "x", syscall.ENETUNREACH)
	}},
	{name: "BindGroup", rules: "D-BIND-06", run: func(t *testing.T, n *Machine) {
		for _, group := range []string{"224.0.0.251", "239.1.2.3", "232.1.1.1", "224.0.0.1"} {
			s := bound(t, n, group+":0")
			s.wantLocalAddr(group)
			// A receive filter: unicast to the port is not for it.
			from := bound(t, n, "127.0.0.1:0")
			from.send(at("127.0.0.1", s.port()), "unicast")
			s.wantNothing()
		}
	}},
	{name: "BindLimitedBroadcast", rules: "D-BIND-07", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "255.255.255.255:4000")
		s.wantLocal("255.255.255.255:4000")
		n.Eth0.SendUDP("10.0.0.2:9", "10.0.0.1:4000", "unicast")
		n.Eth0.SendUDP("10.0.0.2:9", "10.0.0.255:4000", "subnet")
		s.wantNothing()
		n.Eth0.SendUDP("10.0.0.2:9", "255.255.255.255:4000", "limited")
		s.wantFrom("limited", "10.0.0.2:9")
	}},
	{name: "BindSubnetBroadcast", rules: "D-BIND-08", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "10.0.0.255:4000")
		s.wantLocal("10.0.0.255:4000")
		n.Eth0.SendUDP("10.0.0.2:9", "10.0.0.1:4000", "unicast")
		n.Eth0.SendUDP("10.0.0.2:9", "255.255.255.255:4000", "limited")
		s.wantNothing()
		n.Eth0.SendUDP("10.0.0.2:9", "10.0.0.255:4000", "subnet")
		s.wantFrom("subnet", "10.0.0.2:9")
		open(t, n).bindErr("10.9.0.255:4000", syscall.EADDRNOTAVAIL) // nobody's broadcast address
		open(t, n).bindErr("10.2.0.1:4000", syscall.EADDRNOTAVAIL)   // the peer of a /31
	}},
	{name: "BindLoopbackBroadcast", rules: "D-BIND-08", run: func(t *testing.T, n *Machine) {
		bound(t, n, "127.255.255.255:0").wantLocalAddr("127.255.255.255")
	}},
	{name: "BindOtherFamily", rules: "D-BIND-09 D-BIND-14", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.bindErr("[::1]:0", syscall.EAFNOSUPPORT)
		s.bindErr("[::]:0", syscall.EAFNOSUPPORT)
		s.bindErr("[::ffff:127.0.0.1]:0", syscall.EAFNOSUPPORT)
		s.wantLocal("0.0.0.0:0")
		s.bind("127.0.0.1:0")
	}},
	{name: "BindPrivileged", rules: "D-BIND-10 D-BIND-14", needs: Unprivileged, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		for _, a := range []string{"0.0.0.0:1", "127.0.0.1:80", "127.0.0.1:1023"} {
			s.bindErr(a, syscall.EACCES)
		}
		s.bindErr("192.0.2.200:80", syscall.EADDRNOTAVAIL) // the address comes first
		s.wantLocal("0.0.0.0:0")
		s.bind("127.0.0.1:1024")
		bound(t, n, "127.0.0.1:0")
	}},
	{name: "BindPrivilegedAsRoot", rules: "D-BIND-10", needs: Wires, run: func(t *testing.T, n *Machine) {
		bound(t, n, "127.0.0.1:80").wantLocal("127.0.0.1:80")
	}},
	{name: "BindTaken", rules: "D-BIND-11 D-BIND-14", run: func(t *testing.T, n *Machine) {
		for _, tc := range []struct{ first, second string }{
			{"127.0.0.1", "127.0.0.1"},
			{"127.0.0.1", "0.0.0.0"},
			{"0.0.0.0", "127.0.0.1"},
			{"0.0.0.0", "0.0.0.0"},
		} {
			first := bound(t, n, tc.first+":0")
			s := open(t, n)
			s.bindErr(at(tc.second, first.port()), syscall.EADDRINUSE)
			s.wantLocal("0.0.0.0:0")
			s.bind(tc.second + ":0")
		}
	}},
	{name: "BindTakenImplicitly", rules: "D-BIND-11 D-BIND-19", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.send("127.0.0.1:9", "x")
		s.wantLocalAddr("0.0.0.0")
		if s.port() == 0 {
			t.Error("a socket that has sent has no port")
		}
		open(t, n).bindErr(at("127.0.0.1", s.port()), syscall.EADDRINUSE)
		c := connected(t, n, "127.0.0.1:9")
		open(t, n).bindErr(at("127.0.0.1", c.port()), syscall.EADDRINUSE)
		// The connected socket has an address now, and others are free.
		bound(t, n, at("127.0.0.2", c.port()))
	}},
	{name: "BindTakenGroup", rules: "D-BIND-11", run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "239.1.2.3:0")
		open(t, n).bindErr(at("239.1.2.3", s.port()), syscall.EADDRINUSE)
		open(t, n).bindErr(at("0.0.0.0", s.port()), syscall.EADDRINUSE)
		bound(t, n, at("239.1.2.4", s.port()))
	}},
	{name: "BindTwoAddresses", rules: "D-BIND-12 D-BIND-13", run: func(t *testing.T, n *Machine) {
		first := bound(t, n, "127.0.0.1:0")
		second := bound(t, n, at("127.0.0.2", first.port()))
		from := bound(t, n, "127.0.0.1:0")
		from.send(first.local(), "one")
		from.send(second.local(), "two")
		first.want("one")
		second.want("two")
		first.wantNothing()
	}},
	{name: "BindLoopbackSubnet", rules: "D-BIND-13", run: func(t *testing.T, n *Machine) {
		from := open(t, n)
		for _, a := range []string{"127.0.0.2", "127.1.2.3", "127.255.255.254"} {
			s := bound(t, n, a+":0")
			from.send(s.local(), a)
			s.want(a)
		}
	}},
	{name: "BindCloseFrees", rules: "D-BIND-15", run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "127.0.0.1:0")
		a := s.local()
		for range 20 {
			if err := s.Close(); err != nil {
				t.Fatalf("Close: %v", err)
			}
			s = bound(t, n, a)
		}
	}},
	{name: "BindManyToSendFrom", rules: "D-BIND-16", needs: Wires, run: func(t *testing.T, n *Machine) {
		for _, a := range []string{"239.1.2.3:4000", "255.255.255.255:4000", "10.0.0.255:4000"} {
			s := bound(t, n, a)
			s.send("10.0.0.2:9", "x")
			p := n.Eth0.NextUDP(t, "x")
			if p.Source() != addrPort("10.0.0.1:4000") {
				t.Errorf("bound to %s it sends from %v, want 10.0.0.1:4000", a, p.Source())
			}
			s.send("10.1.0.2:9", "y")
			p = n.Eth1.NextUDP(t, "y")
			if p.Source() != addrPort("10.1.0.1:4000") {
				t.Errorf("bound to %s it sends from %v, want 10.1.0.1:4000", a, p.Source())
			}
			s.connect("10.0.0.2:9")
			s.wantLocal(a)
			s.send("", "z")
			if p := n.Eth0.NextUDP(t, "z"); p.Source() != addrPort("10.0.0.1:4000") {
				t.Errorf("bound to %s and connected it sends from %v, want 10.0.0.1:4000", a, p.Source())
			}
			s.Close()
		}
	}},
	{name: "BindInterfaces", rules: "D-BIND-17", needs: Wires, run: func(t *testing.T, n *Machine) {
		on := func(name string) *sock {
			s := open(t, n)
			if name != "" {
				s.set(socket.BindInterface, n.Index(t, name))
			}
			return s
		}
		a := on("eth0")
		a.bind("0.0.0.0:4000")
		b := on("eth1")
		b.bind("0.0.0.0:4000")
		on("eth0").bindErr("0.0.0.0:4000", syscall.EADDRINUSE)
		on("").bindErr("0.0.0.0:4000", syscall.EADDRINUSE)
		on("").bindErr("10.0.0.1:4000", syscall.EADDRINUSE)
		on("lo").bind("0.0.0.0:4000")
		c := on("")
		c.bind("0.0.0.0:5000")
		on("eth0").bindErr("0.0.0.0:5000", syscall.EADDRINUSE)
	}},
	{name: "BindLoopbackSendsOff", rules: "D-BIND-18", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "127.0.0.1:0")
		s.sendErr("10.0.0.2:9", "x", syscall.EINVAL)
		s.sendErr("198.51.100.1:9", "x", syscall.EINVAL)
		s.connectErr("10.0.0.2:9", syscall.EINVAL)
		s.send("10.0.0.1:9", "own") // an own address is no way off
		wantQuiet(t, n, n.Eth0)
	}},
	{name: "BindAnyPort", rules: "D-BIND-01 D-BIND-02", run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "0.0.0.0:0")
		s.wantLocalAddr("0.0.0.0")
		if strings.HasSuffix(s.local(), ":0") {
			t.Errorf("LocalAddr is %s", s.local())
		}
		from := bound(t, n, "127.0.0.1:0")
		from.send(at("127.0.0.1", s.port()), "x")
		s.wantFrom("x", from.local())
		from.send(at("127.9.9.9", s.port()), "y")
		s.wantFrom("y", from.local())
	}},
	{name: "BindAgainFails", rules: "D-BIND-24", run: func(t *testing.T, n *Machine) {
		taken := bound(t, n, "127.0.0.1:0")
		s := bound(t, n, "127.0.0.2:0")
		s.disconnect()
		s.wantLocal("127.0.0.2:0")
		s.bindErr("192.0.2.200:0", syscall.EADDRNOTAVAIL) // refused before it is tried
		s.wantLocal("127.0.0.2:0")
		s.bindErr(taken.local(), syscall.EADDRINUSE)
		s.wantLocal("0.0.0.0:0")
	}},
	{name: "BindPortRange", rules: "D-BIND-02", run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "127.77.0.1:65535")
		s.wantLocal("127.77.0.1:65535")
		from := open(t, n)
		from.send("127.77.0.1:65535", "x")
		s.want("x")
	}},
}
