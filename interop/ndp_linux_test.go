package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/link/tap"
	"github.com/castnet-go/castnet/stack"
	"github.com/castnet-go/castnet/wire"
)

// What neighbours say (RFC 4861, 4).
const (
	routerSolicitation    = "133"
	neighborSolicitation  = "135"
	neighborAdvertisement = "136"
)

// ndpMessages ends the capture and returns our messages of that type about an address:
// from, to, the hardware address they went to, the one that they tell, and the hop
// limit.
func (w *world) ndpMessages(kind string, target netip.Addr) (list []string) {
	w.t.Helper()
	field := map[string]string{neighborSolicitation: "icmpv6.nd.ns.target_address", neighborAdvertisement: "icmpv6.nd.na.target_address"}[kind]
	for _, f := range w.ourFrames(fmt.Sprintf("icmpv6.type==%s && %s==%v", kind, field, target),
		"ipv6.src", "ipv6.dst", "eth.dst", "icmpv6.opt.linkaddr", "ipv6.hlim") {
		list = append(list, strings.Join(f, " "))
	}
	return list
}

// The kernel asks who has our address, by the group in which it is asked for, and
// learns it from our answer; and we know who asked.
func TestKernelSolicitsUs(t *testing.T) {
	t.Parallel()
	w := newSixWorld(t)
	w.openDirect()
	c := w.listen(7410)
	k := six.kernelSocketOn(t, w.ns, "cn0", netip.AddrPortFrom(six.kernel[0], 0))
	_, err := k.WriteToUDPAddrPort([]byte("hello"), netip.AddrPortFrom(six.ours, 7410))
	must(t, err)
	if n, from, err := c.ReadFromUDPAddrPort(make([]byte, 100)); err != nil || n != 5 || from.Addr() != six.kernel[0] {
		t.Fatalf("%d bytes from %v, %v", n, from, err)
	}
	if n := w.kernelNeighbor(six.ours); n.MAC != ourMAC || !slices.Contains(n.State, "REACHABLE") || n.Router != nil {
		t.Errorf("the kernel knows %+v", n)
	}
	if n := w.neighbor(six.kernel[0]); n.MAC != w.kernelMAC() || n.State == stack.NeighborReachable || n.Router {
		t.Errorf("we know %+v, want %v, unconfirmed", n, w.kernelMAC())
	}
	want := []string{fmt.Sprint(six.ours, " ", six.kernel[0], " ", w.kernelMAC(), " ", ourMAC, " 255")}
	if got := w.ndpMessages(neighborAdvertisement, six.ours); !slices.Equal(got, want) {
		t.Errorf("we advertised %q, want %q", got, want)
	}
}

// We ask who has the kernel's address; what is sent meanwhile waits, and is not
// overtaken. A station that changes its hardware address says so to all, and is believed.
func TestWeSolicitKernel(t *testing.T) {
	t.Parallel()
	w := newSixWorld(t)
	w.openDirect()
	k := six.kernelSocketOn(t, w.ns, "cn0", netip.AddrPortFrom(six.kernel[0], 7411))
	c := w.listenOn(netip.AddrPortFrom(six.ours, 0))
	must(t, c.Connect(netip.AddrPortFrom(six.kernel[0], 7411)))
	const n = 50
	for i := range n {
		_, err := c.Write([]byte{byte(i)})
		must(t, err)
	}
	buf := make([]byte, 100)
	for i := range n {
		if l, from, err := k.ReadFromUDPAddrPort(buf); err != nil || l != 1 || buf[0] != byte(i) || from.Addr() != six.ours {
			t.Fatalf("datagram %d: %x from %v, %v", i, buf[:l], from, err)
		}
	}
	before, after := w.kernelMAC(), wire.MAC{2, 0xca, 0x57, 0, 0, 9}
	if n := w.neighbor(six.kernel[0]); n.MAC != before || n.State != stack.NeighborReachable {
		t.Errorf("we know %+v, want %v, reachable", n, before)
	}
	w.ns.Sysctl(t, "ipv6/conf/cn0/ndisc_notify", "1")
	w.ns.Run(t, "ip", "link", "set", "dev", "cn0", "address", after.String())
	eventually(t, "the new address to be known", func() bool { return w.neighbor(six.kernel[0]).MAC == after })
	_, err := c.Write([]byte("hello"))
	must(t, err)
	_, err = k.Read(buf)
	must(t, err)
	w.wantDrops(map[drop.Reason]uint64{})

	group := solicitedNode(six.kernel[0])
	first := fmt.Sprint(six.ours, " ", group, " ", multicastMAC(group.String()), " ", ourMAC, " 255")
	if got := w.ndpMessages(neighborSolicitation, six.kernel[0]); len(got) == 0 || got[0] != first {
		t.Errorf("we asked %q, want %q first", got, first)
	}
}

