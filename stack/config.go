package stack

import (
	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/internal/text"
	"github.com/castnet-go/castnet/trace"
)

// Config says what a stack is like. The zero Config is a host that does not
// forward, on the system's clock, with Linux's defaults.
type Config struct {
	// Name is the host's name, for traces and messages. If empty, "stack".
	Name string

	// Clock is the time by which the stack lives. If nil, clock.System.
	// The stack uses one timer of it. It is asked for the time when a timer
	// is set, a packet is traced, an ICMP error is sent, or a socket wants
	// time stamps; never otherwise.
	Clock clock.Clock

	// Seed is where ephemeral ports, identifiers and the keys of hash tables
	// are drawn from. Two stacks with the same seed and the same input do
	// the same. If zero, it is drawn from the operating system, since ports
	// should not be predictable (RFC 6056).
	Seed [32]byte

	// Tracer is told every step of every packet. If nil, nobody is.
	Tracer trace.Tracer

	// Forwarding makes the stack a router: packets that are not its own are
	// sent on by its routes.
	Forwarding bool

	// FirstBound gives unicast to the first-bound of several sockets that
	// share a port by ReuseAddr, as Windows does, not to the last-bound.
	FirstBound bool

	// Unprivileged refuses what Linux asks a capability for: to bind ports
	// below 1024, with EACCES, and to change the interface that a socket is
	// bound to, with EPERM.
	Unprivileged bool

	// EphemeralLow and EphemeralHigh are the range of ports that bind picks
	// from for port 0, both ends included. If both are zero, 32768 to 60999.
	EphemeralLow, EphemeralHigh uint16

	// ReservedPorts are never picked for port 0; they can be bound by number.
	ReservedPorts []uint16

	// ReceiveBuffer and SendBuffer are the sizes that sockets begin with,
	// MaxReceiveBuffer and MaxSendBuffer the largest that may be asked for,
	// before it is doubled; in bytes of true size. If zero, 212992.
	ReceiveBuffer, SendBuffer       int
	MaxReceiveBuffer, MaxSendBuffer int

	// JoinSetsInterface makes joining a group on an interface that is named also set
	// the one by which the socket sends to groups (MulticastInterface), as some
	// textbooks have it. On Linux the two are apart.
	JoinSetsInterface bool

	// DADTransmits is how often others on the link are asked whether they have an IPv6
	// address before it is used, a second apart after a random time of up to a second
	// (RFC 4862, 5.4). If zero, 1, as on Linux. If negative, none are asked, and
	// addresses are used at once.
	DADTransmits int

	// AcceptRA says whether what routers advertise is heeded: default routes, prefixes,
	// addresses made of them, hop limit and MTU. If zero, it is unless the stack forwards;
	// if positive, even then; if negative, it is not (Linux's accept_ra).
	AcceptRA int

	// AnnounceAddresses sends an advertisement to all nodes for each IPv6 address that
	// begins to be used, so that who had it elsewhere in mind learns where it is now
	// (RFC 4861, 7.2.6, and Linux's ndisc_notify): for addresses that move from one
	// host to another.
	AnnounceAddresses bool

	// EUI64 makes IPv6 addresses that the stack forms itself have the interface's
	// hardware address in them (RFC 4291, appendix A), by which others can tell. If not
	// set, they are made of the Seed, the prefix and the interface's name (RFC 7217), and
	// so remain the same only if a Seed is given.
	EUI64 bool

	// Limits bound the stack's tables and queues.
	Limits Limits
}

