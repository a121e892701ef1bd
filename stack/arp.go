package stack

import (
	"net/netip"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/internal/text"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

func errNotNeighbor(a netip.Addr) error {
	return text.Errorf("stack: %v cannot be a neighbour's address; it takes a unicast IPv4 address", a)
}

// arp is the way in for an ARP packet (RFC 826).
func (l *lane) arp(b *packet.Buffer) {
	l.flush()
	i := l.iface
	p, err := wire.ParseARP(b.Bytes()[wire.EthernetHeaderLen:])
	if err != nil {
		l.drop(b, drop.PacketMalformed)
		return
	}
	sender, target := ipv4Of(p.SenderAddr()), ipv4Of(p.TargetAddr())
	mac := p.SenderMAC()
	switch {
	case mac.IsMulticast() || mac.IsZero() || sender.isMulticast() || sender.isLoopback() ||
		sender == broadcast4 || l.state.broadcasts(sender) != nil:
		l.drop(b, drop.MartianSource)
		return
	case sender != unspecified4 && l.state.local(sender) != nil && (p.Operation() != wire.ARPReply || l.netif.has(sender)):
		// Somebody else claims our address; it shall not enter the table. An
		// answer may come from one that another interface has: a socket bound
		// to this device has asked for it.
		l.drop(b, drop.MartianSource)
		return
	}
	// Linux answers for any of the host's addresses on any interface.
	ours := target != unspecified4 && !target.isLoopback() && l.state.local(target) != nil
	switch p.Operation() {
	case wire.ARPRequest:
		if sender != unspecified4 {
			// Who asks for us will be talked to. Other announcements
			// only change what is known (arp_accept 0).
			i.stack.neighbors.learn(i, sender.address(), mac, ours && sender != target, false)
		}
		if ours {
			i.sendARP(wire.ARPReply, target, mac, sender, mac)
		}
	case wire.ARPReply:
		// A reply that was asked for is addressed to us.
		solicited := l.state.local(target) != nil && p.TargetMAC() == i.mac() && b.Flags&packet.LinkBroadcast == 0
		i.stack.neighbors.learn(i, sender.address(), mac, false, solicited)
	default:
		l.drop(b, drop.PacketMalformed)
		return
	}
	i.consume(b)
}

// askARP asks who has an address, on behalf of a packet from source: as long as
// that is an own address, of whichever interface, it is who asks (arp_announce 0).
func (i *Interface) askARP(addr ipv4, to wire.MAC, source ipv4) {
	st := i.stack.state.Load()
	n := st.byIndex(i.index)
	if n == nil || !n.up {
		return
	}
	if source == 0 || st.local(source) == nil {
		source = st.sourceFor(nil, n, addr)
	}
	i.sendARP(wire.ARPRequest, source, to, addr, wire.MAC{})
}

// sendARP sends an ARP packet from addr to the station to, about target, which
// is at targetMAC if that is known.
func (i *Interface) sendARP(op wire.ARPOperation, addr ipv4, to wire.MAC, target ipv4, targetMAC wire.MAC) {
	b := packet.New(wire.EthernetHeaderLen + wire.ARPPacketLen)
	e := wire.PutEthernet(b.Append(wire.EthernetHeaderLen))
	e.SetDestination(to)
	e.SetSource(i.mac())
	e.SetType(wire.EtherTypeARP)
	wire.PutARP(b.Append(wire.ARPPacketLen), op, i.mac(), addr.netip(), targetMAC, target.netip())
	i.emit(b)
}

// emit sends a packet that the stack itself made, complete to the last byte.
func (i *Interface) emit(b *packet.Buffer) {
	i.generated(b)
	i.sent.packets.Add(1)
	i.sent.bytes.Add(uint64(b.Len()))
	i.transmit(b.Single())
}

// generated counts a packet that the stack itself made.
func (i *Interface) generated(b *packet.Buffer) {
	i.stack.own.generated.Add(1)
	if i.stack.tracer != nil {
		i.stack.trace(trace.Generate, i, b, "")
	}
}
