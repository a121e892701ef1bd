package stack

import (
	"encoding/binary"
	"syscall"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// icmp is the way in for an ICMP message to this host.
func (l *lane) icmp(b *packet.Buffer, h *wire.IPv4Header, src, dst ipv4, to cast) {
	l.flush()
	s := l.iface.stack
	m, body, err := wire.ParseICMP(b.TransportBytes())
	if err != nil {
		l.drop(b, drop.DatagramMalformed)
		return
	}
	if b.Flags&packet.ChecksumValid == 0 && !m.ChecksumOK(body) {
		l.drop(b, drop.BadChecksum)
		return
	}
	switch t := m.Type(); {
	case t == wire.ICMPEchoRequest && to == toHost:
		s.answerEcho(h, m, body, src, dst)
	case t == wire.ICMPEchoReply && to == toHost:
		if !s.echo.reply(src.netip(), m.EchoID(), m.EchoSequence(), h.TTL(), body) {
			l.drop(b, drop.ICMPUnmatched)
			return
		}
	case t.IsError() && t != wire.ICMPRedirect && to == toHost && l.handled(b, m, body):
		return
	case t.IsError() && t != wire.ICMPRedirect && to == toHost:
		if reason := s.icmpError(b, h, m, body, l.iface); reason != drop.None {
			l.drop(b, reason)
			return
		}
	default:
		// Redirects are ignored: a router that is believed without being
		// asked can take traffic over. So are echo requests to many
		// (icmp_echo_ignore_broadcasts), since they amplify.
		l.drop(b, drop.ICMPUnsupported)
		return
	}
	l.iface.consume(b)
}

// icmpError tells the socket that sent the datagram quoted by an error. Errors
// are believed only if they quote what a socket may have sent (RFC 5927, 4.1).
func (s *Stack) icmpError(b *packet.Buffer, h *wire.IPv4Header, m *wire.ICMPHeader, body []byte, from *Interface) drop.Reason {
	offender := ipv4OfBytes(h.Source4())
	q, _, payload, err := m.Quote(body)
	if err != nil {
		return drop.DatagramMalformed
	}
	local, peer := ipv4OfBytes(q.Source4()), ipv4OfBytes(q.Destination4())
	errno, fatal := icmpErrno(m)
	switch q.Protocol() {
	case wire.ProtocolICMP:
		if s.echo.fail(peer, payload, errno, offender) {
			return drop.None
		}
		return drop.ICMPUnmatched
	case wire.ProtocolUDP:
	default:
		return drop.ICMPUnmatched
	}
	if q.FragmentOffset() != 0 {
		return drop.ICMPUnmatched // it quotes no ports
	}
	if len(payload) < 4 {
		return drop.DatagramMalformed
	}
	if st := s.state.Load(); local == unspecified4 || local.isMulticast() || local == broadcast4 || st.broadcasts(local) != nil {
		return drop.ICMPUnmatched // sockets may be bound to it, and send from another
	}
	// It is for the one socket that would hear the peer's answer by the same
	// interface (Linux's __udp4_lib_err).
	f := flow{src: peer.address(), dst: local.address(), ports: binary.BigEndian.Uint32(payload), device: int32(from.index)}
	sk := s.quoted(f)
	if sk == nil {
		return drop.ICMPUnmatched
	}
	switch {
	case m.Type() == wire.ICMPSourceQuench, m.Type() == wire.ICMPTimeExceeded && m.Code() == wire.ICMPReassemblyTimeExceeded:
		return drop.None // to be ignored (RFC 6633), and what Linux tells nobody of
	case m.Type() == wire.ICMPDestinationUnreachable && m.Code() > wire.ICMPPrecedenceCutoff:
		return drop.None // nobody knows what it means (NR_ICMP_UNREACH)
	case m.Type() == wire.ICMPDestinationUnreachable && m.Code() == wire.ICMPFragmentationNeeded:
		if !sk.fragmentationNeeded(local, peer, int(m.MTU())) {
			return drop.None
		}
	}
	// Unconnected sockets hear of errors only if they want to hear of all; that
	// one of them sent the datagram makes the message ours to read.
	if sk.errors.Load() == nil {
		if fatal && sk.match.Load().peer != (address{}) {
			sk.fail(errno)
		}
		return drop.None
	}
	sk.hear(b, errorEntry{
		to: peer.address(), toPort: binary.BigEndian.Uint16(payload[2:]),
		errno: errno, info: icmpInfo(m), origin: socket.OriginICMP, typ: uint8(m.Type()), code: uint8(m.Code()),
		ttl: h.TTL(), tos: h.TOS(), offender: offender.address(), local: ipv4OfBytes(h.Destination4()).address(), iface: b.Interface,
	}, payload[min(wire.UDPHeaderLen, len(payload)):])
	return drop.None
}

// hear queues an ICMP error that came in by a packet, and makes it the pending one,
// whether there was room in the queue or not.
func (s *Socket) hear(b *packet.Buffer, e errorEntry, payload []byte) {
	if s.wantsTime() {
		e.time = s.stack.arrival(b)
	}
	s.queueError(e, payload)
	s.fail(e.errno)
}

// fragmentationNeeded is told to a socket, with the path and the MTU, and reports
// whether that is an error for it: EMSGSIZE tells that what was sent is lost, unless
// the socket never asked that it be not cut.
func (s *Socket) fragmentationNeeded(local, peer ipv4, mtu int) bool {
	s.learnPathMTU(local, peer, mtu)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opts.fragment != fragmentAllow
}

// icmpInfo is what an error message says besides its type and code: the MTU, or where
// the problem is.
func icmpInfo(m *wire.ICMPHeader) uint32 {
	switch {
	case m.Type() == wire.ICMPDestinationUnreachable && m.Code() == wire.ICMPFragmentationNeeded:
		return uint32(m.MTU())
	case m.Type() == wire.ICMPParameterProblem:
		return uint32(m.Pointer())
	}
	return 0
}

// icmpErrno returns the errno for an error message, and whether a connected
// socket is told of it without having asked (Linux's icmp_err_convert).
func icmpErrno(m *wire.ICMPHeader) (e syscall.Errno, fatal bool) {
	switch m.Type() {
	case wire.ICMPDestinationUnreachable:
		switch m.Code() {
		case wire.ICMPNetUnreachable:
			return syscall.ENETUNREACH, false
		case wire.ICMPHostUnreachable, wire.ICMPHostUnreachableForTOS:
			return syscall.EHOSTUNREACH, false
		case wire.ICMPProtocolUnreachable:
			return syscall.ENOPROTOOPT, true
		case wire.ICMPPortUnreachable:
			return syscall.ECONNREFUSED, true
		case wire.ICMPFragmentationNeeded:
			return syscall.EMSGSIZE, true
		case wire.ICMPSourceRouteFailed:
			return syscall.EOPNOTSUPP, false
		case wire.ICMPNetUnknown, wire.ICMPNetProhibited:
			return syscall.ENETUNREACH, true
		case wire.ICMPNetUnreachableForTOS:
			return syscall.ENETUNREACH, false
		case wire.ICMPHostUnknown:
			return syscall.EHOSTDOWN, true
		case wire.ICMPHostIsolated:
			return errHostIsolated, true
		}
		return syscall.EHOSTUNREACH, m.Code() <= wire.ICMPPrecedenceCutoff
	case wire.ICMPParameterProblem:
		return syscall.EPROTO, true
	}
	return syscall.EHOSTUNREACH, false // time exceeded, source quench
}
