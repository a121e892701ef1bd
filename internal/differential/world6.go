package differential

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/castnet-go/castnet/internal/conformance"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// Wired6 is the plan of package conformance with IPv6 on both wires: three sockets of
// IPv6, which hear IPv4 as well unless they are told not to, and one of IPv4.
var Wired6 = World{
	Wires: true, Ports: []uint16{0, 4000, 4001, 9},
	Families: [sockets]socket.Family{socket.IPv6, socket.IPv4, socket.IPv6, socket.IPv6},
	Addresses: []string{
		"::1", "::", "2001:db8::1", "::ffff:10.0.0.1", "::ffff:0.0.0.0", "fe80::ff:fe00:1%eth0", "2001:db8:1::1", "::ffff:127.0.0.1",
		"10.0.0.1", "127.0.0.1", "0.0.0.0", "2001:db8::2", "2001:db8::3", "fe80::b%eth0", "fe80::b%eth1", "fe80::b", "2001:db8:1::2",
		"2001:db8:a::1", "2001:db8:b::1", "2001:db8:c::1", "2001:db8:d::1", "2001:db8:e::1", "2001:db8:ffff::1",
		"::ffff:10.0.0.2", "::ffff:10.1.0.2", "::ffff:10.0.0.255", "::ffff:203.0.113.1", "::ffff:192.0.2.1", "::ffff:198.51.100.1",
		"ff02::fb%eth0", "ff05::fb%eth1", "fe80::ff:fe00:101%eth1",
	},
}

// nowhere6 is where no packet can be sent.
var nowhere6 = []netip.Prefix{
	netip.MustParsePrefix("2001:db8:c::/48"), netip.MustParsePrefix("2001:db8:d::/48"), netip.MustParsePrefix("2001:db8:e::/48"),
	netip.MustParsePrefix("2001:db8:ffff::/48"),
}

// six reports whether there are sockets of IPv6.
func (w World) six() bool { return slices.Contains(w.Families[:], socket.IPv6) }

// family is a socket's.
func (p *player) family(i int) socket.Family {
	if p.w.Families[i] == 0 {
		return socket.IPv4
	}
	return p.w.Families[i]
}

// where6 is where in a world with sockets of IPv6: what is v4-mapped is not for a socket
// of IPv4, and who is bound to all addresses is found at one of the sender's family.
func (p *player) where6(s Step) netip.AddrPort {
	var to netip.AddrPort
	if s.Where >= ownOf {
		to = p.socks[s.Where-ownOf].LocalAddr()
		if a := to.Addr(); a.IsUnspecified() || a.Unmap().IsUnspecified() || a.IsMulticast() {
			a = netip.IPv6Loopback()
			if p.family(s.Where-ownOf) == socket.IPv4 || p.family(s.Socket) == socket.IPv4 || to.Addr().Is4In6() {
				a = netip.MustParseAddr("::ffff:127.0.0.1")
			}
			to = netip.AddrPortFrom(a, to.Port())
		}
	} else {
		to = netip.AddrPortFrom(netip.MustParseAddr(p.w.Addresses[s.Where]), p.w.Ports[s.Port])
	}
	if p.family(s.Socket) == socket.IPv4 {
		to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	}
	return to
}

// keptByPeer reports whether Linux refuses to bind a socket to all addresses of IPv4, and
// the stack does not: a socket of IPv6 that was bound to all addresses and then connected
// keeps the port there, though it hears IPv4 no more.
func (p *player) keptByPeer(i int, to netip.AddrPort) bool {
	if a := to.Addr().Unmap(); !a.Is4() || !a.IsUnspecified() {
		return false
	}
	for k, s := range p.socks {
		if k == i || p.closed[k] || p.family(k) != socket.IPv6 || s.LocalAddr().Port() != to.Port() {
			continue
		}
		if peer, err := s.PeerAddr(); err == nil && !peer.Addr().Unmap().Is4() {
			return true
		}
	}
	return false
}

// crosses reports whether a socket has had a peer of the one family and is to have one of
// the other: of the first, Linux goes on with addresses that it does not show.
func (p *player) crosses(i int, to netip.AddrPort) bool {
	own := p.socks[i].LocalAddr().Addr()
	return p.family(i) == socket.IPv6 && p.connected[i] && !own.IsUnspecified() && own.Is4In6() != to.Addr().Unmap().Is4()
}

