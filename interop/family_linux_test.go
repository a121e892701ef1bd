package interop

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/internal/netns"
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
		kernel:   addrs("10.0.0.1", "10.0.0.11", "10.0.0.12"),
		remote:   netip.MustParseAddr("10.0.0.3"),
		beyond:   [2]netip.Prefix{netip.MustParsePrefix("10.0.1.2/24"), netip.MustParsePrefix("10.0.1.1/24")},
		groups:   [4]netip.Addr(addrs("239.1.2.3", "239.1.2.4", "239.1.2.5", "239.1.2.6")),
		ssm:      [4]netip.Addr(addrs("232.1.3.3", "232.1.3.4", "232.1.3.5", "232.1.3.6")),
		twin:     netip.MustParseAddr("239.129.2.3"),
		allHosts: netip.MustParseAddr("224.0.0.1"),
		ip:       "-4", udp: "UDP4", socatJoin: "ip-add-membership", socatMore: "ip-multicast-if=10.0.0.1", sockets: "udp",
		ssmping: netip.MustParseAddr("232.43.211.234"), asmping: netip.MustParseAddr("239.3.4.234"), ssmpingFamily: 1,
		mdns: netip.MustParseAddr("224.0.0.251"), record: dns.TypeA,
	},
}

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
	w.family = f
	t.Cleanup(w.judgeReports)
	return w
}

// openDirect opens a stack on a TAP device whose other end is the kernel, with all
// its addresses.
func (w *world) openDirect() {
	w.t.Helper()
	f := w.family
	w.openOn(fmt.Sprintf("tap,name=cn0,addr=%v,host=%v,mac=%v", f.prefix(f.ours), f.prefix(f.kernel[0]), ourMAC))
	for _, a := range f.kernel[1:] {
		w.ns.Run(w.t, "ip", "addr", "add", f.prefix(a).String(), "dev", "cn0")
	}
}

// judgeReports fails the test if what we tell routers of groups is not sent as it is to
// be: to nobody beyond the link, under internetwork control, with Router Alert
// (RFC 9776, 4).
func (w *world) judgeReports() {
	w.t.Helper()
	if w.t.Failed() {
		return
	}
	for _, r := range w.reports("ip.ttl", "ip.dsfield", "ip.opt.ra", "ip.dst", "eth.dst") {
		ttl, tos, alert, dst, mac := r.more[0], r.more[1], r.more[2], r.more[3], r.more[4]
		want := "224.0.0.22"
		switch r.kind {
		case igmpV1Report, igmpV2Report:
			want = r.group.String()
		case igmpV2Leave:
			want = "224.0.0.2"
		}
		if ttl != "1" || tos != "0xc0" || alert != "0" || dst != want {
			w.t.Errorf("%v was sent to %s with the TTL %s, the TOS %s and Router Alert %q; want %s, 1, 0xc0, 0", r, dst, ttl, tos, alert, want)
		}
		if want := multicastMAC(dst); mac != want {
			w.t.Errorf("%v was sent to %s, want %s", r, mac, want)
		}
	}
}

// shark returns tshark's name of the protocol, and hops that of the field that counts
// them.
func (f *family) shark() string {
	if f.level == unix.IPPROTO_IPV6 {
		return "ipv6"
	}
	return "ip"
}

func (f *family) hops() string {
	if f.level == unix.IPPROTO_IPV6 {
		return "ipv6.hlim"
	}
	return "ip.ttl"
}

func (f *family) unspecified() netip.Addr {
	if f.level == unix.IPPROTO_IPV6 {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// version returns which version of the protocol that tells of groups we speak.
func (f *family) version(w *world) int { return w.iface.IGMPVersion() }

// alsoHeard adds what every host tells of.
func (f *family) alsoHeard(groups map[netip.Addr]portGroup) map[netip.Addr]portGroup { return groups }

// olderReports is what TestBridgeSpeaksOlderVersion wants to be told.
func (f *family) olderReports() []string {
	return []string{
		"0x16 239.1.2.4", "0x17 239.1.2.4",
		"0x22 TO_EX 239.1.2.5", "0x22 TO_IN 239.1.2.5",
	}
}

// bound waits until a socket of the namespace is bound to the UDP port.
func (f *family) bound(t *testing.T, ns *netns.Namespace, port int) {
	t.Helper()
	eventually(t, fmt.Sprintf("somebody to listen on port %d", port), func() bool {
		return strings.Contains(ns.Run(t, "cat", "/proc/self/net/"+f.sockets), fmt.Sprintf(":%04X ", port))
	})
}

// routeGroups gives a kernel a way to groups, for programs that do not name a device.
func (f *family) routeGroups(w *world, ns *netns.Namespace, device string) {
	w.t.Helper()
	ns.Run(w.t, "ip", "route", "add", "224.0.0.0/4", "dev", device)
}

// largest returns the largest datagram that fits in a packet of the size.
func (f *family) largest(packet int) int {
	if f.level == unix.IPPROTO_IPV6 {
		return packet - 48
	}
	return packet - 28
}
