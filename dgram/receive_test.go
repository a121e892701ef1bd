package dgram_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/dgram"
	"github.com/castnet-go/castnet/socket"
)

// other opens a socket without a loop, bound to an address of this host that is not
// 127.0.0.1.
func (w *world) other() socket.Socket {
	w.Helper()
	s, err := w.on.Open(socket.IPv4)
	if err != nil {
		w.Fatal(err)
	}
	if err := s.Bind(netip.MustParseAddrPort("127.0.0.2:0")); err != nil {
		w.Fatal(err)
	}
	return s
}

func TestMessageTellsWhoSentIt(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, port := w.raw()
		defer peer.Close()
		s := w.socket(dgram.Options{})
		s.OnMessage(func(msg []byte, from *dgram.RemoteInfo) {
			w.note("%s from %s %s %v, %d bytes", msg, from.Address(), from.Family(), from.Port() == port, from.Size())
			s.Close(nil)
		})
		do(w, s.Bind(0, "127.0.0.1", nil))
		s.OnListening(func() {
			own, _ := s.Address()
			send(w, peer, own, "hello")
		})
		w.run()
		w.want("hello from 127.0.0.1 IPv4 true, 5 bytes")
	})
}

func TestReportTellsDestinationInterfaceTTLAndECN(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.socket(dgram.Options{Report: socket.FieldLocal | socket.FieldInterface | socket.FieldTTL | socket.FieldTOS | socket.FieldDrops})
		s.OnMessage(func(msg []byte, from *dgram.RemoteInfo) {
			name := ""
			list, _ := w.on.Interfaces()
			for _, i := range list {
				if i.Index == from.Interface {
					name = i.Name
				}
			}
			w.note("%s to %v by %s, TTL %d, ECN %d, %v", msg, from.Local.Addr(), name, from.TTL, from.ECN(), from.Set&socket.FieldTTL != 0)
			s.Close(nil)
		})
		do(w, s.Bind(0, "", func() {
			own, _ := s.Address()
			to := netip.AddrPortFrom(addr("127.0.0.3"), own.Port())
			do(w, s.SendMessage(&dgram.Message{Buf: []byte("x"), Addr: to, Set: socket.FieldTTL | socket.FieldTOS, TTL: 7, TOS: 2}, nil))
		}))
		w.run()
		w.want("x to 127.0.0.3 by lo, TTL 7, ECN 2, true")
	})
}

func TestMessagesComeInBatches(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, _ := w.raw()
		defer peer.Close()
		s := w.socket(dgram.Options{})
		var all []string
		s.OnMessages(func(ms []dgram.Message) {
			w.note("%d", len(ms))
			for _, m := range ms {
				all = append(all, string(m.Buf))
			}
			if len(all) == 70 {
				s.Close(nil)
			}
		})
		do(w, s.Bind(0, "127.0.0.1", func() {
			own, _ := s.Address()
			for i := range 70 {
				send(w, peer, own, fmt.Sprint(i))
			}
		}))
		w.run()
		w.want("32", "32", "6")
		for i, m := range all {
			if m != fmt.Sprint(i) {
				w.Fatalf("in the order of %v", all)
			}
		}
	})
}

// TestOnMessagesMayComeLater: in the middle of a turn too, and nothing is lost.
func TestOnMessagesMayComeLater(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, _ := w.raw()
		defer peer.Close()
		s := w.socket(dgram.Options{})
		got := ""
		s.OnMessage(func(msg []byte, _ *dgram.RemoteInfo) {
			if got += string(msg); len(got) == 1 {
				s.OnMessages(func(ms []dgram.Message) { w.note("batch of %d", len(ms)) })
			}
			if len(got) == 5 {
				s.Close(nil)
			}
		})
		do(w, s.Bind(0, "127.0.0.1", func() {
			own, _ := s.Address()
			for i := range 5 {
				send(w, peer, own, fmt.Sprint(i))
			}
		}))
		w.run()
		if got != "01234" {
			w.Errorf("got %q", got)
		}
		w.want("batch of 4")
	})
}

func TestListenersCanBeRemoved(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, _ := w.raw()
		defer peer.Close()
		s := w.server("s", dgram.Options{})
		own, _ := s.Address()
		var remove func()
		remove = s.OnMessage(func([]byte, *dgram.RemoteInfo) { w.note("once"); remove(); remove() })
		s.OnMessage(func(msg []byte, _ *dgram.RemoteInfo) {
			if string(msg) == "2" {
				s.Close(nil)
			}
		})
		send(w, peer, own, "1")
		send(w, peer, own, "2")
		w.run()
		w.want("s got 1", "once", "s got 2")
	})
}

