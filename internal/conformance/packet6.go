package conformance

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// A Packet6 is an IPv6 packet that the machine sent, but for those of neighbour
// discovery.
type Packet6 struct {
	To       wire.MAC
	IP       *wire.IPv6Header
	Payload  []byte                   // behind the IP header
	Alert    bool                     // a Router Alert for MLD comes before what follows
	Fragment *wire.IPv6FragmentHeader // nil: it is not one
	UDP      *wire.UDPHeader          // nil: it is not UDP
	ICMP     *wire.ICMPv6Header       // nil: it is not ICMPv6
	Data     []byte                   // behind the last header
}

// String says what a packet is, and is how cases expect it: "1/4 0" is an ICMPv6 message
// of type 1 and code 4.
func (p *Packet6) String() string {
	switch {
	case p.UDP != nil:
		return fmt.Sprintf("UDP %v:%d -> %v:%d %d bytes", p.IP.Source(), p.UDP.SourcePort(), p.IP.Destination(), p.UDP.DestinationPort(), len(p.Data))
	case p.ICMP != nil:
		return fmt.Sprintf("%d/%d %d", p.ICMP.Type(), p.ICMP.Code(), p.ICMP.MTU())
	case p.Fragment != nil:
		return fmt.Sprintf("fragment %d+%d more %v", p.Fragment.FragmentOffset(), len(p.Data), p.Fragment.MoreFragments())
	}
	return fmt.Sprintf("IP %v -> %v protocol %v", p.IP.Source(), p.IP.Destination(), p.IP.NextHeader())
}

// receivePacket6 is handed what the machine sends besides neighbour discovery.
func (w *Wire) receivePacket6(eth *wire.EthernetHeader, ip *wire.IPv6Header, payload []byte) {
	p := &Packet6{To: eth.Destination(), IP: ip, Payload: payload, Data: payload}
	proto := ip.NextHeader()
	if rest, ok := strings.CutPrefix(string(payload), wire.MLDHopByHop); ok && proto == wire.ProtocolIPv6HopByHop {
		p.Alert, p.Data, proto = true, []byte(rest), wire.ProtocolICMPv6
	}
	var err error
	switch proto {
	case wire.ProtocolIPv6Fragment:
		p.Fragment, p.Data, err = wire.ParseIPv6Fragment(payload)
	case wire.ProtocolUDP:
		if p.UDP, p.Data, err = wire.ParseUDP(payload); err == nil && !p.UDP.ChecksumOK(ip.PseudoSum(proto, uint32(len(payload))), p.Data) {
			err = fmt.Errorf("the UDP checksum %#04x is wrong", p.UDP.Checksum())
		}
	case wire.ProtocolICMPv6:
		whole := uint32(len(p.Data))
		if p.ICMP, p.Data, err = wire.ParseICMPv6(p.Data); err == nil && !p.ICMP.ChecksumOK(ip.PseudoSum(proto, whole), p.Data) {
			err = fmt.Errorf("the ICMPv6 checksum %#04x is wrong", p.ICMP.Checksum())
		}
	}
	if err != nil {
		w.tb.Errorf("%s: the machine sent a packet that is not well formed: %v\n%s", w.Name, err, hex.Dump(payload))
		return
	}
	switch {
	case p.ICMP != nil && (p.ICMP.Type() >= wire.ICMPv6MLDQuery && p.ICMP.Type() <= wire.ICMPv6MLDv1Done || p.ICMP.Type() == wire.ICMPv6MLDv2Report):
		w.reports6 <- p
	default:
		w.packets6 <- p
	}
}

// there6 is who lives at the far end of eth0 and need not be asked for.
const there6 = "2001:db8::9"

var there6MAC = wire.MAC{2, 0xff, 0, 0, 0, 9}

// know6 makes the machine know there6.
func (m *Machine) know6(tb testing.TB) {
	tb.Helper()
	m.Six.setNeighbor(tb, there6, there6MAC, "reachable")
	m.Sent6(tb)
}

// packet6 is a packet of IPv6 as a frame to the machine, or to a group.
func (w *Wire) packet6(src, dst string, hopLimit uint8, next wire.Protocol, payload []byte) []byte {
	to := netip.MustParseAddr(dst)
	b := make([]byte, wire.EthernetHeaderLen+wire.IPv6HeaderLen)
	e := wire.PutEthernet(b)
	if e.SetDestination(w.MAC); to.IsMulticast() {
		e.SetDestination(wire.MulticastMAC(to))
	}
	e.SetSource(there6MAC)
	e.SetType(wire.EtherTypeIPv6)
	h := wire.PutIPv6(b[wire.EthernetHeaderLen:])
	h.SetPayloadLength(uint16(len(payload)))
	h.SetNextHeader(next)
	h.SetHopLimit(hopLimit)
	h.SetSource(netip.MustParseAddr(src))
	h.SetDestination(to)
	return append(b, payload...)
}

