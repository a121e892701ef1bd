package stack

import (
	"encoding/binary"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// plainHeaders is what nearly every datagram begins with: Ethernet, IPv4
// without options, UDP.
const plainHeaders = wire.EthernetHeaderLen + wire.IPv4HeaderLen + wire.UDPHeaderLen

// plain is a short way in for plain datagrams: a good frame to this card, with
// a whole UDP datagram to this host's address for a socket that is there. It
// returns nil, having changed nothing, for every other frame, which then goes
// the long way through frame; for a plain one it does exactly what the long
// way does, and a test holds them equal.
//
// It is short because it loads the headers once, in words of the width in which
// path writes them, and because datagrams of one flow and one length have the same
// header, bit for bit, as long as their packets need no identification: the last
// one is remembered, with what followed from it.
func (l *lane) plain(b *packet.Buffer) *Socket {
	f := b.Bytes()
	if len(f) < plainHeaders || b.Flags&^vouched != 0 || b.SegmentSize != 0 || !l.short {
		return nil
	}
	i := l.iface
	h := (*[plainHeaders]byte)(f)
	ethernet := binary.BigEndian.Uint64(h[0:])
	if ethernet>>16 != i.macWord>>16 || h[12] != 0x08 || h[13] != 0x00 { // EtherTypeIPv4
		if six := i.stack.six; six != nil && ethernet>>16 == i.macWord>>16 && h[12] == 0x86 && h[13] == 0xdd { // EtherTypeIPv6
			return six.plain(l, b, f)
		}
		return nil
	}
	ip0, ip1 := binary.BigEndian.Uint64(h[14:]), binary.BigEndian.Uint64(h[22:])
	dst := binary.BigEndian.Uint32(h[30:])
	udp := binary.BigEndian.Uint64(h[34:])
	k := &l.last
	if ip0 != k.ip0 || ip1 != k.ip1 || dst != k.dst || uint32(udp>>32) != k.ports {
		if !l.learn(ip0, ip1, dst, uint32(udp>>32)) {
			return nil
		}
	}
	end := wire.EthernetHeaderLen + int(uint16(ip0>>32))
	if int(uint16(udp>>16)) != end-(plainHeaders-wire.UDPHeaderLen) || end > len(f) ||
		b.Flags&packet.ChecksumValid == 0 && (uint16(udp) == 0 || fold(k.pseudo+uint32(wire.Sum(f[34:end]))) != 0xffff) {
		return nil
	}
	s := k.socket
	if changes := i.stack.ports.changes.Load(); s == nil || changes != k.changes {
		if s = i.stack.ports.lookup(k.flow, i.stack.cfg.FirstBound); s == nil {
			return nil
		}
		k.socket, k.changes = s, changes
	}
	if s != l.to {
		l.flow = k.flow
	}
	b.Interface = int32(i.index)
	b.SetNetwork(wire.EthernetHeaderLen)
	b.SetTransport(wire.EthernetHeaderLen + wire.IPv4HeaderLen)
	b.TrimTo(end)
	return s
}

// vouched are the marks of a datagram whose checksum somebody vouches for.
const vouched = packet.ChecksumValid | packet.ChecksumPartial

// plainHeader is a header that the short way has found to be good, in words as it lies
// in the frame, and what follows from it. The zero plainHeader is like no header.
type plainHeader struct {
	ip0, ip1   uint64 // version to protocol, checksum and source
	dst, ports uint32
	pseudo     uint32 // sum of the pseudo-header
	flow       flow
	socket     *Socket // found by it; nil: not looked up yet
	changes    uint64  // when, as the port table counts
}

// learn checks a header and remembers it, if it is a plain one. A pair of addresses
// that was found to be in order need not be looked at again.
func (l *lane) learn(ip0, ip1 uint64, dst, ports uint32) bool {
	const (
		ipv4Plain    = 0x45   // version 4, five words
		dontFragment = 0x4000 // the one bit of the fragment field that may be set
	)
	total := int(uint16(ip0 >> 32))
	if ip0>>56 != ipv4Plain || uint16(ip0)&^dontFragment != 0 || byte(ip1>>48) != byte(wire.ProtocolUDP) ||
		total < wire.IPv4HeaderLen+wire.UDPHeaderLen {
		return false
	}
	addresses := ip1&0xffffffff + uint64(dst)
	if fold64(ip0>>32+ip0&0xffffffff+ip1>>32+addresses) != 0xffff {
		return false
	}
	if pair := ip1<<32 | uint64(dst); pair != l.sane || pair == 0 {
		if to, reason := l.classify(ipv4(ip1), ipv4(dst), 0); to != toHost || reason != drop.None {
			return false
		}
		l.sane = pair
	}
	l.last = plainHeader{
		ip0: ip0, ip1: ip1, dst: dst, ports: ports,
		pseudo: uint32(fold64(addresses)) + uint32(wire.ProtocolUDP) + uint32(total-wire.IPv4HeaderLen),
		flow:   flow{src: ipv4(ip1).address(), dst: ipv4(dst).address(), ports: ports<<16 | ports>>16, device: int32(l.iface.index)},
	}
	return true
}
