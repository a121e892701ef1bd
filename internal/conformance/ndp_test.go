//go:build linux

package conformance

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

func solicitation(target string, mac wire.MAC) wire.NeighborSolicitation {
	m := wire.NeighborSolicitation{Target: netip.MustParseAddr(target)}
	if !mac.IsZero() {
		m.Options = wire.AppendNDPLinkLayerAddress(nil, wire.NDPSourceLinkLayerAddress, mac)
	}
	return m
}

// advertisement is one of an address; flags are some of "RSO".
func advertisement(target, flags string, mac wire.MAC) wire.NeighborAdvertisement {
	m := wire.NeighborAdvertisement{
		Target: netip.MustParseAddr(target), Router: strings.Contains(flags, "R"),
		Solicited: strings.Contains(flags, "S"), Override: strings.Contains(flags, "O"),
	}
	if !mac.IsZero() {
		m.Options = wire.AppendNDPLinkLayerAddress(nil, wire.NDPTargetLinkLayerAddress, mac)
	}
	return m
}

func solicited(addr string) string { return wire.SolicitedNode(netip.MustParseAddr(addr)).String() }

// says checks which messages the machine has sent since the last look.
func says(t *testing.T, n *Machine, what string, want ...string) {
	t.Helper()
	if got := n.Eth0.Discoveries(t); !slices.Equal(got, want) {
		t.Errorf("%s: sent\n\t%s\nwant\n\t%s", what, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// routerSays injects an advertisement of a router's.
func routerSays(n *Machine, m wire.RouterAdvertisement, from ...string) {
	src := append(from, peer6)[0]
	n.Eth0.SendDiscovery(discovery{src: src, dst: "ff02::1", message: m})
}

// prefix6 is an advertisement of a prefix by one that is no default router.
func prefix6(prefix, flags string, valid, preferred time.Duration) wire.RouterAdvertisement {
	return wire.RouterAdvertisement{Options: wire.PrefixInformation{
		Prefix: netip.MustParsePrefix(prefix), OnLink: strings.Contains(flags, "L"), Autonomous: strings.Contains(flags, "A"),
		ValidLifetime: valid, PreferredLifetime: preferred,
	}.AppendTo(nil)}
}

// wantAddresses checks the addresses besides the machine's first ones.
func wantAddresses(t *testing.T, n *Machine, when string, want ...string) {
	t.Helper()
	for end := time.Now().Add(time.Second); ; time.Sleep(10 * time.Millisecond) {
		got := slices.DeleteFunc(n.Six.addresses(t), func(s string) bool {
			return strings.HasPrefix(s, machine6+"/") || strings.HasPrefix(s, global6+"/")
		})
		if slices.Equal(got, want) {
			return
		}
		// The kernel does later what follows from an advertisement.
		if n.Kind == Stack || time.Now().After(end) {
			t.Errorf("%s: the addresses are %q, want %q", when, got, want)
			return
		}
	}
}

func wantRouters(t *testing.T, n *Machine, when string, want ...string) {
	t.Helper()
	if got := n.Six.routers(t); !slices.Equal(got, want) {
		t.Errorf("%s: the routers are %q, want %q", when, got, want)
	}
}

var ndpCases = []testCase{
	{name: "NDPResolution", rules: "D-NDP-01", needs: Wires | IPv6, run: func(t *testing.T, n *Machine) {
		n.use(t, peer6)
		d := n.Eth0.NextDiscovery(t, wire.ICMPv6NeighborSolicitation)
		want := "NS " + peer6 + " (source link-layer address) from " + machine6 + " to " + solicited(peer6)
		if d.Text != want || d.To != wire.MulticastMAC(netip.MustParseAddr(solicited(peer6))) {
			t.Errorf("%s at %v, want %s", d.Text, d.To, want)
		}
		n.use(t, "2001:db8::b")
		d = n.Eth0.NextDiscovery(t, wire.ICMPv6NeighborSolicitation)
		if want := "NS 2001:db8::b (source link-layer address) from " + global6 + " to " + solicited(peer6); d.Text != want {
			t.Errorf("%s, want %s", d.Text, want)
		}
	}},
	{name: "NDPProbes", rules: "D-NDP-02", needs: Wires | IPv6, slow: true, run: func(t *testing.T, n *Machine) {
		n.use(t, peer6)
		n.Elapse(3500 * time.Millisecond)
		if got := n.Eth0.Discoveries(t); len(got) != 3 {
			t.Errorf("sent %q, want three solicitations", got)
		}
		if got := n.Six.neighbor(t, peer6); got != "failed" {
			t.Errorf("the neighbour is %q", got)
		}
		n.Six.setNeighbor(t, "fe80::c", otherMAC, "stale")
		n.Eth0.Discoveries(t)
		n.use(t, "fe80::c")
		n.Elapse(8500 * time.Millisecond)
		probe := "NS fe80::c (source link-layer address) from " + machine6 + " to fe80::c"
		says(t, n, "unreachability detection", probe, probe, probe)
	}},
	{name: "NDPAnswers", rules: "D-NDP-03", needs: Wires | IPv6, run: func(t *testing.T, n *Machine) {
		const tlla = " (target link-layer address)"
		k := 0
		for _, target := range []string{machine6, global6} {
			for _, from := range []string{"fe80::%x", "2001:db8::%x"} {
				for _, everybody := range []bool{true, false} {
					for _, known := range []bool{true, false} {
						k++
						src := fmt.Sprintf(from, 0x100+k)
						d := discovery{src: src, dst: target, message: solicitation(target, peerMAC)}
						want := "NA " + target + " S from " + target + " to " + src
						if everybody {
							d.dst = solicited(target)
							want = "NA " + target + " SO" + tlla + " from " + target + " to " + src
						}
						if !known {
							// Without his hardware address he has to be asked for it first.
							d.message = solicitation(target, wire.MAC{})
							want = "NS " + src + " (source link-layer address) from " + target + " to " + solicited(src)
						}
						n.Eth0.SendDiscovery(d)
						if !known && everybody {
							// But who asks everybody has to say it, and is not answered.
							says(t, n, src+" asks all without its own")
							if got := n.Six.neighbor(t, src); got != "" {
								t.Errorf("%s is %q", src, got)
							}
							continue
						}
						says(t, n, fmt.Sprintf("%s asks %s, all %v, known %v", src, target, everybody, known), want)
						state := map[bool]string{true: "delay " + peerMAC.String(), false: "incomplete"}[known]
						if got := n.Six.neighbor(t, src); got != state {
							t.Errorf("%s is %q, want %q", src, got, state)
						}
					}
				}
			}
			if target == global6 {
				n.Eth0.SendDiscovery(discovery{src: "::", dst: solicited(target), message: solicitation(target, wire.MAC{})})
				says(t, n, "a test of "+target, "NA "+target+" O"+tlla+" from "+target+" to ff02::1")
			}
			// One that is known is answered, even if he does not say it again.
			n.Six.setNeighbor(t, peer6, peerMAC, "reachable")
			n.Eth0.Discoveries(t)
			n.Eth0.SendDiscovery(discovery{dst: solicited(target), message: solicitation(target, wire.MAC{})})
			says(t, n, "known", "NA "+target+" SO"+tlla+" from "+target+" to "+peer6)
		}
		// Nobody's here, and of the other interface.
		for _, target := range []string{"fe80::1:ff00:1", "2001:db8::7"} {
			n.Eth0.SendDiscovery(discovery{src: "fe80::99", dst: solicited(target), message: solicitation(target, peerMAC)})
			n.Eth0.SendDiscovery(discovery{src: "fe80::99", message: solicitation(target, peerMAC)})
		}
		says(t, n, "nobody's")
		if got := n.Six.neighbor(t, "fe80::99"); got != "" {
			t.Errorf("fe80::99 is %q, though he asked for nobody here", got)
		}
	}},
	{name: "NDPAdvertisements", rules: "D-NDP-04 D-NDP-05", needs: Wires | IPv6, run: func(t *testing.T, n *Machine) {
		k := 0
		for _, from := range []string{"", "incomplete", "failed", "reachable", "stale", "delay", "probe"} {
			for _, flags := range []string{"", "S", "O", "SO"} {
				for _, mac := range []wire.MAC{peerMAC, otherMAC, {}} {
					k++
					addr := fmt.Sprintf("fe80::%x", 0x1000+k)
					before := from
					switch from {
					case "":
					case "incomplete":
						n.use(t, addr)
					case "failed":
						n.Six.setNeighbor(t, addr, peerMAC, from)
					default:
						n.Six.setNeighbor(t, addr, peerMAC, from)
						before += " " + peerMAC.String()
					}
					if got := n.Six.neighbor(t, addr); got != before {
						t.Fatalf("%s is %q, want %q", addr, got, before)
					}
					d := discovery{src: addr, message: advertisement(addr, flags, mac)}
					if flags == "O" {
						d.dst = "ff02::1"
					}
					n.Eth0.SendDiscovery(d)
					if got, want := n.Six.neighbor(t, addr), afterAdvertisement(from, flags, mac); got != want {
						t.Errorf("from %q by an advertisement %q of %v: %q, want %q", from, flags, mac, got, want)
					}
				}
			}
		}
	}},
	{name: "NDPSolicitations", rules: "D-NDP-06", needs: Wires | IPv6, run: func(t *testing.T, n *Machine) {
		k := 0
		for _, from := range []string{"", "incomplete", "failed", "reachable", "stale", "delay", "probe"} {
			for _, mac := range []wire.MAC{peerMAC, otherMAC} {
				k++
				addr := fmt.Sprintf("fe80::%x", 0x2000+k)
				switch from {
				case "":
				case "incomplete":
					n.use(t, addr)
				default:
					n.Six.setNeighbor(t, addr, peerMAC, from)
				}
				n.Eth0.SendDiscovery(discovery{src: addr, message: solicitation(machine6, mac)})
				want := "delay " + mac.String() // stale, and the answer uses it
				if mac == peerMAC && (from == "reachable" || from == "probe") {
					want = from + " " + mac.String()
				}
				if got := n.Six.neighbor(t, addr); got != want {
					t.Errorf("from %q by a solicitation of %v: %q, want %q", from, mac, got, want)
				}
			}
		}
	}},
	{name: "NDPInvalid", rules: "D-NDP-07", needs: Wires | IPv6, run: func(t *testing.T, n *Machine) {
		code := solicitation(machine6, peerMAC).AppendTo(nil)
		code[1] = 1
		zero := append(solicitation(machine6, wire.MAC{}).AppendTo(nil), 1, 0, 0, 0, 0, 0, 0, 0)
		for name, d := range map[string]discovery{
			"hop limit of NS":       {hops: 254, message: solicitation(machine6, peerMAC)},
			"hop limit of NA":       {hops: 64, message: advertisement(peer6, "SO", peerMAC)},
			"hop limit of RA":       {hops: 1, dst: "ff02::1", message: wire.RouterAdvertisement{RouterLifetime: time.Hour}},
			"code":                  {message: rawMessage(code)},
			"option of length zero": {message: rawMessage(zero)},
			"short":                 {message: rawMessage(code[:20])},
			"NS for a group":        {dst: "ff02::1", message: solicitation("ff02::1", peerMAC)},
			"test not to its group": {src: "::", message: solicitation(machine6, wire.MAC{})},
			"test with an option":   {src: "::", dst: solicited(machine6), message: solicitation(machine6, peerMAC)},
			"NA of a group":         {message: advertisement("ff02::5", "SO", peerMAC)},
			"solicited, to a group": {dst: "ff02::1", message: advertisement(peer6, "SO", peerMAC)},
			"RA from afar":          {src: "2001:db8::b", dst: "ff02::1", message: wire.RouterAdvertisement{RouterLifetime: time.Hour}},
		} {
			n.use(t, peer6)
			n.Eth0.Discoveries(t)
			n.Eth0.SendDiscovery(d)
			says(t, n, name)
			if got := n.Six.neighbor(t, peer6); got != "incomplete" {
				t.Errorf("%s: the neighbour is %q", name, got)
			}
			wantRouters(t, n, name)
		}
	}},
	{name: "NDPOwnAddressClaimed", rules: "D-NDP-08", needs: Wires | IPv6, run: func(t *testing.T, n *Machine) {
		n.Eth0.SendDiscovery(discovery{src: global6, dst: "ff02::1", message: advertisement(global6, "O", otherMAC)})
		if got := n.Six.neighbor(t, global6); got != "" {
			t.Errorf("the own address is %q", got)
		}
		n.Eth0.SendDiscovery(discovery{dst: solicited(global6), message: solicitation(global6, peerMAC)})
		says(t, n, "it is ours still", "NA "+global6+" SO (target link-layer address) from "+global6+" to "+peer6)
	}},
	{name: "NDPRouters", rules: "D-NDP-09", needs: Wires | IPv6, run: func(t *testing.T, n *Machine) {
		routerSays(n, wire.RouterAdvertisement{RouterLifetime: time.Hour, Options: wire.AppendNDPLinkLayerAddress(nil, wire.NDPSourceLinkLayerAddress, peerMAC)})
		wantRouters(t, n, "one", peer6)
		if got, want := n.Six.neighbor(t, peer6), "stale "+peerMAC.String()+" router"; got != want {
			t.Errorf("the router is %q, want %q", got, want)
		}
		routerSays(n, wire.RouterAdvertisement{RouterLifetime: time.Hour}, "fe80::c")
		routerSays(n, wire.RouterAdvertisement{}, "fe80::d")
		wantRouters(t, n, "two", peer6, "fe80::c")
		routerSays(n, wire.RouterAdvertisement{}, "fe80::c")
		wantRouters(t, n, "one has ceased", peer6)
		n.Eth0.SendDiscovery(discovery{dst: "ff02::1", message: advertisement(peer6, "O", peerMAC)})
		wantRouters(t, n, "so has the other, by an advertisement as a neighbour")
	}},
	{name: "NDPPrefixes", rules: "D-NDP-10", needs: Wires | IPv6, run: func(t *testing.T, n *Machine) {
		const own = ":ff:fe00:1/64 "
		routerSays(n, prefix6("2001:db8:1::/64", "LA", 4*time.Hour, time.Hour))
		wantAddresses(t, n, "made", "2001:db8:1:"+own+"preferred 3600 14400")
		for name, m := range map[string]wire.RouterAdvertisement{
			"without the flag":     prefix6("2001:db8:2::/64", "L", time.Hour, time.Hour),
			"preferred too long":   prefix6("2001:db8:2::/64", "A", time.Hour, 2*time.Hour),
			"not valid":            prefix6("2001:db8:2::/64", "A", 0, 0),
			"another length":       prefix6("2001:db8:2::/56", "A", time.Hour, time.Hour),
			"link-local":           prefix6("fe80::/64", "A", time.Hour, time.Hour),
			"the one given before": prefix6("2001:db8:1::/64", "A", 4*time.Hour, time.Hour),
		} {
			routerSays(n, m)
			wantAddresses(t, n, name, "2001:db8:1:"+own+"preferred 3600 14400")
		}
		routerSays(n, prefix6("2001:db8:1::/64", "A", 4*time.Hour, 0))
		wantAddresses(t, n, "deprecated", "2001:db8:1:"+own+"deprecated 0 14400")
		routerSays(n, prefix6("2001:db8:1::/64", "A", time.Minute, time.Minute))
		wantAddresses(t, n, "two hours at least", "2001:db8:1:"+own+"preferred 60 7200")
		routerSays(n, prefix6("2001:db8:1::/64", "A", time.Hour, time.Minute))
		wantAddresses(t, n, "what is left", "2001:db8:1:"+own+"preferred 60 7200")
		routerSays(n, prefix6("2001:db8:1::/64", "A", 3*time.Hour, time.Minute))
		wantAddresses(t, n, "longer", "2001:db8:1:"+own+"preferred 60 10800")
		routerSays(n, prefix6("2001:db8:1::/64", "A", wire.NDPInfinity, wire.NDPInfinity))
		wantAddresses(t, n, "for ever", "2001:db8:1:"+own+"preferred - -")
		routerSays(n, prefix6("2001:db8:1::/64", "A", 0, 0))
		wantAddresses(t, n, "at the end", "2001:db8:1:"+own+"deprecated 0 7200")
	}},
	{name: "NDPSources", rules: "D-NDP-13", needs: Wires | IPv6, run: func(t *testing.T, n *Machine) {
		for _, a := range []string{"2001:db8:0:5::1/64", "fd00::1/64", "fec0::1/64", "2002:102:304::1/64", "2001:0:1::1/64"} {
			n.Six.add(t, a)
		}
		m := prefix6("fd77::/64", "A", 4*time.Hour, 0)
		m.RouterLifetime = time.Hour
		routerSays(n, m)
		wantAddresses(t, n, "all of them", "2001:0:1::1/64 preferred - -", "2001:db8:0:5::1/64 preferred - -", "2002:102:304::1/64 preferred - -",
			"fd00::1/64 preferred - -", "fd77::ff:fe00:1/64 deprecated 0 14400", "fec0::1/64 preferred - -")
		for _, c := range []struct{ rule, to, want string }{
			{"1 the same address", "2001:db8:0:5::1", "2001:db8:0:5::1"},
			{"2 scope: the link", "fe80::9%eth0", machine6},
			{"2 scope: a group on the link", "ff02::9%eth0", machine6},
			{"2 scope: a site", "fec0::9", "fec0::1"},
			{"2 scope: a group of a site", "ff05::9%eth0", "fec0::1"},
			{"3 deprecated addresses", "fd77::9", "fd00::1"},
			{"6 label: unique local", "fd11::9", "fd00::1"},
			{"6 label: 6to4", "2002:506:708::9", "2002:102:304::1"},
			{"6 label: before the longest prefix", "2001:1::9", global6 + " or 2001:db8:0:5::1"},
			{"6 label: Teredo", "2001:0:2::9", "2001:0:1::1"},
			{"8 the longest matching prefix", "2001:db8:0:7::9", "2001:db8:0:5::1"},
			{"8 the same prefix", "2001:db8::9", global6},
		} {
			s, err := n.Open(socket.IPv6)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Connect(netip.AddrPortFrom(netip.MustParseAddr(c.to), 9)); err != nil {
				t.Errorf("%s: to %s: %v", c.rule, c.to, name(err))
			} else if got := s.LocalAddr().Addr().WithZone("").String(); !strings.Contains(" "+c.want+" ", " "+got+" ") {
				t.Errorf("%s: to %s from %s, want %s", c.rule, c.to, got, c.want)
			}
			s.Close()
		}
	}},
	{name: "NDPTests", rules: "D-NDP-11", needs: Wires | IPv6 | Tests6, slow: true, run: func(t *testing.T, n *Machine) {
		n.Elapse(2500 * time.Millisecond)
		n.Eth0.Discoveries(t)
		n.Six.add(t, "2001:db8:9::1/64")
		wantAddresses(t, n, "at first", "2001:db8:9::1/64 tentative - -")
		n.Eth0.SendDiscovery(discovery{dst: solicited("2001:db8:9::1"), message: solicitation("2001:db8:9::1", peerMAC)})
		if got := n.Six.neighbor(t, peer6); got != "" {
			t.Errorf("who asks for it is %q", got)
		}
		n.Elapse(2500 * time.Millisecond)
		says(t, n, "tested", "NS 2001:db8:9::1 (nonce) from :: to "+solicited("2001:db8:9::1"))
		wantAddresses(t, n, "then", "2001:db8:9::1/64 preferred - -")
	}},
	{name: "NDPDuplicates", rules: "D-NDP-12", needs: Wires | IPv6 | Tests6, slow: true, run: func(t *testing.T, n *Machine) {
		n.Elapse(2500 * time.Millisecond)
		for addr, d := range map[string]discovery{
			"2001:db8:9::1": {src: "::", message: solicitation("2001:db8:9::1", wire.MAC{})},
			"2001:db8:9::2": {src: "2001:db8:9::2", dst: "ff02::1", message: advertisement("2001:db8:9::2", "O", peerMAC)},
			"2001:db8:9::3": {src: "2001:db8:9::3", dst: "ff02::1", message: advertisement("2001:db8:9::3", "", wire.MAC{})},
		} {
			n.Six.add(t, addr+"/64")
			if d.dst == "" {
				d.dst = solicited(addr)
			}
			n.Elapse(100 * time.Millisecond) // the kernel begins a little later
			n.Eth0.SendDiscovery(d)
		}
		n.Elapse(2500 * time.Millisecond)
		wantAddresses(t, n, "claimed",
			"2001:db8:9::1/64 duplicate - -", "2001:db8:9::2/64 duplicate - -", "2001:db8:9::3/64 duplicate - -")
		n.Eth0.Discoveries(t)
		n.Eth0.SendDiscovery(discovery{dst: solicited("2001:db8:9::1"), message: solicitation("2001:db8:9::1", peerMAC)})
		says(t, n, "a duplicate answers nothing")
	}},
}

type rawMessage []byte

func (m rawMessage) AppendTo(b []byte) []byte { return append(b, m...) }

// afterAdvertisement is what becomes of a neighbour at peerMAC, by RFC 4861, 7.2.5.
func afterAdvertisement(from, flags string, mac wire.MAC) string {
	differs := mac == otherMAC
	solicited, override := strings.Contains(flags, "S"), strings.Contains(flags, "O")
	switch {
	case from == "", from == "failed", from == "incomplete" && mac.IsZero():
		return from
	case from == "incomplete" && solicited:
		return "reachable " + mac.String()
	case from == "incomplete":
		return "delay " + mac.String()
	case differs && !override && from == "reachable":
		return "stale " + peerMAC.String()
	case differs && !override:
		return from + " " + peerMAC.String()
	case solicited && differs:
		return "reachable " + mac.String()
	case solicited:
		return "reachable " + peerMAC.String()
	case differs:
		return "stale " + mac.String()
	}
	return from + " " + peerMAC.String()
}
