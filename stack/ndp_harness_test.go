package stack

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// The stations on the link of a node: its peer, which is a router where there is one,
// and another one.
const (
	peer6  = "fe80::b"
	other6 = "fe80::c"
)

// A node is a host on a cable that speaks IPv6. What it says of neighbour discovery is
// taken note of, with its times.
type node struct {
	*host
	cable *cable
	start time.Time
	said  []saying
}

// newNode returns a host whose link-local address is fe80::a in EUI-64 form, with the
// addresses given; unless a Config says otherwise it does not test them.
func newNode(t testing.TB, c Config, addresses ...string) *node {
	t.Helper()
	if c.DADTransmits == 0 {
		c.DADTransmits = -1
	}
	c.EUI64 = true
	l := newCable()
	n := &node{cable: l}
	l.onSent = n.note
	n.host = newHost(t, c, l)
	n.start = n.clock.Now()
	if err := n.eth0.EnableIPv6(); err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		n.add(t, a)
	}
	return n
}

func (n *node) add(t testing.TB, a string) {
	t.Helper()
	if err := n.eth0.AddAddress(netip.MustParsePrefix(a)); err != nil {
		t.Fatal(err)
	}
}

// linkLocalA is what newNode's host has, by its hardware address.
const linkLocalA = "fe80::ff:fe00:a"

// note takes note of a frame, if it is a message of neighbour discovery.
func (n *node) note(f []byte) {
	if text := describeNDP(f); text != "" {
		n.said = append(n.said, saying{n.clock.Now().Sub(n.start), "", text})
	}
}

// describeNDP says what a message of neighbour discovery in a frame says: "NS fe80::b
// from fe80::a to ff02::1:ff00:b at 33:33:… slla …". It is empty for other frames, and
// says what is wrong with one that RFC 4861 forbids to send.
func describeNDP(f []byte) string {
	e, packet, err := wire.ParseEthernet(f)
	if err != nil || e.Type() != wire.EtherTypeIPv6 {
		return ""
	}
	ip, m, err := wire.ParseIPv6(packet)
	if err == nil && ip.NextHeader() == wire.ProtocolNoNext {
		return fmt.Sprintf("data to %v at %v", ip.Destination(), e.Destination())
	}
	if err != nil || ip.NextHeader() != wire.ProtocolICMPv6 {
		return ""
	}
	h, body, err := wire.ParseICMPv6(m)
	if err != nil || h.Type() < wire.ICMPv6RouterSolicitation || h.Type() > wire.ICMPv6Redirect {
		return ""
	}
	var text string
	var options wire.NDPOptions
	switch h.Type() {
	case wire.ICMPv6RouterSolicitation:
		x, e := wire.ParseRouterSolicitation(m)
		text, options, err = "RS", x.Options, e
	case wire.ICMPv6RouterAdvertisement:
		x, e := wire.ParseRouterAdvertisement(m)
		text, options, err = fmt.Sprintf("RA %v hops %d", x.RouterLifetime, x.HopLimit), x.Options, e
	case wire.ICMPv6NeighborSolicitation:
		x, e := wire.ParseNeighborSolicitation(m)
		text, options, err = fmt.Sprintf("NS %v", x.Target), x.Options, e
	case wire.ICMPv6NeighborAdvertisement:
		x, e := wire.ParseNeighborAdvertisement(m)
		flags := ""
		for k, set := range []bool{x.Router, x.Solicited, x.Override} {
			if set {
				flags += "RSO"[k : k+1]
			}
		}
		text, options, err = fmt.Sprintf("NA %v %s", x.Target, orString(flags, "-")), x.Options, e
	}
	if err != nil || ip.HopLimit() != 255 || !h.ChecksumOK(ip.PseudoSum(wire.ProtocolICMPv6, uint32(len(m))), body) {
		return fmt.Sprintf("malformed: %v, hop limit %d, % x", err, ip.HopLimit(), m)
	}
	text += fmt.Sprintf(" from %v to %v", ip.Source(), ip.Destination())
	if ip.Destination().IsMulticast() && e.Destination() != wire.MulticastMAC(ip.Destination()) {
		text += " at the wrong address"
	}
	if !ip.Destination().IsMulticast() {
		text += fmt.Sprintf(" at %v", e.Destination())
	}
	for o := range options.All() {
		switch o.Type {
		case wire.NDPSourceLinkLayerAddress:
			text += " slla"
		case wire.NDPTargetLinkLayerAddress:
			text += " tlla"
		case wire.NDPPrefixInformation:
			p, _ := o.PrefixInformation()
			text += fmt.Sprintf(" prefix %v", p.Prefix)
		case wire.NDPMTU:
			mtu, _ := o.MTU()
			text += fmt.Sprintf(" mtu %d", mtu)
		}
	}
	return text
}

