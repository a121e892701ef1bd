//go:build linux

package conformance

import (
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// A probe is a packet, and what the machine answers.
type probe struct {
	what    string
	next    wire.Protocol
	payload string
	answer  string // as Packet6 says it; "": nothing
	many    string // when it is sent to all nodes
}

// probeAll injects each probe, to the machine and to all nodes.
func probeAll(t *testing.T, n *Machine, probes []probe) {
	t.Helper()
	n.know6(t)
	for _, p := range probes {
		for _, to := range []string{global6, "ff02::1"} {
			payload := p.payload
			if at := strings.Index(payload, "UDP"); at >= 0 {
				payload = payload[:at] + string(udp6(there6, to, 9, 7, "x")) + payload[at+3:]
			}
			n.Eth0.Send6(there6, to, p.next, []byte(payload))
			var got []string
			for _, s := range n.Sent6(t) {
				got = append(got, s.String())
			}
			want := p.answer
			if to != global6 {
				want = p.many
			}
			if strings.Join(got, ", ") != want {
				t.Errorf("%s, to %s: answered %q, want %q", p.what, to, got, want)
			}
			if n.Kind == Stack {
				n.Elapse(150 * time.Millisecond) // for its limit of answers
			}
		}
	}
}

// optionsHeader is a header of options, padded.
func optionsHeader(next wire.Protocol, options string) string {
	for n := (2 + len(options)) % 8; n != 0; n = (2 + len(options)) % 8 {
		options += "\x00"
	}
	return string([]byte{byte(next), byte((2+len(options))/8 - 1)}) + options
}

func option6(t byte, n int) string { return string([]byte{t, byte(n)}) + strings.Repeat("\x00", n) }

func routingHeader(kind, left byte) string {
	return string([]byte{17, 2, kind, left, 0, 0, 0, 0}) + strings.Repeat("\x20", 16)
}

// error6 is an ICMPv6 error about a datagram from the machine's port to there6's port 9.
func error6(t wire.ICMPv6Type, code wire.ICMPv6Code, rest uint32, port uint16, payload string) []byte {
	q := make([]byte, wire.IPv6HeaderLen)
	h := wire.PutIPv6(q)
	datagram := udp6(global6, there6, port, 9, payload)
	h.SetPayloadLength(uint16(len(datagram)))
	h.SetNextHeader(wire.ProtocolUDP)
	h.SetHopLimit(60)
	h.SetSource(netip.MustParseAddr(global6))
	h.SetDestination(netip.MustParseAddr(there6))
	return icmp6("2001:db8::fe", global6, t, code, rest, append(q, datagram...))
}

var icmp6Cases = []testCase{
	{name: "ICMPv6PortUnreachable", rules: "D-ICMP6-01 D-ICMP6-02", needs: Wires | IPv6 | Unlimited, run: func(t *testing.T, n *Machine) {
		n.know6(t)
		for size, quoted := range map[int]int{0: 48, 1: 49, 1184: 1232, 1185: 1232, 1400: 1232} {
			datagram := udp6(there6, global6, 9, 7, strings.Repeat("q", size))
			n.Eth0.Send6(there6, global6, wire.ProtocolUDP, datagram)
			got := n.Sent6(t)
			if len(got) != 1 || got[0].String() != "1/4 0" {
				t.Errorf("%d bytes: sent %v", size, got)
				continue
			}
			p := got[0]
			if len(p.Data) != quoted || p.IP.Source().String() != global6 || p.IP.Destination().String() != there6 ||
				p.IP.HopLimit() != 64 || p.IP.TrafficClass() != 0 || string(p.Data[wire.IPv6HeaderLen:]) != string(datagram[:quoted-wire.IPv6HeaderLen]) {
				t.Errorf("%d bytes: %v -> %v, hop limit %d, class %#x, %d bytes", size, p.IP.Source(), p.IP.Destination(), p.IP.HopLimit(), p.IP.TrafficClass(), len(p.Data))
			}
		}
	}},
	{name: "ICMPv6NotAbout", rules: "D-ICMP6-03", needs: Wires | IPv6 | Unlimited, run: func(t *testing.T, n *Machine) {
		n.know6(t)
		for what, send := range map[string]func(){
			"to all nodes":     func() { n.Eth0.Send6(there6, "ff02::1", 17, udp6(there6, "ff02::1", 9, 7, "x")) },
			"from nobody":      func() { n.Eth0.Send6("::", global6, 17, udp6("::", global6, 9, 7, "x")) },
			"from a group":     func() { n.Eth0.Send6("ff02::9", global6, 17, udp6("ff02::9", global6, 9, 7, "x")) },
			"a wrong checksum": func() { n.Eth0.Send6(there6, global6, 17, append(udp6(there6, global6, 9, 7, "x")[:8], 'y')) },
			"in a group's frame": func() {
				f := n.Eth0.packet6(there6, global6, 64, 17, udp6(there6, global6, 9, 7, "x"))
				copy(f, []byte{0x33, 0x33, 0, 0, 0, 1})
				n.Eth0.Send(f)
			},
			"no next header":                 func() { n.Eth0.Send6(there6, global6, 59, []byte("12345678")) },
			"an error about nothing of ours": func() { n.Eth0.Send6("2001:db8::fe", global6, 58, error6(1, 4, 0, 7, "x")) },
			"behind an option to be reported, an error": func() {
				n.Eth0.Send6(there6, global6, 60, append([]byte(optionsHeader(58, option6(0x9e, 4))), error6(1, 4, 0, 7, "x")...))
			},
			"an unknown message": func() { n.Eth0.Send6(there6, global6, 58, icmp6(there6, global6, 200, 0, 0, []byte("x"))) },
		} {
			send()
			if got := n.Sent6(t); len(got) != 0 {
				t.Errorf("%s: answered %v", what, got)
			}
		}
	}},
	{name: "ICMPv6Limit", rules: "D-ICMP6-04", needs: Wires | IPv6, run: func(t *testing.T, n *Machine) {
		n.know6(t)
		if n.Kind == Stack {
			n.Elapse(time.Second)
		} else {
			time.Sleep(700 * time.Millisecond)
		}
		for range 30 {
			n.Eth0.Send6(there6, global6, wire.ProtocolUDP, udp6(there6, global6, 9, 7, "x"))
		}
		// The kernel may take a tenth of a second for them.
		if got := n.Sent6(t); len(got) < 6 || len(got) > 7 {
			t.Errorf("%d answers in a row, want 6", len(got))
		}
	}},
	{name: "ICMPv6Echo", rules: "D-ICMP6-05", needs: Wires | IPv6, run: func(t *testing.T, n *Machine) {
		n.know6(t)
		n.Six.setNeighbor(t, peer6, peerMAC, "reachable")
		n.Sent6(t)
		for _, c := range []struct{ from, to, by string }{
			{there6, global6, global6}, {there6, "ff02::1", global6}, {peer6, "ff02::1", machine6}, {peer6, machine6, machine6},
			{there6, "ff15::99", ""}, {"::", global6, ""},
		} {
			f := n.Eth0.packet6(c.from, c.to, 9, wire.ProtocolICMPv6, icmp6(c.from, c.to, wire.ICMPv6EchoRequest, 5, 77, []byte("payload")))
			(*wire.IPv6Header)(f[wire.EthernetHeaderLen:]).SetTrafficClass(0x28)
			n.Eth0.Send(f)
			got := n.Sent6(t)
			if c.by == "" {
				if len(got) != 0 {
					t.Errorf("%s asks %s: %v", c.from, c.to, got)
				}
				continue
			}
			if len(got) != 1 || got[0].String() != "129/5 77" || got[0].IP.Source().String() != c.by || got[0].IP.Destination().String() != c.from ||
				string(got[0].Data) != "payload" || got[0].IP.HopLimit() != 64 || got[0].IP.TrafficClass() != 0x28 {
				t.Errorf("%s asks %s: %v", c.from, c.to, got)
			}
		}
	}},
	{name: "ICMPv6ErrorsToSockets", rules: "D-ICMP6-06", needs: Wires | IPv6, run: func(t *testing.T, n *Machine) {
		n.know6(t)
		conn, free, queue := bound6(t, n, "[::]:0"), bound6(t, n, "[::]:0"), bound6(t, n, "[::]:0")
		conn.connect(at6(there6, 9))
		queue.set(socket.ReceiveErrors, 1)
		for _, c := range []struct {
			t     wire.ICMPv6Type
			code  wire.ICMPv6Code
			errno syscall.Errno
			fatal bool
		}{
			{1, 0, syscall.ENETUNREACH, false}, {1, 1, syscall.EACCES, true}, {1, 2, syscall.EHOSTUNREACH, false},
			{1, 3, syscall.EHOSTUNREACH, false}, {1, 4, syscall.ECONNREFUSED, true}, {1, 5, syscall.EACCES, true},
			{1, 6, syscall.EACCES, true}, {1, 7, syscall.EPROTO, true}, {1, 99, syscall.EPROTO, true},
			{3, 0, syscall.EHOSTUNREACH, false}, {3, 1, syscall.EHOSTUNREACH, false},
			{4, 0, syscall.EPROTO, true}, {4, 1, syscall.EPROTO, true}, {4, 2, syscall.EPROTO, true}, {100, 0, syscall.EPROTO, false},
			{2, 0, syscall.EMSGSIZE, true},
		} {
			for s, kind := range map[*sock]string{conn: "connected", free: "unconnected", queue: "wants errors"} {
				n.Eth0.Send6("2001:db8::fe", global6, wire.ProtocolICMPv6, error6(c.t, c.code, 1400, s.port(), "payload"))
				n.Sent6(t)
				want := 0
				if kind == "connected" && c.fatal || kind == "wants errors" {
					want = int(c.errno)
				}
				if got := s.get(socket.Error); got != want {
					t.Errorf("%d/%d, %s: %v, want %v", c.t, c.code, kind, syscall.Errno(got), syscall.Errno(want))
				}
			}
			m := queue.wantQueued(c.errno)
			if m.Addr.String() != at6(there6, 9) || m.Origin != socket.OriginICMPv6 || m.Type != uint8(c.t) || m.Code != uint8(c.code) ||
				m.Info != 1400 || m.Offender.String() != "2001:db8::fe" || string(m.Buf) != "payload" {
				t.Errorf("%d/%d: %+v", c.t, c.code, m)
			}
			queue.get(socket.Error)
		}
	}},
	{name: "IPv6HeaderOptions", rules: "D-EXT-01 D-EXT-02", needs: Wires | IPv6 | Unlimited, run: func(t *testing.T, n *Machine) {
		var list []probe
		for kind, next := range map[string]wire.Protocol{"hop-by-hop": 0, "for the destination": 60} {
			add := func(what, options, answer, many string) {
				list = append(list, probe{kind + ", " + what, next, optionsHeader(17, options) + "UDP", answer, many})
			}
			add("to be skipped", option6(0x1e, 4), "1/4 0", "")
			add("to be discarded", option6(0x5e, 4), "", "")
			add("to be reported", option6(0x9e, 4), "4/2 42", "4/2 42")
			add("to be reported to one", option6(0xde, 4), "4/2 42", "")
			add("behind others", option6(0x1e, 4)+option6(0x1e, 0)+option6(0x9e, 4), "4/2 50", "4/2 50")
			add("Pad1", strings.Repeat("\x00", 6), "1/4 0", "")
			add("PadN of seven", option6(0x1e, 5)+option6(1, 5), "1/4 0", "")
			add("PadN of eight", option6(0x1e, 2)+option6(1, 6), "", "")
			add("PadN of fourteen", option6(1, 12), "", "")
			add("Pad1 and PadN of eight", "\x00"+option6(1, 5)+option6(0x1e, 4), "", "")
			add("PadN that is not zero", "\x01\x04abcd", "", "")
			add("eight", strings.Repeat(option6(0x1e, 1), 8), "1/4 0", "")
			add("nine", strings.Repeat(option6(0x1e, 1), 9), "", "")
			add("beyond the header", "\x1e\x09\x00\x00\x00\x00", "", "")
			add("without a length", "\x00\x00\x00\x00\x00\x1e", "", "")
			add("Router Alert", option6(5, 2), "1/4 0", "")
			list = append(list, probe{kind + ", longer than the packet", next, "\x11\x09\x01\x04\x00\x00\x00\x00UDP", "", ""},
				probe{kind + ", cut short", next, "\x11\x00\x01\x04", "", ""})
		}
		probeAll(t, n, append(list,
			probe{"a short Router Alert", 0, optionsHeader(17, option6(5, 4)) + "UDP", "", ""},
			probe{"a jumbo that is none", 0, optionsHeader(17, "\xc2\x04\x00\x00\x01\x00") + "UDP", "4/0 44", ""},
			probe{"a jumbo with a length", 0, optionsHeader(17, "\xc2\x04\x00\x01\x01\x00") + "UDP", "4/0 42", ""},
			probe{"a jumbo at the wrong place", 0, optionsHeader(17, "\x00\x00\xc2\x04\x00\x00\x01\x00") + "UDP", "", ""},
			probe{"a jumbo for the destination", 60, optionsHeader(17, option6(0xc2, 4)) + "UDP", "4/2 42", ""},
		))
	}},
	{name: "IPv6Headers", rules: "D-EXT-03 D-EXT-04", needs: Wires | IPv6 | Unlimited, run: func(t *testing.T, n *Machine) {
		var list []probe
		for kind, answers := range map[byte][2]string{
			0: {"1/4 0", "4/0 42"}, 1: {"1/4 0", "4/0 42"}, 2: {"1/4 0", "4/0 42"}, 3: {}, 4: {}, 5: {"1/4 0", "4/0 42"}, 253: {"1/4 0", "4/0 42"},
		} {
			for left, answer := range answers {
				list = append(list, probe{"routing header", 43, routingHeader(kind, byte(left)) + "UDP", answer, ""})
			}
		}
		pad := optionsHeader(60, option6(1, 4))
		probeAll(t, n, append(list,
			probe{"hop-by-hop second", 60, optionsHeader(0, option6(1, 4)) + optionsHeader(17, option6(1, 4)) + "UDP", "4/1 40", ""},
			probe{"an unknown header", 200, "12345678", "4/1 6", ""},
			probe{"an unknown header behind two", 0, pad + optionsHeader(200, option6(1, 4)) + "12345678", "4/1 48", ""},
			probe{"no next header", 59, "12345678", "", ""},
			probe{"no next header behind one", 60, optionsHeader(59, option6(1, 4)) + "UDP", "", ""},
			probe{"ten headers", 60, strings.Repeat(pad, 9) + optionsHeader(17, option6(1, 4)) + "UDP", "1/4 0", ""},
			probe{"nothing behind one", 60, optionsHeader(17, option6(1, 4)), "", ""},
		))
	}},
}
