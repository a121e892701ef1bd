package stack

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// twoCables returns a host on two cables: eth0 with 10.0.0.2/24 and eth1 with
// 10.1.0.2/24.
func twoCables(t testing.TB, c Config) (h *host, l0, l1 *cable) {
	t.Helper()
	l0, l1 = newCable(), newCable()
	l1.mac[5] = 0x1a
	h = newHost(t, c, l0, "10.0.0.2/24")
	h.attach(t, "eth1", l1, "10.1.0.2/24")
	return h, l0, l1
}

// wayOf says where a datagram to dst goes: the first frame on a cable, or the
// errno. The next hops must be unknown.
func wayOf(t testing.TB, h *host, dst string, cables ...*cable) string {
	t.Helper()
	s := h.open(t, "")
	defer s.Close()
	if err := try(s, "x", dst+":9"); err != nil {
		return err.(syscall.Errno).Error()
	}
	for k, l := range cables {
		if lines := l.say(); len(lines) > 0 {
			return fmt.Sprintf("eth%d: %s", k, lines[0])
		}
	}
	return "nothing was sent"
}

func TestRouteLookup(t *testing.T) {
	unreachable, prohibited, invalid := syscall.EHOSTUNREACH.Error(), syscall.EACCES.Error(), syscall.EINVAL.Error()
	cases := []struct {
		rule   string
		routes []string
		dst    string
		want   string
	}{
		{"no route", nil, "192.0.2.1", syscall.ENETUNREACH.Error()},
		{"the subnet is on link", nil, "10.1.0.9", "eth1: ARP who has 10.1.0.9? tell 10.1.0.2"},
		{"default route", []string{"default via 10.0.0.1"}, "192.0.2.1", "eth0: ARP who has 10.0.0.1? tell 10.0.0.2"},
		{"the gateway's subnet gives interface and source", []string{"default via 10.1.0.1"}, "192.0.2.1",
			"eth1: ARP who has 10.1.0.1? tell 10.1.0.2"},
		{"longest prefix wins, whatever the metric", []string{"default via 10.0.0.1", "192.0.2.0/24 via 10.1.0.1 metric 9", "192.0.0.0/16 via 10.0.0.3"},
			"192.0.2.1", "eth1: ARP who has 10.1.0.1? tell 10.1.0.2"},
		{"beside the longer prefix the shorter one", []string{"192.0.2.0/24 via 10.1.0.1", "192.0.0.0/16 via 10.0.0.3"},
			"192.0.3.1", "eth0: ARP who has 10.0.0.3? tell 10.0.0.2"},
		{"a host route", []string{"192.0.2.0/24 via 10.1.0.1", "192.0.2.7/32 via 10.0.0.3"},
			"192.0.2.7", "eth0: ARP who has 10.0.0.3? tell 10.0.0.2"},
		{"lowest metric", []string{"default via 10.0.0.1 metric 5", "default via 10.1.0.1 metric 4"}, "192.0.2.1",
			"eth1: ARP who has 10.1.0.1? tell 10.1.0.2"},
		{"on link by interface", []string{"192.0.2.0/24 dev eth1"}, "192.0.2.1", "eth1: ARP who has 192.0.2.1? tell 10.1.0.2"},
		{"preferred source", []string{"default via 10.0.0.1 src 10.1.0.2"}, "192.0.2.1", "eth0: ARP who has 10.0.0.1? tell 10.1.0.2"},
		{"unreachable", []string{"default via 10.0.0.1", "unreachable 192.0.2.0/24"}, "192.0.2.1", unreachable},
		{"prohibit", []string{"default via 10.0.0.1", "prohibit 192.0.2.0/24"}, "192.0.2.1", prohibited},
		{"blackhole", []string{"default via 10.0.0.1", "blackhole 192.0.2.0/24"}, "192.0.2.1", invalid},
		{"a longer route past an unreachable one", []string{"unreachable 192.0.0.0/16", "192.0.2.0/24 via 10.0.0.1"}, "192.0.2.1",
			"eth0: ARP who has 10.0.0.1? tell 10.0.0.2"},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			h, l0, l1 := twoCables(t, Config{})
			for _, r := range c.routes {
				h.route(t, r)
			}
			if got := wayOf(t, h, c.dst, l0, l1); got != c.want {
				t.Errorf("to %s: %s, want %s", c.dst, got, c.want)
			}
			for _, r := range c.routes {
				if err := h.RemoveRoute(parseRoute(r)); err != nil {
					t.Errorf("removing %s: %v", r, err)
				}
			}
			if n := len(h.Routes()); n != 3 {
				t.Errorf("%d routes are left, want those of the 3 subnets", n)
			}
			checkLedger(t, h)
		})
	}
}

