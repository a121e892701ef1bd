package castnet_test

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
)

// onNetworks runs a test on the operating system's loopback and on a stack with
// one interface.
func onNetworks(t *testing.T, test func(t *testing.T, n castnet.Network, ifname string)) {
	t.Run("host", func(t *testing.T) { test(t, castnet.Host(), "lo") })
	t.Run("stack", func(t *testing.T) {
		a, b, err := wire()
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		defer b.Close()
		test(t, a, "eth0")
	})
}

func openFor(t *testing.T, n castnet.Network, address string) *castnet.Conn {
	t.Helper()
	c, err := (&castnet.Config{On: n, ReuseAddr: true}).Listen(t.Context(), "udp4", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// hears reads for as long as something comes that was sent before the last word.
func hears(t *testing.T, c *castnet.Conn) (got []string) {
	t.Helper()
	buf := make([]byte, 100)
	c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	defer c.SetReadDeadline(time.Time{})
	for {
		n, err := c.Read(buf)
		if err != nil {
			return got
		}
		got = append(got, string(buf[:n]))
	}
}

func TestGroups(t *testing.T) {
	onNetworks(t, func(t *testing.T, n castnet.Network, ifname string) {
		group, other := netip.MustParseAddr("239.9.8.7"), netip.MustParseAddr("239.9.8.8")
		listener := openFor(t, n, "239.9.8.7:0")
		port := uint16(listener.LocalAddr().(*net.UDPAddr).Port)
		sender := openFor(t, n, "0.0.0.0:0")
		if err := sender.SetMulticastInterface(ifname); err != nil {
			t.Fatal(err)
		}
		say := func(word string) {
			t.Helper()
			for _, g := range []netip.Addr{group, other} {
				if _, err := sender.WriteToUDPAddrPort([]byte(word), netip.AddrPortFrom(g, port)); err != nil {
					t.Fatal(err)
				}
			}
		}
		expect := func(want ...string) {
			t.Helper()
			if got := hears(t, listener); !slices.Equal(got, want) {
				t.Errorf("heard %q, want %q", got, want)
			}
		}
		say("nobody is there")
		expect()
		if err := listener.JoinGroup(ifname, group); err != nil {
			t.Fatal(err)
		}
		if err := listener.JoinGroup(ifname, group); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("joined twice: %v", err)
		}
		say("joined")
		expect("joined")
		if got := listener.Memberships(); len(got) != 1 || got[0].Interface != ifname || got[0].Group != group || got[0].Only || got[0].Sources != nil {
			t.Errorf("memberships: %+v", got)
		}

		// Less one source, and with it again.
		say("who are you")
		_, from, err := listener.ReadFromUDPAddrPort(make([]byte, 100))
		if err != nil {
			t.Fatal(err)
		}
		source := from.Addr()
		if err := listener.ExcludeSourceSpecificGroup(ifname, group, source); err != nil {
			t.Fatal(err)
		}
		say("excluded")
		expect()
		if got := listener.Memberships(); len(got) != 1 || !slices.Equal(got[0].Sources, []netip.Addr{source}) {
			t.Errorf("memberships: %+v", got)
		}
		if err := listener.IncludeSourceSpecificGroup(ifname, group, source); err != nil {
			t.Fatal(err)
		}
		say("included")
		expect("included")
		if err := listener.LeaveGroup(ifname, group); err != nil {
			t.Fatal(err)
		}
		say("left")
		expect()

		// One source alone.
		stranger := netip.MustParseAddr("192.0.2.9")
		if err := listener.JoinSourceSpecificGroup(ifname, group, stranger); err != nil {
			t.Fatal(err)
		}
		say("a stranger's")
		expect()
		if err := listener.JoinSourceSpecificGroup(ifname, group, source); err != nil {
			t.Fatal(err)
		}
		say("its own")
		expect("its own")
		if got := listener.Memberships(); len(got) != 1 || !got[0].Only || len(got[0].Sources) != 2 {
			t.Errorf("memberships: %+v", got)
		}
		for _, s := range []netip.Addr{source, stranger} {
			if err := listener.LeaveSourceSpecificGroup(ifname, group, s); err != nil {
				t.Fatal(err)
			}
		}
		if got := listener.Memberships(); got != nil {
			t.Errorf("memberships: %+v", got)
		}
	})
}

func TestGroupErrors(t *testing.T) {
	onNetworks(t, func(t *testing.T, n castnet.Network, ifname string) {
		c := openFor(t, n, "0.0.0.0:0")
		group, source := netip.MustParseAddr("239.9.8.7"), netip.MustParseAddr("10.0.0.9")
		for _, e := range []struct {
			name string
			err  error
			want error
		}{
			{"no group", c.JoinGroup(ifname, source), syscall.EINVAL},
			{"no address", c.JoinGroup(ifname, netip.Addr{}), syscall.EINVAL},
			{"no such interface", c.JoinGroup("nosuch0", group), syscall.ENODEV},
			{"not joined", c.LeaveGroup(ifname, group), syscall.EADDRNOTAVAIL},
		} {
			var op *net.OpError
			if !errors.Is(e.err, e.want) || !errors.As(e.err, &op) || op.Op != "set" || op.Addr == nil {
				t.Errorf("%s: %v, want %v", e.name, e.err, e.want)
			}
		}
		c.Close()
		if err := c.JoinGroup(ifname, group); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
		if got := c.Memberships(); got != nil {
			t.Errorf("closed: %v", got)
		}
	})
}

func TestJoinGroupAll(t *testing.T) {
	a, b, err := wire()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	defer b.Close()
	c := openFor(t, a, "0.0.0.0:0")
	group := netip.MustParseAddr("239.9.8.7")
	for range 2 {
		if names, err := c.JoinGroupAll(group); err != nil || !slices.Equal(names, []string{"eth0"}) {
			t.Errorf("%q, %v", names, err)
		}
	}
	if got := c.Memberships(); len(got) != 1 {
		t.Errorf("memberships: %+v", got)
	}
	if _, err := c.JoinGroupAll(netip.MustParseAddr("10.0.0.1")); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("no group: %v", err)
	}
	if err := a.Interface("eth0").SetUp(false); err != nil {
		t.Fatal(err)
	}
	if _, err := c.JoinGroupAll(group); !errors.Is(err, syscall.ENODEV) {
		t.Errorf("nothing is up: %v", err)
	}
}
