package lab_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/stack"
)

// Two hosts on two segments that were told nothing configure themselves by what the
// router between them advertises, and talk to each other.
func TestHostsConfigureThemselves(t *testing.T) {
	for _, tested := range []int{0, 1} {
		l := lab.New(lab.Config{Seed: 1, Stack: stack.Config{DADTransmits: tested}})
		defer l.Close()
		h1, h2, r := l.AddHost("h1"), l.AddHost("h2"), l.AddRouter("r")
		left, right := l.AddSwitch("left"), l.AddSwitch("right")
		attach := func(h *lab.Host, to lab.Segment, cfg lab.LinkConfig) {
			t.Helper()
			if _, err := h.Attach(to, cfg); err != nil {
				t.Fatal(err)
			}
		}
		attach(h1, left, lab.LinkConfig{IPv6: true})
		attach(h2, right, lab.LinkConfig{IPv6: true})
		attach(&r.Host, left, lab.LinkConfig{Addresses: prefixes("2001:db8:1::1/64"), Advertise: new(stack.Advertisement)})
		attach(&r.Host, right, lab.LinkConfig{Addresses: prefixes("2001:db8:2::1/64"), Advertise: new(stack.Advertisement)})
		global := func(h *lab.Host, prefix string) (a netip.Addr) {
			for _, own := range h.Stack().Interface("eth0").Addresses6() {
				if netip.MustParsePrefix(prefix).Contains(own.Prefix.Addr()) && own.State == stack.AddressPreferred {
					a = own.Prefix.Addr()
				}
			}
			return a
		}
		var heard string
		var answered netip.AddrPort
		h2.Go("server", func(ctx context.Context) error {
			c, err := (&castnet.Config{On: h2}).Listen(ctx, "udp6", ":7")
			if err != nil {
				return err
			}
			defer c.Close()
			b := make([]byte, 100)
			n, from, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				return err
			}
			heard, answered = string(b[:n]), from
			_, err = c.WriteToUDPAddrPort([]byte("pong"), from)
			return err
		})
		var reply string
		h1.Go("client", func(ctx context.Context) error {
			c, err := (&castnet.Config{On: h1}).Listen(ctx, "udp6", ":0")
			if err != nil {
				return err
			}
			defer c.Close()
			if err := h1.Sleep(ctx, 10*time.Second); err != nil {
				return err
			}
			if _, err := c.WriteToUDPAddrPort([]byte("ping"), netip.AddrPortFrom(global(h2, "2001:db8:2::/64"), 7)); err != nil {
				return err
			}
			b := make([]byte, 100)
			n, _, err := c.ReadFromUDPAddrPort(b)
			reply = string(b[:n])
			return err
		})
		if err := l.Run(time.Minute); err != nil {
			t.Fatal(err)
		}
		if heard != "ping" || reply != "pong" || answered.Addr() != global(h1, "2001:db8:1::/64") {
			t.Errorf("tested %d times: heard %q from %v, answered %q", tested, heard, answered, reply)
		}
	}
}
