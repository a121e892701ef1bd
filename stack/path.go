package stack

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// query asks for the way to a destination.
type query struct {
	src      address // unspecified: the stack chooses
	dst      address
	srcPort  uint16
	port     uint16
	device   int // interface index; 0: any
	ttl, tos uint8
	fragment fragmentation
	// anySource permits a source that is not the host's own (Linux's
	// FLOWI_FLAG_ANYSRC).
	anySource bool
	// noSource lets IPv6's unspecified address be the source, which it is while a
	// host has no other.
	noSource bool
	// linkTTL has the hop limit of unicast of IPv6 be the interface's, which routers
	// advertise.
	linkTTL bool
	// scoped says that the interface is the zone of the destination.
	scoped bool
	// unlabelled has packets of IPv6 go without a flow label.
	unlabelled bool
	// loose says that another interface will do as well, with a destination that is
	// good on every link (Linux's RT6_LOOKUP_F_IFACE is not set).
	loose bool
}

// path is the answer: the way to a destination, with the headers made ready. A
// socket keeps the last one it used and goes by it as long as the stack's state
// is the one it was made from and its next hop's address has not changed. It is
// guarded by the socket's mutex.
type path struct {
	state     *state // what it was made from; nil: not valid
	iface     *Interface
	neighbor  *neighbor // nil: the frame's destination is known without one
	link      uint64    // the neighbour's word that the header was made with
	src, dst  address
	mtu       int
	header    int  // the length of the IP header
	ethernet  bool // the link's frames begin with an Ethernet header
	broadcast bool
	multicast bool
	vouched   bool // the link vouches for checksums
	plain     bool // no UDP checksum (SO_NO_CHECK)
	six       bool // IPv6
	usual     bool // IPv4, Ethernet, UDP checksums, and no identifications
	usual6    bool // IPv6, Ethernet, UDP checksums
	trains    bool // the link carries trains
	counted   bool // packets may be fragmented, so each needs an identification
	whole     bool // packets over the MTU are refused, not fragmented
	forPeer   bool // it leads to the socket's peer

	// scope is the interface whose own link-local address this leads to, by the
	// loopback interface; 0: to something else.
	scope int32

	// The headers, as they lie in memory, in words of 64 bits: a receiver in
	// the same process loads them in these, and a load that has to gather
	// several narrower stores stalls the processor.
	ethernet0 uint64 // destination, and the source's first two bytes
	ethernet1 uint64 // source, type
	ip0       uint64 // version to fragment offset, less length and identification; of IPv6 to hop limit, less the length
	ip1       uint64 // TTL to source, less the checksum; not of IPv6
	udp0      uint64 // ports
	ipSum     uint32 // the sum of what is in ip0, ip1 and the destination
	pseudoSum uint32 // the sum of the pseudo-header, less the length
	udpSum    uint32 // the sum of the pseudo-header and ports, less the length

	hook Hook // of what is sent, if there is one: the path is not used again

	to netip.AddrPort // what was asked for; zero: do not use again

	stash packet.Stash // of sendOne

	// What has left by this path, not yet added to the interface's counters.
	packets, bytes uint64
	merged         uint64 // datagrams beyond the first of trains that left whole

	_ [32]byte // it fills cache lines of its own, four of them
}

// toward returns the question that the socket asks about a destination that somebody
// has named, or why it cannot go there. On a socket of IPv6 an address of IPv4 is
// v4-mapped, whichever way it is written.
func (s *Socket) toward(to netip.Addr) (query, error) {
	if !s.six {
		if !to.Is4() {
			return query{}, syscall.EAFNOSUPPORT
		}
		return s.query(ipv4Of(to).address()), nil
	}
	return s.stack.six.toward(s, to)
}

// toward6 is toward of a socket of IPv6.
func (s *Socket) toward6(to netip.Addr) (query, error) {
	if !to.IsValid() {
		return query{}, syscall.EAFNOSUPPORT
	}
	scope, err := s.stack.state.Load().zoneIndex(to)
	if err != nil {
		return query{}, err
	}
	dst := addressOf(to)
	if dst == unspecified6 {
		// To any address is to oneself (udpv6_sendmsg, "BSD'ism").
		if dst = loopback6; s.bound.addr.is4() {
			dst = loopback4.address()
		}
	}
	if dst.is4() && s.opts.only6 {
		return query{}, syscall.ENETUNREACH
	}
	q := s.query(dst)
	if scope != 0 && dst.needsScope() {
		q.device, q.scoped = scope, true
	}
	return q, nil
}

