package dgram_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/castnet-go/castnet/dgram"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/socket"
)

// A flood is a socket that never runs dry: every datagram that it gets sends it two more.
type flood struct {
	s    *dgram.Socket
	got  int // datagrams since the last reset
	told int // callbacks of sends since
	each func()
}

func (w *world) flood(batches bool) *flood {
	w.Helper()
	f := &flood{each: func() {}}
	f.s = w.socket(dgram.Options{MaxQueued: 200})
	f.s.OnError(func(err error) { w.Error(err) })
	if _, err := f.s.BindSync(0, "127.0.0.1"); err != nil {
		w.Fatal(err)
	}
	port := w.port(f.s)
	told := func(int, error) { f.told++ }
	got := func() {
		f.got++
		f.each()
		for range 2 {
			if !f.s.Closed() {
				do(w, f.s.Send([]byte("x"), port, "127.0.0.1", told))
			}
		}
	}
	if batches {
		f.s.OnMessages(func(ms []socket.Message) {
			for range ms {
				got()
			}
		})
	} else {
		f.s.OnMessage(func([]byte, *dgram.RemoteInfo) { got() })
	}
	do(w, f.s.Send([]byte("x"), port, "127.0.0.1", told))
	return f
}

// TestFloodDelaysAnotherSocketByATurn: whenever a datagram comes to a quiet socket, or a
// timer becomes due, each flooded one gets at most a turn's worth before it is told.
// Callbacks of sends come on the ticks of those datagrams, two for each.
func TestFloodDelaysAnotherSocketByATurn(t *testing.T) {
	for _, count := range []int{1, 2} {
		for _, batches := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d/batches=%v", count, batches), func(t *testing.T) {
				everywhere(t, func(w *world) { delays(w, count, batches) })
			})
		}
	}
}

func delays(w *world, count int, batches bool) {
	var floods []*flood
	quiet := w.socket(dgram.Options{})
	if _, err := quiet.BindSync(0, "127.0.0.1"); err != nil {
		w.Fatal(err)
	}
	to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(w.port(quiet)))
	peer, _ := w.raw()
	defer peer.Close()
	for range count {
		floods = append(floods, w.flood(batches))
	}
	places := []string{"an immediate", "a timer", "a tick"}
	for i := range floods {
		places = append(places, fmt.Sprint("flood ", i))
	}
	place, asked, waits := "", 0, false
	check := func(what string) {
		for i, f := range floods {
			if f.got > loop.Turn || f.told > 2*loop.Turn+2 {
				w.Errorf("%s, asked from %s: flood %d had %d datagrams and %d callbacks before", what, place, i, f.got, f.told)
			}
		}
		waits = false
	}
	timer := w.loop.NewTimer()
	// begin asks, if that is the place whose turn it is.
	begin := func(from string) {
		if waits || quiet.Closed() || from != places[asked%len(places)] {
			return
		}
		place, waits = from, true
		for _, f := range floods {
			f.got, f.told = 0, 0
		}
		if asked++; asked/len(places)%3 == 0 {
			do(w, timer.Start(0, 0, func() { check("a timer") }))
		} else {
			send(w, peer, to, "x")
		}
	}
	quiet.OnMessage(func([]byte, *dgram.RemoteInfo) { check("another socket") })
	for i, f := range floods {
		n := 0
		f.each = func() {
			if n++; n%37 == 0 { // at every position of a turn, in turn
				begin(fmt.Sprint("flood ", i))
				w.loop.NextTick(func() { begin("a tick") })
			}
		}
	}
	other := w.loop.NewTimer()
	do(w, other.Start(0, time.Nanosecond, func() { begin("a timer") }))
	var phase func()
	phase = func() {
		begin("an immediate")
		if asked < 16*len(places) {
			w.loop.SetImmediate(phase)
			return
		}
		for _, f := range floods {
			do(w, f.s.Close(nil))
		}
		do(w, quiet.Close(nil))
		do(w, timer.Close(nil))
		do(w, other.Close(nil))
	}
	w.loop.SetImmediate(phase)
	w.run()
	for i, f := range floods {
		if n := f.s.Stats().Received; n < 500 {
			w.Errorf("flood %d has had %d datagrams: it was none", i, n)
		}
	}
}

// TestFloodOverALink: two sockets of a host are flooded by another over a link, in virtual
// time, and what a third sends to a quiet one is told within a turn of either.
func TestFloodOverALink(t *testing.T) {
	l := lab.New(lab.Config{Seed: 5})
	defer l.Close()
	lan := l.AddSwitch("lan")
	names := []string{"server", "flooder", "client"}
	hosts := make(map[string]*lab.Host)
	for i, name := range names {
		hosts[name] = l.AddHost(name)
		address := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 24)
		if _, err := hosts[name].Attach(lan, lab.LinkConfig{Addresses: []netip.Prefix{address}}); err != nil {
			t.Fatal(err)
		}
	}
	var floods [2]int // datagrams since a client's was sent
	total, answered, worst := 0, 0, 0
	hosts["server"].Go("server", func(context.Context) error {
		w := newWorld(t, "lab", hosts["server"])
		for i := range floods {
			s := w.socket(dgram.Options{})
			s.OnMessage(func([]byte, *dgram.RemoteInfo) { floods[i]++; total++ })
			do(w, s.Bind(7+i, "", nil))
			w.after(8*time.Millisecond, func() { do(w, s.Close(nil)) })
		}
		quiet := w.socket(dgram.Options{})
		quiet.OnMessage(func([]byte, *dgram.RemoteInfo) {
			answered++
			worst = max(worst, floods[0], floods[1])
		})
		do(w, quiet.Bind(9, "", nil))
		w.after(8*time.Millisecond, func() { do(w, quiet.Close(nil)) })
		return w.loop.Run()
	})
	hosts["flooder"].Go("flooder", func(ctx context.Context) error {
		w := newWorld(t, "lab", hosts["flooder"])
		s, err := hosts["flooder"].Open(socket.IPv4)
		if err != nil {
			return err
		}
		for l.Elapsed() < 8*time.Millisecond {
			for i := range 200 {
				send(w, s, netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), uint16(7+i%2)), "x")
			}
			if err := hosts["flooder"].Sleep(ctx, 100*time.Microsecond); err != nil {
				return err
			}
		}
		return nil
	})
	hosts["client"].Go("client", func(ctx context.Context) error {
		w := newWorld(t, "lab", hosts["client"])
		s, err := hosts["client"].Open(socket.IPv4)
		if err != nil {
			return err
		}
		for range 40 {
			floods = [2]int{}
			send(w, s, netip.MustParseAddrPort("10.0.0.1:9"), "x")
			if err := hosts["client"].Sleep(ctx, 170*time.Microsecond); err != nil {
				return err
			}
		}
		return nil
	})
	if err := l.RunTasks(time.Minute); err != nil {
		t.Error(err)
	}
	if worst > loop.Turn || answered != 40 || total < 5_000 {
		t.Errorf("%d of 40 were told, the latest behind %d datagrams of a flood of %d", answered, worst, total)
	}
}
