package loop_test

import (
	"net/netip"
	"syscall"

	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/socket"
)

// Libuv's cases of groups.

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
