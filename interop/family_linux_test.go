package interop

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/socket"
)

// A family is what a test that holds for IPv4 and for IPv6 has to know of the one it
// is run with.
type family struct {
	name    string
	network string // of package net
	level   int    // of socket options
	bits    int    // of the prefix that all hosts share
	ours    netip.Addr
	second  netip.Addr      // another one that we can have
	kernel  []netip.Addr    // the kernel has several, to be several sources
	remote  netip.Addr      // a host beyond the bridge
	beyond  [2]netip.Prefix // another link: our address and the kernel's
	groups  [4]netip.Addr
	ssm     [4]netip.Addr // in the range of source-specific groups (RFC 4607)
	lab     labAddresses
	// twin has the hardware address of the first of the groups.
	twin netip.Addr
	// allHosts hears everybody without joining.
	allHosts netip.Addr

	// Names and arguments that programs have for the family.
	ip            string // iproute2
	udp           string // socat
	socatJoin     string
	socatMore     string // to send by the right interface
	iperf         []string
	sockets       string // of /proc/net
	ssmping       netip.Addr
	asmping       netip.Addr // groups that ssmpingd may be asked to answer by
	ssmpingFamily byte
	mdns          netip.Addr
	record        uint16 // of DNS, an address

	newest        int    // version of the protocol that tells of groups
	bridgeVersion string // a bridge's setting of it
	bridgeQueries string // what a bridge counts
}

// families are those that a test of both is run with.
var families = []*family{
	{
		name: "IPv4", network: "udp4", level: unix.IPPROTO_IP, bits: 24,
		newest: 3, bridgeVersion: "mcast_igmp_version", bridgeQueries: "igmp_queries",
		ours: ours, second: netip.MustParseAddr("10.0.0.22"),
		kernel: addrs("10.0.0.1", "10.0.0.11", "10.0.0.12"),
		remote: netip.MustParseAddr("10.0.0.3"),
		beyond: [2]netip.Prefix{netip.MustParsePrefix("10.0.1.2/24"), netip.MustParsePrefix("10.0.1.1/24")},
		groups: [4]netip.Addr(addrs("239.1.2.3", "239.1.2.4", "239.1.2.5", "239.1.2.6")),
		ssm:    [4]netip.Addr(addrs("232.1.3.3", "232.1.3.4", "232.1.3.5", "232.1.3.6")),
		twin:   netip.MustParseAddr("239.129.2.3"),
		lab: labAddresses{
			first: ours, onward: netip.MustParseAddr("10.0.1.1"), second: netip.MustParseAddr("10.0.1.2"), last: netip.MustParseAddr("10.0.2.1"),
			host: netip.MustParseAddr("10.0.2.2"), nobody: netip.MustParseAddr("10.0.2.99"), all: netip.MustParsePrefix("10.0.0.0/16"),
		},
		allHosts: netip.MustParseAddr("224.0.0.1"),
		ip:       "-4", udp: "UDP4", socatJoin: "ip-add-membership", socatMore: "ip-multicast-if=10.0.0.1", sockets: "udp",
		ssmping: netip.MustParseAddr("232.43.211.234"), asmping: netip.MustParseAddr("239.3.4.234"), ssmpingFamily: 1,
		mdns: netip.MustParseAddr("224.0.0.251"), record: dns.TypeA,
	},
	{
		name: "IPv6", network: "udp6", level: unix.IPPROTO_IPV6, bits: 64,
		newest: 2, bridgeVersion: "mcast_mld_version", bridgeQueries: "mld_queries",
		ours: netip.MustParseAddr("fd00::2"), second: netip.MustParseAddr("fd00::22"),
		kernel: addrs("fd00::1", "fd00::11", "fd00::12"),
		remote: netip.MustParseAddr("fd00::3"),
		beyond: [2]netip.Prefix{netip.MustParsePrefix("fd00:0:0:1::2/64"), netip.MustParsePrefix("fd00:0:0:1::1/64")},
		groups: [4]netip.Addr(addrs("ff15::101:203", "ff15::101:204", "ff15::101:205", "ff15::101:206")),
		ssm:    [4]netip.Addr(addrs("ff35::8001:303", "ff35::8001:304", "ff35::8001:305", "ff35::8001:306")),
		twin:   netip.MustParseAddr("ff15::1:0:101:203"),
		lab: labAddresses{
			first: netip.MustParseAddr("fd00::2"), onward: netip.MustParseAddr("fd00:0:0:1::1"), second: netip.MustParseAddr("fd00:0:0:1::2"), last: netip.MustParseAddr("fd00:0:0:2::1"),
			host: netip.MustParseAddr("fd00:0:0:2::2"), nobody: netip.MustParseAddr("fd00:0:0:2::99"), all: netip.MustParsePrefix("fd00::/48"),
		},
		allHosts: netip.MustParseAddr("ff02::1"),
		// socat's option for looping is IPv4's: this is IPV6_MULTICAST_LOOP.
		ip: "-6", udp: "UDP6", socatJoin: "ipv6-join-group", socatMore: "setsockopt-int=41:19:0", iperf: []string{"-V"}, sockets: "udp6",
		ssmping: netip.MustParseAddr("ff3e::4321:1234"), asmping: netip.MustParseAddr("ff15::4321:1234"), ssmpingFamily: 2,
		mdns: netip.MustParseAddr("ff02::fb"), record: dns.TypeAAAA,
	},
}