// A table of many random routes answers as searching all of them does.
func TestRouteLookupAgainstASearch(t *testing.T) {
	h, _, _ := twoCables(t, Config{})
	r := rand.New(rand.NewPCG(3, 4))
	var all []Route
	for len(all) < 300 {
		bits := r.IntN(33)
		dst := ipv4(0xc0000000|r.Uint32()&0x3f0f0f0f) & mask4(bits)
		x := Route{Destination: netip.PrefixFrom(dst.netip(), bits), Metric: r.IntN(3)}
		switch r.IntN(4) {
		case 0:
			x.Type = RouteUnreachable + RouteType(r.IntN(3))
		case 1:
			x.Interface = "eth1"
		default:
			x.Gateway = (ipv4(10<<24|3) + ipv4(len(all)%200)).netip()
		}
		if err := h.AddRoute(x); err == nil {
			all = append(all, x)
		}
	}
	st := h.state.Load()
	for range 3000 {
		dst := ipv4(0xc0000000 | r.Uint32()&0x3f0f0f0f)
		var best *Route
		for k := range all {
			x := &all[k]
			if !x.Destination.Contains(dst.netip()) {
				continue
			}
			if best == nil || x.Destination.Bits() > best.Destination.Bits() ||
				x.Destination.Bits() == best.Destination.Bits() && x.Metric < best.Metric {
				best = x
			}
		}
		got := st.lookup(dst, nil)
		switch {
		case best == nil:
			if got != nil {
				t.Fatalf("%v: got %+v, want none", dst.netip(), got)
			}
		case got == nil || got.destination() != best.Destination || got.metric != best.Metric || got.kind != best.Type:
			t.Fatalf("%v: got %+v, want %+v", dst.netip(), got, best)
		}
	}
}

