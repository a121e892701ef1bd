//go:build linux

package conformance

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// narrow lets the machine learn that a path is narrower than its link, by a socket
// of its own.
func narrow(t *testing.T, n *Machine, peer string, mtu int) {
	t.Helper()
	s := connected(t, n, peer)
	s.send("", "to be too big")
	n.Eth0.SendIP(FragmentationNeeded("10.0.0.254", n.Eth0.NextUDP(t, "to be too big"), mtu))
	settle(t, n)
}

func payloadOf(n int) string { return strings.Repeat("x", n) }

// wantWhole takes a datagram off the wire that must not be cut.
func wantWhole(t *testing.T, w *Wire, payload int, df bool) *Packet {
	t.Helper()
	p := w.Next(t)
	if p.UDP == nil || len(p.Data) != payload || p.IP.DontFragment() != df {
		t.Fatalf("got %v of %d bytes, DF %v; want a datagram of %d, DF %v", p, len(p.Raw), p.IP.DontFragment(), payload, df)
	}
	return p
}

// wantCut takes a datagram off the wire that must be cut to packets of the MTU.
func wantCut(t *testing.T, w *Wire, payload, mtu int) {
	t.Helper()
	for rest := payload + wire.UDPHeaderLen; rest > 0; {
		p := w.Next(t)
		n := len(p.Raw) - wire.IPv4HeaderLen
		most := (mtu - wire.IPv4HeaderLen) &^ 7
		if !p.IP.IsFragment() || p.IP.DontFragment() || n != min(rest, most) {
			t.Fatalf("got %v of %d bytes, DF %v; want a fragment with %d of %d bytes that are left", p, len(p.Raw), p.IP.DontFragment(), min(rest, most), rest)
		}
		rest -= n
	}
}

