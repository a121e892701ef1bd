package stack

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// icmpv6 is the way in for an ICMPv6 message to this host: the packet's IP header is
// at NetworkBytes, the message at TransportBytes.
func (l *lane) icmpv6(b *packet.Buffer, src, dst address, to cast) {
	l.flush()
	s := l.iface.stack
	message := b.TransportBytes()
	m, body, err := wire.ParseICMPv6(message)
	if err != nil {
		l.drop(b, drop.DatagramMalformed)
		return
	}
	if b.Flags&packet.ChecksumValid == 0 &&
		!m.ChecksumOK(wire.PseudoIPv6(src.bytes16(), dst.bytes16(), wire.ProtocolICMPv6, uint32(len(message))), body) {
		l.drop(b, drop.BadChecksum)
		return
	}
	from := l.comesBy(b, dst)
	switch t := m.Type(); {
	case t == wire.ICMPv6EchoRequest:
		s.answerEcho6(b, m, body, src, dst, to)
	case t == wire.ICMPv6EchoReply && to == toHost:
		h := (*wire.IPv6Header)(b.NetworkBytes())
		if !s.echo.reply(s.zoned(src, from), m.EchoID(), m.EchoSequence(), h.HopLimit(), body) {
			l.drop(b, drop.ICMPUnmatched)
			return
		}
	case t == wire.ICMPv6MLDQuery, t == wire.ICMPv6MLDv1Report, t == wire.ICMPv6MLDv1Done, t == wire.ICMPv6MLDv2Report:
		l.mld(b, src)
		return
	case t >= wire.ICMPv6RouterSolicitation && t <= wire.ICMPv6Redirect:
		l.ndp(b, src, dst)
		return
	case t.IsError() && to == toHost && l.handled6(b, m, body):
		return
	case t.IsError() && to == toHost:
		if reason := s.icmpError6(b, m, body, src, dst, from); reason != drop.None {
			l.drop(b, reason)
			return
		}
	default:
		l.drop(b, drop.ICMPUnsupported)
		return
	}
	l.iface.consume(b)
}

// zoned returns an address as a program reads it: one that is good on one link only with
// the interface as its zone.
func (s *Stack) zoned(a address, i *Interface) netip.Addr {
	if a.isLinkLocal() {
		return a.netip().WithZone(i.name)
	}
	return a.netip()
}

// answerEcho6 answers an echo request (RFC 4443, section 4.2): from the address that was
// asked, or, if that is a group's, from one of the interface's own; with the payload and
// the traffic class of the request. Linux answers to groups by default too.
func (s *Stack) answerEcho6(b *packet.Buffer, m *wire.ICMPv6Header, body []byte, src, dst address, to cast) {
	h := (*wire.IPv6Header)(b.NetworkBytes())
	q := query{dst: src, ttl: defaultHopLimit, linkTTL: true, tos: h.TrafficClass(), fragment: fragmentAllow}
	if to == toHost {
		q.src, q.anySource = dst, true
	}
	if src.isLinkLocal() {
		q.device = int(b.Interface)
	}
	c := packet.New(wire.ICMPv6HeaderLen + len(body))
	r := wire.PutICMPv6(c.Append(wire.ICMPv6HeaderLen), wire.ICMPv6EchoReply, m.Code())
	r.SetRest(m.Rest())
	copy(c.Append(len(body)), body)
	s.output(q, wire.ProtocolICMPv6, c)
}

