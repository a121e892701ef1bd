package host

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/socket"
)

// twoWires returns a namespace with two interfaces, e0 and e2, that have addresses of
// both families, and their indexes. IPv4's route to groups leads to e2.
func twoWires(t *testing.T) (ns *netns.Namespace, e0, e2 int) {
	t.Helper()
	ns = netns.New(t)
	for _, line := range []string{
		"ip link add e0 type veth peer name e1", "ip link add e2 type veth peer name e3",
		"ip addr add 10.0.0.1/24 dev e0", "ip addr add 10.0.2.1/24 dev e2",
	} {
		words := strings.Fields(line)
		ns.Run(t, words[0], words[1:]...)
	}
	for _, name := range []string{"e0", "e2"} {
		ns.Sysctl(t, "ipv6/conf/"+name+"/disable_ipv6", "0")
		ns.Run(t, "ip", "addr", "add", map[string]string{"e0": "fd00::1/64", "e2": "fd02::1/64"}[name], "dev", name, "nodad")
	}
	for _, name := range []string{"e0", "e1", "e2", "e3"} {
		ns.Run(t, "ip", "link", "set", name, "up")
	}
	ns.Run(t, "ip", "route", "add", "224.0.0.0/4", "dev", "e2")
	ns.Run(t, "ip", "-6", "route", "add", "ff15::/16", "dev", "e2", "table", "local", "metric", "1")
	var err error
	ns.Do(func() {
		var a, b *net.Interface
		if a, err = net.InterfaceByName("e0"); err == nil {
			b, err = net.InterfaceByName("e2")
		}
		if err == nil {
			e0, e2 = a.Index, b.Index
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return ns, e0, e2
}

func openThere(t *testing.T, ns *netns.Namespace, family socket.Family) (s *Socket) {
	t.Helper()
	var err error
	ns.Do(func() { s, err = open(family) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// listed returns the memberships as text: group, index, what is heard.
func listed(s *Socket) (list []string) {
	for _, m := range s.Memberships() {
		mode := "all but"
		if m.Only {
			mode = "only"
		}
		list = append(list, fmt.Sprint(m.Group, " ", m.Interface, " ", mode, " ", m.Sources))
	}
	return list
}

func wantListed(t *testing.T, s *Socket, want ...string) {
	t.Helper()
	if got := listed(s); !slices.Equal(got, want) {
		t.Errorf("memberships:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The changes are asked for outside of the socket's namespace, whose interfaces and routes
// are nobody else's: where no interface is named, the list says which one the kernel took.
func TestInterfaceThatTheKernelChose(t *testing.T) {
	ns, e0, e2 := twoWires(t)
	for _, c := range []struct {
		family                   socket.Family
		group, specific, a, b, c string
	}{
		{socket.IPv4, "239.1.2.3", "232.1.2.3", "10.9.9.1", "10.9.9.2", "10.9.9.3"},
		{socket.IPv6, "239.1.2.3", "232.1.2.3", "10.9.9.1", "10.9.9.2", "10.9.9.3"},
		{socket.IPv6, "ff15::123", "ff15::232", "fd99::1", "fd99::2", "fd99::3"},
	} {
		t.Run(fmt.Sprint(c.family, " ", c.group), func(t *testing.T) {
			s := openThere(t, ns, c.family)
			group, specific := netip.MustParseAddr(c.group), netip.MustParseAddr(c.specific)
			source := netip.MustParseAddr
			change := func(what socket.GroupChange, g socket.Group, want error) {
				t.Helper()
				if err := s.ChangeGroup(what, g); err != want {
					t.Errorf("%v of %+v: %v, want %v", what, g, err, want)
				}
			}
			change(socket.JoinGroup, socket.Group{Address: group}, nil)
			change(socket.JoinGroup, socket.Group{Address: group}, syscall.EADDRINUSE)
			change(socket.JoinGroup, socket.Group{Address: group, Interface: e0}, nil)
			change(socket.JoinSource, socket.Group{Address: specific, Source: source(c.a)}, nil)
			change(socket.JoinSource, socket.Group{Address: specific, Source: source(c.b)}, nil)
			change(socket.JoinSource, socket.Group{Address: specific, Source: source(c.c), Interface: e0}, nil)
			wantListed(t, s,
				fmt.Sprint(group, " ", e2, " all but []"),
				fmt.Sprint(group, " ", e0, " all but []"),
				fmt.Sprint(specific, " ", e2, " only [", c.a, " ", c.b, "]"),
				fmt.Sprint(specific, " ", e0, " only [", c.c, "]"))
			change(socket.LeaveSource, socket.Group{Address: specific, Source: source(c.a), Interface: e2}, nil)
			change(socket.LeaveSource, socket.Group{Address: specific, Source: source(c.b), Interface: e2}, nil)
			change(socket.LeaveGroup, socket.Group{Address: group, Interface: e0}, nil)
			change(socket.LeaveGroup, socket.Group{Address: group}, nil)
			wantListed(t, s, fmt.Sprint(specific, " ", e0, " only [", c.c, "]"))
		})
	}
}

func TestInterfaceByItsAddress(t *testing.T) {
	ns, e0, _ := twoWires(t)
	s := openThere(t, ns, socket.IPv4)
	g := socket.Group{Address: netip.MustParseAddr("239.1.2.3"), Local: netip.MustParseAddr("10.0.0.1")}
	if err := s.ChangeGroup(socket.JoinGroup, g); err != nil {
		t.Fatal(err)
	}
	wantListed(t, s, fmt.Sprint(g.Address, " ", e0, " all but []"))
	if err := s.ChangeGroup(socket.LeaveGroup, g); err != nil {
		t.Fatal(err)
	}
	wantListed(t, s)
}

func TestZoneNamesTheInterface(t *testing.T) {
	ns, e0, e2 := twoWires(t)
	s := openThere(t, ns, socket.IPv6)
	for _, c := range []struct {
		group string
		index int
		want  error
	}{
		{"ff02::123%e0", 0, nil},
		{"ff02::123%e0", e0, syscall.EADDRINUSE},
		{fmt.Sprint("ff02::123%", e2), 0, nil},
		{"ff02::456%e0", e2, syscall.EINVAL},
		{"ff02::456%nosuch0", 0, syscall.ENODEV},
		{"ff02::456%999", 0, syscall.ENODEV},
	} {
		err := s.ChangeGroup(socket.JoinGroup, socket.Group{Address: netip.MustParseAddr(c.group), Interface: c.index})
		if err != c.want {
			t.Errorf("%s by %d: %v, want %v", c.group, c.index, err, c.want)
		}
	}
	wantListed(t, s, fmt.Sprint("ff02::123 ", e0, " all but []"), fmt.Sprint("ff02::123 ", e2, " all but []"))
}

// What IPv6 says, where it differs from IPv4: there is no limit of groups, and 64 sources
// of one (net.ipv6.mld_max_msf).
func TestIPv6GroupErrors(t *testing.T) {
	lo := loopback(t)
	s := openUnbound(t, socket.IPv6)
	at := func(group string, source ...string) socket.Group {
		g := socket.Group{Address: netip.MustParseAddr(group), Interface: lo}
		for _, a := range source {
			g.Source = netip.MustParseAddr(a)
		}
		return g
	}
	nowhere := at("ff15::1")
	nowhere.Interface = 1 << 30
	for _, c := range []struct {
		name   string
		change socket.GroupChange
		group  socket.Group
		want   error
	}{
		{"no group's address", socket.JoinGroup, at("fd00::1"), syscall.EINVAL},
		{"a mapped one", socket.JoinGroup, at("::ffff:239.1.2.3"), syscall.EINVAL},
		{"no such interface", socket.JoinGroup, nowhere, syscall.ENODEV},
		{"a source of the other family", socket.JoinSource, at("ff15::1", "10.0.0.1"), syscall.EINVAL},
		{"the first", socket.JoinGroup, at("ff15::1"), nil},
		{"the same again", socket.JoinGroup, at("ff15::1"), syscall.EADDRINUSE},
		{"leaving another", socket.LeaveGroup, at("ff15::2"), syscall.EADDRNOTAVAIL},
		{"leaving elsewhere", socket.LeaveGroup, nowhere, syscall.EADDRNOTAVAIL},
		{"blocking", socket.BlockSource, at("ff15::1", "fd00::9"), nil},
		{"unblocking", socket.UnblockSource, at("ff15::1", "fd00::9"), nil},
		{"unblocking again", socket.UnblockSource, at("ff15::1", "fd00::9"), syscall.EADDRNOTAVAIL},
		{"a source", socket.JoinSource, at("ff3e::1", "fd00::9"), nil},
		{"the source again", socket.JoinSource, at("ff3e::1", "fd00::9"), syscall.EADDRNOTAVAIL},
		{"blocking in include mode", socket.BlockSource, at("ff3e::1", "fd00::9"), syscall.EINVAL},
		{"joining in include mode", socket.JoinGroup, at("ff3e::1"), syscall.EADDRINUSE},
		{"another source", socket.LeaveSource, at("ff3e::1", "fd00::8"), syscall.EADDRNOTAVAIL},
		{"the last source", socket.LeaveSource, at("ff3e::1", "fd00::9"), nil},
		{"its end", socket.LeaveGroup, at("ff3e::1"), syscall.EADDRNOTAVAIL},
	} {
		if err := s.ChangeGroup(c.change, c.group); err != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	wantListed(t, s, fmt.Sprint("ff15::1 ", lo, " all but []"))
	for n := range 100 {
		if err := s.ChangeGroup(socket.JoinGroup, at(fmt.Sprintf("ff15::1:%x", n))); err != nil {
			t.Fatalf("group %d: %v", n, err)
		}
	}
	sources := 0
	var err error
	for ; err == nil && sources < 1000; sources++ {
		err = s.ChangeGroup(socket.JoinSource, at("ff3e::2", fmt.Sprintf("fd00::%x", sources+1)))
	}
	if !errors.Is(err, syscall.ENOBUFS) {
		t.Errorf("%d sources: %v", sources, err)
	}
	all := s.Memberships()
	if last := all[len(all)-1]; len(all) != 102 || !last.Only || len(last.Sources) != sources-1 || !slices.IsSortedFunc(last.Sources, netip.Addr.Compare) {
		t.Errorf("%d memberships, the last %+v, of %d sources", len(all), last, sources-1)
	}
	four := openUnbound(t, socket.IPv4)
	if err := four.ChangeGroup(socket.JoinGroup, at("ff15::1")); err != syscall.EAFNOSUPPORT {
		t.Errorf("on an IPv4 socket: %v", err)
	}
}

// An IPv6 socket sends to groups of both families as it was told to.
func TestIPv6MulticastOptions(t *testing.T) {
	lo := loopback(t)
	s := openUnbound(t, socket.IPv6)
	for _, c := range []struct {
		option    socket.Option
		value     int
		want      error
		remaining int
	}{
		{socket.MulticastTTL, 255, nil, 255},
		{socket.MulticastTTL, 256, syscall.EINVAL, 255},
		{socket.MulticastTTL, -2, syscall.EINVAL, 255},
		{socket.MulticastTTL, 0, nil, 0},
		{socket.MulticastTTL, -1, nil, 1},
		{socket.MulticastLoopback, 0, nil, 0},
		{socket.MulticastLoopback, 7, nil, 1},
		{socket.MulticastAll, 0, nil, 0},
		{socket.MulticastAll, 7, nil, 1},
		{socket.MulticastInterface, lo, nil, lo},
		{socket.MulticastInterface, 1 << 30, syscall.EADDRNOTAVAIL, lo},
		{socket.MulticastInterface, -1, syscall.EINVAL, lo},
		{socket.MulticastInterface, 0, nil, 0},
	} {
		if err := s.SetOption(c.option, c.value); err != c.want {
			t.Errorf("%v = %d: %v, want %v", c.option, c.value, err, c.want)
		}
		if got, err := s.Option(c.option); got != c.remaining || err != nil {
			t.Errorf("%v = %d leaves %d, %v, want %d", c.option, c.value, got, err, c.remaining)
		}
	}
}

// What Linux has of its own, and is left as it is: an IPv6 socket does not hear groups of
// IPv4 that others have joined unless it is told to, though the option reads as if it did;
// and of an IPv6 group on several interfaces the filter of the last is asked.
func TestWhatIPv6GroupsHaveOfTheirOwn(t *testing.T) {
	s := openUnbound(t, socket.IPv6)
	var all4, all6 int
	err := s.control(func(fd uintptr) (errno syscall.Errno) {
		var err error
		if all4, err = unix.GetsockoptInt(int(fd), unix.SOL_IP, unix.IP_MULTICAST_ALL); err == nil {
			all6, err = unix.GetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_MULTICAST_ALL)
		}
		return errnoOf(err)
	})
	if v, e := s.Option(socket.MulticastAll); all4 != 0 || all6 != 1 || v != 1 || err != nil || e != nil {
		t.Errorf("IP_MULTICAST_ALL %d, IPV6_MULTICAST_ALL %d, %v; the option is %d, %v", all4, all6, err, v, e)
	}

	ns, e0, e2 := twoWires(t)
	listener, sender := openThere(t, ns, socket.IPv6), openThere(t, ns, socket.IPv6)
	group := netip.MustParseAddr("ff3e::123")
	own := netip.MustParseAddr("fd02::1") // e2's
	for _, err := range []error{
		listener.Bind(netip.AddrPortFrom(netip.IPv6Unspecified(), 0)),
		sender.Bind(netip.AddrPortFrom(own, 0)),
		sender.SetOption(socket.MulticastInterface, e2),
		listener.ChangeGroup(socket.JoinSource, socket.Group{Address: group, Source: own, Interface: e2}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	send := func(word string) {
		t.Helper()
		ms := []socket.Message{{Buf: []byte(word), Addr: netip.AddrPortFrom(group, listener.LocalAddr().Port())}}
		if _, err := sender.TrySend(ms); err != nil {
			t.Fatal(err)
		}
	}
	send("heard")
	if err := listener.ChangeGroup(socket.JoinSource, socket.Group{Address: group, Source: netip.MustParseAddr("fd00::9"), Interface: e0}); err != nil {
		t.Fatal(err)
	}
	send("not heard")
	if err := listener.ChangeGroup(socket.LeaveGroup, socket.Group{Address: group, Interface: e0}); err != nil {
		t.Fatal(err)
	}
	send("heard again")
	// Copies of one's own come at once.
	ms := []socket.Message{{Buf: make([]byte, 100)}, {Buf: make([]byte, 100)}, {Buf: make([]byte, 100)}}
	n, err := listener.TryRecv(ms)
	if err != nil || n != 2 || string(ms[0].Buf) != "heard" || string(ms[1].Buf) != "heard again" {
		t.Errorf("%d datagrams: %q, %v", n, ms[:n], err)
	}
}
