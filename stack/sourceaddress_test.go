package stack

import (
	"net/netip"
	"testing"

	"github.com/castnet-go/castnet/wire"
)

// The rules of RFC 6724, section 5, each with an address that only it decides for; the
// other one comes first, so that order does not.
func TestRFC6724_5_source_addresses(t *testing.T) {
	for _, c := range []struct {
		rule       string
		eth0, eth1 []string
		deprecated string
		dst, want  string
	}{
		{"1 the same address", []string{"2001:db8::1/64", "2001:db8::2/64"}, nil, "", "2001:db8::2", "2001:db8::2"},
		{"2 scope: not too small", nil, nil, "", "2001:db8::9", linkLocalA},
		{"2 scope: large enough", []string{"2001:db8:9::1/64"}, nil, "", "2001:db8::9", "2001:db8:9::1"},
		{"2 scope: link-local to link-local", []string{"2001:db8::1/64"}, nil, "", "fe80::9", linkLocalA},
		{"2 scope: of groups", []string{"2001:db8::1/64"}, nil, "", "ff02::9", linkLocalA},
		{"2 scope: of wider groups", []string{"2001:db8::1/64"}, nil, "", "ff0e::9", "2001:db8::1"},
		{"2 scope: site to site", []string{"2001:db8::1/64", "fec0::1/64"}, nil, "", "fec0::9", "fec0::1"},
		{"3 deprecated addresses", []string{"2001:db8::1/64", "2001:db8:1::1/64"}, nil, "2001:db8::1", "2001:db8::9", "2001:db8:1::1"},
		{"3 deprecated: better than a smaller scope", []string{"2001:db8::1/64"}, nil, "2001:db8::1", "2001:db8::9", "2001:db8::1"},
		{"5 the outgoing interface", []string{"2001:db8:1::1/64"}, []string{"2001:db8::1/64"}, "", "2001:db8::9", "2001:db8:1::1"},
		{"5 another one, if it has none", nil, []string{"2001:db8::1/64"}, "", "2001:db8::9", "2001:db8::1"},
		{"5 to the link never another's", nil, []string{"2001:db8::1/64"}, "", "ff0e::9", linkLocalA},
		{"6 label: unique local", []string{"2001:db8::1/64", "fd00::1/64"}, nil, "", "fd11::9", "fd00::1"},
		{"6 label: not unique local", []string{"fd00::1/64", "2001:db8::1/64"}, nil, "", "3001::9", "2001:db8::1"},
		{"6 label: 6to4", []string{"2001:db8::1/64", "2002:102:304::1/64"}, nil, "", "2002:506:708::9", "2002:102:304::1"},
		{"6 label: before the longest prefix", []string{"2001:0:1::1/64", "2001:db8::1/64"}, nil, "", "2001:1::9", "2001:db8::1"},
		{"6 label: Teredo", []string{"2001:db8::1/64", "2001:0:1::1/64"}, nil, "", "2001:0:2::9", "2001:0:1::1"},
		{"8 the longest matching prefix", []string{"2001:db8:1::1/64", "2001:db8:3::1/64"}, nil, "", "2001:db8:2::9", "2001:db8:3::1"},
		{"8 no longer than its own prefix", []string{"2001:db8:1:2::5/64", "2001:db8:1:2::9/64"}, nil, "", "2001:db8:1:2::8", "2001:db8:1:2::5"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			n := newNode(t, Config{AcceptRA: -1}, c.eth0...)
			l := newCable()
			l.mac = macOther
			n.attach(t, "eth1", l, c.eth1...)
			if c.deprecated != "" {
				x := n.eth0.ip6.Load()
				x.mu.Lock()
				a := x.find(addressOf(netip.MustParseAddr(c.deprecated)))
				a.state, a.preferred, x.changed = AddressDeprecated, 0, true
				x.finish()
			}
			st := n.state.Load()
			got := st.sourceFor6(addressOf(netip.MustParseAddr(c.dst)), st.byName("eth0")).netip().String()
			if got != c.want {
				t.Errorf("to %s from %s, want %s", c.dst, got, c.want)
			}
		})
	}
}

