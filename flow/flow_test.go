package flow_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/flow"
	"github.com/castnet-go/castnet/internal/leak"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/stack"
)

func TestMain(m *testing.M) { leak.Main(m) }

// world is a client, 10.9.0.7, and a tunnel that hears whatever the client sends,
// to any address.
type world struct {
	t              testing.TB
	client, tunnel *stack.Stack
	network        string // "udp4"
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, network: "udp4"}
	near, far := mem.Pair(mem.Config{})
	w.client = w.stack("client")
	w.tunnel = w.stack("tunnel")
	eth0 := w.must(w.client.AddInterface("eth0", near))
	w.check(eth0.AddAddress(netip.MustParsePrefix("10.9.0.7/24")))
	w.check(w.client.AddRoute(stack.Route{Gateway: netip.MustParseAddr("10.9.0.1")}))
	tun0 := w.must(w.tunnel.AddInterface("tun0", far))
	w.check(tun0.AddAddress(netip.MustParsePrefix("10.9.0.1/24")))
	w.check(tun0.SetTransparent(netip.MustParsePrefix("0.0.0.0/0")))
	return w
}

func (w *world) stack(name string) *stack.Stack {
	w.t.Helper()
	s, err := stack.New(stack.Config{Name: name, Seed: [32]byte{1}, DADTransmits: -1})
	w.check(err)
	w.t.Cleanup(func() { s.Close() })
	return s
}

func (w *world) must(i *stack.Interface, err error) *stack.Interface {
	w.t.Helper()
	w.check(err)
	return i
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// serve runs a Server on the tunnel. The function it returns closes it and waits.
func (w *world) serve(cfg flow.Config) (*flow.Server, func()) {
	w.t.Helper()
	on := castnet.Config{On: w.tunnel}
	all, err := on.Intercept(w.network)
	w.check(err)
	s, err := flow.New(all, cfg)
	w.check(err)
	served := make(chan error)
	go func() { served <- s.Serve() }()
	return s, func() {
		w.t.Helper()
		if err := s.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			w.t.Errorf("Close: %v", err)
		}
		if err := <-served; err != nil {
			w.t.Errorf("Serve: %v", err)
		}
		if st := s.Stats(); st.Flows != 0 {
			w.t.Errorf("%d flows are left", st.Flows)
		}
		if l := w.tunnel.Ledger(); !l.Balanced() {
			w.t.Errorf("the ledger does not balance: %+v", l)
		}
	}
}

func (w *world) dial(to string) *castnet.Conn {
	w.t.Helper()
	on := castnet.Config{On: w.client}
	c, err := on.Dial(context.Background(), "udp4", to)
	w.check(err)
	w.t.Cleanup(func() { c.Close() })
	return c
}

func write(t testing.TB, c *castnet.Conn, s string) {
	t.Helper()
	if _, err := c.Write([]byte(s)); err != nil {
		t.Errorf("write %q: %v", s, err)
	}
}

// answer reads one datagram within ten seconds; "" is none.
func answer(t testing.TB, c *castnet.Conn) string {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	buf := make([]byte, 2048)
	n, err := c.Read(buf)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v", err)
	}
	return string(buf[:n])
}

// echo answers with the destination and what was said to it.
func echo(f *flow.Flow) {
	buf := make([]byte, 2048)
	for {
		n, err := f.Read(buf)
		if err != nil {
			return
		}
		fmt.Fprintf(f, "%v: %s", f.Destination(), buf[:n])
	}
}

func TestEachFlowHasItsHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, done := w.serve(flow.Config{Handler: echo})
		a, b, c := w.dial("192.0.2.1:53"), w.dial("192.0.2.1:54"), w.dial("198.51.100.9:53")
		for round := range 3 {
			for dst, c := range map[string]*castnet.Conn{"192.0.2.1:53": a, "192.0.2.1:54": b, "198.51.100.9:53": c} {
				write(t, c, fmt.Sprint("hello ", round))
				if got, want := answer(t, c), fmt.Sprintf("%s: hello %d", dst, round); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		}
		if st := s.Stats(); st != (flow.Stats{Flows: 3, Accepted: 3}) {
			t.Errorf("%+v", st)
		}
		for f := range s.Flows {
			if f.Client().Addr().String() != "10.9.0.7" || f.Context().Err() != nil {
				t.Errorf("flow %v > %v, %v", f.Client(), f.Destination(), f.Context().Err())
			}
		}
		done()
	})
}

