package castnet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/socket"
)

// control builds a control message by hand.
func control(level, typ int, data ...byte) []byte {
	b := make([]byte, controlAlign(controlHeaderSize+len(data)))
	putWord(b, uint64(controlHeaderSize+len(data)))
	binary.NativeEndian.PutUint32(b[wordSize:], uint32(level))
	binary.NativeEndian.PutUint32(b[wordSize+4:], uint32(typ))
	copy(b[controlHeaderSize:], data)
	return b
}

func ne32(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }
func ne16(v uint16) []byte { return binary.NativeEndian.AppendUint16(nil, v) }

func TestParseControl(t *testing.T) {
	v4 := netip.MustParseAddr("192.0.2.1")
	v6 := netip.MustParseAddr("2001:db8::1")
	pktinfo4 := func(index uint32, ip netip.Addr) []byte {
		return control(0, 8, append(append(ne32(index), ip.AsSlice()...), 9, 9, 9, 9)...)
	}
	pktinfo6 := func(index uint32, ip netip.Addr) []byte {
		return control(41, 50, append(ip.AsSlice(), ne32(index)...)...)
	}
	for _, tc := range []struct {
		name string
		oob  []byte
		want Message
		err  error
	}{
		{"nothing", nil, Message{}, nil},
		{"IP_PKTINFO", pktinfo4(3, v4), Message{Set: FieldLocal | FieldInterface, Local: netip.AddrPortFrom(v4, 0), Interface: 3}, nil},
		{"IP_PKTINFO, address only", pktinfo4(0, v4), Message{Set: FieldLocal, Local: netip.AddrPortFrom(v4, 0)}, nil},
		{"IP_PKTINFO, interface only", pktinfo4(3, netip.IPv4Unspecified()), Message{Set: FieldInterface, Interface: 3}, nil},
		{"IPV6_PKTINFO", pktinfo6(3, v6), Message{Set: FieldLocal | FieldInterface, Local: netip.AddrPortFrom(v6, 0), Interface: 3}, nil},
		{"IP_TTL", control(0, 2, ne32(7)...), Message{Set: FieldTTL, TTL: 7}, nil},
		{"IPV6_HOPLIMIT", control(41, 52, ne32(0)...), Message{Set: FieldTTL}, nil},
		{"IPV6_HOPLIMIT default", control(41, 52, ne32(1<<32-1)...), Message{}, nil},
		{"IP_TOS", control(0, 1, ne32(2)...), Message{Set: FieldTOS, TOS: 2}, nil},
		{"IP_TOS, a byte", control(0, 1, 2), Message{Set: FieldTOS, TOS: 2}, nil},
		{"IPV6_TCLASS", control(41, 67, ne32(255)...), Message{Set: FieldTOS, TOS: 255}, nil},
		{"UDP_SEGMENT", control(17, 103, ne16(1200)...), Message{Set: FieldSegmentSize, SegmentSize: 1200}, nil},
		{
			"several, as quic-go sends them",
			bytes.Join([][]byte{pktinfo4(0, v4), control(17, 103, ne16(1200)...), control(0, 1, ne32(2)...)}, nil),
			Message{Set: FieldLocal | FieldSegmentSize | FieldTOS, Local: netip.AddrPortFrom(v4, 0), SegmentSize: 1200, TOS: 2}, nil,
		},
		{"unknown", control(1, 99, 1), Message{}, ErrNotSupported},
		{"IP_TTL 0", control(0, 2, ne32(0)...), Message{}, syscall.EINVAL},
		{"IP_TTL 256", control(0, 2, ne32(256)...), Message{}, syscall.EINVAL},
		{"IP_TOS 256", control(0, 1, ne32(256)...), Message{}, syscall.EINVAL},
		{"IP_TTL, a byte", control(0, 2, 7), Message{}, syscall.EINVAL},
		{"IP_PKTINFO too short", control(0, 8, 1, 2, 3), Message{}, syscall.EINVAL},
		{"IPV6_PKTINFO too short", control(41, 50, 1, 2, 3), Message{}, syscall.EINVAL},
		{"UDP_SEGMENT too long", control(17, 103, ne32(1200)...), Message{}, syscall.EINVAL},
	} {
		var m Message
		err := parseControl(tc.oob, &m)
		if !errors.Is(err, tc.err) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.err)
		}
		if tc.err == nil && (m.Set != tc.want.Set || m.Local != tc.want.Local || m.Interface != tc.want.Interface ||
			m.TTL != tc.want.TTL || m.TOS != tc.want.TOS || m.SegmentSize != tc.want.SegmentSize) {
			t.Errorf("%s: %+v, want %+v", tc.name, m, tc.want)
		}
	}
}

