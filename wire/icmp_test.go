package wire

import (
	"bytes"
	"errors"
	"testing"
)

// An echo request, and a port unreachable that quotes a UDP datagram of 12 bytes.
const (
	icmpEcho        = `0800 0000 1234 0007  7069 6e67`
	icmpUnreachable = `
		0303 0000 0000 0000
		4500 0020 0001 0000 4011 0000 c000 0201 c633 6407
		04d2 162e 000c 0000`
)

func TestICMPEcho(t *testing.T) {
	b := unhex(t, icmpEcho)
	h, body, err := ParseICMP(b)
	if err != nil {
		t.Fatal(err)
	}
	if h.Type() != ICMPEchoRequest || h.Code() != 0 || h.EchoID() != 0x1234 || h.EchoSequence() != 7 || string(body) != "ping" {
		t.Errorf("got %v, id %#x, sequence %d, body %q", h.Type(), h.EchoID(), h.EchoSequence(), body)
	}
	h.UpdateChecksum(body)
	if !h.ChecksumOK(body) || sumReference(b) != 0xffff {
		t.Errorf("checksum: got %#04x", h.Checksum())
	}

	out := bytes.Repeat([]byte{0xa5}, ICMPHeaderLen)
	w := PutICMP(out, ICMPEchoRequest, 0)
	w.SetEchoID(0x1234)
	w.SetEchoSequence(7)
	w.SetChecksum(h.Checksum())
	if !bytes.Equal(out, b[:ICMPHeaderLen]) {
		t.Errorf("written: got %x, want %x", out, b[:ICMPHeaderLen])
	}
	checkPrefixes(t, b, ICMPHeaderLen, func(b []byte) error {
		_, _, err := ParseICMP(b)
		return err
	})
}

func TestICMPQuote(t *testing.T) {
	b := unhex(t, icmpUnreachable)
	h, body, err := ParseICMP(b)
	if err != nil {
		t.Fatal(err)
	}
	q, options, payload, err := h.Quote(body)
	if err != nil {
		t.Fatal(err)
	}
	if q.Destination() != addr("198.51.100.7") || len(options) != 0 || len(payload) != 8 {
		t.Errorf("got %v, options %x, payload %x", q.Destination(), options, payload)
	}
	if u, ok := QuotedUDP(payload); !ok || u.DestinationPort() != 5678 {
		t.Errorf("quoted UDP: got %v, %v", u, ok)
	}
	if _, ok := QuotedUDP(payload[:7]); ok {
		t.Error("quoted UDP of 7 bytes: got true")
	}
	checkPrefixes(t, body, len(body), func(body []byte) error {
		_, _, _, err := h.Quote(body)
		return err
	})

	// More than 8 bytes may be quoted; what exceeds the total length is padding.
	long := append(body, 1, 2, 3, 4, 0, 0, 0, 0)
	if _, _, payload, err := h.Quote(long); err != nil || len(payload) != 12 {
		t.Errorf("long quote: got %d bytes, %v, want 12", len(payload), err)
	}
}

func TestICMPQuoteErrors(t *testing.T) {
	for _, c := range []struct {
		rule string
		at   int
		to   byte
		want error
	}{
		{"quoted_version", 8, 0x65, ErrMalformed},
		{"quoted_header_length", 8, 0x44, ErrMalformed},
		{"quoted_options_missing", 8, 0x46, ErrTruncated},
		{"quoted_total_length", 11, 19, ErrMalformed},
		{"RFC792_no_error_quotes_nothing", 0, 8, ErrMalformed},
	} {
		b := unhex(t, icmpUnreachable)
		b[c.at] = c.to
		h, body, _ := ParseICMP(b)
		if _, _, _, err := h.Quote(body); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.rule, err, c.want)
		}
	}
	// A datagram that had fewer than 8 bytes is quoted whole.
	b := unhex(t, icmpUnreachable)[:8+20+3]
	b[11] = 23
	h, body, _ := ParseICMP(b)
	if _, _, payload, err := h.Quote(body); err != nil || len(payload) != 3 {
		t.Errorf("short datagram: got %x, %v", payload, err)
	}
}

