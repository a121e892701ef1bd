//go:build linux

package conformance

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/castnet-go/castnet/wire"
)

// ipOptions are options of packets, and what is wrong with them.
var ipOptions = []struct {
	what    string
	options []byte
	// pointer is the offset that the parameter problem names; 0: there is none;
	// -1: dropped without a word.
	pointer int
}{
	{"no operations", []byte{1, 1, 1, 1}, 0},
	{"what follows the end", []byte{0, 99, 99, 99}, 0},
	{"unknown, well formed", []byte{0x9e, 4, 1, 2}, 0},
	{"security, well formed", []byte{130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0},
	{"stream identifier", []byte{136, 4, 0, 1}, 0},
	{"a length that is missing", []byte{1, 1, 1, 7}, 23},
	{"a length of 0", []byte{1, 7, 0, 0}, 21},
	{"a length of 1", []byte{0x9e, 1, 0, 0}, 20},
	{"a length beyond the header", []byte{1, 0x9e, 4, 0}, 21},
	{"router alert", []byte{148, 4, 0, 0}, 0},
	{"router alert of another value", []byte{148, 4, 0, 1}, 0},
	{"router alert too short", []byte{148, 3, 0, 0}, 21},
	{"record route", []byte{7, 7, 4, 0, 0, 0, 0, 0}, 0},
	{"record route, full", []byte{7, 7, 8, 1, 2, 3, 4, 0}, 0},
	{"record route, no room for an address", []byte{7, 7, 5, 0, 0, 0, 0, 0}, 22},
	{"record route, pointer 3", []byte{7, 7, 3, 0, 0, 0, 0, 0}, 22},
	{"record route of length 2", []byte{7, 2, 0, 0}, 21},
	{"record route of length 3", []byte{7, 3, 4, 0}, 0},
	{"record route of length 3, no room", []byte{7, 3, 3, 0}, 22},
	{"record route twice", []byte{7, 7, 4, 0, 0, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0, 0}, 27},
	{"timestamp", []byte{68, 8, 5, 0, 0, 0, 0, 0}, 0},
	{"timestamp, full", []byte{68, 8, 9, 0, 0, 0, 0, 0}, 0},
	{"timestamp, overflow 15", []byte{68, 8, 9, 0xf0, 0, 0, 0, 0}, 23},
	{"timestamp, overflow 14", []byte{68, 8, 9, 0xe0, 0, 0, 0, 0}, 0},
	{"timestamp, no room", []byte{68, 8, 6, 0, 0, 0, 0, 0}, 22},
	{"timestamp, pointer 4", []byte{68, 8, 4, 0, 0, 0, 0, 0}, 22},
	{"timestamp of length 3", []byte{68, 3, 5, 0}, 21},
	{"timestamp of length 4", []byte{68, 4, 5, 0}, 0},
	{"timestamps with addresses", []byte{68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0}, 0},
	{"timestamps with addresses, no room", []byte{68, 8, 5, 1, 0, 0, 0, 0}, 22},
	{"timestamps of these addresses", []byte{68, 12, 5, 3, 10, 0, 0, 1, 0, 0, 0, 0}, 0},
	{"timestamps of other addresses", []byte{68, 12, 5, 3, 10, 9, 9, 9, 0, 0, 0, 0}, 0},
	{"timestamps of these addresses, no room", []byte{68, 8, 5, 3, 10, 0, 0, 1}, 22},
	{"timestamps of these addresses, full, overflow 15", []byte{68, 12, 13, 0xf3, 10, 0, 0, 1, 0, 0, 0, 0}, 0},
	{"timestamp of an unknown kind", []byte{68, 8, 5, 7, 0, 0, 0, 0}, 0},
	{"timestamp twice", []byte{68, 8, 5, 0, 0, 0, 0, 0, 68, 4, 5, 0}, 28},
	{"loose source route", []byte{131, 7, 4, 10, 0, 0, 3, 0}, -1},
	{"strict source route", []byte{137, 7, 4, 10, 0, 0, 3, 0}, -1},
	{"a source route that is over", []byte{131, 7, 8, 10, 0, 0, 3, 0}, -1},
	{"source route of length 2", []byte{131, 2, 0, 0}, 21},
	{"source route, pointer 3", []byte{131, 7, 3, 10, 0, 0, 3, 0}, 22},
	{"two source routes", []byte{131, 7, 4, 10, 0, 0, 3, 137, 7, 4, 10, 0, 0, 3, 0, 0}, 27},
	{"a source route and a mistake", []byte{131, 7, 4, 10, 0, 0, 3, 7, 2, 0, 0, 0}, 28},
}

var ipOptionCases = []testCase{
	{name: "IPOptionsStrict", rules: "D-IPOPT-03 D-IPOPT-04 D-IPOPT-02", needs: Wires | Unlimited, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "10.0.0.1:4000")
		for k, c := range ipOptions {
			from := fmt.Sprintf("10.0.0.%d:9", 10+k)
			b := withOptions(Datagram{From: from, To: "10.0.0.1:4000", Payload: c.what}.Bytes(), c.options)
			n.Eth0.SendIP(b)
			m, ok := heard(t, n, s)
			if ok != (c.pointer == 0) || ok && string(m.Buf) != c.what {
				t.Errorf("%s: heard %v, %q", c.what, ok, m.Buf)
			}
			sent := n.Sent(t, n.Eth0)
			if c.pointer <= 0 {
				if len(sent) != 0 {
					t.Errorf("%s: the machine sent %v", c.what, sent)
				}
				continue
			}
			if len(sent) != 1 || sent[0].ICMP == nil || sent[0].ICMP.Type() != wire.ICMPParameterProblem || sent[0].ICMP.Code() != 0 {
				t.Errorf("%s: the machine sent %v", c.what, sent)
				continue
			}
			p := sent[0]
			if int(p.ICMP.Pointer()) != c.pointer || p.IP.Source().String() != "10.0.0.1" || at(p.IP.Destination().String(), 9) != from {
				t.Errorf("%s: %v, pointer %d, want %d", c.what, p, p.ICMP.Pointer(), c.pointer)
			}
			if rest := p.ICMP.Rest(); rest[1]|rest[2]|rest[3] != 0 {
				t.Errorf("%s: the unused bytes are % x", c.what, rest[1:])
			}
			// The kernel quotes what it has filled in already of the options before.
			headers := wire.IPv4HeaderLen + len(c.options)
			if !bytes.Equal(p.Data[:wire.IPv4HeaderLen], b[:wire.IPv4HeaderLen]) || !bytes.Equal(p.Data[headers:], b[headers:]) {
				t.Errorf("%s: it quotes\n% x, of\n% x", c.what, p.Data, b)
			}
		}
	}},
	{name: "IPOptionsToMany", rules: "D-IPOPT-03", needs: Wires, run: func(t *testing.T, n *Machine) {
		bad := func(to string) []byte {
			return withOptions(Datagram{From: "10.0.0.2:9", To: to, Payload: "x"}.Bytes(), []byte{7, 2, 0, 0})
		}
		n.Eth0.Send(ethernet(broadcastMAC, gatewayMAC, bad("10.0.0.255:4000")))
		n.Eth0.Send(ethernet(broadcastMAC, gatewayMAC, bad("10.0.0.1:4000")))
		n.Eth0.SendIP(fragment(bad("10.0.0.1:4000"), 1, piece{8, 9, true}))
		wantQuiet(t, n, n.Eth0)
		n.Eth0.SendIP(fragment(bad("10.0.0.1:4000"), 2, piece{0, 8, false}))
		if p := n.Eth0.NextICMP(t, wire.ICMPParameterProblem, 0); p.ICMP.Pointer() != 21 {
			t.Errorf("pointer %d", p.ICMP.Pointer())
		}
	}},
}
