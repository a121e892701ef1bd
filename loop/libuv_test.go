package loop_test

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/internal/jam"
	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/socket"
)

// libuv names its tests of UDP handles in 44 entries. Each is here, by its name there and
// what it means, or with the reason why it means nothing here.
var libuvCases = []struct {
	name   string
	f      func(w *world)
	reason string // why there is none
}{
	{name: "getsockname_udp", f: uvGetsockname},
	{name: "udp_alloc_cb_fail", reason: "received bytes are in the loop's memory; there is no callback that could fail to allocate"},
	{name: "udp_bind", f: uvBind},
	{name: "udp_bind_reuseaddr", f: uvBindReuseAddr},
	{name: "udp_connect", f: func(w *world) { uvConnect(w, v4) }},
	{name: "udp_connect6", f: func(w *world) { uvConnect(w, v6) }},
	{name: "udp_create_early", f: uvCreateEarly},
	{name: "udp_create_early_bad_bind", f: uvCreateEarlyBadBind},
	{name: "udp_create_early_bad_domain", f: uvCreateEarlyBadDomain},
	{name: "udp_dgram_too_big", f: uvTooBig},
	{name: "udp_dual_stack", f: func(w *world) { uvDualStack(w, 0, true) }},
	{name: "udp_ipv6_only", f: func(w *world) { uvDualStack(w, loop.IPv6Only, false) }},
	{name: "udp_mmsg", f: uvMmsg},
	{name: "udp_mmsg_single_drain_cb", f: uvNoEmptyCallbacks},
	{name: "udp_mmsg_small_buf", reason: "received bytes are in the loop's memory, where there is always room for a turn"},
	{name: "udp_multicast_interface", f: func(w *world) { uvMulticastInterface(w, v4) }},
	{name: "udp_multicast_interface6", f: func(w *world) { uvMulticastInterface(w, v6) }},
	{name: "udp_multicast_join", f: uvMulticastJoin},
	{name: "udp_multicast_join6", f: uvMulticastJoin6},
	{name: "udp_multicast_ttl", f: uvMulticastTTL},
	{name: "udp_no_autobind", f: uvNoAutobind},
	{name: "udp_open", f: uvOpen},
	{name: "udp_open_bound", f: uvOpenBound},
	{name: "udp_open_connect", f: uvOpenConnect},
	{name: "udp_open_twice", f: uvOpenTwice},
	{name: "udp_options", f: func(w *world) { uvOptions(w, v4) }},
	{name: "udp_options6", f: func(w *world) { uvOptions(w, v6) }},
	{name: "udp_recv_cb_close_pollerr", f: uvCloseWithAnErrorPending},
	{name: "udp_recv_in_a_row", f: uvRecvInARow},
	{name: "udp_recvmsg_unreachable_error", f: func(w *world) { uvUnreachableError(w, v4) }},
	{name: "udp_recvmsg_unreachable_error6", f: func(w *world) { uvUnreachableError(w, v6) }},
	{name: "udp_ref", f: uvRef},
	{name: "udp_ref2", f: uvRef2},
	{name: "udp_ref3", f: uvRef3},
	{name: "udp_reuseport", f: uvReusePort},
	{name: "udp_send_and_recv", f: uvSendAndRecv},
	{name: "udp_send_fail_nbufs", f: uvSendWithoutAddress},
	{name: "udp_send_hang_loop", f: uvSendDoesNotHang},
	{name: "udp_send_immediate", f: uvSendImmediate},
	{name: "udp_send_pollerr_no_recv", f: uvErrorWithoutReceiving},
	{name: "udp_send_unix", reason: "sockets of AF_UNIX are not UDP, and no Network has them"},
	{name: "udp_send_unreachable", f: uvSendUnreachable},
	{name: "udp_sendmmsg_error", f: uvSendmmsgError},
	{name: "udp_try_send", f: uvTrySend},
}

func TestLibuv(t *testing.T) {
	if len(libuvCases) != 44 {
		t.Errorf("%d cases, want 44", len(libuvCases))
	}
	seen := make(map[string]bool)
	for _, c := range libuvCases {
		if seen[c.name] || (c.f == nil) == (c.reason == "") {
			t.Errorf("%s: twice, or neither tested nor explained", c.name)
		}
		seen[c.name] = true
		if c.f != nil {
			t.Run(c.name, func(t *testing.T) { everywhere(t, c.f) })
		}
	}
}

// An ip is what a case is about.
type ip struct {
	family    socket.Family
	loopback  netip.Addr
	any       netip.Addr
	elsewhere netip.Addr
}

