package loop_test

import (
	"context"
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/host"
	"github.com/castnet-go/castnet/internal/jam"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
)

func TestRecvStartTwiceIsEALREADY(t *testing.T) {
	everywhere(t, func(w *world) {
		u := w.udp(loop.UDPConfig{})
		f := func(*socket.Message, error) {}
		w.ok(u.RecvStart(f)) // which binds it
		if a, err := u.LocalAddr(); err != nil || a.Port() == 0 {
			w.Errorf("LocalAddr = %v, %v", a, err)
		}
		w.is("twice", u.RecvStart(f), syscall.EALREADY)
		w.is("twice", u.RecvStartBatch(func([]socket.Message, error) {}), syscall.EALREADY)
		w.ok(u.RecvStop())
		w.ok(u.RecvStop())
		w.ok(u.RecvStart(f))
		w.ok(u.Close(nil))
		w.is("after Close", u.RecvStart(f), syscall.EBADF)
		w.is("no function", u.RecvStart(nil), syscall.EINVAL)
		w.is("no function", u.RecvStartBatch(nil), syscall.EINVAL)
		w.run()
	})
}

// TestAtMostATurnOfDatagramsPerReadiness: then the others have their turn, timers too.
func TestAtMostATurnOfDatagramsPerReadiness(t *testing.T) {
	everywhere(t, func(w *world) {
		a, to := w.bound(loop.UDPConfig{})
		b, toB := w.bound(loop.UDPConfig{})
		peer, _ := w.raw()
		defer peer.Close()
		const count = 100
		for range count {
			w.send(peer, to, "flood")
		}
		w.send(peer, toB, "one")
		run, longest, all := 0, 0, 0
		w.ok(a.RecvStart(func(*socket.Message, error) {
			run++
			all++
			longest = max(longest, run)
			if all == count {
				w.ok(a.Close(nil))
			}
		}))
		other := 0
		w.ok(b.RecvStart(func(*socket.Message, error) {
			other = all
			run = 0
			w.ok(b.Close(nil))
		}))
		check := w.loop.NewCheck()
		w.ok(check.Start(func() { run = 0 }))
		check.Unref()
		w.run()
		if longest > loop.Turn || all != count || other > 2*loop.Turn {
			w.Errorf("%d in a row, %d in all; the other socket had its turn after %d", longest, all, other)
		}
	})
}

// TestFloodDelaysATimerByATurn: the flood never ends, since every datagram that is
// received sends two.
func TestFloodDelaysATimerByATurn(t *testing.T) {
	everywhere(t, func(w *world) {
		flooded, a := w.bound(loop.UDPConfig{})
		other, b := w.bound(loop.UDPConfig{})
		peer, _ := w.raw()
		defer peer.Close()
		got := 0      // since the timer was due, or the datagram sent
		worst := 0    // before the timer
		worstIO := -1 // before the other socket
		w.ok(flooded.RecvStart(func(m *socket.Message, err error) {
			got++
			_ = flooded.TrySend(to(a, "x"))
			_ = flooded.TrySend(to(a, "x"))
		}))
		w.ok(flooded.TrySend(to(a, "x")))
		rounds := 0
		w.ok(other.RecvStart(func(*socket.Message, error) {
			worstIO = max(worstIO, got)
			got = 0
			// A timer that is due: it is called in this turn's timers phase.
			w.after(0, func() {
				worst = max(worst, got)
				if rounds++; rounds == 200 {
					w.ok(flooded.Close(nil))
					w.ok(other.Close(nil))
					return
				}
				w.send(peer, b, "x")
				got = 0
			})
		}))
		w.send(peer, b, "x")
		w.run()
		if worst > loop.Turn || worstIO > loop.Turn {
			w.Errorf("a timer was delayed by %d datagrams, another socket by %d", worst, worstIO)
		}
	})
}

