package stack

import (
	"encoding/binary"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
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
// path writes them, and because it remembers that a pair of addresses was found
// to be in order.
func (l *lane) plain(b *packet.Buffer) *Socket {
	i := l.iface
	f := b.Bytes()
	if len(f) < plainHeaders || b.Flags != 0 || i.kind != link.Ethernet ||
		l.netif == nil || !l.netif.up || i.stack.cfg.Tracer != nil {
		return nil
	}
	h := (*[plainHeaders]byte)(f)
	ethernet := binary.BigEndian.Uint64(h[0:])
	ip0, ip1 := binary.BigEndian.Uint64(h[14:]), binary.BigEndian.Uint64(h[22:])
	dst := binary.BigEndian.Uint32(h[30:])
	udp := binary.BigEndian.Uint64(h[34:])

	const (
		ipv4Plain    = 0x45   // version 4, five words
		dontFragment = 0x4000 // the one bit of the fragment field that may be set
	)
	total, length := int(uint16(ip0>>32)), int(uint16(udp>>16))
	if ethernet>>16 != i.macWord>>16 || h[12] != 0x08 || h[13] != 0x00 || // EtherTypeIPv4
		ip0>>56 != ipv4Plain || uint16(ip0)&^dontFragment != 0 || byte(ip1>>48) != byte(wire.ProtocolUDP) ||
		length < wire.UDPHeaderLen || total != wire.IPv4HeaderLen+length || total > len(f)-wire.EthernetHeaderLen ||
		uint16(udp) == 0 {
		return nil
	}
	addresses := ip1&0xffffffff + uint64(dst)
	if fold64(ip0>>32+ip0&0xffffffff+ip1>>32+addresses) != 0xffff {
		return nil
	}
	pseudo := uint32(fold64(addresses)) + uint32(wire.ProtocolUDP) + uint32(length)
	if fold(pseudo+uint32(wire.Sum(f[34:wire.EthernetHeaderLen+total]))) != 0xffff {
		return nil
	}
	if pair := ip1<<32 | uint64(dst); pair != l.sane || l.state != l.saneIn {
		if to, reason := l.classify(ipv4(ip1), ipv4(dst), 0); to != toHost || reason != drop.None {
			return nil
		}
		l.sane, l.saneIn = pair, l.state
	}
	theirs, ours := uint32(udp>>48), uint32(udp>>32)<<16
	fl := flow{src: ipv4(ip1), dst: ipv4(dst), ports: ours | theirs, device: int32(i.index)}
	s := l.to // if it is in a row with the datagram before it
	if s == nil || fl != l.flow {
		if s = i.stack.ports.lookup(fl, i.stack.cfg.FirstBound); s == nil {
			return nil
		}
		l.flow = fl
	}
	b.Interface = int32(i.index)
	b.SetNetwork(wire.EthernetHeaderLen)
	b.SetTransport(wire.EthernetHeaderLen + wire.IPv4HeaderLen)
	b.TrimTo(wire.EthernetHeaderLen + total)
	return s
}
