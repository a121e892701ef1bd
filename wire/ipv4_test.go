package wire

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
)

// An IPv4 packet without options that carries four bytes, and one with Router Alert that
// carries an IGMP report.
const (
	ipv4Packet = `
		45 b8 0018 abcd 4000 40 11 4b2a
		c000 0201 c633 6407
		0102 0304`
	ipv4PacketWithOptions = `
		46 c0 0020 0000 4000 01 02 4119
		c000 0201 e000 00fb 9404 0000
		1600 0904 e000 00fb`
)

func TestIPv4(t *testing.T) {
	b := unhex(t, ipv4Packet)
	h, options, payload, err := ParseIPv4(b)
	if err != nil {
		t.Fatal(err)
	}
	h.UpdateChecksum(nil)
	if got := sumReference(b[:20]); got != 0xffff {
		t.Errorf("sum of a header with its checksum: got %#x, want 0xffff", got)
	}
	if len(options) != 0 || !bytes.Equal(payload, []byte{1, 2, 3, 4}) {
		t.Errorf("got options %x, payload %x", options, payload)
	}
	if h.Version() != 4 || h.HeaderLen() != 20 || h.TOS() != 0xb8 || h.TotalLength() != 24 || h.ID() != 0xabcd ||
		!h.DontFragment() || h.MoreFragments() || h.FragmentOffset() != 0 || h.IsFragment() || h.TTL() != 64 ||
		h.Protocol() != ProtocolUDP {
		t.Errorf("wrong field in % x", h[:])
	}
	if h.Source() != addr("192.0.2.1") || h.Destination() != addr("198.51.100.7") ||
		h.Source4() != [4]byte{192, 0, 2, 1} || h.Destination4() != [4]byte{198, 51, 100, 7} {
		t.Errorf("got %v > %v", h.Source(), h.Destination())
	}
	if out := copyIPv4(h, options, payload); !bytes.Equal(out, b) {
		t.Errorf("written: got %x, want %x", out, b)
	}
	checkPrefixes(t, b, len(b), func(b []byte) error {
		_, _, _, err := ParseIPv4(b)
		return err
	})
}

func TestIPv4WithOptions(t *testing.T) {
	b := unhex(t, ipv4PacketWithOptions)
	h, options, payload, err := ParseIPv4(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(options, []byte{0x94, 4, 0, 0}) || len(payload) != 8 {
		t.Errorf("got options %x, payload %x", options, payload)
	}
	h.UpdateChecksum(options)
	if !h.ChecksumOK(options) || sumReference(b[:24]) != 0xffff {
		t.Errorf("checksum does not cover the options: %#04x", h.Checksum())
	}
	options[0] ^= 1
	if h.ChecksumOK(options) {
		t.Error("ChecksumOK with a changed option")
	}
	checkPrefixes(t, b, len(b), func(b []byte) error {
		_, _, _, err := ParseIPv4(b)
		return err
	})
}

// copyIPv4 writes, field by field, a packet with what it reads in another.
func copyIPv4(h *IPv4Header, options, payload []byte) []byte {
	b := make([]byte, IPv4HeaderLen, 64)
	w := PutIPv4(b)
	w.SetHeaderLen(h.HeaderLen())
	w.SetTOS(h.TOS())
	w.SetTotalLength(h.TotalLength())
	w.SetID(h.ID())
	w.SetDontFragment(h.DontFragment())
	w.SetMoreFragments(h.MoreFragments())
	w.SetFragmentOffset(h.FragmentOffset())
	w.SetTTL(h.TTL())
	w.SetProtocol(h.Protocol())
	w.SetChecksum(h.Checksum())
	w.SetSource4(h.Source4())
	w.SetDestination(h.Destination())
	return append(append(b, options...), payload...)
}

func TestIPv4Errors(t *testing.T) {
	for _, c := range []struct {
		rule string
		at   int
		to   byte
		want error
	}{
		{"RFC791_version", 0, 0x65, ErrUnsupported},
		{"RFC1122_3_2_1_1_version_0", 0, 0x05, ErrUnsupported},
		{"RFC791_header_length_minimum", 0, 0x44, ErrMalformed},
		{"RFC791_header_length_zero", 0, 0x40, ErrMalformed},
		{"RFC791_header_length_beyond", 0, 0x4f, ErrTruncated},
		{"RFC791_total_length_below_header", 3, 19, ErrMalformed},
		{"RFC791_total_length_zero", 3, 0, ErrMalformed},
		{"RFC791_total_length_beyond", 3, 25, ErrTruncated},
	} {
		b := unhex(t, ipv4Packet)
		b[c.at] = c.to
		if _, _, _, err := ParseIPv4(b); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.rule, err, c.want)
		}
	}
	b := unhex(t, ipv4PacketWithOptions)
	b[3] = 23
	if _, _, _, err := ParseIPv4(b); !errors.Is(err, ErrMalformed) {
		t.Errorf("total length inside the options: got %v, want ErrMalformed", err)
	}
	b[3] = 33
	if _, _, _, err := ParseIPv4(b); !errors.Is(err, ErrTruncated) {
		t.Errorf("total length beyond, with options: got %v, want ErrTruncated", err)
	}
}

func TestIPv4TrimsPadding(t *testing.T) {
	for _, packet := range []string{ipv4Packet, ipv4PacketWithOptions} {
		b := unhex(t, packet)
		padded := append(b, make([]byte, 22)...)
		h, _, payload, err := ParseIPv4(padded)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := h.HeaderLen()+len(payload), len(b); got != want {
			t.Errorf("got %d bytes, want %d", got, want)
		}
		if cap(payload) != len(payload) {
			t.Errorf("payload of %d bytes has capacity %d: appending would overwrite", len(payload), cap(payload))
		}
	}
}