// What a client sends before its handler reads waits in order, up to the buffer.
func TestBackpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		begin := make(chan struct{})
		var got []int
		_, done := w.serve(flow.Config{ReadBuffer: 8192, Handler: func(f *flow.Flow) {
			<-begin
			buf := make([]byte, 4)
			for {
				if _, err := f.Read(buf); err != nil {
					return
				}
				got = append(got, int(binary.BigEndian.Uint32(buf)))
			}
		}})
		c := w.dial("192.0.2.1:53")
		for n := range 1000 {
			write(t, c, string(binary.BigEndian.AppendUint32(nil, uint32(n))))
			if n == 0 {
				synctest.Wait() // the flow is accepted
			}
		}
		synctest.Wait()
		lost := w.tunnel.Drops().Get(drop.ReceiveQueueFull)
		close(begin)
		synctest.Wait()
		done()
		if len(got) == 0 || len(got)+int(lost) != 1000 {
			t.Errorf("%d came and %d were lost, of 1000", len(got), lost)
		}
		if lost < 900 {
			t.Errorf("only %d were lost: the queue is not bounded by 8 KiB, doubled", lost)
		}
		for k, n := range got {
			if n != k {
				t.Fatalf("datagram %d came as number %d", n, k)
			}
		}
	})
}

// Each flow's datagrams are all there and in order, whatever the others do.
func TestOrderUnderLoad(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
	// Of each flow no more is under way than all of them together have room for, however
	// late who accepts them gets to run.
	const flows, each, window = 32, 300, 8
	w := newWorld(t)
	var underway [flows]chan struct{}
	for k := range underway {
		underway[k] = make(chan struct{}, window)
	}
	var mu sync.Mutex
	seen := make(map[netip.AddrPort]int)
	finished := make(chan struct{}, flows)
	_, done := w.serve(flow.Config{Handler: func(f *flow.Flow) {
		buf := make([]byte, 4)
		for want := range each {
			if _, err := f.Read(buf); err != nil {
				t.Errorf("%v: %v", f.Client(), err)
				return
			}
			if got := int(binary.BigEndian.Uint32(buf)); got != want {
				t.Errorf("%v: datagram %d came where %d was expected", f.Client(), got, want)
				return
			}
			<-underway[f.Destination().Addr().As4()[3]]
		}
		mu.Lock()
		seen[f.Client()]++
		mu.Unlock()
		finished <- struct{}{}
		f.Read(buf) // until the end
	}})
	var senders sync.WaitGroup
	for k := range flows {
		c := w.dial(fmt.Sprintf("192.0.2.%d:53", k))
		senders.Go(func() {
			for n := range each {
				select {
				case underway[k] <- struct{}{}:
				case <-time.After(10 * time.Second):
					return // which is told of below
				}
				write(t, c, string(binary.BigEndian.AppendUint32(nil, uint32(n))))
			}
		})
	}
	senders.Wait()
	for k := range flows {
		select {
		case <-finished:
		case <-time.After(10 * time.Second):
			t.Fatalf("%d of %d flows are complete; drops: %v", k, flows, w.tunnel.Drops().Map())
		}
	}
	done()
	for client, n := range seen {
		if n != 1 {
			t.Errorf("%v had %d handlers", client, n)
		}
	}
	if len(seen) != flows {
		t.Errorf("%d flows, want %d", len(seen), flows)
	}
}

func TestIdleFlowsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const timeout = time.Minute
		type ending struct {
			destination netip.AddrPort
			after       time.Duration
			cause       error
		}
		var mu sync.Mutex
		var endings []ending
		start := time.Now()
		s, done := w.serve(flow.Config{IdleTimeout: timeout, Handler: func(f *flow.Flow) {
			echo(f)
			mu.Lock()
			defer mu.Unlock()
			endings = append(endings, ending{f.Destination(), time.Since(start), context.Cause(f.Context())})
		}})
		silent, busy := w.dial("192.0.2.1:1"), w.dial("192.0.2.1:2")
		write(t, silent, "once")
		for time.Since(start) < 5*timeout {
			write(t, busy, "again")
			time.Sleep(timeout * 3 / 4)
		}
		synctest.Wait()
		if len(endings) != 1 || endings[0].destination.String() != "192.0.2.1:1" || endings[0].cause != flow.ErrIdle ||
			endings[0].after < timeout || endings[0].after > timeout*5/4+time.Microsecond {
			t.Errorf("%+v; want the silent flow after %v to %v", endings, timeout, timeout*5/4)
		}
		// It begins anew.
		for range 2 {
			answer(t, silent)
		}
		write(t, silent, "again")
		if got := answer(t, silent); got != "192.0.2.1:1: again" {
			t.Errorf("got %q", got)
		}
		if st := s.Stats(); st.Accepted != 3 || st.Idle != 1 || st.Flows != 2 {
			t.Errorf("%+v", st)
		}
		time.Sleep(10 * timeout)
		if st := s.Stats(); st.Flows != 0 || st.Idle != 3 {
			t.Errorf("when all are silent: %+v", st)
		}
		done()
	})
}

