package interop

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
)

// closed is a port on which nobody listens, at either end.
const closed = 7999

// wantRefused fails the test unless an error is ECONNREFUSED in the shape that
// package net gives it.
func wantRefused(t *testing.T, err error, op string) {
	t.Helper()
	var o *net.OpError
	var c *os.SyscallError
	if !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &o) || o.Op != op || !errors.As(err, &c) || c.Syscall != op {
		t.Errorf("got %v, want ECONNREFUSED from %s", err, op)
	}
}

// A client of the kernel's hears from our ICMP that nobody listens.
func TestKernelIsRefused(t *testing.T) {
	w := newWorld(t, "socat")
	w.open("")
	var c *net.UDPConn
	var err error
	w.ns.Do(func() {
		c, err = net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(ours, closed)))
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	buf := make([]byte, 1500)
	// The longer one is cut short where ICMP quotes it.
	for _, size := range []int{0, 1, 1472} {
		if _, err := c.Write(payload(size)); err != nil {
			t.Fatal(err)
		}
		_, err = c.Read(buf)
		wantRefused(t, err, "read")
	}
	p := start(t, w.ns, strings.NewReader("hello"), "socat", "-t", "20", "-", "UDP4:10.0.0.2:7999")
	p.end(1)
	if !strings.Contains(p.stderr.String(), "Connection refused") {
		t.Errorf("socat says %q", p.stderr.String())
	}
	w.wantDrops(map[drop.Reason]uint64{drop.NoPort: 4})
}

// A Conn of ours hears it from the kernel's.
func TestWeAreRefused(t *testing.T) {
	w := newWorld(t)
	w.ns.Sysctl(t, "ipv4/icmp_ratelimit", "0") // no refusal is to be left out
	w.open("")
	peer := netip.AddrPortFrom(kernel, closed)
	buf := make([]byte, 1500)

	t.Run("read", func(t *testing.T) {
		c := w.dial(peer)
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		_, err := c.Read(buf)
		wantRefused(t, err, "read")
		// It is told once.
		c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if _, err := c.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the next read: %v, want a timeout", err)
		}
	})
	t.Run("write", func(t *testing.T) {
		c := w.dial(peer)
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		var err error
		eventually(t, "a write to be refused", func() bool {
			_, err = c.Write([]byte("hello"))
			return err != nil
		})
		wantRefused(t, err, "write")
	})
	// A socket that is not connected is not told (ip(7), IP_RECVERR), though
	// one that is, and sent later, was.
	t.Run("unconnected", func(t *testing.T) {
		c, other := w.listen(0), w.dial(peer)
		if _, err := c.WriteToUDPAddrPort([]byte("hello"), peer); err != nil {
			t.Fatal(err)
		}
		if _, err := other.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		_, err := other.Read(buf)
		wantRefused(t, err, "read")
		c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if _, _, err := c.ReadFromUDPAddrPort(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want a timeout", err)
		}
	})
	w.wantDrops(map[drop.Reason]uint64{})
}

// The command says so and fails.
func TestSendIsRefused(t *testing.T) {
	w := newWorld(t)
	p := w.castnet(nil, "", "send", "10.0.0.1:7999", "hello")
	if s := p.summary(1); s.Sent != 1 || s.Refused != 1 {
		t.Errorf("%d sent, %d refused", s.Sent, s.Refused)
	}
}
