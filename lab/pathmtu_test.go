package lab_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/stack"
)

// The path between two hosts has a link in the middle that carries less than
// theirs. The sender learns of it from a router, by the loss of a datagram, and
// forgets it after ten minutes.
func TestPathMTU(t *testing.T) {
	l := lab.New(lab.Config{Seed: 1})
	defer l.Close()
	h1, h2 := l.AddHost("h1"), l.AddHost("h2")
	r1, r2 := l.AddRouter("r1"), l.AddRouter("r2")
	left, middle, right := l.AddCable("left"), l.AddCable("middle"), l.AddCable("right")
	plug := func(h *lab.Host, to lab.Segment, addr string, mtu int) {
		t.Helper()
		if _, err := h.Attach(to, lab.LinkConfig{Addresses: prefixes(addr), MTU: mtu, Faults: lab.Faults{Delay: time.Millisecond}}); err != nil {
			t.Fatal(err)
		}
	}
	plug(h1, left, "10.0.0.1/24", 0)
	plug(&r1.Host, left, "10.0.0.254/24", 0)
	plug(&r1.Host, middle, "10.0.1.1/24", 1000)
	plug(&r2.Host, middle, "10.0.1.2/24", 1000)
	plug(&r2.Host, right, "10.0.2.254/24", 0)
	plug(h2, right, "10.0.2.2/24", 0)
	for _, x := range []struct {
		h       *lab.Host
		gateway string
	}{{h1, "10.0.0.254"}, {&r1.Host, "10.0.1.2"}, {&r2.Host, "10.0.1.1"}, {h2, "10.0.2.254"}} {
		if err := x.h.AddRoute(stack.Route{Gateway: netip.MustParseAddr(x.gateway)}); err != nil {
			t.Fatal(err)
		}
	}

	var heard []int
	h2.Go("server", func(ctx context.Context) error {
		c, err := (&castnet.Config{On: h2}).Listen(ctx, "udp4", ":7")
		if err != nil {
			return err
		}
		for {
			n, _, err := c.ReadFromUDPAddrPort(make([]byte, 9000))
			if err != nil {
				return nil
			}
			heard = append(heard, n)
		}
	})
	h1.Go("client", func(ctx context.Context) error {
		c, err := (&castnet.Config{On: h1}).Dial(ctx, "udp4", "10.0.2.2:7")
		if err != nil {
			return err
		}
		defer c.Close()
		want := func(what string, got, want any) error {
			if got != want {
				return fmt.Errorf("%s: %v, want %v", what, got, want)
			}
			return nil
		}
		pathMTU := func(n int) error {
			got, err := c.PathMTU()
			return errors.Join(err, want("the path MTU", got, n))
		}
		if err := errors.Join(c.SetReceiveErrors(true), pathMTU(1500)); err != nil {
			return err
		}
		if _, err := c.Write(make([]byte, 1400)); err != nil {
			return err
		}
		m := castnet.ErrorMessage{Buf: make([]byte, 0, 2000)}
		c.SetReadDeadline(h1.Clock().Now().Add(time.Second))
		if err := c.ReadError(&m); err != nil {
			return err
		}
		if err := errors.Join(want("the errno", m.Errno, syscall.EMSGSIZE), want("the MTU told", m.Info, uint32(1000)),
			want("who told", m.Offender, netip.MustParseAddr("10.0.0.254")), pathMTU(1000)); err != nil {
			return err
		}
		if err := c.ReadError(&m); !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("a second error: %v, %+v", err, m)
		}
		if _, err := c.Write(make([]byte, 1400)); err != nil { // cut to what fits
			return err
		}
		if err := c.SetDontFragment(true); err != nil {
			return err
		}
		if _, err := c.Write(make([]byte, 973)); !errors.Is(err, syscall.EMSGSIZE) {
			return fmt.Errorf("more than the path carries: %v", err)
		}
		if _, err := c.Write(make([]byte, 972)); err != nil {
			return err
		}
		h1.Sleep(ctx, 11*time.Minute)
		return pathMTU(1500)
	})
	if err := l.Run(time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(heard); got != "[1400 972]" {
		t.Errorf("the server heard %s bytes, want [1400 972]", got)
	}
}