// says advances by d and checks what is said meanwhile, in this order.
func (n *node) says(t testing.TB, d time.Duration, want ...string) []saying {
	t.Helper()
	n.clock.Advance(d)
	said := n.said
	n.said, n.start = nil, n.clock.Now()
	var got []string
	for _, s := range said {
		got = append(got, s.text)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("said\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
	return said
}

// An ndpPacket is a message of neighbour discovery that a test sends in. Its zero
// fields are those of one from the peer to the host.
type ndpPacket struct {
	src, dst string
	to, from wire.MAC
	hops     int // 0: 255; -1: none
	badSum   bool
	message  interface{ AppendTo([]byte) []byte }
}

func (p ndpPacket) frame() []byte {
	src, dst := netip.MustParseAddr(orString(p.src, peer6)), netip.MustParseAddr(orString(p.dst, linkLocalA))
	to := orMAC(p.to, macStack)
	if p.to.IsZero() && dst.IsMulticast() {
		to = wire.MulticastMAC(dst)
	}
	m := p.message.AppendTo(nil)
	wire.UpdateICMPv6Checksum(m, src.As16(), dst.As16())
	if p.badSum {
		m[2] ^= 1
	}
	b := make([]byte, wire.EthernetHeaderLen+wire.IPv6HeaderLen, wire.EthernetHeaderLen+wire.IPv6HeaderLen+len(m))
	e := wire.PutEthernet(b)
	e.SetDestination(to)
	e.SetSource(orMAC(p.from, macPeer))
	e.SetType(wire.EtherTypeIPv6)
	h := wire.PutIPv6(b[wire.EthernetHeaderLen:])
	h.SetPayloadLength(uint16(len(m)))
	h.SetNextHeader(wire.ProtocolICMPv6)
	h.SetHopLimit(255)
	if p.hops != 0 {
		h.SetHopLimit(uint8(max(p.hops, 0)))
	}
	h.SetSource(src)
	h.SetDestination(dst)
	return append(b, m...)
}

// hear hands a message to the host.
func (n *node) hear(p ndpPacket) { n.cable.deliver(p.frame()) }

func slla(m wire.MAC) wire.NDPOptions {
	return wire.AppendNDPLinkLayerAddress(nil, wire.NDPSourceLinkLayerAddress, m)
}

func tlla(m wire.MAC) wire.NDPOptions {
	return wire.AppendNDPLinkLayerAddress(nil, wire.NDPTargetLinkLayerAddress, m)
}

// soliciting is a solicitation for an address, with an option for the sender's.
func soliciting(target string, mac wire.MAC) wire.NeighborSolicitation {
	m := wire.NeighborSolicitation{Target: netip.MustParseAddr(target)}
	if !mac.IsZero() {
		m.Options = slla(mac)
	}
	return m
}

// advertising is an advertisement of an address; flags are some of "RSO".
func advertising(target, flags string, mac wire.MAC) wire.NeighborAdvertisement {
	m := wire.NeighborAdvertisement{
		Target: netip.MustParseAddr(target), Router: strings.Contains(flags, "R"),
		Solicited: strings.Contains(flags, "S"), Override: strings.Contains(flags, "O"),
	}
	if !mac.IsZero() {
		m.Options = tlla(mac)
	}
	return m
}

// group6 is the solicited-node group of an address, as text.
func group6(addr string) string { return wire.SolicitedNode(netip.MustParseAddr(addr)).String() }

// use has the host send something to a neighbour, as a socket would.
func (n *node) use(t testing.TB, addr string) {
	t.Helper()
	nt := &n.neighbors
	x := nt.get(n.eth0, addressOf(netip.MustParseAddr(addr)))
	nt.use(x)
	f := ndpPacket{src: linkLocalA, dst: addr, message: wire.RouterSolicitation{}}.frame()
	(*wire.IPv6Header)(f[wire.EthernetHeaderLen:]).SetNextHeader(wire.ProtocolNoNext)
	b := newBuffer(f)
	copy(b.Bytes(), make([]byte, 6))
	n.eth0.generated(b)
	nt.hold(x, b)
}

// addressesOf returns one line for each IPv6 address.
func addressesOf(i *Interface) []string {
	var lines []string
	for _, a := range i.Addresses6() {
		lines = append(lines, fmt.Sprintf("%v %v %v", a.Prefix, a.Origin, a.State))
	}
	return lines
}

func checkAddresses(t testing.TB, i *Interface, when string, want ...string) {
	t.Helper()
	if got := addressesOf(i); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s: the addresses are\n\t%s\nwant\n\t%s", when, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}
