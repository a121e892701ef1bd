package stack

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// nowhere is a link that accepts everything and hands up nothing.
type nowhere struct{ link.Link }

func (nowhere) Kind() link.Kind                 { return link.Ethernet }
func (nowhere) MTU() int                        { return 1500 }
func (nowhere) Address() wire.MAC               { return wire.MAC{2, 0, 0, 0, 0, 1} }
func (nowhere) Capabilities() link.Capabilities { return 0 }
func (nowhere) Queues() int                     { return 1 }
func (nowhere) SetFilter(link.Filter) error     { return nil }
func (nowhere) Attach(link.Sink) error          { return nil }
func (nowhere) Close() error                    { return nil }
func (nowhere) Write(frames []*packet.Buffer) (int, error) {
	n := len(frames)
	packet.ReleaseAll(frames)
	return n, nil
}

// plainFrame is a datagram to 10.0.0.1:7, as plain takes it.
func plainFrame(payload int) []byte {
	b := make([]byte, plainHeaders+payload)
	e := wire.PutEthernet(b)
	e.SetDestination(wire.MAC{2, 0, 0, 0, 0, 1})
	e.SetSource(wire.MAC{2, 0, 0, 0, 0, 2})
	e.SetType(wire.EtherTypeIPv4)
	ip := wire.PutIPv4(b[14:])
	ip.SetTotalLength(uint16(28 + payload))
	ip.SetDontFragment(true)
	ip.SetTTL(64)
	ip.SetProtocol(wire.ProtocolUDP)
	ip.SetSource4([4]byte{10, 0, 0, 2})
	ip.SetDestination4([4]byte{10, 0, 0, 1})
	ip.UpdateChecksum(nil)
	u := wire.PutUDP(b[34:])
	u.SetSourcePort(9)
	u.SetDestinationPort(7)
	u.SetLength(uint16(8 + payload))
	sumUDP(b)
	return b
}

// plainFrame6 is a datagram to [2001:db8::1]:7, as plain takes it.
func plainFrame6(payload int) []byte {
	b := make([]byte, plainHeaders6+payload)
	e := wire.PutEthernet(b)
	e.SetDestination(wire.MAC{2, 0, 0, 0, 0, 1})
	e.SetSource(wire.MAC{2, 0, 0, 0, 0, 2})
	e.SetType(wire.EtherTypeIPv6)
	ip := wire.PutIPv6(b[14:])
	ip.SetPayloadLength(uint16(8 + payload))
	ip.SetHopLimit(64)
	ip.SetNextHeader(wire.ProtocolUDP)
	ip.SetSource(netip.MustParseAddr("2001:db8::2"))
	ip.SetDestination(netip.MustParseAddr("2001:db8::1"))
	u := wire.PutUDP(b[54:])
	u.SetSourcePort(9)
	u.SetDestinationPort(7)
	u.SetLength(uint16(8 + payload))
	sumUDP(b)
	return b
}

// sumUDP makes the UDP checksum of a plain frame right again.
func sumUDP(b []byte) {
	if ip, datagram, err := wire.ParseIPv6(b[14:]); err == nil {
		if u, payload, err := wire.ParseUDP(datagram); err == nil {
			u.UpdateChecksum(ip.PseudoSum(wire.ProtocolUDP, uint32(u.Length())), payload)
		}
		return
	}
	ip, _, datagram, err := wire.ParseIPv4(b[14:])
	if err != nil || len(datagram) < 8 {
		return
	}
	u, payload, err := wire.ParseUDP(datagram)
	if err != nil {
		return
	}
	u.UpdateChecksum(ip.PseudoSum(u.Length()), payload)
}

// bothWays sends a frame both ways and compares. It reports whether the short
// way took it.
func bothWays(t *testing.T, l *lane, frame []byte, flags packet.Flags) bool {
	t.Helper()
	mk := func() *packet.Buffer {
		b := packet.New(len(frame))
		copy(b.Append(len(frame)), frame)
		b.Flags = flags
		return b
	}
	short := mk()
	marks, window := short.Marks, bytes.Clone(short.Bytes())
	s := l.plain(short)
	if s == nil {
		if short.Marks != marks || !bytes.Equal(short.Bytes(), window) {
			t.Errorf("frame % x was refused and yet changed", frame)
		}
		short.Release()
		return false
	}
	long := mk()
	if o := l.frame(long); o != s {
		t.Fatalf("frame % x: the short way found socket %p, the long way %p", frame, s, o)
	}
	if short.Marks != long.Marks || !bytes.Equal(short.Bytes(), long.Bytes()) ||
		!bytes.Equal(short.NetworkBytes(), long.NetworkBytes()) || !bytes.Equal(short.TransportBytes(), long.TransportBytes()) {
		t.Fatalf("frame % x: the ways leave different buffers:\n%+v\n%+v", frame, short.Marks, long.Marks)
	}
	short.Release()
	long.Release()
	return true
}

