package loop_test

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/castnet-go/castnet/internal/jam"
	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/socket"
)

// Libuv's cases of sending and receiving.

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
