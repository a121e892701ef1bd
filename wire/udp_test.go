package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

const udpDatagram = `04d2 162e 000c 0000  6865 6c6f`

func TestUDP(t *testing.T) {
	b := unhex(t, udpDatagram)
	h, payload, err := ParseUDP(b)
	if err != nil {
		t.Fatal(err)
	}
	if h.SourcePort() != 1234 || h.DestinationPort() != 5678 || h.Length() != 12 || h.Checksum() != 0 || string(payload) != "helo" {
		t.Errorf("got %d > %d, length %d, checksum %d, payload %q", h.SourcePort(), h.DestinationPort(), h.Length(), h.Checksum(), payload)
	}
	checkPrefixes(t, b, len(b), func(b []byte) error {
		_, _, err := ParseUDP(b)
		return err
	})
}

func TestUDPLength(t *testing.T) {
	for _, c := range []struct {
		rule   string
		length uint16
		want   error
	}{
		{"RFC768_length_minimum", 7, ErrMalformed},
		{"RFC2675_4_length_0_is_jumbogram", 0, ErrMalformed},
		{"longer_than_IP_payload", 13, ErrTruncated},
		{"longest", 0xffff, ErrTruncated},
	} {
		b := unhex(t, udpDatagram)
		binary.BigEndian.PutUint16(b[4:], c.length)
		if _, _, err := ParseUDP(b); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.rule, err, c.want)
		}
	}
	b := unhex(t, udpDatagram)
	b[5] = 10
	if _, payload, err := ParseUDP(b); err != nil || string(payload) != "he" || cap(payload) != 2 {
		t.Errorf("shorter_than_IP_payload: got %q, %v, want it trimmed", payload, err)
	}
	b[5] = 8
	if _, payload, err := ParseUDP(b); err != nil || len(payload) != 0 {
		t.Errorf("empty datagram: got %q, %v", payload, err)
	}
}

func TestUDPChecksum(t *testing.T) {
	src, dst := [4]byte{192, 0, 2, 1}, [4]byte{198, 51, 100, 7}
	b := unhex(t, udpDatagram+"21") // an odd length
	b[5]++
	h, payload, err := ParseUDP(b)
	if err != nil {
		t.Fatal(err)
	}
	pseudo := PseudoIPv4(src, dst, ProtocolUDP, h.Length())
	h.UpdateChecksum(pseudo, payload)
	whole := append([]byte{192, 0, 2, 1, 198, 51, 100, 7, 0, 17, 0, 13}, b...)
	if got := sumReference(whole); got != 0xffff {
		t.Errorf("sum of everything covered: got %#04x, want 0xffff", got)
	}
	if !h.ChecksumOK(pseudo, payload) {
		t.Error("ChecksumOK of what UpdateChecksum wrote: got false")
	}
	for i := range b {
		for bit := range 8 {
			b[i] ^= 1 << bit
			if h.ChecksumOK(pseudo, payload) {
				t.Errorf("ChecksumOK with bit %d of byte %d changed: got true", bit, i)
			}
			b[i] ^= 1 << bit
		}
	}
}

// A sum that comes to 0xffff has the checksum zero, which would mean none.
func TestUDPChecksumZero(t *testing.T) {
	b := make([]byte, 10)
	h := PutUDP(b)
	h.SetLength(10)
	pseudo := PseudoIPv4([4]byte{}, [4]byte{}, ProtocolUDP, 10)
	binary.BigEndian.PutUint16(b[8:], 0xffff-17-20)
	h.UpdateChecksum(pseudo, b[8:])
	if got := h.Checksum(); got != 0xffff {
		t.Errorf("RFC768_zero_is_sent_as_ones: got %#04x", got)
	}
	if !h.ChecksumOK(pseudo, b[8:]) {
		t.Error("ChecksumOK: got false")
	}
}

func TestUDPAllocates(t *testing.T) {
	b := unhex(t, udpDatagram)
	checkAllocs(t, "parsing and checking UDP", func() {
		h, payload, err := ParseUDP(b)
		if err != nil {
			t.Fatal(err)
		}
		h.UpdateChecksum(0x1234, payload)
		sinkBool = h.ChecksumOK(0x1234, payload)
	})
}

func FuzzUDP(f *testing.F) {
	f.Add(unhex(f, udpDatagram))
	f.Add(unhex(f, "04d2 162e 0008 0000"))             // empty
	f.Add(unhex(f, "04d2 162e 0000 0000"))             // the length of a jumbogram
	f.Add(unhex(f, "04d2 162e 0009 0000 61 00 00 00")) // trailing bytes
	f.Fuzz(func(t *testing.T, b []byte) {
		h, payload, err := ParseUDP(b)
		checkError(t, err)
		if err != nil {
			return
		}
		out := make([]byte, UDPHeaderLen)
		w := PutUDP(out)
		w.SetSourcePort(h.SourcePort())
		w.SetDestinationPort(h.DestinationPort())
		w.SetLength(h.Length())
		w.SetChecksum(h.Checksum())
		if out = append(out, payload...); !bytes.Equal(out, b[:h.Length()]) {
			t.Fatalf("got %x, want %x", out, b)
		}
		if got, want := h.ChecksumOK(0, payload), sumReference(b[:h.Length()]) == 0xffff; got != want {
			t.Fatalf("ChecksumOK: got %v, want %v", got, want)
		}
	})
}

func BenchmarkParseUDP(b *testing.B) {
	datagram := unhex(b, udpDatagram)
	for range b.N {
		h, payload, err := ParseUDP(datagram)
		sinkBool = err == nil && h.DestinationPort() > 0 && len(payload) > 0
	}
}

// BenchmarkReceive is what a stack does with a frame of 1400 bytes of UDP payload: parse all
// of it and verify both checksums.
func BenchmarkReceive(b *testing.B) {
	frame := make([]byte, EthernetHeaderLen+IPv4HeaderLen+UDPHeaderLen+1400)
	eth := PutEthernet(frame)
	eth.SetType(EtherTypeIPv4)
	ip := PutIPv4(frame[EthernetHeaderLen:])
	ip.SetTotalLength(uint16(len(frame) - EthernetHeaderLen))
	ip.SetTTL(64)
	ip.SetProtocol(ProtocolUDP)
	ip.UpdateChecksum(nil)
	udp := PutUDP(frame[EthernetHeaderLen+IPv4HeaderLen:])
	udp.SetLength(UDPHeaderLen + 1400)
	udp.UpdateChecksum(ip.PseudoSum(udp.Length()), frame[EthernetHeaderLen+IPv4HeaderLen+UDPHeaderLen:])
	for range b.N {
		_, packet, err := ParseEthernet(frame)
		if err != nil {
			b.Fatal(err)
		}
		ip, options, datagram, err := ParseIPv4(packet)
		if err != nil || !ip.ChecksumOK(options) {
			b.Fatal(err)
		}
		udp, payload, err := ParseUDP(datagram)
		if err != nil || !udp.ChecksumOK(ip.PseudoSum(udp.Length()), payload) {
			b.Fatal(err)
		}
	}
}
