//go:build linux

package conformance

import (
	"testing"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

func checksum(v uint16) *uint16 { return &v }

// withOptions puts options, of a multiple of 4 bytes, into an IP packet without.
func withOptions(packet, options []byte) []byte {
	b := append([]byte(nil), packet[:wire.IPv4HeaderLen]...)
	b = append(append(b, options...), packet[wire.IPv4HeaderLen:]...)
	h := (*wire.IPv4Header)(b)
	h.SetHeaderLen(wire.IPv4HeaderLen + len(options))
	h.SetTotalLength(uint16(len(b)))
	h.UpdateChecksum(options)
	return b
}

var checksumCases = []testCase{
	{name: "ChecksumZeroAccepted", rules: "D-CSUM-01", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "10.0.0.1:4000")
		n.Eth0.SendIP(Datagram{From: "10.0.0.2:9", To: "10.0.0.1:4000", Payload: "none", Checksum: checksum(0)}.Bytes())
		s.want("none")
	}},
	{name: "ChecksumZeroSent", rules: "D-CSUM-03", needs: Wires, run: func(t *testing.T, n *Machine) {
		// Of the 65536 payloads of two bytes some sum up to zero: the one
		// that does is computed from the checksum of two zero bytes.
		s := bound(t, n, "10.0.0.1:4000")
		s.send("10.0.0.2:9", "\x00\x00")
		c := n.Eth0.NextUDP(t, "\x00\x00").UDP.Checksum()
		payload := string([]byte{byte(c >> 8), byte(c)})
		s.send("10.0.0.2:9", payload)
		if got := n.Eth0.NextUDP(t, payload).UDP.Checksum(); got != 0xffff {
			t.Errorf("the checksum is %#04x, want 0xffff", got)
		}
		r := bound(t, n, "127.0.0.1:0")
		s2 := open(t, n)
		s2.send(r.local(), "loop")
		r.want("loop")
	}},
	{name: "ChecksumBad", rules: "D-CSUM-04", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "10.0.0.1:4000")
		for _, to := range []string{"10.0.0.1:4000", "10.0.0.1:4001", "10.0.0.255:4000"} {
			n.Eth0.SendIP(Datagram{From: "10.0.0.2:9", To: to, Payload: "bad", Checksum: checksum(0x1234)}.Bytes())
		}
		s.wantNothing()
		wantQuiet(t, n, n.Eth0)
		n.Eth0.SendUDP("10.0.0.2:9", "10.0.0.1:4000", "good")
		s.want("good")
	}},
	{name: "ChecksumLength", rules: "D-CSUM-05", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "10.0.0.1:4000")
		for _, length := range []int{1, 7, 13, 9000, 65535} { // the datagram has 8+4
			for _, to := range []string{"10.0.0.1:4000", "10.0.0.1:4001"} {
				n.Eth0.SendIP(Datagram{From: "10.0.0.2:9", To: to, Payload: "four", Length: length}.Bytes())
				n.Eth0.SendIP(Datagram{From: "10.0.0.2:9", To: to, Payload: "four", Length: length, Checksum: checksum(0)}.Bytes())
			}
		}
		// An IP packet too short for a UDP header.
		b := Datagram{From: "10.0.0.2:9", To: "10.0.0.1:4000"}.Bytes()[:wire.IPv4HeaderLen+4]
		ip, _, _, err := wire.ParseIPv4(append(b, 0, 0, 0, 0))
		if err != nil {
			t.Fatal(err)
		}
		ip.SetTotalLength(wire.IPv4HeaderLen + 4)
		ip.UpdateChecksum(nil)
		n.Eth0.SendIP(ip[:])
		n.Eth0.SendIP(append(ip[:], b[wire.IPv4HeaderLen:]...))
		s.wantNothing()
		wantQuiet(t, n, n.Eth0)
	}},
	{name: "ChecksumLengthTrims", rules: "D-CSUM-06", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "10.0.0.1:4000")
		for length, want := range map[int]string{8: "", 9: "f", 11: "fou"} {
			n.Eth0.SendIP(Datagram{From: "10.0.0.2:9", To: "10.0.0.1:4000", Payload: "four", Length: length}.Bytes())
			if m := s.want(want); m.Len != len(want) {
				t.Errorf("Len is %d, want %d", m.Len, len(want))
			}
		}
	}},
	{name: "ChecksumOption", rules: "D-CSUM-07", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "10.0.0.2:9")
		s.set(socket.NoChecksum, 1)
		s.send("", "without")
		if c := n.Eth0.NextUDP(t, "without").UDP.Checksum(); c != 0 {
			t.Errorf("with NoChecksum it is %#04x", c)
		}
		r := bound(t, n, "127.0.0.1:0")
		u := open(t, n)
		u.set(socket.NoChecksum, 1)
		u.send(r.local(), "loop")
		r.want("loop")
		s.set(socket.NoChecksum, 0)
		s.send("", "with")
		if c := n.Eth0.NextUDP(t, "with").UDP.Checksum(); c == 0 {
			t.Error("without NoChecksum it is zero")
		}
	}},
	{name: "ChecksumIPHeader", rules: "D-CSUM-09", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "10.0.0.1:4000")
		bad := func(after func(*wire.IPv4Header)) {
			n.Eth0.SendIP(Datagram{From: "10.0.0.2:9", To: "10.0.0.1:4000", Payload: "bad", After: after}.Bytes())
		}
		bad(func(ip *wire.IPv4Header) { ip.SetChecksum(ip.Checksum() ^ 1) })
		bad(func(ip *wire.IPv4Header) { ip[0] = 0x55; ip.UpdateChecksum(nil) })               // version 5
		bad(func(ip *wire.IPv4Header) { ip[0] = 0x44; ip.UpdateChecksum(nil) })               // a header of 16 bytes
		bad(func(ip *wire.IPv4Header) { ip.SetTotalLength(19); ip.UpdateChecksum(nil) })      // shorter than itself
		bad(func(ip *wire.IPv4Header) { ip.SetTotalLength(20 + 12); ip.UpdateChecksum(nil) }) // longer than the frame
		n.Eth0.SendIP(Datagram{From: "10.0.0.2:9", To: "10.0.0.1:4000"}.Bytes()[:12])
		s.wantNothing()
		wantQuiet(t, n, n.Eth0)
	}},
	{name: "IPOptions", rules: "D-IPOPT-01 D-IPOPT-02", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "10.0.0.1:4000")
		s.set(socket.Report, int(socket.FieldLocal|socket.FieldTTL))
		for _, o := range []struct {
			name    string
			options []byte
			heard   bool
		}{
			{"no operation", []byte{1, 1, 1, 1}, true},
			{"end of list", []byte{0, 0, 0, 0}, true},
			{"router alert", []byte{148, 4, 0, 0}, true},
			{"unknown to anybody", []byte{0x9e, 4, 1, 2}, true},
			{"loose source route", []byte{131, 7, 4, 10, 0, 0, 3, 0}, false},
			{"strict source route", []byte{137, 7, 4, 10, 0, 0, 3, 0}, false},
		} {
			n.Eth0.SendIP(withOptions(Datagram{From: "10.0.0.2:9", To: "10.0.0.1:4000", Payload: o.name}.Bytes(), o.options))
			if !o.heard {
				s.wantNothing()
				continue
			}
			if m := s.wantFrom(o.name, "10.0.0.2:9"); m.Local != addrPort("10.0.0.1:4000") || m.TTL != 64 {
				t.Errorf("%s: to %v, TTL %d", o.name, m.Local, m.TTL)
			}
		}
		wantQuiet(t, n, n.Eth0)
	}},
	{name: "ChecksumPadding", rules: "D-CSUM-10", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "10.0.0.1:4000")
		frame := Datagram{From: "10.0.0.2:9", To: "10.0.0.1:4000", Payload: "short"}.Bytes()
		n.Eth0.SendIP(append(frame, "padding of the link"...))
		if m := s.want("short"); m.Len != 5 {
			t.Errorf("Len is %d, want 5", m.Len)
		}
	}},
}