var pathMTUCases = []testCase{
	{name: "PathMTUOfRoute", rules: "D-PMTU-01", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		if v, err := s.Option(socket.PathMTU); err != syscall.ENOTCONN {
			t.Errorf("unconnected: %d, %v, want ENOTCONN", v, name(err))
		}
		s.connect("10.0.0.2:9")
		s.wantOption(socket.PathMTU, 1500)
		connected(t, n, "127.0.0.1:9").wantOption(socket.PathMTU, 65535)
		connected(t, n, "10.0.0.1:9").wantOption(socket.PathMTU, 65535)
		s.disconnect()
		if v, err := s.Option(socket.PathMTU); err != syscall.ENOTCONN {
			t.Errorf("disconnected: %d, %v, want ENOTCONN", v, name(err))
		}
	}},
	{name: "PathMTULearned", rules: "D-PMTU-02 D-ERR-17", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "10.0.0.2:9")
		before := connected(t, n, "10.0.0.2:10")
		before.send("", payloadOf(1400))
		wantWhole(t, n.Eth0, 1400, true)
		free := bound(t, n, "0.0.0.0:0")
		free.send("10.0.0.2:11", payloadOf(1400))
		wantWhole(t, n.Eth0, 1400, true)

		s.send("", payloadOf(1400))
		n.Eth0.SendIP(FragmentationNeeded("10.0.0.254", wantWhole(t, n.Eth0, 1400, true), 1000))
		s.wantErr(syscall.EMSGSIZE)
		s.wantNothing()
		s.wantOption(socket.PathMTU, 1000)
		before.wantNothing()
		free.wantNothing()
		// What is longer is cut, by everybody; what fits may not be.
		for i, x := range []*sock{s, before, free} {
			to := ""
			if x == free {
				to = "10.0.0.2:11"
			}
			x.send(to, payloadOf(1400))
			wantCut(t, n.Eth0, 1400, 1000)
			x.send(to, payloadOf(972))
			wantWhole(t, n.Eth0, 972, true)
			if i < 2 {
				x.wantOption(socket.PathMTU, 1000)
			}
		}
		connected(t, n, "10.0.0.2:77").wantOption(socket.PathMTU, 1000)
		connected(t, n, "10.0.0.3:9").wantOption(socket.PathMTU, 1500)
	}},
	{name: "PathMTUOnlyLess", rules: "D-PMTU-04", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "10.0.0.2:9")
		s.send("", "x")
		p := n.Eth0.NextUDP(t, "x")
		for _, c := range []struct{ said, want int }{{1600, 1500}, {1500, 1500}, {1400, 1400}, {1450, 1400}, {1000, 1000}, {1001, 1000}, {552, 552}} {
			n.Eth0.SendIP(FragmentationNeeded("10.0.0.254", p, c.said))
			settle(t, n)
			s.wantErr(syscall.EMSGSIZE)
			s.send("", "y")
			n.Eth0.NextUDP(t, "y")
			if got := s.get(socket.PathMTU); got != c.want {
				t.Errorf("said to be %d, the path MTU is %d, want %d", c.said, got, c.want)
			}
		}
	}},
	{name: "PathMTULeast", rules: "D-PMTU-05", needs: Wires, run: func(t *testing.T, n *Machine) {
		for i, said := range []int{551, 68, 1, 0} {
			to := fmt.Sprintf("10.0.0.%d:9", 20+i)
			narrow(t, n, to, said)
			s := connected(t, n, to)
			s.wantOption(socket.PathMTU, 552)
			s.send("", payloadOf(524))
			p := wantWhole(t, n.Eth0, 524, false) // it may be cut further on
			s.send("", payloadOf(525))
			wantCut(t, n.Eth0, 525, 552)
			s.set(socket.DontFragment, 1)
			s.send("", payloadOf(524))
			wantWhole(t, n.Eth0, 524, true)
			s.sendErr("", payloadOf(525), syscall.EMSGSIZE)
			n.Eth0.SendIP(FragmentationNeeded("10.0.0.254", p, 400))
			s.wantErr(syscall.EMSGSIZE)
			s.wantOption(socket.PathMTU, 552)
		}
	}},
	{name: "PathMTUWays", rules: "D-PMTU-06 D-PMTU-07 D-OPT-09", needs: Wires, run: func(t *testing.T, n *Machine) {
		narrow(t, n, "10.0.0.2:9", 1000)
		for _, c := range []struct {
			way     socket.Discovery
			df      bool // of what fits
			mtu     int  // that counts
			refuses bool
		}{
			{socket.DiscoveryOff, false, 1000, false},
			{socket.DiscoveryWant, true, 1000, false},
			{socket.DiscoveryOn, true, 1000, true},
			{socket.DiscoveryProbe, true, 1500, true},
			{socket.DiscoveryInterface, false, 1500, true},
			{socket.DiscoveryOmit, false, 1500, false},
		} {
			t.Run(c.way.String(), func(t *testing.T) {
				for _, peer := range []string{"", "10.0.0.2:9"} {
					s := open(t, n)
					s.t = t
					s.set(socket.MTUDiscovery, int(c.way))
					s.wantOption(socket.MTUDiscovery, int(c.way))
					on := 0
					if c.way == socket.DiscoveryOn || c.way == socket.DiscoveryProbe {
						on = 1
					}
					s.wantOption(socket.DontFragment, on)
					to := "10.0.0.2:9"
					if peer != "" {
						s.connect(peer)
						to = ""
						s.wantOption(socket.PathMTU, 1000) // whatever counts
					}
					for _, fits := range []int{900, c.mtu - 28} {
						s.send(to, payloadOf(fits))
						wantWhole(t, n.Eth0, fits, c.df)
					}
					over := c.mtu - 27
					if c.refuses {
						s.sendErr(to, payloadOf(over), syscall.EMSGSIZE)
					} else {
						s.send(to, payloadOf(over))
						wantCut(t, n.Eth0, over, c.mtu)
					}
				}
			})
		}
		s := open(t, n)
		s.wantOption(socket.MTUDiscovery, int(socket.DiscoveryWant))
		s.setErr(socket.MTUDiscovery, 6, syscall.EINVAL)
		s.setErr(socket.MTUDiscovery, -1, syscall.EINVAL)
		s.set(socket.DontFragment, 1)
		s.wantOption(socket.MTUDiscovery, int(socket.DiscoveryOn))
		s.set(socket.DontFragment, 0)
		s.wantOption(socket.MTUDiscovery, int(socket.DiscoveryOff))
	}},
	{name: "PathMTUBelief", rules: "D-PMTU-08", needs: Wires, run: func(t *testing.T, n *Machine) {
		for i, c := range []struct {
			way     socket.Discovery
			told    error
			learned int
		}{
			{socket.DiscoveryOff, syscall.EAGAIN, 1000},
			{socket.DiscoveryWant, syscall.EMSGSIZE, 1000},
			{socket.DiscoveryOn, syscall.EMSGSIZE, 1000},
			{socket.DiscoveryProbe, syscall.EMSGSIZE, 1000},
			{socket.DiscoveryInterface, syscall.EMSGSIZE, 1500},
			{socket.DiscoveryOmit, syscall.EMSGSIZE, 1500},
		} {
			to := fmt.Sprintf("10.0.0.%d:9", 20+i)
			s := open(t, n)
			s.set(socket.MTUDiscovery, int(c.way))
			s.connect(to)
			s.send("", "x")
			n.Eth0.SendIP(FragmentationNeeded("10.0.0.254", n.Eth0.NextUDP(t, "x"), 1000))
			settle(t, n)
			if _, err := s.TryRecv(make([]socket.Message, 1)); err != c.told {
				t.Errorf("%v: told %v, want %v", c.way, name(err), name(c.told))
			}
			if got := connected(t, n, to).get(socket.PathMTU); got != c.learned {
				t.Errorf("%v: the path MTU is %d, want %d", c.way, got, c.learned)
			}
		}
	}},
	{name: "PathMTUForged", rules: "D-PMTU-09 D-ERR-08", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "10.0.0.2:9")
		s.send("", "x")
		n.Eth0.NextUDP(t, "x")
		local := s.local()
		quoting := func(from, to string, protocol wire.Protocol) []byte {
			q := Datagram{From: from, To: to, Payload: "x", Protocol: protocol}.Bytes()
			return icmp("10.0.0.254", "10.0.0.1", wire.ICMPDestinationUnreachable, wire.ICMPFragmentationNeeded, [4]byte{0, 0, 3, 0xe8}, q[:28])
		}
		short := quoting(local, "10.0.0.2:9", 0)
		bad := quoting(local, "10.0.0.2:9", 0)
		bad[22] ^= 1
		for _, q := range [][]byte{
			quoting(local, "10.0.0.2:10", 0),
			quoting(local, "10.0.0.3:9", 0),
			quoting("10.0.0.7:"+fmt.Sprint(s.port()), "10.0.0.2:9", 0),
			quoting(at("10.0.0.1", s.port()^1), "10.0.0.2:9", 0),
			quoting(local, "10.0.0.2:9", wire.ProtocolTCP),
			quoting("10.0.0.9:9", "10.0.0.2:9", 0),
			short[:len(short)-1],
			bad,
		} {
			n.Eth0.SendIP(q)
		}
		s.wantNothing()
		s.send("", "y")
		n.Eth0.NextUDP(t, "y")
		for _, peer := range []string{"10.0.0.2:9", "10.0.0.3:9"} {
			connected(t, n, peer).wantOption(socket.PathMTU, 1500)
		}
		// The one that is right.
		n.Eth0.SendIP(quoting(local, "10.0.0.2:9", 0))
		s.wantErr(syscall.EMSGSIZE)
		connected(t, n, "10.0.0.2:9").wantOption(socket.PathMTU, 1000)
	}},
	{name: "PathMTUUnconnected", rules: "D-PMTU-02 D-ERR-05", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "0.0.0.0:0")
		s.send("198.51.100.1:9", payloadOf(1400))
		n.Eth0.SendIP(FragmentationNeeded("10.0.0.254", wantWhole(t, n.Eth0, 1400, true), 1000))
		s.wantNothing()
		s.send("198.51.100.1:9", payloadOf(1400))
		wantCut(t, n.Eth0, 1400, 1000)
		s.send("198.51.100.2:9", payloadOf(1400)) // by the same gateway
		wantWhole(t, n.Eth0, 1400, true)
		s.set(socket.DontFragment, 1)
		s.sendErr("198.51.100.1:9", payloadOf(973), syscall.EMSGSIZE)
		s.send("198.51.100.1:9", payloadOf(972))
		wantWhole(t, n.Eth0, 972, true)
	}},
	{name: "PathMTUExpires", rules: "D-PMTU-03", needs: Wires | BriefPaths, slow: true, run: func(t *testing.T, n *Machine) {
		narrow(t, n, "10.0.0.2:9", 1000)
		s := connected(t, n, "10.0.0.2:9")
		s.wantOption(socket.PathMTU, 1000)
		s.send("", payloadOf(1400))
		wantCut(t, n.Eth0, 1400, 1000)
		n.Elapse(n.PathLife + n.PathLife/10)
		s.send("", payloadOf(1400))
		wantWhole(t, n.Eth0, 1400, true)
		s.wantOption(socket.PathMTU, 1500)
	}},
	{name: "PathMTURefreshed", rules: "D-PMTU-03", needs: Wires | BriefPaths, slow: true, run: func(t *testing.T, n *Machine) {
		narrow(t, n, "10.0.0.2:9", 1000)
		n.Elapse(n.PathLife * 3 / 4)
		narrow(t, n, "10.0.0.2:9", 1000)
		n.Elapse(n.PathLife * 3 / 4)
		connected(t, n, "10.0.0.2:9").wantOption(socket.PathMTU, 1000)
		n.Elapse(n.PathLife/2 + time.Second/10)
		connected(t, n, "10.0.0.2:9").wantOption(socket.PathMTU, 1500)
	}},
	{name: "PathMTUTrain", rules: "D-PMTU-10", needs: Wires, run: func(t *testing.T, n *Machine) {
		narrow(t, n, "10.0.0.2:9", 1000)
		s := connected(t, n, "10.0.0.2:9")
		// Of a train that is longer than the MTU, if not its segments, Linux
		// thinks by default that it is going to be cut.
		s.set(socket.DontFragment, 1)
		train := func(size, segment int) error {
			return s.trySend(socket.Message{Buf: []byte(payloadOf(size)), Set: socket.FieldSegmentSize, SegmentSize: uint16(segment)})
		}
		if err := train(2000, 973); err != syscall.EMSGSIZE {
			t.Errorf("segments over the path MTU: %v, want EMSGSIZE", name(err))
		}
		if err := train(2000, 972); err != nil {
			t.Errorf("segments of the path MTU: %v", name(err))
		}
		for _, k := range []int{972, 972, 56} {
			wantWhole(t, n.Eth0, k, true)
		}
	}},
}
