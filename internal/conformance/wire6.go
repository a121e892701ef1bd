package conformance

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// A Discovery is a message of neighbour discovery that the machine sent.
type Discovery struct {
	To   wire.MAC
	IP   *wire.IPv6Header
	Type wire.ICMPv6Type
	Text string // all that it says: "NA fe80::1 SO to fe80::b tlla"
}

// receive6 is handed each IPv6 packet that the machine sends. Far ends answer nothing.
func (w *Wire) receive6(eth *wire.EthernetHeader, b []byte) {
	ip, payload, err := wire.ParseIPv6(b)
	if err != nil {
		w.tb.Errorf("%s: the machine sent a packet that is not well formed: %v\n%s", w.Name, err, hex.Dump(b))
		return
	}
	if ip.NextHeader() == wire.ProtocolUDP {
		u, data, err := wire.ParseUDP(payload)
		if err != nil || wire.AddSum(ip.PseudoSum(wire.ProtocolUDP, uint32(u.Length())), wire.Sum(payload)) != 0xffff {
			w.tb.Errorf("%s: a malformed datagram: %v\n%s", w.Name, err, hex.Dump(b))
			return
		}
		if !w.answer { // else nobody reads them here
			w.datagrams6 <- &Datagram6{To: eth.Destination(), IP: ip, UDP: u, Data: data}
		}
	}
	if ip.NextHeader() != wire.ProtocolICMPv6 || len(payload) == 0 || payload[0] < 133 || payload[0] > 137 {
		w.receivePacket6(eth, ip, payload)
		return
	}
	h, body, err := wire.ParseICMPv6(payload)
	if err != nil || !h.ChecksumOK(ip.PseudoSum(wire.ProtocolICMPv6, uint32(len(payload))), body) {
		w.tb.Errorf("%s: a malformed ICMPv6 message: %v\n%s", w.Name, err, hex.Dump(b))
		return
	}
	text, err := describeDiscovery(h.Type(), payload)
	if err != nil || ip.HopLimit() != 255 {
		w.tb.Errorf("%s: a malformed message, with the hop limit %d: %v\n%s", w.Name, ip.HopLimit(), err, hex.Dump(b))
		return
	}
	if w.answer {
		w.answerSolicitation(ip, payload)
		return
	}
	w.discoveries <- &Discovery{eth.Destination(), ip, h.Type(), text + " from " + ip.Source().String() + " to " + ip.Destination().String()}
}

// answer6 makes those who live at the far ends answer neighbour solicitations.
func (m *Machine) answer6() {
	for _, w := range []*Wire{m.Eth0, m.Eth1} {
		w.mu.Lock()
		w.answer = true
		w.mu.Unlock()
	}
}

// answerSolicitation answers a neighbour solicitation, if it is one and somebody is
// asked who lives here. It is called with the mutex held.
func (w *Wire) answerSolicitation(ip *wire.IPv6Header, payload []byte) {
	if wire.ICMPv6Type(payload[0]) != wire.ICMPv6NeighborSolicitation || ip.Source().IsUnspecified() {
		return
	}
	m, err := wire.ParseNeighborSolicitation(payload)
	if err != nil {
		return
	}
	a := m.Target.As16()
	if last := int(a[14])<<8 | int(a[15]); last >= 100 && last != 254 {
		return
	}
	mac := wire.MAC{2, 0xff, a[4], a[5], a[14], a[15]}
	w.mu.Unlock()
	defer w.mu.Lock()
	w.SendDiscovery(discovery{src: m.Target.String(), dst: ip.Source().String(), from: mac, message: wire.NeighborAdvertisement{
		Target: m.Target, Solicited: true, Override: true,
		Options: wire.AppendNDPLinkLayerAddress(nil, wire.NDPTargetLinkLayerAddress, mac),
	}})
}

