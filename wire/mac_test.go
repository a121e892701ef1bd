package wire

import (
	"net/netip"
	"testing"
)

func TestMACString(t *testing.T) {
	m := MAC{0x02, 0, 0, 0xAB, 0, 0x01}
	if got, want := m.String(), "02:00:00:ab:00:01"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, s := range []string{"02:00:00:ab:00:01", "02:00:00:AB:00:01", "02-00-00-ab-00-01"} {
		got, err := ParseMAC(s)
		if err != nil || got != m {
			t.Errorf("ParseMAC(%q): got %v, %v, want %v", s, got, err, m)
		}
	}
	text, _ := m.MarshalText()
	var back MAC
	if err := back.UnmarshalText(text); err != nil || back != m {
		t.Errorf("UnmarshalText(%q): got %v, %v", text, back, err)
	}
}

func TestParseMACErrors(t *testing.T) {
	for _, s := range []string{
		"", "02", "02:00:00:00:00:0", "02:00:00:00:00:011", "02:00:00:00:00:0g", "02:00:00-00:00:01",
		"02.00.00.00.00.01", "0:002:00:00:00:01", "02:00:00:00:00:00:00:01", "020000000001",
	} {
		got, err := ParseMAC(s)
		if err == nil || got != (MAC{}) {
			t.Errorf("ParseMAC(%q): got %v, %v, want an error", s, got, err)
		}
		checkError(t, err)
	}
}

func TestMACKinds(t *testing.T) {
	for _, c := range []struct {
		mac                        MAC
		multicast, broadcast, zero bool
	}{
		{MAC{}, false, false, true},
		{MAC{0x02, 0, 0, 0, 0, 1}, false, false, false},
		{MAC{0x01, 0, 0x5e, 0, 0, 1}, true, false, false},
		{MAC{0x33, 0x33, 0, 0, 0, 1}, true, false, false},
		{Broadcast, true, true, false},
	} {
		if c.mac.IsMulticast() != c.multicast || c.mac.IsBroadcast() != c.broadcast || c.mac.IsZero() != c.zero {
			t.Errorf("%v: got multicast %v, broadcast %v, zero %v", c.mac, c.mac.IsMulticast(), c.mac.IsBroadcast(), c.mac.IsZero())
		}
	}
}

func TestMulticastMAC(t *testing.T) {
	for _, c := range []struct{ rule, group, want string }{
		{"RFC1112_6_4_low_23_bits", "224.0.0.1", "01:00:5e:00:00:01"},
		{"RFC1112_6_4_high_bit_lost", "239.255.255.250", "01:00:5e:7f:ff:fa"},
		{"RFC1112_6_4_groups_share", "225.129.2.3", "01:00:5e:01:02:03"},
		{"mapped_is_IPv4", "::ffff:224.0.0.251", "01:00:5e:00:00:fb"},
		{"RFC2464_7_low_32_bits", "ff02::1:ff12:3456", "33:33:ff:12:34:56"},
		{"zone_is_ignored", "ff02::fb%eth0", "33:33:00:00:00:fb"},
	} {
		if got := MulticastMAC(addr(c.group)).String(); got != c.want {
			t.Errorf("%s: MulticastMAC(%s): got %s, want %s", c.rule, c.group, got, c.want)
		}
	}
	if got := MulticastMAC(netip.Addr{}); !got.IsZero() {
		t.Errorf("MulticastMAC of no address: got %v", got)
	}
}

func FuzzParseMAC(f *testing.F) {
	f.Add("02:00:00:00:00:01")
	f.Add("ff-ff-FF-FF-ff-ff") // hyphens, both cases
	f.Add("02:00:00:00:00:0")  // a digit short
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMAC(s)
		checkError(t, err)
		if err != nil {
			return
		}
		if again, err := ParseMAC(m.String()); err != nil || again != m {
			t.Fatalf("%q: got %v, %v, want %v", s, again, err, m)
		}
	})
}