// query returns the question that the socket asks about a destination.
func (s *Socket) query(dst address) query {
	q := query{
		dst: dst, srcPort: s.bound.port, device: s.opts.device,
		ttl: s.opts.ttl, tos: s.opts.tos, fragment: s.opts.fragment,
		anySource: s.opts.transparent, linkTTL: !s.opts.ownTTL, unlabelled: s.opts.unlabelled,
	}
	// Of a socket of IPv6 Linux takes a v4-mapped one for a source all the same.
	if q.src = s.bound.addr; q.src.is4() != s.six && s.stack.isFilter(q.src) {
		q.src = s.bound.source
	}
	if q.src.is4() != dst.is4() && !q.src.isUnspecified() && dst.is4() {
		q.src = address{} // what was chosen for a peer of IPv6
	}
	if dst.isMulticast() {
		q.ttl = s.opts.multicastTTL
		if q.device == 0 {
			q.device = s.opts.multicastDevice
		}
	}
	return q
}

// route finds the way to a destination.
func (s *Stack) route(q query) (*path, error) {
	p := new(path)
	if err := s.routeInto(p, q); err != nil {
		return nil, err
	}
	return p, nil
}

// routeInto overwrites p with the way to q.dst. The rules are those of Linux's
// ip_route_output_key_hash_rcu. If it returns an error, p is not valid.
func (s *Stack) routeInto(p *path, q query) error {
	p.state = nil
	if !q.dst.is4() {
		if s.six == nil {
			return syscall.EAFNOSUPPORT
		}
		return s.six.route(s, p, q)
	}
	st := s.state.Load()
	switch src := q.src.ipv4(); {
	case src == unspecified4:
	case src.isMulticast() || src == broadcast4:
		return syscall.EINVAL
	case !q.anySource && st.local(src) == nil:
		return syscall.ENETUNREACH
	}
	var device *netif
	if q.device != 0 {
		if device = st.byIndex(q.device); device == nil {
			return syscall.ENODEV
		}
		if !device.up {
			return syscall.ENETUNREACH
		}
	}
	if q.dst.isUnspecified() {
		// Connecting to 0.0.0.0 is connecting to oneself, by the loopback
		// interface whatever the device.
		switch {
		case !q.src.isUnspecified():
			q.dst = q.src
		case device != nil && len(device.addresses) > 0:
			q.dst = device.addresses[0].addr.address()
		default:
			q.dst = loopback4.address()
		}
		device = nil
	}
	out, hop, err := st.wayOut(p, &q, device)
	if err != nil {
		return err
	}
	if q.src.isLoopback() && out.kind != link.Loopback {
		return syscall.EINVAL
	}
	pathMTU, locked := s.pathMTUs.of(out.Interface, q.dst)
	p.begin(out, &q, pathMTU)
	p.counted = !q.fragment.forbids(locked)
	if p.ethernet {
		switch {
		case p.broadcast, st.broadcasts(q.dst.ipv4()) != nil:
			p.link |= macWord(wire.Broadcast)
		case p.multicast:
			p.link |= macWord(wire.MulticastMAC(q.dst.netip()))
		default:
			p.neighbor = s.neighbors.get(out.Interface, hop.address())
			p.link = p.neighbor.word.Load()
		}
	}
	p.prepare(&q)
	p.hook = st.hooks.Output
	if p.multicast && q.ttl == 0 && p.hook == nil {
		p.hook = letPass // it takes the way on which it is looked at
	}
	p.state = st
	return nil
}

// begin fills in what does not depend on the family.
func (p *path) begin(out *netif, q *query, pathMTU int) {
	p.iface, p.src, p.dst, p.mtu = out.Interface, q.src, q.dst, out.MTU()
	if q.fragment.heedsPath() {
		p.mtu = pathMTU
	}
	p.six, p.header = !q.dst.is4(), wire.IPv4HeaderLen
	if p.six {
		p.header = wire.IPv6HeaderLen
	}
	p.whole = q.fragment.refuses()
	p.vouched, p.trains = out.caps&link.ChecksumVouched != 0, out.caps&link.Segmentation != 0
	p.neighbor, p.link, p.forPeer = nil, usable, false
	p.ethernet = out.kind == link.Ethernet
}