func TestRoutesThatAreRefused(t *testing.T) {
	h, _, _ := twoCables(t, Config{})
	h.route(t, "192.0.2.0/24 via 10.0.0.1 metric 3")
	before := fmt.Sprint(h.Routes())
	invalid := netip.PrefixFrom(netip.MustParseAddr("10.0.0.0"), 40)
	for what, r := range map[string]Route{
		"nothing said":                     {},
		"gateway in no subnet":             {Gateway: netip.MustParseAddr("192.0.2.1")},
		"gateway in another subnet":        {Gateway: netip.MustParseAddr("10.0.0.1"), Interface: "eth1"},
		"gateway is the host itself":       {Gateway: netip.MustParseAddr("10.1.0.2")},
		"gateway is a loopback address":    {Gateway: netip.MustParseAddr("127.0.0.2")},
		"gateway is a broadcast address":   {Gateway: netip.MustParseAddr("10.0.0.255")},
		"gateway is the limited broadcast": {Gateway: netip.MustParseAddr("255.255.255.255")},
		"gateway is a group":               {Gateway: netip.MustParseAddr("224.0.0.1"), Interface: "eth0"},
		"gateway is IPv6":                  {Gateway: netip.MustParseAddr("fe80::1")},
		"unknown interface":                {Interface: "eth7"},
		"destination is v4-mapped":         {Destination: netip.MustParsePrefix("::ffff:192.0.2.0/120"), Interface: "eth0"},
		"gateway of the other family":      {Destination: netip.MustParsePrefix("2001:db8::/32"), Gateway: netip.MustParseAddr("10.0.0.1")},
		"destination is no prefix":         {Destination: invalid, Interface: "eth0"},
		"bits beyond the prefix":           {Destination: netip.MustParsePrefix("192.0.2.1/24"), Interface: "eth0"},
		"source is not local":              {Interface: "eth0", Source: netip.MustParseAddr("10.0.0.3")},
		"source is not local, IPv6":        {Interface: "eth0", Source: netip.MustParseAddr("2001:db8::1")},
		"unreachable with a gateway":       {Type: RouteUnreachable, Gateway: netip.MustParseAddr("10.0.0.1")},
		"blackhole with an interface":      {Type: RouteBlackhole, Interface: "eth0"},
		"no such type":                     {Type: 9, Interface: "eth0"},
		"the same again":                   parseRoute("192.0.2.0/24 via 10.1.0.1 metric 3"),
		"the same as a subnet's":           {Destination: netip.MustParsePrefix("10.0.0.0/24"), Interface: "eth1"},
	} {
		if err := h.AddRoute(r); err == nil {
			t.Errorf("%s: added", what)
		} else if !strings.HasPrefix(err.Error(), "stack: ") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, r := range []string{
		"192.0.2.0/24 via 10.0.0.1", "192.0.2.0/24 via 10.0.0.1 metric 3 dev eth1", "192.0.2.0/24 via 10.0.0.3 metric 3",
		"192.0.2.0/24 dev eth0 metric 3", "192.0.3.0/24 via 10.0.0.1 metric 3", "unreachable 192.0.2.0/24 metric 3",
		"10.0.0.0/24 dev eth0", "10.0.0.0/24 dev eth0 src 10.0.0.2",
	} {
		if err := h.RemoveRoute(parseRoute(r)); err == nil {
			t.Errorf("removed %s, which is not there", r)
		}
	}
	if after := fmt.Sprint(h.Routes()); after != before {
		t.Errorf("refused changes changed the routes:\n%s\n%s", before, after)
	}
}

func TestRoutingTableIsBounded(t *testing.T) {
	h, _ := onCable(t, Config{})
	// Filled from within, since adding sorts each time.
	h.update(func(st *state) error {
		for k := len(st.routes); k < maxRoutes; k++ {
			st.routes = append(st.routes, route{dst: ipv4(20<<24 | k<<4).address(), bits: 28, kind: RouteBlackhole})
		}
		return nil
	})
	if err := h.AddRoute(parseRoute("default via 10.0.0.1")); err == nil {
		t.Error("a full table took another route")
	}
	if err := h.RemoveRoute(parseRoute("blackhole 20.0.0.32/28")); err != nil {
		t.Error(err)
	}
	h.route(t, "default via 10.0.0.1")
}

func TestARouteCanBeRemovedAfterWhatItNeededIsGone(t *testing.T) {
	h, _, _ := twoCables(t, Config{})
	via := parseRoute("192.0.2.0/24 via 10.0.0.1")
	if err := h.AddRoute(via); err != nil {
		t.Fatal(err)
	}
	if err := h.eth0.RemoveAddress(netip.MustParsePrefix("10.0.0.2/24")); err != nil {
		t.Fatal(err)
	}
	if err := h.RemoveRoute(via); err != nil {
		t.Error(err)
	}
}

func TestRemovingAnInterfaceTakesItsRoutes(t *testing.T) {
	h, l0, l1 := twoCables(t, Config{})
	h.route(t, "default via 10.0.0.1")
	h.route(t, "192.0.2.0/24 via 10.1.0.1")
	h.route(t, "unreachable 192.0.3.0/24")
	if err := h.RemoveInterface("eth1"); err != nil {
		t.Fatal(err)
	}
	if got := wayOf(t, h, "192.0.2.1", l0, l1); got != "eth0: ARP who has 10.0.0.1? tell 10.0.0.2" {
		t.Error(got)
	}
	if got := fmt.Sprint(len(h.Routes())); got != "4" {
		t.Errorf("%v are left", h.Routes())
	}
	for _, err := range []error{
		h.RemoveInterface("eth1"), h.RemoveInterface("lo"), h.Interface("lo").RemoveAddress(netip.MustParsePrefix("10.0.0.2/24")),
	} {
		if err == nil {
			t.Error("done, though it cannot be")
		}
	}
}

func TestAnInterfaceThatIsDownHasNoRoutes(t *testing.T) {
	h, l0, l1 := twoCables(t, Config{})
	h.route(t, "default via 10.0.0.1")
	h.route(t, "default via 10.1.0.1 metric 1")
	s := h.open(t, "")
	h.eth0.SetUp(false)
	if got := wayOf(t, h, "192.0.2.1", l0, l1); got != "eth1: ARP who has 10.1.0.1? tell 10.1.0.2" {
		t.Error(got)
	}
	for _, dst := range []string{"10.0.0.255:9"} {
		setOption(t, s, socket.Broadcast, 1)
		if err := try(s, "x", dst); err != syscall.ENETUNREACH {
			t.Errorf("to %s: %v, want ENETUNREACH", dst, err)
		}
	}
	setOption(t, s, socket.BindInterface, h.eth0.Index())
	if err := try(s, "x", "192.0.2.1:9"); err != syscall.ENETUNREACH {
		t.Errorf("by the device: %v, want ENETUNREACH", err)
	}
	l0.expect(t, "down")
	// Its addresses stay local.
	own := h.open(t, "10.0.0.2:7")
	send(t, h.open(t, ""), "self", "10.0.0.2:7")
	if m := receive(t, own); string(m.Buf) != "self" {
		t.Errorf("received %q", m.Buf)
	}
	h.eth0.SetUp(true)
	if got := wayOf(t, h, "192.0.2.1", l0, l1); got != "eth0: ARP who has 10.0.0.1? tell 10.0.0.2" {
		t.Error(got)
	}
	checkLedger(t, h)
}

func TestSourceAddressSelection(t *testing.T) {
	cases := []struct {
		rule      string
		addresses []string // of eth0, after 10.0.0.2/24
		routes    []string
		dst, want string
	}{
		{"the address in the destination's subnet", []string{"10.5.0.2/24", "10.6.0.2/24"}, nil, "10.6.0.9", "10.6.0.2"},
		{"the first of two in one subnet", []string{"10.0.0.3/24"}, nil, "10.0.0.9", "10.0.0.2"},
		{"the address in the gateway's subnet", []string{"10.5.0.2/24"}, []string{"default via 10.5.0.1"}, "192.0.2.1", "10.5.0.2"},
		{"the longest prefix's own", []string{"10.0.0.130/25"}, nil, "10.0.0.200", "10.0.0.130"},
		{"on link outside every subnet: the interface's first", []string{"10.5.0.2/24"}, []string{"192.0.2.0/24 dev eth0"}, "192.0.2.1", "10.0.0.2"},
		{"the route's preferred source", []string{"10.5.0.2/24"}, []string{"192.0.2.0/24 dev eth0 src 10.5.0.2"}, "192.0.2.1", "10.5.0.2"},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			h, l := onCable(t, Config{})
			for _, a := range c.addresses {
				if err := h.eth0.AddAddress(netip.MustParsePrefix(a)); err != nil {
					t.Fatal(err)
				}
			}
			for _, r := range c.routes {
				h.route(t, r)
			}
			s := h.open(t, "")
			if err := s.Connect(netip.MustParseAddrPort(c.dst + ":9")); err != nil {
				t.Fatal(err)
			}
			if got := s.LocalAddr().Addr().String(); got != c.want {
				t.Errorf("the source to %s is %s, want %s", c.dst, got, c.want)
			}
			l.take()
		})
	}
}