// TestFloodInVirtualTime comes over a link: a timer is called at its very instant.
func TestFloodInVirtualTime(t *testing.T) {
	l := lab.New(lab.Config{Seed: 7})
	defer l.Close()
	lan := l.AddSwitch("lan")
	server, flooder := l.AddHost("server"), l.AddHost("flooder")
	for i, h := range []*lab.Host{server, flooder} {
		address := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 24)
		if _, err := h.Attach(lan, lab.LinkConfig{Addresses: []netip.Prefix{address}}); err != nil {
			t.Fatal(err)
		}
	}
	late := time.Duration(0)
	got := 0
	server.Go("server", func(context.Context) error {
		w := newWorld(t, "lab", server)
		u := w.udp(loop.UDPConfig{})
		w.ok(u.Bind(netip.MustParseAddrPort("10.0.0.1:7"), 0))
		w.ok(u.RecvStart(func(*socket.Message, error) { got++ }))
		n := 0
		tick := w.loop.NewTimer()
		next := w.on.Clock().Now()
		w.ok(tick.Start(0, time.Millisecond, func() {
			late = max(late, w.on.Clock().Now().Sub(next))
			next = w.on.Clock().Now().Add(time.Millisecond)
			if n++; n == 5 {
				w.ok(tick.Close(nil))
				w.ok(u.Close(nil))
			}
		}))
		return w.loop.Run()
	})
	flooder.Go("flood", func(ctx context.Context) error {
		w := newWorld(t, "lab", flooder)
		s, err := flooder.Open(socket.IPv4)
		if err != nil {
			return err
		}
		for l.Elapsed() < 5*time.Millisecond {
			for range 50 {
				w.send(s, netip.MustParseAddrPort("10.0.0.1:7"), "x")
			}
			if err := flooder.Sleep(ctx, 10*time.Microsecond); err != nil {
				return err
			}
		}
		return nil
	})
	if err := l.RunTasks(time.Minute); err != nil {
		t.Error(err)
	}
	if late != 0 || got < 10_000 {
		t.Errorf("a timer was %v late under %d datagrams", late, got)
	}
}

// TestStoppedInTheMiddleOfATurn: the rest is handed out when receiving starts again.
func TestStoppedInTheMiddleOfATurn(t *testing.T) {
	everywhere(t, func(w *world) {
		u, a := w.bound(loop.UDPConfig{})
		peer, _ := w.raw()
		defer peer.Close()
		for i := range 50 {
			w.send(peer, a, fmt.Sprint(i))
		}
		var f func(*socket.Message, error)
		n := 0
		f = func(m *socket.Message, err error) {
			if string(m.Buf) != fmt.Sprint(n) || !m.Addr.IsValid() {
				w.Fatalf("got %s, want %d", m.Buf, n)
			}
			n++
			if n%10 == 3 { // in the middle, and with more behind it
				w.ok(u.RecvStop())
				w.after(time.Millisecond, func() { w.ok(u.RecvStart(f)) })
			}
			if n == 50 {
				w.ok(u.Close(nil))
			}
		}
		w.ok(u.RecvStart(f))
		w.run()
		if n != 50 {
			w.Errorf("%d arrived", n)
		}
	})
}

func TestBatches(t *testing.T) {
	everywhere(t, func(w *world) {
		u, a := w.bound(loop.UDPConfig{})
		peer, _ := w.raw()
		defer peer.Close()
		for i := range 40 {
			w.send(peer, a, fmt.Sprint(i))
		}
		n := 0
		w.ok(u.RecvStartBatch(func(ms []socket.Message, err error) {
			w.note("%d", len(ms))
			for i := range ms {
				if string(ms[i].Buf) != fmt.Sprint(n) {
					w.Errorf("got %s, want %d", ms[i].Buf, n)
				}
				n++
				ms[i].Buf = ms[i].Buf[1:1:1] // what is done to them is forgotten
			}
			if n == 40 {
				w.ok(u.Close(nil))
			}
		}))
		w.run()
		w.want("32", "8")
	})
}

