//go:build linux

package conformance

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// countErrors returns how many ICMP errors the machine has sent by the wire since
// the last look.
func countErrors(t *testing.T, n *Machine, w *Wire) int {
	t.Helper()
	sent := n.Sent(t, w)
	for _, p := range sent {
		if p.ICMP == nil || p.ICMP.Type() != wire.ICMPDestinationUnreachable {
			t.Errorf("%v, want an ICMP error", p)
		}
	}
	return len(sent)
}

var icmpCases = []testCase{
	{name: "PortUnreachable", rules: "D-ICMP-01 D-ICMP-03 D-ICMP-11", needs: Wires, run: func(t *testing.T, n *Machine) {
		for i, to := range []string{"10.0.0.1:4000", "10.0.0.7:4000", "10.0.0.1:1"} {
			d := Datagram{From: fmt.Sprintf("10.0.0.%d:9", 2+i), To: to, Payload: "nobody is there", TOS: 0x28, TTL: 77}.Bytes()
			n.Eth0.SendIP(d)
			p := n.Eth0.NextICMP(t, wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable)
			if p.IP.Source() != addrPort(to).Addr() || p.IP.Destination().String() != fmt.Sprintf("10.0.0.%d", 2+i) {
				t.Errorf("%v, want it from %s to the sender", p, to)
			}
			if !bytes.Equal(p.Data, d) {
				t.Errorf("it quotes\n% x, want\n% x", p.Data, d)
			}
			if p.ICMP.Rest() != [4]byte{} {
				t.Errorf("the unused field is % x", p.ICMP.Rest())
			}
			// Precedence internetwork control, and the TOS of the packet
			// (RFC 1812, 4.3.2.5).
			if p.IP.TOS() != 0xc8 || p.IP.TTL() != 64 {
				t.Errorf("TOS %#x, TTL %d, want 0xc8 and 64", p.IP.TOS(), p.IP.TTL())
			}
		}
	}},
	{name: "PortUnreachableByGateway", rules: "D-ICMP-01 D-SEND-09", needs: Wires, run: func(t *testing.T, n *Machine) {
		n.Eth0.SendUDP("198.51.100.1:9", "10.0.0.1:4000", "x")
		p := n.Eth0.NextICMP(t, wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable)
		if p.To != macOf(netip.MustParseAddr("10.0.0.254")) {
			t.Errorf("%v goes to %v, want to the gateway", p, p.To)
		}
		// Nobody there to be told: no route back.
		n.Eth0.SendUDP("203.0.113.1:9", "10.0.0.1:4000", "x")
		wantQuiet(t, n, n.Eth0)
	}},
	{name: "PortUnreachableToMany", rules: "D-ICMP-02", needs: Wires, run: func(t *testing.T, n *Machine) {
		n.Eth0.SendUDP("10.0.0.2:9", "10.0.0.255:4000", "x")
		n.Eth0.SendUDP("10.0.0.2:9", "255.255.255.255:4000", "x")
		n.Eth0.SendUDP("10.0.0.2:9", "224.0.0.1:4000", "x")
		unicast := Datagram{From: "10.0.0.2:9", To: "10.0.0.1:4000", Payload: "x"}.Bytes()
		n.Eth0.Send(ethernet(broadcastMAC, gatewayMAC, Datagram{From: "10.0.0.2:9", To: "10.0.0.255:4000", Payload: "x"}.Bytes()))
		n.Eth0.Send(ethernet(broadcastMAC, gatewayMAC, unicast)) // to one address, in a frame to all
		wantQuiet(t, n, n.Eth0)
		n.Eth0.SendIP(unicast)
		n.Eth0.NextICMP(t, wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable)
	}},
	{name: "UnicastInBroadcastFrame", rules: "D-ICMP-02", needs: Wires, run: func(t *testing.T, n *Machine) {
		// Linux delivers it (net.ipv4.conf.*.drop_unicast_in_l2_multicast is 0).
		s := bound(t, n, "10.0.0.1:4000")
		n.Eth0.Send(ethernet(broadcastMAC, gatewayMAC, Datagram{From: "10.0.0.2:9", To: "10.0.0.1:4000", Payload: "x"}.Bytes()))
		s.want("x")
	}},
	{name: "PortUnreachableQuote", rules: "D-ICMP-03", needs: Wires, run: func(t *testing.T, n *Machine) {
		for i, size := range []int{0, 1, 519, 520, 521, 548, 549, 1000, 1472} {
			d := Datagram{From: fmt.Sprintf("10.0.0.%d:9", 20+i), To: "10.0.0.1:4000", Payload: strings.Repeat("q", size)}.Bytes()
			n.Eth0.SendIP(d)
			p := n.Eth0.NextICMP(t, wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable)
			want := d
			if len(want) > 576-28 {
				want = want[:576-28]
			}
			if !bytes.Equal(p.Data, want) {
				t.Errorf("of %d bytes it quotes %d, want %d", len(d), len(p.Data), len(want))
			}
		}
	}},
	{name: "ErrorRate", rules: "D-ICMP-04", needs: Wires, slow: true, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		for _, a := range []string{"10.0.0.2:9", "10.0.0.3:9"} {
			s.send(a, "so that the neighbour is known")
			n.Eth0.Next(t)
		}
		burst := func(k int, from string) int {
			for range k {
				n.Eth0.SendUDP(from, "10.0.0.1:4000", "x")
			}
			return countErrors(t, n, n.Eth0)
		}
		if got := burst(10, "10.0.0.2:9"); got != 6 {
			t.Errorf("of 10 datagrams at once %d were answered, want 6", got)
		}
		if got := burst(10, "10.0.0.3:9"); got != 6 {
			t.Errorf("of 10 datagrams of another host %d were answered, want 6", got)
		}
		n.Elapse(1100 * time.Millisecond)
		if got := burst(5, "10.0.0.2:9"); got != 1 {
			t.Errorf("a second later %d were answered, want 1", got)
		}
	}},
	{name: "ErrorRateGlobal", rules: "D-ICMP-05", needs: Wires, run: func(t *testing.T, n *Machine) {
		// 400 hosts, one datagram each; the next hop, the gateway, is known.
		s := open(t, n)
		s.send("198.51.100.1:9", "warm")
		n.Eth0.NextUDP(t, "warm")
		began := time.Now()
		for i := range 400 {
			n.Eth0.SendUDP(fmt.Sprintf("198.51.100.%d:%d", i%128, 1000+i), "10.0.0.1:4000", "x")
		}
		took := time.Since(began)
		got := countErrors(t, n, n.Eth0)
		// 50 at once and 1000 a second while it took. A host's own limit of 6
		// is not reached. The kernel counts each as none, one or two at random,
		// so that nobody can count what others do.
		most := 50 + 1
		if n.Kind == Host {
			most += int(took.Milliseconds()) + 25 // it counts in steps of 20 ms
		}
		if got < 25 || got > most+25 {
			t.Errorf("%d errors were sent, want 25 to %d", got, most+25)
		}
	}},
	{name: "ErrorRateLoopback", rules: "D-ICMP-06 D-ERR-01", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := refused(t, n)
		for i := range 100 {
			s.wantErr(syscall.ECONNREFUSED)
			if i < 99 {
				s.send("", "x")
			}
		}
	}},
	{name: "Echo", rules: "D-ICMP-07", needs: Wires, run: func(t *testing.T, n *Machine) {
		for i, to := range []string{"10.0.0.1", "10.0.0.7", "10.1.0.1", "10.3.0.1"} {
			for _, size := range []int{0, 1, 56, 1400} {
				payload := []byte(strings.Repeat("e", size))
				n.Eth0.SendIP(icmp("10.0.0.2", to, wire.ICMPEchoRequest, 0, [4]byte{1, 2, 3, byte(i)}, payload))
				p := n.Eth0.NextICMP(t, wire.ICMPEchoReply, 0)
				if p.IP.Source().String() != to || p.IP.Destination().String() != "10.0.0.2" {
					t.Errorf("%v, want it from %s to 10.0.0.2", p, to)
				}
				if p.ICMP.Rest() != [4]byte{1, 2, 3, byte(i)} || !bytes.Equal(p.Data, payload) {
					t.Errorf("the reply is not the request's: % x, %d bytes", p.ICMP.Rest(), len(p.Data))
				}
				if p.IP.TTL() != 64 {
					t.Errorf("TTL %d, want 64", p.IP.TTL())
				}
			}
		}
	}},
	{name: "EchoBroadcast", rules: "D-ICMP-08", needs: Wires, run: func(t *testing.T, n *Machine) {
		for _, to := range []string{"10.0.0.255", "255.255.255.255", "224.0.0.1"} {
			n.Eth0.Send(ethernet(broadcastMAC, gatewayMAC, icmp("10.0.0.2", to, wire.ICMPEchoRequest, 0, [4]byte{}, nil)))
		}
		bad := icmp("10.0.0.2", "10.0.0.1", wire.ICMPEchoRequest, 0, [4]byte{}, nil)
		bad[22] ^= 1 // a wrong checksum
		n.Eth0.SendIP(bad)
		wantQuiet(t, n, n.Eth0)
	}},
	{name: "ProtocolUnreachable", rules: "D-ICMP-09", needs: Wires, run: func(t *testing.T, n *Machine) {
		d := Datagram{From: "10.0.0.2:9", To: "10.0.0.1:9", Payload: "what is this", Protocol: 253}
		n.Eth0.SendIP(d.Bytes())
		p := n.Eth0.NextICMP(t, wire.ICMPDestinationUnreachable, wire.ICMPProtocolUnreachable)
		if !bytes.Equal(p.Data, d.Bytes()) {
			t.Error("it does not quote the packet")
		}
		d.To = "10.0.0.255:9"
		n.Eth0.SendIP(d.Bytes())
		wantQuiet(t, n, n.Eth0)
	}},
	{name: "NoErrorAboutErrors", rules: "D-ICMP-10", needs: Wires, run: func(t *testing.T, n *Machine) {
		quote := Datagram{From: "10.0.0.1:4000", To: "10.0.0.2:9", Payload: "x"}.Bytes()
		n.Eth0.SendIP(icmp("10.0.0.2", "10.0.0.1", wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable, [4]byte{}, quote))
		n.Eth0.SendIP(icmp("10.0.0.2", "10.0.0.1", wire.ICMPTimeExceeded, 0, [4]byte{}, quote))
		n.Eth0.SendIP(icmp("10.0.0.2", "10.0.0.1", 99, 0, [4]byte{}, nil)) // a type nobody knows
		n.Eth0.SendIP(icmp("10.0.0.2", "10.0.0.1", wire.ICMPEchoReply, 0, [4]byte{}, nil))
		wantQuiet(t, n, n.Eth0)
	}},
	{name: "RefusedOverWire", rules: "D-ERR-01 D-ICMP-01", needs: Wires, run: func(t *testing.T, n *Machine) {
		// The whole of the error as it comes from a real peer.
		s := connected(t, n, "10.0.0.2:9")
		s.send("", "x")
		n.Eth0.SendIP(ICMPError("10.0.0.2", n.Eth0.NextUDP(t, "x"), wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable))
		s.wantErr(syscall.ECONNREFUSED)
		s.wantNothing()
		u := bound(t, n, "0.0.0.0:4000")
		u.send("10.0.0.2:9", "y")
		n.Eth0.SendIP(ICMPError("10.0.0.2", n.Eth0.NextUDP(t, "y"), wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable))
		u.wantNothing()
		u.wantOption(socket.Error, 0)
	}},
}
