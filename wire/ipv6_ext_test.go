package wire

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

// ipv6With returns a packet whose payload is in hexadecimal and begins with next.
func ipv6With(t testing.TB, next Protocol, payload string) []byte {
	t.Helper()
	p := unhex(t, payload)
	b := make([]byte, IPv6HeaderLen)
	h := PutIPv6(b)
	h.SetPayloadLength(uint16(len(p)))
	h.SetNextHeader(next)
	return append(b, p...)
}

// walk walks a packet and returns the headers it met.
func walk(t testing.TB, packet []byte) (IPv6Walker, []Protocol) {
	t.Helper()
	h, payload, err := ParseIPv6(packet)
	if err != nil {
		t.Fatal(err)
	}
	w := WalkIPv6(h, payload)
	var met []Protocol
	for ext, ok := w.Next(); ok; ext, ok = w.Next() {
		met = append(met, ext.Protocol)
		if packet[ext.Offset] != ext.Data[0] || len(ext.Data)%8 != 0 || ext.NextHeader() != w.Protocol() {
			t.Fatalf("inconsistent extension %v", ext)
		}
	}
	return w, met
}

// Every header once, in the order RFC 8200 recommends, then UDP.
const ipv6Chain = `
	3c 00 0502 0000 0100
	2b 01 0104 0000 0000  0106 0000 0000 0000
	2c 00 0400 0000 0000
	3c 00 0001 1234 5678
	11 00 0104 0000 0000
	04d2 162e 0008 0000`

func TestIPv6Walk(t *testing.T) {
	b := ipv6With(t, ProtocolIPv6HopByHop, ipv6Chain)
	w, met := walk(t, b)
	want := []Protocol{ProtocolIPv6HopByHop, ProtocolIPv6Destination, ProtocolIPv6Routing, ProtocolIPv6Fragment, ProtocolIPv6Destination}
	if !slices.Equal(met, want) || w.Err() != nil {
		t.Errorf("got %v, %v, want %v", met, w.Err(), want)
	}
	if w.Protocol() != ProtocolUDP || len(w.Payload()) != 8 || w.Offset() != 40+48 || b[w.Pointer()] != uint8(ProtocolUDP) || w.Pointer() != 40+40 {
		t.Errorf("got %v, payload %x at %d, pointer %d", w.Protocol(), w.Payload(), w.Offset(), w.Pointer())
	}
	// A prefix is a packet whose payload ends early.
	for n := range b {
		prefix := b[:n:n]
		if n >= IPv6HeaderLen {
			(*IPv6Header)(prefix).SetPayloadLength(uint16(n - IPv6HeaderLen))
		}
		h, payload, err := ParseIPv6(prefix)
		checkError(t, err)
		if err != nil {
			continue
		}
		w := WalkIPv6(h, payload)
		for _, ok := w.Next(); ok; _, ok = w.Next() {
		}
		checkError(t, w.Err())
		if atTransport := n >= 40+48; (w.Err() == nil) != atTransport {
			t.Errorf("prefix of %d bytes: got %v", n, w.Err())
		}
	}
}

func TestIPv6WalkTransport(t *testing.T) {
	for _, p := range []Protocol{ProtocolUDP, ProtocolICMPv6, ProtocolNoNext, ProtocolAH, ProtocolESP, 253} {
		w, met := walk(t, ipv6With(t, p, "0102 0304"))
		if len(met) != 0 || w.Err() != nil || w.Protocol() != p || len(w.Payload()) != 4 || w.Pointer() != 6 || w.Offset() != 40 {
			t.Errorf("%v: got %v, %v, %v", p, met, w.Err(), w.Protocol())
		}
	}
}

