package castnet_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/stack"
)

// A groupHost is a network in which groups are tested: two interfaces, left and right, with
// addresses of both families, whose other ends are nobody's. What is sent by one comes in
// again by it, since this host is a member.
type groupHost struct {
	castnet.Network
	do func(func()) // calls in the network
}

// groupHosts runs a test on each kind of network.
func groupHosts(t *testing.T, test func(t *testing.T, h *groupHost)) {
	t.Run("host", func(t *testing.T) {
		ns := netns.New(t)
		for n, name := range []string{"left", "right"} {
			for _, line := range []string{
				"link add " + name + " type veth peer name " + name + "1",
				fmt.Sprintf("addr add 10.%d.0.1/24 dev %s", n+1, name),
				"link set " + name + " up", "link set " + name + "1 up",
			} {
				ns.Run(t, "ip", strings.Fields(line)...)
			}
			ns.Sysctl(t, "ipv6/conf/"+name+"/accept_dad", "0")
			ns.Sysctl(t, "ipv6/conf/"+name+"/disable_ipv6", "0")
			ns.Run(t, "ip", "addr", "add", fmt.Sprintf("fd0%d::1/64", n+1), "dev", name, "nodad")
		}
		// The other ends would be joined too, by JoinGroupAll.
		for start := time.Now(); strings.Count(ns.Run(t, "ip", "link", "show", "type", "veth"), "state UP") != 4; {
			if time.Since(start) > 20*time.Second {
				t.Fatal("the interfaces do not come up")
			}
		}
		ns.Run(t, "ip", "link", "set", "left1", "multicast", "off")
		ns.Run(t, "ip", "link", "set", "right1", "multicast", "off")
		test(t, &groupHost{castnet.Host(), ns.Do})
	})
	t.Run("stack", func(t *testing.T) {
		s := twoLegged(t)
		test(t, &groupHost{s, func(f func()) { f() }})
	})
}