var (
	v4 = ip{socket.IPv4, netip.MustParseAddr("127.0.0.1"), netip.IPv4Unspecified(), netip.MustParseAddr("192.0.2.3")}
	v6 = ip{socket.IPv6, netip.IPv6Loopback(), netip.IPv6Unspecified(), netip.MustParseAddr("2001:db8::3")}
)

// spoken reports whether the network speaks the family, and checks that it says so if
// it does not: EAFNOSUPPORT, for a handle as for a socket.
func (w *world) spoken(f ip) bool {
	w.Helper()
	s, err := w.on.Open(f.family)
	if err == nil {
		defer s.Close()
		if bind := s.Bind(netip.AddrPortFrom(f.loopback, 0)); bind != syscall.EADDRNOTAVAIL { // net.ipv6.conf.lo.disable_ipv6
			return true
		}
		return false
	}
	w.is("opening a socket", err, syscall.EAFNOSUPPORT)
	_, err = w.loop.NewUDP(loop.UDPConfig{Family: f.family})
	w.is("NewUDP", err, syscall.EAFNOSUPPORT)
	u := w.udp(loop.UDPConfig{})
	w.is("Bind", u.Bind(netip.AddrPortFrom(f.any, 0), 0), syscall.EAFNOSUPPORT)
	w.is("Connect", u.Connect(netip.AddrPortFrom(f.loopback, 9)), syscall.EAFNOSUPPORT)
	w.is("TrySend", u.TrySend(to(netip.AddrPortFrom(f.loopback, 9), "x")), syscall.EAFNOSUPPORT)
	return false
}

func (w *world) bind(f ip, flags loop.Flags) (*loop.UDP, netip.AddrPort) {
	w.Helper()
	u := w.udp(loop.UDPConfig{})
	w.ok(u.Bind(netip.AddrPortFrom(f.loopback, 0), flags))
	a, err := u.LocalAddr()
	w.ok(err)
	return u, a
}

// closeAll closes handles when d has passed.
func (w *world) closeAll(d time.Duration, us ...*loop.UDP) {
	w.after(d, func() {
		for _, u := range us {
			_ = u.Close(nil)
		}
	})
}

// The address is known after the bind, and of one that only sends after sending.
func uvGetsockname(w *world) {
	server, a := w.bind(v4, 0)
	if a.Addr() != v4.loopback || a.Port() == 0 {
		w.Errorf("bound to %v", a)
	}
	client := w.udp(loop.UDPConfig{})
	_, err := client.LocalAddr()
	w.is("before sending", err, syscall.EBADF)
	w.ok(client.Send(to(a, "x"), func(err error) {
		w.ok(err)
		if own, err := client.LocalAddr(); err != nil || own.Addr() != v4.any || own.Port() == 0 {
			w.Errorf("after sending: %v, %v", own, err)
		}
		w.ok(client.Close(nil))
		w.ok(server.Close(nil))
	}))
	w.run()
	_, err = server.LocalAddr()
	w.is("after Close", err, syscall.EBADF)
}

func uvBind(w *world) {
	a, addr := w.bind(v4, 0)
	b := w.udp(loop.UDPConfig{})
	w.is("a port that is taken", b.Bind(addr, 0), syscall.EADDRINUSE)
	w.is("bound twice", a.Bind(netip.AddrPortFrom(v4.loopback, 0), 0), syscall.EINVAL)
	w.is("no address", b.Bind(netip.AddrPort{}, 0), syscall.EINVAL)
	w.is("no such flag", b.Bind(loopback, 1<<7), syscall.EINVAL)
	w.ok(a.Close(nil))
	w.ok(b.Bind(addr, 0)) // it is free at once
	w.ok(b.Close(nil))
	w.run()
}

func uvBindReuseAddr(w *world) {
	a, addr := w.bind(v4, loop.ReuseAddr)
	b := w.udp(loop.UDPConfig{})
	w.ok(b.Bind(addr, loop.ReuseAddr))
	w.ok(a.Close(nil))
	w.ok(b.Close(nil))
	w.run()
}