// is6 reports whether it is IPv6.
func (f *family) is6() bool { return f.level == unix.IPPROTO_IPV6 }

func addrs(texts ...string) (list []netip.Addr) {
	for _, s := range texts {
		list = append(list, netip.MustParseAddr(s))
	}
	return list
}

// eachFamily runs a test once for each, beside others.
func eachFamily(t *testing.T, test func(t *testing.T, f *family)) {
	t.Parallel()
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			test(t, f)
		})
	}
}

// prefix returns an address with the prefix all hosts share.
func (f *family) prefix(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, f.bits) }

// bracketed returns an address as socat and URLs have it.
func (f *family) bracketed(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}

// newFamilyWorld is newWorld for a test that is run for each family.
func newFamilyWorld(t *testing.T, f *family, programs ...string) *world {
	t.Helper()
	w := newWorld(t, programs...)
	w.family, w.chatter = f, f.is6()
	// Nobody else has our addresses, and what is to be proved of that is proved by
	// tests of its own.
	w.config.DADTransmits = -1
	t.Cleanup(w.judgeReports)
	return w
}

// speak lets a device of a kernel's speak the family; "default" is every device that
// is made later. Its addresses may be used at once.
func (f *family) speak(t *testing.T, ns *netns.Namespace, device string) {
	t.Helper()
	if f.is6() {
		ns.Sysctl(t, "ipv6/conf/"+device+"/accept_dad", "0")
		ns.Sysctl(t, "ipv6/conf/"+device+"/router_solicitations", "0")
		ns.Sysctl(t, "ipv6/conf/"+device+"/disable_ipv6", "0")
	}
}

// openDirect opens a stack on a TAP device whose other end is the kernel, with all
// its addresses.
func (w *world) openDirect() {
	w.t.Helper()
	f := w.family
	f.speak(w.t, w.ns, "default")
	w.openOn(fmt.Sprintf("tap,name=cn0,addr=%v,host=%v,mac=%v", f.prefix(f.ours), f.prefix(f.kernel[0]), ourMAC))
	for _, a := range f.kernel[1:] {
		w.ns.Run(w.t, "ip", "addr", "add", f.prefix(a).String(), "dev", "cn0")
	}
	f.settled(w.t, w.ns)
}

// settled waits until the addresses of a namespace can be used: with IPv6 not before the
// devices are known to be running.
func (f *family) settled(t *testing.T, ns *netns.Namespace) {
	t.Helper()
	eventually(t, "the kernel's addresses", func() bool { return ns.Run(t, "ip", f.ip, "addr", "show", "tentative") == "" })
}

