package stack

import (
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// solicitedNode returns the group that solicitations for an address go to (RFC 4291,
// 2.7.1).
func solicitedNode(a address) address {
	return address{allNodes.hi, 1<<32 | 0xff<<24 | a.lo&0xffffff}
}

// sendNDP sends a message of neighbour discovery, whose checksum is zero, to a group's
// or a known station's address; to the zero MAC it goes by the neighbour table.
func (i *Interface) sendNDP(src, dst address, to wire.MAC, m []byte) {
	if n := i.stack.state.Load().byIndex(i.index); n == nil || !n.up {
		return
	}
	wire.UpdateICMPv6Checksum(m, src.bytes16(), dst.bytes16())
	b := packet.New(wire.EthernetHeaderLen + wire.IPv6HeaderLen + len(m))
	if i.kind == link.Ethernet {
		e := wire.PutEthernet(b.Append(wire.EthernetHeaderLen))
		e.SetDestination(to)
		e.SetSource(i.mac())
		e.SetType(wire.EtherTypeIPv6)
	}
	h := wire.PutIPv6(b.Append(wire.IPv6HeaderLen))
	h.SetPayloadLength(uint16(len(m)))
	h.SetNextHeader(wire.ProtocolICMPv6)
	h.SetHopLimit(ndpHopLimit)
	h.SetSource16(src.bytes16())
	h.SetDestination16(dst.bytes16())
	copy(b.Append(len(m)), m)
	if i.kind == link.Ethernet && to.IsZero() {
		i.generated(b)
		i.stack.neighbors.hold(i.stack.neighbors.get(i, dst), b)
		return
	}
	i.emit(b)
}

// sourceOption returns the option that says which hardware address a message comes
// from, for messages that have a source.
func (i *Interface) sourceOption() wire.NDPOptions {
	if i.kind != link.Ethernet {
		return nil
	}
	return wire.AppendNDPLinkLayerAddress(nil, wire.NDPSourceLinkLayerAddress, i.mac())
}

// solicit asks for a neighbour's hardware address: the station to, or, if that is
// zero, the target's solicited-node group. The source is that of the packet which
// waits, if it is the interface's own (RFC 4861, 7.2.2).
func (i *Interface) solicit(target address, to wire.MAC, source address) {
	st := i.stack.state.Load()
	n := st.byIndex(i.index)
	if n == nil {
		return
	}
	if !n.has6(source) {
		if source = st.sourceFor6(target, n); source.isUnspecified() {
			return
		}
	}
	m := wire.NeighborSolicitation{Target: target.netip(), Options: i.sourceOption()}.AppendTo(nil)
	dst := target
	if to.IsZero() {
		dst = solicitedNode(target)
		to = wire.MulticastMAC(dst.netip())
	}
	i.sendNDP(source, dst, to, m)
}

// answer sends an advertisement of one of the interface's addresses: to who asked, or,
// if that is unspecified because he tests an address, to all nodes (RFC 4861, 7.2.4).
// If he asked everybody he may not know the hardware address, and if he asked the
// station alone he does (Linux's ndisc_recv_ns).
func (i *Interface) answer(target, who address, everybody bool) {
	a := wire.NeighborAdvertisement{
		Router: i.stack.cfg.Forwarding, Solicited: true, Override: everybody, Target: target.netip(),
	}
	to := wire.MAC{}
	if who.isUnspecified() {
		a.Solicited, a.Override, everybody = false, true, true
		who, to = allNodes, wire.MulticastMAC(allNodes.netip())
	}
	if everybody && i.kind == link.Ethernet {
		a.Options = wire.AppendNDPLinkLayerAddress(nil, wire.NDPTargetLinkLayerAddress, i.mac())
	}
	i.sendNDP(target, who, to, a.AppendTo(nil))
}
