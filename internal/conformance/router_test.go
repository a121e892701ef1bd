//go:build linux

package conformance

import (
	"bytes"
	"testing"

	"github.com/castnet-go/castnet/wire"
)

// across is a datagram that a machine with the need Router sends on from eth0 to
// eth1.
func across(size int) Datagram {
	return Datagram{From: "10.0.0.2:9", To: "10.1.0.2:7", Payload: letters(size)}
}

// reach makes the neighbours at both ends known.
func reach(t *testing.T, n *Machine) {
	t.Helper()
	s := open(t, n)
	s.send("10.0.0.2:9", "warm")
	n.Eth0.NextUDP(t, "warm")
	s.send("10.1.0.2:9", "warm")
	n.Eth1.NextUDP(t, "warm")
}

var routerCases = []testCase{
	{name: "RouterFragments", rules: "D-FWD-01 D-FWD-03 D-FWD-04", needs: Wires | Router, run: func(t *testing.T, n *Machine) {
		reach(t, n)
		options := []byte{7, 7, 8, 1, 2, 3, 4, 148, 4, 0, 0, 0} // a full route; router alert, which is copied; the end
		for _, c := range []struct {
			what    string
			options []byte
			packet  []byte
		}{
			{"plain", nil, fragment(across(1900).Bytes(), 77, piece{0, 1908, true})},
			{"without an identification", nil, fragment(across(1900).Bytes(), 0, piece{0, 1908, true})},
			{"the first fragment", nil, fragment(across(5000).Bytes(), 78, piece{0, 1800, false})},
			{"a fragment", nil, fragment(across(5000).Bytes(), 78, piece{1800, 3600, false})},
			{"the last fragment", nil, fragment(across(5000).Bytes(), 78, piece{3600, 5008, true})},
			{"with options", options, fragment(withOptions(across(1900).Bytes(), options), 79, piece{0, 1908, true})},
		} {
			in, _, rest, err := wire.ParseIPv4(c.packet)
			if err != nil {
				t.Fatal(err)
			}
			n.Eth0.SendIP(c.packet)
			at := in.FragmentOffset()
			for first := true; len(rest) > 0; first = false {
				p := n.Eth1.Next(t)
				data := p.Raw[p.IP.HeaderLen():]
				if p.IP.ID() != in.ID() || p.IP.FragmentOffset() != at || p.IP.DontFragment() || p.IP.TTL() != 63 || !bytes.HasPrefix(rest, data) {
					t.Fatalf("%s: %d bytes at %d, id %d, DF %v, TTL %d; want some at %d of id %d", c.what, len(data),
						p.IP.FragmentOffset(), p.IP.ID(), p.IP.DontFragment(), p.IP.TTL(), at, in.ID())
				}
				rest, at = rest[len(data):], at+len(data)
				if p.IP.MoreFragments() != (len(rest) > 0 || in.MoreFragments()) {
					t.Errorf("%s: more fragments %v, and %d bytes are missing", c.what, p.IP.MoreFragments(), len(rest))
				}
				if want := (wireMTU - wire.IPv4HeaderLen - len(c.options)) &^ 7; len(rest) > 0 && len(data) != want {
					t.Errorf("%s: a fragment of %d bytes, want %d", c.what, len(data), want)
				}
				var kinds []wire.IPv4OptionType
				list, err := wire.ParseIPv4Options(p.Raw[wire.IPv4HeaderLen:p.IP.HeaderLen()])
				if err != nil {
					t.Fatal(err)
				}
				for o := range list.All() {
					kinds = append(kinds, o.Type)
				}
				want := len(c.options) / 6 // both
				if !first {
					want /= 2
				}
				if len(kinds) != want || want > 0 && kinds[want-1] != wire.IPv4RouterAlert {
					t.Errorf("%s: the first %v, with options %v", c.what, first, kinds)
				}
			}
		}
		wantQuiet(t, n, n.Eth0)
		wantQuiet(t, n, n.Eth1)
	}},
	{name: "RouterPassesFragments", rules: "D-FWD-03", needs: Wires | Router, run: func(t *testing.T, n *Machine) {
		reach(t, n)
		// One that no whole can be made of.
		for _, p := range []piece{{48, 108, true}, {40, 56, false}, {48, 108, true}} {
			b := fragment(across(100).Bytes(), 5, p)
			n.Eth0.SendIP(b)
			got := n.Eth1.Next(t)
			if !bytes.Equal(got.Raw[wire.IPv4HeaderLen:], b[wire.IPv4HeaderLen:]) || got.IP.FragmentOffset() != p.at || got.IP.MoreFragments() == p.last {
				t.Errorf("%+v: got % x", p, got.Raw)
			}
		}
	}},
	{name: "RouterTooBig", rules: "D-FWD-02", needs: Wires | Router, run: func(t *testing.T, n *Machine) {
		reach(t, n)
		d := across(1900)
		d.Edit = func(ip *wire.IPv4Header) { ip.SetDontFragment(true) }
		n.Eth0.SendIP(d.Bytes())
		p := n.Eth0.NextICMP(t, wire.ICMPDestinationUnreachable, wire.ICMPFragmentationNeeded)
		if p.ICMP.MTU() != wireMTU || p.IP.Source().String() != "10.0.0.1" || p.IP.Destination().String() != "10.0.0.2" {
			t.Errorf("%v, MTU %d", p, p.ICMP.MTU())
		}
		d = across(1472)
		d.Edit = func(ip *wire.IPv4Header) { ip.SetDontFragment(true) }
		n.Eth0.SendIP(d.Bytes())
		if p := n.Eth1.NextUDP(t, letters(1472)); !p.IP.DontFragment() {
			t.Error("DF was cleared")
		}
		wantQuiet(t, n, n.Eth1)
	}},
	{name: "RouterTTL", rules: "D-FWD-05 D-FRAG-09", needs: Wires | Router, run: func(t *testing.T, n *Machine) {
		reach(t, n)
		d := across(100)
		d.TTL = 1
		n.Eth0.SendIP(fragment(d.Bytes(), 5, piece{48, 108, true}))
		wantQuiet(t, n, n.Eth0)
		n.Eth0.SendIP(fragment(d.Bytes(), 5, piece{0, 48, false}))
		n.Eth0.NextICMP(t, wire.ICMPTimeExceeded, wire.ICMPTTLExceeded)
		wantQuiet(t, n, n.Eth0)
		wantQuiet(t, n, n.Eth1)
	}},
	{name: "RouterOptions", rules: "D-FWD-06", needs: Wires | Router, run: func(t *testing.T, n *Machine) {
		reach(t, n)
		own := "\x0a\x01\x00\x01" // 10.1.0.1
		for _, c := range []struct {
			what string
			in   string
			want string // T: a byte of the time
		}{
			{"record route", "\x07\x07\x04\x00\x00\x00\x00\x00", "\x07\x07\x08" + own + "\x00"},
			{"the second place", "\x01\x07\x0b\x08\x01\x02\x03\x04\x00\x00\x00\x00", "\x01\x07\x0b\x0c\x01\x02\x03\x04" + own},
			{"full", "\x07\x07\x08\x01\x02\x03\x04\x00", "\x07\x07\x08\x01\x02\x03\x04\x00"},
			{"timestamp", "\x44\x08\x05\x00\x00\x00\x00\x00", "\x44\x08\x09\x00TTTT"},
			{"timestamp, full", "\x44\x08\x09\x20\x01\x02\x03\x04", "\x44\x08\x09\x30\x01\x02\x03\x04"},
			{"timestamp and address", "\x44\x0c\x05\x01\x00\x00\x00\x00\x00\x00\x00\x00", "\x44\x0c\x0d\x01\x0a\x00\x00\x01TTTT"},
			{"timestamp of this address", "\x44\x0c\x05\x03\x0a\x00\x00\x07\x00\x00\x00\x00", "\x44\x0c\x0d\x03\x0a\x00\x00\x07TTTT"},
			{"timestamp of another address", "\x44\x0c\x05\x03\x0a\x00\x00\x09\x00\x00\x00\x00", "\x44\x0c\x05\x03\x0a\x00\x00\x09\x00\x00\x00\x00"},
			{"timestamp of these, full", "\x44\x0c\x0d\x03\x0a\x00\x00\x09\x00\x00\x00\x00", "\x44\x0c\x0d\x03\x0a\x00\x00\x09\x00\x00\x00\x00"},
			{"timestamp of an unknown kind", "\x44\x08\x05\x09\x00\x00\x00\x00", "\x44\x08\x05\x09\x00\x00\x00\x00"},
		} {
			n.Eth0.SendIP(withOptions(across(1).Bytes(), []byte(c.in)))
			p := n.Eth1.NextUDP(t, letters(1))
			got := string(p.Raw[wire.IPv4HeaderLen:p.IP.HeaderLen()])
			same := len(got) == len(c.want)
			for k := 0; same && k < len(got); k++ {
				same = got[k] == c.want[k] || c.want[k] == 'T'
			}
			if !same {
				t.Errorf("%s: % x became % x, want % x", c.what, c.in, got, c.want)
			}
		}
	}},
}