// Send6 injects a packet of IPv6.
func (w *Wire) Send6(src, dst string, next wire.Protocol, payload []byte) {
	w.Send(w.packet6(src, dst, 64, next, payload))
}

// udp6 is a UDP datagram with its checksum.
func udp6(src, dst string, from, to uint16, payload string) []byte {
	b := make([]byte, wire.UDPHeaderLen, wire.UDPHeaderLen+len(payload))
	u := wire.PutUDP(b)
	u.SetSourcePort(from)
	u.SetDestinationPort(to)
	u.SetLength(uint16(len(b) + len(payload)))
	b = append(b, payload...)
	pseudo := wire.PseudoIPv6(netip.MustParseAddr(src).As16(), netip.MustParseAddr(dst).As16(), wire.ProtocolUDP, uint32(len(b)))
	(*wire.UDPHeader)(b).UpdateChecksum(pseudo, b[wire.UDPHeaderLen:])
	return b
}

// icmp6 is an ICMPv6 message with its checksum.
func icmp6(src, dst string, t wire.ICMPv6Type, code wire.ICMPv6Code, rest uint32, body []byte) []byte {
	m := make([]byte, wire.ICMPv6HeaderLen, wire.ICMPv6HeaderLen+len(body))
	wire.PutICMPv6(m, t, code).SetMTU(rest)
	m = append(m, body...)
	wire.UpdateICMPv6Checksum(m, netip.MustParseAddr(src).As16(), netip.MustParseAddr(dst).As16())
	return m
}

// fence6 is what the last echo request carries by which Sent6 knows that it has all.
const fence6 = 0x7fff0001

// Next6 returns the next IPv6 packet that the machine sent by eth0; it fails the test if
// none comes.
func (w *Wire) Next6(tb testing.TB) *Packet6 {
	tb.Helper()
	select {
	case p := <-w.packets6:
		return p
	case <-time.After(w.patience):
		tb.Fatalf("%s: no packet of IPv6 came", w.Name)
		return nil
	}
}

// Taken6 returns the IPv6 packets that the machine has sent by the wire and nobody has
// taken yet, as far as they have come: all that was sent before what Sent returned has.
func (w *Wire) Taken6() (sent []*Packet6) {
	for {
		select {
		case p := <-w.packets6:
			sent = append(sent, p)
		default:
			return sent
		}
	}
}

// ICMPv6Error returns an ICMPv6 error from a router about a packet that the machine
// sent, with as much of it as routers quote.
func (w *Wire) ICMPv6Error(from string, about *Packet6, t wire.ICMPv6Type, code wire.ICMPv6Code, rest uint32) {
	quote := append(append([]byte(nil), about.IP[:]...), about.Payload...)
	quote = quote[:min(len(quote), wire.IPv6MinMTU-wire.IPv6HeaderLen-wire.ICMPv6HeaderLen)]
	to := about.IP.Source().String()
	w.Send6(from, to, wire.ProtocolICMPv6, icmp6(from, to, t, code, rest, quote))
}

// SendDatagram6 injects a datagram of IPv6, to the machine's hardware address or to a
// group's.
func (w *Wire) SendDatagram6(from, to netip.AddrPort, payload []byte, hops, class uint8) {
	w.SendUDP6(outer6{from: from.String(), to: to.String(), payload: string(payload), hops: hops, class: class})
}

// Sent6 returns the IPv6 packets that the machine has sent by eth0 and nobody has taken
// yet. It must know there6.
func (m *Machine) Sent6(tb testing.TB) (sent []*Packet6) {
	tb.Helper()
	m.Eth0.Send6(there6, global6, wire.ProtocolICMPv6, icmp6(there6, global6, wire.ICMPv6EchoRequest, 0, fence6, nil))
	for {
		p := m.Eth0.Next6(tb)
		if p.ICMP != nil && p.ICMP.Type() == wire.ICMPv6EchoReply && p.ICMP.MTU() == fence6 {
			return sent
		}
		sent = append(sent, p)
	}
}
