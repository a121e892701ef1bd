package trace

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/castnet-go/castnet/wire"
)

var (
	addr1 = netip.MustParseAddr("10.0.0.1")
	addr2 = netip.MustParseAddr("10.0.1.2")
	mac1  = wire.MAC{2, 0, 0, 0, 0, 1}
	mac2  = wire.MAC{2, 0, 0, 0, 0, 2}
)

func ipv4(p wire.Protocol, src, dst netip.Addr, payload []byte) []byte {
	b := make([]byte, wire.IPv4HeaderLen+len(payload))
	h := wire.PutIPv4(b)
	h.SetTotalLength(uint16(len(b)))
	h.SetTTL(64)
	h.SetProtocol(p)
	h.SetSource(src)
	h.SetDestination(dst)
	h.UpdateChecksum(nil)
	copy(b[wire.IPv4HeaderLen:], payload)
	return b
}

func udp(payload string) []byte {
	b := make([]byte, wire.UDPHeaderLen+len(payload))
	h := wire.PutUDP(b)
	h.SetSourcePort(5000)
	h.SetDestinationPort(7)
	h.SetLength(uint16(len(b)))
	copy(b[wire.UDPHeaderLen:], payload)
	return ipv4(wire.ProtocolUDP, addr1, addr2, b)
}

func icmp(t wire.ICMPType, c wire.ICMPCode, rest [4]byte, body []byte) []byte {
	b := make([]byte, wire.ICMPHeaderLen+len(body))
	h := wire.PutICMP(b, t, c)
	h.SetRest(rest)
	copy(b[wire.ICMPHeaderLen:], body)
	return ipv4(wire.ProtocolICMP, addr2, addr1, b)
}

func arp(op wire.ARPOperation, sender, target netip.Addr) []byte {
	b := make([]byte, wire.ARPPacketLen)
	wire.PutARP(b, op, mac1, sender, mac2, target)
	return b
}

func frame(t wire.EtherType, payload []byte) []byte {
	b := make([]byte, wire.EthernetHeaderLen, 64)
	h := wire.PutEthernet(b)
	h.SetSource(mac1)
	h.SetDestination(mac2)
	h.SetType(t)
	b = append(b, payload...)
	for len(b) < 60 {
		b = append(b, 0)
	}
	return b
}

func fragment(b []byte) []byte {
	h, _, _, _ := wire.ParseIPv4(b)
	h.SetFragmentOffset(1480)
	return b
}

type description struct {
	name  string
	frame []byte
	layer Layer
	want  string
}

var descriptions = slices.Concat(oldDescriptions, groupDescriptions, ipv6Descriptions)

