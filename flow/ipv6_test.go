package flow_test

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/flow"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/stack"
)

// newWorld6 is a world in which the tunnel hears what the client sends to addresses of
// both families.
func newWorld6(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, network: "udp"}
	near, far := mem.Pair(mem.Config{})
	w.client, w.tunnel = w.stack("client"), w.stack("tunnel")
	eth0 := w.must(w.client.AddInterface("eth0", near))
	tun0 := w.must(w.tunnel.AddInterface("tun0", far))
	for _, a := range []string{"10.9.0.7/24", "2001:db8:9::7/64"} {
		w.check(eth0.AddAddress(netip.MustParsePrefix(a)))
	}
	for _, a := range []string{"10.9.0.1/24", "2001:db8:9::1/64"} {
		p := netip.MustParsePrefix(a)
		w.check(tun0.AddAddress(p))
		w.check(w.client.AddRoute(stack.Route{Gateway: p.Addr()}))
	}
	w.check(tun0.SetTransparent(netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")))
	return w
}

// TestFlowsOfBothFamilies that one Conn hears, each with its handler.
func TestFlowsOfBothFamilies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld6(t)
		s, done := w.serve(flow.Config{Handler: echo})
		clients := map[string]string{
			"[2001:db8:53::1]:53": "2001:db8:9::7", "[2001:db8:53::1]:54": "2001:db8:9::7", "192.0.2.1:53": "10.9.0.7",
		}
		on := castnet.Config{On: w.client}
		conns := make(map[string]*castnet.Conn)
		for dst := range clients {
			c, err := on.Dial(context.Background(), "udp", dst)
			w.check(err)
			defer c.Close()
			conns[dst] = c
		}
		for range 3 {
			for dst, c := range conns {
				write(t, c, "hello")
				want := netip.MustParseAddrPort(dst)
				if got := answer(t, c); got != want.String()+": hello" {
					t.Errorf("got %q of %v", got, want)
				}
			}
		}
		if st := s.Stats(); st != (flow.Stats{Flows: 3, Accepted: 3}) {
			t.Errorf("%+v", st)
		}
		for f := range s.Flows {
			if want := clients[f.Destination().String()]; f.Client().Addr().String() != want {
				t.Errorf("flow %v > %v", f.Client(), f.Destination())
			}
		}
		done()
	})
}
