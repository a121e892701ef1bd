package stack

import (
	"encoding/binary"
	"syscall"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// plainHeaders6 is what nearly every datagram of IPv6 begins with: Ethernet, IPv6, UDP.
const plainHeaders6 = wire.EthernetHeaderLen + wire.IPv6HeaderLen + wire.UDPHeaderLen

// routeInto6 is routeInto for a destination of IPv6. The rules are those of Linux's
// ip6_dst_lookup_tail and ip6_route_output_flags.
func (s *Stack) routeInto6(p *path, q query) error {
	st := s.state.Load()
	var device *netif
	if q.device != 0 {
		if device = st.byIndex(q.device); device == nil {
			return syscall.ENODEV
		}
		if !device.up {
			return syscall.ENETUNREACH
		}
	}
	mapped := q.src.is4()
	out, hop, err := st.wayOut6(p, &q, device)
	if err != nil {
		return err
	}
	if mapped {
		return syscall.EAFNOSUPPORT // there is a way, but not from there
	}
	if q.linkTTL && !p.multicast {
		q.ttl = out.hopLimit6()
	}
	pathMTU, _ := s.pathMTUs.of(out.Interface, q.dst)
	p.begin(out, &q, pathMTU)
	p.counted = false
	if p.ethernet {
		if p.multicast {
			p.link |= macWord(wire.MulticastMAC(q.dst.netip()))
		} else {
			p.neighbor = s.neighbors.get(out.Interface, hop)
			p.link = p.neighbor.word.Load()
		}
	}
	p.prepare6(&q)
	p.hook = st.hooks.Output
	if p.multicast && (q.ttl == 0 || q.dst.scope() <= scopeInterface) && p.hook == nil {
		p.hook = letPass // it takes the way on which it is looked at
	}
	p.state = st
	return nil
}

// wayOut6 finds the interface and the next hop, and fills in q.src and whether the
// destination is a group.
func (st *state) wayOut6(p *path, q *query, device *netif) (out *netif, hop address, err error) {
	p.broadcast, p.multicast, p.scope = false, q.dst.isMulticast(), 0
	loose := q.loose && !p.multicast && !q.dst.isLinkLocal() && !q.dst.isLoopback()
	if owner := st.local6(q.dst, device.iface()); owner != nil && !p.multicast &&
		(device == nil || device.Interface == owner.Interface || device.kind == link.Loopback || loose) {
		if q.src.isUnspecified() && !q.noSource {
			q.src = st.sourceFor6(q.dst, owner)
		}
		if q.dst.isLinkLocal() {
			p.scope = int32(owner.index)
		}
		return st.loopback(), q.dst, nil
	}
	r := st.lookup6(q.dst, device.iface())
	if loose {
		if any := st.lookup6(q.dst, nil); r == nil || any.bits > r.bits {
			r = any
		}
	}
	switch {
	case r == nil:
		return nil, hop, syscall.ENETUNREACH
	case r.kind != RouteUnicast:
		err, _ := r.kind.refusal()
		return nil, hop, err
	}
	out, hop = st.byIndex(r.out.index), q.dst
	if r.gateway != none {
		hop = r.gateway
	}
	if q.src.isUnspecified() && !q.noSource {
		if q.src = r.source; q.src == none {
			q.src = st.sourceFor6(q.dst, out)
		}
		if q.src == none {
			return nil, hop, syscall.EADDRNOTAVAIL
		}
	}
	return out, hop, nil
}

// prepare6 makes the headers, all but what differs from datagram to datagram.
func (p *path) prepare6(q *query) {
	p.ethernet1 = p.iface.macWord | uint64(wire.EtherTypeIPv6)
	p.setLink(p.link)
	const version = 6 << 60
	p.ip0 = version | uint64(q.tos)<<52 | uint64(wire.ProtocolUDP)<<8 | uint64(q.ttl)
	if !q.unlabelled {
		p.ip0 |= p.iface.stack.flowLabel(p.src, p.dst, portPair(q.srcPort, q.port)) << 32
	}
	p.ip1 = 0
	p.udp0 = uint64(q.srcPort)<<48 | uint64(q.port)<<32
	p.pseudoSum = uint32(fold64(p.src.hi)) + uint32(fold64(p.src.lo)) + uint32(fold64(p.dst.hi)) + uint32(fold64(p.dst.lo)) +
		uint32(wire.ProtocolUDP)
	p.udpSum = p.pseudoSum + uint32(q.srcPort) + uint32(q.port)
}

// wrap6 is wrap for IPv6, where a checksum is not left out.
func (p *path) wrap6(b *packet.Buffer, payload []byte) {
	length := uint64(wire.UDPHeaderLen + len(payload))
	if p.usual6 {
		// The same as below, in one go.
		f := b.Extend(plainHeaders6, len(payload))
		checksum := ^fold(p.udpSum + 2*uint32(length) + uint32(wire.CopySum(f[plainHeaders6:], payload)))
		if checksum == 0 {
			checksum = 0xffff // zero would say that there is none (RFC 8200, 8.1)
		}
		h := (*[plainHeaders6]byte)(f)
		binary.BigEndian.PutUint64(h[6:], p.ethernet1)
		binary.BigEndian.PutUint64(h[0:], p.ethernet0) // after the other, as it is loaded whole
		binary.BigEndian.PutUint64(h[14:], p.ip0|length<<16)
		binary.BigEndian.PutUint64(h[22:], p.src.hi)
		binary.BigEndian.PutUint64(h[30:], p.src.lo)
		binary.BigEndian.PutUint64(h[38:], p.dst.hi)
		binary.BigEndian.PutUint64(h[46:], p.dst.lo)
		binary.BigEndian.PutUint64(h[54:], p.udp0|length<<16|uint64(checksum))
		return
	}
	var checksum uint16
	if p.vouched {
		b.Flags |= packet.ChecksumValid | packet.ChecksumPartial
		checksum = fold(p.pseudoSum + uint32(length))
	} else if checksum = ^fold(p.udpSum + 2*uint32(length) + uint32(wire.Sum(payload))); checksum == 0 {
		checksum = 0xffff
	}
	b.Interface = p.scope
	at := p.linkLen() + wire.IPv6HeaderLen
	f := b.Extend(at+wire.UDPHeaderLen, len(payload))
	p.put6(f, wire.IPv6HeaderLen+length)
	binary.BigEndian.PutUint64(f[at:], p.udp0|length<<16|uint64(checksum))
	copy(f[at+wire.UDPHeaderLen:], payload)
}

// put6 is put for IPv6.
func (p *path) put6(h []byte, length uint64) {
	if p.ethernet {
		e := (*[wire.EthernetHeaderLen]byte)(h)
		binary.BigEndian.PutUint64(e[6:14], p.ethernet1)
		binary.BigEndian.PutUint64(e[0:8], p.ethernet0)
		h = h[wire.EthernetHeaderLen:]
	}
	ip := (*[wire.IPv6HeaderLen]byte)(h)
	binary.BigEndian.PutUint64(ip[0:], p.ip0|(length-wire.IPv6HeaderLen)<<16)
	binary.BigEndian.PutUint64(ip[8:], p.src.hi)
	binary.BigEndian.PutUint64(ip[16:], p.src.lo)
	binary.BigEndian.PutUint64(ip[24:], p.dst.hi)
	binary.BigEndian.PutUint64(ip[32:], p.dst.lo)
}