// icmpError6 tells the socket that sent the datagram quoted by an error, as icmpError
// does for IPv4 (Linux's icmpv6_notify and __udp6_lib_err).
func (s *Stack) icmpError6(b *packet.Buffer, m *wire.ICMPv6Header, body []byte, offender, own address, from *Interface) drop.Reason {
	q, payload, err := m.Quote(body)
	if err != nil {
		return drop.DatagramMalformed
	}
	proto, payload, ok := quotedTransport(q, payload)
	if !ok {
		return drop.ICMPUnmatched // it quotes no ports
	}
	local, peer := addressOf16(q.Source16()), addressOf16(q.Destination16())
	errno, fatal := icmpErrno6(m)
	switch proto {
	case wire.ProtocolICMPv6:
		if s.echo.fail6(s.zoned(peer, from), payload, errno, s.zoned(offender, from)) {
			return drop.None
		}
		return drop.ICMPUnmatched
	case wire.ProtocolUDP:
	default:
		return drop.ICMPUnmatched
	}
	if len(payload) < 4 {
		return drop.DatagramMalformed
	}
	if local == unspecified6 || local.isMulticast() {
		return drop.ICMPUnmatched // sockets may be bound to it, and send from another
	}
	if local.is4() || peer.is4() {
		return drop.ICMPUnmatched // no packet of IPv6 has such an address, and IPv4's sockets are not asked
	}
	sk := s.quoted(flow{src: peer, dst: local, ports: binary.BigEndian.Uint32(payload), device: int32(from.index)})
	if sk == nil {
		return drop.ICMPUnmatched
	}
	if m.Type() == wire.ICMPv6PacketTooBig {
		believed, refused := sk.packetTooBig(local, peer, from, m.MTU())
		if !believed {
			return drop.None
		}
		fatal = refused
	}
	if sk.errors.Load() == nil {
		if fatal && sk.match.Load().peer != (address{}) {
			sk.fail(errno)
		}
		return drop.None
	}
	h := (*wire.IPv6Header)(b.NetworkBytes())
	sk.hear(b, errorEntry{
		to: peer, toPort: binary.BigEndian.Uint16(payload[2:]),
		errno: errno, info: m.MTU(), origin: socket.OriginICMPv6, typ: uint8(m.Type()), code: uint8(m.Code()),
		ttl: h.HopLimit(), tos: h.TrafficClass(), offender: offender, local: own, iface: b.Interface,
	}, payload[min(wire.UDPHeaderLen, len(payload)):])
	return drop.None
}

// quotedTransport returns the protocol of a quoted packet and what is quoted of it behind
// its extension headers. It reports false if that is not quoted, or is no beginning.
func quotedTransport(q *wire.IPv6Header, payload []byte) (wire.Protocol, []byte, bool) {
	w := wire.WalkIPv6(q, payload)
	for {
		e, ok := w.Next()
		if !ok {
			return w.Protocol(), w.Payload(), w.Err() == nil
		}
		if f, ok := e.Fragment(); ok && f.FragmentOffset() != 0 {
			return 0, nil, false
		}
	}
}

// packetTooBig is told to a socket, with the path and the MTU. It reports whether the
// socket believes such things, and whether what it sent was not to be cut.
func (s *Socket) packetTooBig(local, peer address, from *Interface, mtu uint32) (believed, refused bool) {
	s.learnPathMTU6(local, peer, from, int(min(mtu, 1<<30)))
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opts.fragment.believes(), s.opts.fragment != fragmentAllow
}

// icmpErrno6 returns the errno for an error message, and whether a connected socket is
// told of it without having asked (Linux's icmpv6_err_convert).
func icmpErrno6(m *wire.ICMPv6Header) (e syscall.Errno, fatal bool) {
	switch m.Type() {
	case wire.ICMPv6DestinationUnreachable:
		switch m.Code() {
		case wire.ICMPv6NoRoute:
			return syscall.ENETUNREACH, false
		case wire.ICMPv6AdminProhibited, wire.ICMPv6SourcePolicyFailed, wire.ICMPv6RejectRoute:
			return syscall.EACCES, true
		case wire.ICMPv6BeyondScope, wire.ICMPv6AddressUnreachable:
			return syscall.EHOSTUNREACH, false
		case wire.ICMPv6PortUnreachable:
			return syscall.ECONNREFUSED, true
		}
		return syscall.EPROTO, true
	case wire.ICMPv6PacketTooBig:
		return syscall.EMSGSIZE, false
	case wire.ICMPv6TimeExceeded:
		return syscall.EHOSTUNREACH, false
	}
	return syscall.EPROTO, m.Type() == wire.ICMPv6ParameterProblem
}
