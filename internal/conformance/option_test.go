//go:build linux

package conformance

import (
	"errors"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/socket"
)

var optionCases = []testCase{
	{name: "OptionDefaults", rules: "D-OPT-01", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		for o, want := range map[socket.Option]int{
			socket.ReuseAddr: 0, socket.ReusePort: 0, socket.FreeBind: 0, socket.BindInterface: 0,
			socket.Broadcast: 0, socket.NoChecksum: 0, socket.ReceiveBuffer: defaultBuffer, socket.SendBuffer: defaultBuffer,
			socket.TTL: 64, socket.TOS: 0, socket.DontFragment: 0,
			socket.MulticastTTL: 1, socket.MulticastLoopback: 1, socket.MulticastInterface: 0, socket.MulticastAll: 1,
			socket.Report: 0, socket.ReceiveErrors: 0, socket.PortRange: 0,
			socket.Error: 0, socket.NextSize: 0, socket.SendQueued: 0,
		} {
			s.wantOption(o, want)
		}
	}},
	{name: "OptionTTL", rules: "D-OPT-02 D-OPT-10", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		for _, v := range []int{1, 2, 64, 128, 255} {
			s.set(socket.TTL, v)
			s.wantOption(socket.TTL, v)
		}
		for _, v := range []int{0, 256, -2, 1000, -256} {
			s.setErr(socket.TTL, v, syscall.EINVAL)
			s.wantOption(socket.TTL, 255)
		}
		s.set(socket.TTL, -1)
		s.wantOption(socket.TTL, 64)
	}},
	{name: "OptionTOS", rules: "D-OPT-03 D-OPT-10", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		for _, v := range []int{255, 0xb8, 3, 0} {
			s.set(socket.TOS, v)
			s.wantOption(socket.TOS, v)
		}
		// The kernel takes 256 as 0; what cannot be honoured is refused.
		s.setErr(socket.TOS, 256, syscall.EINVAL)
		s.setErr(socket.TOS, -1, syscall.EINVAL)
		s.wantOption(socket.TOS, 0)
	}},
	{name: "OptionInHeader", rules: "D-OPT-04", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		c := connected(t, n, "10.0.0.2:9")
		for _, v := range []struct{ ttl, tos int }{{1, 1}, {255, 0xff}, {33, 0xb8}} {
			for _, s := range []*sock{s, c} {
				s.set(socket.TTL, v.ttl)
				s.set(socket.TOS, v.tos)
				s.send("10.0.0.2:9", "x")
				if p := n.Eth0.NextUDP(t, "x"); int(p.IP.TTL()) != v.ttl || int(p.IP.TOS()) != v.tos {
					t.Errorf("TTL %d, TOS %#x, want %d and %#x", p.IP.TTL(), p.IP.TOS(), v.ttl, v.tos)
				}
			}
		}
	}},
	{name: "OptionMulticastTTL", rules: "D-OPT-05 D-OPT-10", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		for _, v := range []int{0, 1, 255} {
			s.set(socket.MulticastTTL, v)
			s.wantOption(socket.MulticastTTL, v)
		}
		for _, v := range []int{256, -2} {
			s.setErr(socket.MulticastTTL, v, syscall.EINVAL)
			s.wantOption(socket.MulticastTTL, 255)
		}
		s.set(socket.MulticastTTL, -1)
		s.wantOption(socket.MulticastTTL, 1)
	}},
	{name: "OptionMulticastInterface", rules: "D-OPT-12 D-OPT-10", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		lo := n.Index(t, "lo")
		s.set(socket.MulticastInterface, lo)
		s.wantOption(socket.MulticastInterface, lo)
		s.setErr(socket.MulticastInterface, 9999, syscall.EADDRNOTAVAIL)
		s.setErr(socket.MulticastInterface, -1, syscall.EINVAL)
		s.wantOption(socket.MulticastInterface, lo)
		s.set(socket.MulticastInterface, 0)
		s.wantOption(socket.MulticastInterface, 0)
	}},
	{name: "OptionBooleans", rules: "D-OPT-06", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		for _, o := range []socket.Option{
			socket.ReuseAddr, socket.ReusePort, socket.FreeBind, socket.Broadcast, socket.NoChecksum,
			socket.DontFragment, socket.MulticastLoopback, socket.MulticastAll,
		} {
			for _, v := range []int{1, 0, 2, 0, -1} {
				s.set(o, v)
				s.wantOption(o, min(v*v, 1))
			}
		}
	}},
	{name: "OptionReadOnly", rules: "D-OPT-07", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		for _, o := range []socket.Option{socket.Error, socket.NextSize, socket.SendQueued, socket.PathMTU} {
			if err := s.SetOption(o, 1); err == nil {
				t.Errorf("%v can be set", o)
			} else if err != syscall.ENOPROTOOPT && !errors.Is(err, socket.ErrNotSupported) {
				t.Errorf("setting %v: %v, want ENOPROTOOPT or ErrNotSupported", o, name(err))
			}
		}
	}},
	{name: "OptionUnknown", rules: "D-OPT-08", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		for _, o := range []socket.Option{0, socket.Option(socket.Options), 255} {
			if err := s.SetOption(o, 1); err != syscall.ENOPROTOOPT && !errors.Is(err, socket.ErrNotSupported) {
				t.Errorf("setting %v: %v, want ENOPROTOOPT or ErrNotSupported", o, name(err))
			}
			if _, err := s.Option(o); err != syscall.ENOPROTOOPT && !errors.Is(err, socket.ErrNotSupported) {
				t.Errorf("reading %v: %v, want ENOPROTOOPT or ErrNotSupported", o, name(err))
			}
		}
	}},
	{name: "OptionDontFragment", rules: "D-OPT-09", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		c := connected(t, n, "10.0.0.2:9")
		for _, s := range []*sock{s, c} {
			for _, v := range []int{1, 0, 1} {
				s.set(socket.DontFragment, v)
				s.send("10.0.0.2:9", "x")
				if p := n.Eth0.NextUDP(t, "x"); p.IP.DontFragment() != (v == 1) {
					t.Errorf("with DontFragment %d DF is %v", v, p.IP.DontFragment())
				}
			}
		}
	}},
	{name: "OptionIPv6Only", rules: "D-OPT-11", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		if err := s.SetOption(socket.IPv6Only, 1); err != syscall.ENOPROTOOPT {
			t.Errorf("SetOption(IPv6Only): %v, want ENOPROTOOPT", name(err))
		}
		// To read it is EOPNOTSUPP on Linux 6.18: there is no such level.
		if _, err := s.Option(socket.IPv6Only); err == nil {
			t.Error("Option(IPv6Only) succeeded")
		}
	}},
}
