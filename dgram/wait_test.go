package dgram_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/dgram"
	"github.com/castnet-go/castnet/socket"
)

func TestSendAndConnectWaitForTheBindInOrder(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, port := w.raw()
		defer peer.Close()
		s := w.socket(dgram.Options{})
		s.OnListening(func() { w.note("listening") })
		s.OnConnect(func() { w.note("connected"); s.Close(nil) })
		do(w, s.Bind(0, "127.0.0.1", func() { w.note("bind's callback") }))
		do(w, s.Send([]byte("a"), port, "127.0.0.1", w.sent("a")))
		do(w, s.Send([]byte("b"), port, "127.0.0.1", w.sent("b")))
		do(w, s.Connect(port, "127.0.0.1", nil))
		if len(drain(peer)) > 0 {
			w.Error("something was sent before the bind")
		}
		w.run()
		w.want("listening", "bind's callback", "a: 1", "b: 1", "connected")
		if got := drain(peer); strings.Join(got, ",") != "a,b" {
			w.Errorf("the peer got %q", got)
		}
	})
}

// TestQueueIsFlushedOnListening: as a listener that was added with the first send, so
// after those that were there, and before those that come later.
func TestQueueIsFlushedOnListening(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, port := w.raw()
		defer peer.Close()
		s := w.socket(dgram.Options{})
		s.OnListening(func() { w.note("before: %d", len(drain(peer))) })
		do(w, s.Send([]byte("a"), port, "127.0.0.1", nil))
		s.OnListening(func() { w.note("after: %d", len(drain(peer))); s.Close(nil) })
		w.run()
		w.want("before: 0", "after: 1")
	})
}

func TestQueueIsDroppedWithTheErrorOfTheBind(t *testing.T) {
	everywhere(t, func(w *world) {
		taken := w.server("taken", dgram.Options{})
		port := w.port(taken)
		bind := fmt.Sprintf("bind EADDRINUSE 127.0.0.1:%d", port)
		s := w.socket(dgram.Options{})
		s.OnError(func(err error) {
			w.note("error %v", err)
			if s.SendQueueCount() != 0 {
				w.Error("the queue is not empty")
			}
			// From here on it is as new.
			do(w, s.Bind(0, "127.0.0.1", func() {
				do(w, s.Connect(port, "127.0.0.1", func(err error) {
					w.note("connected %v", err)
					s.Close(nil)
					taken.Close(nil)
				}))
			}))
		})
		do(w, s.Bind(port, "127.0.0.1", nil))
		do(w, s.Send([]byte("lost"), port, "127.0.0.1", w.sent("send")))
		do(w, s.Connect(port, "127.0.0.1", func(err error) { w.note("connect: %v", err) }))
		w.run()
		w.want("error "+bind, "send: "+bind, "connect: "+bind, "connected <nil>")
	})
}

func TestCloseWaitsForTheFlush(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, port := w.raw()
		defer peer.Close()
		s := w.socket(dgram.Options{})
		do(w, s.Send([]byte("last words"), port, "127.0.0.1", w.sent("sent")))
		do(w, s.Close(func() { w.note("closed") }))
		w.want()
		w.run()
		w.want("sent: 10", "closed")
		if got := drain(peer); len(got) != 1 {
			w.Errorf("the peer got %q", got)
		}
	})
}

func TestCloseWhileBindingWithNothingQueued(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.socket(dgram.Options{})
		do(w, s.Bind(0, "127.0.0.1", func() { w.note("listening") }))
		do(w, s.Close(func() { w.note("closed") }))
		w.is(s.Close(nil), dgram.ErrSocketDgramNotRunning, "Not running")
		w.run()
		w.want("closed")
	})
}

// TestCloseInListening, with sends in the queue: they go first.
func TestCloseInListening(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, port := w.raw()
		defer peer.Close()
		s := w.socket(dgram.Options{})
		s.OnListening(func() { s.Close(func() { w.note("closed") }) })
		do(w, s.Send([]byte("x"), port, "127.0.0.1", w.sent("sent")))
		w.run()
		w.want("sent: 1", "closed")
	})
}

func TestCloseWithABindThatFails(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.socket(dgram.Options{})
		s.OnError(func(err error) { w.note("%v", err) })
		do(w, s.Bind(7000, "192.0.2.1", nil))
		do(w, s.Send([]byte("x"), 9, "127.0.0.1", w.sent("send")))
		do(w, s.Close(func() { w.note("closed") }))
		w.run()
		const bind = "bind EADDRNOTAVAIL 192.0.2.1:7000"
		w.want(bind, "send: "+bind, "closed")
	})
}

func TestImplicitBindIsPortZero(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, port := w.raw()
		defer peer.Close()
		s := w.socket(dgram.Options{ReuseAddr: true})
		s.OnListening(func() {
			a, err := s.Address()
			if err != nil || a.Addr() != netip.IPv4Unspecified() || a.Port() == 0 {
				w.Errorf("Address = %v, %v", a, err)
			}
			s.Close(nil)
		})
		do(w, s.Send(nil, port, "", nil))
		w.is(s.Bind(0, "", nil), dgram.ErrSocketAlreadyBound, "Socket is already bound")
		w.run()
	})
}

// TestBoundedQueueWhileALookupIsPending: node 10902 lost count of its memory.
func TestBoundedQueueWhileALookupIsPending(t *testing.T) {
	everywhere(t, func(w *world) {
		release := make(chan struct{})
		s := w.server("s", dgram.Options{MaxPending: 3, Lookup: func(ctx context.Context, host string, _ socket.Family) (netip.Addr, error) {
			if w.name != "lab" { // a task must not wait for a channel
				<-release
			}
			return netip.MustParseAddr("127.0.0.1"), nil
		}})
		peer, port := w.raw()
		defer peer.Close()
		for i := range 5 {
			do(w, s.Send([]byte{byte('a' + i)}, port, "name", func(_ int, err error) {
				if i >= 3 {
					w.is(err, syscall.ENOBUFS, fmt.Sprintf("send ENOBUFS name:%d", port))
				} else if err != nil {
					w.Error(err)
				}
				w.note("%d", i)
				if len(w.log) == 5 {
					s.Close(nil)
				}
			}))
		}
		w.after(0, func() { close(release) })
		w.run()
		if w.log[0] != "3" || w.log[1] != "4" {
			w.Errorf("called in the order of %v", w.log)
		}
		if got := drain(peer); len(got) != 3 {
			w.Errorf("the peer got %q", got)
		}
		// The bind's queue is bounded by the same.
		w.log = nil
		s = w.socket(dgram.Options{MaxPending: 1})
		do(w, s.Send([]byte("x"), port, "127.0.0.1", w.sent("first")))
		do(w, s.Send([]byte("x"), port, "127.0.0.1", w.sent("second")))
		do(w, s.Close(nil))
		w.run()
		w.want(fmt.Sprintf("second: send ENOBUFS 127.0.0.1:%d", port), "first: 1")
	})
}

func TestErrorThatNobodyListensToEndsTheLoop(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.socket(dgram.Options{})
		do(w, s.Bind(7000, "192.0.2.1", nil))
		if err := w.loop.Run(); !errors.Is(err, syscall.EADDRNOTAVAIL) {
			w.Errorf("Run = %v", err)
		}
		s.Close(nil)
		w.run()
	})
}