// Limits bound the stack's tables and queues. Each field that is zero has the
// default that it names; none can be made infinite. What is bounded elsewhere, a
// socket's buffers and the queues of links, is in docs/limits.md with these.
type Limits struct {
	// Neighbors is the number of resolved or unresolved next hops. When it
	// is reached, the one that has not been used for the longest time makes
	// room. Static entries do not count. If zero, 1024.
	Neighbors int
	// NeighborQueue is the number of packets that wait for one next hop's
	// address, NeighborQueueBytes the bytes of true size that they take; then
	// the oldest make room. If zero, 1024 and 212992, which is Linux's
	// unres_qlen_bytes and as much as a socket's send buffer holds.
	NeighborQueue, NeighborQueueBytes int
	// Backlog is the number of frames that wait on one lane of an interface
	// while the stack is delivering there. If zero, 1024.
	Backlog int
	// ErrorDestinations is the number of hosts whose rate of ICMP errors is
	// remembered. If zero, 1024.
	ErrorDestinations int
	// PathMTUs is the number of paths of which an MTU is remembered that is
	// less than the interface's. When it is reached, the one that would be
	// forgotten first makes room. If zero, 4096.
	PathMTUs int
	// EchoPorts is the number of open echo ports. If zero, 256.
	EchoPorts int
	// ReassemblyMemory is the bytes of true size that fragments take whose
	// datagrams are not complete; then the oldest datagram is given up. If
	// zero, 4 MiB, as on Linux.
	ReassemblyMemory int
	// SocketGroups is the number of groups of IPv4 that a socket can join, GroupSources
	// the number of sources in its list for one of them. If zero, 20 and 10, as on
	// Linux. Of IPv6 they are 2340 and 64, likewise.
	SocketGroups, GroupSources int
	// Routers, Prefixes and AutoAddresses are the numbers of default routers, of
	// prefixes that are on the link, and of addresses made of prefixes that an interface
	// remembers of what routers advertise; more are not heeded. If zero, 16, 64 and 16.
	Routers, Prefixes, AutoAddresses int
	// CardGroups is the number of hardware addresses of groups that a card is
	// programmed for; beyond it the card lets all groups in, and the stack alone
	// decides. If zero, 256.
	CardGroups int
}

// Linux's defaults.
const (
	defaultBuffer        = 212992 // net.core.rmem_default
	minReceiveBuffer     = 2304   // SOCK_MIN_RCVBUF
	minSendBuffer        = 4608   // SOCK_MIN_SNDBUF
	defaultEphemeralLow  = 32768  // net.ipv4.ip_local_port_range
	defaultEphemeralHigh = 60999
	defaultTTL           = 64
	privilegedPorts      = 1024
)

// maxConfigured is the largest size or limit: doubled it still fits into 31 bits.
const maxConfigured = 1<<30 - 1

// withDefaults returns the Config with every zero field filled in.
func (c Config) withDefaults() (Config, error) {
	if c.Name == "" {
		c.Name = "stack"
	}
	if c.Clock == nil {
		c.Clock = clock.System
	}
	if c.DADTransmits == 0 {
		c.DADTransmits = 1
	}
	if c.EphemeralLow == 0 && c.EphemeralHigh == 0 {
		c.EphemeralLow, c.EphemeralHigh = defaultEphemeralLow, defaultEphemeralHigh
	}
	if c.EphemeralLow == 0 || c.EphemeralLow > c.EphemeralHigh {
		return c, text.Errorf("stack: ephemeral ports %d to %d are no range: low must be at least 1 and not above high",
			c.EphemeralLow, c.EphemeralHigh)
	}
	for _, f := range []struct {
		name string
		n    *int
		def  int
	}{
		{"ReceiveBuffer", &c.ReceiveBuffer, defaultBuffer},
		{"SendBuffer", &c.SendBuffer, defaultBuffer},
		{"MaxReceiveBuffer", &c.MaxReceiveBuffer, defaultBuffer},
		{"MaxSendBuffer", &c.MaxSendBuffer, defaultBuffer},
		{"Limits.Neighbors", &c.Limits.Neighbors, 1024},
		{"Limits.Routers", &c.Limits.Routers, 16},
		{"Limits.Prefixes", &c.Limits.Prefixes, 64},
		{"Limits.AutoAddresses", &c.Limits.AutoAddresses, 16},
		{"Limits.NeighborQueue", &c.Limits.NeighborQueue, 1024},
		{"Limits.NeighborQueueBytes", &c.Limits.NeighborQueueBytes, defaultBuffer},
		{"Limits.Backlog", &c.Limits.Backlog, 1024},
		{"Limits.ErrorDestinations", &c.Limits.ErrorDestinations, 1024},
		{"Limits.PathMTUs", &c.Limits.PathMTUs, 4096},
		{"Limits.EchoPorts", &c.Limits.EchoPorts, 256},
		{"Limits.ReassemblyMemory", &c.Limits.ReassemblyMemory, 4 << 20},
		{"Limits.SocketGroups", &c.Limits.SocketGroups, 20},
		{"Limits.GroupSources", &c.Limits.GroupSources, 10},
		{"Limits.CardGroups", &c.Limits.CardGroups, 256},
	} {
		if *f.n < 0 {
			return c, text.Errorf("stack: %s is %d; it cannot be negative", f.name, *f.n)
		}
		if *f.n > maxConfigured {
			return c, text.Errorf("stack: %s is %d; the most is %d", f.name, *f.n, maxConfigured)
		}
		if *f.n == 0 {
			*f.n = f.def
		}
	}
	return c, nil
}