// A connected handle takes no address, one that is not needs one.
func uvConnect(w *world, f ip) {
	if !w.spoken(f) {
		return
	}
	server, a := w.bind(f, 0)
	got := 0
	client := w.udp(loop.UDPConfig{})
	w.ok(server.RecvStart(func(m *socket.Message, err error) {
		w.ok(err)
		if got++; got == 4 {
			w.ok(server.Close(nil))
			w.ok(client.Close(nil))
		}
	}))
	w.is("not connected yet", client.Connect(netip.AddrPort{}), syscall.ENOTCONN)
	w.ok(client.Connect(netip.AddrPortFrom(f.any, a.Port()))) // this host
	w.ok(client.Connect(netip.AddrPort{}))
	w.ok(client.Connect(a))
	w.is("connected twice", client.Connect(netip.AddrPortFrom(f.elsewhere, 9)), syscall.EISCONN)
	if peer, err := client.PeerAddr(); err != nil || peer != a || !client.Connected() {
		w.Errorf("PeerAddr = %v, %v", peer, err)
	}
	w.is("with an address", client.TrySend(to(a, "EXIT")), syscall.EISCONN)
	w.ok(client.TrySend(to(netip.AddrPort{}, "EXIT")))
	w.is("with another address", client.TrySend(to(netip.AddrPortFrom(f.elsewhere, 9), "EXIT")), syscall.EISCONN)
	w.ok(client.Connect(netip.AddrPort{}))
	w.is("disconnected twice", client.Connect(netip.AddrPort{}), syscall.ENOTCONN)
	_, err := client.PeerAddr()
	w.is("PeerAddr", err, syscall.ENOTCONN)
	w.ok(client.TrySend(to(a, "EXIT")))
	w.is("without an address", client.TrySend(to(netip.AddrPort{}, "EXIT")), syscall.EDESTADDRREQ)
	w.ok(client.Connect(a))
	w.is("Send with an address", client.Send(to(a, "EXIT"), nil), syscall.EISCONN)
	w.ok(client.Send(to(netip.AddrPort{}, "EXIT"), func(err error) {
		w.ok(err)
		w.ok(client.Connect(netip.AddrPort{}))
		w.is("Send without an address", client.Send(to(netip.AddrPort{}, "EXIT"), nil), syscall.EDESTADDRREQ)
		w.ok(client.Send(to(a, "EXIT"), func(err error) { w.ok(err); w.note("sent") }))
	}))
	w.run()
	w.want("sent")
	if got != 4 || client.SendQueueSize() != 0 {
		w.Errorf("%d arrived, %d bytes are queued", got, client.SendQueueSize())
	}
}

// A handle that is made for a family has its socket at once.
func uvCreateEarly(w *world) {
	u := w.udp(loop.UDPConfig{Family: socket.IPv4})
	if a, err := u.LocalAddr(); err != nil || a != netip.AddrPortFrom(v4.any, 0) {
		w.Errorf("LocalAddr = %v, %v", a, err)
	}
	w.ok(u.Bind(loopback, 0))
	if a, err := u.LocalAddr(); err != nil || a.Addr() != v4.loopback {
		w.Errorf("LocalAddr = %v, %v", a, err)
	}
	w.ok(u.Close(nil))
	w.run()
}

func uvCreateEarlyBadBind(w *world) {
	if !w.spoken(v6) {
		return
	}
	u := w.udp(loop.UDPConfig{Family: socket.IPv6})
	w.is("an address of the other family", u.Bind(loopback, 0), syscall.EINVAL)
	w.ok(u.Close(nil))
	w.run()
}

func uvCreateEarlyBadDomain(w *world) {
	for _, f := range []socket.Family{47, 255} {
		_, err := w.loop.NewUDP(loop.UDPConfig{Family: f})
		w.is("NewUDP", err, syscall.EAFNOSUPPORT)
	}
	w.run()
}

func uvTooBig(w *world) {
	u := w.udp(loop.UDPConfig{})
	big := &socket.Message{Buf: make([]byte, 65536), Addr: netip.AddrPortFrom(v4.loopback, 9)}
	w.is("TrySend", u.TrySend(big), syscall.EMSGSIZE)
	w.ok(u.Send(big, func(err error) {
		w.is("Send's callback", err, syscall.EMSGSIZE)
		w.note("told")
		w.ok(u.Close(nil))
	}))
	w.run()
	w.want("told")
}

// An IPv6 handle hears IPv4 too, unless it is for IPv6 only.
func uvDualStack(w *world, flags loop.Flags, hears bool) {
	if !w.spoken(v6) {
		return
	}
	server := w.udp(loop.UDPConfig{})
	w.ok(server.Bind(netip.AddrPortFrom(v6.any, 0), flags))
	a, _ := server.LocalAddr()
	w.ok(server.RecvStart(func(m *socket.Message, err error) {
		w.ok(err)
		if m.Addr.Addr().Is4In6() {
			w.note("%s from %v", m.Buf, m.Addr.Addr())
		}
	}))
	client := w.udp(loop.UDPConfig{})
	w.ok(client.Send(to(netip.AddrPortFrom(v4.loopback, a.Port()), "PING"), nil))
	w.closeAll(50*time.Millisecond, server, client)
	w.run()
	if hears {
		w.want("PING from ::ffff:127.0.0.1")
	} else {
		w.want()
	}
}