func TestAnInterfaceWithoutAddressBorrowsOne(t *testing.T) {
	h, _, l1 := twoCables(t, Config{})
	if err := h.Interface("eth1").RemoveAddress(netip.MustParsePrefix("10.1.0.2/24")); err != nil {
		t.Fatal(err)
	}
	h.route(t, "192.0.2.0/24 dev eth1")
	if got := wayOf(t, h, "192.0.2.1", newCable(), l1); got != "eth1: ARP who has 192.0.2.1? tell 10.0.0.2" {
		t.Error(got)
	}
}

func TestAddressesThatAreRefused(t *testing.T) {
	h, _ := onCable(t, Config{})
	for _, a := range []string{
		"10.0.0.2/24", "10.0.0.2/16", "127.0.0.1/32", "0.0.0.0/8", "224.0.0.5/24", "255.255.255.255/32", "10.7.0.255/24", "::ffff:10.0.0.9/120", "::/64", "::1/128", "ff02::5/64",
	} {
		if err := h.eth0.AddAddress(netip.MustParsePrefix(a)); err == nil {
			t.Errorf("%s was added", a)
		}
	}
	if err := h.eth0.AddAddress(netip.Prefix{}); err == nil {
		t.Error("the zero prefix was added")
	}
	for _, a := range []string{"10.0.0.2/25", "10.0.0.3/24", "::1/128"} {
		if err := h.eth0.RemoveAddress(netip.MustParsePrefix(a)); err == nil {
			t.Errorf("%s was removed", a)
		}
	}
	// /31 and /32 have no broadcast address, so their last one is usable (RFC 3021).
	for _, a := range []string{"10.8.0.255/31", "10.8.1.255/32"} {
		if err := h.eth0.AddAddress(netip.MustParsePrefix(a)); err != nil {
			t.Error(err)
		}
	}
	if got := fmt.Sprint(h.eth0.Addresses()); got != "[10.0.0.2/24 10.8.0.255/31 10.8.1.255/32]" {
		t.Errorf("addresses: %s", got)
	}
}

