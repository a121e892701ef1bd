package wire

import (
	"bytes"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

// only returns the one option that b is.
func only(t *testing.T, b []byte) NDPOption {
	t.Helper()
	options, err := ParseNDPOptions(b)
	if err != nil {
		t.Fatal(err)
	}
	var got []NDPOption
	for o := range options.All() {
		got = append(got, o)
	}
	if len(got) != 1 || got[0].Len() != len(b) || !bytes.Equal(got[0].AppendTo(nil), b) {
		t.Fatalf("%x: got %v", b, got)
	}
	return got[0]
}

func TestNDPOptions(t *testing.T) {
	mac := MAC{2, 0, 0, 0, 0, 1}
	o := only(t, AppendNDPLinkLayerAddress(nil, NDPTargetLinkLayerAddress, mac))
	if got, ok := o.LinkLayerAddress(); !ok || got != mac {
		t.Errorf("link-layer address: got %v, %v", got, ok)
	}
	o = only(t, AppendNDPMTU(nil, 1500))
	if got, ok := o.MTU(); !ok || got != 1500 {
		t.Errorf("MTU: got %v, %v", got, ok)
	}
	o = only(t, AppendNDPNonce(nil, []byte{1, 2, 3, 4, 5, 6}))
	if got, ok := o.Nonce(); !ok || !bytes.Equal(got, []byte{1, 2, 3, 4, 5, 6}) || o.Len() != 8 {
		t.Errorf("nonce: got %x, %v", got, ok)
	}
	packet := bytes.Repeat([]byte{7}, 43)
	o = only(t, AppendNDPRedirected(nil, packet))
	if got, ok := o.RedirectedPacket(); !ok || !bytes.Equal(got, packet[:40]) {
		t.Errorf("redirected packet: got %x, %v", got, ok)
	}
	if o = only(t, AppendNDPRedirected(nil, make([]byte, 9000))); o.Len() != 2040 {
		t.Errorf("longest option: got %d bytes", o.Len())
	}
}

func TestPrefixInformation(t *testing.T) {
	want := PrefixInformation{netip.MustParsePrefix("2001:db8:1:2::/64"), true, true, NDPInfinity, 4 * time.Hour}
	b := want.AppendTo(nil)
	if got, ok := only(t, b).PrefixInformation(); !ok || got != want || want.Len() != len(b) {
		t.Errorf("got %v, %v, want %v", got, ok, want)
	}
	b[31] = 9
	if got, ok := only(t, b).PrefixInformation(); !ok || got != want {
		t.Errorf("RFC4861_4_6_2_bits_behind_prefix_ignored: got %v, %v", got, ok)
	}
	b[2] = 129
	if got, ok := only(t, b).PrefixInformation(); ok {
		t.Errorf("a prefix of 129 bits: got %v", got)
	}
	if got, ok := only(t, PrefixInformation{}.AppendTo(nil)).PrefixInformation(); !ok || got.Prefix.Bits() != 0 {
		t.Errorf("zero: got %v, %v", got, ok)
	}
}

func TestRouteInformation(t *testing.T) {
	for prefix, n := range map[string]int{"::/0": 8, "2001:db8::/32": 16, "2001:db8:1:2::/64": 16, "2001:db8:1:2:3::/80": 24} {
		want := RouteInformation{netip.MustParsePrefix(prefix), PreferenceLow, time.Hour}
		b := want.AppendTo(nil)
		if got, ok := only(t, b).RouteInformation(); !ok || got != want || len(b) != n || want.Len() != n {
			t.Errorf("RFC4191_2_3 %s: got %v, %v in %d bytes, want %d", prefix, got, ok, len(b), n)
		}
		b[2] = 128
		if got, ok := only(t, b).RouteInformation(); ok && n < 24 {
			t.Errorf("RFC4191_2_3_length: a prefix of 128 bits in %d bytes: got %v", n, got)
		}
	}
}

func TestRecursiveDNS(t *testing.T) {
	want := RecursiveDNS{time.Hour, NewAddrList(addr("2001:db8::53"), addr("fe80::53"))}
	b := want.AppendTo(nil)
	got, ok := only(t, b).RecursiveDNS()
	if !ok || !reflect.DeepEqual(addrs(got.Servers), addrs(want.Servers)) || got.Lifetime != time.Hour || want.Len() != len(b) {
		t.Errorf("got %v, %v, want %v", got, ok, want)
	}
	b[1] = 4
	if got, ok := only(t, b[:32]).RecursiveDNS(); ok {
		t.Errorf("RFC8106_5_1_half_an_address: got %v", got)
	}
}

// TestNDPOptionKinds asks every option for every content: only its own may be there.
func TestNDPOptionKinds(t *testing.T) {
	for typ := range 256 {
		for _, n := range []int{0, 6, 14, 22, 30, 38, 2038} {
			o := NDPOption{NDPOptionType(typ), make([]byte, n)}
			_, ok1 := o.LinkLayerAddress()
			_, ok2 := o.MTU()
			_, ok3 := o.Nonce()
			_, ok4 := o.RedirectedPacket()
			_, ok5 := o.PrefixInformation()
			_, ok6 := o.RouteInformation()
			_, ok7 := o.RecursiveDNS()
			count := 0
			for _, ok := range []bool{ok1, ok2, ok3, ok4, ok5, ok6, ok7} {
				if ok {
					count++
				}
			}
			if count > 1 {
				t.Errorf("%v with %d bytes has %d contents", o.Type, n, count)
			}
		}
	}
}

func FuzzNDPOptions(f *testing.F) {
	f.Add(unhex(f, "0101 0200 0000 0001"))                      // link-layer address
	f.Add(PrefixInformation{}.AppendTo(nil))                    // prefix
	f.Add(unhex(f, "1801 8018 0000 0e10"))                      // a route whose prefix is missing
	f.Add(unhex(f, "1902 0000 0000 0e10 2001 0db8 0000 0000"))  // half a DNS server
	f.Add(unhex(f, "0e01 0102 0304 0506  0501 0000 0000 05dc")) // nonce, MTU
	f.Fuzz(func(t *testing.T, b []byte) {
		for o := range NDPOptions(b).All() {
			_ = o
		}
		options, err := ParseNDPOptions(b)
		checkError(t, err)
		if err != nil {
			return
		}
		var out []byte
		for o := range options.All() {
			out = o.AppendTo(out)
			if p, ok := o.PrefixInformation(); ok {
				if again, ok := only(t, p.AppendTo(nil)).PrefixInformation(); !ok || again != p {
					t.Fatalf("got %v, want %v", again, p)
				}
			}
			if r, ok := o.RouteInformation(); ok {
				if again, ok := only(t, r.AppendTo(nil)).RouteInformation(); !ok || again != r {
					t.Fatalf("got %v, want %v", again, r)
				}
			}
			if r, ok := o.RecursiveDNS(); ok {
				if again, ok := only(t, r.AppendTo(nil)).RecursiveDNS(); !ok || !reflect.DeepEqual(again, r) {
					t.Fatalf("got %v, want %v", again, r)
				}
			}
		}
		if !bytes.Equal(out, b) {
			t.Fatalf("got %x, want %x", out, b)
		}
	})
}