// Many datagrams that wait are read together, and each is told of once.
func uvMmsg(w *world) {
	recver, a := w.bind(v4, 0)
	sender := w.udp(loop.UDPConfig{})
	got := 0
	w.ok(recver.RecvStart(func(m *socket.Message, err error) {
		w.ok(err)
		if string(m.Buf) != "PING" || m.Len != 4 || !m.Addr.IsValid() {
			w.Errorf("got %q from %v", m.Buf, m.Addr)
		}
		if got++; got == 40 {
			w.ok(recver.Close(nil))
			w.ok(sender.Close(nil))
		}
	}))
	for range 40 {
		w.ok(sender.TrySend(to(a, "PING")))
	}
	w.run()
	if got != 40 || sender.SendQueueSize() != 0 {
		w.Errorf("got %d", got)
	}
}

// That there is nothing more to read is not told.
func uvNoEmptyCallbacks(w *world) {
	recver, a := w.bind(v4, 0)
	w.ok(recver.RecvStart(func(m *socket.Message, err error) { w.note("%s %v", m.Buf, err) }))
	sender := w.udp(loop.UDPConfig{})
	w.ok(sender.TrySend(to(a, "PING")))
	w.closeAll(20*time.Millisecond, recver, sender)
	w.run()
	w.want("PING <nil>")
}

func uvMulticastInterface(w *world, f ip) {
	if !w.spoken(f) {
		return
	}
	u := w.udp(loop.UDPConfig{})
	w.is("unbound", u.SetMulticastInterface(f.any), syscall.EBADF)
	w.ok(u.Bind(netip.AddrPortFrom(f.any, 0), 0))
	if f.family == socket.IPv4 {
		w.ok(u.SetMulticastInterface(f.loopback))
		w.is("nobody's address", u.SetMulticastInterface(f.elsewhere), syscall.EADDRNOTAVAIL)
	} else {
		w.ok(u.SetMulticastInterface(f.any.WithZone("lo")))
		w.is("nobody's zone", u.SetMulticastInterface(f.any.WithZone("nosuch")), syscall.EADDRNOTAVAIL)
	}
	if i, err := u.Option(socket.MulticastInterface); err != nil || i != w.lo() {
		w.Errorf("the interface is %d, %v", i, err)
	}
	w.ok(u.SetMulticastInterface(f.any))
	w.ok(u.SetMulticastInterface(netip.Addr{}))
	w.ok(u.Close(nil))
	w.run()
}

// lo returns the index of the loopback interface.
func (w *world) lo() int {
	w.Helper()
	list, err := w.on.Interfaces()
	w.ok(err)
	for _, i := range list {
		if i.Loopback {
			return i.Index
		}
	}
	w.Error("there is no loopback interface")
	return 0
}

// What is sent to a group comes to who has joined it, and after the group was left to who
// has joined it for the source.
func uvMulticastJoin(w *world) {
	group := netip.MustParseAddr("239.255.0.1")
	server := w.udp(loop.UDPConfig{})
	w.ok(server.Bind(netip.AddrPortFrom(v4.any, 0), 0))
	a, _ := server.LocalAddr()
	w.ok(server.SetMembership(group, v4.loopback, true))
	w.is("joined twice", server.SetMembership(group, v4.loopback, true), syscall.EADDRINUSE)
	client, _ := w.bind(v4, 0)
	w.ok(client.SetMulticastInterface(v4.loopback))
	send := func() {
		w.ok(client.Send(to(netip.AddrPortFrom(group, a.Port()), "PING"), func(err error) { w.ok(err) }))
	}
	got := 0
	w.ok(server.RecvStart(func(m *socket.Message, err error) {
		w.ok(err)
		if got++; got == 2 {
			w.ok(server.Close(nil))
			w.ok(client.Close(nil))
			return
		}
		w.ok(server.SetMembership(group, v4.loopback, false))
		w.is("left twice", server.SetMembership(group, v4.loopback, false), syscall.EADDRNOTAVAIL)
		w.ok(server.SetSourceMembership(group, v4.loopback, m.Addr.Addr(), true))
		if list := server.Memberships(); len(list) != 1 || !list[0].Only || len(list[0].Sources) != 1 {
			w.Errorf("Memberships() = %v", list)
		}
		send()
	}))
	send()
	w.run()
	if got != 2 {
		w.Errorf("%d arrived", got)
	}
}