// TestSendInACallbackWaits: as libuv has it, and for that no callback is called from
// inside a send.
func TestSendInACallbackWaits(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, a := w.raw()
		defer peer.Close()
		u, _ := w.bound(loop.UDPConfig{})
		w.ok(u.Send(to(a, "1"), func(error) {
			w.note("1")
			w.ok(u.Send(to(a, "2"), func(error) {
				w.note("2")
				w.ok(u.Close(nil))
			}))
			w.note("%d waits", u.SendQueueCount())
			if got := drain(peer); len(got) != 0 {
				w.Errorf("inside the callback of a send %q went at once", got)
			}
			w.is("TrySend while one waits", u.TrySend(to(a, "3")), syscall.EAGAIN)
			w.is("TrySendBatch while one waits", func() error { _, err := u.TrySendBatch([]socket.Message{*to(a, "3")}); return err }(), syscall.EAGAIN)
		}))
		w.want()
		if got := drain(peer); len(got) != 1 {
			w.Errorf("when Send had returned, %q were sent", got)
		}
		w.run()
		w.want("1", "1 waits", "2")
		if got := drain(peer); len(got) != 1 || got[0] != "2" {
			w.Errorf("then %q", got)
		}
	})
}

// TestABatchThatFailsInItsMiddle says how many went; nothing is skipped or sent twice.
func TestABatchThatFailsInItsMiddle(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, a := w.raw()
		defer peer.Close()
		net := jam.New(w.on)
		u, _ := w.bound(loop.UDPConfig{On: net})
		ms := make([]socket.Message, 100)
		for i := range ms {
			ms[i] = *to(a, fmt.Sprint(i))
		}
		ms[40].Buf = make([]byte, 65536)
		try := func(from, want int, wantErr error) int {
			w.Helper()
			n, err := u.TrySendBatch(ms[from:])
			if n != want || err != wantErr {
				w.Errorf("TrySendBatch from %d = %d, %v, want %d, %v", from, n, err, want, wantErr)
			}
			return from + n
		}
		net.Jam(7, syscall.EAGAIN)
		i := try(0, 7, nil)
		try(i, 0, syscall.EAGAIN)
		net.Jam(3, syscall.ENOBUFS)
		i = try(i, 3, nil)
		try(i, 0, syscall.EAGAIN) // a full device is as a full buffer
		net.Clear()
		i = try(i, 30, nil)
		try(i, 0, syscall.EMSGSIZE)
		i = try(i+1, 59, nil)
		if i != 100 {
			w.Errorf("%d", i)
		}
		got := drain(peer)
		next := 0
		for _, g := range got {
			if next == 40 {
				next++
			}
			if g != fmt.Sprint(next) {
				w.Fatalf("got %s, want %d", g, next)
			}
			next++
		}
		if next != 100 {
			w.Errorf("%d came", len(got))
		}
		w.ok(u.Close(nil))
		w.run()
	})
}

// TestNoBuffersIsTriedAgain, after a moment and not at once: nothing tells when the
// device has room.
func TestNoBuffersIsTriedAgain(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, a := w.raw()
		defer peer.Close()
		net := jam.New(w.on)
		u, _ := w.bound(loop.UDPConfig{On: net})
		net.Jam(0, syscall.ENOBUFS)
		w.ok(u.Send(to(a, "1"), func(err error) { w.note("1 %v", err) }))
		w.ok(u.Send(to(a, "2"), func(err error) { w.note("2 %v", err); w.ok(u.Close(nil)) }))
		w.after(20*time.Millisecond, func() {
			if calls := net.Calls(); calls < 2 || calls > 40 {
				w.Errorf("tried %d times in 20 ms", calls)
			}
			net.Clear()
		})
		w.run()
		w.want("1 <nil>", "2 <nil>")
	})
}

func TestCloseCancelsExactlyOnce(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, a := w.raw()
		defer peer.Close()
		net := jam.New(w.on)
		u, _ := w.bound(loop.UDPConfig{On: net})
		net.Jam(2, syscall.EAGAIN)
		for i := range 4 {
			w.ok(u.Send(to(a, "x"), func(err error) {
				w.note("%d %v", i, err)
				w.is("Send to one that is closing", u.Send(to(a, "x"), nil), syscall.EBADF)
			}))
		}
		w.ok(u.Close(func() {
			w.note("closed, %d wait", u.SendQueueCount())
		}))
		net.Clear()
		w.run()
		w.want("0 <nil>", "1 operation canceled", "2 operation canceled", "3 operation canceled", "closed, 0 wait")
		if got := drain(peer); len(got) != 1 {
			w.Errorf("%d were sent", len(got))
		}
	})
}