// describeDiscovery says what a message says.
func describeDiscovery(t wire.ICMPv6Type, m []byte) (text string, err error) {
	var options wire.NDPOptions
	switch t {
	case wire.ICMPv6RouterSolicitation:
		x, e := wire.ParseRouterSolicitation(m)
		text, options, err = "RS", x.Options, e
	case wire.ICMPv6NeighborSolicitation:
		x, e := wire.ParseNeighborSolicitation(m)
		text, options, err = fmt.Sprint("NS ", x.Target), x.Options, e
	case wire.ICMPv6NeighborAdvertisement:
		x, e := wire.ParseNeighborAdvertisement(m)
		text, options, err = fmt.Sprint("NA ", x.Target, " "), x.Options, e
		for k, set := range []bool{x.Router, x.Solicited, x.Override} {
			if set {
				text += "RSO"[k : k+1]
			}
		}
	}
	for o := range options.All() {
		text += fmt.Sprint(" (", o.Type, ")")
	}
	return text, err
}

// NextDiscovery returns the next message of neighbour discovery of that type that the
// machine sent.
func (w *Wire) NextDiscovery(t testing.TB, typ wire.ICMPv6Type) *Discovery {
	t.Helper()
	for end := time.After(w.patience); ; {
		select {
		case d := <-w.discoveries:
			if d.Type == typ {
				return d
			}
		case <-end:
			t.Fatalf("%s: no %v came", w.Name, typ)
		}
	}
}

// Discoveries takes the messages that the machine has sent, but for those that ask for
// routers. The answer to a last question shows that there are no more.
func (w *Wire) Discoveries(t testing.TB) (list []string) {
	t.Helper()
	w.SendDiscovery(discovery{
		src: "::", dst: wire.SolicitedNode(netip.MustParseAddr(machine6)).String(),
		message: wire.NeighborSolicitation{Target: netip.MustParseAddr(machine6)},
	})
	for end := time.After(w.patience); ; {
		select {
		case d := <-w.discoveries:
			switch {
			case d.Type == wire.ICMPv6NeighborAdvertisement && d.IP.Source().String() == machine6 && d.IP.Destination().IsMulticast():
				return list
			case d.Type != wire.ICMPv6RouterSolicitation:
				list = append(list, d.Text)
			}
		case <-end:
			t.Fatalf("%s: the machine does not answer for its link-local address", w.Name)
		}
	}
}

// A discovery is a message of neighbour discovery to be injected. Its zero fields
// stand for what is right: from the peer to the machine.
type discovery struct {
	src, dst string
	from     wire.MAC
	hops     int // 0: 255
	message  interface{ AppendTo([]byte) []byte }
}

// Who lives where on eth0, in IPv6.
const (
	machine6 = "fe80::ff:fe00:1"
	global6  = "2001:db8::1"
	peer6    = "fe80::b"
)

var (
	peerMAC  = wire.MAC{2, 0xff, 0, 0, 0, 0xb}
	otherMAC = wire.MAC{2, 0xff, 0, 0, 0, 0xc}
)

// SendDiscovery injects a message.
func (w *Wire) SendDiscovery(d discovery) {
	or := func(s, other string) netip.Addr {
		if s == "" {
			s = other
		}
		return netip.MustParseAddr(s)
	}
	src, dst := or(d.src, peer6), or(d.dst, machine6)
	m := d.message.AppendTo(nil)
	wire.UpdateICMPv6Checksum(m, src.As16(), dst.As16())
	b := make([]byte, wire.EthernetHeaderLen+wire.IPv6HeaderLen)
	e := wire.PutEthernet(b)
	if e.SetDestination(w.MAC); dst.IsMulticast() {
		e.SetDestination(wire.MulticastMAC(dst))
	}
	if e.SetSource(d.from); d.from.IsZero() {
		e.SetSource(peerMAC)
	}
	e.SetType(wire.EtherTypeIPv6)
	h := wire.PutIPv6(b[wire.EthernetHeaderLen:])
	h.SetPayloadLength(uint16(len(m)))
	h.SetNextHeader(wire.ProtocolICMPv6)
	if h.SetHopLimit(uint8(d.hops)); d.hops == 0 {
		h.SetHopLimit(255)
	}
	h.SetSource(src)
	h.SetDestination(dst)
	w.Send(append(b, m...))
}
