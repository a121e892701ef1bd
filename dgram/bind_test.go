package dgram_test

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/dgram"
)

func TestEcho(t *testing.T) {
	everywhere(t, func(w *world) {
		server := w.socket(dgram.Options{})
		server.OnMessage(func(msg []byte, from *dgram.RemoteInfo) {
			do(w, server.Send(msg, from.Port(), from.Address(), nil))
		})
		client := w.socket(dgram.Options{})
		client.OnMessage(func(msg []byte, from *dgram.RemoteInfo) {
			w.note("%s %d %s", msg, from.Size(), from.Family())
			client.Close(nil)
			server.Close(nil)
		})
		do(w, server.Bind(0, "127.0.0.1", func() {
			do(w, client.Send([]byte("hello"), w.port(server), "127.0.0.1", w.sent("sent")))
		}))
		w.run()
		w.want("sent: 5", "hello 5 IPv4")
	})
}

func TestBindTwiceIsAnErrorAtOnce(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.socket(dgram.Options{})
		do(w, s.Bind(0, "127.0.0.1", func() {
			w.is(s.Bind(0, "", nil), dgram.ErrSocketAlreadyBound, "Socket is already bound")
			s.Close(nil)
		}))
		w.is(s.Bind(0, "", nil), dgram.ErrSocketAlreadyBound, "Socket is already bound")
		w.run()
	})
}

func TestBindThatFailsIsAnErrorEvent(t *testing.T) {
	everywhere(t, func(w *world) {
		taken := w.server("taken", dgram.Options{})
		port := w.port(taken)
		s := w.socket(dgram.Options{})
		s.OnListening(func() { w.note("listening"); s.Close(nil); taken.Close(nil) })
		s.OnError(func(err error) {
			var e *dgram.Error
			if !errors.As(err, &e) || e.Syscall != "bind" || e.Code != "EADDRINUSE" || e.Address != "127.0.0.1" || e.Port != port || e.Errno != syscall.EADDRINUSE {
				w.Errorf("error %#v", err)
			}
			if !errors.Is(err, syscall.EADDRINUSE) {
				w.Error("errors.Is does not find the errno")
			}
			w.note("%s", strings.Split(err.Error(), ":")[0])
			// It may be bound again.
			do(w, s.Bind(0, "127.0.0.1", func() { w.note("bound") }))
		})
		do(w, s.Bind(port, "127.0.0.1", func() { w.note("bound by the first, which failed") }))
		w.want()
		w.run()
		w.want("bind EADDRINUSE 127.0.0.1", "listening", "bound")
	})
}