func TestIPv6WalkErrors(t *testing.T) {
	deep := bytes.Repeat([]byte("\x3c\x00\x01\x04\x00\x00\x00\x00"), MaxIPv6Extensions)
	b := ipv6With(t, ProtocolIPv6Destination, "")
	b = append(b, deep...)
	b[len(b)-8] = uint8(ProtocolNoNext)
	(*IPv6Header)(b).SetPayloadLength(uint16(len(deep)))
	if w, met := walk(t, b); w.Err() != nil || len(met) != MaxIPv6Extensions {
		t.Errorf("as many headers as allowed: got %d, %v", len(met), w.Err())
	}
	b[len(b)-8] = uint8(ProtocolIPv6Destination)
	b = append(b, deep[:8]...)
	(*IPv6Header)(b).SetPayloadLength(uint16(len(deep) + 8))
	if w, _ := walk(t, b); !errors.Is(w.Err(), ErrMalformed) {
		t.Errorf("RFC8504_5_3_limit: got %v", w.Err())
	}
	for _, c := range []struct {
		rule    string
		next    Protocol
		payload string
		pointer int
		want    error
	}{
		{"RFC8200_4_1_hop_by_hop_first", ProtocolIPv6Destination, "0000 0104 0000 0000  3b00 0104 0000 0000", 40, ErrMalformed},
		{"RFC8200_4_1_hop_by_hop_once", ProtocolIPv6HopByHop, "0000 0104 0000 0000  3b00 0104 0000 0000", 40, ErrMalformed},
		{"length_beyond", ProtocolIPv6Destination, "3b01 0104 0000 0000", 6, ErrTruncated},
		{"shorter_than_8", ProtocolIPv6Fragment, "3b00 0000 0000", 6, ErrTruncated},
	} {
		w, _ := walk(t, ipv6With(t, c.next, c.payload))
		if !errors.Is(w.Err(), c.want) || w.Pointer() != c.pointer {
			t.Errorf("%s: got %v, pointer %d, want %v, %d", c.rule, w.Err(), w.Pointer(), c.want, c.pointer)
		}
		if _, ok := w.Next(); ok {
			t.Errorf("%s: Next after an error: got true", c.rule)
		}
	}
}

func TestIPv6WalkFragments(t *testing.T) {
	// The second byte of a fragment header is reserved, and no length.
	w, met := walk(t, ipv6With(t, ProtocolIPv6Fragment, "11 ff 0001 0000 0001 04d2 162e 0008 0000"))
	if len(met) != 1 || w.Protocol() != ProtocolUDP || len(w.Payload()) != 8 {
		t.Errorf("first fragment: got %v, then %v", met, w.Protocol())
	}
	// What follows a later fragment only looks like an extension header.
	w, met = walk(t, ipv6With(t, ProtocolIPv6Fragment, "3c 00 0009 0000 0001 ffff ffff ffff ffff"))
	if len(met) != 1 || w.Err() != nil || w.Protocol() != ProtocolIPv6Destination || len(w.Payload()) != 8 {
		t.Errorf("later fragment: got %v, %v, then %v", met, w.Err(), w.Protocol())
	}
}

func TestIPv6Extension(t *testing.T) {
	h, payload, _ := ParseIPv6(ipv6With(t, ProtocolIPv6Routing, "3b 00 03 02 0102 0304"))
	w := WalkIPv6(h, payload)
	ext, _ := w.Next()
	if r, ok := ext.Routing(); !ok || r.Type != 3 || r.SegmentsLeft != 2 || !bytes.Equal(r.Data, []byte{1, 2, 3, 4}) {
		t.Errorf("routing: got %v, %v", r, ok)
	}
	if _, ok := ext.Fragment(); ok {
		t.Error("a routing header is a fragment header")
	}
	if _, err := ext.Options(); !errors.Is(err, ErrMalformed) {
		t.Errorf("options of a routing header: got %v", err)
	}
	var zero IPv6Extension
	if _, ok := zero.Routing(); ok || zero.NextHeader() != ProtocolNoNext {
		t.Error("the zero extension has content")
	}
	for _, p := range []Protocol{ProtocolIPv6HopByHop, ProtocolIPv6Fragment, ProtocolIPv6Routing} {
		e := IPv6Extension{Protocol: p}
		if _, ok := e.Fragment(); ok {
			t.Error("an empty fragment header is one")
		}
		if _, ok := e.Routing(); ok {
			t.Error("an empty routing header is one")
		}
		if _, err := e.Options(); err == nil {
			t.Error("an empty options header is one")
		}
	}
}