func TestRFC6724_2_1_labels(t *testing.T) {
	for a, want := range map[string]uint8{
		"::1": 0, "2001:db8::1": 1, "::": 3, "::1.2.3.4": 3, "::ffff:1.2.3.4": 4, "2002::1": 2, "2001::1": 5, "2001:1::1": 1,
		"fc00::1": 13, "fdff::1": 13, "fe00::1": 1, "fec0::1": 11, "feff::1": 11, "3ffe::1": 12, "fe80::1": 1, "ff02::1": 1,
	} {
		if got := addressOf(netip.MustParseAddr(a)).label(); got != want {
			t.Errorf("%s: %d, want %d", a, got, want)
		}
	}
}

// Routes of IPv6: the longest prefix, then the metric; and what is refused.
func TestRoutes6(t *testing.T) {
	n := newNode(t, Config{AcceptRA: 1}, "2001:db8::a/64")
	n.route(t, "::/0 via fe80::9 dev eth0 metric 5")
	n.route(t, "2001:db8:1::/48 via 2001:db8::9")
	n.route(t, "2001:db8:1:2::/64 via fe80::8%eth0")
	n.route(t, "unreachable 2001:db8:1:3::/64")
	n.routerSays(wire.RouterAdvertisement{RouterLifetime: 1e12})
	checkRoutes(t, n.Stack, "all",
		"2001:db8:1:2::/64 via fe80::8 dev eth0", "2001:db8:1:3::/64", "fe80::/64 dev eth0", "2001:db8::/64 dev eth0",
		"2001:db8:1::/48 via 2001:db8::9 dev eth0", "::/0 via fe80::9 dev eth0 metric 5", routeRouter)
	for dst, want := range map[string]string{
		"2001:db8::9": "2001:db8::/64", "2001:db8:1:2::9": "2001:db8:1:2::/64", "2001:db8:1:3::9": "2001:db8:1:3::/64",
		"2001:db8:1:4::9": "2001:db8:1::/48", "2001:db9::": "::/0", "ff0e::9": "ff00::/8", "fe80::7": "fe80::/64",
	} {
		if r := n.state.Load().lookup6(addressOf(netip.MustParseAddr(dst)), nil); r == nil || r.destination().String() != want {
			t.Errorf("%s: %+v, want %s", dst, r, want)
		}
	}
	for _, r := range []string{
		"2001:db8:1::/48 via 2001:db8::8", "2001:db8:2::/48 via fe80::9", "2001:db8:2::/48 via 2001:db9::1", "2001:db8:2::/48 via 2001:db8::a",
		"2001:db8:2::/48 via ff02::1 dev eth0", "2001:db8:2::/48 dev eth7", "2001:db8:2::/48 via 10.0.0.1", "2001:db8:2::/48",
		"2001:db8:2::1/48 dev eth0", "2001:db8:2::/48 dev eth0 src 2001:db8::7", "::ffff:10.0.0.0/104 dev eth0",
	} {
		if err := n.AddRoute(parseRoute(r)); err == nil {
			t.Errorf("%s was added", r)
		}
	}
	for _, r := range []string{
		"::/0 via fe80::9 dev eth0 metric 5", "2001:db8:1::/48 via 2001:db8::9", "2001:db8:1:2::/64 via fe80::8", "unreachable 2001:db8:1:3::/64",
	} {
		if err := n.RemoveRoute(parseRoute(r)); err != nil {
			t.Error(err)
		}
	}
	checkRoutes(t, n.Stack, "what cannot be removed", "fe80::/64 dev eth0", "2001:db8::/64 dev eth0", routeRouter)
	n.eth0.RemoveAddress(netip.MustParsePrefix("2001:db8::a/64"))
	checkRoutes(t, n.Stack, "without the address", "fe80::/64 dev eth0", routeRouter)
}