// disconnect takes a socket's peer back. One of IPv6 is then opened anew: of Linux's the
// sk_v6_daddr stays, and it hears of IPv6 the former peer alone.
func (p *player) disconnect(i int) string {
	line := p.state(i, p.socks[i].Connect(netip.AddrPort{}))
	if p.family(i) == socket.IPv6 && p.connected[i] && !p.closed[i] {
		p.open(i)
	}
	return line
}

// only is what of a socket of IPv6 changes by itself: whether it is IPv6Only, and the
// interface that it is bound to.
func (p *player) only(i int) string {
	if p.family(i) != socket.IPv6 {
		return ""
	}
	only, _ := p.socks[i].Option(socket.IPv6Only)
	device, _ := p.socks[i].Option(socket.BindInterface)
	return fmt.Sprintf(", only %d on %d", only, device)
}

// local6 is an address as the source that a message of IPv6 names.
func local6(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.AddrFrom16(a.As16())
	}
	return a
}

// inject6 is inject for IPv6.
func (p *player) inject6(s Step, to netip.AddrPort) string {
	from := []string{"2001:db8::2", "2001:db8::3", "2001:db8:1::2", "2001:db8:a::1", "fe80::b"}[s.Value%5]
	if p.injected[from]++; p.injected[from] > maxInjected {
		return "enough"
	}
	if a := to.Addr(); a.IsUnspecified() || slices.ContainsFunc(nowhere6, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return "" // of a host, too, Linux tells the sender that there is no route there; the stack of a router only
	}
	w := p.m.Eth0
	if from == "2001:db8:1::2" {
		w = p.m.Eth1
	}
	if s.Where >= ownOf && to.Addr().IsLoopback() {
		to = netip.AddrPortFrom(netip.MustParseAddr("2001:db8::1"), to.Port())
	}
	source := netip.AddrPortFrom(netip.MustParseAddr(from), 9)
	w.SendDatagram6(source, netip.AddrPortFrom(to.Addr().WithZone(""), to.Port()), p.data(s.Size), uint8(1+s.Value), uint8(s.Value))
	return "injected to " + p.addr(to)
}

// unreach6 is unreach for IPv6.
func (p *player) unreach6(s Step) string {
	if s.Value > 12 && p.last6.IP.Destination().IsMulticast() {
		return "; not answered" // what Linux learns of groups it could not be made to forget
	}
	if s.Value > 12 {
		mtu := []uint32{1280, 1400, 1000, 1501}[s.Value%4]
		p.learned6 = true
		p.m.Eth0.ICMPv6Error("2001:db8::fe", p.last6, wire.ICMPv6PacketTooBig, 0, mtu)
		p.m.Settle(p.tb)
		return fmt.Sprintf("; answered that the path has an MTU of %d", mtu)
	}
	t, code := wire.ICMPv6DestinationUnreachable, wire.ICMPv6Code(s.Value)
	switch {
	case s.Value == 12:
		t, code = wire.ICMPv6ParameterProblem, 1
	case s.Value > 9:
		t, code = wire.ICMPv6TimeExceeded, code-10
	}
	p.m.Eth0.ICMPv6Error("2001:db8::fe", p.last6, t, code, 0)
	p.m.Settle(p.tb)
	return fmt.Sprintf("; answered with %v/%d", t, code)
}

// wire6 writes down the packets of IPv6 that were sent by the wire since the last look.
func (p *player) wire6(b *strings.Builder, w *conformance.Wire) {
	sent := w.Taken6()
	slices.SortStableFunc(sent, func(a, b *conformance.Packet6) int {
		return cmp.Or(bytes.Compare(a.Data, b.Data), a.IP.Destination().Compare(b.IP.Destination()))
	})
	for _, k := range sent {
		hops, class := k.IP.HopLimit(), k.IP.TrafficClass()
		switch {
		case k.UDP != nil:
			from, to := netip.AddrPortFrom(k.IP.Source(), k.UDP.SourcePort()), netip.AddrPortFrom(k.IP.Destination(), k.UDP.DestinationPort())
			fmt.Fprintf(b, " %s->%s %v %.4q/%d hops %d class %#x", p.addr(from), p.addr(to), k.To, k.Data, len(k.Data), hops, class)
			if w == p.m.Eth0 {
				p.last, p.last6 = nil, k
			}
		case k.Fragment != nil:
			fmt.Fprintf(b, " %v->%v %v %v hops %d class %#x", k.IP.Source(), k.IP.Destination(), k.To, k, hops, class)
		case k.ICMP != nil:
			fmt.Fprintf(b, " ICMP %v->%v %v", k.IP.Source(), k.IP.Destination(), k)
		default:
			fmt.Fprintf(b, " %v", k)
		}
		b.WriteByte(';')
	}
}