func TestTheSubnetsRouteGoesWithItsLastAddress(t *testing.T) {
	h, l := onCable(t, Config{})
	h.eth0.AddAddress(netip.MustParsePrefix("10.0.0.3/24"))
	h.route(t, "192.0.2.0/24 dev eth0 src 10.0.0.2")
	h.eth0.RemoveAddress(netip.MustParsePrefix("10.0.0.2/24"))
	if got := wayOf(t, h, "10.0.0.9", l); got != "eth0: ARP who has 10.0.0.9? tell 10.0.0.3" {
		t.Error(got)
	}
	if got := wayOf(t, h, "192.0.2.1", l); got != syscall.ENETUNREACH.Error() {
		t.Errorf("a route whose source is gone: %s", got)
	}
	h.eth0.RemoveAddress(netip.MustParsePrefix("10.0.0.3/24"))
	if got := wayOf(t, h, "10.0.0.9", l); got != syscall.ENETUNREACH.Error() {
		t.Error(got)
	}
}

func TestAConnectedSocketWhoseSourceIsRemoved(t *testing.T) {
	h, l := onCable(t, Config{})
	h.eth0.AddNeighbor(netip.MustParseAddr("10.0.0.9"), macPeer)
	s := h.connected(t, "", "10.0.0.9:9")
	send(t, s, "one", "")
	h.eth0.RemoveAddress(netip.MustParsePrefix("10.0.0.2/24"))
	if err := try(s, "two", ""); err == nil {
		t.Error("sent from an address that is gone")
	}
	h.eth0.AddAddress(netip.MustParsePrefix("10.0.0.2/24"))
	send(t, s, "three", "")
	if n := len(l.take()); n != 2 {
		t.Errorf("%d frames were sent, want 2", n)
	}
	checkLedger(t, h)
}

func TestPointToPointLinksNeedNoNeighbours(t *testing.T) {
	l := newCable()
	l.kind, l.mac = link.IP, wire.MAC{}
	h := newHost(t, Config{}, l, "10.0.0.2/32")
	h.route(t, "default via 192.0.2.1 dev eth0") // in no subnet, and need not be
	s := h.open(t, "")
	send(t, s, "x", "198.51.100.1:9")
	if got := l.say(); len(got) != 1 || !strings.HasSuffix(got[0], ` > 198.51.100.1:9 UDP 1 B "x"`) {
		t.Errorf("sent %q", got)
	}
	server := h.open(t, "0.0.0.0:7")
	l.deliver(datagram{bare: true, payload: "in"}.frame(), nil, []byte{0x60}, []byte{0x10})
	if m := receive(t, server); string(m.Buf) != "in" {
		t.Errorf("received %q", m.Buf)
	}
	if len(h.Neighbors()) != 0 {
		t.Errorf("neighbours on a link without: %v", neighborsOf(h))
	}
	checkLedger(t, h)
}

