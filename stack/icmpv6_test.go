package stack

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

const (
	own6  = "2001:db8::2"
	from6 = "2001:db8::9"
)

// onCable6 is known for IPv6: 2001:db8::2 knows the station 2001:db8::9, and the link-local
// address fe80::9 of it.
func onCable6(t testing.TB, c Config) (*host, *cable) {
	t.Helper()
	if c.DADTransmits == 0 {
		c.DADTransmits = -1
	}
	l := newCable()
	h := newHost(t, c, l, own6+"/64")
	for _, a := range []string{from6, "fe80::9"} {
		if err := h.eth0.AddNeighbor(netip.MustParseAddr(a), macPeer); err != nil {
			t.Fatal(err)
		}
	}
	if h.clock != nil {
		h.clock.Advance(time.Minute)
	}
	l.take()
	return h, l
}

// udp6 is a UDP datagram with its checksum.
func udp6(src, dst string, from, to uint16, payload string) []byte {
	b := make([]byte, wire.UDPHeaderLen, wire.UDPHeaderLen+len(payload))
	u := wire.PutUDP(b)
	u.SetSourcePort(from)
	u.SetDestinationPort(to)
	u.SetLength(uint16(len(b) + len(payload)))
	b = append(b, payload...)
	pseudo := wire.PseudoIPv6(netip.MustParseAddr(src).As16(), netip.MustParseAddr(dst).As16(), wire.ProtocolUDP, uint32(len(b)))
	(*wire.UDPHeader)(b).UpdateChecksum(pseudo, b[wire.UDPHeaderLen:])
	return b
}

// toPort7 is a packet from the peer to the host's port 7, behind extension headers.
func toPort7(next wire.Protocol, headers string) []byte {
	return frame6(from6, own6, 64, next, append([]byte(headers), udp6(from6, own6, 9, 7, "x")...))
}

// icmp6 is an ICMPv6 message with its checksum.
func icmp6(src, dst string, t wire.ICMPv6Type, code wire.ICMPv6Code, rest uint32, body []byte) []byte {
	m := make([]byte, wire.ICMPv6HeaderLen, wire.ICMPv6HeaderLen+len(body))
	wire.PutICMPv6(m, t, code).SetMTU(rest)
	return summed6(src, dst, append(m, body...))
}

// answer6 is an ICMPv6 message that was sent.
type answer6 struct {
	src, dst string
	t        wire.ICMPv6Type
	code     wire.ICMPv6Code
	rest     uint32
	body     []byte
	class    uint8
	hops     uint8
}

func (a answer6) String() string {
	return fmt.Sprintf("%s > %s %v/%d %d", a.src, a.dst, a.t, a.code, a.rest)
}

// answers returns the ICMPv6 messages sent since the last look, those of MLD and
// neighbour discovery left out. All that is sent must be well formed.
func answers(t testing.TB, l *cable) (list []answer6) {
	t.Helper()
	for _, f := range l.take() {
		h, payload, err := wire.ParseIPv6(f[wire.EthernetHeaderLen:])
		if err != nil {
			t.Fatalf("sent % x: %v", f, err)
		}
		if h.NextHeader() != wire.ProtocolICMPv6 {
			continue
		}
		m, body, err := wire.ParseICMPv6(payload)
		if err != nil || !m.ChecksumOK(h.PseudoSum(wire.ProtocolICMPv6, uint32(len(payload))), body) {
			t.Fatalf("sent % x: %v, or a wrong checksum", f, err)
		}
		if m.Type() >= wire.ICMPv6RouterSolicitation && m.Type() <= wire.ICMPv6Redirect {
			continue
		}
		list = append(list, answer6{
			h.Source().String(), h.Destination().String(), m.Type(), m.Code(), m.MTU(), body, h.TrafficClass(), h.HopLimit(),
		})
	}
	return list
}