// Nobody has the address: three questions, a second apart, and the datagram is dropped
// with its reason.
func TestUnreachableIPv6(t *testing.T) {
	t.Parallel()
	w := newSixWorld(t)
	w.openDirect()
	nobody := netip.MustParseAddr("fd00::77")
	c := w.listenOn(netip.AddrPortFrom(six.ours, 0))
	_, err := c.WriteToUDPAddrPort([]byte("hello"), netip.AddrPortFrom(nobody, 7412))
	must(t, err)
	eventually(t, "the datagram to be dropped", func() bool { return w.stack.Drops().Get(drop.NeighborUnreachable) > 0 })
	w.wantDrops(map[drop.Reason]uint64{drop.NeighborUnreachable: 1})
	if n := w.neighbor(nobody); n.State != stack.NeighborFailed {
		t.Errorf("we know %+v, want failed", n)
	}
	asked := w.ourFrames(fmt.Sprintf("icmpv6.nd.ns.target_address==%v && ipv6.dst==%v", nobody, solicitedNode(nobody)), "frame.time_epoch")
	if len(asked) != 3 {
		t.Fatalf("%d questions were asked, want 3", len(asked))
	}
	for i := range asked[1:] {
		if gap := seconds(t, asked[i+1][0]) - seconds(t, asked[i][0]); gap < 0.95 || gap > 5 {
			t.Errorf("%.3f seconds between questions, want 1", gap)
		}
	}
}

// addressState returns what our interface knows of an address of its own.
func (w *world) addressState(a netip.Addr) (stack.Address6, bool) {
	for _, x := range w.iface.Addresses6() {
		if x.Prefix.Addr() == a {
			return x, true
		}
	}
	return stack.Address6{}, false
}

// Each finds out that the other has the address that it wants (RFC 4862, 5.4), and an
// address that nobody has is used after it was asked for.
func TestDuplicateAddresses(t *testing.T) {
	t.Parallel()
	w := newSixWorld(t)
	w.config.DADTransmits = 1
	w.openDirect()
	state := func(a netip.Addr, want stack.AddressState) {
		t.Helper()
		eventually(t, fmt.Sprint(a, " to be ", want), func() bool {
			x, ok := w.addressState(a)
			return ok && x.State == want
		})
	}
	theirs, free := six.kernel[1], netip.MustParseAddr("fd00::55")
	must(t, w.iface.AddAddress(six.prefix(theirs)))
	must(t, w.iface.AddAddress(six.prefix(free)))
	if x, _ := w.addressState(free); x.State != stack.AddressTentative {
		t.Errorf("%v is %v before anybody was asked", free, x.State)
	}
	state(six.ours, stack.AddressPreferred)
	state(theirs, stack.AddressDuplicate)
	state(free, stack.AddressPreferred)
	w.ns.Sysctl(t, "ipv6/conf/cn0/accept_dad", "1")
	w.ns.Run(t, "ip", "-6", "addr", "add", six.prefix(free).String(), "dev", "cn0")
	eventually(t, "the kernel to find a duplicate", func() bool {
		return strings.Contains(w.ns.Run(t, "ip", "-6", "addr", "show", "dev", "cn0", "dadfailed"), free.String())
	})

	group := solicitedNode(theirs)
	want := []string{fmt.Sprint(":: ", group, " ", multicastMAC(group.String()), "  255")}
	if got := w.ndpMessages(neighborSolicitation, theirs); !slices.Equal(got, want) {
		t.Errorf("we asked %q, want %q", got, want)
	}
	// Whoever asks for it has no address to be answered at.
	want = []string{fmt.Sprint(free, " ff02::1 33:33:00:00:00:01 ", ourMAC, " 255")}
	if got := w.ndpMessages(neighborAdvertisement, free); !slices.Equal(got, want) {
		t.Errorf("we advertised %q, want %q", got, want)
	}
}

// openBare opens a stack on a TAP device that has no address but those it makes itself.
func (w *world) openBare(host ...netip.Prefix) {
	w.t.Helper()
	cfg := w.config
	cfg.Name = "ours"
	s, err := stack.New(cfg)
	must(w.t, err)
	var l *tap.Link
	w.ns.Do(func() { l, err = tap.Open("cn0", tap.Config{Address: ourMAC, HostAddresses: host}) })
	must(w.t, err)
	w.stack = s
	w.iface, err = s.AddInterface("cn0", l)
	must(w.t, err)
	must(w.t, w.iface.EnableIPv6())
	w.count = func() uint64 { return w.iface.Stats().SentPackets }
	w.t.Cleanup(func() {
		must(w.t, s.Close())
		if l := s.Ledger(); !l.Balanced() {
			w.t.Errorf("the ledger does not balance: %+v", l)
		}
	})
}

