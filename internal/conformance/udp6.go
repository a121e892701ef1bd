package conformance

import (
	"net/netip"
	"testing"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// A Datagram6 is a UDP datagram over IPv6 that the machine sent.
type Datagram6 struct {
	To   wire.MAC
	IP   *wire.IPv6Header
	UDP  *wire.UDPHeader
	Data []byte
}

// NextUDP6 returns the next datagram over IPv6 that the machine sent, which must have the
// payload.
func (w *Wire) NextUDP6(t testing.TB, payload string) *Datagram6 {
	t.Helper()
	select {
	case d := <-w.datagrams6:
		if string(d.Data) != payload {
			t.Fatalf("%s: got %q to %v, want %q", w.Name, d.Data, d.IP.Destination(), payload)
		}
		return d
	case <-time.After(w.patience):
		t.Fatalf("%s: no datagram came", w.Name)
		return nil
	}
}

// An outer6 is a UDP datagram over IPv6 to be injected. The zero values of the fields
// after payload stand for what is right.
type outer6 struct {
	from, to string // addresses with ports
	payload  string

	station     wire.MAC // the frame's destination
	hops, class uint8
	checksum    *uint16
	length      int // of the UDP header
}

// SendUDP6 injects a datagram.
func (w *Wire) SendUDP6(d outer6) {
	from, to := netip.MustParseAddrPort(d.from), netip.MustParseAddrPort(d.to)
	b := make([]byte, wire.EthernetHeaderLen+wire.IPv6HeaderLen+wire.UDPHeaderLen, 2000)
	b = append(b, d.payload...)
	e := wire.PutEthernet(b)
	switch {
	case !d.station.IsZero():
		e.SetDestination(d.station)
	case to.Addr().IsMulticast():
		e.SetDestination(wire.MulticastMAC(to.Addr()))
	default:
		e.SetDestination(w.MAC)
	}
	e.SetSource(peerMAC)
	e.SetType(wire.EtherTypeIPv6)
	ip := wire.PutIPv6(b[wire.EthernetHeaderLen:])
	length := wire.UDPHeaderLen + len(d.payload)
	ip.SetPayloadLength(uint16(length))
	ip.SetNextHeader(wire.ProtocolUDP)
	ip.SetTrafficClass(d.class)
	if ip.SetHopLimit(d.hops); d.hops == 0 {
		ip.SetHopLimit(64)
	}
	ip.SetSource(from.Addr())
	ip.SetDestination(to.Addr())
	datagram := b[wire.EthernetHeaderLen+wire.IPv6HeaderLen:]
	u := wire.PutUDP(datagram)
	u.SetSourcePort(from.Port())
	u.SetDestinationPort(to.Port())
	u.SetLength(uint16(length))
	if d.length != 0 {
		u.SetLength(uint16(d.length))
		length = min(d.length, length)
	}
	if d.checksum != nil {
		u.SetChecksum(*d.checksum)
	} else {
		u.UpdateChecksum(ip.PseudoSum(wire.ProtocolUDP, uint32(length)), datagram[wire.UDPHeaderLen:max(length, wire.UDPHeaderLen)])
	}
	w.Send(b)
}