// TestNothingComesAfterClose, though it was received in one turn with what did.
func TestNothingComesAfterClose(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, _ := w.raw()
		defer peer.Close()
		s := w.server("s", dgram.Options{})
		own, _ := s.Address()
		s.OnMessage(func([]byte, *dgram.RemoteInfo) { s.Close(nil) })
		for i := range 3 {
			send(w, peer, own, fmt.Sprint(i))
		}
		w.run()
		w.want("s got 0")
	})
}

// TestDropsCanBeSeen: by the socket's counters and by the next message.
func TestDropsCanBeSeen(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, _ := w.raw()
		defer peer.Close()
		s := w.socket(dgram.Options{RecvBufferSize: 4096, Report: socket.FieldDrops})
		got, told := 0, 0
		s.OnMessage(func(_ []byte, from *dgram.RemoteInfo) {
			got++
			told += int(from.Drops)
		})
		const count = 100
		do(w, s.Bind(0, "127.0.0.1", func() {
			own, _ := s.Address()
			for range count {
				send(w, peer, own, strings.Repeat("x", 1000))
			}
			w.after(20*time.Millisecond, func() { send(w, peer, own, "the next") })
			w.after(70*time.Millisecond, func() { s.Close(nil) })
		}))
		w.run()
		lost := 0
		for _, n := range s.Stats().Dropped {
			lost += int(n)
		}
		if got <= 1 || got > count || lost != count+1-got || told != lost {
			w.Errorf("of %d, %d were received, %d told lost by messages and %d by Stats", count+1, got, told, lost)
		}
	})
}

func TestSendBatch(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, port := w.raw()
		defer peer.Close()
		to := netip.AddrPortFrom(addr("127.0.0.1"), uint16(port))
		batch := func(n int) (ms []dgram.Message) {
			for i := range n {
				ms = append(ms, dgram.Message{Buf: []byte(fmt.Sprint(i)), Addr: to})
			}
			return ms
		}
		s := w.socket(dgram.Options{})
		do(w, s.SendBatch(batch(3), w.sent("before the bind")))
		s.OnListening(func() {
			do(w, s.SendBatch(batch(50), w.sent("at once")))
			bad := batch(4)
			bad[2].Buf = make([]byte, 65508)
			do(w, s.SendBatch(bad, func(n int, err error) { w.note("with a bad one: %d, %v", n, err != nil) }))
			do(w, s.SendBatch(nil, w.sent("none")))
			if err := s.SendBatch([]dgram.Message{{}}, nil); err == nil {
				w.Error("a message without an address was accepted")
			}
			w.after(10*time.Millisecond, func() { s.Close(nil) })
		})
		w.run()
		w.want("before the bind: 3", "at once: 50", "with a bad one: 3, true", "none: 0")
		if got := len(drain(peer)); got != 56 {
			w.Errorf("the peer got %d datagrams", got)
		}
	})
}

func TestSubscribe(t *testing.T) {
	everywhere(t, func(w *world) {
		var seen []*dgram.Socket
		cancel := dgram.Subscribe(func(s *dgram.Socket) { seen = append(seen, s) })
		s := w.socket(dgram.Options{})
		cancel()
		w.socket(dgram.Options{})
		if len(seen) != 1 || seen[0] != s {
			w.Errorf("told of %v", seen)
		}
	})
}

func TestSignal(t *testing.T) {
	everywhere(t, func(w *world) {
		ctx, cancel := context.WithCancel(context.Background())
		s := w.server("s", dgram.Options{Signal: ctx})
		s.OnClose(func() { w.note("closed") })
		w.after(time.Millisecond, cancel)
		w.run()
		w.want("closed")

		s = w.socket(dgram.Options{Signal: ctx}) // which is done
		s.OnClose(func() { w.note("closed at once") })
		if !s.Closed() {
			w.Error("the socket is open")
		}
		w.run()
		w.want("closed at once")

		ctx, cancel = context.WithCancel(context.Background())
		s = w.server("s", dgram.Options{Signal: ctx})
		do(w, s.Close(func() { w.note("closed before") }))
		cancel()
		w.run()
		w.want("closed before")
	})
}

// TestSignalDropsWhatWaitsForTheBind.
func TestSignalDropsWhatWaitsForTheBind(t *testing.T) {
	everywhere(t, func(w *world) {
		ctx, cancel := context.WithCancel(context.Background())
		s := w.socket(dgram.Options{Signal: ctx, Lookup: func(ctx context.Context, _ string, _ socket.Family) (netip.Addr, error) {
			if w.name != "lab" {
				<-ctx.Done()
			}
			return netip.Addr{}, ctx.Err()
		}})
		s.OnError(func(err error) { w.note("error %v", err) })
		do(w, s.Bind(0, "name", nil))
		do(w, s.Send(nil, 9, "name", w.sent("send")))
		cancel()
		w.run()
		w.want("send: context canceled")
	})
}