func TestIPv6FragmentHeader(t *testing.T) {
	b := bytes.Repeat([]byte{0xa5}, 8)
	h := PutIPv6Fragment(b, ProtocolUDP, 65528, true, 0x12345678)
	if want := unhex(t, "11 00 fff9 1234 5678"); !bytes.Equal(b, want) {
		t.Errorf("got %x, want %x", b, want)
	}
	if h.NextHeader() != ProtocolUDP || h.FragmentOffset() != 65528 || !h.MoreFragments() || h.ID() != 0x12345678 || h.IsAtomic() {
		t.Errorf("wrong field in % x", b)
	}
	if h.SetNextHeader(ProtocolICMPv6); h.NextHeader() != ProtocolICMPv6 {
		t.Errorf("next header: got %v", h.NextHeader())
	}
	if h := PutIPv6Fragment(b, ProtocolUDP, 0, false, 1); !h.IsAtomic() {
		t.Error("RFC6946_atomic_fragment: got false")
	}
	checkPrefixes(t, b, 8, func(b []byte) error {
		_, _, err := ParseIPv6Fragment(b)
		return err
	})
}

func TestIPv6WalkAllocates(t *testing.T) {
	b := ipv6With(t, ProtocolIPv6HopByHop, ipv6Chain)
	checkAllocs(t, "walking extension headers", func() {
		h, payload, _ := ParseIPv6(b)
		w := WalkIPv6(h, payload)
		for ext, ok := w.Next(); ok; ext, ok = w.Next() {
			if options, err := ext.Options(); err == nil {
				_, sinkBool = options.RouterAlert()
			}
		}
	})
}

func FuzzIPv6Walk(f *testing.F) {
	f.Add(ipv6With(f, ProtocolIPv6HopByHop, ipv6Chain))
	f.Add(ipv6With(f, ProtocolIPv6HopByHop, "3a00 0502 0000 0100 8f00 0000 0000 0000"))  // an MLD report
	f.Add(ipv6With(f, ProtocolIPv6Fragment, "3c00 0009 0000 0001 ffff ffff"))            // a later fragment
	f.Add(ipv6With(f, ProtocolIPv6Destination, "3cff 0000 0000 0000"))                   // a length beyond
	f.Add(ipv6With(f, ProtocolIPv6Destination, "0000 0104 0000 0000 3b00 0104 0000 00")) // hop-by-hop late
	f.Fuzz(func(t *testing.T, b []byte) {
		h, payload, err := ParseIPv6(b)
		if err != nil {
			return
		}
		// The chain, put together again from what the walker gave, is the packet.
		w := WalkIPv6(h, payload)
		out := append([]byte(nil), h[:]...)
		n := 0
		for ext, ok := w.Next(); ok; ext, ok = w.Next() {
			if n++; n > MaxIPv6Extensions {
				t.Fatal("too many steps")
			}
			if ext.Offset != len(out) {
				t.Fatalf("extension at %d, want %d", ext.Offset, len(out))
			}
			out = append(out, ext.Data...)
			_, err := ext.Options()
			checkError(t, err)
			ext.Fragment()
			ext.Routing()
		}
		checkError(t, w.Err())
		if w.Offset() != len(out) || Protocol(b[w.Pointer()]) != w.Protocol() {
			t.Fatalf("offset %d, want %d; pointer %d", w.Offset(), len(out), w.Pointer())
		}
		if out = append(out, w.Payload()...); !bytes.Equal(out, b[:len(out)]) || len(out) != IPv6HeaderLen+len(payload) {
			t.Fatalf("got %x, want %x", out, b)
		}
	})
}

func FuzzIPv6Fragment(f *testing.F) {
	f.Add(unhex(f, "1100 0001 1234 5678 0102")) // the first
	f.Add(unhex(f, "11ff fff8 1234 5678"))      // the last, with a reserved byte
	f.Add(unhex(f, "1100 0001 1234 56"))        // a byte short
	f.Fuzz(func(t *testing.T, b []byte) {
		h, payload, err := ParseIPv6Fragment(b)
		checkError(t, err)
		if err != nil {
			return
		}
		out := make([]byte, 8)
		PutIPv6Fragment(out, h.NextHeader(), h.FragmentOffset(), h.MoreFragments(), h.ID())
		out[1], out[3] = b[1], out[3]|b[3]&6 // Reserved bits are not carried over.
		if out = append(out, payload...); !bytes.Equal(out, b) {
			t.Fatalf("got %x, want %x", out, b)
		}
	})
}
