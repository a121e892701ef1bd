//go:build linux

package conformance

import (
	"net/netip"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/socket"
)

var broadcastCases = []testCase{
	{name: "BroadcastPermission", rules: "D-BCAST-01 D-BCAST-02", needs: Wires | DefaultRoute, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		for _, to := range []string{"255.255.255.255:9", "10.0.0.255:9", "10.1.0.255:9", "127.255.255.255:9"} {
			s.sendErr(to, "x", syscall.EACCES)
		}
		wantQuiet(t, n, n.Eth0)
		s.set(socket.Broadcast, 1)
		for _, tc := range []struct {
			to, source string
			w          *Wire
		}{
			{"255.255.255.255:9", "10.0.0.1", n.Eth0}, {"10.0.0.255:9", "10.0.0.1", n.Eth0}, {"10.1.0.255:9", "10.1.0.1", n.Eth1},
		} {
			s.send(tc.to, "x")
			p := tc.w.NextUDP(t, "x")
			if p.To != broadcastMAC || p.Destination() != addrPort(tc.to) || p.Source() != addrPort(at(tc.source, s.port())) {
				t.Errorf("%v to %v, want it from %s to everybody", p, p.To, tc.source)
			}
			if p.IP.TTL() != 64 {
				t.Errorf("TTL %d, want 64", p.IP.TTL())
			}
		}
		s.set(socket.Broadcast, 0)
		s.sendErr("10.0.0.255:9", "x", syscall.EACCES)
	}},
	{name: "BroadcastHeard", rules: "D-BCAST-03 E-REUSE-09", needs: Wires, run: func(t *testing.T, n *Machine) {
		wild := bound(t, n, "0.0.0.0:4000", socket.ReuseAddr)
		subnet := bound(t, n, "10.0.0.255:4000", socket.ReuseAddr)
		limited := bound(t, n, "255.255.255.255:4000", socket.ReuseAddr)
		unicast := bound(t, n, "10.0.0.1:4000", socket.ReuseAddr)
		elsewhere := bound(t, n, "0.0.0.0:4001", socket.ReuseAddr)
		n.Eth0.Send(ethernet(broadcastMAC, gatewayMAC, Datagram{From: "10.0.0.2:9", To: "10.0.0.255:4000", Payload: "1"}.Bytes()))
		wild.wantFrom("1", "10.0.0.2:9")
		subnet.wantFrom("1", "10.0.0.2:9")
		limited.wantNothing()
		n.Eth0.Send(ethernet(broadcastMAC, gatewayMAC, Datagram{From: "10.0.0.2:9", To: "255.255.255.255:4000", Payload: "2"}.Bytes()))
		wild.want("2")
		limited.want("2")
		subnet.wantNothing()
		unicast.wantNothing()
		elsewhere.wantNothing()
		n.Eth0.SendUDP("10.0.0.2:9", "10.0.0.1:4000", "3")
		unicast.want("3")
		wild.wantNothing()
	}},
	{name: "BroadcastConnected", rules: "D-BCAST-04", needs: Wires, run: func(t *testing.T, n *Machine) {
		a := bound(t, n, "10.0.0.255:4000", socket.ReuseAddr)
		a.connect("10.0.0.2:9")
		b := bound(t, n, "10.0.0.255:4000", socket.ReuseAddr)
		b.connect("10.0.0.3:9")
		c := bound(t, n, "0.0.0.0:4000", socket.ReuseAddr)
		c.connect("10.0.0.2:9") // and so bound to 10.0.0.1
		n.Eth0.SendUDP("10.0.0.2:9", "10.0.0.255:4000", "x")
		a.want("x")
		b.wantNothing()
		c.wantNothing()
		n.Eth0.SendUDP("10.0.0.2:10", "10.0.0.255:4000", "another port")
		a.wantNothing()
	}},
	{name: "BroadcastOwnCopy", rules: "D-BCAST-05", needs: Wires, run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "0.0.0.0:4000")
		r.set(socket.Report, int(socket.FieldLocal|socket.FieldInterface))
		s := open(t, n)
		s.set(socket.Broadcast, 1)
		s.send("10.0.0.255:4000", "x")
		n.Eth0.NextUDP(t, "x")
		m := r.wantFrom("x", at("10.0.0.1", s.port()))
		if m.Local != addrPort("10.0.0.255:4000") || m.Interface != n.Index(t, "eth0") {
			t.Errorf("the own copy came to %v by interface %d", m.Local, m.Interface)
		}
		r.set(socket.Broadcast, 1)
		r.send("10.0.0.255:4000", "y") // the sender itself hears it
		r.want("y")
		n.Eth0.NextUDP(t, "y")
	}},
	{name: "BroadcastLoopback", rules: "D-BCAST-05 D-BCAST-01", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "0.0.0.0:0")
		s := open(t, n)
		s.sendErr(at("127.255.255.255", r.port()), "x", syscall.EACCES)
		s.set(socket.Broadcast, 1)
		s.send(at("127.255.255.255", r.port()), "x")
		r.wantFrom("x", at("127.0.0.1", s.port()))
		r.wantNothing() // once
	}},
	{name: "BroadcastNone", rules: "D-BCAST-06", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.send("10.2.0.1:9", "x") // the other end of a /31
		if p := n.Eth1.NextUDP(t, "x"); p.To != macOf(netip.MustParseAddr("10.2.0.1")) {
			t.Errorf("it goes to %v", p.To)
		}
		r := bound(t, n, "10.3.0.1:4000") // a /32
		s.send("10.3.0.1:4000", "y")
		r.want("y")
		s.sendErr("10.3.0.255:9", "z", syscall.ENETUNREACH)
		open(t, n).bindErr("10.3.0.255:4000", syscall.EADDRNOTAVAIL)
	}},
	{name: "BroadcastNoRoute", rules: "D-BCAST-07", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.set(socket.Broadcast, 1)
		s.sendErr("255.255.255.255:9", "x", syscall.ENETUNREACH)
		// The route is asked for first, the permission after it.
		open(t, n).sendErr("255.255.255.255:9", "x", syscall.ENETUNREACH)
		s.sendMessage(socket.Message{Buf: []byte("y"), Addr: addrPort("255.255.255.255:9"), Set: socket.FieldInterface, Interface: n.Index(t, "eth1")})
		n.Eth1.NextUDP(t, "y")
		d := open(t, n)
		d.set(socket.Broadcast, 1)
		d.set(socket.BindInterface, n.Index(t, "eth0"))
		d.send("255.255.255.255:9", "z")
		if p := n.Eth0.NextUDP(t, "z"); p.To != broadcastMAC || p.IP.Source().String() != "10.0.0.1" {
			t.Errorf("%v to %v", p, p.To)
		}
	}},
	{name: "BroadcastBySource", rules: "D-BCAST-08 D-BCAST-07", needs: Wires, run: func(t *testing.T, n *Machine) {
		for _, tc := range []struct {
			source string
			w      *Wire
		}{{"10.1.0.1:4000", n.Eth1}, {"10.0.0.7:4000", n.Eth0}, {"10.3.0.1:4000", n.Eth1}} {
			s := bound(t, n, tc.source, socket.Broadcast)
			s.send("255.255.255.255:9", "x")
			if p := tc.w.NextUDP(t, "x"); p.Source() != addrPort(tc.source) || p.To != broadcastMAC {
				t.Errorf("%v to %v, want it from %s", p, p.To, tc.source)
			}
			s.Close()
		}
		s := open(t, n)
		s.set(socket.Broadcast, 1)
		s.sendMessage(socket.Message{Buf: []byte("y"), Addr: addrPort("255.255.255.255:9"), Set: socket.FieldLocal, Local: addrPort("10.1.0.1:0")})
		n.Eth1.NextUDP(t, "y")
	}},
	{name: "BroadcastCopies", rules: "D-BCAST-09 D-BCAST-03", needs: Wires, run: func(t *testing.T, n *Machine) {
		a := bound(t, n, "0.0.0.0:4000", socket.ReuseAddr)
		b := bound(t, n, "0.0.0.0:4000", socket.ReuseAddr)
		n.Eth0.SendUDP("10.0.0.2:9", "10.0.0.255:4000", "the same for all")
		m := a.want("the same for all")
		copy(m.Buf, "xxxxxxxxxxxxxxxx")
		a.Close()
		b.want("the same for all")
		b.wantNothing()
	}},
	{name: "BroadcastLowest", rules: "D-BCAST-10", needs: Wires, run: func(t *testing.T, n *Machine) {
		// Since Linux 5.14 the lowest address is a host's.
		s := open(t, n)
		s.send("10.0.0.0:9", "x")
		if p := n.Eth0.NextUDP(t, "x"); p.To != macOf(netip.MustParseAddr("10.0.0.0")) {
			t.Errorf("it goes to %v", p.To)
		}
		open(t, n).bindErr("10.0.0.0:4000", syscall.EADDRNOTAVAIL)
		r := bound(t, n, "0.0.0.0:4000")
		n.Eth0.SendUDP("10.0.0.2:9", "10.0.0.0:4000", "y")
		r.wantNothing()
	}},
	{name: "BroadcastReusePort", rules: "D-BCAST-11 E-REUSE-09", needs: Wires, run: func(t *testing.T, n *Machine) {
		a := bound(t, n, "0.0.0.0:4000", socket.ReusePort)
		b := bound(t, n, "0.0.0.0:4000", socket.ReusePort)
		n.Eth0.SendUDP("10.0.0.2:9", "10.0.0.255:4000", "x")
		a.want("x")
		b.want("x")
	}},
}
