package lab_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/stack"
)

// TestHostsOfBothFamilies has a client talk to a server behind a router, which listens for
// both families, over a link that loses: by IPv6, by IPv4, and on the link by a link-local
// address. The same seed gives the same fingerprint.
func TestHostsOfBothFamilies(t *testing.T) {
	prints := make(map[uint64]bool)
	for range 2 {
		l := lab.New(lab.Config{Seed: 5})
		defer l.Close()
		left, right := l.AddSwitch("left"), l.AddSwitch("right")
		h1, h2, r := l.AddHost("h1"), l.AddHost("h2"), l.AddRouter("r")
		plug := func(h *lab.Host, to lab.Segment, loss float64, addresses ...string) {
			t.Helper()
			if _, err := h.Attach(to, lab.LinkConfig{
				Addresses: prefixes(addresses...), Faults: lab.Faults{Delay: time.Millisecond, Loss: loss},
			}); err != nil {
				t.Fatal(err)
			}
		}
		plug(h1, left, 0.2, "10.1.0.1/24", "2001:db8:1::1/64")
		plug(&r.Host, left, 0, "10.1.0.254/24", "2001:db8:1::fe/64")
		plug(&r.Host, right, 0, "10.2.0.254/24", "2001:db8:2::fe/64")
		plug(h2, right, 0, "10.2.0.2/24", "2001:db8:2::2/64")
		for h, gateways := range map[*lab.Host][]string{h1: {"10.1.0.254", "2001:db8:1::fe"}, h2: {"10.2.0.254", "2001:db8:2::fe"}} {
			for _, g := range gateways {
				if err := h.AddRoute(stack.Route{Gateway: netip.MustParseAddr(g)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		echoer := func(h *lab.Host) {
			h.Go("echo", func(ctx context.Context) error {
				c, err := (&castnet.Config{On: h}).Listen(ctx, "udp", ":7")
				if err != nil {
					return err
				}
				defer c.Close()
				buf := make([]byte, 2048)
				for {
					n, from, err := c.ReadFromUDPAddrPort(buf)
					if err != nil {
						return err
					}
					if _, err := c.WriteToUDPAddrPort(buf[:n], from); err != nil {
						return err
					}
				}
			})
		}
		var scoped string // the router's on the left link
		for _, a := range r.Stack().Interface("eth0").Addresses6() {
			if a.Origin == stack.OriginLinkLocal {
				scoped = fmt.Sprintf("[%v%%eth0]:7", a.Prefix.Addr())
			}
		}
		echoer(h2)
		echoer(&r.Host)
		answers := make(map[string]int)
		for _, to := range []string{"[2001:db8:2::2]:7", "10.2.0.2:7", scoped} {
			h1.Go("to "+to, func(ctx context.Context) error {
				c, err := (&castnet.Config{On: h1}).Dial(ctx, "udp", to)
				if err != nil {
					return err
				}
				defer c.Close()
				buf := make([]byte, 64)
				for n := range 50 {
					if _, err := fmt.Fprint(c, n); err != nil {
						return err
					}
					c.SetReadDeadline(h1.Clock().Now().Add(100 * time.Millisecond))
					if k, err := c.Read(buf); err == nil && string(buf[:k]) == fmt.Sprint(n) {
						answers[to]++
					}
				}
				return nil
			})
		}
		run(t, l, time.Minute)
		for to, n := range answers {
			// A fifth of the questions is lost; and where that meets a neighbour
			// solicitation, all of a second.
			if n < 5 || n > 48 {
				t.Errorf("%d of 50 answers from %s", n, to)
			}
		}
		if len(answers) != 3 {
			t.Errorf("answers from %v", answers)
		}
		prints[l.Fingerprint()] = true
	}
	if len(prints) != 1 {
		t.Errorf("two runs of one seed have the fingerprints %v", prints)
	}
}