// listen returns a Conn in the network.
func (h *groupHost) listen(t *testing.T, network, address string) *castnet.Conn {
	t.Helper()
	var c *castnet.Conn
	var err error
	h.do(func() {
		c, err = (&castnet.Config{On: h.Network, ReuseAddr: true, Report: castnet.FieldLocal | castnet.FieldInterface | castnet.FieldTTL}).Listen(t.Context(), network, address)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// A groupCase is a family of groups on a kind of Conn.
type groupCase struct {
	network          string // of the listener
	sender           string // of the sender
	group, other     netip.Addr
	specific         netip.Addr
	left, leftToo    netip.Addr // addresses of left, of which the network has the first
	right            netip.Addr
	anywhere, source string // where a sender is bound
}

func groupCases(h *groupHost) map[string]groupCase {
	ip := netip.MustParseAddr
	v4 := groupCase{"udp4", "udp4", ip("239.9.8.7"), ip("239.9.8.8"), ip("232.9.8.7"), ip("10.1.0.1"), ip("10.1.0.7"), ip("10.2.0.1"), "0.0.0.0:0", "10.1.0.1:0"}
	both := v4
	both.network = "udp" // of both families: IPv6's wildcard
	v6 := groupCase{"udp6", "udp6", ip("ff15::9:8:7"), ip("ff15::9:8:8"), ip("ff3e::9:8:7"), ip("fd01::1"), ip("fd01::7"), ip("fd02::1"), "[::]:0", "[fd01::1]:0"}
	dual := v6
	dual.network = "udp"
	return map[string]groupCase{"IPv4": v4, "IPv4 on both": both, "IPv6": v6, "IPv6 on both": dual}
}

// heard reads what is there, each as "word interface".
func (h *groupHost) heard(t *testing.T, c *castnet.Conn, wait time.Duration) (got []string) {
	t.Helper()
	var names map[int]string
	h.do(func() {
		list, err := h.Interfaces()
		if err != nil {
			t.Error(err)
		}
		names = make(map[int]string)
		for _, i := range list {
			names[i.Index] = i.Name
		}
	})
	ms := []castnet.Message{{Buf: make([]byte, 100)}}
	c.SetReadDeadline(time.Now().Add(wait))
	for {
		if _, err := c.ReadBatch(ms); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
			return got
		}
		got = append(got, string(ms[0].Buf)+" "+names[ms[0].Interface])
	}
}

// Groups of both families, on Conns of one family and of both.
func TestGroupsOfBothFamilies(t *testing.T) {
	groupHosts(t, func(t *testing.T, h *groupHost) {
		for name, g := range groupCases(h) {
			t.Run(name, func(t *testing.T) { testGroups(t, h, g) })
		}
	})
}

func testGroups(t *testing.T, h *groupHost, g groupCase) {
	listener := h.listen(t, g.network, ":0")
	port := uint16(listener.LocalAddr().(*net.UDPAddr).Port)
	check := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	do := func(what string, f func() error, want error) {
		t.Helper()
		var err error
		h.do(func() { err = f() })
		check(what, err, want)
	}
	senders := map[string]*castnet.Conn{}
	for _, ifname := range []string{"left", "right"} {
		s := h.listen(t, g.sender, g.anywhere)
		do("choosing "+ifname, func() error { return s.SetMulticastInterface(ifname) }, nil)
		var chosen string
		do("asking", func() (err error) { chosen, err = s.MulticastInterface(); return err }, nil)
		if chosen != ifname {
			t.Errorf("the multicast interface is %q, want %q", chosen, ifname)
		}
		check("TTL", s.SetMulticastTTL(7), nil)
		senders[ifname] = s
	}
	say := func(group netip.Addr, word string) {
		t.Helper()
		for _, ifname := range []string{"left", "right"} {
			if _, err := senders[ifname].WriteToUDPAddrPort([]byte(word), netip.AddrPortFrom(group, port)); err != nil {
				t.Fatalf("%s by %s: %v", word, ifname, err)
			}
		}
	}
	expect := func(want ...string) {
		t.Helper()
		if got := h.heard(t, listener, 50*time.Millisecond); !slices.Equal(got, want) {
			t.Errorf("heard %q, want %q", got, want)
		}
	}
	members := func(want ...string) {
		t.Helper()
		var got []string
		h.do(func() {
			for _, m := range listener.Memberships() {
				got = append(got, fmt.Sprint(m.Group, " ", m.Interface, " ", m.Only, " ", m.Sources))
			}
		})
		if !slices.Equal(got, want) {
			t.Errorf("memberships %q, want %q", got, want)
		}
	}

	// By name, and what is wrong.
	do("join", func() error { return listener.JoinGroup("left", g.group) }, nil)
	do("join again", func() error { return listener.JoinGroup("left", g.group) }, syscall.EADDRINUSE)
	do("no such interface", func() error { return listener.JoinGroup("nosuch0", g.group) }, syscall.ENODEV)
	do("no group", func() error { return listener.JoinGroup("left", g.left) }, syscall.EINVAL)
	do("not joined", func() error { return listener.LeaveGroup("right", g.group) }, syscall.EADDRNOTAVAIL)
	members(fmt.Sprint(g.group, " left false []"))
	say(g.group, "a")
	expect("a left")

	// MULTICAST_ALL: what others have joined.
	stranger := h.listen(t, g.network, ":0")
	do("a stranger's", func() error { return stranger.JoinGroup("left", g.other) }, nil)
	if g.network == "udp" && g.group.Is4() {
		// Linux creates IPv6 sockets with MULTICAST_ALL on for IPv6 alone.
		check("MulticastAll", listener.SetMulticastAll(true), nil)
	}
	say(g.other, "b")
	expect("b left")
	check("MulticastAll", listener.SetMulticastAll(false), nil)
	if on, err := listener.MulticastAll(); on || err != nil {
		t.Errorf("MulticastAll is %v, %v", on, err)
	}
	say(g.other, "c")
	say(g.group, "d")
	expect("d left")
	do("the stranger leaves", stranger.Close, nil)

	// Loopback is the sender's.
	check("loopback", senders["left"].SetMulticastLoopback(false), nil)
	if on, err := senders["left"].MulticastLoopback(); on || err != nil {
		t.Errorf("MulticastLoopback is %v, %v", on, err)
	}
	say(g.group, "e")
	expect()
	check("loopback", senders["left"].SetMulticastLoopback(true), nil)
	if ttl, err := senders["left"].MulticastTTL(); ttl != 7 || err != nil {
		t.Errorf("MulticastTTL is %v, %v", ttl, err)
	}

	// Everywhere, where it is joined already too.
	var names []string
	do("everywhere", func() (err error) { names, err = listener.JoinGroupAll(g.group); return err }, nil)
	if !slices.Equal(names, []string{"left", "right"}) {
		t.Errorf("joined on %q", names)
	}
	say(g.group, "f")
	expect("f left", "f right")
	do("leaving left", func() error { return listener.LeaveGroup("left", g.group) }, nil)
	say(g.group, "g")
	expect("g right")
	members(fmt.Sprint(g.group, " right false []"))

	// All but one source.
	do("excluding", func() error { return listener.ExcludeSourceSpecificGroup("right", g.group, g.right) }, nil)
	members(fmt.Sprint(g.group, " right false [", g.right, "]"))
	bound := h.listen(t, g.sender, netip.AddrPortFrom(g.right, 0).String())
	do("choosing right", func() error { return bound.SetMulticastInterface("right") }, nil)
	if _, err := bound.WriteToUDPAddrPort([]byte("h"), netip.AddrPortFrom(g.group, port)); err != nil {
		t.Error(err)
	}
	expect()
	do("including", func() error { return listener.IncludeSourceSpecificGroup("right", g.group, g.right) }, nil)
	do("including again", func() error { return listener.IncludeSourceSpecificGroup("right", g.group, g.right) }, syscall.EADDRNOTAVAIL)
	if _, err := bound.WriteToUDPAddrPort([]byte("i"), netip.AddrPortFrom(g.group, port)); err != nil {
		t.Error(err)
	}
	expect("i right")
	do("leaving right", func() error { return listener.LeaveGroup("right", g.group) }, nil)

	// Single sources.
	do("joining one", func() error { return listener.JoinSourceSpecificGroup("right", g.specific, g.right) }, nil)
	do("joining it again", func() error { return listener.JoinSourceSpecificGroup("right", g.specific, g.right) }, syscall.EADDRNOTAVAIL)
	do("blocking it", func() error { return listener.ExcludeSourceSpecificGroup("right", g.specific, g.right) }, syscall.EINVAL)
	bound.WriteToUDPAddrPort([]byte("j"), netip.AddrPortFrom(g.specific, port))
	expect("j right")
	// Of an IPv6 group that a socket is in by several interfaces, Linux asks the filter of
	// the last, whichever a datagram came in by: so one after the other.
	fromLeft := h.listen(t, g.sender, g.source)
	do("choosing left", func() error { return fromLeft.SetMulticastInterface("left") }, nil)
	do("joining two", func() error { return listener.JoinSourceSpecificGroup("left", g.specific, g.leftToo) }, nil)
	members(fmt.Sprint(g.specific, " right true [", g.right, "]"), fmt.Sprint(g.specific, " left true [", g.leftToo, "]"))
	fromLeft.WriteToUDPAddrPort([]byte("k"), netip.AddrPortFrom(g.specific, port))
	expect()
	do("joining three", func() error { return listener.JoinSourceSpecificGroup("left", g.specific, g.left) }, nil)
	fromLeft.WriteToUDPAddrPort([]byte("l"), netip.AddrPortFrom(g.specific, port))
	expect("l left")
	do("leaving one", func() error { return listener.LeaveSourceSpecificGroup("right", g.specific, g.right) }, nil)
	do("leaving two", func() error { return listener.LeaveGroup("left", g.specific) }, nil)
	members()

	// Sources of the other family, and groups.
	odd := netip.MustParseAddr("fd00::9")
	if g.group.Is6() {
		odd = netip.MustParseAddr("10.0.0.9")
	}
	do("a source of the other family", func() error { return listener.JoinSourceSpecificGroup("left", g.specific, odd) }, syscall.EINVAL)
	if g.network == "udp4" {
		do("a group of the other family", func() error { return listener.JoinGroup("left", netip.MustParseAddr("ff15::1")) }, syscall.EAFNOSUPPORT)
	}
}

// The zone of a link's group names its interface.
func TestGroupZones(t *testing.T) {
	groupHosts(t, func(t *testing.T, h *groupHost) {
		c := h.listen(t, "udp6", "[::]:0")
		group := netip.MustParseAddr("ff02::9:8:7")
		h.do(func() {
			if err := c.JoinGroup("", group.WithZone("right")); err != nil {
				t.Error(err)
			}
			if err := c.JoinGroup("right", group.WithZone("right")); !errors.Is(err, syscall.EADDRINUSE) {
				t.Errorf("joined twice: %v", err)
			}
			if err := c.JoinGroup("left", group.WithZone("right")); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("two interfaces: %v", err)
			}
			if err := c.JoinGroup("", group.WithZone("nosuch0")); !errors.Is(err, syscall.ENODEV) {
				t.Errorf("no such interface: %v", err)
			}
			if _, err := c.JoinGroupAll(group.WithZone("right")); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("everywhere: %v", err)
			}
			if m := c.Memberships(); len(m) != 1 || m[0].Interface != "right" || m[0].Group != group {
				t.Errorf("memberships: %+v", m)
			}
			s := sender6(t, h)
			for _, zone := range []string{"left", "right"} {
				to := netip.AddrPortFrom(group.WithZone(zone), uint16(c.LocalAddr().(*net.UDPAddr).Port))
				if _, err := s.WriteToUDPAddrPort([]byte(zone), to); err != nil {
					t.Errorf("to %v: %v", to, err)
				}
			}
		})
		if got := h.heard(t, c, 50*time.Millisecond); !slices.Equal(got, []string{"right right"}) {
			t.Errorf("heard %q", got)
		}
	})
}

// sender6 returns a sender; it is called in the network.
func sender6(t *testing.T, h *groupHost) *castnet.Conn {
	c, err := (&castnet.Config{On: h.Network}).Listen(t.Context(), "udp6", "[::]:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// twoLegged returns a stack with the interfaces left and right; stacks without addresses
// are at the other ends.
func twoLegged(t *testing.T) *stack.Stack {
	t.Helper()
	s, err := stack.New(stack.Config{Name: "here", DADTransmits: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for n, name := range []string{"left", "right"} {
		near, far := mem.Pair(mem.Config{})
		other, err := stack.New(stack.Config{Name: name})
		if err == nil {
			t.Cleanup(func() { other.Close() })
			_, err = other.AddInterface("eth0", far)
		}
		var i *stack.Interface
		if err == nil {
			i, err = s.AddInterface(name, near)
		}
		for _, a := range []string{fmt.Sprintf("10.%d.0.1/24", n+1), fmt.Sprintf("fd0%d::1/64", n+1)} {
			if err == nil {
				err = i.AddAddress(netip.MustParsePrefix(a))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}
