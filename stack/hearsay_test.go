package stack

import (
	"testing"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// A router that says another thing in each advertisement does not have every socket look
// for its way anew each time; what it said last is known soon.
func TestAdvertisementsThatContradictEachOther(t *testing.T) {
	prefixes := [2]wire.NDPOptions{
		prefixOption(nil, "2001:db8:5::/64", "L", time.Hour, time.Hour), prefixOption(nil, "2001:db8:5::/64", "L", 0, 0),
	}
	lifetimes := [2]time.Duration{time.Hour, 0}
	for name, say := range map[string]func(k int) wire.RouterAdvertisement{
		"hop limit": func(k int) wire.RouterAdvertisement { return wire.RouterAdvertisement{HopLimit: uint8(64 + k%2)} },
		"MTU": func(k int) wire.RouterAdvertisement {
			return wire.RouterAdvertisement{Options: wire.AppendNDPMTU(nil, uint32(1400+k%2))}
		},
		"a router or none": func(k int) wire.RouterAdvertisement {
			return wire.RouterAdvertisement{RouterLifetime: lifetimes[k%2]}
		},
		"a prefix or none": func(k int) wire.RouterAdvertisement { return wire.RouterAdvertisement{Options: prefixes[k%2]} },
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, Config{})
			n.clock.Advance(time.Minute)
			published := 0
			last := n.state.Load()
			count := func() {
				if st := n.state.Load(); st != last {
					last = st
					published++
				}
			}
			const seconds, each = 10, 1000
			for k := range seconds * each {
				n.routerSays(say(k))
				count()
				n.clock.Advance(time.Second / each)
				count()
			}
			if most := 16 + seconds*10 + 1; published > most || published < 50 {
				t.Errorf("%d changes were published in %d seconds, want %d at most", published, seconds, most)
			}
			// The last word is an odd one, and holds; after a quiet time a new one does at
			// once.
			for k := 1; k >= 0; k-- {
				n.clock.Advance(time.Second)
				if k == 0 {
					n.clock.Advance(time.Minute)
					n.routerSays(say(k))
				}
				st := n.state.Load()
				m := st.byName("eth0")
				if name == "hop limit" && int(m.hopLimit) != 64+k || name == "MTU" && m.mtu6 != 1400+k {
					t.Errorf("the hop limit is %d, the MTU %d", m.hopLimit, m.mtu6)
				}
				if name == "a router or none" && (len(n.eth0.Routers()) != 1-k || len(routesOf(n.Stack)) != 2-k) {
					t.Errorf("routers %v, routes %q", n.eth0.Routers(), routesOf(n.Stack))
				}
			}
			checkLedger(t, n.host)
		})
	}
}