// expectAnswers checks what was sent, each "type/code rest"; it comes from the host to
// the peer.
func expectAnswers(t testing.TB, l *cable, what string, want ...string) []answer6 {
	t.Helper()
	got := answers(t, l)
	var text []string
	for _, a := range got {
		text = append(text, fmt.Sprintf("%d/%d %d", a.t, a.code, a.rest))
	}
	if strings.Join(text, ", ") != strings.Join(want, ", ") {
		t.Errorf("%s: sent %q, want %q", what, text, want)
	}
	return got
}

func TestClosedPortIsAnsweredByICMPv6(t *testing.T) {
	h, l := onCable6(t, Config{})
	in := frame6(from6, own6, 64, wire.ProtocolUDP, udp6(from6, own6, 9, 7, "hello"))
	l.deliver(in)
	got := expectAnswers(t, l, "closed", "1/4 0")
	if len(got) == 1 && (got[0].src != own6 || got[0].dst != from6 || got[0].hops != 64 || got[0].class != 0 ||
		!bytes.Equal(got[0].body, in[wire.EthernetHeaderLen:])) {
		t.Errorf("%v, hop limit %d, class %#x, quotes % x", got[0], got[0].hops, got[0].class, got[0].body)
	}
	// No more than 1280 bytes in all (RFC 4443, 2.4 c).
	l.deliver(frame6(from6, own6, 64, wire.ProtocolUDP, udp6(from6, own6, 9, 7, letters(1400))))
	if got := expectAnswers(t, l, "long", "1/4 0"); len(got) == 1 && len(got[0].body) != 1232 {
		t.Errorf("quotes %d bytes, want 1232", len(got[0].body))
	}
	checkDrops(t, h, drop.NoPort, 2)
	checkLedger(t, h)
}

