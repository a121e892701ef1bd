package dgram_test

import (
	"errors"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/dgram"
)

func TestConnectedSocketHearsAndSendsToItsPeerOnly(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, port := w.raw()
		defer peer.Close()
		stranger, _ := w.raw()
		defer stranger.Close()
		s := w.server("s", dgram.Options{})
		own, _ := s.Address()
		do(w, s.Connect(port, "", func(err error) {
			do(w, err)
			if a, err := s.RemoteAddress(); err != nil || a != netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port)) {
				w.Errorf("RemoteAddress = %v, %v", a, err)
			}
			do(w, s.Send([]byte("hello"), 0, "", w.sent("sent")))
			send(w, stranger, own, "from a stranger")
			send(w, peer, own, "from the peer")
			w.after(50*time.Millisecond, func() { s.Close(nil) })
		}))
		w.run()
		w.want("sent: 5", "s got from the peer")
		if got := drain(peer); len(got) != 1 {
			w.Errorf("the peer got %q", got)
		}
	})
}

func TestConnectStates(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.socket(dgram.Options{})
		w.is(s.Disconnect(), dgram.ErrSocketDgramNotConnected, "Not connected")
		_, err := s.RemoteAddress()
		w.is(err, dgram.ErrSocketDgramNotConnected, "Not connected")
		w.is(s.Connect(0, "", nil), dgram.ErrSocketBadPort, "Port should be > 0 and < 65536. Received type number (0).")
		do(w, s.Connect(9, "", func(err error) {
			do(w, err)
			w.is(s.Connect(10, "", nil), dgram.ErrSocketDgramIsConnected, "Already connected")
			do(w, s.Disconnect())
			w.is(s.Disconnect(), dgram.ErrSocketDgramNotConnected, "Not connected")
			do(w, s.Connect(10, "", func(err error) { do(w, err); w.note("again"); s.Close(nil) }))
		}))
		w.is(s.Connect(9, "", nil), dgram.ErrSocketDgramIsConnected, "Already connected")
		w.run()
		w.is(s.Connect(9, "", nil), dgram.ErrSocketDgramNotRunning, "Not running")
		w.is(s.Disconnect(), dgram.ErrSocketDgramNotRunning, "Not running")
		w.want("again")
	})
}

func TestConnectErrorGoesToTheCallbackOrIsAnEvent(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.server("s", dgram.Options{})
		s.OnConnect(func() { w.note("connected") })
		do(w, s.Connect(9, "::1", func(err error) {
			w.is(err, syscall.EINVAL, "connect EINVAL ::1:9")
			do(w, s.Connect(9, "::1", nil)) // the event
			w.after(time.Millisecond, func() { s.Close(nil) })
		}))
		w.run()
		w.want("s error connect EINVAL ::1:9")
	})
}

// TestConnectionRefused: a connected socket hears of it, as the error of a send or as the
// event, whichever is first.
func TestConnectionRefused(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, port := w.raw()
		peer.Close()
		s := w.socket(dgram.Options{})
		refused := func(call string, err error) {
			var e *dgram.Error
			if !errors.As(err, &e) || e.Errno != syscall.ECONNREFUSED || e.Syscall != call || e.Message != call+" ECONNREFUSED" {
				w.Errorf("%s: %v", call, err)
			}
			w.note("refused")
			s.Close(nil)
		}
		s.OnError(func(err error) { refused("recvmsg", err) })
		do(w, s.Connect(port, "127.0.0.1", func(err error) {
			do(w, err)
			do(w, s.Send([]byte("x"), 0, "", func(_ int, err error) {
				if err != nil {
					refused("send", err)
				}
			}))
		}))
		w.run()
		w.want("refused")
	})
}

func TestConnectSync(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, port := w.raw()
		defer peer.Close()
		s := w.socket(dgram.Options{})
		s.OnListening(func() { w.note("listening") })
		s.OnConnect(func() { w.note("connect"); s.Close(nil) })
		do(w, s.ConnectSync(port, "127.0.0.1"))
		if a, err := s.RemoteAddress(); err != nil || int(a.Port()) != port {
			w.Errorf("RemoteAddress = %v, %v", a, err)
		}
		do(w, s.Send([]byte("x"), 0, "", nil))
		if len(drain(peer)) != 1 {
			w.Error("nothing was sent")
		}
		w.want()
		w.run()
		w.want("listening", "connect")
		if err := w.socket(dgram.Options{}).ConnectSync(9, "a.name"); !errors.Is(err, dgram.ErrInvalidArgValue) {
			w.Errorf("of a name: %v", err)
		}
	})
}

func TestBindSync(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.socket(dgram.Options{})
		s.OnListening(func() { w.note("listening"); s.Close(nil) })
		_, err := s.BindSync(0, "localhost")
		if !errors.Is(err, dgram.ErrInvalidArgValue) {
			w.Errorf("of a name: %v", err)
		}
		_, err = s.BindSync(7000, "192.0.2.1")
		w.is(err, syscall.EADDRNOTAVAIL, "bind EADDRNOTAVAIL 192.0.2.1:7000")
		a, err := s.BindSync(0, "127.0.0.1")
		if err != nil || a.Port() == 0 || a.Addr().String() != "127.0.0.1" {
			w.Errorf("BindSync = %v, %v", a, err)
		}
		_, err = s.BindSync(0, "")
		w.is(err, dgram.ErrSocketAlreadyBound, "Socket is already bound")
		w.want()
		w.run()
		w.want("listening")
	})
}

func TestNotRunning(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.server("s", dgram.Options{})
		do(w, s.Close(nil))
		for name, err := range map[string]error{
			"Bind": s.Bind(0, "", nil), "Close": s.Close(nil), "SetTTL": s.SetTTL(1), "SetBroadcast": s.SetBroadcast(true),
			"AddMembership": s.AddMembership("224.0.0.1", ""), "SetMulticastInterface": s.SetMulticastInterface("0.0.0.0"),
			"SendList": s.SendList(nil, 9, "", nil), "SendBatch": s.SendBatch(nil, nil), "SetRecvBufferSize": s.SetRecvBufferSize(1),
		} {
			if !errors.Is(err, dgram.ErrSocketDgramNotRunning) || strings.Contains(err.Error(), "E") {
				w.Errorf("%s = %v", name, err)
			}
		}
		s.Ref()
		s.Unref()
		w.run()
	})
}
