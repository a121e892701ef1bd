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
	src      ipv4 // 0: the stack chooses
	dst      ipv4
	srcPort  uint16
	port     uint16
	device   int  // interface index; 0: any
	anySrc   bool // src need not be local (IP_FREEBIND)
	ttl, tos uint8
	fragment fragmentation
}

// headersLen is the length of the headers before a UDP payload over Ethernet.
const headersLen = wire.EthernetHeaderLen + wire.IPv4HeaderLen + wire.UDPHeaderLen

// path is the answer: the way to a destination, with the headers made ready. A
// socket keeps the last one it used and goes by it as long as the stack's state
// is the one it was made from and its next hop's address has not changed. It is
// guarded by the socket's mutex.
type path struct {
	state     *state // what it was made from; nil: not valid
	iface     *Interface
	neighbor  *neighbor // nil: the frame's destination is known without one
	link      uint64    // the neighbour's word that the header was made with
	src, dst  ipv4
	mtu       int
	broadcast bool
	multicast bool
	vouched   bool // the link vouches for checksums
	plain     bool // no UDP checksum (SO_NO_CHECK)
	skip      int  // of header, where the link has none
	ipSum     uint32
	udpSum    uint32
	counted   uint32 // not fragmentable packets need no identification; others count on from here
	header    [headersLen]byte

	to netip.AddrPort // what was asked for; zero: do not use again

	// What has left by this path, not yet added to the interface's counters.
	packets, bytes uint64
}