// RFC 4443, 2.4 e: what must not be answered by an error message.
func TestRFC4443_2_4_WhatIsNotAnswered(t *testing.T) {
	quoted := frame6(own6, from6, 64, wire.ProtocolUDP, udp6(own6, from6, 7, 9, "x"))[wire.EthernetHeaderLen:]
	group := func(dst string) []byte { return frame6(from6, dst, 64, wire.ProtocolUDP, udp6(from6, dst, 9, 7, "x")) }
	toGroupMAC := func(f []byte) []byte { copy(f, []byte{0x33, 0x33, 0, 0, 0, 1}); return f }
	error := func(t wire.ICMPv6Type, code wire.ICMPv6Code, rest uint32, body []byte) []byte {
		return frame6(from6, own6, 64, wire.ProtocolICMPv6, icmp6(from6, own6, t, code, rest, body))
	}
	broken := func(at int) []byte {
		f := toPort7(wire.ProtocolUDP, "")
		f[at]++
		return f
	}
	zero := toPort7(wire.ProtocolUDP, "")
	zero[wire.EthernetHeaderLen+46], zero[wire.EthernetHeaderLen+47] = 0, 0
	fragment := "\x11\x00\x00\x08\x00\x00\x00\x01"
	for _, c := range []struct {
		what   string
		frame  []byte
		reason drop.Reason
	}{
		{"to all nodes", group("ff02::1"), drop.NoPort},
		{"in a group's frame", toGroupMAC(toPort7(wire.ProtocolUDP, "")), drop.NoPort},
		{"from nobody", frame6("::", own6, 64, wire.ProtocolUDP, udp6("::", own6, 9, 7, "x")), drop.NoPort},
		{"from a group", frame6("ff02::5", own6, 64, wire.ProtocolUDP, udp6("ff02::5", own6, 9, 7, "x")), drop.MartianSource},
		{"a wrong checksum", broken(wire.EthernetHeaderLen + 48), drop.BadChecksum},
		{"no checksum", zero, drop.MissingChecksum},
		{"an unknown protocol to all nodes", frame6(from6, "ff02::1", 64, 200, []byte("12345678")), drop.UnknownProtocol},
		{"no next header", frame6(from6, own6, 64, wire.ProtocolNoNext, []byte("12345678")), drop.UnknownProtocol},
		{"about an error", frame6(from6, own6, 64, wire.ProtocolIPv6Destination,
			append([]byte("\x3a\x00\x9e\x04\x00\x00\x00\x00"), icmp6(from6, own6, 1, 4, 0, quoted)...)), drop.OptionsRejected},
		{"about a redirect", frame6(from6, own6, 64, wire.ProtocolIPv6Destination,
			append([]byte("\x3a\x00\x9e\x04\x00\x00\x00\x00"), icmp6(from6, own6, 137, 0, 0, quoted)...)), drop.OptionsRejected},
		{"about ICMPv6 cut short", frame6(from6, own6, 64, wire.ProtocolIPv6Destination, []byte("\x3a\x00\x9e\x04\x00\x00\x00\x00")), drop.OptionsRejected},
		{"an error to a socket that is not there", error(1, 4, 0, quoted), drop.ICMPUnmatched},
		{"an error that quotes nothing", error(1, 4, 0, nil), drop.DatagramMalformed},
		{"an error that quotes too little", error(1, 4, 0, quoted[:43]), drop.DatagramMalformed},
		{"an error that quotes IPv4", error(1, 4, 0, make([]byte, 60)), drop.DatagramMalformed},
		{"an error about a later fragment", error(1, 4, 0, frame6(own6, from6, 64, wire.ProtocolIPv6Fragment,
			append([]byte(fragment), "12345678"...))[wire.EthernetHeaderLen:]), drop.ICMPUnmatched},
		{"an error about another protocol", error(1, 4, 0, frame6(own6, from6, 64, wire.ProtocolTCP, make([]byte, 20))[wire.EthernetHeaderLen:]), drop.ICMPUnmatched},
		{"an error about a host's that is not us", error(1, 4, 0, frame6("2001:db8::3", from6, 64, wire.ProtocolUDP, make([]byte, 9))[wire.EthernetHeaderLen:]), drop.ICMPUnmatched},
		{"an unknown informational message", error(200, 0, 0, quoted), drop.ICMPUnsupported},
		{"an ICMP message cut short", frame6(from6, own6, 64, wire.ProtocolICMPv6, []byte{128, 0, 0}), drop.DatagramMalformed},
	} {
		t.Run(c.what, func(t *testing.T) {
			h, l := onCable6(t, Config{})
			l.deliver(c.frame)
			checkDrops(t, h, c.reason, 1)
			expectAnswers(t, l, c.what)
			checkLedger(t, h)
		})
	}
}

// As measured on Linux 6.18: six to a destination in a row, then ten a second, whichever
// the route; fifty to all; packet too big without a limit.
func TestICMPv6ErrorsAreLimited(t *testing.T) {
	h, l := onCable6(t, Config{})
	h.route(t, "2001:db8:1::/64 via "+from6)
	closed := func(from string) []byte { return frame6(from, own6, 64, wire.ProtocolUDP, udp6(from, own6, 9, 7, "")) }
	for _, from := range []string{from6, "2001:db8:1::5"} {
		for range 20 {
			l.deliver(closed(from))
		}
		if n := len(answers(t, l)); n != 6 {
			t.Errorf("%s: %d answers at once, want 6", from, n)
		}
		n := 0
		for range 200 {
			h.clock.Advance(5 * time.Millisecond)
			l.deliver(closed(from))
			n += len(answers(t, l))
		}
		if n != 10 {
			t.Errorf("%s: %d answers in a second, want 10", from, n)
		}
	}
	h.clock.Advance(time.Minute)
	for k := range 100 {
		l.deliver(closed(fmt.Sprintf("2001:db8:1::%x", k+10)))
	}
	if n := len(answers(t, l)); n != 50 {
		t.Errorf("%d answers to all, want 50", n)
	}
	// What stays on the host is not limited.
	s := h.connected6(t, "", "[::1]:7")
	for k := range 100 {
		if _, err := s.TrySend([]socket.Message{{Buf: []byte("x")}}); err != nil && k%2 == 0 {
			t.Fatal(err)
		}
	}
	checkLedger(t, h)
}

