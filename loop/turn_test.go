package loop_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/socket"
)

// A flood is a socket that never runs dry: every datagram that it gets sends it two more.
type flood struct {
	u    *loop.UDP
	to   netip.AddrPort
	got  int // datagrams since the last reset
	told int // ends of sends since
	each func()
}

// flood makes one, which sends by TrySend or, with ends, by Send with a callback.
func (w *world) flood(ends bool) *flood {
	w.Helper()
	f := &flood{each: func() {}}
	f.u, f.to = w.bound(loop.UDPConfig{MaxQueued: 200})
	m := to(f.to, "x")
	send := func() { _ = f.u.TrySend(m) }
	if ends {
		send = func() { _ = f.u.Send(m, func(error) { f.told++ }) }
	}
	w.ok(f.u.RecvStart(func(*socket.Message, error) {
		f.got++
		f.each()
		if !f.u.Closing() {
			send()
			send()
		}
	}))
	send()
	return f
}

// TestFloodDelaysAnotherSocketByATurn: whenever a datagram comes to a quiet socket, or a
// timer becomes due, each flooded one gets at most a turn's worth before it is told.
func TestFloodDelaysAnotherSocketByATurn(t *testing.T) {
	for _, c := range []struct {
		name   string
		floods int
		ends   bool
	}{
		{"one", 1, false},
		{"two", 2, false},
		{"three", 3, false},
		{"one whose sends end in the same turn", 1, true},
		{"two whose sends end in the same turn", 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			everywhere(t, func(w *world) { delays(w, c.floods, c.ends) })
		})
	}
}

// delays measures how long floods delay a quiet socket and a timer, from each place that
// something can happen in.
func delays(w *world, count int, ends bool) {
	var floods []*flood
	quiet, toQuiet := w.bound(loop.UDPConfig{})
	peer, _ := w.raw()
	defer peer.Close()
	for range count {
		floods = append(floods, w.flood(ends))
	}
	reset := func() {
		for _, f := range floods {
			f.got, f.told = 0, 0
		}
	}
	places := []string{"idle", "prepare", "check", "the quiet socket"}
	for i := range floods {
		places = append(places, fmt.Sprint("flood ", i))
	}
	place, asked, waits := "", 0, false
	check := func(what string) {
		for i, f := range floods {
			if f.got > loop.Turn || f.told > 2*loop.Turn {
				w.Errorf("%s, asked from %s: flood %d had %d datagrams and %d ends of sends before", what, place, i, f.got, f.told)
			}
		}
	}
	timer := w.loop.NewTimer()
	// begin asks, if that is the place whose turn it is.
	begin := func(from string) {
		if waits || quiet.Closing() || from != places[asked%len(places)] {
			return
		}
		place, waits = from, true
		reset()
		if asked++; asked/len(places)%3 == 0 {
			w.ok(timer.Start(0, 0, func() { check("a timer"); waits = false }))
		} else {
			w.send(peer, toQuiet, "x")
		}
	}
	w.ok(quiet.RecvStart(func(*socket.Message, error) {
		check("another socket")
		waits = false
		begin("the quiet socket")
	}))
	for i, f := range floods {
		n := 0
		f.each = func() {
			if n++; n%37 == 0 { // at every position of a turn, in turn
				begin(fmt.Sprint("flood ", i))
			}
		}
	}
	idle, prepare, phase := w.loop.NewIdle(), w.loop.NewPrepare(), w.loop.NewCheck()
	w.ok(idle.Start(func() { begin("idle") }))
	w.ok(prepare.Start(func() { begin("prepare") }))
	w.ok(phase.Start(func() {
		if !waits && places[asked%len(places)] == "the quiet socket" {
			w.send(peer, toQuiet, "again") // so that it can ask
		}
		begin("check")
		if asked >= 16*len(places) {
			for _, f := range floods {
				w.ok(f.u.Close(nil))
			}
			w.ok(quiet.Close(nil))
			for _, h := range []loop.Handle{idle, prepare, phase, timer} {
				w.ok(h.Close(nil))
			}
		}
	}))
	w.run()
	for i, f := range floods {
		if n := f.u.Stats().Received; n < 500 {
			w.Errorf("flood %d has had %d datagrams: it was none", i, n)
		}
	}
}

// TestFloodFromOutsideDelaysByATurn: the flood comes from a program of its own, on the
// operating system and on a stack in real time.
func TestFloodFromOutsideDelaysByATurn(t *testing.T) {
	everywhere(t, func(w *world) {
		if w.name == "lab" { // whose tasks do not run at the same time: TestFloodInVirtualTime
			return
		}
		flooded, toFlooded := w.bound(loop.UDPConfig{})
		quiet, toQuiet := w.bound(loop.UDPConfig{})
		peer, _ := w.raw()
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			defer peer.Close()
			ms := []socket.Message{{Buf: []byte("x"), Addr: toFlooded}}
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = peer.TrySend(ms)
				}
			}
		}()
		asker, _ := w.raw()
		defer asker.Close()
		got, all, rounds := 0, 0, 0
		ask := func() { got = 0; w.send(asker, toQuiet, "x") }
		w.ok(flooded.RecvStart(func(*socket.Message, error) { got++; all++ }))
		w.ok(quiet.RecvStart(func(*socket.Message, error) {
			if got > loop.Turn {
				w.Errorf("another socket was delayed by %d datagrams", got)
			}
			if rounds++; rounds >= 200 && all >= 2000 {
				close(stop)
				w.ok(flooded.Close(nil))
				w.ok(quiet.Close(nil))
				return
			}
			if rounds%2 == 0 {
				ask()
				return
			}
			w.after(time.Millisecond, ask)
		}))
		ask()
		w.run()
		<-stopped
	})
}

// TestErrorsShareTheTurn: of a socket whose error queue is full and that is flooded, one
// turn has no more than of one that is flooded.
func TestErrorsShareTheTurn(t *testing.T) {
	everywhere(t, func(w *world) {
		nobody := w.refusing(v4)
		u, a := w.bind(v4, loop.ReceiveErrors)
		peer, _ := w.raw()
		defer peer.Close()
		for range 100 {
			_ = u.TrySend(to(nobody, "x")) // which tells of a pending error now and then
			w.send(peer, a, "x")
		}
		errors, datagrams, inTurn, most := 0, 0, 0, 0
		turn := w.loop.Turns()
		w.ok(u.RecvStart(func(m *socket.Message, err error) {
			if now := w.loop.Turns(); now != turn {
				turn, inTurn = now, 0
			}
			inTurn++
			most = max(most, inTurn)
			if err != nil {
				errors++
			} else {
				datagrams++
			}
		}))
		w.closeAll(50*time.Millisecond, u)
		w.run()
		if most > loop.Turn || datagrams != 100 || errors < 20 {
			w.Errorf("%d errors and %d datagrams, up to %d in a turn", errors, datagrams, most)
		}
	})
}
