package wire

import (
	"bytes"
	"testing"
)

const ethernetFrame = `
	0200 0000 0002  0200 0000 0001  0800
	4500`

func TestEthernet(t *testing.T) {
	b := unhex(t, ethernetFrame)
	h, payload, err := ParseEthernet(b)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := h.Destination(), (MAC{2, 0, 0, 0, 0, 2}); got != want {
		t.Errorf("destination: got %v, want %v", got, want)
	}
	if got, want := h.Source(), (MAC{2, 0, 0, 0, 0, 1}); got != want {
		t.Errorf("source: got %v, want %v", got, want)
	}
	if got := h.Type(); got != EtherTypeIPv4 {
		t.Errorf("type: got %v, want %v", got, EtherTypeIPv4)
	}
	if !bytes.Equal(payload, []byte{0x45, 0}) {
		t.Errorf("payload: got %x", payload)
	}

	out := bytes.Repeat([]byte{0xa5}, EthernetHeaderLen)
	w := PutEthernet(out)
	w.SetDestination(h.Destination())
	w.SetSource(h.Source())
	w.SetType(h.Type())
	if !bytes.Equal(out, b[:EthernetHeaderLen]) {
		t.Errorf("written: got %x, want %x", out, b[:EthernetHeaderLen])
	}
	checkPrefixes(t, b, EthernetHeaderLen, func(b []byte) error {
		_, _, err := ParseEthernet(b)
		return err
	})
}

// TestViews holds that headers and payloads are the bytes themselves, and that appending to
// a payload leaves what follows it alone.
func TestViews(t *testing.T) {
	b := unhex(t, ethernetFrame+"ff")
	h, payload, _ := ParseEthernet(b[:15])
	h.SetType(EtherTypeARP)
	payload[0] = 7
	if b[13] != 6 || b[14] != 7 {
		t.Errorf("writing through the header and payload did not reach the bytes: %x", b)
	}
	_ = append(payload, 1)
	if b[15] != 0 {
		t.Errorf("appending to the payload overwrote what follows: %x", b)
	}
}

func TestEtherTypeString(t *testing.T) {
	for typ, want := range map[EtherType]string{
		EtherTypeIPv4: "IPv4", EtherTypeIPv6: "IPv6", EtherTypeARP: "ARP", 0x88cc: "0x88cc",
	} {
		if got := typ.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func FuzzEthernet(f *testing.F) {
	f.Add(unhex(f, ethernetFrame))
	f.Add(unhex(f, "ffff ffff ffff 0200 0000 0001 0040")) // 802.3: a length
	f.Add(make([]byte, 13))                               // a byte short
	f.Fuzz(func(t *testing.T, b []byte) {
		h, payload, err := ParseEthernet(b)
		checkError(t, err)
		if err != nil {
			return
		}
		out := make([]byte, EthernetHeaderLen)
		w := PutEthernet(out)
		w.SetDestination(h.Destination())
		w.SetSource(h.Source())
		w.SetType(h.Type())
		if out = append(out, payload...); !bytes.Equal(out, b) {
			t.Fatalf("got %x, want %x", out, b)
		}
	})
}
