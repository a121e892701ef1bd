package conformance

import (
	"net/netip"
	"testing"
	"time"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// Kind says what a Machine's network is.
type Kind string

// The networks that are held to the rules.
const (
	Host  Kind = "host"  // package host: the operating system
	Stack Kind = "stack" // package stack
)

// Needs says what a case asks of the machine it runs on.
type Needs uint16

const (
	// Wires asks for eth0 and eth1 besides loopback, and the plan's routes.
	Wires Needs = 1 << iota
	// Unprivileged asks for a network that refuses what needs a privilege:
	// ports below 1024, and another interface than a socket is bound to.
	Unprivileged
	// Reserved asks that the ReservedPort be never picked.
	Reserved
	// FirstBound asks for the stack's option of that name.
	FirstBound
	// DefaultRoute adds a default route by eth0.
	DefaultRoute
	// Unlimited takes the kernel's limits off ICMP errors, for those who run
	// many things on one machine. The stack has its own, each time anew.
	Unlimited
	// SourceCheck asks the kernel for net.ipv4.conf.*.rp_filter 2, without
	// which it looks for own addresses only among sources. The stack always
	// looks for all that cannot be one.
	SourceCheck
	// Router asks for a machine that sends on what is not its own.
	Router
	// BriefPaths makes the kernel remember path MTUs for seconds, not for ten
	// minutes; PathLife says for how long. The stack's time costs nothing.
	BriefPaths
	// FullDevice makes eth1 a device that sends a kilobyte a second and has room
	// for little more; what is too much it refuses.
	FullDevice
	// LocalRange makes the addresses of 203.0.113.0/24 local where packets
	// come in: the kernel's by a route of type local, the stack's eth0 by
	// being transparent for them.
	LocalRange
	// IPv6 makes eth0, besides Wires, speak IPv6: by its link-local address with the
	// hardware address in it, and 2001:db8::1/64. Nobody at the far end answers, and
	// routers are heeded.
	IPv6
	// Tests6 makes a machine with IPv6 test its addresses before it uses them.
	Tests6
	// Both6 makes eth1 speak IPv6 as well, with 2001:db8:1::1/64, and adds the plan's
	// routes of IPv6. At the far ends every address that ends in a number below 100
	// or in 254 answers neighbour solicitations.
	Both6
)

// localRange is what the need LocalRange is about.
const localRange = "203.0.113.0/24"

// ReservedPort is the port that a machine made with Reserved does not pick.
const ReservedPort = 40000

// The plan: the addresses, routes and neighbours of a machine with Wires.
//
//	eth0  10.0.0.1/24 and 10.0.0.7/24
//	eth1  10.1.0.1/24, 10.2.0.0/31, 10.3.0.1/32
//
//	198.51.100.0/24    by 10.0.0.254
//	198.51.100.128/25  by 10.1.0.254
//	198.18.0.0/24      by 10.0.0.254, from 10.0.0.7
//	192.0.2.0/26       unreachable
//	192.0.2.64/26      prohibit
//	192.0.2.128/26     blackhole
//	203.0.113.0/24     no route
//
// With Both6 also:
//
//	2001:db8:a::/48  by 2001:db8::fe
//	2001:db8:b::/48  by 2001:db8:1::fe
//	2001:db8:c::/48  unreachable
//	2001:db8:d::/48  prohibit
//	2001:db8:e::/48  blackhole
//
// On the far ends, every address that ends in a number below 100, and the gateways,
// answer ARP; the others do not, and nor does 127.0.0.0/8.
type plan struct {
	interfaces []planInterface
	routes     []planRoute
}

type planInterface struct {
	name      string
	mac       wire.MAC
	addresses []netip.Prefix
}

type planRoute struct {
	destination netip.Prefix
	kind        string // "", "unreachable", "prohibit", "blackhole"
	gateway     netip.Addr
	source      netip.Addr
}

const wireMTU = 1500

var thePlan = plan{
	interfaces: []planInterface{
		{"eth0", wire.MAC{2, 0, 0, 0, 0, 1}, prefixes("10.0.0.1/24", "10.0.0.7/24")},
		{"eth1", wire.MAC{2, 0, 0, 0, 1, 1}, prefixes("10.1.0.1/24", "10.2.0.0/31", "10.3.0.1/32")},
	},
	routes: []planRoute{
		{netip.MustParsePrefix("198.51.100.0/24"), "", netip.MustParseAddr("10.0.0.254"), netip.Addr{}},
		{netip.MustParsePrefix("198.51.100.128/25"), "", netip.MustParseAddr("10.1.0.254"), netip.Addr{}},
		{netip.MustParsePrefix("198.18.0.0/24"), "", netip.MustParseAddr("10.0.0.254"), netip.MustParseAddr("10.0.0.7")},
		{netip.MustParsePrefix("192.0.2.0/26"), "unreachable", netip.Addr{}, netip.Addr{}},
		{netip.MustParsePrefix("192.0.2.64/26"), "prohibit", netip.Addr{}, netip.Addr{}},
		{netip.MustParsePrefix("192.0.2.128/26"), "blackhole", netip.Addr{}, netip.Addr{}},
	},
}

// defaultRoute is what the need DefaultRoute adds.
var defaultRoute = planRoute{netip.MustParsePrefix("0.0.0.0/0"), "", netip.MustParseAddr("10.0.0.254"), netip.Addr{}}

// routes6 are what the need Both6 adds.
var routes6 = []planRoute{
	{netip.MustParsePrefix("2001:db8:a::/48"), "", netip.MustParseAddr("2001:db8::fe"), netip.Addr{}},
	{netip.MustParsePrefix("2001:db8:b::/48"), "", netip.MustParseAddr("2001:db8:1::fe"), netip.Addr{}},
	{netip.MustParsePrefix("2001:db8:c::/48"), "unreachable", netip.Addr{}, netip.Addr{}},
	{netip.MustParsePrefix("2001:db8:d::/48"), "prohibit", netip.Addr{}, netip.Addr{}},
	{netip.MustParsePrefix("2001:db8:e::/48"), "blackhole", netip.Addr{}, netip.Addr{}},
}

// second6 is eth1's with Both6.
const second6 = "2001:db8:1::1"

// routesFor returns the plan's routes of IPv4 for the needs.
func routesFor(needs Needs) []planRoute {
	if needs&DefaultRoute != 0 {
		return append(thePlan.routes[:len(thePlan.routes):len(thePlan.routes)], defaultRoute)
	}
	return thePlan.routes
}

// answersARP reports whether somebody has the address at the far end of a wire.
func answersARP(a netip.Addr) bool {
	last := a.As4()[3]
	return (last < 100 || last == 254) && !a.IsLoopback()
}

func prefixes(list ...string) []netip.Prefix {
	ps := make([]netip.Prefix, len(list))
	for i, s := range list {
		ps[i] = netip.MustParsePrefix(s)
	}
	return ps
}

// A Machine is a host under test: a network, and the far ends of its wires.
type Machine struct {
	socket.Network
	Kind       Kind
	Eth0, Eth1 *Wire // nil unless made with Wires

	// Patience is how long to wait for what must come.
	Patience time.Duration

	// PathLife is how long path MTUs are remembered.
	PathLife time.Duration

	// Six is IPv6's; nil unless made with IPv6.
	Six six

	elapse  func(d time.Duration)
	forget  func()
	forget6 func(tb testing.TB)
	setUp   func(tb testing.TB, name string, up bool)
	check   func() error
}

// Elapse lets time pass for the machine: on the host by sleeping.
func (m *Machine) Elapse(d time.Duration) { m.elapse(d) }

// ForgetPaths makes the machine forget what it has learned of paths.
func (m *Machine) ForgetPaths() {
	if m.forget != nil {
		m.forget()
	}
}

// ForgetPaths6 is ForgetPaths for IPv6.
func (m *Machine) ForgetPaths6(tb testing.TB) {
	tb.Helper()
	if m.forget6 != nil {
		m.forget6(tb)
	}
}

// SetUp takes the interface of that name down or brings it up again.
func (m *Machine) SetUp(tb testing.TB, name string, up bool) {
	tb.Helper()
	m.setUp(tb, name, up)
}

// Check returns an error if the machine's own accounts do not agree: the stack's
// ledger. The host keeps none.
func (m *Machine) Check() error {
	if m.check == nil {
		return nil
	}
	return m.check()
}

// Settle returns when what was sent before has arrived or been lost. The kernel
// and the stack deliver within the call that sends, but for a busy kernel: a
// datagram that is sent later and has arrived is a sign that those before have
// too.
func (m *Machine) Settle(tb testing.TB) {
	tb.Helper()
	if m.Kind == Stack {
		return
	}
	s, err := m.Open(socket.IPv4)
	if err != nil {
		tb.Fatalf("Open: %v", err)
	}
	defer s.Close()
	if err := s.Bind(netip.MustParseAddrPort("127.0.0.1:0")); err != nil {
		tb.Fatalf("Bind: %v", err)
	}
	var late socket.Cancel
	timer := time.AfterFunc(m.Patience, late.Fire)
	defer timer.Stop()
	for range 2 {
		if _, err := s.TrySend([]socket.Message{{Addr: s.LocalAddr()}}); err != nil {
			tb.Fatalf("TrySend: %v", err)
		}
		if err := s.Wait(socket.Readable, &late); err != nil {
			tb.Fatalf("a datagram to oneself does not arrive: %v", err)
		}
		if _, err := s.TryRecv(make([]socket.Message, 1)); err != nil {
			tb.Fatalf("TryRecv: %v", err)
		}
	}
}

// Sent returns the IPv4 packets that the machine has sent by the wire and nobody
// has taken yet.
func (m *Machine) Sent(tb testing.TB, w *Wire) []*Packet {
	tb.Helper()
	to := netip.MustParseAddrPort("10.0.0.90:9")
	if w == m.Eth1 {
		to = netip.MustParseAddrPort("10.1.0.90:9")
	}
	s, err := m.Open(socket.IPv4)
	if err != nil {
		tb.Fatalf("Open: %v", err)
	}
	defer s.Close()
	var sent []*Packet
	// The second time also what waited for an answer to an ARP request, which
	// the wire gives before it hands up the first.
	for _, fence := range []string{"that was all", "but for what had to wait"} {
		if _, err := s.TrySend([]socket.Message{{Buf: []byte(fence), Addr: to}}); err != nil {
			tb.Fatalf("TrySend to %v: %v", to, err)
		}
		for {
			p := w.Next(tb)
			if p.UDP != nil && string(p.Data) == fence && p.Destination() == to {
				break
			}
			sent = append(sent, p)
		}
	}
	return sent
}

// Index returns the index of the interface of that name.
func (m *Machine) Index(tb testing.TB, name string) int {
	tb.Helper()
	list, err := m.Interfaces()
	if err != nil {
		tb.Fatalf("Interfaces: %v", err)
	}
	for _, ifi := range list {
		if ifi.Name == name {
			return ifi.Index
		}
	}
	tb.Fatalf("no interface is called %s: %v", name, list)
	return 0
}