func fastHost(t *testing.T) *lane {
	t.Helper()
	s, err := New(Config{Seed: [32]byte{1}, DADTransmits: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	i, err := s.AddInterface("eth0", nowhere{})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{"10.0.0.1/24", "2001:db8::1/64"} {
		if err := i.AddAddress(netip.MustParsePrefix(a)); err != nil {
			t.Fatal(err)
		}
	}
	open := func(bind, connect string) {
		family, addr := socket.IPv4, netip.MustParseAddrPort(bind)
		if addr.Addr().Is6() {
			family = socket.IPv6
		}
		sk, err := s.OpenSocket(family)
		if err != nil {
			t.Fatal(err)
		}
		if family == socket.IPv6 {
			setOption(t, sk, socket.IPv6Only, 1)
		}
		if err := sk.Bind(addr); err != nil {
			t.Fatal(err)
		}
		if connect != "" {
			if err := sk.Connect(netip.MustParseAddrPort(connect)); err != nil {
				t.Fatal(err)
			}
		}
	}
	open("0.0.0.0:7", "")
	open("10.0.0.1:8", "10.0.0.2:9")
	open("[::]:7", "")
	open("[2001:db8::1]:8", "[2001:db8::2]:9")
	l := i.lane(0)
	l.begin()
	return l
}

// TestShortWayEqualsLongWay changes plain frames in one, two or three places,
// mending the checksums half the time, so that most come near being plain.
func TestShortWayEqualsLongWay(t *testing.T) {
	t.Run("IPv4", func(t *testing.T) { testShortWay(t, plainFrame) })
	t.Run("IPv6", func(t *testing.T) { testShortWay(t, plainFrame6) })
}

func testShortWay(t *testing.T, plainFrame func(payload int) []byte) {
	l := fastHost(t)
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	taken, refused := 0, 0
	for range 100_000 {
		frame := plainFrame(r.IntN(40))
		for range r.IntN(4) {
			frame[r.IntN(len(frame))] = byte(r.Uint32())
		}
		if r.IntN(4) == 0 {
			frame = append(frame, make([]byte, r.IntN(20))...)
		}
		if r.IntN(2) == 0 && len(frame) >= 34 {
			if frame[14]>>4 == 4 {
				(*wire.IPv4Header)(frame[14:34]).UpdateChecksum(nil)
			}
			sumUDP(frame)
		}
		if r.IntN(10) == 0 {
			frame = frame[:r.IntN(len(frame))]
		}
		flags := packet.Flags(0)
		if r.IntN(2) == 0 {
			// What a link may say of a frame.
			flags = packet.Flags(r.IntN(1<<4)) & (packet.ChecksumValid | packet.ChecksumPartial | packet.LinkBroadcast)
		}
		if bothWays(t, l, frame, flags) {
			taken++
		} else {
			refused++
		}
	}
	if taken < 10_000 || refused < 10_000 {
		t.Errorf("the short way took %d frames and refused %d: too few of one kind to mean anything", taken, refused)
	}
}

func FuzzShortWay(f *testing.F) {
	f.Add(plainFrame(0), uint8(0))
	f.Add(plainFrame(5), uint8(packet.ChecksumValid))
	f.Add(plainFrame6(0), uint8(0))
	f.Add(plainFrame6(5), uint8(packet.ChecksumValid))
	f.Fuzz(func(t *testing.T, frame []byte, flags uint8) {
		if len(frame) > 2000 {
			return
		}
		l := fastHost(t)
		bothWays(t, l, frame, packet.Flags(flags)&(packet.ChecksumValid|packet.ChecksumPartial|packet.LinkBroadcast|packet.LinkMulticast))
	})
}

// TestShortWayForgets changes what the short way remembers of a header.
func TestShortWayForgets(t *testing.T) {
	h, l := known(t, Config{})
	frame := datagram{dst: "10.0.0.2:7", payload: "same header"}.frame()
	for round := range 3 {
		s := h.open(t, "10.0.0.2:7")
		l.deliver(frame, frame)
		if got := payloads(t, s); len(got) != 2 {
			t.Errorf("round %d: %q", round, got)
		}
		// One that is a better match, and goes.
		c := h.connected(t, "10.0.0.2:8", "10.0.0.9:9")
		c.Close()
		s.Close()
		l.deliver(frame)
	}
	checkDrops(t, h, drop.NoPort, 3)
	s := h.open(t, "0.0.0.0:7")
	l.deliver(frame)
	if err := h.eth0.RemoveAddress(netip.MustParsePrefix("10.0.0.2/24")); err != nil {
		t.Fatal(err)
	}
	l.deliver(frame)
	if got := payloads(t, s); len(got) != 1 {
		t.Errorf("the address is gone, and yet %q", got)
	}
	checkDrops(t, h, drop.NotLocal, 1)
	checkLedger(t, h)
}
