package netspec_test

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/castnet-go/castnet/netspec"
	"github.com/castnet-go/castnet/socket"
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
		{"", "there are host and tap"},
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
		{"tap,addr=10.0.0.2/24,dev=eth0", `unknown key "dev"; tap knows name, addr, gw, host, mtu, mac`},
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
		if errors.Is(err, socket.ErrNotSupported) {
			t.Errorf("%s: the error says that it is not supported, but it is wrong", test.text)
		}
	}
}

func TestNotSupportedYet(t *testing.T) {
	for _, text := range []string{"tun", "tun,addr=10.0.0.2/24", "packet,dev=eth0,addr=10.0.0.2/24"} {
		if _, err := netspec.Parse(text); !errors.Is(err, socket.ErrNotSupported) {
			t.Errorf("%s: %v is not ErrNotSupported", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("host")
	f.Add("tap,name=cn0,addr=10.0.0.2/24,gw=10.0.0.1,host=10.0.0.1/24,mtu=1400,mac=02:00:00:00:00:07")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := netspec.Parse(text)
		if err != nil {
			return
		}
		again, err := netspec.Parse(s.String())
		if err != nil || !reflect.DeepEqual(s, again) {
			t.Errorf("%q became %q, which became %+v, %v", text, s, again, err)
		}
	})
}
