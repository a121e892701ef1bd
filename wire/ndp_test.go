package wire

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"
)

// One message of each kind, those that have options with one or more of them.
const (
	ndpRouterSolicitation  = `8500 0000 0000 0000  0101 0200 0000 0001`
	ndpRouterAdvertisement = `
		8600 0000 40 c8 0708 0000 7530 0000 03e8
		0101 0200 0000 0001
		0501 0000 0000 05dc
		0304 40c0 0001 5180 0000 3840 0000 0000  2001 0db8 0001 0002 0000 0000 0000 0000`
	ndpNeighborSolicitation = `
		8700 0000 0000 0000  fe80 0000 0000 0000 0000 0000 0000 0002
		0101 0200 0000 0001`
	ndpNeighborAdvertisement = `
		8800 0000 6000 0000  fe80 0000 0000 0000 0000 0000 0000 0002
		0201 0200 0000 0002`
	ndpRedirect = `
		8900 0000 0000 0000
		fe80 0000 0000 0000 0000 0000 0000 0002  2001 0db8 0000 0000 0000 0000 0000 0009
		0406 0000 0000 0000  6000 0000 0000 3b40
		2001 0db8 0000 0000 0000 0000 0000 0001  2001 0db8 0000 0000 0000 0000 0000 0009`
)

var ndpMessages = []struct {
	name, message string
	fixed         int
	roundTrip     func(b []byte) ([]byte, int, error) // parse, append, Len
}{
	{"router solicitation", ndpRouterSolicitation, RouterSolicitationLen, func(b []byte) ([]byte, int, error) {
		m, err := ParseRouterSolicitation(b)
		return m.AppendTo(nil), m.Len(), err
	}},
	{"router advertisement", ndpRouterAdvertisement, RouterAdvertisementLen, func(b []byte) ([]byte, int, error) {
		m, err := ParseRouterAdvertisement(b)
		return m.AppendTo(nil), m.Len(), err
	}},
	{"neighbor solicitation", ndpNeighborSolicitation, NeighborSolicitationLen, func(b []byte) ([]byte, int, error) {
		m, err := ParseNeighborSolicitation(b)
		return m.AppendTo(nil), m.Len(), err
	}},
	{"neighbor advertisement", ndpNeighborAdvertisement, NeighborAdvertisementLen, func(b []byte) ([]byte, int, error) {
		m, err := ParseNeighborAdvertisement(b)
		return m.AppendTo(nil), m.Len(), err
	}},
	{"redirect", ndpRedirect, RedirectLen, func(b []byte) ([]byte, int, error) {
		m, err := ParseRedirect(b)
		return m.AppendTo(nil), m.Len(), err
	}},
}

func TestNDPRoundTrip(t *testing.T) {
	for _, c := range ndpMessages {
		b := unhex(t, c.message)
		out, n, err := c.roundTrip(b)
		if err != nil || !bytes.Equal(out, b) || n != len(b) {
			t.Errorf("%s: got %x, Len %d, %v, want %x", c.name, out, n, err, b)
		}
		checkPrefixes(t, b, c.fixed, func(b []byte) error {
			_, _, err := c.roundTrip(b)
			return err
		})
	}
}

// TestNDPValidation takes the rules that RFC 4861 has in the same words for every message.
func TestNDPValidation(t *testing.T) {
	for _, c := range ndpMessages {
		for _, rule := range []struct {
			name string
			at   int
			to   byte
			want error
		}{
			{"RFC4861_6_1_type", 0, 128, ErrMalformed},
			{"RFC4861_6_1_code_is_0", 1, 1, ErrMalformed},
			{"RFC4861_6_1_option_length_not_0", c.fixed + 1, 0, ErrMalformed},
			{"RFC4861_4_6_option_length_beyond", c.fixed + 1, 30, ErrTruncated},
		} {
			b := unhex(t, c.message)
			b[rule.at] = rule.to
			if _, _, err := c.roundTrip(b); !errors.Is(err, rule.want) {
				t.Errorf("%s: %s: got %v, want %v", c.name, rule.name, err, rule.want)
			}
		}
	}
}

func TestRedirect(t *testing.T) {
	m, err := ParseRedirect(unhex(t, ndpRedirect))
	if err != nil {
		t.Fatal(err)
	}
	for o := range m.Options.All() {
		packet, ok := o.RedirectedPacket()
		h, _, err := ParseIPv6(packet)
		if !ok || err != nil || h.Destination() != m.Destination {
			t.Errorf("redirected packet: got %x, %v, %v", packet, ok, err)
		}
	}
}