func TestRFC4443_4_2_EchoIsAnswered(t *testing.T) {
	h, l := onCable6(t, Config{})
	body := []byte("abcdefgh")
	for _, c := range []struct{ from, to, by string }{
		{from6, own6, own6},
		{from6, "ff02::1", own6}, // from an address that suits the asker
		{"fe80::9", "ff02::1", "link-local"},
		{"::", own6, ""},
		{from6, "ff15::77", ""},
	} {
		f := frame6(c.from, c.to, 9, wire.ProtocolICMPv6, icmp6(c.from, c.to, wire.ICMPv6EchoRequest, 5, 0x01020304, body))
		f[wire.EthernetHeaderLen] |= 2
		f[wire.EthernetHeaderLen+1] |= 0x80
		l.deliver(f)
		got := answers(t, l)
		if c.by == "" {
			if len(got) != 0 {
				t.Errorf("from %s to %s: %v", c.from, c.to, got)
			}
			continue
		}
		if len(got) != 1 {
			t.Errorf("from %s to %s: %d answers, want 1; %v", c.from, c.to, len(got), h.Drops().Map())
			continue
		}
		a := got[0]
		by := a.src
		if netip.MustParseAddr(by).IsLinkLocalUnicast() {
			by = "link-local"
		}
		if by != c.by || a.dst != c.from || a.t != wire.ICMPv6EchoReply || a.code != 5 || a.rest != 0x01020304 ||
			a.hops != 64 || a.class != 0x28 || !bytes.Equal(a.body, body) {
			t.Errorf("from %s to %s: %v, class %#x, hop limit %d", c.from, c.to, a, a.class, a.hops)
		}
	}
	checkLedger(t, h)
}

func TestLongEchosAreAnsweredInFragments(t *testing.T) {
	a, b := pair6(t)
	p := openEcho(t, a)
	for _, c := range []struct {
		to   string
		size int
	}{{own6, 1452}, {own6, 1453}, {own6, 60000}, {"::1", 60000}} {
		n := len(p.got)
		if err := p.Send(netip.MustParseAddr(c.to), 1, bytes.Repeat([]byte("z"), c.size)); err != nil {
			t.Fatal(err)
		}
		a.clock.Advance(time.Second)
		if len(p.got) != n+1 || strings.Count(p.got[n], "z") != c.size {
			t.Errorf("%d to %s: %d answers; %v, %v", c.size, c.to, len(p.got)-n, a.Drops().Map(), b.Drops().Map())
		}
	}
	checkLedger(t, a)
	checkLedger(t, b)
}

// errorFrame6 is an ICMPv6 error from an offender about a datagram of ours, which it
// quotes.
func errorFrame6(offender string, t wire.ICMPv6Type, code wire.ICMPv6Code, rest uint32, src, dst netip.AddrPort, payload string) []byte {
	q := frame6(src.Addr().String(), dst.Addr().String(), 64, wire.ProtocolUDP,
		udp6(src.Addr().String(), dst.Addr().String(), src.Port(), dst.Port(), payload))[wire.EthernetHeaderLen:]
	return frame6(offender, own6, 61, wire.ProtocolICMPv6, icmp6(offender, own6, t, code, rest, q))
}