// Whatever is reconfigured between two sends, a socket that keeps its path sends
// as one that has just been opened: never by a stale route.
func TestPathsAreRevalidated(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	h, l0, l1 := twoCables(t, Config{})
	h.route(t, "default via 10.0.0.1")
	dsts := []netip.AddrPort{
		netip.MustParseAddrPort("192.0.2.1:9"), netip.MustParseAddrPort("10.0.0.9:9"), netip.MustParseAddrPort("10.1.0.9:9"),
	}
	var sockets []*Socket
	for _, d := range dsts {
		s := h.open(t, "")
		setOption(t, s, socket.NoChecksum, 1)
		sockets = append(sockets, s)
		send(t, s, "x", d.String())
	}
	mac := byte(0)
	changes := map[string]func(){
		"address":       func() { h.eth0.AddAddress(netip.MustParsePrefix("10.0.0.77/24")) },
		"no address":    func() { h.eth0.RemoveAddress(netip.MustParsePrefix("10.0.0.2/24")) },
		"address again": func() { h.eth0.AddAddress(netip.MustParsePrefix("10.0.0.2/24")) },
		"no second":     func() { h.eth0.RemoveAddress(netip.MustParsePrefix("10.0.0.77/24")) },
		"route":         func() { h.AddRoute(parseRoute("192.0.2.0/24 via 10.1.0.1")) },
		"no route":      func() { h.RemoveRoute(parseRoute("192.0.2.0/24 via 10.1.0.1")) },
		"source":        func() { h.AddRoute(parseRoute("192.0.2.1/32 via 10.0.0.1 src 10.1.0.2")) },
		"no source":     func() { h.RemoveRoute(parseRoute("192.0.2.1/32 via 10.0.0.1 src 10.1.0.2")) },
		"prohibit":      func() { h.AddRoute(parseRoute("prohibit 10.1.0.9/32")) },
		"no prohibit":   func() { h.RemoveRoute(parseRoute("prohibit 10.1.0.9/32")) },
		"down":          func() { h.Interface("eth1").SetUp(false) },
		"up":            func() { h.Interface("eth1").SetUp(true) },
		"local":         func() { h.eth0.AddAddress(netip.MustParsePrefix("192.0.2.1/32")) },
		"not local":     func() { h.eth0.RemoveAddress(netip.MustParsePrefix("192.0.2.1/32")) },
		"MAC": func() {
			mac++
			h.eth0.AddNeighbor(netip.MustParseAddr("10.0.0.1"), wire.MAC{2, 0, 0, 0, 1, mac})
		},
		"announcement": func() {
			mac++
			l1.deliver(arpRequest(wire.MAC{2, 0, 0, 0, 2, mac}, "10.1.0.1", "10.1.0.1"))
		},
	}
	var names []string
	for n := range changes {
		names = append(names, n)
	}
	slices.Sort(names)
	result := func(s *Socket, d netip.AddrPort) string {
		err := try(s, "x", d.String())
		var out []string
		for k, l := range []*cable{l0, l1} {
			for _, f := range l.take() {
				e, _, _ := wire.ParseEthernet(f)
				if e.Type() == wire.EtherTypeARP {
					continue
				}
				ip, _, _, _ := wire.ParseIPv4(f[wire.EthernetHeaderLen:])
				out = append(out, fmt.Sprintf("eth%d to %v: %v > %v", k, e.Destination(), ip.Source(), ip.Destination()))
			}
		}
		return fmt.Sprint(err, out)
	}
	answer := func() { // whoever is asked answers
		for _, l := range []*cable{l0, l1} {
			for _, f := range l.take() {
				if p, err := wire.ParseARP(f[wire.EthernetHeaderLen:]); err == nil && p.Operation() == wire.ARPRequest {
					m := l.mac
					l.deliver(arpFrame(wire.ARPReply, m, wire.MAC{2, 0, 0, 0, 3, byte(p.TargetAddr().As4()[3])}, p.TargetAddr().String(), m, p.SenderAddr().String()))
				}
			}
		}
		l0.take()
		l1.take()
	}
	for round := range 2000 {
		name := names[r.IntN(len(names))]
		changes[name]()
		for k, d := range dsts {
			fresh := h.open(t, "")
			try(fresh, "x", d.String())
			answer() // now the next hop is known to both
			want := result(fresh, d)
			fresh.Close()
			if got := result(sockets[k], d); got != want {
				t.Fatalf("round %d, after %q, to %v: the old socket did %s, a new one %s", round, name, d, got, want)
			}
		}
	}
	checkLedger(t, h)
}

func TestChangesAfterCloseAreRefused(t *testing.T) {
	h, _ := onCable(t, Config{})
	eth0 := h.eth0
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"AddRoute":    h.AddRoute(parseRoute("default via 10.0.0.1")),
		"RemoveRoute": h.RemoveRoute(parseRoute("default via 10.0.0.1")),
		"AddAddress":  eth0.AddAddress(netip.MustParsePrefix("10.9.0.1/24")),
		"SetUp":       eth0.SetUp(true),
		"Close":       h.Close(),
		"OpenSocket":  func() error { _, err := h.OpenSocket(socket.IPv4); return err }(),
		"OpenEcho":    func() error { _, err := h.OpenEcho(nil); return err }(),
		"AddInterface": func() error {
			_, err := h.Stack.AddInterface("eth9", newCable())
			return err
		}(),
		"AddNeighbor": eth0.AddNeighbor(netip.MustParseAddr("10.0.0.9"), macPeer),
	} {
		if err != socket.ErrClosed {
			t.Errorf("%s: %v, want socket.ErrClosed", what, err)
		}
	}
}
