//go:build linux

package conformance

import (
	"net/netip"
	"testing"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// nextReply returns the next ARP reply that the machine sent.
func nextReply(t *testing.T, w *Wire) *Request {
	t.Helper()
	for {
		r := w.NextRequest(t)
		if r.ARP.Operation() == wire.ARPReply {
			return r
		}
	}
}

// wantNoReply checks that the machine has sent no ARP reply. It answers within
// the call that injects the request.
func wantNoReply(t *testing.T, n *Machine, w *Wire) {
	t.Helper()
	wantQuiet(t, n, w)
	for {
		select {
		case r := <-w.requests:
			if r.ARP.Operation() == wire.ARPReply {
				t.Errorf("an ARP reply for %v", r.ARP.SenderAddr())
			}
		default:
			return
		}
	}
}

// ask injects an ARP request by who has the address sender.
func ask(w *Wire, sender, target string) {
	s := netip.MustParseAddr(sender)
	w.Send(arp(wire.ARPRequest, macOf(s), s, wire.MAC{}, netip.MustParseAddr(target), broadcastMAC))
}

var neighborCases = []testCase{
	{name: "ARPRequest", rules: "D-ARP-01", needs: Wires, run: func(t *testing.T, n *Machine) {
		for _, tc := range []struct{ from, to, nextHop string }{
			{"0.0.0.0:0", "10.0.0.2:9", "10.0.0.2"},
			{"10.0.0.7:0", "10.0.0.3:9", "10.0.0.3"},
			{"0.0.0.0:0", "198.51.100.1:9", "10.0.0.254"},
		} {
			s := bound(t, n, tc.from)
			s.send(tc.to, "x")
			r := n.Eth0.NextRequest(t)
			p := n.Eth0.NextUDP(t, "x")
			if r.ARP.Operation() != wire.ARPRequest || r.To != broadcastMAC || r.ARP.TargetAddr().String() != tc.nextHop {
				t.Errorf("asked %v for %v, want a broadcast request for %s", r.To, r.ARP.TargetAddr(), tc.nextHop)
			}
			if r.ARP.SenderMAC() != n.Eth0.MAC || r.ARP.SenderAddr() != p.IP.Source() || r.ARP.TargetMAC() != (wire.MAC{}) {
				t.Errorf("%v at %v asks about %v, want the source %v", r.ARP.SenderAddr(), r.ARP.SenderMAC(), r.ARP.TargetMAC(), p.IP.Source())
			}
			if p.To != macOf(netip.MustParseAddr(tc.nextHop)) {
				t.Errorf("the datagram goes to %v", p.To)
			}
		}
	}},
	{name: "ARPRequestForeignSource", rules: "D-ARP-01", needs: Wires, run: func(t *testing.T, n *Machine) {
		// arp_announce is 0: any own address will do as the sender's.
		s := bound(t, n, "10.1.0.1:0")
		s.send("10.0.0.4:9", "x")
		if r := n.Eth0.NextRequest(t); r.ARP.SenderAddr().String() != "10.1.0.1" {
			t.Errorf("asked by %v, want 10.1.0.1", r.ARP.SenderAddr())
		}
		n.Eth0.NextUDP(t, "x")
	}},
	{name: "ARPOnce", rules: "D-ARP-01 D-SEND-06", needs: Wires, run: func(t *testing.T, n *Machine) {
		n.Eth0.Silence(true)
		s := connected(t, n, "10.0.0.2:9")
		for _, p := range []string{"1", "2", "3"} {
			s.send("", p)
		}
		n.Eth0.NextRequest(t)
		n.Eth0.Silence(false)
		n.Eth0.ReplyARP(netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.1"))
		for _, p := range []string{"1", "2", "3"} {
			n.Eth0.NextUDP(t, p)
		}
		s.send("", "4")
		n.Eth0.NextUDP(t, "4")
		select {
		case r := <-n.Eth0.requests:
			t.Errorf("a second request, for %v", r.ARP.TargetAddr())
		default:
		}
	}},
	{name: "ARPAnswer", rules: "D-ARP-02", needs: Wires, run: func(t *testing.T, n *Machine) {
		// arp_ignore is 0: for every own address, on whichever interface.
		for _, a := range []string{"10.0.0.1", "10.0.0.7", "10.1.0.1"} {
			ask(n.Eth0, "10.0.0.2", a)
			r := nextReply(t, n.Eth0)
			if r.ARP.SenderAddr().String() != a || r.ARP.SenderMAC() != n.Eth0.MAC {
				t.Errorf("asked for %s: %v is at %v", a, r.ARP.SenderAddr(), r.ARP.SenderMAC())
			}
			who := netip.MustParseAddr("10.0.0.2")
			if r.To != macOf(who) || r.ARP.TargetAddr() != who || r.ARP.TargetMAC() != macOf(who) {
				t.Errorf("the reply goes to %v, for %v at %v", r.To, r.ARP.TargetAddr(), r.ARP.TargetMAC())
			}
		}
		for _, a := range []string{"10.0.0.3", "203.0.113.1", "10.0.0.255", "127.0.0.1", "239.1.2.3", "0.0.0.0"} {
			ask(n.Eth0, "10.0.0.2", a)
		}
		wantNoReply(t, n, n.Eth0)
	}},
	{name: "ARPProbes", rules: "D-ARP-03", needs: Wires, slow: true, run: func(t *testing.T, n *Machine) {
		s := connected(t, n, nobody+":9")
		s.send("", "x")
		n.Elapse(200 * time.Millisecond)
		if got := len(n.Eth0.requests); got != 1 {
			t.Errorf("%d requests at once, want 1", got)
		}
		n.Elapse(time.Second)
		if got := len(n.Eth0.requests); got != 2 {
			t.Errorf("%d requests after 1.2 s, want 2", got)
		}
		n.Elapse(time.Second)
		if got := len(n.Eth0.requests); got != 3 {
			t.Errorf("%d requests after 2.2 s, want 3", got)
		}
		n.Elapse(1500 * time.Millisecond)
		if got := len(n.Eth0.requests); got != 3 {
			t.Errorf("%d requests after 3.7 s, want 3", got)
		}
		// Given up: an answer that comes now finds nothing waiting.
		n.Eth0.ReplyARP(netip.MustParseAddr(nobody), netip.MustParseAddr("10.0.0.1"))
		wantQuiet(t, n, n.Eth0)
	}},
	{name: "ARPUnasked", rules: "D-ARP-04", needs: Wires, run: func(t *testing.T, n *Machine) {
		n.Eth0.ReplyARP(netip.MustParseAddr(nobody), netip.MustParseAddr("10.0.0.1"))
		s := open(t, n)
		s.send(nobody+":9", "x")
		n.Eth0.NextRequest(t)
	}},
	{name: "ARPLearned", rules: "D-ARP-05", needs: Wires, run: func(t *testing.T, n *Machine) {
		ask(n.Eth0, "10.0.0.2", "10.0.0.1")
		nextReply(t, n.Eth0)
		s := open(t, n)
		s.send("10.0.0.2:9", "x")
		n.Eth0.NextUDP(t, "x")
		select {
		case r := <-n.Eth0.requests:
			if r.To == broadcastMAC {
				t.Errorf("a request to all for %v, who had asked", r.ARP.TargetAddr())
			}
		default:
		}
	}},
	{name: "ARPGratuitous", rules: "D-ARP-06 D-ARP-04", needs: Wires, slow: true, run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "10.0.0.2:9")
		s.send("", "x")
		n.Eth0.NextRequest(t)
		n.Eth0.NextUDP(t, "x")
		// Within a second of the last update Linux ignores the next
		// (locktime), so that of several answers the first counts.
		n.Elapse(1100 * time.Millisecond)
		moved := wire.MAC{2, 0xee, 0, 0, 0, 2}
		a := netip.MustParseAddr("10.0.0.2")
		n.Eth0.Send(arp(wire.ARPRequest, moved, a, wire.MAC{}, a, broadcastMAC))
		s.send("", "y")
		if p := n.Eth0.NextUDP(t, "y"); p.To != moved {
			t.Errorf("it goes to %v, want to %v", p.To, moved)
		}
		// It makes no entry where there is none.
		b := netip.MustParseAddr(nobody)
		n.Eth0.Send(arp(wire.ARPRequest, macOf(b), b, wire.MAC{}, b, broadcastMAC))
		s.send(nobody+":9", "z")
		for {
			if r := n.Eth0.NextRequest(t); r.ARP.TargetAddr() == b && r.ARP.Operation() == wire.ARPRequest {
				break
			}
		}
	}},
}