// radvdConfiguration is what the router tells.
const radvdConfiguration = `interface cn0 {
	AdvSendAdvert on;
	MinRtrAdvInterval 3;
	MaxRtrAdvInterval 4;
	AdvLinkMTU 1400;
	AdvCurHopLimit 77;
	prefix fd00:0:0:5::/64 { AdvValidLifetime 3600; AdvPreferredLifetime 1800; };
};
`

// The kernel is the router, and radvd tells of it: we make ourselves an address, a route
// and an MTU of that, reach a host behind it, and have no route when it is over.
func TestKernelIsRouter(t *testing.T) {
	t.Parallel()
	w := newSixWorld(t, "radvd")
	w.config.DADTransmits = 1
	w.ns.Sysctl(t, "ipv6/conf/all/forwarding", "1")
	prefix, far := netip.MustParsePrefix("fd00:0:0:5::/64"), netip.MustParseAddr("fd00:0:0:6::2")
	w.openBare(netip.MustParsePrefix("fd00:0:0:5::1/64"))
	farNS := w.behindRouterIPv6(netip.MustParsePrefix("fd00:0:0:6::1/64"), netip.PrefixFrom(far, 64))
	six.settled(t, w.ns)
	// As long as there is no router we ask for one.
	eventually(t, "our link-local address", func() bool {
		a, ok := w.addressState(w.linkLocal())
		return ok && a.State == stack.AddressPreferred
	})
	config := filepath.Join(w.dir, "radvd.conf")
	must(t, os.WriteFile(config, []byte(radvdConfiguration), 0o644))
	radvd := start(t, w.ns, nil, "radvd", "-n", "-m", "stderr", "-C", config, "-p", filepath.Join(w.dir, "radvd.pid"))

	var own stack.Address6
	eventually(t, "an address made of the prefix", func() bool {
		i := slices.IndexFunc(w.iface.Addresses6(), func(a stack.Address6) bool {
			return a.Origin == stack.OriginRouter && a.State == stack.AddressPreferred && prefix.Contains(a.Prefix.Addr())
		})
		if i >= 0 {
			own = w.iface.Addresses6()[i]
		}
		return i >= 0
	})
	if own.Valid > time.Hour || own.Valid < 3500*time.Second || own.Preferred > 1800*time.Second {
		t.Errorf("our address is %+v, want lifetimes of 3600 s and 1800 s", own)
	}
	router := w.kernelLinkLocal("cn0")
	if r := w.iface.Routers(); len(r) != 1 || r[0].Addr != router {
		t.Errorf("our routers are %+v, want %v", r, router)
	}
	k := six.kernelSocketOn(t, farNS, "far0", netip.AddrPortFrom(far, 7420))
	c := w.listenOn(netip.AddrPortFrom(netip.IPv6Unspecified(), 0))
	must(t, c.Connect(netip.AddrPortFrom(far, 7420)))
	backAndForth(t, c, k, 1, 1400-48)
	// What the router tells of the link it heeds itself, and the host beyond learns it
	// from a datagram that is lost.
	_, err := k.WriteToUDPAddrPort(payload(1400-48+1), c.LocalAddr().(*net.UDPAddr).AddrPort())
	must(t, err)
	eventually(t, "the host beyond to learn the path's MTU", func() bool {
		return strings.Contains(farNS.Run(t, "ip", "-6", "route", "get", own.Prefix.Addr().String()), "mtu 1400")
	})
	backAndForth(t, c, k, 1400-48+1, 5000)
	if mtu, err := c.PathMTU(); err != nil || mtu != 1400 {
		t.Errorf("the path's MTU is %d, %v; want 1400", mtu, err)
	}
	radvd.interrupt()
	radvd.end(0)
	eventually(t, "the router to be none", func() bool { return len(w.iface.Routers()) == 0 })
	if _, err := c.Write([]byte("hello")); !errors.Is(err, unix.ENETUNREACH) {
		t.Errorf("sending without a router: %v, want %v", err, unix.ENETUNREACH)
	}
	w.wantDrops(map[drop.Reason]uint64{})
	for _, f := range w.ourFrames("udp || ipv6.fraghdr", "ipv6.src", "ipv6.hlim", "frame.len") {
		if f[0] != own.Prefix.Addr().String() || f[1] != "77" {
			t.Errorf("we sent a packet from %s with the hop limit %s; want %v, 77", f[0], f[1], own.Prefix.Addr())
		}
	}
	if got := w.ourFrames("icmpv6.type=="+routerSolicitation, "ipv6.dst", "ipv6.hlim"); len(got) == 0 || strings.Join(got[0], " ") != "ff02::2 255" {
		t.Errorf("we asked for routers %q, want ff02::2 255 first", got)
	}
}