func uvMulticastJoin6(w *world) {
	if !w.spoken(v6) {
		return
	}
	group := netip.MustParseAddr("ff12::1")
	on := v6.any.WithZone("lo")
	u := w.udp(loop.UDPConfig{})
	w.ok(u.Bind(netip.AddrPortFrom(v6.any, 0), 0))
	w.is("no such interface", u.SetMembership(group, v6.any.WithZone("nosuch"), true), syscall.ENODEV)
	w.is("an interface of the other family", u.SetMembership(group, v4.loopback, true), syscall.EINVAL)
	w.ok(u.SetMembership(group, on, true))
	w.is("joined twice", u.SetMembership(group, on, true), syscall.EADDRINUSE)
	w.ok(u.SetMembership(group, on, false))
	w.ok(u.SetSourceMembership(group, on, netip.MustParseAddr("2001:db8::1"), true))
	w.is("two families", u.SetSourceMembership(group, on, v4.loopback, true), syscall.EINVAL)
	if list := u.Memberships(); len(list) != 1 || list[0].Interface != w.lo() {
		w.Errorf("Memberships() = %v", list)
	}
	w.ok(u.Close(nil))
	w.run()
}

func uvMulticastTTL(w *world) {
	u := w.udp(loop.UDPConfig{})
	w.ok(u.Bind(netip.AddrPortFrom(v4.any, 0), 0))
	w.ok(u.SetMulticastTTL(32))
	if ttl, err := u.Option(socket.MulticastTTL); ttl != 32 || err != nil {
		w.Errorf("the TTL is %d, %v", ttl, err)
	}
	w.ok(u.SetMulticastInterface(v4.loopback))
	w.ok(u.Send(to(netip.MustParseAddrPort("239.255.0.1:9"), "PING"), func(err error) {
		w.ok(err)
		w.note("sent")
		w.ok(u.Close(nil))
	}))
	w.run()
	w.want("sent")
}

// Setting an option makes no socket.
func uvNoAutobind(w *world) {
	set := func(u *loop.UDP) []error {
		return []error{u.SetMulticastTTL(32), u.SetBroadcast(true), u.SetTTL(1), u.SetMulticastLoop(true), u.SetMulticastInterface(v4.any)}
	}
	lazy := w.udp(loop.UDPConfig{})
	for i, err := range set(lazy) {
		w.is(fmt.Sprint("option ", i), err, syscall.EBADF)
	}
	early := w.udp(loop.UDPConfig{Family: socket.IPv4})
	for _, err := range set(early) {
		w.ok(err)
	}
	w.ok(lazy.Close(nil))
	w.ok(early.Close(nil))
	w.run()
}

// An open socket becomes the handle's.
func uvOpen(w *world) {
	s, err := w.on.Open(socket.IPv4)
	w.ok(err)
	u := w.udp(loop.UDPConfig{})
	w.ok(u.Open(s))
	w.ok(u.Bind(loopback, 0))
	a, _ := u.LocalAddr()
	w.ok(u.RecvStart(func(m *socket.Message, err error) {
		w.note("%s", m.Buf)
		w.ok(u.RecvStop())
		w.ok(u.Close(nil))
	}))
	w.ok(u.Send(to(a, "PING"), func(err error) { w.ok(err) }))
	w.run()
	w.want("PING")
	if err := s.Close(); err == nil {
		w.Error("the socket was not closed with the handle")
	}
}

func uvOpenTwice(w *world) {
	s1, _ := w.raw()
	s2, _ := w.raw()
	defer s2.Close()
	u := w.udp(loop.UDPConfig{})
	w.ok(u.Open(s1))
	w.is("a second socket", u.Open(s2), syscall.EBUSY)
	w.ok(u.Close(nil))
	w.is("after Close", u.Open(s2), syscall.EBADF)
	w.run()
}

func uvOpenBound(w *world) {
	s, a := w.raw()
	u := w.udp(loop.UDPConfig{})
	w.ok(u.Open(s))
	if own, err := u.LocalAddr(); own != a || err != nil {
		w.Errorf("LocalAddr = %v, %v", own, err)
	}
	w.ok(u.RecvStart(func(*socket.Message, error) {}))
	w.ok(u.Close(nil))
	w.run()
}

