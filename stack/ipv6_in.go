package stack

import (
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// ipv6 is the way in for a packet whose IPv6 header begins at the offset.
func (l *lane) ipv6(b *packet.Buffer, at int) *Socket {
	h, payload, err := wire.ParseIPv6(b.Bytes()[at:])
	if err != nil {
		l.drop(b, drop.PacketMalformed)
		return nil
	}
	// What is behind the packet is the link's padding.
	b.TrimTo(at + wire.IPv6HeaderLen + len(payload))
	b.SetNetwork(at)
	src, dst := addressOf16(h.Source16()), addressOf16(h.Destination16())
	to, reason := l.classify6(src, dst, b.Flags)
	if reason != drop.None {
		l.drop(b, reason)
		return nil
	}
	proto, offset, ok := l.extensions(b, at, src, dst, to)
	if !ok {
		return nil
	}
	if to == toOther {
		l.drop(b, drop.NotLocal)
		return nil
	}
	b.SetTransport(offset)
	return l.transport6(b, proto, src, dst, to)
}

// classify6 says to whom a packet is addressed, or why it cannot be.
func (l *lane) classify6(src, dst address, flags packet.Flags) (cast, drop.Reason) {
	return toOther, drop.None
}

// transport6 is the way in for a whole packet to this host, whose headers are known:
// TransportBytes are what follows them.
func (l *lane) transport6(b *packet.Buffer, proto wire.Protocol, src, dst address, to cast) *Socket {
	switch proto {
	case wire.ProtocolICMPv6:
		l.icmpv6(b, src, dst, to)
	default:
		l.drop(b, drop.UnknownProtocol)
	}
	return nil
}
