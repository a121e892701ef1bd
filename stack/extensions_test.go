package stack

import (
	"bytes"
	"strings"
	"testing"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// optionsHeader is a header of options; what they lack to a multiple of eight is padded.
func optionsHeader(next wire.Protocol, options string) string {
	for n := (2 + len(options)) % 8; n != 0; n = (2 + len(options)) % 8 {
		options += "\x00"
	}
	return string([]byte{byte(next), byte((2+len(options))/8 - 1)}) + options
}

func option(t byte, n int) string { return string([]byte{t, byte(n)}) + strings.Repeat("\x00", n) }

// What becomes of options, as measured on Linux 6.18, hop-by-hop and for the destination
// alike. What passes meets a closed port.
func TestRFC8200_4_2_Options(t *testing.T) {
	const closed, where = "1/4 0", "4/2 42"
	for _, c := range []struct {
		what, options string
		answer        string // "": none
		many          string // when it is sent to all nodes
	}{
		{"unknown, to be skipped", option(0x1e, 4), closed, ""},
		{"unknown, to be discarded", option(0x5e, 4), "", ""},
		{"unknown, to be reported", option(0x9e, 4), where, where},
		{"unknown, to be reported to one", option(0xde, 4), where, ""},
		{"unknown behind others", option(0x1e, 4) + option(0x1e, 0) + option(0x9e, 4), "4/2 50", "4/2 50"},
		{"six of Pad1", "\x00\x00\x00\x00\x00\x00", closed, ""},
		{"PadN of seven", option(0x1e, 5) + option(1, 5), closed, ""},
		{"PadN of eight", option(0x1e, 2) + option(1, 6) + "\x00\x00", "", ""},
		{"PadN of fourteen", option(1, 12), "", ""},
		{"PadN that is not zero", "\x01\x04abcd", "", ""},
		{"Pad1 and PadN of eight", "\x00" + option(1, 5) + option(0x1e, 4), "", ""},
		{"eight options", strings.Repeat(option(0x1e, 1), 8), closed, ""},
		{"nine options", strings.Repeat(option(0x1e, 1), 9), "", ""},
		{"one beyond the header", "\x1e\x09\x00\x00\x00\x00", "", ""},
		{"one without a length", "\x00\x00\x00\x00\x00\x1e", "", ""},
		{"Router Alert", option(5, 2), closed, ""},
	} {
		for _, kind := range []wire.Protocol{wire.ProtocolIPv6HopByHop, wire.ProtocolIPv6Destination} {
			h, l := onCable6(t, Config{})
			header := optionsHeader(wire.ProtocolUDP, c.options)
			l.deliver(toPort7(kind, header))
			var want []string
			if c.answer != "" {
				want = []string{c.answer}
			}
			expectAnswers(t, l, kind.String()+", "+c.what, want...)
			reason := drop.OptionsRejected
			if c.answer == closed {
				reason = drop.NoPort
			}
			checkDrops(t, h, reason, 1)
			l.deliver(frame6(from6, "ff02::1", 64, kind, append([]byte(header), udp6(from6, "ff02::1", 9, 7, "x")...)))
			if want = nil; c.many != "" {
				want = []string{c.many}
			}
			expectAnswers(t, l, kind.String()+" to all nodes, "+c.what, want...)
			checkLedger(t, h)
		}
	}
}

func TestHopByHopOptions(t *testing.T) {
	udp := string(udp6(from6, own6, 9, 7, "x"))
	for _, c := range []struct {
		what   string
		next   wire.Protocol
		rest   string
		answer string
		reason drop.Reason
	}{
		{"Router Alert of another length", 0, optionsHeader(17, option(5, 4)) + udp, "", drop.OptionsRejected},
		{"a jumbo that is none", 0, optionsHeader(17, "\xc2\x04\x00\x00\x01\x00") + udp, "4/0 44", drop.OptionsRejected},
		{"a jumbo with a length", 0, optionsHeader(17, "\xc2\x04\x00\x01\x01\x00") + udp, "4/0 42", drop.OptionsRejected},
		{"a jumbo at the wrong place", 0, optionsHeader(17, "\x00\x00\xc2\x04\x00\x00\x01\x00") + udp, "", drop.OptionsRejected},
		{"a jumbo for the destination", 60, optionsHeader(17, option(0xc2, 4)) + udp, "4/2 42", drop.OptionsRejected},
		{"not first", 60, optionsHeader(0, option(1, 4)) + optionsHeader(17, option(1, 4)) + udp, "4/1 40", drop.UnknownProtocol},
		{"longer than the packet", 0, "\x11\x09\x01\x04\x00\x00\x00\x00" + udp, "", drop.PacketMalformed},
		{"cut short", 0, "\x11\x00\x01\x04", "", drop.PacketMalformed},
		{"nothing behind", 60, optionsHeader(17, option(1, 4)), "", drop.DatagramMalformed},
		{"an unknown header behind two", 0, optionsHeader(60, option(1, 4)) + optionsHeader(200, option(1, 4)) + udp, "4/1 48", drop.UnknownProtocol},
		{"an unknown header", 200, udp, "4/1 6", drop.UnknownProtocol},
		{"none behind", 60, optionsHeader(59, option(1, 4)) + udp, "", drop.UnknownProtocol},
		{"many", 60, strings.Repeat(optionsHeader(60, option(1, 4)), 40) + optionsHeader(17, option(1, 4)) + udp, "", drop.PacketMalformed},
		{"several", 60, strings.Repeat(optionsHeader(60, option(1, 4)), 9) + optionsHeader(17, option(1, 4)) + udp, "1/4 0", drop.NoPort},
	} {
		h, l := onCable6(t, Config{})
		l.deliver(frame6(from6, own6, 64, c.next, []byte(c.rest)))
		var want []string
		if c.answer != "" {
			want = []string{c.answer}
		}
		expectAnswers(t, l, c.what, want...)
		if n := h.Drops().Get(c.reason); n != 1 {
			t.Errorf("%s: %v, want %v", c.what, h.Drops().Map(), c.reason)
		}
		checkLedger(t, h)
	}
}

// RFC 8200, 4.4, and RFC 5095; types 3 and 4 as on Linux where they are not turned on.
func TestRFC5095_RoutingHeaders(t *testing.T) {
	for _, c := range []struct {
		kind, left byte
		answer     string
	}{
		{0, 0, "1/4 0"}, {0, 1, "4/0 42"}, {1, 0, "1/4 0"}, {1, 1, "4/0 42"}, {2, 0, "1/4 0"}, {2, 1, "4/0 42"},
		{3, 0, ""}, {3, 1, ""}, {4, 0, ""}, {4, 1, ""}, {253, 0, "1/4 0"}, {253, 1, "4/0 42"},
	} {
		h, l := onCable6(t, Config{})
		address := "\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x03"
		header := string([]byte{17, 2, c.kind, c.left, 0, 0, 0, 0}) + address
		l.deliver(toPort7(wire.ProtocolIPv6Routing, header))
		var want []string
		if c.answer != "" {
			want = []string{c.answer}
		}
		expectAnswers(t, l, "routing", want...)
		l.deliver(frame6(from6, "ff02::1", 64, wire.ProtocolIPv6Routing, append([]byte(header), udp6(from6, "ff02::1", 9, 7, "x")...)))
		expectAnswers(t, l, "to all nodes")
		checkLedger(t, h)
	}
}

// A router looks at nothing but the hop-by-hop options of what it sends on.
func TestARouterLooksAtHopByHopOptionsOnly(t *testing.T) {
	h, l := onCable6(t, Config{Forwarding: true})
	h.route(t, "2001:db8:1::/64 via "+from6)
	const far = "2001:db8:1::5"
	udp := string(udp6(from6, far, 9, 7, "x"))
	for _, c := range []struct {
		what   string
		next   wire.Protocol
		rest   string
		passes bool
		answer string
	}{
		{"hop-by-hop", 0, optionsHeader(17, option(0x1e, 4)) + udp, true, ""},
		{"hop-by-hop, refused", 0, optionsHeader(17, option(0x9e, 4)) + udp, false, "4/2 42"},
		{"for the destination", 60, optionsHeader(17, option(0x9e, 4)) + udp, true, ""},
		{"a routing header", 43, "\x11\x02\x00\x01" + strings.Repeat("\x00", 20) + udp, true, ""},
		{"a fragment", 44, "\x11\x00\x00\x09\x00\x00\x00\x01abcdefgh", true, ""},
		{"an unknown header", 200, udp, true, ""},
	} {
		l.deliver(frame6(from6, far, 64, c.next, []byte(c.rest)))
		passed, answered := 0, ""
		for _, f := range l.take() {
			if p, payload, err := wire.ParseIPv6(f[wire.EthernetHeaderLen:]); err == nil && p.Destination().String() == far {
				if passed++; !bytes.Equal(payload, []byte(c.rest)) || p.HopLimit() != 63 {
					t.Errorf("%s: sent on as % x", c.what, f)
				}
			} else if err == nil && p.NextHeader() == wire.ProtocolICMPv6 && payload[0] < 128 {
				answered = string(payload[:2])
			}
		}
		if (passed == 1) != c.passes || (answered != "") != (c.answer != "") {
			t.Errorf("%s: sent on %d times, answered %q; %v", c.what, passed, answered, h.Drops().Map())
		}
	}
	checkLedger(t, h)
}

// FuzzExtensions hands a host packets with any chain of headers: nothing panics, nothing
// is lost without a name, what is sent is well formed, and no more than one answer.
func FuzzExtensions(f *testing.F) {
	udp := string(udp6(from6, own6, 9, 7, "x"))
	f.Add(byte(0), []byte(optionsHeader(60, option(5, 2))+optionsHeader(43, option(0x1e, 4))+"\x11\x00\x00\x00\x00\x00\x00\x00"+udp), false)
	f.Add(byte(44), []byte("\x3c\x00\x00\x01\x00\x00\x00\x05"+optionsHeader(17, option(0x9e, 4))+udp+"123"), false)
	f.Add(byte(44), []byte("\x2c\x00\x00\x00\x00\x00\x00\x05"+"\x11\x00\x00\x00\x00\x00\x00\x05"+udp), true)
	f.Add(byte(0), []byte(optionsHeader(17, "\xc2\x04\x00\x01\x01\x00")+udp), true)
	f.Fuzz(func(t *testing.T, next byte, rest []byte, many bool) {
		if len(rest) > 3000 {
			return
		}
		live := packet.Live()
		h, l := onCable6(t, Config{})
		s := h.open6(t, "[::]:7")
		to := own6
		if many {
			to = "ff02::1"
		}
		l.deliver(frame6(from6, to, 64, wire.Protocol(next), rest))
		if n := len(answers(t, l)); n > 1 {
			t.Fatalf("%d answers", n)
		}
		h.clock.Advance(61e9)
		answers(t, l)
		payloads(t, s)
		nothingHeld(t, h)
		h.Close()
		if n := packet.Live() - live; n != 0 {
			t.Fatalf("%d buffers are still out", n)
		}
	})
}
