package stack

import (
	"net/netip"
	"syscall"

	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// sendPacket6 is sendPacket for a packet of IPv6, which has no checksum to be filled in.
// One to an address that is good on one link only leaves by the interface that the
// buffer names, and else there is no way for it.
func (s *Stack) sendPacket6(b *packet.Buffer) (*packet.Buffer, error) {
	h, payload, err := wire.ParseIPv6(b.Bytes())
	if err != nil || wire.IPv6HeaderLen+len(payload) != b.Len() || h.HopLimit() == 0 {
		return b, syscall.EINVAL
	}
	if s.state.Load().closed {
		return b, socket.ErrClosed
	}
	q := query{
		src: addressOf16(h.Source16()), dst: addressOf16(h.Destination16()),
		ttl: h.HopLimit(), tos: h.TrafficClass(), anySource: true,
	}
	if q.dst == unspecified6 || q.dst.is4() || q.src.isMulticast() || q.src.is4() {
		return b, syscall.EINVAL
	}
	if q.dst.needsScope() {
		if q.device = int(b.Interface); q.device == 0 {
			return b, syscall.EINVAL
		}
	}
	var p path
	if err := s.routeInto6(&p, q); err != nil {
		return b, err
	}
	if b.Len() > p.mtu {
		return b, syscall.EMSGSIZE
	}
	b = readyToSend(b, &p)
	h = (*wire.IPv6Header)(b.Bytes())
	if q.src == unspecified6 {
		h.SetSource16(p.src.bytes16())
	}
	b.SetNetwork(0)
	b.SetTransport(wire.IPv6HeaderLen)
	return nil, s.sendWhole(b, &p)
}

// dissect fills in what a packet of IPv6 holds, behind its extension headers, and reports
// whether that is the beginning and not a later fragment.
func (p *Packet) dissect() (begins bool) {
	h, payload, err := wire.ParseIPv6(p.Bytes)
	if err != nil {
		panic("stack: a packet for a hook whose header was not checked")
	}
	p.Source, p.Destination = netip.AddrPortFrom(h.Source(), 0), netip.AddrPortFrom(h.Destination(), 0)
	w := wire.WalkIPv6(h, payload)
	for {
		e, ok := w.Next()
		if !ok {
			p.Protocol, p.Payload = w.Protocol(), w.Payload()
			return w.Err() == nil
		}
		if f, ok := e.Fragment(); ok && f.FragmentOffset() != 0 {
			p.Protocol, p.Payload = w.Protocol(), w.Payload()
			return false
		}
	}
}

// handled6 is handled for ICMPv6.
func (l *lane) handled6(b *packet.Buffer, m *wire.ICMPv6Header, body []byte) bool {
	if len(l.state.handlers) == 0 {
		return false
	}
	q, payload, err := m.Quote(body)
	if err != nil {
		return false
	}
	proto, _, _ := quotedTransport(q, payload)
	h := l.state.handlers[proto]
	if h == nil {
		return false
	}
	l.toHandler(b, h)
	return true
}