func TestNDPTargets(t *testing.T) {
	for _, c := range []struct {
		rule, message string
		parse         func([]byte) error
	}{
		{"RFC4861_7_1_1_target_no_group", ndpNeighborSolicitation, func(b []byte) error {
			_, err := ParseNeighborSolicitation(b)
			return err
		}},
		{"RFC4861_7_1_2_target_no_group", ndpNeighborAdvertisement, func(b []byte) error {
			_, err := ParseNeighborAdvertisement(b)
			return err
		}},
		{"RFC4861_8_1_target_link_local", ndpRedirect, func(b []byte) error {
			_, err := ParseRedirect(b)
			return err
		}},
	} {
		b := unhex(t, c.message)
		b[8] = 0xff
		if err := c.parse(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", c.rule, err)
		}
	}
	b := unhex(t, ndpRedirect)
	copy(b[8:24], b[24:40])
	if _, err := ParseRedirect(b); err != nil {
		t.Errorf("RFC4861_8_1_target_is_destination: %v", err)
	}
	b[8], b[24] = 0xff, 0xff
	if _, err := ParseRedirect(b); !errors.Is(err, ErrMalformed) {
		t.Errorf("RFC4861_8_1_destination_no_group: got %v", err)
	}
}

func TestRouterAdvertisement(t *testing.T) {
	m, err := ParseRouterAdvertisement(unhex(t, ndpRouterAdvertisement))
	if err != nil {
		t.Fatal(err)
	}
	options := m.Options
	m.Options = nil
	want := RouterAdvertisement{
		HopLimit: 64, Managed: true, Other: true, Preference: PreferenceHigh,
		RouterLifetime: 30 * time.Minute, ReachableTime: 30 * time.Second, RetransTimer: time.Second,
	}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("got %+v, want %+v", m, want)
	}
	if mac, ok := options.LinkLayerAddress(NDPSourceLinkLayerAddress); !ok || mac != (MAC{2, 0, 0, 0, 0, 1}) {
		t.Errorf("source link-layer address: got %v, %v", mac, ok)
	}
	if mac, ok := options.LinkLayerAddress(NDPTargetLinkLayerAddress); ok {
		t.Errorf("target link-layer address: got %v", mac)
	}
}

func TestRouterAdvertisementLimits(t *testing.T) {
	b := RouterAdvertisement{RouterLifetime: 100 * time.Hour, ReachableTime: -1, RetransTimer: 1 << 62, Preference: 2}.AppendTo(nil)
	m, err := ParseRouterAdvertisement(b)
	if err != nil {
		t.Fatal(err)
	}
	if m.RouterLifetime != 65535*time.Second || m.ReachableTime != 0 || m.RetransTimer != (1<<32-1)*time.Millisecond {
		t.Errorf("got %v, %v, %v", m.RouterLifetime, m.ReachableTime, m.RetransTimer)
	}
	if m.Preference != PreferenceMedium {
		t.Errorf("RFC4191_2_2_reserved_is_medium: got %v", m.Preference)
	}
}

func TestSolicitedNode(t *testing.T) {
	if got, want := SolicitedNode(addr("2001:db8::aa:12:3456")), addr("ff02::1:ff12:3456"); got != want {
		t.Errorf("RFC4291_2_7_1: got %v, want %v", got, want)
	}
}

func TestNDPAllocates(t *testing.T) {
	b := unhex(t, ndpNeighborSolicitation)
	out := make([]byte, 0, 64)
	checkAllocs(t, "answering a neighbor solicitation", func() {
		m, err := ParseNeighborSolicitation(b)
		if err != nil {
			t.Fatal(err)
		}
		mac, _ := m.Options.LinkLayerAddress(NDPSourceLinkLayerAddress)
		out = NeighborAdvertisement{Solicited: true, Target: m.Target}.AppendTo(out[:0])
		out = AppendNDPLinkLayerAddress(out, NDPTargetLinkLayerAddress, mac)
	})
}

// FuzzNDP gives every parser every message. What a parser accepts is written again, parsed
// again, and must come to the same; reserved bits make the first writing differ.
func FuzzNDP(f *testing.F) {
	for _, c := range ndpMessages {
		f.Add(unhex(f, c.message))
	}
	f.Add(unhex(f, "8500 0000 0000 0000  0100"))                     // an option of length zero
	f.Add(unhex(f, "8600 0000 4010 0708 0000 7530 0000 03e8"))       // a reserved preference
	f.Add(unhex(f, "8500 0000 dead beef  fd02 0000 0000 0000 0000")) // reserved bytes, an unknown option cut short
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, c := range ndpMessages {
			first, n, err := c.roundTrip(b)
			checkError(t, err)
			if err != nil {
				continue
			}
			second, _, err := c.roundTrip(first)
			if err != nil || !bytes.Equal(first, second) || n != len(b) || len(first) != n {
				t.Fatalf("%s: %x became %x, then %x, %v", c.name, b, first, second, err)
			}
		}
	})
}
