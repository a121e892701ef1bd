package dgram_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/castnet-go/castnet/dgram"
	"github.com/castnet-go/castnet/internal/jam"
	"github.com/castnet-go/castnet/socket"
)

// counted is a network that counts the names it is asked for.
type counted struct {
	*jam.Network
	names []string
}

func (c *counted) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	c.names = append(c.names, network+" "+host)
	return c.Network.LookupNetIP(ctx, network, host)
}

func TestDefaultLookupSkipsLiteralAddresses(t *testing.T) {
	everywhere(t, func(w *world) {
		net := &counted{Network: jam.New(w.on)}
		peer, port := w.raw()
		defer peer.Close()
		s := w.socket(dgram.Options{On: net})
		do(w, s.Bind(0, "127.0.0.1", func() {
			do(w, s.Send([]byte("a"), port, "127.0.0.1", w.sent("literal")))
			do(w, s.Send([]byte("b"), port, "localhost", func(n int, err error) {
				w.sent("name")(n, err)
				s.Close(nil)
			}))
		}))
		w.run()
		w.want("literal: 1", "name: 1")
		if len(net.names) != 1 || net.names[0] != "ip4 localhost" {
			w.Errorf("the network was asked for %q", net.names)
		}
	})
}

func TestCustomLookupIsAlwaysAsked(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, port := w.raw()
		defer peer.Close()
		asked := make(chan string, 10)
		s := w.socket(dgram.Options{Lookup: func(_ context.Context, host string, f socket.Family) (netip.Addr, error) {
			asked <- host + " " + f.String()
			return netip.MustParseAddr("127.0.0.1"), nil
		}})
		do(w, s.Bind(0, "192.0.2.99", func() {
			do(w, s.Send([]byte("x"), port, "192.0.2.1", func(n int, err error) {
				w.sent("sent")(n, err)
				do(w, s.Connect(port, "", func(err error) {
					w.note("connected %v", err)
					s.Close(nil)
				}))
			}))
		}))
		w.run()
		close(asked)
		for a := range asked {
			w.note("%s", a)
		}
		w.want("sent: 1", "connected <nil>", "192.0.2.99 ip4", "192.0.2.1 ip4", "127.0.0.1 ip4")
	})
}

func TestLookupErrorWithoutCallbackIsAnEvent(t *testing.T) {
	mine := errors.New("mine")
	everywhere(t, func(w *world) {
		s := w.server("s", dgram.Options{Lookup: func(context.Context, string, socket.Family) (netip.Addr, error) {
			return netip.Addr{}, mine
		}})
		s.OnError(func(err error) {
			if err != mine {
				w.Errorf("the event has %v", err)
			}
			do(w, s.Send(nil, 9, "name", func(_ int, err error) {
				if err != mine {
					w.Errorf("the callback has %v", err)
				}
				w.note("callback")
				do(w, s.Connect(9, "name", func(err error) {
					if err != mine {
						w.Errorf("connect's callback has %v", err)
					}
					s.Close(nil)
				}))
			}))
		})
		do(w, s.Send(nil, 9, "name", nil))
		w.run()
		w.want("s error mine", "callback")
	})
}

func TestBindToANameThatIsNotFound(t *testing.T) {
	everywhere(t, func(w *world) {
		if w.name == "host" {
			w.on = noNames{w.on} // the machine's resolver is not asked by tests
		}
		s := w.socket(dgram.Options{On: w.on})
		s.OnError(func(err error) {
			var e *dgram.Error
			if !errors.As(err, &e) || e.Code != "ENOTFOUND" || e.Syscall != "getaddrinfo" || e.Hostname != "nobody.invalid" || e.Errno != 0 {
				w.Errorf("%#v", err)
			}
			w.note("%v", err)
			s.Close(nil)
		})
		do(w, s.Bind(0, "nobody.invalid", nil))
		w.run()
		w.want("getaddrinfo ENOTFOUND nobody.invalid")
	})
}

// noNames is a network that is no Resolver.
type noNames struct{ socket.Network }

// TestNamesOfALab: a host of the lab is found by its name.
func TestNamesOfALab(t *testing.T) {
	inLab(t, func(w *world) {
		s := w.socket(dgram.Options{})
		do(w, s.Bind(0, "h1", func() {
			a, _ := s.Address()
			w.note("%v", a.Addr())
			s.Close(nil)
		}))
		w.run()
		w.want("10.0.0.1")
	})
}

// TestLookupsForOneNameAreOne: who asks while the answer is on its way waits for it.
func TestLookupsForOneNameAreOne(t *testing.T) {
	everywhere(t, func(w *world) {
		net := &counted{Network: jam.New(w.on)}
		peer, port := w.raw()
		defer peer.Close()
		s := w.server("s", dgram.Options{On: net})
		for _, name := range []string{"1", "2", "3"} {
			do(w, s.Send([]byte(name), port, "localhost", func(n int, err error) {
				w.sent(name)(n, err)
				if name == "3" {
					s.Close(nil)
				}
			}))
		}
		w.run()
		w.want("1: 1", "2: 1", "3: 1")
		if len(net.names) != 1 {
			w.Errorf("the network was asked for %q", net.names)
		}
	})
}

// TestCloseDuringALookup: what was to be sent is cancelled, and the loop ends.
func TestCloseDuringALookup(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.server("s", dgram.Options{Lookup: func(ctx context.Context, _ string, _ socket.Family) (netip.Addr, error) {
			if w.name != "lab" {
				<-ctx.Done()
			}
			return netip.Addr{}, ctx.Err()
		}})
		do(w, s.Send(nil, 9, "name", w.sent("send")))
		do(w, s.Connect(9, "name", func(err error) { w.note("connect: %v", err) }))
		do(w, s.Close(func() { w.note("closed") }))
		w.run()
		slices.Sort(w.log) // the two lookups end in any order
		w.want("closed", "connect: connect ECANCELED name:9", "send: send ECANCELED name:9")
	})
}
