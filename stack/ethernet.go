package stack

import (
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// layer says what the frames of the interface begin with.
func (i *Interface) layer() trace.Layer {
	if i.kind == link.Ethernet {
		return trace.LayerEthernet
	}
	return trace.LayerIP
}

// headerLen is the length of the link's header.
func (i *Interface) headerLen() int {
	if i.kind == link.Ethernet {
		return wire.EthernetHeaderLen
	}
	return 0
}

// allHosts is the group 224.0.0.1, in which every host is a member always.
var allHosts = wire.MAC{0x01, 0x00, 0x5e, 0x00, 0x00, 0x01}

// frame is the way in for one frame: the card's filter, then its protocol. It
// returns the socket whose queue it belongs into; nil if it is done with.
func (l *lane) frame(b *packet.Buffer) *Socket {
	i := l.iface
	if i.stack.tracer != nil {
		i.stack.trace(trace.Receive, i, b, "")
	}
	if l.netif == nil || !l.netif.up {
		l.drop(b, drop.LinkDown)
		return nil
	}
	l.scope = b.Interface
	b.Interface = int32(i.index)
	if i.kind != link.Ethernet {
		return l.ip(b, 0)
	}
	h, _, err := wire.ParseEthernet(b.Bytes())
	if err != nil {
		l.drop(b, drop.FrameMalformed)
		return nil
	}
	if macWord(h.Destination()) != i.macWord && !l.wanted(b, h.Destination()) {
		l.filtered(b, drop.MACFiltered, byCard)
		return nil
	}
	switch h.Type() {
	case wire.EtherTypeIPv4:
		return l.ipv4(b, wire.EthernetHeaderLen)
	case wire.EtherTypeIPv6:
		if six := i.stack.six; six != nil {
			return six.input(l, b, wire.EthernetHeaderLen)
		}
		l.drop(b, drop.UnknownEtherType)
	case wire.EtherTypeARP:
		l.arp(b)
	default:
		l.drop(b, drop.UnknownEtherType)
	}
	return nil
}

// wanted reports whether the card lets a frame in that is not addressed to it,
// and notes to whom it is.
func (l *lane) wanted(b *packet.Buffer, dst wire.MAC) bool {
	switch {
	case dst.IsBroadcast():
		b.Flags |= packet.LinkBroadcast
	case dst.IsMulticast():
		if g := &l.iface.groups; b.Flags&looped == 0 && !g.card.accepts(g, dst) {
			return false
		}
		b.Flags |= packet.LinkMulticast
	case b.Flags&looped == 0:
		return false
	}
	return true
}

// ip is the way in for a packet from a link without frames.
func (l *lane) ip(b *packet.Buffer, at int) *Socket {
	data := b.Bytes()[at:]
	if len(data) == 0 {
		l.drop(b, drop.PacketMalformed)
		return nil
	}
	switch data[0] >> 4 {
	case 4:
		return l.ipv4(b, at)
	case 6:
		if six := l.iface.stack.six; six != nil {
			return six.input(l, b, at)
		}
		l.drop(b, drop.UnknownEtherType)
	default:
		l.drop(b, drop.PacketMalformed)
	}
	return nil
}