// Linux's icmpv6_err_convert, and who is told of it.
func TestICMPv6ErrorsReachTheSocket(t *testing.T) {
	us, them := netip.MustParseAddrPort("["+own6+"]:7"), netip.MustParseAddrPort("["+from6+"]:9")
	for _, c := range []struct {
		t     wire.ICMPv6Type
		code  wire.ICMPv6Code
		errno syscall.Errno
		fatal bool
	}{
		{1, 0, syscall.ENETUNREACH, false}, {1, 1, syscall.EACCES, true}, {1, 2, syscall.EHOSTUNREACH, false},
		{1, 3, syscall.EHOSTUNREACH, false}, {1, 4, syscall.ECONNREFUSED, true}, {1, 5, syscall.EACCES, true},
		{1, 6, syscall.EACCES, true}, {1, 7, syscall.EPROTO, true}, {1, 99, syscall.EPROTO, true},
		{2, 0, syscall.EMSGSIZE, true}, {3, 0, syscall.EHOSTUNREACH, false}, {3, 1, syscall.EHOSTUNREACH, false},
		{4, 0, syscall.EPROTO, true}, {4, 1, syscall.EPROTO, true}, {4, 2, syscall.EPROTO, true},
		{100, 0, syscall.EPROTO, false},
	} {
		for _, kind := range []string{"connected", "unconnected", "wants errors"} {
			h, l := onCable6(t, Config{})
			s := h.open6(t, us.String())
			if kind == "connected" {
				if err := s.Connect(them); err != nil {
					t.Fatal(err)
				}
			}
			if kind == "wants errors" {
				setOption(t, s, socket.ReceiveErrors, 1)
			}
			l.deliver(errorFrame6("2001:db8::1", c.t, c.code, 1400, us, them, "payload"))
			want := syscall.Errno(0)
			if kind == "connected" && c.fatal || kind == "wants errors" {
				want = c.errno
			}
			if got, _ := s.Option(socket.Error); syscall.Errno(got) != want {
				t.Errorf("%d/%d, %s: %v, want %v", c.t, c.code, kind, syscall.Errno(got), want)
			}
			if kind == "wants errors" {
				m := socket.ErrorMessage{Buf: make([]byte, 100)}
				if err := s.TryRecvError(&m); err != nil {
					t.Fatal(err)
				}
				if string(m.Buf) != "payload" || m.Addr != them || m.Errno != c.errno || m.Origin != socket.OriginICMPv6 ||
					m.Type != uint8(c.t) || m.Code != uint8(c.code) || m.Info != 1400 || m.Offender.String() != "2001:db8::1" {
					t.Errorf("%d/%d: %+v", c.t, c.code, m)
				}
			}
			checkLedger(t, h)
		}
	}
}

// An error of ICMPv6 that quotes v4-mapped addresses is about nobody's datagram: such
// packets are not sent, and neither IPv4's sockets nor dual-stack ones are told of it.
func TestICMPv6ErrorsAreNotAboutIPv4(t *testing.T) {
	us, them := netip.MustParseAddrPort("[::ffff:10.0.0.2]:7"), netip.MustParseAddrPort("[::ffff:10.0.0.9]:9")
	for _, dual := range []bool{false, true} {
		h, l := onCable6(t, Config{})
		if err := h.eth0.AddAddress(netip.MustParsePrefix("10.0.0.2/24")); err != nil {
			t.Fatal(err)
		}
		var s *Socket
		if dual {
			s = h.connected6(t, us.String(), them.String())
		} else {
			s = h.connected(t, "10.0.0.2:7", "10.0.0.9:9")
		}
		l.deliver(errorFrame6("2001:db8::1", 1, 4, 0, us, them, "payload"))
		l.deliver(errorFrame6("2001:db8::1", 2, 0, 1280, us, them, "payload"))
		if got, _ := s.Option(socket.Error); got != 0 {
			t.Errorf("dual %v: the error is %v", dual, syscall.Errno(got))
		}
		checkDrops(t, h, drop.ICMPUnmatched, 2)
		checkLedger(t, h)
	}
}

