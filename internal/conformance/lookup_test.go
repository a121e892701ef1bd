//go:build linux

package conformance

import (
	"testing"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// onInterface makes a socket that shares its port and is bound to the interface
// of that name, if it has one.
func onInterface(t *testing.T, n *Machine, ifname, addr string) *sock {
	t.Helper()
	s := open(t, n)
	s.set(socket.ReuseAddr, 1)
	if ifname != "" {
		s.set(socket.BindInterface, n.Index(t, ifname))
	}
	s.bind(addr)
	return s
}

var lookupCases = []testCase{
	{name: "LookupAddress", rules: "D-LOOKUP-01", run: func(t *testing.T, n *Machine) {
		from := open(t, n)
		// In either order.
		w := bound(t, n, "0.0.0.0:0", socket.ReuseAddr)
		a := bound(t, n, at("127.0.0.1", w.port()), socket.ReuseAddr)
		from.send(a.local(), "1")
		a.want("1")
		w2 := bound(t, n, w.local(), socket.ReuseAddr)
		from.send(a.local(), "2")
		a.want("2")
		from.send(at("127.0.0.2", w.port()), "3")
		w2.want("3")
		w.wantNothing()
	}},
	{name: "LookupConnected", rules: "D-LOOKUP-02", run: func(t *testing.T, n *Machine) {
		c := bound(t, n, "127.0.0.1:0", socket.ReuseAddr)
		peer, other := bound(t, n, "127.0.0.1:0"), bound(t, n, "127.0.0.1:0")
		c.connect(peer.local())
		u := bound(t, n, c.local(), socket.ReuseAddr) // the last bound
		w := bound(t, n, at("0.0.0.0", c.port()), socket.ReuseAddr)
		peer.send(c.local(), "from the peer")
		c.want("from the peer")
		other.send(c.local(), "from another")
		u.want("from another")
		w.wantNothing()
		c.disconnect()
		c.Close()
		peer.send(u.local(), "now for all")
		u.want("now for all")
	}},
	{name: "LookupConnectedFromWildcard", rules: "D-LOOKUP-02", needs: Wires, run: func(t *testing.T, n *Machine) {
		c := bound(t, n, "0.0.0.0:4000", socket.ReuseAddr)
		c.connect("10.0.0.2:9")
		u := bound(t, n, "10.0.0.1:4000", socket.ReuseAddr)
		w := bound(t, n, "0.0.0.0:4000", socket.ReuseAddr)
		n.Eth0.SendUDP("10.0.0.2:9", "10.0.0.1:4000", "peer")
		c.want("peer")
		n.Eth0.SendUDP("10.0.0.3:9", "10.0.0.1:4000", "other")
		u.want("other")
		n.Eth0.SendUDP("10.0.0.2:9", "10.0.0.7:4000", "other address")
		w.want("other address")
	}},
	{name: "LookupInterface", rules: "D-LOOKUP-03 D-LOOKUP-06", needs: Wires, run: func(t *testing.T, n *Machine) {
		d := onInterface(t, n, "eth0", "0.0.0.0:4000")
		u := onInterface(t, n, "", "0.0.0.0:4000")
		n.Eth0.SendUDP("10.0.0.2:9", "10.0.0.1:4000", "eth0")
		d.want("eth0")
		n.Eth1.SendUDP("10.1.0.2:9", "10.1.0.1:4000", "eth1")
		u.want("eth1")
		d.wantNothing()
	}},
	{name: "LookupAddressBeforeInterface", rules: "D-LOOKUP-04", needs: Wires, run: func(t *testing.T, n *Machine) {
		// Linux looks for the address first and for the wildcard only if
		// nobody has it: it does not add up scores across the two.
		a := onInterface(t, n, "", "10.0.0.1:4000")
		d := onInterface(t, n, "eth0", "0.0.0.0:4000")
		n.Eth0.SendUDP("10.0.0.2:9", "10.0.0.1:4000", "1")
		a.want("1")
		n.Eth0.SendUDP("10.0.0.2:9", "10.0.0.7:4000", "2")
		d.want("2")
		both := onInterface(t, n, "eth0", "10.0.0.1:4000")
		onInterface(t, n, "", "10.0.0.1:4000")
		n.Eth0.SendUDP("10.0.0.2:9", "10.0.0.1:4000", "3")
		both.want("3")
		a.wantNothing()
	}},
	{name: "LookupConnectedAndInterface", rules: "D-LOOKUP-02 D-LOOKUP-03", needs: Wires, run: func(t *testing.T, n *Machine) {
		c := onInterface(t, n, "", "10.0.0.1:4000")
		c.connect("10.0.0.2:9")
		d := onInterface(t, n, "eth0", "10.0.0.1:4000")
		n.Eth0.SendUDP("10.0.0.2:9", "10.0.0.1:4000", "peer")
		c.want("peer")
		n.Eth0.SendUDP("10.0.0.3:9", "10.0.0.1:4000", "other")
		d.want("other")
	}},
	{name: "LookupConnectedElsewhere", rules: "D-LOOKUP-05 D-ICMP-01", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "10.0.0.1:4000")
		s.connect("10.0.0.2:9")
		n.Eth0.SendUDP("10.0.0.3:9", "10.0.0.1:4000", "x")
		n.Eth0.NextICMP(t, wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable)
		s.wantNothing()
	}},
	{name: "LookupOtherInterface", rules: "D-LOOKUP-06 D-ICMP-01", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := onInterface(t, n, "eth1", "0.0.0.0:4000")
		n.Eth0.SendUDP("10.0.0.2:9", "10.0.0.1:4000", "x")
		n.Eth0.NextICMP(t, wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable)
		s.wantNothing()
	}},
	{name: "LookupMovedToFront", rules: "D-LOOKUP-07", run: func(t *testing.T, n *Machine) {
		a := bound(t, n, "0.0.0.0:0", socket.ReuseAddr)
		probe := bound(t, n, "127.88.0.3:0")
		port := probe.port()
		probe.Close()
		a.Close()

		a = bound(t, n, at("0.0.0.0", port), socket.ReuseAddr)
		b := bound(t, n, a.local(), socket.ReuseAddr)
		from := open(t, n)
		from.send(at("127.0.0.1", port), "1")
		b.want("1")
		// Losing its address and getting it back a socket is entered anew.
		a.connect("127.0.0.1:9")
		a.disconnect()
		from.send(at("127.0.0.1", port), "2")
		a.want("2")
		// One that is bound to an address keeps its place.
		c := bound(t, n, at("127.0.0.1", port), socket.ReuseAddr)
		d := bound(t, n, at("127.0.0.1", port), socket.ReuseAddr)
		c.connect("127.0.0.1:9")
		c.disconnect()
		from.send(at("127.0.0.1", port), "3")
		d.want("3")
	}},
}
