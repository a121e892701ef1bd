package flow_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/flow"
	"github.com/castnet-go/castnet/link/mem"
)

// upstream is the network that a proxy dials into: a stack with an echo server at
// 192.0.2.1:53, reached by another wire of the tunnel's.
func (w *world) upstream() (server *castnet.Conn) {
	w.t.Helper()
	near, far := mem.Pair(mem.Config{})
	s := w.stack("server")
	eth0 := w.must(s.AddInterface("eth0", far))
	w.check(eth0.AddAddress(netip.MustParsePrefix("192.0.2.1/24")))
	eth1 := w.must(w.tunnel.AddInterface("eth1", near))
	w.check(eth1.AddAddress(netip.MustParsePrefix("192.0.2.254/24")))
	on := castnet.Config{On: s}
	server, err := on.Listen(context.Background(), "udp4", ":53")
	w.check(err)
	w.t.Cleanup(func() { server.Close() })
	return server
}

// echoes answers until the Conn is closed.
func echoes(c *castnet.Conn) {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			c.WriteToUDPAddrPort(buf[:n], from)
		}
	}
}

// dial is what a proxy on the tunnel dials with.
func (w *world) dialOut(ctx context.Context, f *flow.Flow) (net.Conn, error) {
	on := castnet.Config{On: w.tunnel}
	return on.Dial(ctx, "udp4", f.Destination().String())
}

func TestProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		server := w.upstream()
		go echoes(server)
		s, done := w.serve(flow.Config{Handler: flow.Proxy(w.dialOut), IdleTimeout: time.Minute})
		c := w.dial("192.0.2.1:53")
		for _, n := range []int{1, 0, 1000, 1472, 1473, 9000} {
			sent := strings.Repeat("x", n)
			write(t, c, sent)
			buf := make([]byte, 1<<16)
			c.SetReadDeadline(time.Now().Add(time.Second))
			if got, err := c.Read(buf); err != nil || string(buf[:got]) != sent {
				t.Errorf("%d bytes: %d came back, %v", n, got, err)
			}
		}
		if st := s.Stats(); st.Accepted != 1 {
			t.Errorf("%+v", st)
		}
		// An idle flow's upstream socket is closed with it.
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if st := s.Stats(); st.Idle != 1 || st.Flows != 0 {
			t.Errorf("%+v", st)
		}
		write(t, c, "again")
		if got := answer(t, c); got != "again" {
			t.Errorf("got %q", got)
		}
		done()
		server.Close()
	})
}

// A train goes through as one.
func TestProxyCopiesTrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		server := w.upstream()
		_, done := w.serve(flow.Config{Handler: flow.Proxy(w.dialOut)})
		c := w.dial("192.0.2.1:53")
		m := castnet.Message{Buf: []byte("aaaabbbbccccdd"), Set: castnet.FieldSegmentSize, SegmentSize: 4}
		if _, err := c.WriteBatch([]castnet.Message{m}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		server.SetReadDeadline(time.Now().Add(time.Second))
		buf := make([]byte, 64)
		for _, want := range []string{"aaaa", "bbbb", "cccc", "dd"} {
			if n, _, err := server.ReadFrom(buf); err != nil || string(buf[:n]) != want {
				t.Errorf("got %q, %v; want %q", buf[:n], err, want)
			}
		}
		done()
	})
}

// A dial that fails ends the flow, and the next datagram tries again.
func TestProxyDialFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		dials := 0
		s, done := w.serve(flow.Config{Handler: flow.Proxy(func(context.Context, *flow.Flow) (net.Conn, error) {
			dials++
			return nil, syscall.ENETUNREACH
		})})
		c := w.dial("192.0.2.1:53")
		w.check(c.SetReceiveErrors(true))
		for range 3 {
			write(t, c, "x")
			synctest.Wait()
			told(t, c, "no way", `network is unreachable icmp 3/0 info 0 from 192.0.2.1 to 192.0.2.1:53: ""`)
		}
		if st := s.Stats(); dials != 3 || st.Accepted != 3 || st.Flows != 0 {
			t.Errorf("%d dials, %+v", dials, st)
		}
		if n := w.tunnel.Drops().Get(drop.SocketClosed); n != 3 {
			t.Errorf("SocketClosed = %d", n)
		}
		done()
	})
}

// Any net.Conn may be upstream: here the operating system's own.
func TestProxyToTheOperatingSystem(t *testing.T) {
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	var served atomic.Int32
	go func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			served.Add(1)
			server.WriteTo(buf[:n], from)
		}
	}()
	for name, dial := range map[string]func(context.Context, *flow.Flow) (net.Conn, error){
		"castnet": func(context.Context, *flow.Flow) (net.Conn, error) {
			return castnet.Dial("udp4", server.LocalAddr().String())
		},
		"net": func(ctx context.Context, _ *flow.Flow) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "udp4", server.LocalAddr().String())
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			_, done := w.serve(flow.Config{Handler: flow.Proxy(dial)})
			c := w.dial("192.0.2.1:53")
			for k := range 100 {
				sent := fmt.Sprint(name, k)
				write(t, c, sent)
				if got := answer(t, c); got != sent {
					t.Fatalf("got %q, want %q", got, sent)
				}
			}
			done()
		})
	}
	if served.Load() != 200 {
		t.Errorf("the server has heard %d datagrams", served.Load())
	}
}

// A side that keeps failing without saying that it is closed ends the flow too.
type broken struct{ net.Conn }

func (broken) Read([]byte) (int, error)  { return 0, syscall.ECONNREFUSED }
func (broken) Write([]byte) (int, error) { return 0, syscall.ECONNREFUSED }
func (broken) Close() error              { return nil }

func TestProxyGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, done := w.serve(flow.Config{Handler: flow.Proxy(func(context.Context, *flow.Flow) (net.Conn, error) { return broken{}, nil })})
		write(t, w.dial("192.0.2.1:53"), "x")
		synctest.Wait()
		if st := s.Stats(); st.Flows != 0 {
			t.Errorf("%+v", st)
		}
		done()
	})
}

// Many flows at once, each of which gets its own answers.
func TestProxyUnderLoad(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
	w := newWorld(t)
	server := w.upstream()
	defer server.Close()
	go echoes(server)
	_, done := w.serve(flow.Config{Handler: flow.Proxy(w.dialOut)})
	results := make(chan error)
	const flows = 16
	for k := range flows {
		c := w.dial("192.0.2.1:53")
		go func() {
			for n := range 200 {
				sent := fmt.Sprint(k, " ", n)
				c.Write([]byte(sent))
				buf := make([]byte, 64)
				c.SetReadDeadline(time.Now().Add(10 * time.Second))
				if got, err := c.Read(buf); err != nil || string(buf[:got]) != sent {
					results <- fmt.Errorf("flow %d: got %q, %v; want %q", k, buf[:got], err, sent)
					return
				}
			}
			results <- nil
		}()
	}
	for range flows {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	done()
}
