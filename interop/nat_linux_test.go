package interop

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/internal/netns"
)

// outward is the address of the kernel's router on the side where far is.
var outward = netip.MustParseAddr("10.0.1.1")

// translate makes the world's router a translator (NAT): we are behind its outward
// address, at which ports 8060 and 8061 are our ports 7060 and 7061. The kernel's
// connection tracking puts fragments together on their way.
func (w *world) translate() {
	w.t.Helper()
	w.ns.Run(w.t, "nft", fmt.Sprintf(`
table ip nat {
	chain out {
		type nat hook postrouting priority srcnat
		oifname "near0" masquerade
	}
	chain in {
		type nat hook prerouting priority dstnat
		iifname "near0" udp dport 8060 dnat to %[1]v:7060
		iifname "near0" udp dport 8061 dnat to %[1]v:7061
	}
}`, ours))
}

// socketIn returns a socket of the kernel's in a namespace: bound to the address,
// or if that is the zero AddrPort, connected to the other.
func socketIn(t *testing.T, ns *netns.Namespace, local, remote netip.AddrPort) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	var err error
	ns.Do(func() {
		if remote.IsValid() {
			c, err = net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(remote))
		} else {
			c, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(local))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// tracked returns the kernel's connections of UDP, one a line.
func (w *world) tracked() []string {
	w.t.Helper()
	var list []string
	for line := range strings.Lines(w.ns.Run(w.t, "conntrack", "-L", "-p", "udp")) {
		if strings.HasPrefix(line, "udp ") {
			list = append(list, line)
		}
	}
	return list
}

// The kernel's connection tracking and translation of addresses between us and a
// host: datagrams of all sizes both ways, from either side, and ICMP errors that
// are about translated datagrams.
func TestThroughNAT(t *testing.T) {
	w := newWorld(t, "nft", "conntrack")
	farNS := w.behindRouter()
	for _, ns := range []*netns.Namespace{w.ns, farNS} {
		ns.Sysctl(t, "ipv4/icmp_ratelimit", "0") // no refusal is to be left out
	}
	w.translate()
	w.open(gateway)

	t.Run("from inside", func(t *testing.T) {
		k := socketIn(t, farNS, netip.AddrPortFrom(far, 7062), netip.AddrPort{})
		c := w.dialFrom(7063, netip.AddrPortFrom(far, 7062))
		backAndForth(t, c, k, sizes...)
		if _, err := c.Write([]byte("who is there")); err != nil {
			t.Fatal(err)
		}
		if _, from, err := k.ReadFromUDPAddrPort(make([]byte, 100)); err != nil || from.Addr() != outward {
			t.Errorf("the host sees us as %v, %v; want %v", from, err, outward)
		}
		want := "src=10.0.0.2 dst=10.0.1.2 sport=7063 dport=7062 src=10.0.1.2 dst=10.0.1.1 sport=7062 dport=7063"
		if list := w.tracked(); len(list) != 1 || !strings.Contains(list[0], want) {
			t.Errorf("the kernel tracks %q, want one with %q", list, want)
		}
	})
	t.Run("from outside", func(t *testing.T) {
		server := w.listen(7060)
		client := socketIn(t, farNS, netip.AddrPort{}, netip.AddrPortFrom(outward, 8060))
		buf, answer := make([]byte, 65536), make([]byte, 65536)
		for _, size := range sizes {
			want := payload(size)
			if _, err := client.Write(want); err != nil {
				t.Fatal(err)
			}
			n, from, err := server.ReadFromUDPAddrPort(buf)
			if err != nil || string(buf[:n]) != string(want) || from.Addr() != far {
				t.Fatalf("of %d bytes %d came from %v, %v", size, n, from, err)
			}
			if _, err := server.WriteToUDPAddrPort(buf[:n], from); err != nil {
				t.Fatal(err)
			}
			if n, err = client.Read(answer); err != nil || string(answer[:n]) != string(want) {
				t.Fatalf("of %d bytes %d came back, %v", size, n, err)
			}
		}
	})
	t.Run("we are refused", func(t *testing.T) {
		c := w.dial(netip.AddrPortFrom(far, closed))
		for _, size := range []int{0, 100, 1472} {
			if _, err := c.Write(payload(size)); err != nil {
				t.Fatal(err)
			}
			_, err := c.Read(make([]byte, 100))
			wantRefused(t, err, "read")
		}
	})
	t.Run("they are refused", func(t *testing.T) {
		client := socketIn(t, farNS, netip.AddrPort{}, netip.AddrPortFrom(outward, 8061))
		for _, size := range []int{0, 100, 1472} {
			if _, err := client.Write(payload(size)); err != nil {
				t.Fatal(err)
			}
			if _, err := client.Read(make([]byte, 100)); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("got %v, want %v", err, syscall.ECONNREFUSED)
			}
		}
	})
	w.wantDrops(map[drop.Reason]uint64{drop.NoPort: 3})
}
