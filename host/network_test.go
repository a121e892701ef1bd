package host

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/socket"
)

func TestInterfaces(t *testing.T) {
	list, err := Network{}.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	loopbacks := 0
	for i, ifi := range list {
		if i > 0 && list[i-1].Index >= ifi.Index {
			t.Errorf("%s (%d) comes after %d", ifi.Name, ifi.Index, list[i-1].Index)
		}
		want, err := net.InterfaceByIndex(ifi.Index)
		if err != nil || want.Name != ifi.Name || want.MTU != ifi.MTU {
			t.Errorf("%+v; package net has %+v, %v", ifi, want, err)
		}
		if ifi.Loopback {
			loopbacks++
			if !ifi.Up || ifi.Broadcast || !slices.Contains(ifi.Addresses, netip.MustParsePrefix("127.0.0.1/8")) {
				t.Errorf("the loopback interface is %+v", ifi)
			}
		}
	}
	if loopbacks != 1 {
		t.Errorf("%d loopback interfaces, want 1", loopbacks)
	}
}

func TestDescribe(t *testing.T) {
	got := describe(&net.Interface{
		Index: 7, Name: "eth7", MTU: 1500, HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 1},
		Flags: net.FlagUp | net.FlagBroadcast | net.FlagMulticast,
	}, []net.Addr{
		&net.IPNet{IP: net.IPv4(192, 0, 2, 1), Mask: net.CIDRMask(24, 32)}, // 16 bytes long, as package net has it
		&net.IPNet{IP: net.ParseIP("fe80::1"), Mask: net.CIDRMask(64, 128)},
		&net.UnixAddr{},
	})
	if got.Index != 7 || got.Name != "eth7" || got.MTU != 1500 || got.HardwareAddr != [6]byte{2, 0, 0, 0, 0, 1} ||
		!got.Up || !got.Broadcast || !got.Multicast || got.Loopback {
		t.Errorf("described as %+v", got)
	}
	if len(got.Addresses) != 2 || got.Addresses[0] != netip.MustParsePrefix("192.0.2.1/24") || got.Addresses[1] != netip.MustParsePrefix("fe80::1/64") {
		t.Errorf("addresses %v", got.Addresses)
	}
}

func TestLookup(t *testing.T) {
	var r socket.Resolver = Network{}
	addrs, err := r.LookupNetIP(context.Background(), "ip4", "127.0.0.3")
	if err != nil || len(addrs) != 1 || addrs[0] != netip.MustParseAddr("127.0.0.3") {
		t.Errorf("LookupNetIP of a literal = %v, %v", addrs, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	addrs, err = r.LookupNetIP(ctx, "ip4", "localhost")
	if err != nil || len(addrs) == 0 || !addrs[0].Is4() {
		t.Errorf("LookupNetIP(localhost) = %v, %v; want IPv4, not v4-mapped", addrs, err)
	}
	cancel()
	if _, err := r.LookupNetIP(ctx, "ip", "no.such.host.invalid"); err == nil {
		t.Error("a name that does not exist was found")
	}
}

func TestClock(t *testing.T) {
	if (Network{}).Clock() != clock.System {
		t.Error("the operating system's network does not live by the system's clock")
	}
}
