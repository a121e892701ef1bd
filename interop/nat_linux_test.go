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

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/wire"
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

// beyond returns a namespace two hops behind the translator, joined to far's by a
// link that is narrow, whose host is 10.0.2.2.
func (w *world) beyond(farNS *netns.Namespace) *netns.Namespace {
	w.t.Helper()
	ns := netns.New(w.t)
	var thread int
	ns.Do(func() { thread = unix.Gettid() })
	farNS.Sysctl(w.t, "ipv4/ip_forward", "1")
	mtu := fmt.Sprint(narrow)
	for _, line := range []string{
		fmt.Sprintf("link add far1 mtu %s type veth peer name beyond0 mtu %s netns /proc/%d/ns/net", mtu, mtu, thread),
		"addr add 10.0.2.1/24 dev far1",
		"link set far1 up",
	} {
		farNS.Run(w.t, "ip", strings.Fields(line)...)
	}
	for _, line := range []string{
		"addr add 10.0.2.2/24 dev beyond0",
		"link set beyond0 up",
		"route add default via 10.0.2.1",
	} {
		ns.Run(w.t, "ip", strings.Fields(line)...)
	}
	w.ns.Run(w.t, "ip", "route", "add", "10.0.2.0/24", "via", far.String())
	return ns
}

// A router behind the translator refuses what is too long for its next link. It tells
// the translator's address so, quoting a datagram from there; the kernel makes of it
// what is meant for us, and we believe it.
func TestTooLongBeyondNAT(t *testing.T) {
	w := newWorld(t, "nft", "conntrack")
	farNS := w.behindRouter()
	beyondNS := w.beyond(farNS)
	w.translate()
	w.open(gateway)
	server := netip.MustParseAddrPort("10.0.2.2:7064")
	k := socketIn(t, beyondNS, server, netip.AddrPort{})
	c := w.dial(server)
	backAndForth(t, c, k, 1)
	if _, err := c.Write(payload(1472)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the path MTU to be learned", func() bool { mtu, err := c.PathMTU(); return err == nil && mtu == narrow })
	wantTooLong(t, c)
	backAndForth(t, c, k, sizes...)

	// The router says, too, that the datagram's time was up there.
	late := w.dial(server)
	if err := errors.Join(late.SetTTL(2), late.SetReceiveErrors(true)); err != nil {
		t.Fatal(err)
	}
	if _, err := late.Write([]byte("too late")); err != nil {
		t.Fatal(err)
	}
	if _, err := late.Read(make([]byte, 100)); !errors.Is(err, syscall.EHOSTUNREACH) {
		t.Errorf("got %v, want %v", err, syscall.EHOSTUNREACH)
	}
	var m castnet.ErrorMessage
	if err := late.ReadError(&m); err != nil || m.Offender != far || m.Addr != server || m.Type != uint8(wire.ICMPTimeExceeded) {
		t.Errorf("the error queue has %+v, %v; want time exceeded from %v about %v", m, err, far, server)
	}
	w.wantDrops(map[drop.Reason]uint64{})
}
