package wire_test

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// A datagram is written into one buffer from the inside out, and read from the outside in.
func Example() {
	payload := "hello"
	frame := make([]byte, wire.EthernetHeaderLen+wire.IPv4HeaderLen+wire.UDPHeaderLen+len(payload))
	packet := frame[wire.EthernetHeaderLen:]
	datagram := packet[wire.IPv4HeaderLen:]
	copy(datagram[wire.UDPHeaderLen:], payload)

	group := netip.MustParseAddr("239.1.2.3")
	ip := wire.PutIPv4(packet)
	ip.SetTotalLength(uint16(len(packet)))
	ip.SetTTL(1)
	ip.SetProtocol(wire.ProtocolUDP)
	ip.SetSource(netip.MustParseAddr("192.0.2.1"))
	ip.SetDestination(group)
	ip.UpdateChecksum(nil)

	udp := wire.PutUDP(datagram)
	udp.SetSourcePort(40000)
	udp.SetDestinationPort(5000)
	udp.SetLength(uint16(len(datagram)))
	udp.UpdateChecksum(ip.PseudoSum(udp.Length()), datagram[wire.UDPHeaderLen:])

	eth := wire.PutEthernet(frame)
	eth.SetDestination(wire.MulticastMAC(group))
	eth.SetSource(wire.MAC{2, 0, 0, 0, 0, 1})
	eth.SetType(wire.EtherTypeIPv4)

	fmt.Printf("%x\n", frame)

	eth, packet, err := wire.ParseEthernet(frame)
	if err != nil {
		fmt.Println(err)
		return
	}
	ip, options, datagram, err := wire.ParseIPv4(packet)
	if err != nil {
		fmt.Println(err)
		return
	}
	udp, data, err := wire.ParseUDP(datagram)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(eth.Source(), ">", eth.Destination(), eth.Type())
	fmt.Println(ip.Source(), ">", ip.Destination(), ip.Protocol(), "checksum ok:", ip.ChecksumOK(options))
	fmt.Println(udp.SourcePort(), ">", udp.DestinationPort(), "checksum ok:", udp.ChecksumOK(ip.PseudoSum(udp.Length()), data))
	fmt.Printf("%s\n", data)
	// Output:
	// 01005e01020302000000000108004500002100000000011106c7c0000201ef0102039c401388000d593368656c6c6f
	// 02:00:00:00:00:01 > 01:00:5e:01:02:03 IPv4
	// 192.0.2.1 > 239.1.2.3 UDP checksum ok: true
	// 40000 > 5000 checksum ok: true
	// hello
}

// Errors say what is wrong, and of which kind it is.
func ExampleParseError() {
	_, _, err := wire.ParseUDP([]byte{0, 1, 2})
	fmt.Println(err)
	fmt.Println(errors.Is(err, wire.ErrTruncated), errors.Is(err, wire.ErrMalformed))
	// Output:
	// wire: udp: shorter than 8 bytes
	// true false
}

func ExampleMulticastMAC() {
	fmt.Println(wire.MulticastMAC(netip.MustParseAddr("224.0.0.251")))
	fmt.Println(wire.MulticastMAC(netip.MustParseAddr("ff02::fb")))
	// Output:
	// 01:00:5e:00:00:fb
	// 33:33:00:00:00:fb
}

// A router rewrites a field and brings the checksum along.
func ExampleReplace() {
	b := []byte{0x45, 0x00, 0x12, 0x34}
	sum := wire.Checksum(b)
	b[2], b[3] = 0xab, 0xcd
	fmt.Println(wire.Replace(sum, 0x1234, 0xabcd) == wire.Checksum(b))
	// Output: true
}

// A host joins a group, from one source only.
func ExampleAppendIGMPv3Report() {
	message := wire.AppendIGMPv3Report(nil, wire.GroupRecord{
		Type:    wire.AllowNewSources,
		Group:   netip.MustParseAddr("232.1.2.3"),
		Sources: wire.NewAddrList(netip.MustParseAddr("192.0.2.1")),
	})
	wire.UpdateIGMPChecksum(message)
	fmt.Printf("%x\n", message)

	records, err := wire.ParseIGMPv3Report(message)
	if err != nil {
		fmt.Println(err)
		return
	}
	for r := range records.All() {
		fmt.Print(r.Type, " ", r.Group)
		for source := range r.Sources.All() {
			fmt.Print(" ", source)
		}
		fmt.Println()
	}
	// Output:
	// 22002cf70000000105000001e8010203c0000201
	// ALLOW 232.1.2.3 192.0.2.1
}

func ExampleIGMPQuery() {
	message := wire.IGMPQuery{
		Version:     3,
		Group:       netip.IPv4Unspecified(),
		MaxResponse: 10 * time.Second,
		Robustness:  2,
		Interval:    125 * time.Second,
	}.AppendTo(nil)
	wire.UpdateIGMPChecksum(message)

	q, err := wire.ParseIGMPQuery(message)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("version", q.Version, "general", q.IsGeneral(), "answer within", q.MaxResponse)
	// Output: version 3 general true answer within 10s
}

// Extension headers are walked until the transport.
func ExampleWalkIPv6() {
	report := wire.AppendMLDv2Report([]byte(wire.MLDHopByHop), wire.GroupRecord{
		Type:  wire.ChangeToExclude,
		Group: netip.MustParseAddr("ff02::fb"),
	})
	src, dst := netip.MustParseAddr("fe80::1"), netip.MustParseAddr("ff02::16")
	wire.UpdateICMPv6Checksum(report[len(wire.MLDHopByHop):], src.As16(), dst.As16())

	packet := make([]byte, wire.IPv6HeaderLen, wire.IPv6HeaderLen+len(report))
	ip := wire.PutIPv6(packet)
	ip.SetPayloadLength(uint16(len(report)))
	ip.SetNextHeader(wire.ProtocolIPv6HopByHop)
	ip.SetHopLimit(1)
	ip.SetSource(src)
	ip.SetDestination(dst)
	packet = append(packet, report...)

	ip, payload, err := wire.ParseIPv6(packet)
	if err != nil {
		fmt.Println(err)
		return
	}
	w := wire.WalkIPv6(ip, payload)
	for ext, ok := w.Next(); ok; ext, ok = w.Next() {
		fmt.Println(ext.Protocol, "at", ext.Offset)
	}
	if err := w.Err(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(w.Protocol(), "at", w.Offset())
	// Output:
	// IPv6 hop-by-hop options at 40
	// ICMPv6 at 48
}