// An error that quotes a datagram behind extension headers finds its socket too.
func TestICMPv6ErrorsQuoteExtensionHeaders(t *testing.T) {
	h, l := onCable6(t, Config{})
	s := h.connected6(t, "["+own6+"]:7", "["+from6+"]:9")
	const chain = "\x3c\x00\x01\x04\x00\x00\x00\x00" + "\x2c\x00\x01\x04\x00\x00\x00\x00" + "\x11\x00\x00\x01\x00\x00\x00\x07"
	q := frame6(own6, from6, 64, wire.ProtocolIPv6HopByHop, append([]byte(chain), udp6(own6, from6, 7, 9, "x")...))[wire.EthernetHeaderLen:]
	l.deliver(frame6(from6, own6, 64, wire.ProtocolICMPv6, icmp6(from6, own6, 1, 4, 0, q)))
	if got, _ := s.Option(socket.Error); syscall.Errno(got) != syscall.ECONNREFUSED {
		t.Errorf("%v, want ECONNREFUSED; %v", syscall.Errno(got), h.Drops().Map())
	}
}

// A neighbour that does not answer is an error to who wants to hear of all, after three
// questions a second apart.
func TestANeighborOfIPv6ThatDoesNotAnswer(t *testing.T) {
	h, l := onCable6(t, Config{})
	s := h.open6(t, "")
	setOption(t, s, socket.ReceiveErrors, 1)
	if _, err := s.TrySend([]socket.Message{message("x", "[2001:db8::77]:9")}); err != nil {
		t.Fatal(err)
	}
	h.clock.Advance(2900 * time.Millisecond)
	if got, _ := s.Option(socket.Error); got != 0 {
		t.Errorf("%v too soon", syscall.Errno(got))
	}
	h.clock.Advance(time.Second)
	if got, _ := s.Option(socket.Error); syscall.Errno(got) != syscall.EHOSTUNREACH {
		t.Errorf("%v, want EHOSTUNREACH; %v", syscall.Errno(got), h.Drops().Map())
	}
	m := socket.ErrorMessage{Buf: make([]byte, 100)}
	if err := s.TryRecvError(&m); err != nil || m.Origin != socket.OriginICMPv6 || m.Type != 1 || m.Code != 3 ||
		m.Offender.String() != own6 || m.Addr.String() != "[2001:db8::77]:9" || string(m.Buf) != "x" {
		t.Errorf("%+v, %v", m, err)
	}
	l.take()
	checkLedger(t, h)
}

// FuzzICMPv6 hands a host ICMPv6 messages with the right checksum: errors that quote what
// its sockets may have sent, and everything else.
func FuzzICMPv6(f *testing.F) {
	us, them := netip.MustParseAddrPort("["+own6+"]:7"), netip.MustParseAddrPort("["+from6+"]:9")
	for _, e := range []wire.ICMPv6Type{1, 2, 3, 4, 100} {
		frame := errorFrame6(from6, e, 0, 1300, us, them, "payload")
		f.Add(frame[wire.EthernetHeaderLen+wire.IPv6HeaderLen:])
	}
	f.Add(icmp6(from6, own6, 128, 0, 1, []byte("hello")))
	f.Fuzz(func(t *testing.T, message []byte) {
		if len(message) > 2000 {
			return
		}
		live := packet.Live()
		h, l := onCable6(t, Config{Limits: Limits{PathMTUs: 3, ErrorDestinations: 3}})
		sockets := []*Socket{h.connected6(t, us.String(), them.String()), h.open6(t, "[::]:8")}
		setOption(t, sockets[1], socket.ReceiveErrors, 1)
		before := h.pathMTUs.size.Load()
		l.deliver(frame6(from6, own6, 64, wire.ProtocolICMPv6, summed6(from6, own6, bytes.Clone(message))))
		answers(t, l)
		if h.pathMTUs.size.Load() != before && (len(message) < 56 || message[0] != 2 || binary.BigEndian.Uint32(message[4:]) < 1280) {
			t.Errorf("% x makes a path's MTU known", message)
		}
		if led := h.Ledger(); !led.Balanced() {
			t.Fatalf("the ledger does not balance: %+v, drops %v", led, h.Drops().Map())
		}
		h.Close()
		if n := packet.Live() - live; n != 0 {
			t.Fatalf("%d buffers are still out", n)
		}
	})
}
