package flow_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/flow"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/stack"
)

// inLab runs a proxy in a lab in virtual time: clients on one switch, the proxy
// between, an echo server on another switch. It returns what was seen.
func inLab(t *testing.T, seed uint64) (seen []string, fingerprint uint64) {
	t.Helper()
	l := lab.New(lab.Config{Seed: seed})
	defer l.Close()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	attach := func(h *lab.Host, to lab.Segment, address string) string {
		t.Helper()
		name, err := h.Attach(to, lab.LinkConfig{
			Addresses: []netip.Prefix{netip.MustParsePrefix(address)},
			Faults:    lab.Faults{Delay: time.Millisecond, Jitter: time.Millisecond},
		})
		check(err)
		return name
	}
	inside, outside := l.AddSwitch("inside"), l.AddSwitch("outside")
	proxy, server := l.AddHost("proxy"), l.AddHost("server")
	attach(server, outside, "192.0.2.1/24")
	attach(proxy, outside, "192.0.2.254/24")
	tun := attach(proxy, inside, "10.9.0.1/24")
	check(proxy.Stack().Interface(tun).SetTransparent(netip.MustParsePrefix("0.0.0.0/0")))

	server.Go("echo", func(context.Context) error {
		on := castnet.Config{On: server}
		c, err := on.Listen(context.Background(), "udp4", ":53")
		if err != nil {
			return err
		}
		buf := make([]byte, 64)
		for range 40 {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return err
			}
			c.WriteToUDPAddrPort(buf[:n], from)
		}
		return c.Close()
	})

	var srv *flow.Server
	proxy.Go("proxy", func(context.Context) error {
		on := castnet.Config{On: proxy, Interface: tun}
		all, err := on.Intercept("udp4")
		if err != nil {
			return err
		}
		out := castnet.Config{On: proxy}
		srv, err = flow.New(all, flow.Config{
			IdleTimeout: time.Minute,
			Handler: flow.Proxy(func(ctx context.Context, f *flow.Flow) (net.Conn, error) {
				return out.Dial(ctx, "udp4", f.Destination().String())
			}),
		})
		if err != nil {
			return err
		}
		return srv.Serve()
	})

	for k := range 4 {
		client := l.AddHost(fmt.Sprint("client", k))
		attach(client, inside, fmt.Sprintf("10.9.0.%d/24", 10+k))
		check(client.AddRoute(stack.Route{Gateway: netip.MustParseAddr("10.9.0.1")}))
		client.Go("ask", func(context.Context) error {
			on := castnet.Config{On: client}
			c, err := on.Dial(context.Background(), "udp4", "192.0.2.1:53")
			if err != nil {
				return err
			}
			buf := make([]byte, 64)
			for n := range 10 {
				fmt.Fprintf(c, "%d.%d", k, n)
				m, err := c.Read(buf)
				if err != nil {
					return err
				}
				seen = append(seen, string(buf[:m]))
			}
			return c.Close()
		})
	}
	closer := l.AddHost("closer")
	closer.Go("close", func(ctx context.Context) error {
		if err := closer.Sleep(ctx, 10*time.Second); err != nil {
			return err
		}
		if st := srv.Stats(); st.Flows != 4 || st.Accepted != 4 {
			t.Errorf("after ten seconds: %+v", st)
		}
		if err := closer.Sleep(ctx, 80*time.Second); err != nil {
			return err
		}
		if st := srv.Stats(); st.Flows != 0 || st.Idle != 4 {
			t.Errorf("after a timeout: %+v", st)
		}
		return srv.Close()
	})
	if err := l.Run(5 * time.Minute); err != nil {
		t.Fatal(err)
	}
	for _, h := range []*lab.Host{proxy, server} {
		if led := h.Stack().Ledger(); !led.Balanced() {
			t.Errorf("%s: the ledger does not balance: %+v", h.Name(), led)
		}
	}
	return seen, l.Fingerprint()
}

func TestInALab(t *testing.T) {
	seen, first := inLab(t, 1)
	if len(seen) != 40 {
		t.Errorf("%d answers: %q", len(seen), seen)
	}
	again, second := inLab(t, 1)
	if fmt.Sprint(seen) != fmt.Sprint(again) || first != second {
		t.Errorf("with the same seed: %q, %x and %q, %x", seen, first, again, second)
	}
	if _, other := inLab(t, 2); other == first {
		t.Error("another seed has the same fingerprint")
	}
}