// wayOut finds the interface and the next hop, and fills in q.src and what kind
// of destination it is.
func (st *state) wayOut(p *path, q *query, device *netif) (out *netif, hop ipv4, err error) {
	p.broadcast, p.multicast = false, false
	var r *route
	dst, src := q.dst.ipv4(), q.src.ipv4()
	switch {
	case dst == broadcast4 || dst.isMulticast():
		p.broadcast, p.multicast = dst == broadcast4, dst != broadcast4
		out, hop = device, dst
		if out == nil && src != unspecified4 {
			// Without a device Linux wants an own address here, whatever
			// the socket may send from.
			if out = st.local(src); out == nil || !out.up {
				return nil, 0, syscall.ENETUNREACH
			}
		}
		if out == nil {
			if r = st.lookup(dst, nil); r == nil {
				return nil, 0, syscall.ENETUNREACH
			}
		}
	case device.owns(st.broadcasts(dst)):
		p.broadcast = true
		out, hop = st.broadcasts(dst), dst
		if !out.up {
			return nil, 0, syscall.ENETUNREACH
		}
	case device.owns(st.local(dst)), device.is(link.Loopback) && st.local(dst) != nil:
		out, hop = st.loopback(), dst
		if src == unspecified4 {
			src = st.local(dst).primary(dst)
		}
	default:
		if r = st.lookup(dst, device.iface()); r == nil && device != nil {
			out, hop = device, dst // a device without a route: everything is on its link
		} else if r == nil {
			return nil, 0, syscall.ENETUNREACH
		}
	}
	if r != nil {
		if r.kind != RouteUnicast {
			err, _ := r.kind.refusal()
			return nil, 0, err
		}
		out, hop = st.byIndex(r.out.index), dst
		if r.gateway != none {
			hop = r.gateway.ipv4()
		}
	}
	if src == unspecified4 {
		src = st.sourceFor(r, out, hop)
	}
	q.src = src.address()
	return out, hop, nil
}

// owns reports whether a destination that belongs to owner belongs to it for a
// socket bound to device n as well: for others it is just an address on their
// link. A nil n is no device; a nil owner is nobody.
func (n *netif) owns(owner *netif) bool {
	return owner != nil && (n == nil || n.Interface == owner.Interface)
}

// is reports whether n is there and of that kind.
func (n *netif) is(k link.Kind) bool { return n != nil && n.kind == k }

// primary returns the first of the interface's addresses in the subnet of dst,
// which is one of them: the source of what the host sends to dst itself.
func (n *netif) primary(dst ipv4) ipv4 {
	if dst.isLoopback() {
		return loopback4
	}
	for _, own := range n.addresses {
		if own.addr != dst {
			continue
		}
		for _, a := range n.addresses {
			if a.bits == own.bits && a.contains(dst) {
				return a.addr
			}
		}
	}
	return dst
}

// iface returns the Interface; nil of nil.
func (n *netif) iface() *Interface {
	if n == nil {
		return nil
	}
	return n.Interface
}

// prepare makes the headers, all but what differs from datagram to datagram.
func (p *path) prepare(q *query) {
	p.ethernet1 = p.iface.macWord | uint64(wire.EtherTypeIPv4)
	p.setLink(p.link)
	const (
		version      = 0x45 << 56 // and a header of five words
		dontFragment = 0x4000
	)
	p.ip0 = version | uint64(q.tos)<<48
	if !p.counted {
		p.ip0 |= dontFragment
	}
	src, dst := uint64(p.src.ipv4()), uint64(p.dst.ipv4())
	p.ip1 = uint64(q.ttl)<<56 | uint64(wire.ProtocolUDP)<<48 | src
	p.ipSum = uint32(fold64(p.ip0)) + uint32(fold64(p.ip1)) + uint32(fold64(dst))
	p.udp0 = uint64(q.srcPort)<<48 | uint64(q.port)<<32
	p.pseudoSum = uint32(fold64(src+dst)) + uint32(wire.ProtocolUDP)
	p.udpSum = p.pseudoSum + uint32(q.srcPort) + uint32(q.port)
}

// setLink writes the hardware address in a neighbour's word into the header.
func (p *path) setLink(word uint64) {
	p.link = word
	p.ethernet0 = word&^0xffff | p.ethernet1>>48
}

// current reports whether the path can still be used: nothing was reconfigured,
// and the next hop's address is known and the one in the header.
func (p *path) current(st *state) bool {
	return p.state == st && p.link&usable != 0 && (p.neighbor == nil || p.neighbor.word.Load() == p.link)
}

// tooLong reports whether a payload of n bytes makes a packet over the MTU.
func (p *path) tooLong(n int) bool { return p.header+wire.UDPHeaderLen+n > p.mtu }

// most is the longest payload that UDP can carry by the path.
func (p *path) most() int {
	if p.six {
		return maxPayload6
	}
	return maxPayload
}

// forget makes the path invalid, so that it is looked up again.
func (p *path) forget() {
	if p != nil {
		p.state = nil
	}
}

