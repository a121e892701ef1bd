package loop_test

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"

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
