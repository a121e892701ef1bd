package loop_test

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/socket"
)

// ahead is how many callbacks take no time.
const ahead = 64 * loop.Turn

// busy runs two hosts: one whose loop is never idle, as an immediate sets the next and
// each sends a datagram to itself, the other sends to it every 300 µs over a link of 1 ms.
// It returns what happened when, and the lab's fingerprint.
func busy(t *testing.T, callback time.Duration) (log []string, immediates int, print uint64) {
	t.Helper()
	l := lab.New(lab.Config{Seed: 1})
	defer l.Close()
	lan := l.AddSwitch("lan")
	hosts := [2]*lab.Host{l.AddHost("busy"), l.AddHost("other")}
	for i, h := range hosts {
		if _, err := h.Attach(lan, lab.LinkConfig{
			Addresses: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 24)},
			Faults:    lab.Faults{Delay: time.Millisecond},
		}); err != nil {
			t.Fatal(err)
		}
	}
	hosts[0].Go("busy", func(context.Context) error {
		w := newWorld(t, "lab", hosts[0])
		w.loop = loop.New(loop.Config{On: hosts[0], CallbackTime: callback})
		u := w.udp(loop.UDPConfig{})
		w.ok(u.Bind(netip.MustParseAddrPort("10.0.0.1:7"), 0))
		w.ok(u.RecvStart(func(m *socket.Message, err error) {
			log = append(log, fmt.Sprintf("%s at %v", m.Buf, l.Elapsed().Round(100*time.Microsecond)))
		}))
		self, a := w.bound(loop.UDPConfig{})
		w.ok(self.RecvStart(func(*socket.Message, error) {}))
		end := false
		for _, at := range []time.Duration{30 * time.Millisecond, 32 * time.Millisecond, 36 * time.Millisecond} {
			w.after(at, func() { // 10 ms or more: three turns later
				log = append(log, fmt.Sprintf("timer at %v", l.Elapsed().Round(100*time.Microsecond)))
				if at == 36*time.Millisecond {
					end = true
					w.ok(u.Close(nil))
					w.ok(self.Close(nil))
				}
			})
		}
		var again func()
		again = func() {
			immediates++
			if !end {
				if immediates%2 == 0 {
					_ = self.TrySend(to(a, "x"))
				} else {
					_ = self.TrySendTo([]byte("x"), a)
				}
				w.loop.SetImmediate(again)
			}
		}
		again()
		return w.loop.Run()
	})
	hosts[1].Go("other", func(ctx context.Context) error {
		w := newWorld(t, "lab", hosts[1])
		s, err := hosts[1].Open(socket.IPv4)
		if err != nil {
			return err
		}
		if err := hosts[1].Sleep(ctx, 30*time.Millisecond); err != nil {
			return err
		}
		for i := range 3 {
			w.send(s, netip.MustParseAddrPort("10.0.0.1:7"), fmt.Sprint(i))
			if err := hosts[1].Sleep(ctx, 300*time.Microsecond); err != nil {
				return err
			}
		}
		return nil
	})
	if err := l.RunTasks(time.Second); err != nil {
		t.Error(err)
	}
	return log, immediates, l.Fingerprint()
}

// TestBusyLoopTakesItsTime: what a loop does takes virtual time when it is never idle, and
// timers and what comes over a link keep their order and their times: neither is early,
// and neither later than a turn.
func TestBusyLoopTakesItsTime(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	log, immediates, print := busy(t, 10*time.Microsecond)
	// ARP takes a round of its own: 2 ms before the first arrives.
	want := "[timer at 30.1ms timer at 32.1ms 0 at 33ms 1 at 33ms 2 at 33ms timer at 36.1ms]"
	if got := fmt.Sprint(log); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// Each immediate is a callback, and sends one datagram that is received by another.
	if most := (36*100 + ahead) / 3; immediates > most+10 || immediates < most-100 {
		t.Errorf("%d immediates in 36 ms, want about %d", immediates, most)
	}
	for run := range 2 {
		runtime.GOMAXPROCS(run + 1)
		if again, n, p := busy(t, 10*time.Microsecond); fmt.Sprint(again) != want || n != immediates || p != print {
			t.Errorf("run %d: %d immediates, fingerprint %x, want %d, %x; %v", run, n, p, immediates, print, again)
		}
	}
}

