package wire

import (
	"net/netip"
	"slices"
	"testing"
)

func addrs(l AddrList) []netip.Addr { return slices.Collect(l.All()) }

func TestAddrList(t *testing.T) {
	var zero AddrList
	if zero.Count() != 0 || len(addrs(zero)) != 0 || zero.Contains(netip.Addr{}) {
		t.Error("the zero list is not empty")
	}
	for _, want := range [][]netip.Addr{
		{addr("192.0.2.1"), addr("192.0.2.2"), addr("192.0.2.3")},
		{addr("2001:db8::1"), addr("2001:db8::2")},
	} {
		l := NewAddrList(want...)
		if got := addrs(l); !slices.Equal(got, want) || l.Count() != len(want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if !l.Contains(want[1]) || l.Contains(addr("203.0.113.1")) {
			t.Errorf("Contains is wrong for %v", want)
		}
		for range l.All() {
			break
		}
	}
}

func TestAddrListFamily(t *testing.T) {
	l := NewAddrList(addr("192.0.2.1"), addr("2001:db8::1"), addr("::ffff:192.0.2.2"))
	if got, want := addrs(l), []netip.Addr{addr("192.0.2.1"), addr("0.0.0.0"), addr("192.0.2.2")}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	l = NewAddrList(addr("2001:db8::1"), addr("192.0.2.1"), netip.Addr{})
	if got, want := addrs(l), []netip.Addr{addr("2001:db8::1"), addr("::ffff:192.0.2.1"), addr("::")}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAddrListAppendKeepsPacket(t *testing.T) {
	b := unhex(t, igmpv3Query+"ffff ffff")
	q, err := ParseIGMPQuery(b)
	if err != nil {
		t.Fatal(err)
	}
	l := q.Sources.Append(addr("192.0.2.9"))
	if l.Count() != 3 || b[len(b)-1] != 0xff {
		t.Errorf("Append to a parsed list overwrote the packet: %x", b)
	}
}