// behindRouterIPv6 returns a namespace that is joined to the world's by a veth, whose
// host has the world's kernel as its router.
func (w *world) behindRouterIPv6(near, far netip.Prefix) *netns.Namespace {
	w.t.Helper()
	ns := netns.New(w.t)
	six.speak(w.t, ns, "default")
	w.stations = []wire.MAC{{2, 0xca, 0x57, 0, 1, 1}, {2, 0xca, 0x57, 0, 1, 2}}
	var thread int
	ns.Do(func() { thread = unix.Gettid() })
	for _, line := range []string{
		fmt.Sprintf("link add near0 address %v type veth peer name far0 address %v netns /proc/%d/ns/net", w.stations[0], w.stations[1], thread),
		"addr add " + near.String() + " dev near0",
		"link set near0 up",
	} {
		w.ns.Run(w.t, "ip", strings.Fields(line)...)
	}
	for _, line := range []string{
		"addr add " + far.String() + " dev far0",
		"link set far0 up",
		"route add default via " + near.Addr().String(),
	} {
		ns.Run(w.t, "ip", append([]string{"-6"}, strings.Fields(line)...)...)
	}
	six.settled(w.t, ns)
	return ns
}

// We are the router: the kernel makes itself an address and a route of what we tell, and
// reaches by us what is elsewhere.
func TestKernelHearsOurAdvertisements(t *testing.T) {
	t.Parallel()
	w := newSixWorld(t, "ping")
	w.config.Forwarding = true
	w.ns.Sysctl(t, "ipv6/conf/default/accept_ra", "1")
	w.openBare()
	inside, elsewhere := netip.MustParsePrefix("fd00:0:0:7::1/64"), netip.MustParsePrefix("fd00:0:0:8::1/64")
	must(t, w.iface.AddAddress(inside))
	must(t, w.iface.AddAddress(elsewhere))
	must(t, w.iface.Advertise(stack.Advertisement{
		HopLimit: 55, MTU: 1300,
		Prefixes: []stack.AdvertisedPrefix{{Prefix: inside.Masked(), Valid: time.Hour, Preferred: time.Minute}},
	}))
	var list []struct {
		Addresses []struct {
			Local     netip.Addr `json:"local"`
			Dynamic   bool       `json:"dynamic"`
			Valid     int        `json:"valid_life_time"`
			Preferred int        `json:"preferred_life_time"`
		} `json:"addr_info"`
	}
	eventually(t, "the kernel to make itself an address", func() bool {
		must(t, json.Unmarshal([]byte(w.ns.Run(t, "ip", "-6", "-json", "addr", "show", "dev", "cn0", "scope", "global")), &list))
		return len(list) > 0 && len(list[0].Addresses) > 0
	})
	if a := list[0].Addresses[0]; !inside.Masked().Contains(a.Local) || !a.Dynamic || a.Valid > 3600 || a.Valid < 3500 || a.Preferred > 60 {
		t.Errorf("the kernel's address is %+v, want one of %v for 3600 s and 60 s", a, inside.Masked())
	}
	route := w.ns.Run(t, "ip", "-6", "route", "show", "default")
	if !strings.Contains(route, fmt.Sprint("via ", w.linkLocal(), " dev cn0 proto ra")) || !strings.Contains(route, "mtu 1300") || !strings.Contains(route, "hoplimit 55") {
		t.Errorf("the kernel's route is %q, want one by %v with MTU 1300 and hop limit 55", route, w.linkLocal())
	}
	six.settled(t, w.ns)
	out := start(t, w.ns, nil, "ping", "-6", "-n", "-c", "3", "-i", "0.01", "-w", "20", "-s", "3000", elsewhere.Addr().String()).end(0)
	if strings.Count(out, "3008 bytes from "+elsewhere.Addr().String()) < 3 {
		t.Errorf("want three answers of what is elsewhere:\n%s", out)
	}
	w.iface.StopAdvertising()
	eventually(t, "the kernel to forget the router", func() bool { return w.ns.Run(t, "ip", "-6", "route", "show", "default") == "" })
	w.wantDrops(map[drop.Reason]uint64{})
}