func uvOpenConnect(w *world) {
	server, a := w.bind(v4, 0)
	s, _ := w.raw()
	w.ok(s.Connect(a))
	client := w.udp(loop.UDPConfig{})
	w.ok(client.Open(s))
	w.ok(server.RecvStart(func(m *socket.Message, err error) {
		w.note("%s", m.Buf)
		w.ok(server.Close(nil))
	}))
	w.is("with an address", client.Send(to(a, "PING"), nil), syscall.EISCONN)
	w.ok(client.Send(to(netip.AddrPort{}, "PING"), func(err error) {
		w.ok(err)
		w.ok(client.Close(nil))
	}))
	w.run()
	w.want("PING")
}

func uvOptions(w *world, f ip) {
	if !w.spoken(f) {
		return
	}
	u := w.udp(loop.UDPConfig{})
	u.Unref()
	w.ok(u.Bind(netip.AddrPortFrom(f.any, 0), 0))
	for _, on := range []bool{true, true, false, false} {
		w.ok(u.SetBroadcast(on))
		w.ok(u.SetMulticastLoop(on))
	}
	for ttl := 1; ttl <= 255; ttl++ {
		w.ok(u.SetTTL(ttl))
		w.ok(u.SetMulticastTTL(ttl))
	}
	w.ok(u.SetMulticastTTL(0))
	for _, ttl := range []int{-1, 0, 256} {
		w.is("SetTTL", u.SetTTL(ttl), syscall.EINVAL)
	}
	for _, ttl := range []int{-1, 256} {
		w.is("SetMulticastTTL", u.SetMulticastTTL(ttl), syscall.EINVAL)
	}
	w.run()
	w.ok(u.Close(nil))
	w.run()
}

// refusing returns the address of nobody, on this host.
func (w *world) refusing(f ip) netip.AddrPort {
	w.Helper()
	u, a := w.bind(f, 0)
	w.ok(u.Close(nil))
	return a
}

// An error that comes when the handle is closed, or does not receive, is nobody's.
func uvCloseWithAnErrorPending(w *world) {
	u, _ := w.bind(v4, loop.ReceiveErrors)
	nobody := w.refusing(v4)
	w.ok(u.RecvStart(func(m *socket.Message, err error) {
		w.ok(u.RecvStop())
		w.ok(u.Close(w.noting("closed")))
	}))
	w.ok(u.Send(to(nobody, "PING"), nil))
	w.run()
	w.want("closed")
}

// What waits is read in one turn, before the check phase.
func uvRecvInARow(w *world) {
	server, a := w.bind(v4, 0)
	client := w.udp(loop.UDPConfig{})
	got := 0
	w.ok(server.RecvStart(func(m *socket.Message, err error) { w.ok(err); got++ }))
	const count = 5
	for range count - 1 {
		w.ok(client.TrySend(to(a, strings.Repeat("x", 10))))
	}
	w.ok(client.TrySend(to(a, "")))
	check := w.loop.NewCheck()
	w.ok(check.Start(func() {
		if got == 0 {
			return // the turn in which the network tells
		}
		if got != count {
			w.Errorf("%d of %d were read in the turn", got, count)
		}
		w.ok(check.Close(nil))
		w.ok(server.Close(nil))
		w.ok(client.Close(nil))
	}))
	w.run()
}

// With ReceiveErrors a handle that is not connected hears that nobody was there.
func uvUnreachableError(w *world, f ip) {
	if !w.spoken(f) {
		return
	}
	nobody := w.refusing(f)
	u, _ := w.bind(f, loop.ReceiveErrors)
	queued := false
	w.ok(u.RecvStart(func(m *socket.Message, err error) {
		w.is("receiving", err, syscall.ECONNREFUSED)
		queued = queued || m != nil && m.Addr == nobody
	}))
	w.ok(u.Send(to(nobody, "PING"), func(err error) { w.ok(err) }))
	w.closeAll(50*time.Millisecond, u)
	w.run()
	if !queued {
		w.Error("the entry of the error queue was not told of")
	}
}

func uvRef(w *world) {
	u := w.udp(loop.UDPConfig{})
	u.Unref()
	w.run()
	w.ok(u.Close(nil))
	w.run()
}

func uvRef2(w *world) {
	u, _ := w.bind(v4, 0)
	w.ok(u.RecvStart(func(*socket.Message, error) { w.Error("called") }))
	u.Unref()
	w.run()
	w.ok(u.Close(nil))
	w.run()
}

// A send under way holds the loop though its handle does not.
func uvRef3(w *world) {
	u := w.udp(loop.UDPConfig{})
	w.ok(u.Send(to(netip.AddrPortFrom(v4.loopback, 9), "PING"), func(error) { w.note("sent") }))
	u.Unref()
	w.run()
	w.want("sent")
	w.ok(u.Close(nil))
	w.run()
}

