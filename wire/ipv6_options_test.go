package wire

import (
	"bytes"
	"errors"
	"testing"
)

func TestIPv6Options(t *testing.T) {
	b := unhex(t, "00  0502 0000  c201 aa  01 00  00")
	options, err := ParseIPv6Options(b)
	if err != nil {
		t.Fatal(err)
	}
	var got []IPv6Option
	for o := range options.All() {
		got = append(got, o)
	}
	if len(got) != 2 || got[0].Type != IPv6RouterAlert || got[0].Offset != 1 || got[1].Type != IPv6Jumbo || got[1].Offset != 5 {
		t.Errorf("RFC8200_4_2_padding_left_out: got %v", got)
	}
	if v, ok := options.RouterAlert(); !ok || v != 0 {
		t.Errorf("router alert: got %d, %v", v, ok)
	}
	for range options.All() {
		break
	}
	for n := range b {
		_, err := ParseIPv6Options(b[:n:n])
		if legal := n == 0 || n == 1 || n == 5 || n == 8 || n == 10; (err == nil) != legal {
			t.Errorf("prefix of %d bytes: got %v", n, err)
		}
		checkError(t, err)
	}
}

func TestIPv6OptionAction(t *testing.T) {
	for _, c := range []struct {
		typ     IPv6OptionType
		want    IPv6OptionAction
		mutable bool
	}{
		{0x1e, IPv6OptionSkip, false},
		{0x3e, IPv6OptionSkip, true},
		{0x5e, IPv6OptionDiscard, false},
		{0x9e, IPv6OptionReport, false},
		{0xde, IPv6OptionReportIfUnicast, false},
		{0xfe, IPv6OptionReportIfUnicast, true},
	} {
		if got := c.typ.Action(); got != c.want || c.typ.Mutable() != c.mutable {
			t.Errorf("RFC8200_4_2 %v: got %d, %v, want %d, %v", c.typ, got, c.typ.Mutable(), c.want, c.mutable)
		}
	}
}

func TestIPv6OptionsErrors(t *testing.T) {
	for _, s := range []string{"0000 05", "0502 00", "0105 0000 0000", "c2ff"} {
		b := unhex(t, s)
		if _, err := ParseIPv6Options(b); !errors.Is(err, ErrTruncated) {
			t.Errorf("%s: got %v, want ErrTruncated", s, err)
		}
		for o := range IPv6Options(b).All() {
			t.Errorf("%s: an unchecked view yields %v, which does not fit", s, o)
		}
	}
	if _, ok := IPv6Options(unhex(t, "0501 00")).RouterAlert(); ok {
		t.Error("RFC2711_2_1_length: a router alert of one byte is one")
	}
}

func TestAppendIPv6Options(t *testing.T) {
	if got := AppendIPv6Options(nil, ProtocolICMPv6, IPv6Option{Type: IPv6RouterAlert, Data: []byte{0, 0}}); string(got) != MLDHopByHop {
		t.Errorf("RFC2710_3_router_alert: got %x, want %x", got, MLDHopByHop)
	}
	pads := AppendIPv6Options(nil, ProtocolUDP, IPv6Option{Type: IPv6Pad1}, IPv6Option{Type: 0x1e, Data: []byte{7}})
	if want := unhex(t, "1100 00 1e01 07 0100"); !bytes.Equal(pads, want) {
		t.Errorf("with a pad1 for alignment: got %x, want %x", pads, want)
	}
	for n := range 40 {
		b := AppendIPv6Options([]byte{0xa5}, ProtocolUDP, IPv6Option{Type: 0x1e, Data: make([]byte, n)})[1:]
		if len(b)%8 != 0 || len(b) != 8*(1+int(b[1])) || len(b) > n+4+8 {
			t.Fatalf("%d bytes of data: got %x", n, b)
		}
		options, err := ParseIPv6Options(b[2:])
		if err != nil {
			t.Fatalf("%d bytes of data: %v", n, err)
		}
		for o := range options.All() {
			if o.Type != 0x1e || len(o.Data) != n {
				t.Fatalf("%d bytes of data: got %v", n, o)
			}
		}
	}
}

func FuzzIPv6Options(f *testing.F) {
	f.Add(unhex(f, "0502 0000 0100"))           // router alert
	f.Add(unhex(f, "c204 0001 0000 0000 0000")) // jumbo payload, pad1 twice
	f.Add(unhex(f, "0104 0000 0000"))           // padding alone
	f.Add(unhex(f, "1eff"))                     // a length beyond
	f.Fuzz(func(t *testing.T, b []byte) {
		for o := range IPv6Options(b).All() {
			_ = o
		}
		options, err := ParseIPv6Options(b)
		checkError(t, err)
		if err != nil || len(b) > 2000 {
			return
		}
		var first []IPv6Option
		for o := range options.All() {
			if IPv6OptionType(b[o.Offset]) != o.Type {
				t.Fatalf("%v is not at its offset", o)
			}
			first = append(first, o)
		}
		header := AppendIPv6Options(nil, ProtocolUDP, first...)
		again, err := ParseIPv6Options(header[2:])
		if err != nil || len(header)%8 != 0 {
			t.Fatalf("%x: %v", header, err)
		}
		i := 0
		for o := range again.All() {
			if i >= len(first) || o.Type != first[i].Type || !bytes.Equal(o.Data, first[i].Data) {
				t.Fatalf("option %d: got %v, want %v", i, o, first)
			}
			i++
		}
		if i != len(first) {
			t.Fatalf("got %d options, want %d", i, len(first))
		}
	})
}