func TestIPv4Fragments(t *testing.T) {
	b := make([]byte, 20)
	h := PutIPv4(b)
	h.SetDontFragment(true)
	h.SetMoreFragments(true)
	h.SetFragmentOffset(65528)
	if got := h.FragmentOffset(); got != 65528 || !h.DontFragment() || !h.MoreFragments() || !h.IsFragment() {
		t.Errorf("got offset %d in % x", got, b)
	}
	h.SetDontFragment(false)
	h.SetFragmentOffset(1480)
	if b[6] != 0x20 || b[7] != 0xb9 {
		t.Errorf("got flags and offset % x, want 20 b9", b[6:8])
	}
	h.SetMoreFragments(false)
	if !h.IsFragment() {
		t.Error("the last fragment is none")
	}
	h.SetFragmentOffset(0)
	if h.IsFragment() || b[6] != 0 || b[7] != 0 {
		t.Errorf("a whole packet is a fragment: % x", b[6:8])
	}
}

func TestIPv4DecrementTTL(t *testing.T) {
	b := unhex(t, ipv4Packet)
	h, _, _, _ := ParseIPv4(b)
	for id := range 0x10000 {
		h.SetID(uint16(id))
		h.SetTTL(uint8(id%255) + 1)
		h.UpdateChecksum(nil)
		want := h.TTL() - 1
		if forward := h.DecrementTTL(); forward != (want > 0) || h.TTL() != want {
			t.Fatalf("got %v with TTL %d, want TTL %d", forward, h.TTL(), want)
		}
		if !h.ChecksumOK(nil) {
			t.Fatalf("checksum wrong after decrementing: % x", b)
		}
	}
	h.SetTTL(9)
	h.SetChecksum(h.Checksum() + 1)
	h.DecrementTTL()
	if h.ChecksumOK(nil) {
		t.Error("a wrong checksum was made right")
	}
	h.SetTTL(0)
	before := *h
	if h.DecrementTTL() || *h != before {
		t.Error("a TTL of zero was decremented")
	}
}

func TestIPv4SettersDoNotPanic(t *testing.T) {
	h := new(IPv4Header)
	h.SetSource(addr("::ffff:192.0.2.9"))
	if got, want := h.Source(), addr("192.0.2.9"); got != want {
		t.Errorf("mapped: got %v, want %v", got, want)
	}
	h.SetDestination4([4]byte{192, 0, 2, 8})
	if got, want := h.Destination(), addr("192.0.2.8"); got != want {
		t.Errorf("four bytes: got %v, want %v", got, want)
	}
	for _, a := range []netip.Addr{{}, addr("2001:db8::1")} {
		h.SetSource(a)
		if got := h.Source(); !got.IsUnspecified() {
			t.Errorf("SetSource(%v): got %v, want 0.0.0.0", a, got)
		}
	}
	h.SetHeaderLen(-1)
	h.SetFragmentOffset(-1)
}

func TestIPv4Allocates(t *testing.T) {
	b := unhex(t, ipv4PacketWithOptions)
	checkAllocs(t, "parsing and checking IPv4", func() {
		h, options, _, err := ParseIPv4(b)
		if err != nil || h.Source() == h.Destination() {
			t.Fatal(err)
		}
		sinkBool = h.ChecksumOK(options)
		h.UpdateChecksum(options)
	})
}

func FuzzIPv4(f *testing.F) {
	f.Add(unhex(f, ipv4Packet))
	f.Add(unhex(f, ipv4PacketWithOptions))
	f.Add(append(unhex(f, ipv4Packet), 0, 0, 0))                                     // link padding
	f.Add(unhex(f, "4500 0014 0000 2000 4011 0000 c000 0201 c000 0202"))             // an empty fragment
	f.Add(unhex(f, "4f00 0014 0000 0000 4011 0000 c000 0201 c000 0202"))             // options that are not there
	f.Add(append(unhex(f, "4fff 003c 0000 ffff ff01 ffff"), make([]byte, 60-12)...)) // the longest header
	f.Fuzz(func(t *testing.T, b []byte) {
		h, options, payload, err := ParseIPv4(b)
		checkError(t, err)
		if err != nil {
			return
		}
		if int(h.TotalLength()) != IPv4HeaderLen+len(options)+len(payload) {
			t.Fatalf("total length %d, got %d+%d+%d bytes", h.TotalLength(), IPv4HeaderLen, len(options), len(payload))
		}
		out := copyIPv4(h, options, payload)
		out[6] |= b[6] & 0x80 // The reserved flag is not carried over.
		if !bytes.Equal(out, b[:h.TotalLength()]) {
			t.Fatalf("got %x, want %x", out, b)
		}
		if got, want := h.ChecksumOK(options), sumReference(b[:h.HeaderLen()]) == 0xffff; got != want {
			t.Fatalf("ChecksumOK: got %v, want %v", got, want)
		}
	})
}

func BenchmarkParseIPv4(b *testing.B) {
	packet := unhex(b, ipv4Packet)
	h, _, _, _ := ParseIPv4(packet)
	h.UpdateChecksum(nil)
	b.Run("parse", func(b *testing.B) {
		for range b.N {
			h, _, payload, err := ParseIPv4(packet)
			sinkBool = err == nil && h.TTL() > 0 && len(payload) > 0
		}
	})
	b.Run("parse and verify", func(b *testing.B) {
		for range b.N {
			h, options, _, err := ParseIPv4(packet)
			sinkBool = err == nil && h.ChecksumOK(options)
		}
	})
	b.Run("update checksum", func(b *testing.B) {
		for range b.N {
			h.UpdateChecksum(nil)
		}
	})
}
