package castnet_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
)

// narrowNetworks are the networks with a loopback interface that carries 1500
// bytes.
func narrowNetworks(t *testing.T, f func(t *testing.T, on castnet.Network)) {
	t.Run("host", func(t *testing.T) {
		ns := netns.New(t)
		ns.Run(t, "ip", "link", "set", "lo", "mtu", "1500")
		f(t, inNamespace{castnet.Host(), ns})
	})
	t.Run("stack", func(t *testing.T) {
		s, err := stack.New(stack.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		if err := s.Interface("lo").SetMTU(1500); err != nil {
			t.Fatal(err)
		}
		f(t, s)
	})
}

// inNamespace is the operating system's network in a namespace.
type inNamespace struct {
	castnet.Network
	ns *netns.Namespace
}

func (n inNamespace) Open(f socket.Family) (s socket.Socket, err error) {
	n.ns.Do(func() { s, err = n.Network.Open(f) })
	return s, err
}

func listenOn(t *testing.T, on castnet.Network) *castnet.Conn {
	t.Helper()
	c, err := (&castnet.Config{On: on}).Listen(t.Context(), "udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// nobodyOn returns an address at which nobody listens.
func nobodyOn(t *testing.T, on castnet.Network) netip.AddrPort {
	c := listenOn(t, on)
	addr := c.LocalAddr().(*net.UDPAddr).AddrPort()
	c.Close()
	return addr
}

func TestReadError(t *testing.T) {
	narrowNetworks(t, func(t *testing.T, on castnet.Network) {
		c := listenOn(t, on)
		gone := nobodyOn(t, on)
		if err := c.SetReceiveErrors(true); err != nil {
			t.Fatal(err)
		}
		m := castnet.ErrorMessage{Buf: make([]byte, 0, 5)}
		if err := c.TryReadError(&m); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("TryReadError of nothing: %v", err)
		}
		type result struct {
			m   castnet.ErrorMessage
			err error
		}
		results := make(chan result)
		go func() {
			m := castnet.ErrorMessage{Buf: make([]byte, 0, 5)}
			err := c.ReadError(&m)
			results <- result{m, err}
		}()
		if _, err := c.WriteToUDPAddrPort([]byte("are you there?"), gone); err != nil {
			t.Fatal(err)
		}
		r := <-results
		if r.err != nil || string(r.m.Buf) != "are y" || r.m.Len != 14 || r.m.Addr != gone || r.m.Errno != syscall.ECONNREFUSED ||
			r.m.Origin != castnet.OriginICMP || r.m.Offender != gone.Addr() {
			t.Errorf("ReadError: %v, %+v", r.err, r.m)
		}
		// What was read is not pending any more.
		c.SetReadDeadline(time.Now().Add(-time.Second))
		if _, _, err := c.ReadFromUDPAddrPort(make([]byte, 9)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a read after that: %v", err)
		}
		if err := c.ReadError(&m); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("ReadError after the deadline: %v", err)
		}
		c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		err := c.ReadError(&m)
		var op *net.OpError
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &op) || op.Op != "read" || !op.Timeout() {
			t.Errorf("ReadError until the deadline: %v", err)
		}
		c.SetReadDeadline(time.Time{})

		// Reads return errors too, in package net's shape.
		if _, err := c.WriteToUDPAddrPort([]byte("x"), gone); err != nil {
			t.Fatal(err)
		}
		var sys *os.SyscallError
		if _, _, err := c.ReadFromUDPAddrPort(make([]byte, 9)); !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &sys) || sys.Syscall != "recvfrom" {
			t.Errorf("a read: %v, want recvfrom: ECONNREFUSED", err)
		}
		if err := c.TryReadError(&m); err != nil || m.Errno != syscall.ECONNREFUSED {
			t.Errorf("TryReadError: %v, %+v", err, m)
		}

		go func() { results <- result{err: c.ReadError(new(castnet.ErrorMessage))} }()
		time.Sleep(time.Millisecond)
		c.Close()
		if r := <-results; !errors.Is(r.err, net.ErrClosed) {
			t.Errorf("ReadError of a closed Conn: %v", r.err)
		}
		if err := c.TryReadError(&m); !errors.Is(err, net.ErrClosed) {
			t.Errorf("TryReadError of a closed Conn: %v", err)
		}
	})
}

func TestDontFragmentAndPathMTU(t *testing.T) {
	narrowNetworks(t, func(t *testing.T, on castnet.Network) {
		server := listenOn(t, on)
		to := server.LocalAddr().(*net.UDPAddr)
		c, err := (&castnet.Config{On: on}).Dial(context.Background(), "udp4", to.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if mtu, err := c.PathMTU(); mtu != 1500 || err != nil {
			t.Errorf("PathMTU: %d, %v, want 1500", mtu, err)
		}
		arrives := func(n int) {
			t.Helper()
			if _, err := c.Write(make([]byte, n)); err != nil {
				t.Fatalf("a write of %d bytes: %v", n, err)
			}
			server.SetReadDeadline(time.Now().Add(10 * time.Second))
			if got, _, err := server.ReadFromUDPAddrPort(make([]byte, 65535)); got != n || err != nil {
				t.Fatalf("of %d bytes %d arrived: %v", n, got, err)
			}
		}
		refused := func(n int) {
			t.Helper()
			_, err := c.Write(make([]byte, n))
			var op *net.OpError
			var sys *os.SyscallError
			if !errors.Is(err, syscall.EMSGSIZE) || !errors.As(err, &op) || op.Op != "write" || !errors.As(err, &sys) || sys.Syscall != "write" {
				t.Errorf("a write of %d bytes: %v, want EMSGSIZE", n, err)
			}
		}
		arrives(1473) // cut, and put together
		if err := c.SetDontFragment(true); err != nil {
			t.Fatal(err)
		}
		arrives(1472)
		refused(1473)
		if err := c.SetReceiveErrors(true); err != nil {
			t.Fatal(err)
		}
		refused(1473)
		var m castnet.ErrorMessage
		if err := c.TryReadError(&m); err != nil || m.Errno != syscall.EMSGSIZE || m.Info != 1500 || m.Origin != castnet.OriginLocal || m.Addr != to.AddrPort() {
			t.Errorf("TryReadError: %v, %+v", err, m)
		}
		if err := c.SetDontFragment(false); err != nil {
			t.Fatal(err)
		}
		arrives(9000)
		if err := c.SetMTUDiscovery(castnet.DiscoveryProbe); err != nil {
			t.Fatal(err)
		}
		refused(1473)
		if err := c.SetMTUDiscovery(9); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("SetMTUDiscovery(9): %v, want EINVAL", err)
		}
	})
}