// judgeReports fails the test if what we tell routers of groups is not sent as it is to
// be: to nobody beyond the link, with Router Alert, and with IPv4 under internetwork
// control (RFC 9776, 4; RFC 9777, 5).
func (w *world) judgeReports() {
	w.t.Helper()
	if w.t.Failed() {
		return
	}
	fields, sent := []string{"ip.ttl", "ip.opt.ra", "ip.dsfield", "ip.dst", "eth.dst", "ip.src"}, "1 0 0xc0"
	if w.family.is6() {
		fields, sent = []string{"ipv6.hlim", "ipv6.opt.router_alert", "ipv6.tclass", "ipv6.dst", "eth.dst", "ipv6.src"}, "1 0 0x00000000"
	}
	for _, r := range w.reports(fields...) {
		dst, mac := r.more[3], r.more[4]
		want := r.group.String()
		switch r.kind {
		case igmpV3Report:
			want = "224.0.0.22"
		case igmpV2Leave:
			want = "224.0.0.2"
		case mldV2Report:
			want = "ff02::16"
		case mldV1Done:
			want = "ff02::2"
		}
		if got := strings.Join(r.more[:3], " "); got != sent || dst != want {
			w.t.Errorf("%v was sent to %s with the TTL, Router Alert and TOS %s; want %s, %s", r, dst, got, want, sent)
		}
		if want := multicastMAC(dst); mac != want {
			w.t.Errorf("%v was sent to %s, want %s", r, mac, want)
		}
		// Before an address is known to be its own a host has none (RFC 3590).
		if src := netip.MustParseAddr(r.more[5]); src.Is6() && !src.IsLinkLocalUnicast() && !src.IsUnspecified() {
			w.t.Errorf("%v came from %v", r, src)
		}
	}
}

// version returns which version of the protocol that tells of groups we speak.
func (f *family) version(w *world) int {
	if f.is6() {
		return w.iface.MLDVersion()
	}
	return w.iface.IGMPVersion()
}

// alsoHeard adds what every host tells of: with IPv6 the groups in which it is asked for
// its addresses (RFC 4291, 2.7.1).
func (w *world) alsoHeard(groups map[netip.Addr]portGroup) map[netip.Addr]portGroup {
	for _, p := range w.iface.Addresses() {
		if a := p.Addr(); a.Is6() {
			groups[solicitedNode(a)] = listing("exclude")
		}
	}
	return groups
}

// solicitedNode returns the group in which an address is asked for.
func solicitedNode(a netip.Addr) netip.Addr {
	b := a.As16()
	return netip.AddrFrom16([16]byte{0xff, 2, 11: 1, 12: 0xff, 13: b[13], 14: b[14], 15: b[15]})
}

// olderReports is what TestBridgeSpeaksOlderVersion wants to be told.
func (f *family) olderReports() []string {
	report, leave, newest := "0x16", "0x17", "0x22"
	if f.is6() {
		report, leave, newest = "0x83", "0x84", "0x8f"
	}
	return []string{
		fmt.Sprint(report, " ", f.groups[1]), fmt.Sprint(leave, " ", f.groups[1]),
		fmt.Sprint(newest, " TO_EX ", f.groups[2]), fmt.Sprint(newest, " TO_IN ", f.groups[2]),
	}
}

// shark returns tshark's name of the protocol, and hops that of the field that counts
// them.
func (f *family) shark() string {
	if f.is6() {
		return "ipv6"
	}
	return "ip"
}

func (f *family) hops() string {
	if f.is6() {
		return "ipv6.hlim"
	}
	return "ip.ttl"
}

func (f *family) unspecified() netip.Addr {
	if f.is6() {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// socketFamily returns what OpenSocket is told.
func (f *family) socketFamily() socket.Family {
	if f.is6() {
		return socket.IPv6
	}
	return socket.IPv4
}

// bound waits until a socket of the namespace is bound to the UDP port.
func (f *family) bound(t *testing.T, ns *netns.Namespace, port int) {
	t.Helper()
	eventually(t, fmt.Sprintf("somebody to listen on port %d", port), func() bool {
		return strings.Contains(ns.Run(t, "cat", "/proc/self/net/"+f.sockets), fmt.Sprintf(":%04X ", port))
	})
}

// routeGroups gives a kernel a way to groups, for programs that do not name a device.
// With IPv6 there is one.
func (f *family) routeGroups(w *world, ns *netns.Namespace, device string) {
	w.t.Helper()
	if !f.is6() {
		ns.Run(w.t, "ip", "route", "add", "224.0.0.0/4", "dev", device)
	}
}

// iperfGroup returns a group as iperf's server is told to join it.
func (f *family) iperfGroup(a netip.Addr) string {
	if f.is6() {
		return a.String() + "%cn0"
	}
	return a.String()
}

// largest returns the largest datagram that fits in a packet of the size; in the largest
// of IPv6 the header is not counted.
func (f *family) largest(packet int) int {
	switch {
	case !f.is6():
		return packet - 28
	case packet == 65535:
		return packet - 8
	}
	return packet - 48
}