// hopLimit returns the TTL or hop limit of what goes the way.
func (p *path) hopLimit() uint8 {
	if p.six {
		return uint8(p.ip0)
	}
	return uint8(p.ip1 >> 56)
}

// linkLen is the length of the headers before IP.
func (p *path) linkLen() int {
	if p.ethernet {
		return wire.EthernetHeaderLen
	}
	return 0
}

// wrap makes a datagram of a payload, in an empty buffer. It is the payload that
// is summed, not the copy, which may not have reached the cache yet.
func (p *path) wrap(b *packet.Buffer, payload []byte, st *Stack) {
	if p.usual {
		p.wrapUsual(b, payload)
		return
	}
	length := uint64(wire.UDPHeaderLen + len(payload))
	if p.six {
		p.wrap6(b, payload)
		return
	}
	var checksum uint16
	switch {
	case p.plain:
	case p.vouched:
		b.Flags |= packet.ChecksumValid | packet.ChecksumPartial
		checksum = fold(p.pseudoSum + uint32(length))
	default:
		checksum = ^fold(p.udpSum + 2*uint32(length) + uint32(wire.Sum(payload)))
		if checksum == 0 {
			checksum = 0xffff
		}
	}
	at := p.linkLen() + wire.IPv4HeaderLen
	f := b.Extend(at+wire.UDPHeaderLen, len(payload))
	p.put(f, wire.IPv4HeaderLen+length, st)
	binary.BigEndian.PutUint64(f[at:], p.udp0|length<<16|uint64(checksum))
	copy(f[at+wire.UDPHeaderLen:], payload)
}

// wrapUsual is wrap for the usual path, in one go.
func (p *path) wrapUsual(b *packet.Buffer, payload []byte) {
	length := uint64(wire.UDPHeaderLen + len(payload))
	f := b.Extend(plainHeaders, len(payload))
	checksum := ^fold(p.udpSum + 2*uint32(length) + uint32(wire.CopySum(f[plainHeaders:], payload)))
	if checksum == 0 {
		checksum = 0xffff // zero would say that there is none (RFC 768)
	}
	h := (*[plainHeaders]byte)(f)
	binary.BigEndian.PutUint64(h[6:], p.ethernet1)
	binary.BigEndian.PutUint64(h[0:], p.ethernet0) // after the other, as it is loaded whole
	binary.BigEndian.PutUint64(h[14:], p.ip0|(wire.IPv4HeaderLen+length)<<32)
	binary.BigEndian.PutUint64(h[22:], p.ip1|uint64(^fold(p.ipSum+wire.IPv4HeaderLen+uint32(length)))<<32)
	binary.BigEndian.PutUint32(h[30:], uint32(p.dst.lo))
	binary.BigEndian.PutUint64(h[34:], p.udp0|length<<16|uint64(checksum))
}

// wrapIP prepends the headers before the transport's to a packet.
func (p *path) wrapIP(b *packet.Buffer, st *Stack) {
	length := uint64(p.header + b.Len())
	b.Interface = p.scope
	p.put(b.Prepend(p.linkLen()+p.header), length, st)
}

// put writes the headers before the transport's at the front of h, for an IP
// packet of that length.
func (p *path) put(h []byte, length uint64, st *Stack) {
	if p.six {
		st.six.put(p, h, length)
		return
	}
	ip0, sum := p.ip0|length<<32, p.ipSum+uint32(length)
	if p.counted {
		n := st.nextID(p.src.ipv4(), p.dst.ipv4(), wire.Protocol(p.ip1>>48))
		ip0 |= uint64(n) << 16
		sum += uint32(n)
	}
	if p.ethernet {
		e := (*[wire.EthernetHeaderLen]byte)(h)
		binary.BigEndian.PutUint64(e[6:14], p.ethernet1)
		binary.BigEndian.PutUint64(e[0:8], p.ethernet0)
		h = h[wire.EthernetHeaderLen:]
	}
	ip := (*[wire.IPv4HeaderLen]byte)(h)
	binary.BigEndian.PutUint64(ip[0:8], ip0)
	binary.BigEndian.PutUint64(ip[8:16], p.ip1|uint64(^fold(sum))<<32)
	binary.BigEndian.PutUint32(ip[16:20], uint32(p.dst.lo))
}

// fold brings a sum of few 16-bit words to 16 bits.
func fold(sum uint32) uint16 {
	sum = sum>>16 + sum&0xffff
	return uint16(sum>>16 + sum)
}

// fold64 adds the four 16-bit words of sum.
func fold64(sum uint64) uint16 {
	sum = sum>>32 + sum&0xffffffff
	sum = sum>>32 + sum&0xffffffff
	return fold(uint32(sum))
}
