//go:build linux

package conformance

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/socket"
)

var reuseCases = []testCase{
	{name: "ReuseAddrBoth", rules: "E-REUSE-01 E-REUSE-06", run: func(t *testing.T, n *Machine) {
		a := bound(t, n, "127.0.0.1:0", socket.ReuseAddr)
		b := bound(t, n, a.local(), socket.ReuseAddr)
		from := open(t, n)
		for i := range 5 {
			from.send(a.local(), fmt.Sprint(i))
			b.want(fmt.Sprint(i))
		}
		a.wantNothing()
	}},
	{name: "ReusePortBoth", rules: "E-REUSE-02", run: func(t *testing.T, n *Machine) {
		a := bound(t, n, "127.0.0.1:0", socket.ReusePort)
		bound(t, n, a.local(), socket.ReusePort)
		bound(t, n, at("0.0.0.0", a.port()), socket.ReusePort)
	}},
	{name: "ReuseOneEach", rules: "E-REUSE-03", run: func(t *testing.T, n *Machine) {
		a := bound(t, n, "127.0.0.1:0", socket.ReuseAddr)
		s := open(t, n)
		s.set(socket.ReusePort, 1)
		s.bindErr(a.local(), syscall.EADDRINUSE)
		b := bound(t, n, "127.0.0.1:0", socket.ReusePort)
		s = open(t, n)
		s.set(socket.ReuseAddr, 1)
		s.bindErr(b.local(), syscall.EADDRINUSE)
		s.set(socket.ReusePort, 1) // both options get on with either
		s.bind(b.local())
		s = open(t, n)
		s.set(socket.ReuseAddr, 1)
		s.set(socket.ReusePort, 1)
		s.bind(a.local())
	}},
	{name: "ReuseOnlyOne", rules: "E-REUSE-04", run: func(t *testing.T, n *Machine) {
		for _, o := range []socket.Option{socket.ReuseAddr, socket.ReusePort} {
			a := bound(t, n, "127.0.0.1:0", o)
			open(t, n).bindErr(a.local(), syscall.EADDRINUSE)
			b := bound(t, n, "127.0.0.1:0")
			s := open(t, n)
			s.set(o, 1)
			s.bindErr(b.local(), syscall.EADDRINUSE)
			s.wantLocal("0.0.0.0:0")
		}
	}},
	{name: "ReuseAsTheyAre", rules: "E-REUSE-05", run: func(t *testing.T, n *Machine) {
		for _, o := range []socket.Option{socket.ReuseAddr, socket.ReusePort} {
			a := bound(t, n, "127.0.0.1:0")
			s := open(t, n)
			s.set(o, 1)
			s.bindErr(a.local(), syscall.EADDRINUSE)
			a.set(o, 1) // after its bind
			s.bind(a.local())
			// With ReusePort Linux asks no further than the last bound that
			// gets on, so only with ReuseAddr is the first one asked again.
			if o == socket.ReuseAddr {
				a.set(o, 0)
				s = open(t, n)
				s.set(o, 1)
				s.bindErr(a.local(), syscall.EADDRINUSE)
			}
		}
	}},
	{name: "ReuseLastBound", rules: "E-REUSE-06 E-REUSE-07", run: func(t *testing.T, n *Machine) {
		a := bound(t, n, "127.0.0.1:0", socket.ReuseAddr)
		b := bound(t, n, a.local(), socket.ReuseAddr)
		c := bound(t, n, a.local(), socket.ReuseAddr)
		from := open(t, n)
		from.send(a.local(), "1")
		c.want("1")
		c.Close()
		from.send(a.local(), "2")
		b.want("2")
		d := bound(t, n, a.local(), socket.ReuseAddr)
		from.send(a.local(), "3")
		d.want("3")
		b.Close() // not the last
		from.send(a.local(), "4")
		d.want("4")
		d.Close()
		from.send(a.local(), "5")
		a.want("5")
		a.wantNothing()
	}},
	{name: "ReuseLastBoundWildcard", rules: "E-REUSE-06 E-REUSE-07", run: func(t *testing.T, n *Machine) {
		a := bound(t, n, "0.0.0.0:0", socket.ReuseAddr)
		b := bound(t, n, a.local(), socket.ReuseAddr)
		from := open(t, n)
		from.send(at("127.0.0.1", a.port()), "1")
		b.want("1")
		b.Close()
		from.send(at("127.0.0.1", a.port()), "2")
		a.want("2")
	}},
	{name: "ReuseFirstBound", rules: "E-REUSE-11", needs: FirstBound, only: Stack, run: func(t *testing.T, n *Machine) {
		a := bound(t, n, "127.0.0.1:0", socket.ReuseAddr)
		b := bound(t, n, a.local(), socket.ReuseAddr)
		from := open(t, n)
		from.send(a.local(), "1")
		a.want("1")
		a.Close()
		from.send(b.local(), "2")
		b.want("2")
	}},
	{name: "ReusePortByFlow", rules: "E-REUSE-08 E-REUSE-14", run: func(t *testing.T, n *Machine) {
		group := []*sock{bound(t, n, "127.0.0.1:0", socket.ReusePort)}
		for range 3 {
			group = append(group, bound(t, n, group[0].local(), socket.ReusePort))
		}
		// Which socket a flow goes to, and that it stays there. With 64 flows
		// over 4 sockets one is left out with a chance of 4e-8.
		const flows = 64
		var from [flows]*sock
		var owner [flows]int
		count := map[int]int{}
		for i := range from {
			from[i] = bound(t, n, "127.0.0.1:0")
			from[i].send(group[0].local(), "first")
			owner[i] = whoGot(t, group, "first")
			count[owner[i]]++
		}
		for i := range from {
			from[i].send(group[0].local(), "second")
			if got := whoGot(t, group, "second"); got != owner[i] {
				t.Errorf("flow %d went to socket %d and then to %d", i, owner[i], got)
			}
		}
		if len(count) != len(group) {
			t.Errorf("%d flows went to %d of %d sockets: %v", flows, len(count), len(group), count)
		}
		// A member leaves: nothing is lost.
		group[1].Close()
		rest := []*sock{group[0], group[2], group[3]}
		for i := range from {
			from[i].send(group[0].local(), "third")
			whoGot(t, rest, "third")
		}
	}},
	{name: "ReusePortConnected", rules: "E-REUSE-15", run: func(t *testing.T, n *Machine) {
		// A member that is connected hears its peer, and is no longer one to
		// whom others are given.
		group := []*sock{bound(t, n, "127.0.0.1:0", socket.ReusePort)}
		for range 3 {
			group = append(group, bound(t, n, group[0].local(), socket.ReusePort))
		}
		peer := bound(t, n, "127.0.0.1:0")
		group[1].connect(peer.local())
		peer.send(group[0].local(), "from the peer")
		group[1].want("from the peer")
		rest := []*sock{group[0], group[2], group[3]}
		count := map[int]int{}
		for range 48 {
			bound(t, n, "127.0.0.1:0").send(group[0].local(), "from another")
			count[whoGot(t, rest, "from another")]++
		}
		group[1].wantNothing()
		if len(count) != len(rest) {
			t.Errorf("48 flows went to %d of %d sockets", len(count), len(rest))
		}
		group[1].disconnect()
		peer.send(group[0].local(), "to anybody")
		whoGot(t, group, "to anybody")
	}},
	{name: "ReusePortByDevice", rules: "E-REUSE-16", needs: Wires, run: func(t *testing.T, n *Machine) {
		// Those that are bound to the interface share what comes in by it, the
		// others what comes in by others.
		open := func(ifname string) *sock {
			s := open(t, n)
			s.set(socket.ReusePort, 1)
			if ifname != "" {
				s.set(socket.BindInterface, n.Index(t, ifname))
			}
			s.bind("0.0.0.0:4000")
			return s
		}
		elsewhere := open("eth1")
		none := []*sock{open(""), open("")}
		// Bound last: if they were not, the kernel would give all to the others,
		// since it looks no further than to the group that it finds first.
		on := []*sock{open("eth0"), open("eth0")}
		got := [2]map[int]int{{}, {}}
		for k := range 32 {
			n.Eth0.SendUDP(at("10.0.0.2", uint16(1000+k)), "10.0.0.1:4000", "eth0")
			got[0][whoGot(t, on, "eth0")]++
		}
		elsewhere.wantNothing()
		elsewhere.Close()
		for k := range 32 {
			n.Eth1.SendUDP(at("10.1.0.2", uint16(1000+k)), "10.1.0.1:4000", "eth1")
			got[1][whoGot(t, none, "eth1")]++
		}
		if len(got[0]) != 2 || len(got[1]) != 2 {
			t.Errorf("flows went to %v", got)
		}
		on[0].Close()
		for k := range 8 {
			n.Eth0.SendUDP(at("10.0.0.2", uint16(1000+k)), "10.0.0.1:4000", "one is left")
			on[1].want("one is left")
		}
		on[1].Close()
		n.Eth0.SendUDP("10.0.0.2:1000", "10.0.0.1:4000", "none is left")
		whoGot(t, none, "none is left")
	}},
	{name: "ReuseThird", rules: "E-REUSE-12", run: func(t *testing.T, n *Machine) {
		// a has both options, b only one: a third must share one with each.
		a := bound(t, n, "127.0.0.1:0", socket.ReuseAddr, socket.ReusePort)
		bound(t, n, a.local(), socket.ReuseAddr)
		s := open(t, n)
		s.set(socket.ReusePort, 1)
		s.bindErr(a.local(), syscall.EADDRINUSE)
		bound(t, n, a.local(), socket.ReuseAddr)
	}},
	{name: "ReuseWildcardAndSpecific", rules: "E-REUSE-13 D-LOOKUP-01", run: func(t *testing.T, n *Machine) {
		a := bound(t, n, "127.0.0.1:0", socket.ReuseAddr)
		open(t, n).bindErr(at("0.0.0.0", a.port()), syscall.EADDRINUSE)
		w := bound(t, n, at("0.0.0.0", a.port()), socket.ReuseAddr)
		from := open(t, n)
		from.send(a.local(), "1")
		a.want("1")
		from.send(at("127.0.0.2", a.port()), "2")
		w.want("2")
		a.Close()
		from.send(at("127.0.0.1", a.port()), "3")
		w.want("3")
	}},
	{name: "ReuseBroadcast", rules: "E-REUSE-09 D-BCAST-09", needs: Wires, run: func(t *testing.T, n *Machine) {
		a := bound(t, n, "0.0.0.0:4000", socket.ReuseAddr)
		b := bound(t, n, "0.0.0.0:4000", socket.ReuseAddr)
		c := bound(t, n, "10.0.0.255:4000", socket.ReuseAddr)
		n.Eth0.SendUDP("10.0.0.2:9", "10.0.0.255:4000", "to all")
		a.wantFrom("to all", "10.0.0.2:9")
		b.wantFrom("to all", "10.0.0.2:9")
		c.wantFrom("to all", "10.0.0.2:9")
		n.Eth0.SendUDP("10.0.0.2:9", "255.255.255.255:4000", "limited")
		a.want("limited")
		b.want("limited")
		c.wantNothing()
	}},
}

// whoGot returns which socket has received the payload, and fails the test
// unless it is exactly one.
func whoGot(t *testing.T, socks []*sock, payload string) int {
	t.Helper()
	settle(t, socks[0].n)
	got := -1
	for i, s := range socks {
		ms := []socket.Message{{Buf: make([]byte, 0, 64)}}
		if _, err := s.TryRecv(ms); err != nil {
			continue
		}
		if got >= 0 || string(ms[0].Buf) != payload {
			t.Fatalf("socket %d got %q; %d had got it", i, ms[0].Buf, got)
		}
		got = i
	}
	if got < 0 {
		t.Fatalf("nobody got %q", payload)
	}
	return got
}