// query returns the question that the socket asks about a destination.
func (s *Socket) query(dst ipv4) query {
	q := query{
		dst: dst, srcPort: s.bound.port, device: s.opts.device,
		ttl: s.opts.ttl, tos: s.opts.tos, fragment: s.opts.dontFragment, anySrc: s.opts.freeBind,
	}
	if a := s.bound.addr; !a.isMulticast() && a != broadcast4 && s.stack.state.Load().broadcasts(a) == nil {
		q.src = a // a group or broadcast address is a filter, never a source
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
	st := s.state.Load()
	if q.dst == unspecified4 {
		// Connecting to 0.0.0.0 is connecting to oneself.
		if q.dst = q.src; q.dst == unspecified4 {
			q.dst = loopback4
		}
	}
	if q.src != 0 && !q.anySrc && st.local(q.src) == nil {
		return syscall.EINVAL
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
	out, hop, err := st.wayOut(p, &q, device)
	if err != nil {
		return err
	}
	if q.src.isLoopback() && out.kind != link.Loopback {
		return syscall.EINVAL
	}
	p.iface, p.src, p.dst, p.mtu = out.Interface, q.src, q.dst, out.link.MTU()
	p.vouched = out.caps&link.ChecksumVouched != 0
	p.neighbor, p.link = nil, 0
	p.skip = wire.EthernetHeaderLen
	var mac wire.MAC
	if out.kind == link.Ethernet {
		p.skip = 0
		switch {
		case p.broadcast:
			mac = wire.Broadcast
		case p.multicast:
			mac = wire.MulticastMAC(q.dst.netip())
		default:
			p.neighbor = s.neighbors.get(out.Interface, hop)
			p.link = p.neighbor.word.Load()
			mac = wordMAC(p.link)
		}
	}
	p.prepare(&q, mac)
	p.state = st
	return nil
}

// wayOut finds the interface and the next hop, and fills in q.src and what kind
// of destination it is.
func (st *state) wayOut(p *path, q *query, device *netif) (out *netif, hop ipv4, err error) {
	p.broadcast, p.multicast = false, false
	var r *route
	switch dst := q.dst; {
	case dst == broadcast4 || dst.isMulticast():
		p.broadcast, p.multicast = dst == broadcast4, dst != broadcast4
		out, hop = device, dst
		if out == nil && q.src != 0 {
			out = st.local(q.src)
		}
		if out == nil {
			if r = st.lookup(dst, nil); r == nil {
				return nil, 0, syscall.ENETUNREACH
			}
		}
	case st.local(dst) != nil:
		out, hop = st.loopback(), dst
		if q.src == 0 {
			if q.src = dst; dst.isLoopback() {
				q.src = loopback4
			}
		}
	case st.broadcasts(dst) != nil:
		p.broadcast = true
		if out, hop = st.broadcasts(dst), dst; device != nil {
			out = device
		}
		if !out.up {
			return nil, 0, syscall.ENETUNREACH
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
		out, hop = st.byIndex(r.out.index), q.dst
		if r.gateway != 0 {
			hop = r.gateway
		}
	}
	if q.src == 0 {
		q.src = st.sourceFor(r, out, hop)
	}
	return out, hop, nil
}

// iface returns the Interface; nil of nil.
func (n *netif) iface() *Interface {
	if n == nil {
		return nil
	}
	return n.Interface
}

// prepare makes the headers, all but what differs from datagram to datagram.
func (p *path) prepare(q *query, mac wire.MAC) {
	h := p.header[:]
	if p.skip == 0 {
		e := wire.PutEthernet(h)
		e.SetDestination(mac)
		e.SetSource(p.iface.mac)
		e.SetType(wire.EtherTypeIPv4)
	}
	ip := wire.PutIPv4(h[wire.EthernetHeaderLen:])
	ip.SetTOS(q.tos)
	ip.SetTTL(q.ttl)
	ip.SetProtocol(wire.ProtocolUDP)
	ip.SetSource4(p.src.bytes())
	ip.SetDestination4(p.dst.bytes())
	ip.SetDontFragment(q.fragment != fragmentAllow)
	p.counted = 0
	if q.fragment == fragmentAllow {
		p.counted = 1
	}
	p.ipSum = uint32(wire.Sum(ip[:]))
	udp := wire.PutUDP(h[wire.EthernetHeaderLen+wire.IPv4HeaderLen:])
	udp.SetSourcePort(q.srcPort)
	udp.SetDestinationPort(q.port)
	p.udpSum = uint32(ip.PseudoSum(0)) + uint32(q.srcPort) + uint32(q.port)
}

// current reports whether the path can still be used: nothing was reconfigured,
// and the next hop's address is known and the one in the header.
func (p *path) current(st *state) bool {
	return p.state == st && (p.neighbor == nil || p.link&usable != 0 && p.neighbor.word.Load() == p.link)
}

// forget makes the path invalid, so that it is looked up again.
func (p *path) forget() {
	if p != nil {
		p.state = nil
	}
}

// wrap prepends the headers to a payload.
func (p *path) wrap(b *packet.Buffer, id func() uint16) {
	payload := b.Bytes()
	udpLen := wire.UDPHeaderLen + len(payload)
	total := wire.IPv4HeaderLen + udpLen
	h := b.Prepend(headersLen - p.skip)
	copy(h, p.header[p.skip:])
	ip := h[wire.EthernetHeaderLen-p.skip:]
	ip = ip[:wire.IPv4HeaderLen+wire.UDPHeaderLen]

	sum := p.ipSum + uint32(total)
	binary.BigEndian.PutUint16(ip[2:], uint16(total))
	if p.counted != 0 {
		n := id()
		binary.BigEndian.PutUint16(ip[4:], n)
		sum += uint32(n)
	}
	binary.BigEndian.PutUint16(ip[10:], ^fold(sum))

	binary.BigEndian.PutUint16(ip[24:], uint16(udpLen))
	switch {
	case p.plain:
		binary.BigEndian.PutUint16(ip[26:], 0)
	case p.vouched:
		b.Flags |= packet.ChecksumValid
		binary.BigEndian.PutUint16(ip[26:], fold(p.udpSum+uint32(udpLen)))
	default:
		sum := ^fold(p.udpSum + 2*uint32(udpLen) + uint32(wire.Sum(payload)))
		if sum == 0 {
			sum = 0xffff // zero would say that there is none (RFC 768)
		}
		binary.BigEndian.PutUint16(ip[26:], sum)
	}
}

// fold brings a sum of few 16-bit words to 16 bits.
func fold(sum uint32) uint16 {
	sum = sum>>16 + sum&0xffff
	return uint16(sum>>16 + sum)
}
