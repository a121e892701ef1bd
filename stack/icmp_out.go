package stack

import (
	"sync"
	"syscall"
	"time"

	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// icmpError is an error message to be sent.
type icmpError struct {
	t    wire.ICMPType
	code wire.ICMPCode
	mtu  uint16 // of fragmentation needed
	// pointer says where a parameter problem is, counted from the IP header.
	pointer uint8
}

// maxICMPError is the length of the longest error message, its IP header
// included (RFC 1812, 4.3.2.3).
const maxICMPError = 576

// controlTOS is the precedence of internetwork control, under which error
// messages travel (RFC 1812, 4.3.2.5).
const controlTOS = 0xc0

// answerable reports whether an error may be sent about an ICMP message of the type:
// not about errors (RFC 1122, 3.2.2), nor about what may be one for all we know
// (Linux's icmp_pointers).
func answerable(t wire.ICMPType) bool {
	const addressMaskReply = 18
	return t == wire.ICMPEchoReply || t == wire.ICMPEchoRequest ||
		t >= wire.ICMPTimestampRequest && t <= addressMaskReply
}

// sendError sends the sender of a packet an error message that quotes it,
// unless that is forbidden (RFC 1122, 3.2.2) or too many were sent.
func (s *Stack) sendError(st *state, b *packet.Buffer, h *wire.IPv4Header, e icmpError) {
	src, dst := ipv4OfBytes(h.Source4()), ipv4OfBytes(h.Destination4())
	if src == unspecified4 || h.FragmentOffset() != 0 ||
		b.Flags&(packet.LinkBroadcast|packet.LinkMulticast) != 0 ||
		dst.isMulticast() || dst == broadcast4 || st.broadcasts(dst) != nil || st.broadcasts(src) != nil {
		return
	}
	original := b.NetworkBytes()
	if h.Protocol() == wire.ProtocolICMP {
		if m, _, err := wire.ParseICMP(original[h.HeaderLen():]); err != nil || !answerable(m.Type()) {
			return
		}
	}
	// As on Linux, neither what stays on the host is limited nor what path MTU
	// discovery cannot do without.
	if st.local(src) == nil && e.mtu == 0 && !s.errorLimit.allow(src.address(), s.timers.now()) {
		return
	}
	quote := original[:min(len(original), maxICMPError-wire.IPv4HeaderLen-wire.ICMPHeaderLen)]
	q := query{dst: src.address(), ttl: defaultTTL, tos: h.TOS()&0x1e | controlTOS, fragment: fragmentAllow}
	if st.covers(dst.address(), b.Interface) {
		q.src, q.anySource = dst.address(), true
	}
	c := packet.New(wire.ICMPHeaderLen + len(quote))
	m := wire.PutICMP(c.Append(wire.ICMPHeaderLen), e.t, e.code)
	if e.mtu != 0 {
		m.SetMTU(e.mtu)
	}
	if e.pointer != 0 {
		m.SetPointer(e.pointer)
	}
	body := c.Append(len(quote))
	copy(body, quote)
	if b.Flags&packet.ChecksumPartial != 0 && b.SegmentSize == 0 && h.Protocol() == wire.ProtocolUDP && !h.IsFragment() {
		// It is quoted as it would look on a wire.
		if u, data, err := wire.ParseUDP(original[h.HeaderLen():]); err == nil {
			(*wire.UDPHeader)(body[h.HeaderLen():]).UpdateChecksum(h.PseudoSum(u.Length()), data)
		}
	}
	m.UpdateChecksum(body)
	s.output(q, wire.ProtocolICMP, c)
}

// output sends a packet that the stack itself made, given what follows the IP
// header. The checksum of ICMPv6, which knows the source, is made here. If there is no
// way to the destination, the packet is not made.
func (s *Stack) output(q query, proto wire.Protocol, b *packet.Buffer) error {
	var p path
	if err := s.routeInto(&p, q); err != nil {
		b.Release()
		return err
	}
	// The path is made for UDP; what it says of the protocol is exchanged.
	if p.six {
		p.ip0 = p.ip0&^0xff00 | uint64(proto)<<8
		if proto == wire.ProtocolICMPv6 {
			wire.UpdateICMPv6Checksum(b.Bytes(), p.src.bytes16(), p.dst.bytes16())
		}
	} else {
		const other = uint64(0xff) << 48
		p.ip1 = p.ip1&^other | uint64(proto)<<48
		p.ipSum += uint32(proto) + uint32(^uint16(wire.ProtocolUDP))
	}
	p.wrapIP(b, s)
	p.iface.generated(b)
	if !s.letOut(&p, b) {
		return syscall.EPERM
	}
	if b.Len()-p.linkLen() > p.mtu {
		s.allowFragments(b, p.linkLen())
		s.sendFragments(p.iface, p.neighbor, b, p.mtu)
		return nil
	}
	s.sendBy(p.iface, p.neighbor, b)
	return nil
}

// sendBy sends a packet, complete but for the neighbour's address.
func (s *Stack) sendBy(i *Interface, n *neighbor, b *packet.Buffer) {
	if n != nil {
		w := n.word.Load()
		if w&usable == 0 {
			w = s.neighbors.use(n)
		}
		if w&usable == 0 {
			s.neighbors.hold(n, b)
			return
		}
		sendTo(i, b, wordMAC(w))
		return
	}
	i.sent.packets.Add(1)
	i.sent.bytes.Add(uint64(b.Len()))
	i.transmit(b.Single())
}

// errorLimiter bounds how many error messages are sent, as Linux does: to one
// destination six in a row, then one a second, of ICMPv6 ten (icmp_ratelimit, and
// icmp/ratelimit of IPv6); to all together fifty in a row, then a thousand a second
// (icmp_msgs_per_sec).
type errorLimiter struct {
	mu     sync.Mutex
	limit  int
	global bucketOfTokens
	each   map[address]bucketOfTokens
	sweep  instant // not before then is the table searched for who can be forgotten
}

// bucketOfTokens is a token bucket: at most burst, one more each interval.
type bucketOfTokens struct {
	tokens int
	since  instant // when tokens was right
}

const (
	destinationBurst     = 6
	destinationInterval  = time.Second
	destinationInterval6 = 100 * time.Millisecond
	globalBurst          = 50
	globalInterval       = time.Millisecond
)

func (l *errorLimiter) init(limit int) {
	l.limit = limit
	l.global.tokens = globalBurst
	l.each = make(map[address]bucketOfTokens)
}

// fill fills the bucket up for the time gone by.
func (b *bucketOfTokens) fill(now instant, interval time.Duration, burst int) {
	if n := int64((now - b.since) / interval); n > 0 {
		b.tokens = int(min(int64(burst), int64(b.tokens)+n))
		b.since += time.Duration(n) * interval
	}
}

// allow reports whether an error may be sent to dst now, and counts it.
func (l *errorLimiter) allow(dst address, now instant) bool {
	interval := destinationInterval6
	if dst.is4() {
		interval = destinationInterval
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.each[dst]
	if !known {
		if len(l.each) >= l.limit && now >= l.sweep {
			l.forget(now)
			l.sweep = now + destinationInterval
		}
		b = bucketOfTokens{destinationBurst, now}
	}
	b.fill(now, interval, destinationBurst)
	l.global.fill(now, globalInterval, globalBurst)
	if b.tokens == 0 || l.global.tokens == 0 {
		return false
	}
	b.tokens--
	l.global.tokens--
	if known || len(l.each) < l.limit {
		l.each[dst] = b
	}
	return true
}

// forget makes room: destinations whose buckets have filled up again are as if
// never seen. If there are none, new destinations share the global limit only.
func (l *errorLimiter) forget(now instant) {
	for a, b := range l.each {
		if now-b.since >= destinationBurst*destinationInterval {
			delete(l.each, a)
		}
	}
}
