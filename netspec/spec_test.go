package netspec_test

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/netspec"
	"github.com/castnet-go/castnet/wire"
)

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, t := range texts {
		list = append(list, netip.MustParsePrefix(t))
	}
	return list
}

func TestParse(t *testing.T) {
	for _, test := range []struct {
		text string
		want netspec.Spec
	}{
		{"host", netspec.Spec{Kind: "host"}},
		{"tap,addr=10.0.0.2/24", netspec.Spec{Kind: "tap", Addresses: prefixes("10.0.0.2/24")}},
		{"tap,name=cn0,addr=10.0.0.2/24,gw=10.0.0.1", netspec.Spec{
			Kind: "tap", Name: "cn0", Addresses: prefixes("10.0.0.2/24"), Gateway: netip.MustParseAddr("10.0.0.1")}},
		{"tap,name=cn0,addr=10.0.0.2/24,addr=10.9.0.2/16,gw=10.9.0.1,host=10.0.0.1/24,host=10.9.0.1/16,mtu=1400,mac=02:00:00:00:00:07",
			netspec.Spec{
				Kind: "tap", Name: "cn0", Addresses: prefixes("10.0.0.2/24", "10.9.0.2/16"),
				Gateway: netip.MustParseAddr("10.9.0.1"), HostAddresses: prefixes("10.0.0.1/24", "10.9.0.1/16"),
				MTU: 1400, MAC: wire.MAC{2, 0, 0, 0, 0, 7}}},
		{"tap,addr=fd00::2/64,gw=fd00::1", netspec.Spec{
			Kind: "tap", Addresses: prefixes("fd00::2/64"), Gateway: netip.MustParseAddr("fd00::1")}},
		{"tap,addr=10.0.0.2/24,queues=4,offload=none", netspec.Spec{
			Kind: "tap", Addresses: prefixes("10.0.0.2/24"), Queues: 4, Offload: link.OffloadNone}},
		{"tun,name=cn0,addr=10.0.0.2/24,host=10.0.0.1/24,route=10.7.0.0/16,route=0.0.0.0/0,mtu=1400,queues=2,offload=checksums", netspec.Spec{
			Kind: "tun", Name: "cn0", Addresses: prefixes("10.0.0.2/24"), HostAddresses: prefixes("10.0.0.1/24"),
			HostRoutes: prefixes("10.7.0.0/16", "0.0.0.0/0"), MTU: 1400, Queues: 2, Offload: link.OffloadChecksums}},
		{"tun,addr=10.0.0.2/32,peer=10.9.9.9", netspec.Spec{
			Kind: "tun", Addresses: prefixes("10.0.0.2/32"), Peer: netip.MustParseAddr("10.9.9.9")}},
		{"packet,dev=eth0,addr=10.0.0.2/24,gw=10.0.0.1,mtu=1400,mac=02:00:00:00:00:07,queues=2,offload=none", netspec.Spec{
			Kind: "packet", Name: "eth0", Addresses: prefixes("10.0.0.2/24"), Gateway: netip.MustParseAddr("10.0.0.1"),
			MTU: 1400, MAC: wire.MAC{2, 0, 0, 0, 0, 7}, Queues: 2, Offload: link.OffloadNone}},
	} {
		got, err := netspec.Parse(test.text)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		if !reflect.DeepEqual(*got, test.want) {
			t.Errorf("%s: got %+v, want %+v", test.text, *got, test.want)
		}
		if s := got.String(); s != test.text {
			t.Errorf("String: got %s, want %s", s, test.text)
		}
	}
	// Keys come in any order.
	got, err := netspec.Parse("tap,mtu=1400,gw=10.0.0.1,addr=10.0.0.2/24,name=cn0")
	if want := "tap,name=cn0,addr=10.0.0.2/24,gw=10.0.0.1,mtu=1400"; err != nil || got.String() != want {
		t.Errorf("got %v, %v; want %s", got, err, want)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", "there are host, tap, tun and packet"},
		{"ethernet", `"ethernet" is no kind of network`},
		{"host,name=x", "host takes no keys"},
		{"tap", "tap needs an address"},
		{"tap,", "nothing between two commas"},
		{"tap,addr=10.0.0.2/24,", "nothing between two commas"},
		{"tap,name=cn0", "tap needs an address"},
		{"tap,addr", `"addr" has no value`},
		{"tap,addr=", "addr= has no value"},
		{"tap,addr=10.0.0.2", "as in 10.0.0.2/24"},
		{"tap,addr=10.0.0.2/33", "no address with a prefix length"},
		{"tap,addr=ten", "no address with a prefix length"},
		{"tap,addr=224.0.0.1/24", "cannot be a host's address"},
		{"tap,addr=0.0.0.0/0", "cannot be a host's address"},
		{"tap,addr=10.0.0.2/24,addr=10.0.0.2/16", "is there twice"},
		{"tap,addr=10.0.0.2/24,mtu=1400,mtu=1500", "mtu is there twice"},
		{"tap,addr=10.0.0.2/24,mtu=67", "from 68 to 65535"},
		{"tap,addr=10.0.0.2/24,mtu=big", "from 68 to 65535"},
		{"tap,addr=10.0.0.2/24,mac=02:00", "no hardware address"},
		{"tap,addr=10.0.0.2/24,mac=ff:ff:ff:ff:ff:ff", "cannot be a station's"},
		{"tap,addr=10.0.0.2/24,gw=router", "no IP address"},
		{"tap,addr=10.0.0.2/24,gw=10.0.1.1", "is in the subnet of no addr"},
		{"tap,addr=10.0.0.2/24,gw=10.0.0.2", "is our own address"},
		{"tap,addr=10.0.0.2/24,host=10.0.0.2/24", "both ours (addr) and the kernel's (host)"},
		{"tap,addr=10.0.0.2/24,dev=eth0", `unknown key "dev"; tap knows name, addr, gw, host, mtu, mac, queues, offload`},
		{"tap,addr=10.0.0.2/24,queues=0", "from 1 to 256"},
		{"tap,addr=10.0.0.2/24,queues=257", "from 1 to 256"},
		{"tap,addr=10.0.0.2/24,queues=two", "from 1 to 256"},
		{"tap,addr=10.0.0.2/24,offload=some", "none of all, checksums and none"},
		{"tap,addr=10.0.0.2/24,peer=10.0.0.1", `unknown key "peer"`},
		{"tun", "tun needs an address, as in tun,addr=10.0.0.2/24"},
		{"tun,addr=10.0.0.2/24,gw=10.0.0.1", `unknown key "gw"; tun knows name, addr, host, peer, route, mtu, queues, offload`},
		{"tun,addr=10.0.0.2/24,mac=02:00:00:00:00:07", `unknown key "mac"`},
		{"tun,addr=10.0.0.2/24,peer=10.0.0.1/24", "no IP address"},
		{"tun,addr=10.0.0.2/24,peer=224.0.0.1", "cannot be a host's address"},
		{"tun,addr=10.0.0.2/24,peer=10.0.0.2", "another address than ours"},
		{"tun,addr=10.0.0.2/24,peer=fd00::1", "of its family"},
		{"tun,addr=10.0.0.2/24,peer=10.0.0.1,host=10.0.0.1/24", "peer and host both"},
		{"tun,addr=10.0.0.2/24,route=10.7.0.0", "no range of addresses"},
		{"tun,addr=10.0.0.2/24,route=10.7.0.1/16", "10.7.0.0/16 is meant"},
		{"tun,addr=10.0.0.2/24,route=10.7.0.0/16,route=10.7.0.0/16", "is there twice"},
		{"packet,addr=10.0.0.2/24", "packet needs an interface, as in packet,dev=eth0,addr=10.0.0.2/24"},
		{"packet,dev=eth0", "packet needs an address, as in packet,dev=eth0,addr=10.0.0.2/24"},
		{"packet,dev=eth0,addr=10.0.0.2/24,host=10.0.0.1/24", `unknown key "host"; packet knows dev, addr, gw, mtu, mac, queues, offload`},
		{"tap,addr=10.0.0.2/24, gw=10.0.0.1", `unknown key " gw"`},
		{"tap,addr=10.0.0.2/24,=1", `unknown key ""`},
		{"tap,addr=10.0.0.2/24,am=", `unknown key "am"`},
	} {
		s, err := netspec.Parse(test.text)
		if err == nil {
			t.Errorf("%s: parsed as %v", test.text, s)
			continue
		}
		if !strings.Contains(err.Error(), `"`+test.text+`"`) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %q does not quote the text and say %q", test.text, err, test.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("host")
	f.Add("tun,addr=10.0.0.2/32,peer=10.9.9.9,route=10.7.0.0/16,queues=2,offload=checksums")
	f.Add("packet,dev=eth0,addr=10.0.0.2/24,gw=10.0.0.1")
	f.Add("tap,name=cn0,addr=10.0.0.2/24,gw=10.0.0.1,host=10.0.0.1/24,mtu=1400,mac=02:00:00:00:00:07")
	f.Fuzz(func(t *testing.T, text string) {
		alone, failed := netspec.ParseLink(text)
		s, err := netspec.Parse(text)
		if err == nil && !reflect.DeepEqual(s, alone) {
			t.Errorf("%q is %+v, or, without a stack, %+v, %v", text, s, alone, failed)
		}
		if err != nil {
			if s = alone; failed == nil && (s.Kind == "host" || len(s.Addresses) > 0) {
				t.Errorf("%q: %v, but for an address it is good", text, err)
			}
			return
		}
		again, err := netspec.Parse(s.String())
		if err != nil || !reflect.DeepEqual(s, again) {
			t.Errorf("%q became %q, which became %+v, %v", text, s, again, err)
		}
	})
}
