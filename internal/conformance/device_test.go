//go:build linux

package conformance

import (
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

var deviceCases = []testCase{
	{name: "DeviceHears", rules: "D-DEV-01 D-LOOKUP-06", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := onInterface(t, n, "eth0", "0.0.0.0:4000")
		n.Eth1.SendUDP("10.1.0.2:9", "10.1.0.1:4000", "eth1")
		n.Eth1.NextICMP(t, wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable)
		n.Eth1.SendUDP("10.1.0.2:9", "255.255.255.255:4000", "eth1")
		s.wantNothing()
		n.Eth0.SendUDP("10.0.0.2:9", "10.0.0.1:4000", "eth0")
		s.want("eth0")
		n.Eth0.SendUDP("10.0.0.2:9", "255.255.255.255:4000", "eth0 all")
		s.want("eth0 all")
	}},
	{name: "DeviceSends", rules: "D-DEV-02 D-SEND-05", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.set(socket.BindInterface, n.Index(t, "eth1"))
		s.send("10.1.0.2:9", "x")
		if p := n.Eth1.NextUDP(t, "x"); p.IP.Source().String() != "10.1.0.1" {
			t.Errorf("%v, want it from 10.1.0.1", p)
		}
		// No route leads there by eth1: it is taken to be on that link.
		for _, to := range []string{"10.0.0.2:9", "203.0.113.1:9"} {
			s.send(to, "y")
			if p := n.Eth1.NextUDP(t, "y"); p.IP.Source().String() != "10.1.0.1" || p.To != macOf(p.IP.Destination()) {
				t.Errorf("%v to %v, want it from 10.1.0.1, on link", p, p.To)
			}
		}
		s.send("198.51.100.200:9", "z")
		if p := n.Eth1.NextUDP(t, "z"); p.To != (wire.MAC{2, 0xff, 10, 1, 0, 254}) {
			t.Errorf("%v goes to %v, want to the gateway", p, p.To)
		}
		wantQuiet(t, n, n.Eth0)
		c := open(t, n)
		c.set(socket.BindInterface, n.Index(t, "eth1"))
		c.connect("203.0.113.1:9")
		c.wantLocalAddr("10.1.0.1")
	}},
	{name: "DeviceSendsSpecialRoutes", rules: "D-DEV-02", needs: Wires, run: func(t *testing.T, n *Machine) {
		// Routes that refuse are no interface's: for a socket that is bound
		// to one they do not exist.
		s := open(t, n)
		s.set(socket.BindInterface, n.Index(t, "eth1"))
		for _, to := range []string{"192.0.2.1:9", "192.0.2.65:9", "192.0.2.129:9"} {
			s.send(to, to)
			n.Eth1.NextRequest(t)
			if to == "192.0.2.129:9" {
				wantQuiet(t, n, n.Eth1) // nobody has that address
			} else {
				n.Eth1.NextUDP(t, to)
			}
		}
	}},
	{name: "DeviceSendsOthersBroadcast", rules: "D-DEV-02", needs: Wires, run: func(t *testing.T, n *Machine) {
		// By eth1 it is nobody's broadcast address, so it needs no permission;
		// that it is one of the host's all the same shows in the frame.
		s := open(t, n)
		s.set(socket.BindInterface, n.Index(t, "eth1"))
		s.send("10.0.0.255:9", "x")
		if p := n.Eth1.NextUDP(t, "x"); p.To != broadcastMAC || p.IP.Source().String() != "10.1.0.1" {
			t.Errorf("%v goes to %v, want it from 10.1.0.1 to everybody", p, p.To)
		}
		wantQuiet(t, n, n.Eth0)
	}},
	{name: "DeviceConnects", rules: "D-DEV-02 D-DEV-06 D-CONN-01", needs: Wires, run: func(t *testing.T, n *Machine) {
		for _, tc := range []struct{ ifname, peer, source string }{
			{"eth0", "10.0.0.1:9", "10.0.0.1"},
			{"lo", "10.0.0.1:9", "10.0.0.1"}, // an own address is on lo as well
			{"lo", "127.0.0.1:9", "127.0.0.1"},
			{"eth1", "10.0.0.1:9", "10.1.0.1"}, // and on no other interface than these two
			{"eth0", "127.0.0.1:9", "10.0.0.1"},
			{"eth0", "10.1.0.255:9", "10.0.0.1"}, // no broadcast address there
		} {
			s := open(t, n)
			s.set(socket.BindInterface, n.Index(t, tc.ifname))
			s.connect(tc.peer)
			if got := s.LocalAddr().Addr().String(); got != tc.source {
				t.Errorf("bound to %s and connected to %s the source is %s, want %s", tc.ifname, tc.peer, got, tc.source)
			}
		}
		s := open(t, n)
		s.set(socket.BindInterface, n.Index(t, "eth0"))
		s.connectErr("10.0.0.255:9", syscall.EACCES)
	}},
	{name: "DeviceLoopback", rules: "D-DEV-01 D-DEV-06", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.set(socket.BindInterface, n.Index(t, "lo"))
		s.bind("127.0.0.1:0")
		from := open(t, n)
		from.send(s.local(), "x")
		s.want("x")
		s.send(s.local(), "y")
		s.want("y")
	}},
	{name: "DeviceOption", rules: "D-DEV-03 D-DEV-04", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.wantOption(socket.BindInterface, 0)
		s.set(socket.BindInterface, n.Index(t, "eth1"))
		s.wantOption(socket.BindInterface, n.Index(t, "eth1"))
		s.setErr(socket.BindInterface, -1, syscall.EINVAL)
		s.wantOption(socket.BindInterface, n.Index(t, "eth1"))
		s.bind("0.0.0.0:4000")
		s.set(socket.BindInterface, 0) // after bind as well
		s.wantOption(socket.BindInterface, 0)
		n.Eth0.SendUDP("10.0.0.2:9", "10.0.0.1:4000", "x")
		s.want("x")
		s.set(socket.BindInterface, n.Index(t, "eth1"))
		n.Eth0.SendUDP("10.0.0.2:9", "10.0.0.1:4000", "y")
		s.wantNothing()
	}},
	{name: "DeviceUnprivileged", rules: "D-DEV-07 D-OPT-10", needs: Unprivileged, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		lo := n.Index(t, "lo")
		s.set(socket.BindInterface, 0)
		s.set(socket.BindInterface, lo)
		s.setErr(socket.BindInterface, lo, syscall.EPERM)
		s.setErr(socket.BindInterface, 0, syscall.EPERM)
		s.wantOption(socket.BindInterface, lo)
		s.disconnect() // which nobody needs a privilege for
		s.wantOption(socket.BindInterface, 0)
	}},
	{name: "DeviceOtherAddress", rules: "D-DEV-05", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.set(socket.BindInterface, n.Index(t, "eth0"))
		s.bind("10.1.0.1:4000")
		n.Eth1.SendUDP("10.1.0.2:9", "10.1.0.1:4000", "x")
		s.wantNothing()
		n.Eth0.SendUDP("10.0.0.2:9", "10.1.0.1:4000", "y")
		s.want("y")
	}},
	{name: "DeviceOwnAddress", rules: "D-DEV-06", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := onInterface(t, n, "eth0", "10.0.0.1:4000")
		lo := onInterface(t, n, "lo", "10.0.0.1:4000")
		other := onInterface(t, n, "eth1", "10.0.0.1:4000")
		from := open(t, n)
		from.send("10.0.0.1:4000", "x")
		s.want("x")
		s.send("10.0.0.1:4000", "y")
		s.want("y")
		wantQuiet(t, n, n.Eth0)
		lo.wantNothing()
		other.wantNothing()
		// By an interface that has not got it the address is somebody else's.
		other.send("10.0.0.1:4000", "z")
		n.Eth1.NextUDP(t, "z")
		s.wantNothing()
	}},
}