// TestWhatIsIdleOwesNothing: ordinary work happens at the instant of what causes it, also
// again and again, and a timer is called when it is due.
func TestWhatIsIdleOwesNothing(t *testing.T) {
	inLab(t, func(w *world) {
		w.loop = loop.New(loop.Config{On: w.on, CallbackTime: 10 * time.Microsecond})
		u, a := w.bound(loop.UDPConfig{})
		start := w.on.Clock().Now()
		elapsed := func() time.Duration { return w.on.Clock().Now().Sub(start) }
		got, rounds := 0, 0
		w.ok(u.RecvStart(func(*socket.Message, error) {
			got++
			if at := time.Duration(rounds) * 20 * time.Millisecond; elapsed() != at {
				w.Errorf("datagram %d came %v after it was sent", got, elapsed()-at)
			}
		}))
		tick := w.loop.NewTimer()
		w.ok(tick.Start(20*time.Millisecond, 20*time.Millisecond, func() {
			rounds++
			if at := time.Duration(rounds) * 20 * time.Millisecond; elapsed() != at {
				w.Errorf("timer %d came %v late", rounds, elapsed()-at)
			}
			if rounds == 20 {
				w.ok(tick.Close(nil))
				w.ok(u.Close(nil))
				return
			}
			for range 300 { // 600 callbacks and datagrams, 6 ms
				w.ok(u.TrySend(to(a, "x")))
			}
		}))
		w.run()
		if got != 19*300 {
			w.Errorf("%d datagrams", got)
		}
	})
}

// TestPingPongTakesItsTime: two loops that answer each other over a link without delay are
// both idle between, and still do not stop the time.
func TestPingPongTakesItsTime(t *testing.T) {
	l := lab.New(lab.Config{Seed: 1})
	defer l.Close()
	lan := l.AddSwitch("lan")
	got := 0
	for i := range 2 {
		h := l.AddHost(fmt.Sprint("h", i))
		if _, err := h.Attach(lan, lab.LinkConfig{Addresses: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 24)}}); err != nil {
			t.Fatal(err)
		}
		h.Go("player", func(context.Context) error {
			w := newWorld(t, "lab", h)
			w.loop = loop.New(loop.Config{On: h, CallbackTime: 10 * time.Microsecond})
			u := w.udp(loop.UDPConfig{})
			w.ok(u.Bind(netip.MustParseAddrPort("0.0.0.0:7"), 0))
			w.ok(u.RecvStart(func(m *socket.Message, err error) {
				got++
				_ = u.TrySend(to(m.Addr, "x"))
			}))
			if i == 0 {
				w.ok(u.TrySend(to(netip.MustParseAddrPort("10.0.0.2:7"), "x")))
			}
			w.after(30*time.Millisecond, func() { w.ok(u.Close(nil)) })
			return w.loop.Run()
		})
	}
	if err := l.RunTasks(time.Second); err != nil {
		t.Error(err)
	}
	// Each of the two receives and sends: 20 µs a round, 40 µs for both.
	if want := 2*30_000/40 + ahead; got < want/2 || got > 2*want {
		t.Errorf("%d datagrams in 30 ms, want about %d", got, want)
	}
}

// TestNoCallbackTime: if that is what somebody wants, time stands still.
func TestNoCallbackTime(t *testing.T) {
	inLab(t, func(w *world) {
		w.loop = loop.New(loop.Config{On: w.on, CallbackTime: -1})
		start := w.on.Clock().Now()
		idle := w.loop.NewIdle()
		n := 0
		w.ok(idle.Start(func() {
			if n++; n == 10*ahead {
				w.ok(idle.Close(nil))
			}
		}))
		w.run()
		if now := w.on.Clock().Now(); !now.Equal(start) {
			w.Errorf("%v have passed", now.Sub(start))
		}
	})
}
