package link_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// unfinished makes a UDP packet whose checksum field holds the pseudo-header's sum.
// With options its IP header has some, or an extension header.
func unfinished(kind link.Kind, v6, options bool, payload []byte) *packet.Buffer {
	n := wire.UDPHeaderLen + len(payload)
	b := packet.New(n + 70)
	u := wire.PutUDP(b.Append(n))
	u.SetSourcePort(1)
	u.SetDestinationPort(2)
	u.SetLength(uint16(n))
	copy(b.Bytes()[wire.UDPHeaderLen:], payload)
	typ := wire.EtherTypeIPv4
	if v6 {
		typ = wire.EtherTypeIPv6
		next := wire.ProtocolUDP
		if options { // Destination options: nothing but padding.
			copy(b.Prepend(8), []byte{byte(next), 0, 1, 4, 0, 0, 0, 0})
			next = wire.ProtocolIPv6Destination
		}
		length := b.Len()
		h := wire.PutIPv6(b.Prepend(wire.IPv6HeaderLen))
		h.SetPayloadLength(uint16(length))
		h.SetNextHeader(next)
		h.SetSource(netip.MustParseAddr("fd00::1"))
		h.SetDestination(netip.MustParseAddr("fd00::2"))
		u.SetChecksum(h.PseudoSum(wire.ProtocolUDP, uint32(n)))
	} else {
		headers := wire.IPv4HeaderLen
		if options {
			headers += 4
			copy(b.Prepend(4), []byte{1, 1, 1, 0})
		}
		h := wire.PutIPv4(b.Prepend(wire.IPv4HeaderLen))
		h.SetHeaderLen(headers)
		h.SetTotalLength(uint16(headers + n))
		h.SetID(0xfffe)
		h.SetProtocol(wire.ProtocolUDP)
		h.SetSource(netip.MustParseAddr("10.0.0.1"))
		h.SetDestination(netip.MustParseAddr("10.0.0.2"))
		h.UpdateChecksum(b.Bytes()[wire.IPv4HeaderLen:headers])
		u.SetChecksum(h.PseudoSum(uint16(n)))
	}
	if kind == link.Ethernet {
		wire.PutEthernet(b.Prepend(wire.EthernetHeaderLen)).SetType(typ)
	}
	b.Flags |= packet.ChecksumPartial
	return b
}

// check returns the payload of a frame all of whose lengths and checksums it finds
// right, and the IPv4 identification.
func check(t *testing.T, f *packet.Buffer, kind link.Kind) (payload []byte, id uint16) {
	t.Helper()
	b := f.Bytes()
	if kind == link.Ethernet {
		b = b[wire.EthernetHeaderLen:]
	}
	var datagram []byte
	var pseudo uint16
	if b[0]>>4 == 6 {
		h, rest, err := wire.ParseIPv6(b)
		if err != nil || int(h.PayloadLength()) != len(b)-wire.IPv6HeaderLen {
			t.Fatalf("an IPv6 packet of %d bytes says %d: %v", len(b), h.PayloadLength(), err)
		}
		w := wire.WalkIPv6(h, rest)
		for more := true; more; {
			_, more = w.Next()
		}
		datagram = w.Payload()
		pseudo = h.PseudoSum(wire.ProtocolUDP, uint32(len(datagram)))
	} else {
		h, options, rest, err := wire.ParseIPv4(b)
		if err != nil || int(h.TotalLength()) != len(b) || !h.ChecksumOK(options) {
			t.Fatalf("an IPv4 packet of %d bytes says %d, checksum right %v: %v", len(b), h.TotalLength(), h.ChecksumOK(options), err)
		}
		datagram, id = rest, h.ID()
		pseudo = h.PseudoSum(uint16(len(datagram)))
	}
	u, payload, err := wire.ParseUDP(datagram)
	if err != nil || int(u.Length()) != len(datagram) || u.Checksum() == 0 || !u.ChecksumOK(pseudo, payload) {
		t.Fatalf("a datagram of %d bytes says %d, checksum %#x: %v", len(datagram), u.Length(), u.Checksum(), err)
	}
	return payload, id
}

func variants(t *testing.T, f func(t *testing.T, kind link.Kind, v6, options bool)) {
	for _, kind := range []link.Kind{link.Ethernet, link.IP} {
		for _, v6 := range []bool{false, true} {
			for _, options := range []bool{false, true} {
				t.Run(fmt.Sprintf("kind %d/v6 %v/options %v", kind, v6, options), func(t *testing.T) { f(t, kind, v6, options) })
			}
		}
	}
}

