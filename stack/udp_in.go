package stack

import (
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
	f := flow{src: src, dst: dst, ports: portPair(u.DestinationPort(), u.SourcePort()), device: b.Interface}
	if to != toHost {
		l.udpToMany(b, f)
		return nil
	}
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
	// What is queued so far goes first, so that an answer does not overtake it.
	l.flush()
	if b.Flags&(packet.LinkBroadcast|packet.LinkMulticast) == 0 {
		l.iface.stack.sendError(l.state, b, h, icmpError{t: wire.ICMPDestinationUnreachable, code: wire.ICMPPortUnreachable})
	}
	l.drop(b, drop.NoPort)
	return nil
}

// wantsTime reports whether datagrams are to be stamped.
func (s *Socket) wantsTime() bool {
	return socket.Fields(s.reports.Load())&socket.FieldTime != 0
}

// flow is what an incoming datagram is looked up by. It has few enough fields
// to be kept in registers.
type flow struct {
	src, dst ipv4
	ports    uint32 // as in portKey: ours above theirs
	device   int32
}

func (f flow) srcPort() uint16 { return uint16(f.ports) }

// exact is the key of sockets connected to the datagram's sender, bound of
// those bound to its destination, wild of those bound to any address.
func (f flow) exact() portKey { return portKey{f.dst.address(), f.src.address(), f.ports} }
func (f flow) bound() portKey { return portKey{local: f.dst.address(), ports: f.ports &^ 0xffff} }
func (f flow) wild() portKey {
	return portKey{local: unspecified4.address(), ports: f.ports &^ 0xffff}
}

func (f flow) keys() [3]portKey { return [3]portKey{f.exact(), f.bound(), f.wild()} }

// accepts reports whether a socket found by its key wants the datagram.
func (m *match) accepts(f flow) bool {
	return (m.device == 0 || m.device == f.device) &&
		(m.peer == 0 || m.peer == f.src) && (m.peerPort == 0 || m.peerPort == f.srcPort())
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
	if s := t.pick(f.dst, 0, f.ports&^0xffff, f, firstBound); s != nil {
		return s
	}
	return t.pick(unspecified4, 0, f.ports&^0xffff, f, firstBound)
}

// pick returns the socket for a datagram among those of one key, or nil.
func (t *portTable) pick(local, peer ipv4, ports uint32, f flow, firstBound bool) *Socket {
	b := t.find4(local, peer, ports)
	if b == nil {
		return nil
	}
	if s := b.only.Load(); s != nil {
		return s
	}
	return t.choose(*b.sockets.Load(), f, firstBound)
}

// score ranks sockets with the same key: one bound to the device, or connected
// to the sender whatever its port, before one that is not (Linux's compute_score).
func (m *match) score() (n int) {
	if m.device != 0 {
		n++
	}
	if m.peer != 0 {
		n++
	}
	return n
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
	if best == nil || !bestMatch.reusePort || bestMatch.peer != 0 {
		return best
	}
	group := 0
	for _, s := range list {
		if m := s.match.Load(); m.reusePort && m.peer == 0 && m.device == bestMatch.device && m.accepts(f) {
			group++
		}
	}
	k := f.exact()
	pick := int(t.hash(&k) >> 32 * uint64(group) >> 32)
	for _, s := range list {
		if m := s.match.Load(); m.reusePort && m.peer == 0 && m.device == bestMatch.device && m.accepts(f) {
			if pick == 0 {
				return s
			}
			pick--
		}
	}
	return best // the group has shrunk meanwhile
}
