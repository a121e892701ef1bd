package dgram_test

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/dgram"
	"github.com/castnet-go/castnet/socket"
)

// TestUDP6: the defaults are ::, and ::1 to send to; IPv4 addresses are of the other
// family unless they are v4-mapped. A network that has no IPv6 says so by an event.
func TestUDP6(t *testing.T) {
	everywhere(t, func(w *world) {
		server := w.socket(dgram.Options{Type: "udp6"})
		probe, probeErr := w.on.Open(socket.IPv6)
		if probeErr == nil {
			probeErr = probe.Bind(netip.AddrPortFrom(netip.IPv6Loopback(), 0))
			probe.Close()
		}
		if probeErr != nil {
			server.OnError(func(err error) {
				if !errors.Is(err, probeErr) || err.Error() == "" {
					w.Errorf("%v, want %v", err, probeErr)
				}
				w.note("error")
				server.Close(nil)
			})
			do(w, server.Bind(0, "::1", nil))
			w.run()
			w.want("error")
			return
		}
		client := w.socket(dgram.Options{Type: "udp6"})
		server.OnMessage(func(msg []byte, from *dgram.RemoteInfo) {
			w.note("%s from %s %s", msg, from.Address(), from.Family())
			if string(msg) == "mapped" {
				client.Close(nil)
				server.Close(nil)
			}
		})
		do(w, server.Bind(0, "", func() {
			a, err := server.Address()
			if err != nil || a.Addr() != netip.IPv6Unspecified() {
				w.Errorf("Address = %v, %v", a, err)
			}
			port := int(a.Port())
			do(w, client.Send([]byte("plain"), port, "", func(_ int, err error) {
				do(w, err)
				do(w, client.Send(nil, port, "127.0.0.1", func(_ int, err error) {
					if !errors.Is(err, syscall.EINVAL) {
						w.Error(err)
					}
					do(w, client.Send([]byte("mapped"), port, "::ffff:127.0.0.1", func(_ int, err error) { do(w, err) }))
				}))
			}))
		}))
		w.run()
		w.want("plain from ::1 IPv6", "mapped from ::ffff:127.0.0.1 IPv6")
	})
}

func TestIPv6Only(t *testing.T) {
	everywhere(t, func(w *world) {
		if s, err := w.on.Open(socket.IPv6); err != nil {
			return // TestUDP6 is about that
		} else {
			s.Close()
		}
		six := w.socket(dgram.Options{Type: "udp6", IPv6Only: true})
		do(w, six.Bind(0, "::", func() {
			// Both families of one port are two sockets then.
			a, _ := six.Address()
			four := w.socket(dgram.Options{})
			four.OnError(func(err error) { w.Error(err) })
			do(w, four.Bind(int(a.Port()), "0.0.0.0", func() {
				w.note("bound")
				four.Close(nil)
				six.Close(nil)
			}))
		}))
		w.run()
		w.want("bound")
	})
}
