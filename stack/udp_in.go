package stack

import (
	"cmp"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// udp is the way in for a UDP datagram to this host. It returns the socket whose
// queue it belongs into; nil if the datagram is done with.
func (l *lane) udp(b *packet.Buffer, h *wire.IPv4Header, datagram []byte, src, dst ipv4, to cast) *Socket {
	u, payload, err := wire.ParseUDP(datagram)
	if err != nil {
		l.drop(b, drop.DatagramMalformed)
		return nil
	}
	length := wire.UDPHeaderLen + len(payload)
	if rest := len(datagram) - length; rest > 0 {
		// What the packet holds beyond the datagram's length is not its own.
		b.TrimTo(b.Len() - rest)
		datagram = datagram[:length]
	}
	if len(payload) <= int(b.SegmentSize) {
		b.SegmentSize = 0 // a train of one
	}
	if b.Flags&packet.ChecksumValid == 0 && u.Checksum() != 0 {
		pseudo := uint32(fold64(uint64(src)+uint64(dst))) + uint32(wire.ProtocolUDP) + uint32(length)
		if fold(pseudo+uint32(wire.Sum(datagram))) != 0xffff {
			l.drop(b, drop.BadChecksum)
			return nil
		}
	}
	if l.iface.kind == link.Loopback {
		// A datagram to an address of one's own counts as having come in by
		// the interface that has it (Linux's rt_iif).
		if n := l.state.local(dst); n != nil {
			b.Interface = int32(n.index)
		}
	}
	f := flow{src: src.address(), dst: dst.address(), ports: portPair(u.DestinationPort(), u.SourcePort()), device: b.Interface}
	if to != toHost {
		l.udpToMany(b, f)
		return nil
	}
	if s := l.receiver(f); s != nil {
		return s
	}
	if b.Flags&(packet.LinkBroadcast|packet.LinkMulticast) == 0 {
		l.iface.stack.sendError(l.state, b, h, icmpError{t: wire.ICMPDestinationUnreachable, code: wire.ICMPPortUnreachable})
	}
	l.drop(b, drop.NoPort)
	return nil
}

// receiver returns the socket for a unicast datagram. If there is none, what is queued
// so far has gone first, so that an answer does not overtake it.
func (l *lane) receiver(f flow) *Socket {
	if l.to != nil && f == l.flow {
		return l.to // in a row with the datagram before it
	}
	l.flow = f
	if s := l.iface.stack.ports.lookup(f, l.iface.stack.cfg.FirstBound); s != nil {
		return s
	}
	if s := l.iface.stack.ports.interceptor(f, l.iface.stack.cfg.FirstBound); s != nil {
		return s
	}
	l.flush()
	return nil
}

// wantsTime reports whether datagrams are to be stamped.
func (s *Socket) wantsTime() bool {
	return socket.Fields(s.reports.Load())&socket.FieldTime != 0
}

// flow is what an incoming datagram is looked up by. It has few enough words
// to be kept in registers.
type flow struct {
	src, dst address
	ports    uint32 // as in portKey: ours above theirs
	device   int32
}

func (f flow) srcPort() uint16 { return uint16(f.ports) }

// exact is the key of sockets connected to the datagram's sender, bound of
// those bound to its destination, wild of those bound to any address.
func (f flow) exact() portKey { return portKey{f.dst, f.src, f.ports} }
func (f flow) bound() portKey { return portKey{local: f.dst, ports: f.ports &^ 0xffff} }
func (f flow) wild() portKey  { return portKey{local: f.dst.any(), ports: f.ports &^ 0xffff} }

// dual is the key under which IPv6 sockets bound to any address are, which IPv4 may be
// for as well.
func (f flow) dual() portKey { return portKey{ports: f.ports &^ 0xffff} }

// keys returns those under which sockets may be that the datagram is for: of IPv4 the
// last one is that of IPv6 sockets.
func (f flow) keys() ([4]portKey, int) {
	n := 3
	if f.dst.is4() {
		n = 4
	}
	return [4]portKey{f.exact(), f.bound(), f.wild(), f.dual()}, n
}

// accepts reports whether a socket found by its key wants the datagram.
func (m *match) accepts(f flow) bool {
	return (m.device == 0 || m.device == f.device) && !(m.only6 && f.dst.is4()) &&
		(m.peer == address{} || m.peer == f.src) && (m.peerPort == 0 || m.peerPort == f.srcPort())
}

// lookup returns the one socket for a unicast datagram: connected ones before
// those bound to the address before those bound to any, as Linux's scores have
// it; nil if there is none.
func (t *portTable) lookup(f flow, firstBound bool) *Socket {
	if t.connected.Load() > 0 {
		if s := t.pick(f.dst, f.src, f.ports, f, firstBound); s != nil {
			return s
		}
	}
	if s := t.pick(f.dst, address{}, f.ports&^0xffff, f, firstBound); s != nil {
		return s
	}
	s := t.pick(f.dst.any(), address{}, f.ports&^0xffff, f, firstBound)
	if t.duals.Load() > 0 && f.dst.is4() {
		return t.pickDual(s, f.ports&^0xffff, f, firstBound)
	}
	return s
}

// pickDual returns the socket for a datagram of IPv4 among those bound to any address:
// s is the one of IPv4, if there is one, and goes before one of IPv6 with the same
// wishes (Linux's compute_score).
func (t *portTable) pickDual(s *Socket, ports uint32, f flow, firstBound bool) *Socket {
	b := t.find(&portKey{ports: ports})
	if b == nil {
		return s
	}
	d := t.choose(*b.sockets.Load(), f, firstBound)
	if s == nil || d == nil {
		return cmp.Or(s, d)
	}
	// The one of IPv4 may be bound to ::ffff:0.0.0.0, and then is of IPv6 itself.
	of4, of6 := s.match.Load().score(), d.match.Load().score()
	if of6 > of4 || of6 == of4 && (d.rank.Load() > s.rank.Load()) != firstBound {
		return d
	}
	return s
}

// pick returns the socket for a datagram among those of one key, or nil.
func (t *portTable) pick(local, peer address, ports uint32, f flow, firstBound bool) *Socket {
	var b *bucket
	if local.is4() {
		b = t.find4(local.ipv4(), peer.ipv4(), ports)
	} else {
		b = t.find(&portKey{local, peer, ports})
	}
	if b == nil {
		return nil
	}
	if s := b.only.Load(); s != nil {
		return s
	}
	return t.choose(*b.sockets.Load(), f, firstBound)
}

// wishes counts what a socket wants beyond its key: a device, or a sender whatever
// its port.
func (m *match) wishes() (n int) {
	if m.device != 0 {
		n++
	}
	if m.peer != (address{}) {
		n++
	}
	return n
}

// score ranks sockets with the same key: one with more wishes, and then one of IPv4
// before one of IPv6 that hears IPv4 (Linux's compute_score).
func (m *match) score() int {
	if m.six {
		return 2 * m.wishes()
	}
	return 2*m.wishes() + 1
}

// choose picks among sockets with the same key, in the order of binding: the
// highest score, then the last bound. Sockets that share by ReusePort, and are
// not connected, are picked from by the flow's hash (Linux's udp4_lib_lookup2 and
// inet_lookup_reuseport).
func (t *portTable) choose(list []*Socket, f flow, firstBound bool) *Socket {
	var best *Socket
	var bestMatch *match
	for i := range list {
		s := list[len(list)-1-i]
		m := s.match.Load()
		if !m.accepts(f) {
			continue
		}
		if best == nil || m.score() > bestMatch.score() || firstBound && m.score() == bestMatch.score() {
			best, bestMatch = s, m
		}
	}
	if best == nil || !bestMatch.reusePort || bestMatch.peer != (address{}) {
		return best
	}
	k := f.exact()
	_, size := sharing(list, bestMatch, f, len(list))
	if s, _ := sharing(list, bestMatch, f, int(t.hash(&k)>>32*uint64(size)>>32)); s != nil {
		return s
	}
	return best // the group has shrunk meanwhile
}

// sharing returns which of the sockets that share a flow with one that matches so has
// that number, counted from 0; if there are not as many, nil and how many there are.
func sharing(list []*Socket, like *match, f flow, number int) (s *Socket, count int) {
	for _, s := range list {
		if m := s.match.Load(); m.sharesWith(like) && m.accepts(f) {
			if count == number {
				return s, count
			}
			count++
		}
	}
	return nil, count
}

// sharesWith reports whether a socket is among those that share flows by ReusePort with
// one that does: with the same device, of the same family and hearing the same ones,
// and not connected (Linux's reuseport_add_sock).
func (m *match) sharesWith(o *match) bool {
	return m.reusePort && m.peer == address{} && m.device == o.device && m.six == o.six && m.only6 == o.only6
}
