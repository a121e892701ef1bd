package wgtun

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/stack"
	"github.com/castnet-go/castnet/wire"
)

// offset is where packets begin in WireGuard's buffers.
const offset = 16

var (
	ours   = netip.MustParseAddr("10.77.0.1")
	theirs = netip.MustParseAddr("10.77.0.2")
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// netTUN is CreateNetTUN for a test, which closes both.
func netTUN(t testing.TB, mtu int) (*Device, *stack.Stack) {
	t.Helper()
	d, s, err := CreateNetTUN([]netip.Addr{ours}, mtu)
	must(t, err)
	t.Cleanup(func() { s.Close(); d.Close() })
	return d, s
}

func listen(t testing.TB, on castnet.Network, address string) *castnet.Conn {
	t.Helper()
	c, err := (&castnet.Config{On: on}).Listen(t.Context(), "udp4", address)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func dial(t testing.TB, on castnet.Network, address string) *castnet.Conn {
	t.Helper()
	c, err := (&castnet.Config{On: on}).Dial(t.Context(), "udp4", address)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// buffers returns what WireGuard reads into and writes from.
func buffers(n, size int) (bufs [][]byte, sizes []int) {
	bufs, sizes = make([][]byte, n), make([]int, n)
	for i := range bufs {
		bufs[i] = make([]byte, offset+size)
	}
	return bufs, sizes
}

// datagram puts a UDP datagram from theirs to ours into a buffer of WireGuard's.
func datagram(port uint16, payload []byte) []byte {
	b := make([]byte, offset+28+len(payload))
	p := b[offset:]
	p[0], p[8], p[9] = 0x45, 64, byte(wire.ProtocolUDP)
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	*(*[4]byte)(p[12:]), *(*[4]byte)(p[16:]) = theirs.As4(), ours.As4()
	binary.BigEndian.PutUint16(p[20:], 9)
	binary.BigEndian.PutUint16(p[22:], port)
	binary.BigEndian.PutUint16(p[24:], uint16(8+len(payload)))
	copy(p[28:], payload)
	ipChecksum(p)
	return b // a UDP checksum of 0 is none
}

// ipChecksum sets the checksum of a packet's IP header.
func ipChecksum(p []byte) { (*wire.IPv4Header)(p).UpdateChecksum(nil) }

// prefixOf returns an address as an interface has it.
func prefixOf(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, 24) }

// payload returns the payload of a packet from a stack, having checked its headers.
func payload(t testing.TB, p []byte) []byte {
	t.Helper()
	ip, _, rest, err := wire.ParseIPv4(p)
	must(t, err)
	udp, data, err := wire.ParseUDP(rest)
	must(t, err)
	if !udp.ChecksumOK(ip.PseudoSum(udp.Length()), data) {
		t.Errorf("a checksum is wrong: % x", p)
	}
	return data
}

// frame returns a packet of n bytes.
func frame(n int) *packet.Buffer {
	b := packet.New(n)
	clear(b.Append(n))
	return b
}