func TestCut(t *testing.T) {
	variants(t, func(t *testing.T, kind link.Kind, v6, options bool) {
		for _, test := range []struct{ length, segment, count int }{
			{1000, 100, 10}, {1001, 100, 11}, {100, 100, 1}, {99, 100, 1}, {128, 1, 128}, {0, 100, 1},
		} {
			want := make([]byte, test.length)
			for i := range want {
				want[i] = byte(i * 7)
			}
			train := unfinished(kind, v6, options, want)
			train.SegmentSize, train.Flow, train.ID = uint16(test.segment), 5, 6
			train.Flags |= packet.ChecksumValid
			frames, err := link.Cut(nil, train, kind)
			if err != nil || len(frames) != test.count {
				t.Fatalf("%v: %d frames, %v", test, len(frames), err)
			}
			for i, f := range frames {
				payload, id := check(t, f, kind)
				k := min(test.segment, len(want))
				if !bytes.Equal(payload, want[:k]) {
					t.Errorf("%v: frame %d carries other bytes", test, i)
				}
				want = want[k:]
				if !v6 && id != uint16(0xfffe+i) {
					t.Errorf("%v: frame %d has the identification %d", test, i, id)
				}
				if f.SegmentSize != 0 || f.Flags != packet.ChecksumValid || f.Flow != 5 || f.ID != 6 {
					t.Errorf("%v: frame %d has the marks %+v", test, i, f.Marks)
				}
			}
			packet.ReleaseAll(frames)
			train.Release()
		}
	})
}

func TestCutRefuses(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*packet.Buffer)
	}{
		{"more than MaxSegments", func(b *packet.Buffer) { b.SegmentSize = 7 }},
		{"no segment size", func(b *packet.Buffer) { b.SegmentSize = 0 }},
		{"UDP length too long", func(b *packet.Buffer) { b.Bytes()[25]++ }},
		{"UDP length too short", func(b *packet.Buffer) { b.Bytes()[24], b.Bytes()[25] = 0, 7 }},
		{"not UDP", func(b *packet.Buffer) { b.Bytes()[9] = 6 }},
		{"a fragment", func(b *packet.Buffer) { b.Bytes()[6] |= 0x20 }},
		{"cut short", func(b *packet.Buffer) { b.TrimTo(100) }},
		{"headers cut short", func(b *packet.Buffer) { b.TrimTo(27) }},
		{"empty", func(b *packet.Buffer) { b.TrimTo(0) }},
	} {
		b := unfinished(link.IP, false, false, make([]byte, 1000))
		b.SegmentSize = 100
		test.change(b)
		if frames, err := link.Cut(nil, b, link.IP); err == nil || len(frames) != 0 {
			t.Errorf("%s: %d frames, %v", test.name, len(frames), err)
		}
		b.Release()
	}
}

func TestFinishChecksum(t *testing.T) {
	variants(t, func(t *testing.T, kind link.Kind, v6, options bool) {
		for _, shared := range []bool{false, true} {
			b := unfinished(kind, v6, options, []byte("hello"))
			var other *packet.Buffer
			before := bytes.Clone(b.Bytes())
			if shared {
				other = b.Clone()
			}
			f := link.FinishChecksum(b, kind)
			if payload, _ := check(t, f, kind); string(payload) != "hello" || f.Flags != 0 {
				t.Errorf("got %q, flags %b", payload, f.Flags)
			}
			if shared {
				if !bytes.Equal(other.Bytes(), before) {
					t.Error("a shared frame was written to")
				}
				other.Release()
			}
			// Trailing bytes of the link belong to no checksum.
			f.Release()
		}
	})
	b := unfinished(link.Ethernet, false, false, []byte("x"))
	b.Append(17)[0] = 9 // filled up to 60 bytes
	b = link.FinishChecksum(b, link.Ethernet)
	b.TrimTo(43)
	if payload, _ := check(t, b, link.Ethernet); string(payload) != "x" {
		t.Errorf("got %q", payload)
	}
	b.Release()
}

// FuzzCut cuts up anything.
func FuzzCut(f *testing.F) {
	for _, v6 := range []bool{false, true} {
		for _, options := range []bool{false, true} {
			b := unfinished(link.IP, v6, options, make([]byte, 300))
			f.Add(bytes.Clone(b.Bytes()), uint16(100), false)
			b.Release()
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, segment uint16, ethernet bool) {
		if len(data) > packet.MaxSize {
			return
		}
		kind := link.IP
		if ethernet {
			kind = link.Ethernet
		}
		b := packet.New(len(data))
		copy(b.Append(len(data)), data)
		b.SegmentSize = segment
		frames, err := link.Cut(nil, b, kind)
		if err == nil && (len(frames) == 0 || len(frames) > link.MaxSegments) {
			t.Errorf("%d frames", len(frames))
		}
		for _, f := range frames {
			check(t, f, kind)
		}
		packet.ReleaseAll(frames)
		b.SegmentSize = 0
		link.FinishChecksum(b, kind).Release()
	})
}
