package stack

import (
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// ndp is the way in for a message of neighbour discovery whose checksum is right: the
// packet's IP header is at NetworkBytes, the message at TransportBytes. Each kind is
// checked as RFC 4861, sections 6.1, 7.1 and 8.1, demands.
func (l *lane) ndp(b *packet.Buffer, src, dst address) {
	l.flush()
	x := l.iface.ip6.Load()
	h := (*wire.IPv6Header)(b.NetworkBytes())
	message := b.TransportBytes()
	if x == nil || l.netif == nil {
		l.drop(b, drop.ICMPUnsupported)
		return
	}
	if h.HopLimit() != ndpHopLimit {
		l.drop(b, drop.NDPInvalid) // it comes from beyond the link, or claims to
		return
	}
	switch wire.ICMPv6Type(message[0]) {
	case wire.ICMPv6RouterSolicitation:
		l.routerSolicitation(x, b, src, message)
	case wire.ICMPv6RouterAdvertisement:
		l.routerAdvertisement(x, b, src, message)
	case wire.ICMPv6NeighborSolicitation:
		l.neighborSolicitation(x, b, src, dst, message)
	case wire.ICMPv6NeighborAdvertisement:
		l.neighborAdvertisement(x, b, src, dst, message)
	default:
		l.drop(b, drop.ICMPUnsupported) // redirects
	}
}

// consumeWith is consume with something to be said in traces.
func (i *Interface) consumeWith(b *packet.Buffer, detail string) {
	i.stack.own.consumed.Add(1)
	if i.stack.tracer != nil {
		i.stack.trace(trace.Consume, i, b, detail)
	}
	b.Release()
}

// station returns the hardware address in an option, if it is one that a station can
// have.
func station(o wire.NDPOptions, t wire.NDPOptionType) (wire.MAC, bool) {
	mac, ok := o.LinkLayerAddress(t)
	if mac.IsZero() || mac.IsMulticast() {
		return wire.MAC{}, false
	}
	return mac, ok
}

// hasOption reports whether there is an option of a type.
func hasOption(options wire.NDPOptions, t wire.NDPOptionType) bool {
	for o := range options.All() {
		if o.Type == t {
			return true
		}
	}
	return false
}

// routerSolicitation is what hosts ask routers (RFC 4861, 6.1.1 and 6.2.6).
func (l *lane) routerSolicitation(x *interface6, b *packet.Buffer, src address, message []byte) {
	i := l.iface
	m, err := wire.ParseRouterSolicitation(message)
	switch {
	case err != nil, src.isUnspecified() && hasOption(m.Options, wire.NDPSourceLinkLayerAddress):
		l.drop(b, drop.NDPInvalid)
		return
	case l.netif.has6(src):
		l.drop(b, drop.MartianSource)
		return
	}
	if !x.solicited() {
		l.drop(b, drop.ICMPUnsupported) // hosts say nothing to it
		return
	}
	if mac, ok := station(m.Options, wire.NDPSourceLinkLayerAddress); ok {
		i.stack.neighbors.heard(i, src, mac, true, false)
	}
	i.consume(b)
}

// routerAdvertisement is what routers say (RFC 4861, 6.1.2 and 6.3.4).
func (l *lane) routerAdvertisement(x *interface6, b *packet.Buffer, src address, message []byte) {
	i := l.iface
	m, err := wire.ParseRouterAdvertisement(message)
	switch {
	case err != nil || !src.isLinkLocal():
		l.drop(b, drop.NDPInvalid)
		return
	case l.netif.has6(src):
		l.drop(b, drop.MartianSource)
		return
	case !x.acceptsRouters():
		l.drop(b, drop.ICMPUnsupported)
		return
	}
	mac, ok := station(m.Options, wire.NDPSourceLinkLayerAddress)
	if ok {
		i.stack.neighbors.heard(i, src, mac, true, true)
	} else {
		i.stack.neighbors.heard(i, src, wire.MAC{}, false, true)
	}
	x.advertised(src, &m)
	i.consume(b)
}

// neighborSolicitation is a question for an address (RFC 4861, 7.1.1 and 7.2.3).
func (l *lane) neighborSolicitation(x *interface6, b *packet.Buffer, src, dst address, message []byte) {
	i := l.iface
	m, err := wire.ParseNeighborSolicitation(message)
	target := addressOf(m.Target)
	testing := src.isUnspecified()
	switch {
	case err != nil,
		testing && (dst != solicitedNode(target) || hasOption(m.Options, wire.NDPSourceLinkLayerAddress)):
		l.drop(b, drop.NDPInvalid)
		return
	case !testing && (src.isLoopback() || l.netif.has6(src)):
		// Somebody else claims our address; it shall not enter the table.
		l.drop(b, drop.MartianSource)
		return
	}
	a, duplicate := x.ask(target, testing, m.Options)
	switch {
	case duplicate:
		i.consumeWith(b, target.netip().String()+" is a duplicate: somebody else is testing it")
		return
	case a == nil:
		// As on Linux, who asks for somebody else is not learned from.
		l.drop(b, drop.NotLocal)
		return
	case !(&ifaddr6{state: a.state}).usable():
		i.consume(b) // a tentative address answers nothing (RFC 4862, 5.4.3)
		return
	}
	if mac, ok := station(m.Options, wire.NDPSourceLinkLayerAddress); ok && !testing {
		i.stack.neighbors.heard(i, src, mac, true, false)
	} else if !testing && dst.isMulticast() && i.kind == link.Ethernet && i.stack.neighbors.find(i, src) == nil {
		// Who asks everybody has to say where he is (RFC 4861, 4.3), and is not
		// answered by Linux if he does not and is not known.
		i.consume(b)
		return
	}
	i.answer(target, src, dst.isMulticast())
	i.consume(b)
}

// ask returns a copy of what the interface knows of an address that is asked for; nil
// if it is not its own; and whether the question has shown it to be a duplicate: it
// does if it has no source, and so is a test of the same address.
func (x *interface6) ask(target address, testing bool, options wire.NDPOptions) (*address6, bool) {
	x.mu.Lock()
	defer x.finish()
	if !testing {
		if a := x.find(target); a != nil {
			c := *a
			return &c, false
		}
		return nil, false
	}
	var nonce []byte
	for o := range options.All() {
		if n, ok := o.Nonce(); ok {
			nonce = n
		}
	}
	a, duplicate := x.claimed(target, nonce)
	if a == nil {
		return nil, false
	}
	c := *a
	return &c, duplicate
}

// neighborAdvertisement is an answer to a question, or news (RFC 4861, 7.1.2 and
// 7.2.5).
func (l *lane) neighborAdvertisement(x *interface6, b *packet.Buffer, src, dst address, message []byte) {
	i := l.iface
	m, err := wire.ParseNeighborAdvertisement(message)
	target := addressOf(m.Target)
	if err != nil || dst.isMulticast() && m.Solicited || target.is4() {
		// A v4-mapped target would be a neighbour of IPv4, of which ARP alone tells.
		l.drop(b, drop.NDPInvalid)
		return
	}
	x.mu.Lock()
	own, duplicate := x.claimed(target, nil)
	x.finish()
	switch {
	case duplicate:
		i.consumeWith(b, target.netip().String()+" is a duplicate: somebody else has it")
		return
	case own != nil:
		l.drop(b, drop.MartianSource) // somebody else claims our address
		return
	}
	mac, given := station(m.Options, wire.NDPTargetLinkLayerAddress)
	if !given && hasOption(m.Options, wire.NDPTargetLinkLayerAddress) {
		l.drop(b, drop.NDPInvalid)
		return
	}
	if i.stack.neighbors.advertised(i, target, mac, &m) {
		x.ceased(target)
	}
	i.consume(b)
}