// Datagrams of many flows are spread over those who share the port.
func uvReusePort(w *world) {
	a, addr := w.bind(v4, loop.ReusePort)
	b := w.udp(loop.UDPConfig{})
	w.ok(b.Bind(addr, loop.ReusePort))
	const count = 64
	var got [2]int
	var senders []*loop.UDP
	for i, u := range []*loop.UDP{a, b} {
		w.ok(u.RecvStart(func(*socket.Message, error) {
			if got[i]++; got[0]+got[1] == count {
				for _, u := range append(senders, a, b) {
					_ = u.Close(nil)
				}
			}
		}))
	}
	for range count {
		u := w.udp(loop.UDPConfig{})
		senders = append(senders, u)
		w.ok(u.Send(to(addr, "x"), func(err error) { w.ok(err) }))
	}
	w.run()
	if got[0] == 0 || got[1] == 0 || got[0]+got[1] != count {
		w.Errorf("got %v", got)
	}
}

// There and back, empty datagrams too.
func uvSendAndRecv(w *world) {
	server, a := w.bind(v4, 0)
	client := w.udp(loop.UDPConfig{})
	w.ok(server.RecvStart(func(m *socket.Message, err error) {
		w.note("server got %q", m.Buf)
		if len(m.Buf) == 0 {
			return
		}
		w.ok(server.RecvStop())
		w.ok(server.Send(to(m.Addr, "PONG"), func(err error) {
			w.note("server sent")
			w.ok(server.Close(nil))
		}))
	}))
	w.ok(client.Send(to(a, ""), func(err error) {
		w.note("client sent nothing")
		w.ok(client.Send(to(a, "PING"), func(err error) {
			w.ok(err)
			w.ok(client.RecvStart(func(m *socket.Message, err error) {
				w.note("client got %q", m.Buf)
				w.ok(client.Close(nil))
			}))
		}))
	}))
	w.run()
	if got := strings.Join(w.log, ", "); !strings.Contains(got, `server got ""`) || !strings.Contains(got, `server got "PING"`) ||
		!strings.Contains(got, `client got "PONG"`) || len(w.log) != 5 {
		w.Error(got)
	}
}

// A send that is wrong in itself is refused, and nothing is queued.
func uvSendWithoutAddress(w *world) {
	u := w.udp(loop.UDPConfig{})
	for _, bad := range []netip.AddrPort{{}, netip.AddrPortFrom(netip.Addr{}, 9)} {
		want := syscall.EDESTADDRREQ
		if bad.Port() != 0 {
			want = syscall.EINVAL
		}
		w.is("Send", u.Send(to(bad, "PING"), func(error) { w.Error("called") }), want)
		w.is("TrySend", u.TrySend(to(bad, "PING")), want)
		_, err := u.TrySendBatch([]socket.Message{*to(netip.AddrPortFrom(v4.loopback, 9), "PING"), *to(bad, "PING")})
		w.is("TrySendBatch", err, want)
	}
	_, err := u.TrySendBatch(nil)
	w.is("an empty batch", err, syscall.EINVAL)
	if u.SendQueueCount() != 0 || u.Socket() != nil {
		w.Error("something was queued, or a socket made")
	}
	w.ok(u.Close(nil))
	w.run()
}

// A thousand sends to where nothing goes, each begun by an idle handle after the end of
// the one before: the loop does not wait for anything else.
func uvSendDoesNotHang(w *world) {
	u := w.udp(loop.UDPConfig{})
	idle := w.loop.NewIdle()
	n := 0
	var f func()
	f = func() {
		idle.Stop()
		if n++; n > 1000 {
			w.ok(u.Close(nil))
			w.ok(idle.Close(nil))
			return
		}
		w.ok(u.Send(to(netip.AddrPortFrom(v4.elsewhere, 9), strings.Repeat("x", 1024)), func(error) { w.ok(idle.Start(f)) }))
	}
	w.ok(idle.Start(f))
	w.run()
	if n != 1001 {
		w.Errorf("%d sends", n)
	}
}

