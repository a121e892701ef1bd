package wire

import (
	"bytes"
	"errors"
	"testing"
)

const arpReply = `
	0001 0800 06 04 0002
	0200 0000 0001  c000 0201
	0200 0000 0002  c000 0202`

func TestARP(t *testing.T) {
	b := unhex(t, arpReply)
	p, err := ParseARP(b)
	if err != nil {
		t.Fatal(err)
	}
	if p.Operation() != ARPReply ||
		p.SenderMAC() != (MAC{2, 0, 0, 0, 0, 1}) || p.SenderAddr() != addr("192.0.2.1") ||
		p.TargetMAC() != (MAC{2, 0, 0, 0, 0, 2}) || p.TargetAddr() != addr("192.0.2.2") {
		t.Errorf("got %v %v %v %v %v", p.Operation(), p.SenderMAC(), p.SenderAddr(), p.TargetMAC(), p.TargetAddr())
	}
	out := bytes.Repeat([]byte{0xa5}, ARPPacketLen)
	PutARP(out, ARPReply, p.SenderMAC(), p.SenderAddr(), p.TargetMAC(), p.TargetAddr())
	if !bytes.Equal(out, b) {
		t.Errorf("written: got %x, want %x", out, b)
	}
	checkPrefixes(t, b, ARPPacketLen, func(b []byte) error {
		_, err := ParseARP(b)
		return err
	})
	if _, err := ParseARP(append(b, make([]byte, 18)...)); err != nil {
		t.Errorf("with Ethernet's padding: %v", err)
	}
}

func TestARPUnsupported(t *testing.T) {
	for _, c := range []struct {
		rule string
		at   int
		to   byte
	}{
		{"RFC826_hardware_type", 1, 6},
		{"RFC826_protocol_type", 3, 1},
		{"RFC826_hardware_length", 4, 8},
		{"RFC826_protocol_length", 5, 16},
	} {
		b := unhex(t, arpReply)
		b[c.at] = c.to
		if _, err := ParseARP(b); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: got %v, want ErrUnsupported", c.rule, err)
		}
	}
}

func TestARPOperationString(t *testing.T) {
	for op, want := range map[ARPOperation]string{ARPRequest: "request", ARPReply: "reply", 8: "operation 8"} {
		if got := op.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func FuzzARP(f *testing.F) {
	f.Add(unhex(f, arpReply))
	f.Add(make([]byte, ARPPacketLen))                // hardware type 0
	f.Add(append(unhex(f, arpReply), 0, 0, 0, 0, 0)) // padding
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParseARP(b)
		checkError(t, err)
		if err != nil {
			return
		}
		out := make([]byte, ARPPacketLen)
		PutARP(out, p.Operation(), p.SenderMAC(), p.SenderAddr(), p.TargetMAC(), p.TargetAddr())
		if !bytes.Equal(out, b[:ARPPacketLen]) {
			t.Fatalf("got %x, want %x", out, b)
		}
	})
}
