package socket

import (
	"errors"
	"net/netip"
	"testing"
)

func TestEveryOptionHasAName(t *testing.T) {
	for o := Option(1); o < optionEnd; o++ {
		if int(o) >= len(optionNames) || optionNames[o] == "" {
			t.Errorf("option %d has no name", o)
		}
	}
}

func TestReply(t *testing.T) {
	peer := netip.MustParseAddrPort("10.0.0.1:1000")
	for _, tc := range []struct {
		name  string
		local string
		keeps bool
	}{
		{"unicast", "10.0.0.2:53", true},
		{"group", "224.0.0.251:5353", false},
		{"broadcast", "255.255.255.255:67", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := Message{
				Buf: []byte("x"), Len: 1, Addr: peer, TTL: 3, Interface: 2,
				Set:   FieldLocal | FieldTTL | FieldInterface,
				Local: netip.MustParseAddrPort(tc.local),
			}
			m.Reply()
			if m.Addr != peer || string(m.Buf) != "x" {
				t.Errorf("Reply: to %v with %q, want %v with %q", m.Addr, m.Buf, peer, "x")
			}
			if got := m.Set == FieldLocal; got != tc.keeps {
				t.Errorf("Reply: Set = %b, keeps the local address: %v, want %v", m.Set, got, tc.keeps)
			}
			if m.TTL != 0 || m.Interface != 0 || m.Len != 0 {
				t.Errorf("Reply kept more than the addresses: %+v", m)
			}
		})
	}
}

type countingWaiter int

func (w *countingWaiter) WakeCancelled() { *w++ }

func TestCancel(t *testing.T) {
	var c Cancel
	var w countingWaiter
	if !c.Attach(&w) {
		t.Fatal("Attach refused before Fire")
	}
	c.Fire()
	c.Fire()
	if w != 1 {
		t.Errorf("woken %d times by two Fires, want 1", w)
	}
	c.Detach(&w)
	if c.Attach(&w) {
		t.Error("Attach accepted after Fire")
	}
	c.Reset()
	if c.Fired() || !c.Attach(&w) {
		t.Error("Reset did not make waits possible again")
	}
	c.Detach(&w)
	if n := testing.AllocsPerRun(100, func() { c.Attach(&w); c.Detach(&w) }); n != 0 {
		t.Errorf("Attach and Detach allocate %v times", n)
	}

	var none *Cancel
	if none.Fired() || !none.Attach(&w) {
		t.Error("a nil Cancel fired")
	}
	none.Detach(&w)
}

func TestNotSupportedErrorAnswersToBoth(t *testing.T) {
	err := error(&NotSupportedError{"option TOS", "no reason"})
	if !errors.Is(err, ErrNotSupported) || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v answers neither or only one of its sentinels", err)
	}
}

func TestNamesOfErrorsAndDiscovery(t *testing.T) {
	for o, want := range map[ErrorOrigin]string{OriginLocal: "local", OriginICMP: "icmp", OriginICMPv6: "icmpv6", 9: "unknown origin"} {
		if got := o.String(); got != want {
			t.Errorf("origin %d is %q, want %q", o, got, want)
		}
	}
	for d, want := range map[Discovery]string{DiscoveryOff: "off", DiscoveryProbe: "probe", DiscoveryOmit: "omit", 6: "Discovery(6)", -1: "Discovery(-1)"} {
		if got := d.String(); got != want {
			t.Errorf("discovery %d is %q, want %q", int(d), got, want)
		}
	}
	m := ErrorMessage{Buf: []byte("abc"), Len: 3}
	if m.Truncated() {
		t.Error("a whole payload is called cut")
	}
	m.Len = 4
	if !m.Truncated() {
		t.Error("a cut payload is called whole")
	}
}