// A flow to which only its handler writes is not idle.
func TestSendingIsActivity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, done := w.serve(flow.Config{IdleTimeout: time.Minute, Handler: func(f *flow.Flow) {
			for range 10 {
				time.Sleep(50 * time.Second)
				if _, err := f.Write([]byte("tick")); err != nil {
					t.Errorf("after %v: %v", 50*time.Second, err)
				}
			}
		}})
		write(t, w.dial("192.0.2.1:1"), "subscribe")
		time.Sleep(10 * time.Minute)
		if st := s.Stats(); st.Idle != 0 || st.Flows != 0 {
			t.Errorf("%+v", st)
		}
		done()
	})
}

func TestRefuseNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, done := w.serve(flow.Config{MaxFlows: 2, IdleTimeout: -1, Handler: echo})
		var conns []*castnet.Conn
		for k := range 4 {
			c := w.dial(fmt.Sprintf("192.0.2.1:%d", 1+k))
			conns = append(conns, c)
			write(t, c, "x")
			synctest.Wait()
		}
		write(t, conns[3], "y")
		synctest.Wait()
		if st := s.Stats(); st != (flow.Stats{Flows: 2, Accepted: 2, Refused: 3}) {
			t.Errorf("%+v", st)
		}
		if n := w.tunnel.Drops().Get(drop.FlowTableFull); n != 3 {
			t.Errorf("FlowTableFull = %d", n)
		}
		for k, c := range conns[:2] {
			write(t, c, "still")
			answer(t, c)
			if got := answer(t, c); got != fmt.Sprintf("192.0.2.1:%d: still", 1+k) {
				t.Errorf("flow %d: %q", k, got)
			}
		}
		time.Sleep(24 * time.Hour) // a negative timeout is none
		if st := s.Stats(); st.Flows != 2 {
			t.Errorf("after a day: %+v", st)
		}
		done()
	})
}

func TestEvictIdlest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var mu sync.Mutex
		var evicted []string
		s, done := w.serve(flow.Config{MaxFlows: 3, IdleTimeout: 4 * time.Hour, Full: flow.EvictIdlest, Handler: func(f *flow.Flow) {
			echo(f)
			mu.Lock()
			defer mu.Unlock()
			if context.Cause(f.Context()) == flow.ErrEvicted {
				evicted = append(evicted, f.Destination().String())
			}
		}})
		speak := func(port int) {
			c := w.dial(fmt.Sprintf("192.0.2.1:%d", port))
			write(t, c, "x")
			if answer(t, c) == "" {
				t.Errorf("flow %d is not answered", port)
			}
		}
		one := w.dial("192.0.2.1:1")
		write(t, one, "x")
		time.Sleep(50 * time.Minute)
		speak(2)
		time.Sleep(50 * time.Minute)
		speak(3)
		time.Sleep(50 * time.Minute)
		write(t, one, "again") // now 2 is the idlest
		time.Sleep(time.Hour)  // there was a look since
		speak(4)
		synctest.Wait() // until its handler has said so
		speak(5)
		synctest.Wait()
		if !slices.Equal(evicted, []string{"192.0.2.1:2", "192.0.2.1:3"}) {
			t.Errorf("evicted %q", evicted)
		}
		if st := s.Stats(); st != (flow.Stats{Flows: 3, Accepted: 5, Evicted: 2}) {
			t.Errorf("%+v", st)
		}
		// One that has spoken since the last look is not it, wherever it stands.
		time.Sleep(70 * time.Minute)
		write(t, one, "once more")
		speak(6)
		synctest.Wait()
		if !slices.Equal(evicted, []string{"192.0.2.1:2", "192.0.2.1:3", "192.0.2.1:4"}) {
			t.Errorf("evicted %q", evicted)
		}
		done()
	})
}

// Handlers that do not return are not replaced without end: neither those of flows that
// were evicted, nor those of flows that have ended by themselves and left room.
func TestHandlersAreBounded(t *testing.T) {
	for name, cfg := range map[string]flow.Config{
		"evicted": {MaxFlows: 2, Full: flow.EvictIdlest},
		"idle":    {MaxFlows: 2, IdleTimeout: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				stuck := make(chan struct{})
				handlers := 0
				cfg.Handler = func(f *flow.Flow) {
					handlers++
					<-stuck
				}
				s, done := w.serve(cfg)
				for k := range 20 {
					write(t, w.dial(fmt.Sprintf("192.0.2.1:%d", 1+k)), "x")
					synctest.Wait()
					if cfg.IdleTimeout > 0 {
						time.Sleep(3 * cfg.IdleTimeout)
						synctest.Wait()
					}
				}
				if handlers != 4 {
					t.Errorf("%d handlers, want twice MaxFlows", handlers)
				}
				if st := s.Stats(); st.Refused != 16 || st.Accepted != 4 {
					t.Errorf("%+v", st)
				}
				close(stuck)
				done()
			})
		})
	}
}

func TestAdmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		notOurs := drop.Register("NotOurs")
		_, done := w.serve(flow.Config{Handler: echo, Admit: func(client, destination netip.AddrPort) drop.Reason {
			if destination.Port() == 53 {
				return drop.None
			}
			return notOurs
		}})
		a, b := w.dial("192.0.2.1:53"), w.dial("192.0.2.1:54")
		write(t, b, "x")
		write(t, a, "x")
		if got := answer(t, a); got != "192.0.2.1:53: x" {
			t.Errorf("got %q", got)
		}
		if n := w.tunnel.Drops().Get(notOurs); n != 1 {
			t.Errorf("NotOurs = %d", n)
		}
		done()
	})
}

// Close ends the handlers, those in the middle of a read included, and Serve waits
// for them and for what they have started.
func TestCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var ended atomic.Int32
		s, done := w.serve(flow.Config{Handler: func(f *flow.Flow) {
			f.Go(func() {
				<-f.Context().Done()
				time.Sleep(time.Minute)
				ended.Add(1)
			})
			_, err := f.Read(make([]byte, 1))
			_, err = f.Read(make([]byte, 1))
			if !errors.Is(err, net.ErrClosed) || context.Cause(f.Context()) != flow.ErrServerClosed {
				t.Errorf("the handler is told %v, %v", err, context.Cause(f.Context()))
			}
			ended.Add(1)
		}})
		for k := range 5 {
			write(t, w.dial(fmt.Sprintf("192.0.2.1:%d", 1+k)), "x")
		}
		synctest.Wait()
		start := time.Now()
		done()
		if ended.Load() != 10 || time.Since(start) != time.Minute {
			t.Errorf("%d have ended after %v", ended.Load(), time.Since(start))
		}
		if err := s.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a second Close: %v", err)
		}
		if err := s.Serve(); !errors.Is(err, flow.ErrServerClosed) {
			t.Errorf("a second Serve: %v", err)
		}
	})
}

// The stack that a Server is on may be closed first.
func TestStackCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		on := castnet.Config{On: w.tunnel}
		all, err := on.Intercept("udp4")
		w.check(err)
		s, err := flow.New(all, flow.Config{Handler: echo})
		w.check(err)
		served := make(chan error)
		go func() { served <- s.Serve() }()
		write(t, w.dial("192.0.2.1:1"), "x")
		synctest.Wait()
		w.tunnel.Close()
		if err := <-served; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
}

// A handler may end its flow, and a client that goes on begins another.
func TestHandlerEndsItsFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, done := w.serve(flow.Config{Handler: func(f *flow.Flow) {
			buf := make([]byte, 16)
			n, _ := f.Read(buf)
			f.Write(buf[:n])
		}})
		c := w.dial("192.0.2.1:1")
		for k := range 3 {
			write(t, c, fmt.Sprint(k))
			if got := answer(t, c); got != fmt.Sprint(k) {
				t.Errorf("got %q", got)
			}
			synctest.Wait()
		}
		if st := s.Stats(); st.Accepted != 3 || st.Flows != 0 {
			t.Errorf("%+v", st)
		}
		done()
	})
}

func TestServerOnAListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		on := castnet.Config{On: w.tunnel}
		c, err := on.Listen(context.Background(), "udp4", "10.9.0.1:7")
		w.check(err)
		s, err := flow.New(c, flow.Config{Handler: echo})
		w.check(err)
		served := make(chan error)
		go func() { served <- s.Serve() }()
		client := w.dial("10.9.0.1:7")
		write(t, client, "x")
		if got := answer(t, client); got != "10.9.0.1:7: x" {
			t.Errorf("got %q", got)
		}
		s.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	w := newWorld(t)
	on := castnet.Config{On: w.tunnel}
	c, err := on.Listen(context.Background(), "udp4", "10.9.0.1:7")
	w.check(err)
	defer c.Close()
	for what, make := range map[string]func() (*flow.Server, error){
		"no Conn":           func() (*flow.Server, error) { return flow.New(nil, flow.Config{Handler: echo}) },
		"no handler":        func() (*flow.Server, error) { return flow.New(c, flow.Config{}) },
		"negative MaxFlows": func() (*flow.Server, error) { return flow.New(c, flow.Config{Handler: echo, MaxFlows: -1}) },
		"unknown policy":    func() (*flow.Server, error) { return flow.New(c, flow.Config{Handler: echo, Full: 2}) },
	} {
		if _, err := make(); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	// On the operating system there is no Accept, and Serve says so.
	h, err := castnet.Listen("udp4", "127.0.0.1:0")
	w.check(err)
	s, err := flow.New(h, flow.Config{Handler: echo})
	w.check(err)
	if err := s.Serve(); !errors.Is(err, castnet.ErrNotSupported) {
		t.Errorf("on the operating system: %v", err)
	}
}
