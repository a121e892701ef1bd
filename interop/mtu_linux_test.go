package interop

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/drop"
)

// narrow is the MTU behind the kernel's router.
const narrow = 1280

// wantTooLong fails the test unless the socket has heard that what it sent was too
// long for the path: the pending error is that.
func wantTooLong(t *testing.T, c *castnet.Conn) {
	t.Helper()
	if _, err := c.Write(nil); !errors.Is(err, syscall.EMSGSIZE) {
		t.Errorf("the pending error is %v, want %v", err, syscall.EMSGSIZE)
	}
}

// A kernel with a smaller MTU in the middle: what is too long for its next link
// and may not be fragmented it refuses, and says so; we believe it, and what is
// sent from then on gets through.
func TestNarrowPath(t *testing.T) {
	w := newWorld(t)
	farNS := w.behindRouter()
	w.ns.Sysctl(t, "ipv4/icmp_ratelimit", "0") // no refusal is to be left out
	w.ns.Run(t, "ip", "link", "set", "near0", "mtu", fmt.Sprint(narrow))
	farNS.Run(t, "ip", "link", "set", "far0", "mtu", fmt.Sprint(narrow))
	w.open(gateway)
	k := socketIn(t, farNS, netip.AddrPortFrom(far, 7070), netip.AddrPort{})

	const headers = 28
	// What was learned is about the host, whichever socket learned it; so the
	// one that may not fragment comes first.
	t.Run("not to be fragmented", func(t *testing.T) {
		c := w.dial(netip.AddrPortFrom(far, 7070))
		if err := c.SetDontFragment(true); err != nil {
			t.Fatal(err)
		}
		wantPathMTU := func(want int) {
			t.Helper()
			if got, err := c.PathMTU(); err != nil || got != want {
				t.Errorf("the path MTU is %d, %v; want %d", got, err, want)
			}
		}
		wantPathMTU(1500)
		if _, err := c.Write(payload(1473)); !errors.Is(err, syscall.EMSGSIZE) {
			t.Errorf("a datagram over the device's MTU: %v, want %v", err, syscall.EMSGSIZE)
		}
		if _, err := c.Write(payload(1472)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the path MTU to be learned", func() bool { mtu, err := c.PathMTU(); return err == nil && mtu != 1500 })
		wantPathMTU(narrow)
		for _, size := range []int{narrow - headers + 1, 1472} {
			if _, err := c.Write(payload(size)); !errors.Is(err, syscall.EMSGSIZE) {
				t.Errorf("a datagram of %d bytes: %v, want %v", size, err, syscall.EMSGSIZE)
			}
		}
		wantTooLong(t, c)
		backAndForth(t, c, k, 0, 1, narrow-headers-1, narrow-headers)
	})
	t.Run("fragmented", func(t *testing.T) {
		c := w.dial(netip.AddrPortFrom(far, 7070))
		if got, err := c.PathMTU(); err != nil || got != narrow {
			t.Errorf("another socket knows the path MTU as %d, %v; want %d", got, err, narrow)
		}
		backAndForth(t, c, k, append(sizes, narrow-headers, narrow-headers+1)...)
	})
	w.wantDrops(map[drop.Reason]uint64{})
	// Each of ours that it refused it counts.
	if got := w.kernelCounter("Ip", "FragFails"); got != "1" {
		t.Errorf("the kernel's counter Ip FragFails is %s, want 1: the one from which we learned", got)
	}
	for _, f := range w.ourFrames("ip && udp && ip.flags.df==1 && ip.len > 1280 && ip.len != 1500", "ip.len") {
		t.Errorf("we sent a packet of %s bytes that may not be fragmented", f[0])
	}
}

// A socket that nobody told anything, with the kernel's default: the first long
// datagram is lost, the next ones get through.
func TestNarrowPathByDefault(t *testing.T) {
	w := newWorld(t)
	farNS := w.behindRouter()
	w.ns.Run(t, "ip", "link", "set", "near0", "mtu", fmt.Sprint(narrow))
	farNS.Run(t, "ip", "link", "set", "far0", "mtu", fmt.Sprint(narrow))
	w.open(gateway)
	k := socketIn(t, farNS, netip.AddrPortFrom(far, 7071), netip.AddrPort{})
	c := w.dial(netip.AddrPortFrom(far, 7071))
	if _, err := c.Write(payload(1472)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the path MTU to be learned", func() bool { mtu, err := c.PathMTU(); return err == nil && mtu == narrow })
	wantTooLong(t, c)
	backAndForth(t, c, k, sizes...)
	w.wantDrops(map[drop.Reason]uint64{})
}
