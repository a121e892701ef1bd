//go:build linux

package conformance

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/socket"
)

// open6 makes an IPv6 socket.
func open6(t *testing.T, n *Machine) *sock {
	t.Helper()
	s, err := n.Open(socket.IPv6)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return &sock{s, t, n}
}

// bound6 makes an IPv6 socket with options and binds it.
func bound6(t *testing.T, n *Machine, addr string, options ...socket.Option) *sock {
	t.Helper()
	s := open6(t, n)
	for _, o := range options {
		s.set(o, 1)
	}
	s.bind(addr)
	return s
}

// at6 returns addr with the port.
func at6(addr string, port uint16) string { return fmt.Sprintf("[%s]:%d", addr, port) }

// Addresses of a machine with IPv6.
const (
	own6    = "2001:db8::1"
	near6   = "2001:db8::b"      // on eth0's link
	far6    = "2001:db8:ffff::1" // no route
	scoped6 = machine6 + "%eth0"
)

const speaksIPv6 = Wires | IPv6

var ipv6Cases = []testCase{
	{name: "IPv6Defaults", rules: "D-SIX-01", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		s := open6(t, n)
		s.wantLocal("[::]:0")
		s.wantNoPeer()
		s.wantOption(socket.IPv6Only, 0)
		s.wantOption(socket.TTL, 64)
		s.wantOption(socket.TOS, 0)
		s.wantOption(socket.MulticastTTL, 1)
		s.wantOption(socket.MulticastLoopback, 1)
		s.wantOption(socket.MulticastAll, 1)
		s.wantOption(socket.MTUDiscovery, int(socket.DiscoveryWant))
	}},
	{name: "IPv6BindTwice", rules: "D-SIX-02", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		s := bound6(t, n, "[::1]:0")
		was := s.local()
		s.bindErr("[::1]:0", syscall.EINVAL)
		s.bindErr("[::]:0", syscall.EINVAL)
		// The state is looked at before the address.
		s.bindErr("["+far6+"]:0", syscall.EINVAL)
		s.wantLocal(was)
	}},
	{name: "IPv6BindForeign", rules: "D-SIX-03", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		s := open6(t, n)
		s.bindErr("["+near6+"]:0", syscall.EADDRNOTAVAIL)
		s.bindErr("["+far6+"]:7777", syscall.EADDRNOTAVAIL)
		s.bindErr("[::ffff:192.0.2.200]:0", syscall.EADDRNOTAVAIL)
		s.wantLocal("[::]:0")
		s.bind("[" + own6 + "]:0")
		s.wantLocalAddr(own6)
		free := bound6(t, n, "["+far6+"]:0", socket.FreeBind)
		free.wantLocalAddr(far6)
	}},
	{name: "IPv6BindFamily", rules: "D-SIX-04", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		s := open6(t, n)
		s.bindErr("127.0.0.1:0", syscall.EAFNOSUPPORT)
		s.bind("[::ffff:127.0.0.1]:0")
		s.wantLocalAddr("::ffff:127.0.0.1")
		s.wantOption(socket.IPv6Only, 0)
		open(t, n).bindErr("[::1]:0", syscall.EAFNOSUPPORT)
		any4 := bound6(t, n, "[::ffff:0.0.0.0]:4000")
		any4.wantLocal("[::ffff:0.0.0.0]:4000")
		from := bound(t, n, "127.0.0.1:0")
		from.send("127.0.0.1:4000", "v4")
		any4.want("v4")
		from6 := bound6(t, n, "[::1]:0")
		from6.send("[::1]:4000", "v6")
		n.Settle(t)
		any4.wantNothing()
	}},
	{name: "IPv6BindMakesOnly", rules: "D-SIX-05", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		s := bound6(t, n, "[::1]:0")
		s.wantOption(socket.IPv6Only, 1)
		s.sendErr("[::ffff:127.0.0.1]:9", "x", syscall.ENETUNREACH)
		s.sendErr("127.0.0.1:9", "x", syscall.ENETUNREACH)
		bound6(t, n, "[::]:0").wantOption(socket.IPv6Only, 0)
		bound6(t, n, "[ff02::1%eth0]:0").wantOption(socket.IPv6Only, 1)
		// A bind that fails does not.
		failed := open6(t, n)
		failed.bindErr(s.local(), syscall.EADDRINUSE)
		failed.wantOption(socket.IPv6Only, 0)
	}},
	{name: "IPv6OnlyBeforeBind", rules: "D-BIND-21 D-BIND-22", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		s := open6(t, n)
		s.set(socket.IPv6Only, 1)
		s.bindErr("[::ffff:127.0.0.1]:0", syscall.EINVAL)
		s.bind("[::]:0")
		s.setErr(socket.IPv6Only, 0, syscall.EINVAL)
		s.setErr(socket.IPv6Only, 1, syscall.EINVAL)
		s.wantOption(socket.IPv6Only, 1)
	}},
	{name: "IPv6BindScope", rules: "D-BIND-20 D-SIX-06", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		index := n.Index(t, "eth0")
		s := open6(t, n)
		s.bindErr("["+machine6+"]:0", syscall.EINVAL)
		s.bindErr("[ff02::fb]:0", syscall.EINVAL)
		s.bindErr("["+machine6+"%nosuch0]:0", syscall.ENODEV)
		s.bindErr("["+machine6+"%lo]:0", syscall.EADDRNOTAVAIL)
		s.wantOption(socket.BindInterface, n.Index(t, "lo"))
		s.bind("[" + scoped6 + "]:4000")
		s.wantLocal("[" + scoped6 + "]:4000")
		s.wantOption(socket.BindInterface, index)
		by := open6(t, n)
		by.bind(fmt.Sprintf("[%s%%%d]:4001", machine6, index)) // by number
		by.wantLocal("[" + scoped6 + "]:4001")
		wide := open6(t, n)
		wide.bind("[ff0e::1]:4002")
		wide.wantOption(socket.BindInterface, 0)
		device := open6(t, n)
		device.set(socket.BindInterface, index)
		device.bind("[" + machine6 + "]:4003")
		device.wantLocal("[" + scoped6 + "]:4003")
	}},
	{name: "IPv6DualConflicts", rules: "D-BIND-23 D-SIX-07", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		port := uint16(5000)
		try := func(first, second string, only1, only2 bool, want error) {
			t.Helper()
			port++
			mk := func(addr string, only bool) *sock {
				if netip.MustParseAddr(addr).Is4() {
					return open(t, n)
				}
				s := open6(t, n)
				if only {
					s.set(socket.IPv6Only, 1)
				}
				return s
			}
			full := func(addr string) string {
				return netip.AddrPortFrom(netip.MustParseAddr(addr), port).String()
			}
			for range 2 { // either way round
				a, b := mk(first, only1), mk(second, only2)
				a.bind(full(first))
				if err := b.Bind(addrPort(full(second))); err != want {
					t.Errorf("%s (only %v), then %s (only %v): %v, want %v", first, only1, second, only2, name(err), name(want))
				}
				a.Close()
				b.Close()
				first, second, only1, only2 = second, first, only2, only1
				port++
			}
		}
		inUse := error(syscall.EADDRINUSE)
		try("::", "0.0.0.0", false, false, inUse)
		try("::", "0.0.0.0", true, false, nil)
		try("::", "127.0.0.1", false, false, inUse)
		try("::", "127.0.0.1", true, false, nil)
		try("::", "::1", false, false, inUse)
		try("::", "::1", true, false, inUse)
		try("::", "::", true, false, inUse)
		try("::", "::ffff:127.0.0.1", false, false, inUse)
		try("::", "::ffff:127.0.0.1", true, false, nil)
		try("::1", "0.0.0.0", false, false, nil)
		try("::1", own6, false, false, nil)
		try("::ffff:127.0.0.1", "127.0.0.1", false, false, inUse)
		try("::ffff:127.0.0.1", "0.0.0.0", false, false, inUse)
		try("::ffff:0.0.0.0", "::1", false, false, nil)
		try("::ffff:0.0.0.0", "127.0.0.1", false, false, inUse)
	}},
	{name: "IPv6DualReuse", rules: "D-SIX-07 D-LOOKUP-08", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		for _, dualFirst := range []bool{true, false} {
			var dual, v4 *sock
			if dualFirst {
				dual = bound6(t, n, "[::]:4000", socket.ReuseAddr)
			}
			v4 = bound(t, n, "0.0.0.0:4000", socket.ReuseAddr)
			if !dualFirst {
				dual = bound6(t, n, "[::]:4000", socket.ReuseAddr)
			}
			from4, from6 := bound(t, n, "127.0.0.1:0"), bound6(t, n, "[::1]:0")
			from4.send("127.0.0.1:4000", "v4")
			v4.want("v4")
			from6.send("[::1]:4000", "v6")
			dual.want("v6")
			v4.Close()
			from4.send("127.0.0.1:4000", "v4 again")
			if m := dual.want("v4 again"); m.Addr != addrPort(at6("::ffff:127.0.0.1", from4.port())) {
				t.Errorf("from %v", m.Addr)
			}
			dual.Close()
		}
		// A wish for an interface goes before the family.
		v4 := bound(t, n, "0.0.0.0:4000", socket.ReuseAddr)
		dual := open6(t, n)
		dual.set(socket.ReuseAddr, 1)
		dual.set(socket.BindInterface, n.Index(t, "eth0"))
		dual.bind("[::]:4000")
		n.Eth0.SendUDP("10.0.0.2:9", "10.0.0.1:4000", "by eth0")
		dual.want("by eth0")
		v4.wantNothing()
	}},
	{name: "IPv6ConnectPicksSource", rules: "D-SIX-08", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		for peer, want := range map[string]string{
			"[::1]:9": "::1", "[" + own6 + "]:9": own6, "[" + near6 + "]:9": own6,
			"[fe80::b%eth0]:9": scoped6, "[" + scoped6 + "]:9": scoped6,
			"[::ffff:127.0.0.1]:9": "::ffff:127.0.0.1", "[::ffff:10.0.0.2]:9": "::ffff:10.0.0.1",
		} {
			s := open6(t, n)
			s.connect(peer)
			s.wantLocalAddr(want)
			s.wantPeer(peer)
		}
		s := open6(t, n)
		s.connect("[::]:9")
		s.wantLocalAddr("::1")
		s.wantPeer("[::1]:9")
		mapped := bound6(t, n, "[::ffff:127.0.0.1]:0")
		mapped.connect("[::]:9")
		mapped.wantPeer("[::ffff:127.0.0.1]:9")
		plain := open6(t, n)
		plain.connect("127.0.0.1:9")
		plain.wantPeer("[::ffff:127.0.0.1]:9")
	}},
	{name: "IPv6ConnectErrors", rules: "D-SIX-09", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		s := open6(t, n)
		s.connectErr("["+far6+"]:9", syscall.ENETUNREACH)
		s.wantNoPeer()
		if s.port() == 0 {
			t.Error("a connect that fails has not bound the socket")
		}
		s.connectErr("[fe80::b]:9", syscall.EINVAL)
		s.connectErr("[fe80::b%nosuch0]:9", syscall.ENODEV)
		only := open6(t, n)
		only.set(socket.IPv6Only, 1)
		only.connectErr("[::ffff:127.0.0.1]:9", syscall.ENETUNREACH)
		only.connectErr("127.0.0.1:9", syscall.EAFNOSUPPORT)
		device := open6(t, n)
		device.set(socket.BindInterface, n.Index(t, "eth1"))
		device.connectErr("[fe80::b%eth0]:9", syscall.EINVAL)
		open(t, n).connectErr("[::1]:9", syscall.EAFNOSUPPORT)
	}},
	{name: "IPv6ConnectScopeBinds", rules: "D-SIX-06", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		s := open6(t, n)
		s.connect("[fe80::b%eth0]:9")
		s.wantOption(socket.BindInterface, n.Index(t, "eth0"))
		s.disconnect()
		s.wantOption(socket.BindInterface, 0)
		s.wantLocalAddr("::")
	}},
	{name: "IPv6Disconnect", rules: "D-SIX-10", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		s := bound6(t, n, "[::]:4000")
		from := bound6(t, n, "[::1]:0")
		s.connect("[::1]:9")
		s.wantLocal("[::1]:4000")
		from.send("[::1]:4000", "not the peer")
		n.Settle(t)
		s.wantNothing()
		s.disconnect()
		s.wantLocal("[::]:4000")
		from.send("[::1]:4000", "anybody")
		s.want("anybody")
		s.connect("[::ffff:127.0.0.1]:9")
		s.wantLocal("[::ffff:127.0.0.1]:4000")
		s.disconnect()
		s.wantLocal("[::]:4000")
		implicit := open6(t, n)
		implicit.connect("[::1]:9")
		implicit.disconnect()
		implicit.wantLocal("[::]:0")
	}},
	{name: "IPv6Send", rules: "D-SIX-11", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		server := bound6(t, n, "[::]:4000")
		s := open6(t, n)
		s.send("[::1]:4000", "one")
		if m := server.want("one"); m.Addr != addrPort(at6("::1", s.port())) {
			t.Errorf("from %v", m.Addr)
		}
		s.send("["+own6+"]:4000", "two")
		if m := server.want("two"); m.Addr != addrPort(at6(own6, s.port())) {
			t.Errorf("from %v", m.Addr)
		}
		s.send("["+scoped6+"]:4000", "three")
		if m := server.want("three"); m.Addr != addrPort(at6(scoped6, s.port())) {
			t.Errorf("from %v", m.Addr)
		}
		s.send("[::]:4000", "four") // to oneself
		if m := server.want("four"); m.Addr != addrPort(at6("::1", s.port())) {
			t.Errorf("from %v", m.Addr)
		}
		s.send("[::ffff:127.0.0.1]:4000", "five")
		if m := server.want("five"); m.Addr != addrPort(at6("::ffff:127.0.0.1", s.port())) {
			t.Errorf("from %v", m.Addr)
		}
		s.send("127.0.0.1:4000", "six")
		server.want("six")
		s.send("[::1]:4000", "")
		server.want("")
	}},
	{name: "IPv6SendErrors", rules: "D-SIX-12", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		s := open6(t, n)
		s.sendErr("", "x", syscall.EDESTADDRREQ)
		if s.port() == 0 {
			t.Error("a send that fails has not bound the socket")
		}
		s.sendErr("[::1]:0", "x", syscall.EINVAL)
		s.sendErr("["+far6+"]:9", "x", syscall.ENETUNREACH)
		s.sendErr("[fe80::b%nosuch0]:9", "x", syscall.ENODEV)
		only := open6(t, n)
		only.set(socket.IPv6Only, 1)
		only.sendErr("[::ffff:127.0.0.1]:9", "x", syscall.ENETUNREACH)
		only.sendErr("127.0.0.1:9", "x", syscall.ENETUNREACH)
		mapped := bound6(t, n, "[::ffff:127.0.0.1]:0")
		mapped.sendErr("[::1]:9", "x", syscall.EAFNOSUPPORT)
		mapped.sendErr("["+near6+"]:9", "x", syscall.EAFNOSUPPORT)
		mapped.connectErr("[::1]:9", syscall.EAFNOSUPPORT)
		open(t, n).sendErr("[::1]:9", "x", syscall.EAFNOSUPPORT)
	}},
	{name: "IPv6SendSizes", rules: "D-SIZE-06", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		server, s := bound6(t, n, "[::1]:4000"), open6(t, n)
		server.set(socket.ReceiveBuffer, 1<<20)
		s.set(socket.SendBuffer, 1<<20)
		s.sendErr("[::1]:4000", string(make([]byte, 65528)), syscall.EMSGSIZE)
		s.send("[::1]:4000", string(make([]byte, 65527)))
		ms := []socket.Message{{Buf: make([]byte, 0, 70000)}}
		if !server.await(socket.Readable) {
			t.Fatal("nothing came")
		}
		if _, err := server.TryRecv(ms); err != nil || ms[0].Len != 65527 {
			t.Errorf("got %d bytes, %v", ms[0].Len, err)
		}
		s.sendErr("[::ffff:127.0.0.1]:4000", string(make([]byte, 65508)), syscall.EMSGSIZE)
	}},
	{name: "IPv6OnlyHearsNoIPv4", rules: "D-SIX-13", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		only := open6(t, n)
		only.set(socket.IPv6Only, 1)
		only.bind("[::]:4000")
		from := bound(t, n, "127.0.0.1:0")
		from.send("127.0.0.1:4000", "v4")
		n.Settle(t)
		only.wantNothing()
		dual := bound6(t, n, "[::]:4001")
		from.send("127.0.0.1:4001", "v4")
		m := dual.want("v4")
		if m.Addr != addrPort(at6("::ffff:127.0.0.1", from.port())) {
			t.Errorf("from %v", m.Addr)
		}
		dual.send(m.Addr.String(), "back")
		from.want("back")
	}},
	{name: "IPv6Shutdown", rules: "D-SIX-14", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		s := open6(t, n)
		if err := s.Shutdown(socket.ShutWrite); err != syscall.ENOTCONN {
			t.Errorf("Shutdown: %v", name(err))
		}
		s.sendErr("[::1]:9", "x", syscall.EPIPE)
		c := open6(t, n)
		c.connect("[::1]:9")
		if err := c.Shutdown(socket.ShutWrite); err != nil {
			t.Errorf("Shutdown: %v", name(err))
		}
		c.sendErr("", "x", syscall.EPIPE)
	}},
	{name: "IPv6Refused", rules: "D-SIX-15", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		for _, peer := range []string{"[::1]:9", "[" + own6 + "]:9", "[::ffff:127.0.0.1]:9"} {
			s := open6(t, n)
			s.connect(peer)
			s.send("", "x")
			if _, err := s.recv(); err != syscall.ECONNREFUSED {
				t.Errorf("%s: %v, want ECONNREFUSED", peer, name(err))
			}
			s.send("", "x")
			if !s.await(socket.Readable) {
				t.Errorf("%s: nothing came", peer)
			}
			if got := s.get(socket.Error); syscall.Errno(got) != syscall.ECONNREFUSED {
				t.Errorf("%s: Error is %d", peer, got)
			}
			u := open6(t, n)
			u.send(peer, "x")
			n.Settle(t)
			u.wantNothing()
		}
	}},
	{name: "IPv6Fields", rules: "D-SIX-16", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		const all = socket.FieldLocal | socket.FieldInterface | socket.FieldTTL | socket.FieldTOS
		server := bound6(t, n, "[::]:4000")
		server.set(socket.Report, int(all))
		s := open6(t, n)
		s.set(socket.TTL, 33)
		s.set(socket.TOS, 0xb9)
		for to, iface := range map[string]string{"::1": "lo", own6: "eth0", scoped6: "eth0", "::ffff:127.0.0.1": "lo", "::ffff:10.0.0.1": "eth0"} {
			s.send(at6(to, 4000), "x")
			m := server.want("x")
			if m.Set != all || m.Local != addrPort(at6(to, 4000)) || m.Interface != n.Index(t, iface) || m.TTL != 33 || m.TOS != 0xb9 {
				t.Errorf("to %s: set %v local %v interface %d TTL %d TOS %#x", to, m.Set, m.Local, m.Interface, m.TTL, m.TOS)
			}
		}
		plain := bound6(t, n, "[::]:4001")
		s.send("[::1]:4001", "x")
		if m := plain.want("x"); m.Set != 0 {
			t.Errorf("unasked for: %v", m.Set)
		}
		// Those of one message.
		to := addrPort("[::1]:4000")
		s.sendMessage(socket.Message{Buf: []byte("y"), Addr: to, Set: socket.FieldTTL | socket.FieldTOS, TTL: 7, TOS: 3})
		if m := server.want("y"); m.TTL != 7 || m.TOS != 3 {
			t.Errorf("TTL %d TOS %d", m.TTL, m.TOS)
		}
	}},
	{name: "IPv6SendFrom", rules: "D-SIX-17", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		eth0, eth1, lo := n.Index(t, "eth0"), n.Index(t, "eth1"), n.Index(t, "lo")
		server, s := bound6(t, n, "[::]:4000"), open6(t, n)
		from := func(addr string) socket.Message {
			return socket.Message{Buf: []byte("x"), Addr: addrPort("[" + own6 + "]:4000"), Set: socket.FieldLocal,
				Local: netip.AddrPortFrom(netip.MustParseAddr(addr), 0)}
		}
		s.sendMessage(from(own6))
		server.want("x")
		s.sendMessage(from("::1"))
		if m := server.want("x"); m.Addr.Addr().String() != "::1" {
			t.Errorf("from %v", m.Addr)
		}
		s.sendMessage(from("::"))
		server.want("x")
		by := func(m socket.Message, index int) socket.Message {
			m.Set |= socket.FieldInterface
			m.Interface = index
			return m
		}
		for what, tc := range map[string]struct {
			m    socket.Message
			want error
		}{
			"foreign":                     {from(near6), syscall.EINVAL},
			"link-local, no interface":    {from(machine6), syscall.EINVAL},
			"no such interface":           {by(from(own6), 99), syscall.ENODEV},
			"link-local of another":       {by(from(machine6), eth1), syscall.EINVAL},
			"IPv4":                        {from("127.0.0.1"), syscall.EINVAL},
			"link-local by its interface": {by(from(machine6), eth0), nil},
			"own by its interface":        {by(from(own6), eth0), nil},
			"own, by lo":                  {by(from(own6), lo), nil},
		} {
			if err := s.trySend(tc.m); err != tc.want {
				t.Errorf("%s: %v, want %v", what, name(err), name(tc.want))
			}
		}
		fixed := open6(t, n)
		fixed.set(socket.BindInterface, eth0)
		if err := fixed.trySend(by(from(own6), eth1)); err != syscall.EINVAL {
			t.Errorf("by another interface than it is bound to: %v", name(err))
		}
	}},
	{name: "IPv6Options", rules: "D-SIX-18", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		s := open6(t, n)
		for _, tc := range []struct {
			o    socket.Option
			v    int
			want error
			read int
		}{
			{socket.TTL, 255, nil, 255}, {socket.TTL, 256, syscall.EINVAL, 255}, {socket.TTL, 0, syscall.EINVAL, 255}, {socket.TTL, -1, nil, 64},
			{socket.MulticastTTL, 0, nil, 0}, {socket.MulticastTTL, 256, syscall.EINVAL, 0}, {socket.MulticastTTL, -1, nil, 1},
			{socket.TOS, 255, nil, 255}, {socket.TOS, 256, syscall.EINVAL, 255},
			{socket.MulticastInterface, n.Index(t, "eth0"), nil, n.Index(t, "eth0")}, {socket.MulticastInterface, 99, syscall.EADDRNOTAVAIL, n.Index(t, "eth0")},
			{socket.MulticastInterface, 0, nil, 0},
			{socket.NoChecksum, 1, nil, 1}, {socket.IPv6Only, 7, nil, 1}, {socket.IPv6Only, 0, nil, 0},
		} {
			if err := s.SetOption(tc.o, tc.v); err != tc.want {
				t.Errorf("SetOption(%v, %d): %v, want %v", tc.o, tc.v, name(err), name(tc.want))
			}
			s.wantOption(tc.o, tc.read)
		}
		server := bound6(t, n, "[::1]:4000")
		s.send("[::1]:4000", "with a checksum all the same")
		server.want("with a checksum all the same")
	}},
}
