package stack

import (
	"encoding/binary"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// plain6 is plain for frames that say that they hold IPv6, of which the rest was looked
// at already.
func (l *lane) plain6(b *packet.Buffer, f []byte) *Socket {
	if len(f) < plainHeaders6 {
		return nil
	}
	i := l.iface
	h := (*[plainHeaders6]byte)(f)
	ip0, udp := binary.BigEndian.Uint64(h[14:]), binary.BigEndian.Uint64(h[54:])
	ports := uint32(udp>>32)<<16 | uint32(udp>>48)
	k := l.last6
	if k == nil || ip0 != k.ip0 || ports != k.flow.ports ||
		binary.BigEndian.Uint64(h[22:]) != k.flow.src.hi || binary.BigEndian.Uint64(h[30:]) != k.flow.src.lo ||
		binary.BigEndian.Uint64(h[38:]) != k.flow.dst.hi || binary.BigEndian.Uint64(h[46:]) != k.flow.dst.lo {
		src, dst := addressOf16([16]byte(h[22:38])), addressOf16([16]byte(h[38:54]))
		if !l.learn6(ip0, src, dst, ports) {
			return nil
		}
		k = l.last6
	}
	length := int(uint16(ip0 >> 16))
	end := plainHeaders6 - wire.UDPHeaderLen + length
	if int(uint16(udp>>16)) != length || end > len(f) || uint16(udp) == 0 ||
		b.Flags&packet.ChecksumValid == 0 && fold(k.pseudo+uint32(wire.Sum(f[54:end]))) != 0xffff {
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
	b.SetTransport(wire.EthernetHeaderLen + wire.IPv6HeaderLen)
	b.TrimTo(end)
	return s
}

// plainHeader6 is plainHeader for IPv6. The zero plainHeader6 is like no header. It fills
// two cache lines, so that it shares none with another lane's.
type plainHeader6 struct {
	ip0     uint64 // version to hop limit
	flow    flow
	pseudo  uint32  // sum of the pseudo-header
	socket  *Socket // found by the flow; nil: not looked up yet
	changes uint64  // when, as the port table counts

	_ [56]byte
}

// learn6 is learn for IPv6; of the ports ours are first.
func (l *lane) learn6(ip0 uint64, src, dst address, ports uint32) bool {
	length := int(uint16(ip0 >> 16))
	if ip0>>60 != 6 || byte(ip0>>8) != byte(wire.ProtocolUDP) || length < wire.UDPHeaderLen {
		return false
	}
	if l.last6 == nil {
		l.last6 = new(plainHeader6)
	}
	k := l.last6
	if k.ip0 == 0 || src != k.flow.src || dst != k.flow.dst {
		if to, reason := l.classify6(src, dst, 0); to != toHost || reason != drop.None {
			return false
		}
	}
	*k = plainHeader6{
		ip0: ip0, pseudo: pseudo6(src, dst, length),
		flow: flow{src: src, dst: dst, ports: ports, device: int32(l.iface.index)},
	}
	return true
}
