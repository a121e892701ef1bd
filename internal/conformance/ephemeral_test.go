//go:build linux

package conformance

import (
	"fmt"
	"math/bits"
	"os"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/socket"
)

// portRange is a value of the option PortRange.
func portRange(low, high int) int { return low | high<<16 }

var ephemeralCases = []testCase{
	{name: "EphemeralRange", rules: "D-EPHEM-01 D-EPHEM-02", run: func(t *testing.T, n *Machine) {
		low, high := 32768, 60999
		if n.Kind == Host {
			low, high = hostPorts(t) // this machine's may have been changed
		}
		// 400 ports over 16 equal parts of the range: 25 a part are expected.
		// A part with none has a chance of 6e-11 a part.
		const ports, parts = 400, 16
		var part [parts]int
		odd, inSuccession := 0, 0
		last := 0
		for range ports {
			s := bound(t, n, "127.0.0.1:0")
			p := int(s.port())
			s.Close()
			if p < low || p > high {
				t.Fatalf("port %d is outside %d to %d", p, low, high)
			}
			part[(p-low)*parts/(high-low+1)]++
			odd += p & 1
			if p == last+1 || p == last+2 {
				inSuccession++
			}
			last = p
		}
		for i, c := range part {
			if c == 0 || c > 70 {
				t.Errorf("part %d of %d of the range was picked %d times of %d", i, parts, c, ports)
			}
		}
		if odd < ports/4 || odd > 3*ports/4 {
			t.Errorf("%d of %d ports were odd", odd, ports)
		}
		if inSuccession > 10 {
			t.Errorf("%d of %d ports followed their predecessor", inSuccession, ports)
		}
	}},
	{name: "EphemeralImplicit", rules: "D-EPHEM-01 D-EPHEM-02", needs: Wires, run: func(t *testing.T, n *Machine) {
		var seen uint64
		for i := range 64 {
			s := open(t, n)
			if i%2 == 0 {
				s.send("127.0.0.1:9", "x")
			} else {
				s.connect("127.0.0.1:9")
			}
			p := int(s.port())
			if p < 32768 || p > 60999 {
				t.Fatalf("port %d is outside the range", p)
			}
			seen |= 1 << ((p - 32768) * 64 / 28232)
		}
		if bits.OnesCount64(seen) < 25 { // 40.5 are expected, with a deviation of 3
			t.Errorf("64 ports lay in %d of 64 parts of the range", bits.OnesCount64(seen))
		}
	}},
	{name: "EphemeralSocketRange", rules: "D-EPHEM-03", needs: Wires, run: func(t *testing.T, n *Machine) {
		for _, how := range []string{"Bind", "TrySend", "Connect"} {
			seen := map[uint16]bool{}
			var all []*sock
			for range 16 {
				s := open(t, n)
				s.set(socket.PortRange, portRange(40000, 40015))
				s.wantOption(socket.PortRange, portRange(40000, 40015))
				switch how {
				case "Bind":
					s.bind("127.0.0.1:0")
				case "TrySend":
					s.send("127.0.0.1:9", "x")
				case "Connect":
					s.connect("127.0.0.1:9")
				}
				if p := s.port(); p < 40000 || p > 40015 || seen[p] {
					t.Errorf("%s picked %d, of 40000 to 40015 without %v", how, p, seen)
				}
				seen[s.port()] = true
				all = append(all, s)
			}
			// Every port was found, odd and even.
			if len(seen) != 16 {
				t.Errorf("%s found %d of 16 ports", how, len(seen))
			}
			for _, s := range all {
				s.Close()
			}
		}
	}},
	{name: "EphemeralRangeInvalid", rules: "D-EPHEM-04 D-OPT-10", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.set(socket.PortRange, portRange(40000, 40010))
		s.setErr(socket.PortRange, portRange(40010, 40000), syscall.EINVAL)
		s.wantOption(socket.PortRange, portRange(40000, 40010))
		s.set(socket.PortRange, 0)
		s.wantOption(socket.PortRange, 0)
	}},
	{name: "EphemeralRangeEnds", rules: "D-EPHEM-05", needs: Wires, run: func(t *testing.T, n *Machine) {
		for _, tc := range []struct{ low, high, wantLow, wantHigh int }{
			{60990, 0, 60990, 60999},
			{0, 32780, 32768, 32780},
			{1000, 32780, 32768, 32780},
			{60990, 65000, 60990, 60999},
			{1000, 2000, 32768, 60999},
			{61000, 65000, 32768, 60999},
		} {
			for range 8 {
				s := open(t, n)
				s.set(socket.PortRange, portRange(tc.low, tc.high))
				s.bind("127.0.0.1:0")
				if p := int(s.port()); p < tc.wantLow || p > tc.wantHigh {
					t.Errorf("with the range %d to %d port %d was picked, want one of %d to %d",
						tc.low, tc.high, p, tc.wantLow, tc.wantHigh)
				}
				s.Close()
			}
		}
	}},
	{name: "EphemeralReserved", rules: "D-EPHEM-06", needs: Wires | Reserved, run: func(t *testing.T, n *Machine) {
		for range 20 {
			s := open(t, n)
			s.set(socket.PortRange, portRange(ReservedPort, ReservedPort+1))
			s.bind("127.0.0.1:0")
			if s.port() == ReservedPort {
				t.Fatalf("the reserved port was picked")
			}
			s.Close()
		}
		s := open(t, n)
		s.set(socket.PortRange, portRange(ReservedPort, ReservedPort))
		s.bindErr("127.0.0.1:0", syscall.EADDRINUSE)
		bound(t, n, at("127.0.0.1", ReservedPort))
	}},
	{name: "EphemeralExhausted", rules: "D-EPHEM-07 D-EPHEM-08 D-EPHEM-11", needs: Wires, run: func(t *testing.T, n *Machine) {
		open4 := func() *sock {
			s := open(t, n)
			s.set(socket.PortRange, portRange(40000, 40003))
			return s
		}
		var all []*sock
		for range 4 {
			s := open4()
			s.bind("0.0.0.0:0")
			all = append(all, s)
		}
		s := open4()
		s.bindErr("0.0.0.0:0", syscall.EADDRINUSE)
		s.bindErr("127.0.0.1:0", syscall.EADDRINUSE)
		s.sendErr("127.0.0.1:9", "x", syscall.EAGAIN)
		s.connectErr("127.0.0.1:9", syscall.EAGAIN)
		s.wantLocal("0.0.0.0:0")
		s.wantNoPeer()
		freed := all[2].port()
		all[2].Close()
		s.send("127.0.0.1:9", "x")
		if s.port() != freed {
			t.Errorf("port %d was picked, want %d, the one that was freed", s.port(), freed)
		}
	}},
	{name: "EphemeralOtherAddress", rules: "D-EPHEM-09", needs: Wires, run: func(t *testing.T, n *Machine) {
		one := func(addr string) *sock {
			s := open(t, n)
			s.set(socket.PortRange, portRange(40000, 40000))
			s.bind(addr)
			return s
		}
		one("127.0.0.1:0").wantLocal("127.0.0.1:40000")
		one("127.0.0.2:0").wantLocal("127.0.0.2:40000")
		one("10.0.0.1:0").wantLocal("10.0.0.1:40000")
		s := open(t, n)
		s.set(socket.PortRange, portRange(40000, 40000))
		s.bindErr("127.0.0.1:0", syscall.EADDRINUSE)
		s.bindErr("0.0.0.0:0", syscall.EADDRINUSE)
	}},
	{name: "EphemeralShared", rules: "D-EPHEM-10", needs: Wires, run: func(t *testing.T, n *Machine) {
		share := func(o socket.Option) *sock {
			s := open(t, n)
			s.set(o, 1)
			s.set(socket.PortRange, portRange(40000, 40000))
			return s
		}
		share(socket.ReuseAddr).bind("127.0.0.1:0")
		share(socket.ReuseAddr).bind("127.0.0.1:0")
		share(socket.ReusePort).bindErr("127.0.0.1:0", syscall.EADDRINUSE)
		// ReusePort shares a port that is named, and is not given one that is
		// taken.
		share(socket.ReusePort).bind("127.0.0.2:0")
		share(socket.ReusePort).bind("127.0.0.2:0")
	}},
}

// hostPorts returns the system's range.
func hostPorts(t *testing.T) (low, high int) {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(b), &low, &high); err != nil {
		t.Fatalf("%q: %v", b, err)
	}
	return low, high
}
