package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
)

// tcpServer serves each connection on loopback with f, and returns its port.
func tcpServer(t testing.TB, f func(*net.TCPConn)) uint16 {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	must(t, err)
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wait.Go(func() {
				defer c.Close()
				f(c.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() { l.Close(); wait.Wait() })
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

// random returns n bytes, others for each seed.
func random(seed byte, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// A megabyte goes there, and only when that has ended another comes back.
func TestTCPBothWays(t *testing.T) {
	there, back := random(1, 1<<20), random(2, 1<<20)
	port := tcpServer(t, func(c *net.TCPConn) {
		got, err := io.ReadAll(c) // until the client has closed its half
		if err != nil || !bytes.Equal(got, there) {
			t.Errorf("the server read %d bytes, or others; %v", len(got), err)
		}
		if _, err := c.Write(back); err != nil {
			t.Error(err)
		}
	})
	p, client := behind(t)
	for name, dial := range map[string]func(context.Context, uint16) (*gonet.TCPConn, error){"IPv4": client.dialTCP, "IPv6": client.dialTCP6} {
		c, err := dial(t.Context(), port)
		must(t, err)
		defer c.Close()
		must(t, c.SetDeadline(time.Now().Add(time.Minute)))
		_, err = c.Write(there)
		must(t, err)
		must(t, c.CloseWrite())
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, back) {
			t.Errorf("%s: the client read %d bytes, or others; %v", name, len(got), err)
		}
		must(t, c.Close())
	}
	if s := p.tcp.summary(); s != "2 TCP connections" {
		t.Errorf("the summary is %q", s)
	}
}

// Many connections at a time, each with bytes of its own.
func TestTCPManyConnections(t *testing.T) {
	const count = 100
	port := tcpServer(t, func(c *net.TCPConn) { io.Copy(c, c) })
	_, client := behind(t)
	var wait sync.WaitGroup
	for i := range count {
		wait.Go(func() {
			c, err := client.dialTCP(t.Context(), port)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(time.Minute))
			want := random(byte(i), 10_000)
			if _, err := c.Write(want); err != nil {
				t.Error(err)
			}
			c.CloseWrite()
			if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, want) {
				t.Errorf("connection %d read %d bytes, or others; %v", i, len(got), err)
			}
		})
	}
	wait.Wait()
}

// A port that is closed is refused, and not accepted first.
func TestTCPRefused(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	must(t, err)
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	must(t, l.Close())
	p, client := behind(t)
	c, err := client.dialTCP(t.Context(), port)
	if err == nil {
		c.Close()
		t.Fatal("the connection was accepted")
	}
	if !strings.Contains(err.Error(), "refused") {
		t.Errorf("it fails with %v, want that it was refused", err)
	}
	if s := p.tcp.summary(); s != "0 TCP connections" {
		t.Errorf("the summary is %q", s)
	}
}

// A server that resets its connection takes the client's with it, though the client
// says nothing more.
func TestTCPReset(t *testing.T) {
	port := tcpServer(t, func(c *net.TCPConn) {
		io.ReadFull(c, make([]byte, 2))
		c.SetLinger(0)
	})
	_, client := behind(t)
	c, err := client.dialTCP(t.Context(), port)
	must(t, err)
	defer c.Close()
	must(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = c.Write([]byte{1, 2})
	must(t, err)
	_, err = c.Read(make([]byte, 1))
	if e := net.Error(nil); err == nil || errors.As(err, &e) && e.Timeout() {
		t.Errorf("the client reads: %v", err)
	}
}

// connect opens a connection that has carried a byte each way.
func connect(t *testing.T, client *client, port uint16) net.Conn {
	t.Helper()
	c, err := client.dialTCP(t.Context(), port)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	must(t, c.SetDeadline(time.Now().Add(time.Minute)))
	_, err = c.Write([]byte{1})
	must(t, err)
	_, err = c.Read(make([]byte, 1))
	must(t, err)
	return c
}

// Close ends connections, and their clients are told. Later ones are not made.
func TestTCPClose(t *testing.T) {
	port := tcpServer(t, func(c *net.TCPConn) { io.Copy(c, c) })
	p, client := behind(t)
	c := connect(t, client, port)
	must(t, p.close())
	_, err := c.Read(make([]byte, 1))
	if e := net.Error(nil); err == nil || errors.As(err, &e) && e.Timeout() {
		t.Errorf("the client reads: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if c, err := client.dialTCP(ctx, port); err == nil {
		c.Close()
		t.Error("a connection was made")
	}
}

// Close ends connections whose buffers are full, too. What it tells their clients may
// find the queues full, so they have to find out.
func TestTCPCloseUnderLoad(t *testing.T) {
	port := tcpServer(t, func(c *net.TCPConn) { io.Copy(c, c) })
	p, client := behind(t)
	var flood sync.WaitGroup
	var all []net.Conn
	for range 2 {
		c := connect(t, client, port)
		all = append(all, c)
		flood.Go(func() {
			for buf := make([]byte, 10_000); ; {
				if _, err := c.Write(buf); err != nil {
					return
				}
			}
		})
	}
	must(t, p.close())
	for _, c := range all {
		c.SetDeadline(time.Now())
	}
	flood.Wait()
}

// A client that begins to connect and does not go on is not waited for.
func TestTCPCloseInHandshake(t *testing.T) {
	port := tcpServer(t, func(c *net.TCPConn) { c.Read(make([]byte, 1)) })
	p, client := behind(t)
	client.deaf.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := client.dialTCP(ctx, port)
		ended <- err
	}()
	for client.missed.Load() == 0 { // gVisor's part of the handshake
		runtime.Gosched()
	}
	closed := make(chan error)
	go func() { closed <- p.close() }()
	select {
	case err := <-closed:
		must(t, err)
	case <-time.After(10 * time.Second):
		t.Error("Close waits for the client")
	}
	cancel()
	if err := <-ended; err == nil {
		t.Error("a connection was made")
	}
}

// There is one who handles TCP, whom a second does not disturb.
func TestTCPHandler(t *testing.T) {
	port := tcpServer(t, func(c *net.TCPConn) { io.Copy(c, c) })
	p, client := behind(t)
	if _, err := newTCPProxy(p.stack, 1500, dialLoopback); err == nil {
		t.Error("there are two")
	}
	c, err := client.dialTCP(t.Context(), port)
	must(t, err)
	must(t, c.Close())
	p.tcp.close()
	again, err := newTCPProxy(p.stack, 1500, dialLoopback)
	must(t, err)
	again.close()
}
