package castnet

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
)

// tunnelPair returns a client, 10.9.0.7, and a stack to which everything is sent
// that the client sends, wherever to.
func tunnelPair(t *testing.T) (client, tunnel *stack.Stack) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	near, far := mem.Pair(mem.Config{})
	client, err := stack.New(stack.Config{Name: "client"})
	must(err)
	t.Cleanup(func() { client.Close() })
	tunnel, err = stack.New(stack.Config{Name: "tunnel"})
	must(err)
	t.Cleanup(func() { tunnel.Close() })
	eth0, err := client.AddInterface("eth0", near)
	must(err)
	must(eth0.AddAddress(netip.MustParsePrefix("10.9.0.7/24")))
	must(client.AddRoute(stack.Route{Gateway: netip.MustParseAddr("10.9.0.1")}))
	tun0, err := tunnel.AddInterface("tun0", far)
	must(err)
	must(tun0.AddAddress(netip.MustParsePrefix("10.9.0.1/24")))
	must(tun0.SetTransparent(netip.MustParsePrefix("0.0.0.0/0")))
	return client, tunnel
}

func TestInterceptAndAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, tunnel := tunnelPair(t)
		cfg := Config{On: tunnel}
		all, err := cfg.Intercept("udp")
		if err != nil {
			t.Fatal(err)
		}
		defer all.Close()
		dialer := Config{On: client}
		c, err := dialer.Dial(context.Background(), "udp4", "192.0.2.1:53")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()

		// Read by hand, and answered.
		c.Write([]byte("one"))
		ms := []Message{{Buf: make([]byte, 64)}}
		if _, err := all.ReadBatch(ms); err != nil || ms[0].Local.String() != "[::ffff:192.0.2.1]:53" {
			t.Fatalf("ReadBatch: %v, %+v", err, ms[0])
		}
		ms[0].Reply()
		if _, err := all.WriteBatch(ms); err != nil {
			t.Error(err)
		}
		buf := make([]byte, 64)
		if n, err := c.Read(buf); err != nil || string(buf[:n]) != "one" {
			t.Errorf("answer: %q, %v", buf[:n], err)
		}

		// Accepted while it is waited for.
		go func() {
			time.Sleep(time.Second)
			c.Write([]byte("two"))
			c.Write([]byte("three"))
		}()
		flow, err := all.Accept(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer flow.Close()
		if flow.LocalAddr().String() != "192.0.2.1:53" || flow.RemoteAddr().String() != c.LocalAddr().String() {
			t.Errorf("flow %v > %v", flow.RemoteAddr(), flow.LocalAddr())
		}
		for _, want := range []string{"two", "three"} {
			if n, err := flow.Read(buf); err != nil || string(buf[:n]) != want {
				t.Errorf("read %q, %v; want %q", buf[:n], err, want)
			}
			if _, err := flow.Write([]byte("to " + want)); err != nil {
				t.Error(err)
			}
			if n, err := c.Read(buf); err != nil || string(buf[:n]) != "to "+want {
				t.Errorf("client read %q, %v", buf[:n], err)
			}
		}
	})
}

func TestAcceptEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, tunnel := tunnelPair(t)
		cfg := Config{On: tunnel}
		all, err := cfg.Intercept("udp4")
		if err != nil {
			t.Fatal(err)
		}
		all.SetReadDeadline(time.Now().Add(time.Minute))
		start := time.Now()
		if _, err := all.Accept(nil); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		all.SetReadDeadline(time.Time{})
		dialer := Config{On: client}
		c, err := dialer.Dial(context.Background(), "udp4", "192.0.2.1:53")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.Write([]byte("x"))
		var asked []string
		admit := func(client, destination netip.AddrPort) drop.Reason {
			asked = append(asked, client.Addr().String()+" > "+destination.String())
			return drop.FlowTableFull
		}
		time.AfterFunc(time.Second, func() { all.CloseRead() })
		if _, err := all.Accept(admit); !errors.Is(err, io.EOF) {
			t.Errorf("shut down: %v", err)
		}
		if n := tunnel.Drops().Get(drop.FlowTableFull); n != 1 || len(asked) != 1 || asked[0] != "10.9.0.7 > 192.0.2.1:53" {
			t.Errorf("%d drops, asked %q", n, asked)
		}
		all.Close()
		_, err = all.Accept(nil)
		if op := new(net.OpError); !errors.Is(err, net.ErrClosed) || !errors.As(err, &op) || op.Op != "accept" {
			t.Errorf("closed: %v", err)
		}
	})
}

func TestInterceptIsNotEverywhere(t *testing.T) {
	cfg := Config{On: newFake()}
	if _, err := cfg.Intercept("udp4"); !errors.Is(err, ErrNotSupported) {
		t.Errorf("Intercept: %v", err)
	}
	if n := len(cfg.On.(*fakeNetwork).opened); n != 1 || !cfg.On.(*fakeNetwork).opened[0].closed {
		t.Error("the socket was left open")
	}
	c, err := cfg.Listen(context.Background(), "udp4", ":7")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Accept(nil); !errors.Is(err, ErrNotSupported) {
		t.Errorf("Accept: %v", err)
	}
	if _, err := cfg.Intercept("tcp"); err == nil {
		t.Error("Intercept on tcp")
	}
	var none *Conn
	if _, err := none.Accept(nil); err != syscall.EINVAL {
		t.Errorf("nil: %v", err)
	}
}

// A Config's options reach the socket, and a transparent one dials from what is
// not its own.
func TestTransparentConfig(t *testing.T) {
	_, tunnel := tunnelPair(t)
	cfg := Config{On: tunnel, Transparent: true, Mark: 5, LocalAddr: netip.MustParseAddrPort("192.0.2.1:53")}
	c, err := cfg.Dial(context.Background(), "udp4", "10.9.0.7:1000")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := c.LocalAddr().String(); got != "192.0.2.1:53" {
		t.Errorf("LocalAddr() = %v", got)
	}
	for o, want := range map[socket.Option]int{socket.Transparent: 1, socket.Mark: 5} {
		if got, err := c.s.Option(o); got != want || err != nil {
			t.Errorf("%v = %d, %v", o, got, err)
		}
	}
	cfg.Transparent = false
	if _, err := cfg.Dial(context.Background(), "udp4", "10.9.0.7:1000"); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("not transparent: %v", err)
	}
}

func TestNewConn(t *testing.T) {
	_, tunnel := tunnelPair(t)
	s, err := tunnel.OpenSocket(socket.IPv4)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Bind(netip.MustParseAddrPort("10.9.0.1:7")); err != nil {
		t.Fatal(err)
	}
	c := NewConn(tunnel, s)
	if got := c.LocalAddr().String(); got != "10.9.0.1:7" || c.RemoteAddr() != nil {
		t.Errorf("%v, %v", got, c.RemoteAddr())
	}
	c.Close()
	if _, err := s.PeerAddr(); err != socket.ErrClosed {
		t.Errorf("the socket is not the Conn's: %v", err)
	}
}
