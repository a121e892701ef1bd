package wire

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
)

const ipv6Packet = `
	6b81 2345 0004 11 40
	2001 0db8 0000 0000 0000 0000 0000 0001
	ff02 0000 0000 0000 0000 0000 0000 00fb
	0102 0304`

func TestIPv6(t *testing.T) {
	b := unhex(t, ipv6Packet)
	h, payload, err := ParseIPv6(b)
	if err != nil {
		t.Fatal(err)
	}
	if h.Version() != 6 || h.TrafficClass() != 0xb8 || h.FlowLabel() != 0x12345 || h.PayloadLength() != 4 ||
		h.NextHeader() != ProtocolUDP || h.HopLimit() != 64 {
		t.Errorf("wrong field in % x", h[:])
	}
	if h.Source() != addr("2001:db8::1") || h.Destination() != addr("ff02::fb") {
		t.Errorf("got %v > %v", h.Source(), h.Destination())
	}
	if h.Source16() != addr("2001:db8::1").As16() || h.Destination16() != addr("ff02::fb").As16() {
		t.Errorf("got %x > %x", h.Source16(), h.Destination16())
	}
	if out := copyIPv6(h, payload); !bytes.Equal(out, b) {
		t.Errorf("written: got %x, want %x", out, b)
	}
	checkPrefixes(t, b, len(b), func(b []byte) error {
		_, _, err := ParseIPv6(b)
		return err
	})
	if _, payload, err := ParseIPv6(append(b, 0, 0)); err != nil || len(payload) != 4 || cap(payload) != 4 {
		t.Errorf("with link padding: got %x, %v", payload, err)
	}
	if got, want := h.PseudoSum(ProtocolUDP, 4), sumReference(append(b[8:40:40], 0, 0, 0, 4, 0, 0, 0, 17)); got != want {
		t.Errorf("pseudo-header: got %#04x, want %#04x", got, want)
	}
}

func copyIPv6(h *IPv6Header, payload []byte) []byte {
	b := bytes.Repeat([]byte{0xa5}, IPv6HeaderLen)
	w := PutIPv6(b)
	w.SetFlowLabel(h.FlowLabel())
	w.SetTrafficClass(h.TrafficClass())
	w.SetPayloadLength(h.PayloadLength())
	w.SetNextHeader(h.NextHeader())
	w.SetHopLimit(h.HopLimit())
	w.SetSource16(h.Source16())
	w.SetDestination16(h.Destination16())
	return append(b, payload...)
}

func TestIPv6Errors(t *testing.T) {
	b := unhex(t, ipv6Packet)
	b[0] = 0x4b
	if _, _, err := ParseIPv6(b); !errors.Is(err, ErrUnsupported) {
		t.Errorf("RFC8200_3_version: got %v", err)
	}
	b = unhex(t, ipv6Packet)
	b[5], b[6] = 0, 0
	if _, _, err := ParseIPv6(b); !errors.Is(err, ErrUnsupported) {
		t.Errorf("RFC2675_3_jumbogram: got %v", err)
	}
	b[6] = uint8(ProtocolNoNext)
	if _, payload, err := ParseIPv6(b); err != nil || len(payload) != 0 {
		t.Errorf("RFC8200_4_7_no_next_header: got %x, %v", payload, err)
	}
}

func TestIPv6DecrementHopLimit(t *testing.T) {
	h := new(IPv6Header)
	for _, c := range []struct {
		before, after uint8
		forward       bool
	}{{64, 63, true}, {2, 1, true}, {1, 0, false}, {0, 0, false}} {
		h.SetHopLimit(c.before)
		if got := h.DecrementHopLimit(); got != c.forward || h.HopLimit() != c.after {
			t.Errorf("from %d: got %v with %d", c.before, got, h.HopLimit())
		}
	}
}

func TestIPv6SettersDoNotPanic(t *testing.T) {
	h := new(IPv6Header)
	h.SetSource(netip.Addr{})
	if got := h.Source(); !got.IsUnspecified() {
		t.Errorf("no address: got %v, want ::", got)
	}
	h.SetSource(addr("fe80::1%eth0"))
	if got, want := h.Source(), addr("fe80::1"); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	h.SetDestination(addr("192.0.2.1"))
	if got, want := h.Destination(), addr("::ffff:192.0.2.1"); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestIPv6Allocates(t *testing.T) {
	b := unhex(t, ipv6Packet)
	checkAllocs(t, "parsing IPv6", func() {
		h, _, err := ParseIPv6(b)
		if err != nil || h.Source() == h.Destination() {
			t.Fatal(err)
		}
		sink16 = h.PseudoSum(ProtocolUDP, 4)
	})
}

func FuzzIPv6(f *testing.F) {
	f.Add(unhex(f, ipv6Packet))
	f.Add(append(unhex(f, ipv6Packet), 0, 0))                                                             // link padding
	f.Add(append(unhex(f, "6000 0000 0000 3b ff"), make([]byte, 32)...))                                  // empty
	f.Add(append(unhex(f, "6000 0000 0000 00 ff"), make([]byte, 32)...))                                  // a jumbogram
	f.Add(append(append(unhex(f, "6000 0000 0008 00 01"), make([]byte, 32)...), 58, 0, 5, 2, 0, 0, 1, 0)) // hop-by-hop
	f.Fuzz(func(t *testing.T, b []byte) {
		h, payload, err := ParseIPv6(b)
		checkError(t, err)
		if err != nil {
			return
		}
		if out := copyIPv6(h, payload); !bytes.Equal(out, b[:len(out)]) {
			t.Fatalf("got %x, want %x", out, b)
		}
	})
}

func BenchmarkParseIPv6(b *testing.B) {
	packet := unhex(b, ipv6Packet)
	for range b.N {
		h, payload, err := ParseIPv6(packet)
		sinkBool = err == nil && h.HopLimit() > 0 && len(payload) > 0
	}
}
