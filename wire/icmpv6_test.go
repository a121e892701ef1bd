package wire

import (
	"bytes"
	"errors"
	"testing"
)

const (
	icmpv6Echo         = `8000 0000 1234 0007  7069 6e67`
	icmpv6TimeExceeded = `
		0300 0000 0000 0000
		6000 0000 000c 11 01
		2001 0db8 0000 0000 0000 0000 0000 0001
		2001 0db8 0000 0000 0000 0000 0000 0002
		04d2 162e 000c 0000`
)

func TestICMPv6Echo(t *testing.T) {
	b := unhex(t, icmpv6Echo)
	h, body, err := ParseICMPv6(b)
	if err != nil {
		t.Fatal(err)
	}
	if h.Type() != ICMPv6EchoRequest || h.Code() != 0 || h.EchoID() != 0x1234 || h.EchoSequence() != 7 || string(body) != "ping" {
		t.Errorf("got %v, id %#x, sequence %d, body %q", h.Type(), h.EchoID(), h.EchoSequence(), body)
	}
	out := bytes.Repeat([]byte{0xa5}, ICMPv6HeaderLen)
	w := PutICMPv6(out, ICMPv6EchoRequest, 0)
	w.SetEchoID(0x1234)
	w.SetEchoSequence(7)
	if !bytes.Equal(out, b[:ICMPv6HeaderLen]) {
		t.Errorf("written: got %x, want %x", out, b[:ICMPv6HeaderLen])
	}
	checkPrefixes(t, b, ICMPv6HeaderLen, func(b []byte) error {
		_, _, err := ParseICMPv6(b)
		return err
	})
}

func TestICMPv6Checksum(t *testing.T) {
	src, dst := addr("2001:db8::1").As16(), addr("ff02::1").As16()
	b := unhex(t, icmpv6Echo)
	UpdateICMPv6Checksum(b, src, dst)
	whole := append(append(append([]byte(nil), src[:]...), dst[:]...), 0, 0, 0, byte(len(b)), 0, 0, 0, 58)
	if got := sumReference(append(whole, b...)); got != 0xffff {
		t.Errorf("sum of everything covered: got %#04x, want 0xffff", got)
	}
	h, body, _ := ParseICMPv6(b)
	pseudo := PseudoIPv6(src, dst, ProtocolICMPv6, uint32(len(b)))
	if !h.ChecksumOK(pseudo, body) {
		t.Error("ChecksumOK of what UpdateICMPv6Checksum wrote: got false")
	}
	if h.ChecksumOK(pseudo-1, body) {
		t.Error("ChecksumOK with another pseudo-header: got true")
	}
}

func TestICMPv6Quote(t *testing.T) {
	b := unhex(t, icmpv6TimeExceeded)
	h, body, _ := ParseICMPv6(b)
	q, payload, err := h.Quote(body)
	if err != nil || q.Destination() != addr("2001:db8::2") || len(payload) != 8 {
		t.Fatalf("got %v, payload %x, %v", q, payload, err)
	}
	if u, ok := QuotedUDP(payload); !ok || u.DestinationPort() != 5678 {
		t.Errorf("quoted UDP: got %v, %v", u, ok)
	}
	checkPrefixes(t, body, len(body), func(body []byte) error {
		_, _, err := h.Quote(body)
		return err
	})
	if _, payload, err := h.Quote(append(body, make([]byte, 9)...)); err != nil || len(payload) != 12 {
		t.Errorf("long quote: got %d bytes, %v, want 12", len(payload), err)
	}

	body[4], body[5] = 0x05, 0xdc
	long := append(body, make([]byte, 200)...)
	h[4] = 128 / 8
	if _, payload, err := h.Quote(long); err != nil || len(payload) != 128-IPv6HeaderLen {
		t.Errorf("RFC4884_4_5_extensions_cut_off: got %d bytes, %v", len(payload), err)
	}
	h.SetType(ICMPv6PacketTooBig)
	h.SetMTU(128 / 8 << 24)
	if _, payload, err := h.Quote(long); err != nil || len(payload) != len(long)-IPv6HeaderLen {
		t.Errorf("an MTU taken for a length: got %d bytes, %v", len(payload), err)
	}
	h.SetType(ICMPv6EchoReply)
	if _, _, err := h.Quote(body); !errors.Is(err, ErrMalformed) {
		t.Errorf("RFC4443_2_1_no_error_quotes_nothing: got %v", err)
	}
	h.SetType(ICMPv6TimeExceeded)
	body[0] = 0x45
	if _, _, err := h.Quote(body); !errors.Is(err, ErrMalformed) {
		t.Errorf("quoted_version: got %v", err)
	}
}

func TestICMPv6Fields(t *testing.T) {
	b := make([]byte, ICMPv6HeaderLen)
	h := PutICMPv6(b, ICMPv6ParameterProblem, ICMPv6UnknownNextHeader)
	h.SetPointer(40)
	if want := unhex(t, "0401 0000 0000 0028"); !bytes.Equal(b, want) || h.Pointer() != 40 {
		t.Errorf("parameter problem: got %x, want %x", b, want)
	}
	h.SetType(ICMPv6PacketTooBig)
	h.SetCode(0)
	h.SetMTU(1280)
	if want := unhex(t, "0200 0000 0000 0500"); !bytes.Equal(b, want) || h.MTU() != 1280 {
		t.Errorf("packet too big: got %x, want %x", b, want)
	}
}

func TestICMPv6Names(t *testing.T) {
	for _, c := range []struct {
		typ  ICMPv6Type
		code ICMPv6Code
		want string
	}{
		{ICMPv6DestinationUnreachable, ICMPv6PortUnreachable, "destination unreachable: port unreachable"},
		{ICMPv6TimeExceeded, ICMPv6HopLimitExceeded, "time exceeded: hop limit exceeded in transit"},
		{ICMPv6ParameterProblem, 9, "parameter problem: code 9"},
		{ICMPv6MLDv2Report, 0, "version 2 multicast listener report: code 0"},
		{99, 1, "type 99: code 1"},
	} {
		if got := c.typ.String() + ": " + c.typ.CodeString(c.code); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func FuzzICMPv6(f *testing.F) {
	f.Add(unhex(f, icmpv6Echo))
	f.Add(unhex(f, icmpv6TimeExceeded))
	f.Add(append(unhex(f, icmpv6TimeExceeded), make([]byte, 200)...)) // a long quote
	f.Add(unhex(f, "0300 0000 1000 0000 6000"))                       // a quote cut short
	f.Fuzz(func(t *testing.T, b []byte) {
		h, body, err := ParseICMPv6(b)
		checkError(t, err)
		if err != nil {
			return
		}
		out := make([]byte, ICMPv6HeaderLen)
		w := PutICMPv6(out, h.Type(), h.Code())
		w.SetChecksum(h.Checksum())
		w.SetRest(h.Rest())
		if out = append(out, body...); !bytes.Equal(out, b) {
			t.Fatalf("got %x, want %x", out, b)
		}
		q, payload, err := h.Quote(body)
		checkError(t, err)
		if err == nil && len(payload) > int(q.PayloadLength()) {
			t.Fatalf("quote longer than its payload length %d", q.PayloadLength())
		}
	})
}