// TestCloseInEveryCallback: the handle may be closed by whatever it calls.
func TestCloseInEveryCallback(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, a := w.raw()
		defer peer.Close()
		u, own := w.bound(loop.UDPConfig{})
		for range 3 {
			w.send(peer, own, "x")
		}
		w.ok(u.RecvStart(func(*socket.Message, error) {
			w.note("received")
			w.ok(u.Close(w.noting("closed")))
		}))
		v, _ := w.bound(loop.UDPConfig{})
		for i := range 3 {
			w.ok(v.Send(to(a, "x"), func(err error) {
				if i == 0 {
					w.ok(v.Close(nil))
				}
				w.note("send %d %v", i, err)
			}))
		}
		w.run()
		counts := map[string]int{}
		for _, s := range w.log {
			counts[s]++
		}
		if counts["received"] != 1 || counts["closed"] != 1 || counts["send 0 <nil>"] != 1 || len(w.log) != 5 {
			w.Errorf("%v", w.log)
		}
	})
}

// TestManySocketsOnOneLoop: each has its own, and closing one touches no other.
func TestManySocketsOnOneLoop(t *testing.T) {
	everywhere(t, func(w *world) {
		const count = 100
		peer, _ := w.raw()
		defer peer.Close()
		left := count
		for i := range count {
			u, a := w.bound(loop.UDPConfig{})
			n := 0
			w.ok(u.RecvStart(func(m *socket.Message, err error) {
				if string(m.Buf) != fmt.Sprint(i, n) {
					w.Errorf("socket %d got %q", i, m.Buf)
				}
				if n++; n == 3 {
					left--
					w.ok(u.Close(nil))
					return
				}
				w.send(peer, a, fmt.Sprint(i, n))
			}))
			w.send(peer, a, fmt.Sprint(i, 0))
		}
		w.run()
		if left != 0 {
			w.Errorf("%d sockets have not had theirs", left)
		}
	})
}

// TestNoAllocationsPerDatagram, received and sent.
func TestNoAllocationsPerDatagram(t *testing.T) {
	everywhere(t, func(w *world) {
		u, a := w.bound(loop.UDPConfig{})
		m := to(a, "x")
		w.ok(u.RecvStart(func(*socket.Message, error) { _ = u.TrySend(m) }))
		w.ok(u.TrySend(m))
		turn := func() { _, _ = w.loop.RunMode(loop.RunNoWait) }
		turn()
		before := u.Stats().Received
		const runs = 200
		allocs := testing.AllocsPerRun(runs, turn)
		if got := u.Stats().Received - before; got < runs/2 {
			w.Errorf("only %d were received", got)
		}
		if allocs > 0 && !packet.Checking {
			w.Errorf("%v allocations a datagram", allocs)
		}
		w.ok(u.Close(nil))
		w.run()
	})
}

// TestWakeForADatagram: who drives the loop is told when there is something to read.
func TestWakeForADatagram(t *testing.T) {
	for name, on := range map[string]socket.Network{"host": host.Network{}, "stack": newStack(t)} {
		t.Run(name, func(t *testing.T) {
			woken := make(chan struct{}, 1)
			w := newWorld(t, name, on)
			w.loop = loop.New(loop.Config{On: on, Wake: func() { woken <- struct{}{} }})
			u, a := w.bound(loop.UDPConfig{})
			w.ok(u.RecvStart(func(m *socket.Message, err error) { w.note("%s", m.Buf) }))
			peer, _ := w.raw()
			defer peer.Close()
			for i := range 3 {
				if _, err := w.loop.RunMode(loop.RunNoWait); err != nil {
					t.Fatal(err)
				}
				w.send(peer, a, fmt.Sprint(i))
				<-woken
			}
			w.ok(u.Close(nil))
			for w.loop.Alive() {
				_, _ = w.loop.RunMode(loop.RunNoWait)
			}
			w.want("0", "1")
		})
	}
}

func newStack(t *testing.T) *stack.Stack {
	t.Helper()
	s, err := stack.New(stack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
