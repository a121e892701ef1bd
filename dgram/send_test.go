package dgram_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/dgram"
	"github.com/castnet-go/castnet/internal/jam"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
)

// raw opens a socket without a loop, bound to loopback.
func (w *world) raw() (socket.Socket, int) {
	w.Helper()
	s, err := w.on.Open(socket.IPv4)
	if err != nil {
		w.Fatal(err)
	}
	if err := s.Bind(netip.MustParseAddrPort("127.0.0.1:0")); err != nil {
		w.Fatal(err)
	}
	return s, int(s.LocalAddr().Port())
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

func TestSendTriesAtOnce(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, port := w.raw()
		defer peer.Close()
		s := w.server("s", dgram.Options{})
		do(w, s.Send([]byte("now"), port, "127.0.0.1", w.sent("sent")))
		if got := drain(peer); len(got) != 1 || got[0] != "now" {
			w.Errorf("when Send had returned the peer had %q", got)
		}
		w.want() // the callback comes later
		w.after(0, func() { s.Close(nil) })
		w.run()
		w.want("sent: 3")
	})
}

func TestFullBufferQueuesAndDropsNothing(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, port := w.raw()
		defer peer.Close()
		net := jam.New(w.on)
		s := w.server("s", dgram.Options{On: net})
		net.Jam(1, syscall.EAGAIN)
		for i := range 100 {
			do(w, s.Send(fmt.Appendf(nil, "%02d", i), port, "127.0.0.1", func(n int, err error) {
				if n != 2 || err != nil {
					w.Errorf("send %d: %d, %v", i, n, err)
				}
				w.note("%02d", i)
				if i == 99 {
					s.Close(nil)
				}
			}))
		}
		if s.SendQueueCount() != 99 || s.SendQueueSize() != 198 {
			w.Errorf("99 wait, the queue says %d datagrams, %d bytes", s.SendQueueCount(), s.SendQueueSize())
		}
		w.after(time.Millisecond, func() {
			w.want("00")
			w.note("00")
			if s.SendQueueCount() != 99 {
				w.Errorf("the queue says %d", s.SendQueueCount())
			}
			net.Clear()
		})
		w.run()
		var all []string
		for i := range 100 {
			all = append(all, fmt.Sprintf("%02d", i))
		}
		w.want(all...)
		if got := drain(peer); strings.Join(got, " ") != strings.Join(all, " ") {
			w.Errorf("the peer got %q", got)
		}
		if s.SendQueueCount() != 0 || s.SendQueueSize() != 0 {
			w.Errorf("at the end the queue says %d datagrams, %d bytes", s.SendQueueCount(), s.SendQueueSize())
		}
	})
}

// TestFullSendBufferOfARealLink: the queue is the socket's, behind a link of a rate.
func TestFullSendBufferOfARealLink(t *testing.T) {
	l := lab.New(lab.Config{Seed: 3})
	defer l.Close()
	lan := l.AddSwitch("lan")
	sender, receiver := l.AddHost("sender"), l.AddHost("receiver")
	attach := func(h *lab.Host, address string, f lab.Faults) {
		if _, err := h.Attach(lan, lab.LinkConfig{Addresses: []netip.Prefix{netip.MustParsePrefix(address)}, Faults: f}); err != nil {
			t.Fatal(err)
		}
	}
	attach(sender, "10.0.0.1/24", lab.Faults{Rate: 1e6, Limit: 10000})
	attach(receiver, "10.0.0.2/24", lab.Faults{})
	const count = 500
	got := 0
	receiver.Go("count", func(context.Context) error {
		w := newWorld(t, "lab", receiver)
		s := w.socket(dgram.Options{})
		s.OnMessage(func(msg []byte, _ *dgram.RemoteInfo) {
			if want := fmt.Sprintf("%04d", got); string(msg[:4]) != want {
				t.Errorf("got %s, want %s", msg[:4], want)
			}
			if got++; got == count {
				s.Close(nil)
			}
		})
		do(w, s.Bind(7, "", nil))
		return w.loop.Run()
	})
	queued := 0
	sender.Go("send", func(context.Context) error {
		w := newWorld(t, "lab", sender)
		s := w.socket(dgram.Options{SendBufferSize: 4096})
		called := 0
		do(w, s.Bind(0, "", func() {
			for i := range count {
				msg := fmt.Appendf(make([]byte, 0, 1000), "%04d", i)[:1000]
				do(w, s.Send(msg, 7, "receiver", func(n int, err error) {
					if err != nil || n != 1000 || i != called {
						t.Errorf("callback %d: %d, %v, want %d", i, n, err, called)
					}
					if called++; called == count {
						s.Close(nil)
					}
				}))
			}
			w.after(time.Second, func() { queued = s.SendQueueCount() })
		}))
		return w.loop.Run()
	})
	if err := l.RunTasks(time.Minute); err != nil {
		t.Error(err)
	}
	if got != count || queued < 10 || queued == count {
		t.Errorf("%d of %d arrived; after a second %d were queued", got, count, queued)
	}
}

