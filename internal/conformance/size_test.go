//go:build linux

package conformance

import (
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/socket"
)

var sizeCases = []testCase{
	{name: "SizeLargest", rules: "D-SIZE-01", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		s := open(t, n)
		payload := strings.Repeat("0123456789abcdef", 4096)[:65507]
		s.send(r.local(), payload)
		if m := r.want(payload); m.Len != 65507 {
			t.Errorf("Len is %d, want 65507", m.Len)
		}
		s.sendErr(r.local(), payload+"x", syscall.EMSGSIZE)
		s.sendErr(r.local(), strings.Repeat("x", 70000), syscall.EMSGSIZE)
		s.connect(r.local())
		s.sendErr("", payload+"x", syscall.EMSGSIZE)
		r.wantNothing()
	}},
	{name: "SizeEverySmall", rules: "D-SIZE-01 D-RECV-01", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		s := open(t, n)
		for _, size := range []int{0, 1, 2, 3, 7, 8, 9, 63, 64, 65, 511, 512, 1399, 1400, 1471, 1472, 1473, 2047, 2048, 9000, 16383, 32768, 65500} {
			payload := strings.Repeat("q", size)
			s.send(r.local(), payload)
			r.want(payload)
		}
	}},
	{name: "SizeDontFragment", rules: "D-SIZE-02", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.set(socket.DontFragment, 1)
		fits := strings.Repeat("x", wireMTU-28)
		s.send("10.0.0.2:9", fits)
		if p := n.Eth0.NextUDP(t, fits); !p.IP.DontFragment() {
			t.Error("DF is not set")
		}
		s.sendErr("10.0.0.2:9", fits+"x", syscall.EMSGSIZE)
		s.connect("10.0.0.2:9")
		s.sendErr("", fits+"x", syscall.EMSGSIZE)
		s.send("", fits)
		n.Eth0.NextUDP(t, fits)
		wantQuiet(t, n, n.Eth0)
	}},
	{name: "SizeNoDestination", rules: "D-SIZE-03", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.sendErr("", "x", syscall.EDESTADDRREQ)
		s.wantLocalAddr("0.0.0.0")
		if s.port() == 0 {
			t.Error("the send did not bind")
		}
	}},
	{name: "SizePortZero", rules: "D-SIZE-04", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.sendErr("127.0.0.1:0", "x", syscall.EINVAL)
		if s.port() == 0 {
			t.Error("the send did not bind")
		}
	}},
	{name: "SizeOtherFamily", rules: "D-SIZE-05", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.sendErr("[::1]:9", "x", syscall.EAFNOSUPPORT)
		s.sendErr("[::ffff:127.0.0.1]:9", "x", syscall.EAFNOSUPPORT)
		s.send("127.0.0.1:9", "x")
	}},
	{name: "SizeInvalidAddress", rules: "D-SIZE-05", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		if err := s.trySend(socket.Message{Buf: []byte("x"), Addr: netip.AddrPortFrom(netip.Addr{}, 9)}); err == nil {
			t.Error("a send to no address, port 9, succeeded")
		}
	}},
	{name: "SizeBindsFirst", rules: "D-SIZE-09 D-BIND-19", run: func(t *testing.T, n *Machine) {
		for what, f := range map[string]func(s *sock) error{
			"EMSGSIZE":     func(s *sock) error { return s.try("127.0.0.1:9", strings.Repeat("x", 66000)) },
			"EAFNOSUPPORT": func(s *sock) error { return s.try("[::1]:9", "x") },
			"EACCES":       func(s *sock) error { return s.try("127.255.255.255:9", "x") },
			"EINVAL":       func(s *sock) error { return s.try("127.0.0.1:0", "x") },
			"EDESTADDRREQ": func(s *sock) error { return s.try("", "x") },
			"EPIPE": func(s *sock) error {
				_ = s.Shutdown(socket.ShutWrite)
				return s.try("127.0.0.1:9", "x")
			},
		} {
			s := open(t, n)
			if err := f(s); name(err) != what {
				t.Errorf("got %v, want %s", name(err), what)
			}
			if s.port() == 0 {
				t.Errorf("a send that ends with %s does not bind", what)
			}
		}
	}},
	{name: "SizeToUnspecified", rules: "D-SIZE-07", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		s := open(t, n)
		s.send(at("0.0.0.0", r.port()), "x")
		r.wantFrom("x", at("127.0.0.1", s.port()))
	}},
	{name: "SizeBeforeRoute", rules: "D-SIZE-08", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.sendErr("203.0.113.1:9", strings.Repeat("x", 70000), syscall.EMSGSIZE)
		s.sendErr("203.0.113.1:0", strings.Repeat("x", 70000), syscall.EMSGSIZE)
	}},
}