// Two sends in a row both go, and are told of in order.
func uvSendImmediate(w *world) {
	server, a := w.bind(v4, 0)
	w.ok(server.RecvStart(func(m *socket.Message, err error) {
		w.note("got %s", m.Buf)
		if string(m.Buf) == "PANG" {
			w.ok(server.Close(nil))
		}
	}))
	client := w.udp(loop.UDPConfig{})
	w.ok(client.Send(to(a, "PING"), func(err error) { w.note("sent PING") }))
	w.ok(client.Send(to(a, "PANG"), func(err error) {
		w.note("sent PANG")
		w.ok(client.Close(nil))
	}))
	if n := client.SendQueueCount(); n != 2 || client.SendQueueSize() != 8 {
		w.Errorf("the queue says %d", n)
	}
	w.run()
	if got := strings.Join(w.log, ", "); strings.Index(got, "sent PING") > strings.Index(got, "sent PANG") ||
		strings.Index(got, "got PING") > strings.Index(got, "got PANG") || len(w.log) != 4 {
		w.Error(got)
	}
}

// A handle that only sends is not disturbed by errors that nobody reads.
func uvErrorWithoutReceiving(w *world) {
	nobody := w.refusing(v4)
	u, _ := w.bind(v4, loop.ReceiveErrors)
	w.ok(u.Send(to(nobody, "PING"), func(error) { w.note("sent") }))
	w.after(20*time.Millisecond, func() {
		if n := w.loop.Turns(); n > 100 {
			w.Errorf("%d turns: the loop is busy with an error that is nobody's", n)
		}
		w.ok(u.Close(nil))
	})
	w.run()
	w.want("sent")
}

// A plain handle that is not connected hears nothing of it; one with ReceiveErrors may
// hear it when it sends next.
func uvSendUnreachable(w *world) {
	nobody := w.refusing(v4)
	plain, _ := w.bind(v4, 0)
	w.ok(plain.RecvStart(func(m *socket.Message, err error) { w.Errorf("heard %v", err) }))
	told := 0
	for range 2 {
		w.ok(plain.Send(to(nobody, "PING"), func(err error) { w.ok(err); told++ }))
	}
	hearing, _ := w.bind(v4, loop.ReceiveErrors)
	heard := 0
	w.ok(hearing.RecvStart(func(m *socket.Message, err error) {
		w.is("receiving", err, syscall.ECONNREFUSED)
		heard++
	}))
	for range 2 {
		w.ok(hearing.Send(to(nobody, "PING"), func(err error) {
			if err != nil {
				w.is("sending", err, syscall.ECONNREFUSED)
			}
			told++
		}))
	}
	w.closeAll(50*time.Millisecond, plain, hearing)
	w.run()
	if told != 4 || heard == 0 {
		w.Errorf("%d ends of sends, %d errors", told, heard)
	}
}

// An error in the middle of what is queued is the one's that it struck: the others go.
func uvSendmmsgError(w *world) {
	peer, a := w.raw()
	defer peer.Close()
	net := jam.New(w.on)
	u, _ := w.bound(loop.UDPConfig{On: net})
	net.Jam(0, syscall.EAGAIN)
	for i := range 70 {
		m := to(a, fmt.Sprint(i))
		if i%30 == 5 { // 5 and 35 and 65
			m.Buf = make([]byte, 65536)
		}
		w.ok(u.Send(m, func(err error) {
			want := error(nil)
			if i%30 == 5 {
				want = syscall.EMSGSIZE
			}
			w.is(fmt.Sprint("send ", i), err, want)
			w.note("%d", i)
		}))
	}
	w.after(0, net.Clear)
	w.closeAll(20*time.Millisecond, u)
	w.run()
	next := 0
	for _, got := range drain(peer) {
		if next%30 == 5 {
			next++
		}
		if got != fmt.Sprint(next) {
			w.Fatalf("got %s, want %d", got, next)
		}
		next++
	}
	for i := range 70 {
		if len(w.log) != 70 || w.log[i] != fmt.Sprint(i) {
			w.Fatalf("told in the order of %v", w.log)
		}
	}
	if next != 70 {
		w.Errorf("the last that came was %d", next)
	}
}

func drain(s socket.Socket) (got []string) {
	ms := []socket.Message{{Buf: make([]byte, 2048)}}
	for {
		if n, err := s.TryRecv(ms); n == 0 || err != nil {
			return got
		}
		got = append(got, string(ms[0].Buf))
	}
}

// TrySend sends now or not at all.
func uvTrySend(w *world) {
	server, a := w.bind(v4, 0)
	client := w.udp(loop.UDPConfig{})
	w.ok(server.RecvStart(func(m *socket.Message, err error) {
		w.note("%s", m.Buf)
		w.ok(server.Close(nil))
		w.ok(client.Close(nil))
	}))
	w.ok(client.TrySend(to(a, "EXIT")))
	w.run()
	w.want("EXIT")
	w.is("after Close", client.TrySend(to(a, "EXIT")), syscall.EBADF)
}