func TestOtherSendErrorsGoToTheCallback(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.server("s", dgram.Options{})
		big := make([]byte, 65508)
		do(w, s.Send(big, 9, "127.0.0.1", func(n int, err error) {
			w.is(err, syscall.EMSGSIZE, "send EMSGSIZE 127.0.0.1:9")
			var e *dgram.Error
			if !errors.As(err, &e) || n != 0 || e.Code != "EMSGSIZE" || e.Syscall != "send" || e.Address != "127.0.0.1" || e.Port != 9 {
				w.Errorf("%#v", err)
			}
		}))
		do(w, s.Send(nil, 9, "::1", func(_ int, err error) { w.is(err, syscall.EINVAL, "send EINVAL ::1:9") }))
		w.after(0, func() { s.Close(nil) })
		w.run()
	})
}

func TestSendErrorsWithoutCallbackAreSwallowed(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.server("s", dgram.Options{})
		do(w, s.Send(make([]byte, 65508), 9, "127.0.0.1", nil))
		do(w, s.Send(nil, 9, "255.255.255.255", nil))
		w.after(0, func() { s.Close(nil) })
		w.run()
		w.want()
	})
}

func TestLimitedBroadcastWithoutPermissionIsEACCES(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.socket(dgram.Options{})
		do(w, s.Bind(0, "", func() {
			do(w, s.Send([]byte("x"), 9, "255.255.255.255", func(_ int, err error) {
				if w.name == "stack" { // it has no route, which is looked for first
					w.is(err, syscall.ENETUNREACH, "send ENETUNREACH 255.255.255.255:9")
					s.Close(nil)
					return
				}
				w.is(err, syscall.EACCES, "send EACCES 255.255.255.255:9")
				do(w, s.SetBroadcast(true))
				do(w, s.Send([]byte("x"), 9, "255.255.255.255", func(_ int, err error) {
					if errors.Is(err, syscall.EACCES) {
						w.Error(err)
					}
					s.Close(nil)
				}))
			}))
		}))
		w.run()
	})
}

// TestMulticastNeedsNoPermission: the check is for broadcast addresses only.
func TestMulticastNeedsNoPermission(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.server("s", dgram.Options{})
		do(w, s.SetMulticastInterface("127.0.0.1"))
		do(w, s.Send([]byte("x"), 9, "239.1.2.3", func(_ int, err error) {
			if errors.Is(err, syscall.EACCES) {
				w.Error(err)
			}
			w.note("sent")
			s.Close(nil)
		}))
		w.run()
		w.want("sent")
	})
}

