package stack

import (
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/internal/text"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// reportReceivers is the group of those who read reports of MLDv2 (RFC 9777, 5.2.14).
var reportReceivers = address{0xff02 << 48, 22}

// mld is what MLD has for itself of queries, and mldReports of reports. Its version 1 is
// of the second generation, version 2 of the third.
var (
	mld = groupProtocol{
		// The response time of version 1 has no exponent (Linux's mld_process_v1).
		longest: 32767 * time.Millisecond, olderPresent: olderPresent6,
		ready: (*netif).readyForMLD,
	}
	mldReports = reportForm{
		headers: wire.IPv6HeaderLen + len(wire.MLDHopByHop) + wire.ICMPv6HeaderLen, width: 16,
		report: func(group address, _ uint8) outgoing { return mldMessage(wire.ICMPv6MLDv1Report, group, group) },
		leave:  func(group address) outgoing { return mldMessage(wire.ICMPv6MLDv1Done, group, allRouters) },
		records: func(records []wire.GroupRecord) outgoing {
			return outgoing{to: reportReceivers, message: wire.AppendMLDv2Report(nil, records...)}
		},
		send: (*Interface).sendMLD,
	}
)

// olderPresent6 is for how long a querier of version 1 is taken to be there after it was
// heard (RFC 9777, 9.12), with what the last one of version 2 has said of itself.
func olderPresent6(q *queriers, _ int) time.Duration {
	return time.Duration(q.robustness)*q.interval + q.response
}

// readyForMLD reports whether the interface has a link-local address, which MLD's
// messages need (RFC 9777, 5), and whether that is no longer tentative.
func (n *netif) readyForMLD() (ready, settled bool) {
	for k := range n.addresses6 {
		if a := &n.addresses6[k]; a.addr.isLinkLocal() {
			settled = settled || a.usable()
			ready = ready || a.state == AddressTentative
		}
	}
	return ready || settled, settled
}

// mldSource returns the address to send from: a link-local one, or, as long as there is
// none but tentative ones, :: (RFC 3590, 4).
func (n *netif) mldSource() address {
	for k := range n.addresses6 {
		if a := &n.addresses6[k]; a.addr.isLinkLocal() && a.usable() {
			return a.addr
		}
	}
	return unspecified6
}

// mldMessage is a message of version 1; its checksum is the sender's part, who knows the
// source.
func mldMessage(t wire.ICMPv6Type, group, to address) outgoing {
	m := make([]byte, wire.MLDHeaderLen)
	wire.PutMLD(m, t, group.netip())
	return outgoing{to: to, message: m}
}

// mld is the way in for a message of MLD to this host, whose checksum is right.
func (l *lane) mld(b *packet.Buffer, src address) {
	message := b.TransportBytes()
	s := &l.iface.groups
	switch wire.ICMPv6Type(message[0]) {
	case wire.ICMPv6MLDQuery:
		// RFC 9777, 6.2: what fails one of these was not sent by a neighbour, or not
		// to be read by hosts.
		h := (*wire.IPv6Header)(b.NetworkBytes())
		if h.HopLimit() != 1 || !src.isLinkLocal() || !alertsMLD(b.NetworkBytes()) {
			l.drop(b, drop.MartianSource)
			return
		}
		q, err := wire.ParseMLDQuery(message)
		if err != nil || !q.IsGeneral() && !addressOf(q.Group).isMulticast6() {
			l.drop(b, drop.DatagramMalformed)
			return
		}
		s.mldQuery(&q)
	case wire.ICMPv6MLDv1Report:
		h, err := wire.ParseMLD(message)
		if err != nil || !addressOf(h.Group()).isMulticast6() {
			l.drop(b, drop.DatagramMalformed)
			return
		}
		if src != unspecified6 && !src.isLinkLocal() {
			l.drop(b, drop.MartianSource)
			return
		}
		// Of what was not sent to all the routers may not have heard, and what is
		// looped back is our own.
		if b.Flags&(packet.LinkBroadcast|packet.LinkMulticast) != 0 && b.Flags&looped == 0 {
			s.mldReport(addressOf(h.Group()))
		}
	}
	l.iface.consume(b)
}

// alertsMLD reports whether a packet begins with hop-by-hop options among which is a
// Router Alert for MLD.
func alertsMLD(ip []byte) bool {
	h, payload, err := wire.ParseIPv6(ip)
	if err != nil {
		return false
	}
	w := wire.WalkIPv6(h, payload)
	e, ok := w.Next()
	if !ok || e.Protocol != wire.ProtocolIPv6HopByHop {
		return false
	}
	options, err := e.Options()
	value, found := options.RouterAlert()
	return err == nil && found && value == 0
}

func (s *groupSet) mldQuery(m *wire.MLDQuery) {
	if s.iface.kind == link.Loopback {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queriersFor(allNodes)
	if m.Version == 1 && q.forced == generation3 {
		return // it is not to be spoken (Linux's mld_in_v2_mode_only)
	}
	generation := wire.IGMPQuery(*m)
	generation.Version++
	q.query(&generation)
}

func (s *groupSet) mldReport(group address) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.queriers6; q != nil && q.reporter != nil {
		q.reporter.heard(group)
	}
}

// sendMLD sends a message of MLD's by the interface: with a hop limit of 1, behind a
// Router Alert, from a link-local address (RFC 9777, 5). It is not looped back.
func (i *Interface) sendMLD(m outgoing) {
	s := i.stack
	st := s.state.Load()
	n := st.byIndex(i.index)
	if n == nil || !n.up {
		return // it went away
	}
	src := n.mldSource()
	const headerLen = wire.IPv6HeaderLen + len(wire.MLDHopByHop)
	b := packet.New(headerLen + len(m.message))
	f := b.Append(headerLen + len(m.message))
	h := wire.PutIPv6(f)
	h.SetPayloadLength(uint16(len(f) - wire.IPv6HeaderLen))
	h.SetNextHeader(wire.ProtocolIPv6HopByHop)
	h.SetHopLimit(1)
	h.SetSource16(src.bytes16())
	h.SetDestination16(m.to.bytes16())
	copy(f[wire.IPv6HeaderLen:], wire.MLDHopByHop)
	copy(f[headerLen:], m.message)
	wire.UpdateICMPv6Checksum(f[headerLen:], src.bytes16(), m.to.bytes16())
	if i.kind == link.Ethernet {
		e := wire.PutEthernet(b.Prepend(wire.EthernetHeaderLen))
		e.SetDestination(macOfGroup(m.to))
		e.SetSource(i.mac())
		e.SetType(wire.EtherTypeIPv6)
	}
	i.generated(b)
	p := path{iface: i, hook: st.hooks.Output, ethernet: i.kind == link.Ethernet}
	if s.letOut(&p, b) {
		s.sendBy(i, nil, b)
	}
}

// SetMLDVersion makes the interface speak no newer version of MLD than 1, or with 2 never
// version 1. With 0 it speaks version 2, and version 1 while a querier of that is there
// (Linux's force_mld_version).
func (i *Interface) SetMLDVersion(version int) error {
	switch {
	case version < 0 || version > 2:
		return text.Errorf("stack: interface %q cannot speak version %d of MLD: there are 1 and 2, and 0 is the newest", i.name, version)
	case i.stack.six == nil:
		return errIPv4Only
	case i.kind == link.Loopback:
		return nil // on which nothing is reported
	}
	if version != 0 {
		version++ // its generation
	}
	i.groups.force(allNodes, uint8(version))
	return nil
}

// MLDVersion returns the version of MLD that the interface speaks now.
func (i *Interface) MLDVersion() int {
	return i.groups.spoken(&i.groups.queriers6) - 1
}