// Every part of a control message is refused, and none read behind.
func TestParseControlPrefixes(t *testing.T) {
	whole := control(0, 2, ne32(7)...)
	size := controlHeaderSize + 4 // without the padding, which may be missing
	for n := range size {
		if n == 0 {
			continue
		}
		var m Message
		if err := parseControl(whole[:n:n], &m); err != syscall.EINVAL || m.Set != 0 {
			t.Errorf("%d bytes of %d: %v, set %b; want EINVAL and nothing", n, size, err, m.Set)
		}
	}
	for _, length := range []uint64{0, 1, uint64(controlHeaderSize) - 1, 1 << 31, 1<<64 - 1} {
		b := bytes.Clone(whole)
		putWord(b, length)
		if err := parseControl(b, new(Message)); err != syscall.EINVAL {
			t.Errorf("a length of %d: %v, want EINVAL", length, err)
		}
	}
}

func FuzzParseControl(f *testing.F) {
	f.Add(control(0, 2, ne32(7)...))
	f.Add(append(control(17, 103, ne16(9)...), control(41, 50, make([]byte, 20)...)...))
	f.Fuzz(func(t *testing.T, oob []byte) {
		var m Message
		if parseControl(oob, &m) == nil && m.Set&^socket.SendFields != 0 {
			t.Errorf("% x set fields %b that cannot be sent", oob, m.Set)
		}
	})
}

// What putControl writes, parseControl reads, for the fields that go both ways.
func TestPutControl(t *testing.T) {
	in := Message{
		Addr: mustAddrPort("192.0.2.9:9"), Set: FieldLocal | FieldInterface | FieldTTL | FieldTOS,
		Local: mustAddrPort("192.0.2.1:0"), Interface: 3, TTL: 64, TOS: 1,
	}
	oob := make([]byte, 256)
	for i := range oob {
		oob[i] = 0xee // what was there does not show through
	}
	n, cut := putControl(oob, socket.IPv4, &in)
	var out Message
	if err := parseControl(oob[:n], &out); err != nil || cut {
		t.Fatalf("parsing what was put: %v, cut %v", err, cut)
	}
	out.Addr = in.Addr
	if out.Set != in.Set || out.Local != in.Local || out.Interface != in.Interface || out.TTL != in.TTL || out.TOS != in.TOS {
		t.Errorf("put %+v, parsed %+v", in, out)
	}

	// Whatever does not fit is left out, and that is said. The last message
	// is the TOS, a byte, whose padding may be missing.
	for size := range n - (wordSize - 1) {
		got, cut := putControl(oob[:size], socket.IPv4, &in)
		if !cut || got > size {
			t.Errorf("in %d bytes: wrote %d, cut %v", size, got, cut)
		}
	}

	in = Message{Set: FieldTime | FieldDrops | FieldSegmentSize, Time: time.Unix(5, 6), Drops: 7, SegmentSize: 8}
	n, _ = putControl(oob, socket.IPv6, &in)
	stamp := make([]byte, 2*wordSize)
	putWord(stamp, 5)
	putWord(stamp[wordSize:], 6)
	want := bytes.Join([][]byte{control(1, 35, stamp...), control(1, 40, ne32(7)...), control(17, 104, ne32(8)...)}, nil)
	if got := oob[:n]; !bytes.Equal(got, want) {
		t.Errorf("time, drops and segment size:\n got % x\nwant % x", got, want)
	}
}