func TestSendListIsOneDatagram(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, port := w.raw()
		defer peer.Close()
		s := w.server("s", dgram.Options{})
		do(w, s.SendList([][]byte{[]byte("one "), nil, []byte("datagram")}, port, "", w.sent("list")))
		do(w, s.SendList(nil, port, "", w.sent("empty list")))
		do(w, s.Send(nil, port, "", w.sent("empty")))
		w.after(0, func() { s.Close(nil) })
		w.run()
		w.want("list: 12", "empty list: 0", "empty: 0")
		if got := drain(peer); fmt.Sprintf("%q", got) != `["one datagram" "" ""]` {
			w.Errorf("the peer got %q", got)
		}
	})
}

func TestSendArguments(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.server("s", dgram.Options{})
		for _, port := range []int{0, -1, 65536} {
			w.is(s.Send(nil, port, "", w.sent("never")), dgram.ErrSocketBadPort,
				fmt.Sprintf("Port should be > 0 and < 65536. Received type number (%d).", port))
		}
		do(w, s.ConnectSync(9, ""))
		w.is(s.Send(nil, 9, "", nil), dgram.ErrSocketDgramIsConnected, "Already connected")
		w.is(s.Send(nil, 0, "127.0.0.1", nil), dgram.ErrSocketDgramIsConnected, "Already connected")
		s.Close(nil)
		w.is(s.Send(nil, 0, "", nil), dgram.ErrSocketDgramNotRunning, "Not running")
		w.run()
		w.want()
	})
}

// TestCallbacksComeOnTheNextTick: never from inside the call, and before anything else.
func TestCallbacksComeOnTheNextTick(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, port := w.raw()
		defer peer.Close()
		s := w.server("s", dgram.Options{})
		w.after(0, func() {
			w.loop.SetImmediate(func() { w.note("immediate"); s.Close(nil) })
			w.loop.NextTick(func() { w.note("tick before") })
			do(w, s.Send([]byte("x"), port, "127.0.0.1", w.sent("sent")))
			do(w, s.Send(make([]byte, 65508), 9, "127.0.0.1", func(int, error) { w.note("failed") }))
			w.loop.NextTick(func() { w.note("tick after") })
			w.note("call over")
		})
		w.run()
		w.want("call over", "tick before", "sent: 1", "failed", "tick after", "immediate")
	})
}

func TestSendingInsideASendCallbackLosesNothing(t *testing.T) {
	for _, jammed := range []bool{false, true} {
		t.Run(fmt.Sprintf("jammed=%v", jammed), func(t *testing.T) {
			everywhere(t, func(w *world) {
				const count = 300
				net := jam.New(w.on)
				sender := w.server("sender", dgram.Options{On: net})
				receiver := w.socket(dgram.Options{})
				got := 0
				receiver.OnMessage(func(msg []byte, _ *dgram.RemoteInfo) {
					if want := fmt.Sprint(got); string(msg) != want {
						w.Errorf("got %s, want %s", msg, want)
					}
					if got++; got == count {
						sender.Close(nil)
						receiver.Close(nil)
					}
				})
				sent := 0
				var send func(int, error)
				send = func(_ int, err error) {
					if err != nil {
						w.Error(err)
					}
					if sent == count {
						return
					}
					sent++
					if jammed && sent%10 == 0 {
						net.Jam(0, syscall.EAGAIN)
						w.after(time.Millisecond, net.Clear)
					}
					do(w, sender.Send(fmt.Append(nil, sent-1), w.port(receiver), "127.0.0.1", send))
				}
				do(w, receiver.Bind(0, "127.0.0.1", func() { send(0, nil) }))
				w.run()
				if got != count {
					w.Errorf("%d of %d arrived", got, count)
				}
			})
		})
	}
}

// TestSendsInCallbacksLetOthersHaveTheirTurn: who sends for ever in the callbacks of
// sends delays a timer by a turn.
func TestSendsInCallbacksLetOthersHaveTheirTurn(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, port := w.raw()
		defer peer.Close()
		s := w.server("s", dgram.Options{})
		sends := 0
		var again func(int, error)
		again = func(int, error) {
			if s.Closed() {
				return
			}
			sends++
			do(w, s.Send([]byte("x"), port, "", again))
		}
		w.after(0, func() {
			again(0, nil)
			w.after(0, func() {
				w.note("timer")
				s.Close(nil)
			})
		})
		w.run()
		w.want("timer")
		if sends > loop.Turn+1 {
			w.Errorf("%d datagrams were sent before the timer", sends)
		}
	})
}