func TestICMPQuoteExtensions(t *testing.T) {
	b := append(unhex(t, icmpUnreachable), make([]byte, 128)...)
	b[8+2], b[8+3] = 0x05, 0xdc // The datagram had 1500 bytes,
	b[5] = 128 / 4              // of which 128 are quoted,
	copy(b[8+128:], []byte{0x20, 0, 0, 0})
	h, body, _ := ParseICMP(b)
	if _, _, payload, err := h.Quote(body); err != nil || len(payload) != 108 {
		t.Errorf("RFC4884_4_5_extensions_cut_off: got %d bytes, %v, want 108", len(payload), err)
	}
	b[5] = 0
	if _, _, payload, err := h.Quote(body); err != nil || len(payload) != len(body)-20 {
		t.Errorf("without a length: got %d bytes, %v, want %d", len(payload), err, len(body)-20)
	}
}

func TestICMPFields(t *testing.T) {
	b := make([]byte, ICMPHeaderLen)
	h := PutICMP(b, ICMPDestinationUnreachable, ICMPFragmentationNeeded)
	h.SetMTU(1280)
	if want := unhex(t, "0304 0000 0000 0500"); !bytes.Equal(b, want) {
		t.Errorf("RFC1191_4_next_hop_MTU: got %x, want %x", b, want)
	}
	if h.MTU() != 1280 || h.Rest() != [4]byte{0, 0, 5, 0} {
		t.Errorf("got MTU %d, rest %x", h.MTU(), h.Rest())
	}
	h.SetType(ICMPParameterProblem)
	h.SetCode(ICMPPointerProblem)
	h.SetRest([4]byte{})
	h.SetPointer(9)
	if want := unhex(t, "0c00 0000 0900 0000"); !bytes.Equal(b, want) || h.Pointer() != 9 {
		t.Errorf("parameter problem: got %x, want %x", b, want)
	}
}

func TestICMPNames(t *testing.T) {
	for _, c := range []struct {
		typ  ICMPType
		code ICMPCode
		want string
	}{
		{ICMPDestinationUnreachable, ICMPPortUnreachable, "destination unreachable: port unreachable"},
		{ICMPDestinationUnreachable, 200, "destination unreachable: code 200"},
		{ICMPTimeExceeded, ICMPReassemblyTimeExceeded, "time exceeded: reassembly time exceeded"},
		{ICMPEchoRequest, 0, "echo request: code 0"},
		{99, 1, "type 99: code 1"},
	} {
		if got := c.typ.String() + ": " + c.typ.CodeString(c.code); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func FuzzICMP(f *testing.F) {
	f.Add(unhex(f, icmpEcho))
	f.Add(unhex(f, icmpUnreachable))
	f.Add(append(unhex(f, icmpUnreachable), make([]byte, 200)...)) // a long quote
	f.Add(unhex(f, "0b00 0000 0020 0000 4f00 ffff"))               // a quote cut short
	f.Fuzz(func(t *testing.T, b []byte) {
		h, body, err := ParseICMP(b)
		checkError(t, err)
		if err != nil {
			return
		}
		out := make([]byte, ICMPHeaderLen)
		w := PutICMP(out, h.Type(), h.Code())
		w.SetChecksum(h.Checksum())
		w.SetRest(h.Rest())
		if out = append(out, body...); !bytes.Equal(out, b) {
			t.Fatalf("got %x, want %x", out, b)
		}
		q, options, payload, err := h.Quote(body)
		checkError(t, err)
		if err == nil && IPv4HeaderLen+len(options)+len(payload) > int(q.TotalLength()) {
			t.Fatalf("quote longer than its total length %d", q.TotalLength())
		}
	})
}