var oldDescriptions = []description{
	{"UDP in Ethernet", frame(wire.EtherTypeIPv4, udp("hello")), LayerEthernet,
		`10.0.0.1:5000 > 10.0.1.2:7 UDP 5 B "hello"`},
	{"UDP in IP", udp(""), LayerIP,
		`10.0.0.1:5000 > 10.0.1.2:7 UDP 0 B`},
	{"binary payload", udp("a\x00b"), LayerIP,
		`10.0.0.1:5000 > 10.0.1.2:7 UDP 3 B`},
	{"long payload", udp(strings.Repeat("0123456789", 3)), LayerIP,
		`10.0.0.1:5000 > 10.0.1.2:7 UDP 30 B "012345678901234567890123"...`},
	{"payload alone", []byte(`say "hi"`), LayerPayload, `8 B "say \"hi\""`},
	{"port unreachable", icmp(wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable, [4]byte{}, udp("hello")), LayerIP,
		`10.0.1.2 > 10.0.0.1 ICMP port unreachable [10.0.0.1:5000 > 10.0.1.2:7 UDP]`},
	{"fragmentation needed", icmp(wire.ICMPDestinationUnreachable, wire.ICMPFragmentationNeeded, [4]byte{2: 0x05, 3: 0xdc}, udp("x")), LayerIP,
		`10.0.1.2 > 10.0.0.1 ICMP fragmentation needed MTU 1500 [10.0.0.1:5000 > 10.0.1.2:7 UDP]`},
	{"time exceeded for a ping", icmp(wire.ICMPTimeExceeded, 0, [4]byte{}, icmp(wire.ICMPEchoRequest, 0, [4]byte{}, nil)), LayerIP,
		`10.0.1.2 > 10.0.0.1 ICMP TTL exceeded in transit [10.0.1.2 > 10.0.0.1 ICMP]`},
	{"error with a cut quote", icmp(wire.ICMPTimeExceeded, 0, [4]byte{}, udp("")[:20]), LayerIP,
		`10.0.1.2 > 10.0.0.1 ICMP TTL exceeded in transit`},
	{"echo", icmp(wire.ICMPEchoRequest, 0, [4]byte{0, 9, 1, 0}, make([]byte, 56)), LayerIP,
		`10.0.1.2 > 10.0.0.1 ICMP echo request id 9 seq 256 56 B`},
	{"ARP request", frame(wire.EtherTypeARP, arp(wire.ARPRequest, addr1, addr2)), LayerEthernet,
		`ARP who has 10.0.1.2? tell 10.0.0.1`},
	{"ARP reply", frame(wire.EtherTypeARP, arp(wire.ARPReply, addr1, addr2)), LayerEthernet,
		`ARP 10.0.0.1 is at 02:00:00:00:00:01`},
	{"gratuitous ARP", frame(wire.EtherTypeARP, arp(wire.ARPRequest, addr1, addr1)), LayerEthernet,
		`ARP announcement: 10.0.0.1 is at 02:00:00:00:00:01`},
	{"ARP of another kind", frame(wire.EtherTypeARP, arp(8, addr1, addr2)), LayerEthernet,
		`ARP operation 8`},
	{"fragment", fragment(udp("hello")), LayerIP,
		`10.0.0.1 > 10.0.1.2 UDP fragment at 1480 13 B`},
	{"other protocol", ipv4(wire.ProtocolPIM, addr1, addr2, make([]byte, 8)), LayerIP,
		`10.0.0.1 > 10.0.1.2 PIM 8 B`},
	{"other EtherType", frame(0x88cc, nil), LayerEthernet,
		`02:00:00:00:00:01 > 02:00:00:00:00:02 type 0x88cc 46 B`},
	{"cut Ethernet", make([]byte, 5), LayerEthernet, `malformed: 5 B, `},
	{"cut UDP", ipv4(wire.ProtocolUDP, addr1, addr2, make([]byte, 3)), LayerIP,
		`10.0.0.1 > 10.0.1.2 malformed: 3 B, `},
	{"nothing", []byte{1}, LayerNone, ``},
}

func TestDescribe(t *testing.T) {
	for _, tt := range descriptions {
		got := Describe(tt.frame, tt.layer)
		// What comes after a malformed packet's length is package wire's.
		if got != tt.want && !(strings.Contains(tt.want, "malformed") && strings.HasPrefix(got, tt.want) && len(got) > len(tt.want)) {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

func TestDescribeEveryPrefix(t *testing.T) {
	for _, tt := range descriptions {
		for n := range tt.frame {
			for _, layer := range []Layer{LayerEthernet, LayerIP, LayerPayload} {
				if Describe(tt.frame[:n], layer) == "" {
					t.Errorf("%s: the first %d bytes have no description", tt.name, n)
				}
			}
		}
	}
}

func FuzzDescribe(f *testing.F) {
	for _, tt := range descriptions {
		f.Add(tt.frame, uint8(tt.layer))
	}
	f.Fuzz(func(t *testing.T, b []byte, layer uint8) {
		s := Describe(b, Layer(layer))
		for _, c := range s {
			if c < ' ' || c > '~' {
				t.Fatalf("description %q is not one plain line", s)
			}
		}
	})
}
