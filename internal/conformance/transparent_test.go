//go:build linux

package conformance

import (
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// foreign is an address of nobody's on the machine, and of no range that is local.
const foreign = "198.51.100.200"

// from returns a message that is to leave in somebody's name.
func from(local, to, payload string) socket.Message {
	return socket.Message{Buf: []byte(payload), Addr: addrPort(to), Set: socket.FieldLocal, Local: addrPort(local)}
}

var transparentCases = []testCase{
	{name: "TransparentBind", rules: "D-TRANS-01 D-TRANS-04", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, foreign+":7000", socket.Transparent)
		s.wantOption(socket.Transparent, 1)
		s.wantLocal(foreign + ":7000")
		s.send("10.0.0.2:9", "off the host")
		if p := n.Eth0.NextUDP(t, "off the host"); p.Source() != addrPort(foreign+":7000") {
			t.Errorf("%v, want it from %s", p, foreign)
		}
		for _, to := range []string{"127.0.0.1:0", "10.0.0.1:0", "10.1.0.1:0"} {
			r := bound(t, n, to)
			s.send(r.local(), "to "+to)
			r.wantFrom("to "+to, foreign+":7000")
		}
		s.set(socket.Transparent, 0)
		s.sendErr("10.0.0.2:9", "x", syscall.ENETUNREACH)
		s.wantLocal(foreign + ":7000")
		s.set(socket.Transparent, 1)
		s.send("10.0.0.2:9", "again")
		n.Eth0.NextUDP(t, "again")
	}},
	{name: "TransparentConnect", rules: "D-TRANS-01", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, foreign+":7000", socket.Transparent)
		s.connect("10.0.0.2:9")
		s.wantLocal(foreign + ":7000")
		s.wantPeer("10.0.0.2:9")
		s.send("", "connected")
		if p := n.Eth0.NextUDP(t, "connected"); p.Source() != addrPort(foreign+":7000") || p.Destination() != addrPort("10.0.0.2:9") {
			t.Errorf("%v", p)
		}
	}},
	{name: "TransparentLocal", rules: "D-TRANS-02", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "0.0.0.0:7000")
		if err := s.trySend(from(foreign+":7000", "10.0.0.2:9", "x")); err != syscall.ENETUNREACH {
			t.Errorf("not transparent: %v, want ENETUNREACH", name(err))
		}
		s.set(socket.FreeBind, 1)
		if err := s.trySend(from(foreign+":7000", "10.0.0.2:9", "x")); err != syscall.ENETUNREACH {
			t.Errorf("with FreeBind: %v, want ENETUNREACH", name(err))
		}
		s.set(socket.Transparent, 1)
		for _, port := range []string{":7000", ":0"} { // its own, or none said
			s.sendMessage(from(foreign+port, "10.0.0.2:9", "in the name of "+foreign))
			if p := n.Eth0.NextUDP(t, "in the name of "+foreign); p.Source() != addrPort(foreign+":7000") {
				t.Errorf("%v, want it from %s:7000", p, foreign)
			}
		}
		s.send("10.0.0.2:9", "its own")
		if p := n.Eth0.NextUDP(t, "its own"); p.Source() != addrPort("10.0.0.1:7000") {
			t.Errorf("%v, want it from 10.0.0.1", p)
		}
	}},
	{name: "TransparentUnprivileged", rules: "D-TRANS-03", needs: Unprivileged, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.setErr(socket.Transparent, 1, syscall.EPERM)
		s.wantOption(socket.Transparent, 0)
		s.set(socket.Transparent, 0)
		s.bindErr(foreign+":0", syscall.EADDRNOTAVAIL)
	}},
	{name: "TransparentInUse", rules: "D-TRANS-05", needs: Wires, run: func(t *testing.T, n *Machine) {
		bound(t, n, foreign+":7000", socket.Transparent)
		s := open(t, n)
		s.set(socket.Transparent, 1)
		s.bindErr(foreign+":7000", syscall.EADDRINUSE)
		s.bindErr("0.0.0.0:7000", syscall.EADDRINUSE)
		s.bind("198.51.100.201:7000")
	}},
	{name: "TransparentToMany", rules: "D-TRANS-06", needs: Wires | DefaultRoute, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, foreign+":7000", socket.Transparent, socket.Broadcast)
		s.sendErr("255.255.255.255:9", "x", syscall.ENETUNREACH)
		s.sendErr("239.1.1.1:9", "x", syscall.ENETUNREACH)
		s.send("10.0.0.255:9", "to a subnet")
		if p := n.Eth0.NextUDP(t, "to a subnet"); p.Source() != addrPort(foreign+":7000") || p.To != wire.Broadcast {
			t.Errorf("%v to %v", p, p.To)
		}
		s.set(socket.BindInterface, n.Index(t, "eth0"))
		s.send("255.255.255.255:9", "by eth0")
		if p := n.Eth0.NextUDP(t, "by eth0"); p.Source() != addrPort(foreign+":7000") {
			t.Errorf("%v", p)
		}
	}},
	{name: "TransparentReceive", rules: "D-TRANS-07", needs: Wires | LocalRange, run: func(t *testing.T, n *Machine) {
		one := bound(t, n, "203.0.113.1:53", socket.Transparent)
		wild := bound(t, n, "0.0.0.0:54", socket.Transparent)
		for _, s := range []*sock{one, wild} {
			s.set(socket.Report, int(socket.FieldLocal|socket.FieldInterface))
		}
		n.Eth0.SendUDP("10.0.0.2:9", "203.0.113.1:53", "to one")
		m := one.wantFrom("to one", "10.0.0.2:9")
		if m.Local != addrPort("203.0.113.1:53") || m.Interface != n.Index(t, "eth0") {
			t.Errorf("Local %v, interface %d", m.Local, m.Interface)
		}
		n.Eth0.SendUDP("10.0.0.2:9", "203.0.113.77:54", "to the other")
		m = wild.wantFrom("to the other", "10.0.0.2:9")
		if m.Local != addrPort("203.0.113.77:54") {
			t.Errorf("Local %v", m.Local)
		}
		m.Reply()
		m.Buf = []byte("answer")
		wild.sendMessage(m)
		if p := n.Eth0.NextUDP(t, "answer"); p.Source() != addrPort("203.0.113.77:54") || p.Destination() != addrPort("10.0.0.2:9") {
			t.Errorf("%v", p)
		}
		one.wantNothing()
	}},
	{name: "TransparentIsNotLocal", rules: "D-TRANS-08", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, foreign+":7000", socket.Transparent)
		n.Eth0.SendUDP("10.0.0.2:9", foreign+":7000", "passing by")
		settle(t, n)
		s.wantNothing()
		wantQuiet(t, n, n.Eth0)
	}},
	{name: "TransparentICMP", rules: "D-TRANS-09", needs: Wires | LocalRange, run: func(t *testing.T, n *Machine) {
		n.Eth0.SendUDP("10.0.0.2:9", "203.0.113.1:4000", "nobody is there")
		p := n.Eth0.NextICMP(t, wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable)
		if p.IP.Source() != addrPort("203.0.113.1:0").Addr() {
			t.Errorf("%v, want it from 203.0.113.1", p)
		}
		n.Eth0.SendIP(icmp("10.0.0.2", "203.0.113.9", wire.ICMPEchoRequest, 0, [4]byte{0, 1, 0, 2}, []byte("ping")))
		p = n.Eth0.NextICMP(t, wire.ICMPEchoReply, 0)
		if p.IP.Source() != addrPort("203.0.113.9:0").Addr() || string(p.Data) != "ping" {
			t.Errorf("%v, want it from 203.0.113.9", p)
		}
		// An error about what a foreign address has sent is heard.
		s := bound(t, n, "203.0.113.1:53", socket.Transparent)
		s.connect("10.0.0.2:9")
		s.send("", "x")
		n.Eth0.SendIP(ICMPError("10.0.0.2", n.Eth0.NextUDP(t, "x"), wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable))
		settle(t, n)
		s.wantErr(syscall.ECONNREFUSED)
	}},
	{name: "TransparentImpossible", rules: "D-TRANS-10", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "0.0.0.0:7000", socket.Transparent)
		for _, local := range []string{"224.0.0.1:7000", "255.255.255.255:7000", "127.0.0.5:7000"} {
			if err := s.trySend(from(local, "10.0.0.2:9", "x")); err != syscall.EINVAL {
				t.Errorf("from %s: %v, want EINVAL", local, name(err))
			}
		}
		wantQuiet(t, n, n.Eth0)
	}},
}
