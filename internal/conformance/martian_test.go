//go:build linux

package conformance

import (
	"testing"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// wantDropped injects datagrams into eth0, each by its source and destination,
// and checks that nobody hears them and nothing is answered.
func wantDropped(t *testing.T, n *Machine, pairs ...[2]string) {
	t.Helper()
	s := bound(t, n, "0.0.0.0:4000")
	for _, p := range pairs {
		n.Eth0.SendUDP(p[0]+":9", p[1]+":4000", "martian")
		n.Eth0.SendUDP(p[0]+":9", p[1]+":4001", "martian to a closed port")
	}
	s.wantNothing()
	wantQuiet(t, n, n.Eth0)
	n.Eth0.SendUDP("10.0.0.2:9", "10.0.0.1:4000", "of this world")
	s.want("of this world")
}

var martianCases = []testCase{
	{name: "MartianGroup", rules: "D-MARTIAN-01", needs: Wires, run: func(t *testing.T, n *Machine) {
		wantDropped(t, n, [2]string{"224.0.0.1", "10.0.0.1"}, [2]string{"239.1.2.3", "10.0.0.1"}, [2]string{"239.1.2.3", "10.0.0.255"})
	}},
	{name: "MartianLimitedBroadcast", rules: "D-MARTIAN-02", needs: Wires, run: func(t *testing.T, n *Machine) {
		wantDropped(t, n, [2]string{"255.255.255.255", "10.0.0.1"}, [2]string{"255.255.255.255", "10.0.0.255"})
	}},
	{name: "MartianSubnetBroadcast", rules: "D-MARTIAN-02", needs: Wires | SourceCheck, run: func(t *testing.T, n *Machine) {
		wantDropped(t, n, [2]string{"10.0.0.255", "10.0.0.1"}, [2]string{"10.0.0.255", "10.0.0.255"}, [2]string{"10.1.0.255", "10.0.0.1"})
	}},
	{name: "MartianOwn", rules: "D-MARTIAN-03", needs: Wires, run: func(t *testing.T, n *Machine) {
		wantDropped(t, n,
			[2]string{"10.0.0.1", "10.0.0.1"}, [2]string{"10.0.0.7", "10.0.0.1"}, [2]string{"10.1.0.1", "10.0.0.1"},
			[2]string{"10.0.0.1", "10.0.0.255"}, [2]string{"10.0.0.1", "255.255.255.255"})
	}},
	{name: "MartianLoopback", rules: "D-MARTIAN-04", needs: Wires, run: func(t *testing.T, n *Machine) {
		wantDropped(t, n,
			[2]string{"127.0.0.1", "10.0.0.1"}, [2]string{"127.9.9.9", "10.0.0.1"}, [2]string{"127.0.0.1", "10.0.0.255"},
			[2]string{"10.0.0.2", "127.0.0.1"}, [2]string{"10.0.0.2", "127.9.9.9"}, [2]string{"127.0.0.1", "127.0.0.1"})
	}},
	{name: "MartianZero", rules: "D-MARTIAN-05", needs: Wires, run: func(t *testing.T, n *Machine) {
		wantDropped(t, n, [2]string{"0.0.0.0", "10.0.0.1"}, [2]string{"0.0.0.0", "10.0.0.255"}, [2]string{"10.0.0.2", "0.0.0.0"})
		// Who has no address yet asks like this (RFC 2131).
		s := bound(t, n, "0.0.0.0:67")
		n.Eth0.SendUDP("0.0.0.0:68", "255.255.255.255:67", "who am I")
		s.wantFrom("who am I", "0.0.0.0:68")
	}},
	{name: "NotMartian", rules: "D-MARTIAN-10", needs: Wires | DefaultRoute, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "0.0.0.0:4000")
		for _, from := range []string{"0.1.2.3:9", "240.1.2.3:9", "255.255.255.254:9"} {
			n.Eth0.SendUDP(from, "10.0.0.1:4000", from)
			s.wantFrom(from, from)
			s.send(from, from)
			if p := n.Eth0.NextUDP(t, from); p.Destination() != addrPort(from) {
				t.Errorf("%v, want it to %s", p, from)
			}
		}
	}},
	{name: "OtherStation", rules: "D-MARTIAN-07", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "0.0.0.0:4000")
		d := Datagram{From: "10.0.0.2:9", To: "10.0.0.1:4000", Payload: "x"}
		n.Eth0.Send(ethernet(wire.MAC{2, 0, 0, 0, 0, 9}, gatewayMAC, d.Bytes()))
		d.To = "10.0.0.1:4001"
		n.Eth0.Send(ethernet(wire.MAC{2, 0, 0, 0, 0, 9}, gatewayMAC, d.Bytes()))
		s.wantNothing()
		wantQuiet(t, n, n.Eth0)
	}},
	{name: "NotLocal", rules: "D-MARTIAN-08", needs: Wires, run: func(t *testing.T, n *Machine) {
		wantDropped(t, n, [2]string{"10.0.0.2", "10.0.0.3"}, [2]string{"10.0.0.2", "10.1.0.2"}, [2]string{"10.0.0.2", "203.0.113.1"})
		wantQuiet(t, n, n.Eth1)
	}},
	{name: "WeakHost", rules: "D-MARTIAN-09", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "10.1.0.1:4000")
		s.set(socket.Report, int(socket.FieldInterface|socket.FieldLocal))
		n.Eth0.SendUDP("10.0.0.2:9", "10.1.0.1:4000", "by eth0")
		m := s.wantFrom("by eth0", "10.0.0.2:9")
		if m.Interface != n.Index(t, "eth0") || m.Local != addrPort("10.1.0.1:4000") {
			t.Errorf("it came by interface %d to %v", m.Interface, m.Local)
		}
	}},
	{name: "NotIP", rules: "D-MARTIAN-07", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "0.0.0.0:4000")
		frame := ethernet(n.Eth0.MAC, gatewayMAC, Datagram{From: "10.0.0.2:9", To: "10.0.0.1:4000", Payload: "x"}.Bytes())
		frame[12], frame[13] = 0x12, 0x34 // an EtherType nobody knows
		n.Eth0.Send(frame)
		s.wantNothing()
		wantQuiet(t, n, n.Eth0)
	}},
}