// TestCloseCancelsWhatWaits: each callback exactly once.
func TestCloseCancelsWhatWaits(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, port := w.raw()
		defer peer.Close()
		net := jam.New(w.on)
		s := w.server("s", dgram.Options{On: net})
		net.Jam(1, syscall.EAGAIN)
		for i := range 4 {
			do(w, s.Send([]byte("x"), port, "127.0.0.1", func(_ int, err error) {
				if i > 0 {
					w.is(err, syscall.ECANCELED, fmt.Sprintf("send ECANCELED 127.0.0.1:%d", port))
				}
				w.note("%d %v", i, err == nil)
			}))
		}
		do(w, s.Close(func() { w.note("closed") }))
		w.run()
		w.want("0 true", "closed", "1 false", "2 false", "3 false")
		if s.SendQueueCount() != 0 || s.SendQueueSize() != 0 {
			w.Error("the queue is not empty")
		}
	})
}

// TestBytesAreTheCallersAgain: what has to wait is a copy.
func TestBytesAreTheCallersAgain(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, port := w.raw()
		defer peer.Close()
		net := jam.New(w.on)
		s := w.socket(dgram.Options{On: net})
		msg := []byte("before the bind")
		do(w, s.Send(msg, port, "127.0.0.1", nil))
		copy(msg, "XXXXXXXXXXXXXXXXX")
		s.OnListening(func() {
			net.Jam(1, syscall.EAGAIN)
			msg := []byte("gone at once")
			do(w, s.Send(msg, port, "127.0.0.1", nil))
			msg = []byte("queued")
			do(w, s.Send(msg, port, "127.0.0.1", nil))
			copy(msg, "XXXXXXX")
			net.Clear()
			w.after(time.Millisecond, func() { s.Close(nil) })
		})
		w.run()
		if got := drain(peer); strings.Join(got, ",") != "before the bind,gone at once,queued" {
			w.Errorf("the peer got %q", got)
		}
	})
}

func TestMaxQueuedIsENOBUFS(t *testing.T) {
	everywhere(t, func(w *world) {
		net := jam.New(w.on)
		s := w.server("s", dgram.Options{On: net, MaxQueued: 2})
		net.Jam(0, syscall.EAGAIN)
		for i := range 3 {
			do(w, s.Send([]byte("x"), 9, "127.0.0.1", func(_ int, err error) { w.note("%d %v", i, err) }))
		}
		w.after(time.Millisecond, func() { s.Close(nil) })
		w.run()
		w.want("2 send ENOBUFS 127.0.0.1:9", "0 send ECANCELED 127.0.0.1:9", "1 send ECANCELED 127.0.0.1:9")
	})
}

// TestNoAllocationsPerDatagram, sent with a callback and received.
func TestNoAllocationsPerDatagram(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.socket(dgram.Options{})
		got := 0
		s.OnMessage(func([]byte, *dgram.RemoteInfo) { got++ })
		if _, err := s.BindSync(0, "127.0.0.1"); err != nil {
			w.Fatal(err)
		}
		port, msg, calls := w.port(s), []byte("x"), 0
		callback := func(int, error) { calls++ }
		turn := func() {
			_ = s.Send(msg, port, "127.0.0.1", callback)
			_, _ = w.loop.RunMode(loop.RunNoWait)
		}
		turn()
		const runs = 200
		if allocs := testing.AllocsPerRun(runs, turn); allocs > 0 && !packet.Checking {
			w.Errorf("%v allocations a datagram", allocs)
		}
		if got < runs || calls < runs {
			w.Errorf("%d received, %d callbacks", got, calls)
		}
		s.Close(nil)
		w.run()
	})
}
