package loop_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/castnet-go/castnet/host"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/socket"
)

// A shared socket is one that several loops have, as the workers of a cluster have their
// primary's: each sees it by an end of its own, which tells it of readiness, and the
// last that is closed closes it.
type shared struct {
	socket.Socket
	mu   sync.Mutex
	ends []*end
}

type end struct {
	*shared
	wanted map[socket.Events]func()
}

func (s *shared) end() *end {
	e := &end{shared: s, wanted: make(map[socket.Events]func())}
	s.ends = append(s.ends, e)
	return e
}

// Notify asks the socket once for all who want to know.
func (e *end) Notify(mask socket.Events, fn func()) {
	e.mu.Lock()
	if fn == nil {
		delete(e.wanted, mask)
		e.mu.Unlock()
		return
	}
	e.wanted[mask] = fn
	e.mu.Unlock()
	e.Socket.Notify(mask, func() {
		e.mu.Lock()
		var tell []func()
		for _, o := range e.ends {
			if f := o.wanted[mask]; f != nil {
				delete(o.wanted, mask)
				tell = append(tell, f)
			}
		}
		e.mu.Unlock()
		for _, f := range tell {
			f()
		}
	})
}

func (e *end) Close() error {
	e.mu.Lock()
	for i, o := range e.ends {
		if o == e {
			e.ends = append(e.ends[:i:i], e.ends[i+1:]...)
		}
	}
	last := len(e.ends) == 0
	e.mu.Unlock()
	if last {
		return e.Socket.Close()
	}
	return nil
}

// TestSocketSharedByLoops: two loops, each run by a goroutine or task of its own, receive
// from one socket and tell each other of the end by Post. Each datagram comes to one.
func TestSocketSharedByLoops(t *testing.T) {
	const count = 200 // fit into the receive buffer, so that nothing is lost
	run := func(t *testing.T, on socket.Network, start func(string, func() error), pause func()) {
		s, err := on.Open(socket.IPv4)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Bind(loopback); err != nil {
			t.Fatal(err)
		}
		sender, err := on.Open(socket.IPv4)
		if err != nil {
			t.Fatal(err)
		}
		sh := &shared{Socket: s}
		var mu sync.Mutex // real time
		seen := make(map[string]int)
		var loops [2]*loop.Loop
		var handles [2]*loop.UDP
		ends := [2]*end{sh.end(), sh.end()}
		for i := range loops {
			loops[i] = loop.New(loop.Config{On: on})
			if handles[i], err = loops[i].NewUDP(loop.UDPConfig{}); err != nil {
				t.Fatal(err)
			}
			if err := handles[i].Open(ends[i]); err != nil {
				t.Fatal(err)
			}
		}
		for i := range loops {
			if err := handles[i].RecvStart(func(m *socket.Message, err error) {
				mu.Lock()
				seen[string(m.Buf)]++
				all := len(seen) == count
				mu.Unlock()
				if all {
					for j := range loops {
						_ = loops[j].Post(func() { _ = handles[j].Close(nil) })
					}
				}
			}); err != nil {
				t.Fatal(err)
			}
			start(fmt.Sprint("loop", i), loops[i].Run)
		}
		start("sender", func() error {
			defer sender.Close()
			for i := range count {
				if _, err := sender.TrySend([]socket.Message{{Buf: fmt.Append(nil, i), Addr: s.LocalAddr()}}); err != nil {
					return err
				}
				if i%20 == 19 {
					pause()
				}
			}
			return nil
		})
		t.Cleanup(func() {
			for msg, n := range seen {
				if n != 1 {
					t.Errorf("%s came %d times", msg, n)
				}
			}
			if len(seen) != count {
				t.Errorf("%d of %d came", len(seen), count)
			}
		})
	}
	for name, on := range map[string]socket.Network{"host": host.Network{}, "stack": newStack(t)} {
		t.Run(name, func(t *testing.T) {
			var group sync.WaitGroup
			run(t, on, func(_ string, f func() error) {
				group.Go(func() {
					if err := f(); err != nil {
						t.Error(err)
					}
				})
			}, func() {})
			group.Wait()
		})
	}
	t.Run("lab", func(t *testing.T) {
		l := lab.New(lab.Config{Seed: 1})
		defer l.Close()
		h := l.AddHost("h")
		if _, err := h.Attach(l.AddSwitch("lan"), lab.LinkConfig{Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}}); err != nil {
			t.Fatal(err)
		}
		run(t, h, func(name string, f func() error) {
			h.Go(name, func(context.Context) error { return f() })
		}, func() { _ = h.Sleep(context.Background(), time.Microsecond) })
		if err := l.RunTasks(time.Minute); err != nil {
			t.Error(err)
		}
	})
}
