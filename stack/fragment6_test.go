package stack

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// fragmentOf is a fragment from the peer: bytes of a payload from one place up to another,
// behind headers that are not fragmented.
func fragmentOf(id uint32, next wire.Protocol, payload []byte, from, to int, more bool) []byte {
	h := make([]byte, wire.IPv6FragmentHeaderLen)
	wire.PutIPv6Fragment(h, next, from, more, id)
	return frame6(from6, own6, 64, wire.ProtocolIPv6Fragment, append(h, payload[from:to]...))
}

// withClass gives a packet a traffic class.
func withClass(f []byte, class uint8) []byte {
	(*wire.IPv6Header)(f[wire.EthernetHeaderLen:]).SetTrafficClass(class)
	return f
}

// behindHop puts hop-by-hop options before a fragment's header.
func behindHop(f []byte, options string) []byte {
	const at = wire.EthernetHeaderLen + wire.IPv6HeaderLen
	h := (*wire.IPv6Header)(f[wire.EthernetHeaderLen:])
	header := optionsHeader(h.NextHeader(), options)
	h.SetNextHeader(wire.ProtocolIPv6HopByHop)
	h.SetPayloadLength(h.PayloadLength() + uint16(len(header)))
	return slices.Insert(f, at, []byte(header)...)
}

func TestFragmentsOfIPv6InAnyOrder(t *testing.T) {
	text := letters(100)
	whole := udp6(from6, own6, 9, 7, text)
	pieces := [][2]int{{0, 24}, {24, 32}, {32, 104}, {104, 108}}
	var permute func(int)
	permute = func(k int) {
		if k < len(pieces) {
			for i := k; i < len(pieces); i++ {
				pieces[k], pieces[i] = pieces[i], pieces[k]
				permute(k + 1)
				pieces[k], pieces[i] = pieces[i], pieces[k]
			}
			return
		}
		h, l := onCable6(t, Config{})
		s := h.open6(t, "[::]:7")
		for _, p := range pieces {
			l.deliver(fragmentOf(1, wire.ProtocolUDP, whole, p[0], p[1], p[1] < len(whole)))
		}
		if got := payloads(t, s); len(got) != 1 || got[0] != text {
			t.Errorf("in the order %v: received %q; %v", pieces, got, h.Drops().Map())
		}
		nothingHeld(t, h)
	}
	permute(0)
}

// RFC 8200, 4.5, RFC 5722, 6946 and 7112, and what of it was measured on Linux 6.18.
func TestRFC8200_4_5_Fragments(t *testing.T) {
	d := udp6(from6, own6, 9, 7, letters(240)) // 248 bytes
	f := func(id uint32, from, to int, more bool) []byte {
		return fragmentOf(id, wire.ProtocolUDP, d, from, to, more)
	}
	nested := func(more bool) []byte {
		inner := make([]byte, 8)
		wire.PutIPv6Fragment(inner, wire.ProtocolUDP, 0, more, 9)
		return fragmentOf(1, wire.ProtocolIPv6Fragment, append(inner, d...), 0, len(d)+8, false)
	}
	options := append([]byte("\x11\x00\x01\x04\x00\x00\x00\x00"), d...)
	long := slices.Concat(make([]byte, 65528), d)
	short := frame6(from6, own6, 64, wire.ProtocolIPv6Fragment, []byte("\x11\x00\x00\x01"))
	icmp := icmp6(from6, own6, wire.ICMPv6EchoRequest, 0, 0, make([]byte, 100))
	for _, c := range []struct {
		what   string
		frames [][]byte
		whole  int
		answer string // "": none
		reason drop.Reason
	}{
		{"two", [][]byte{f(1, 0, 128, true), f(1, 128, 248, false)}, 1, "", drop.None},
		{"the same again", [][]byte{f(1, 0, 128, true), f(1, 0, 128, true), f(1, 128, 248, false)}, 1, "", drop.ReassemblyDuplicate},
		{"overlapping", [][]byte{f(1, 0, 136, true), f(1, 128, 248, false), f(1, 136, 248, false)}, 0, "", drop.ReassemblyOverlap},
		{"atomic", [][]byte{f(1, 0, 248, false)}, 1, "", drop.None},
		{"atomic among others", [][]byte{f(1, 0, 128, true), f(1, 0, 248, false), f(1, 128, 248, false)}, 2, "", drop.None},
		{"a first one of eight bytes", [][]byte{f(1, 0, 8, true), f(1, 8, 248, false)}, 1, "", drop.None},
		{"a first one without bytes", [][]byte{f(1, 0, 0, true)}, 0, "4/3 0", drop.ReassemblyMalformed},
		{"a first one without the UDP header", [][]byte{fragmentOf(1, 60, options, 0, 8, true), fragmentOf(1, 60, options, 8, 256, false)}, 0, "4/3 0", drop.ReassemblyMalformed},
		{"a first one whose options are cut", [][]byte{fragmentOf(1, 60, append([]byte{17, 1}, options[2:]...), 0, 8, true)}, 0, "4/3 0", drop.ReassemblyMalformed},
		{"a first one with all headers", [][]byte{fragmentOf(1, 60, options, 0, 16, true), fragmentOf(1, 60, options, 16, 256, false)}, 1, "", drop.None},
		{"of a length that is no multiple of eight", [][]byte{f(1, 0, 100, true)}, 0, "4/0 4", drop.ReassemblyMalformed},
		{"after which it goes on", [][]byte{f(1, 0, 128, true), f(1, 128, 131, true), f(1, 128, 248, false)}, 1, "4/0 4", drop.ReassemblyMalformed},
		{"too long", [][]byte{fragmentOf(1, wire.ProtocolUDP, long, 65528, 65544, false)}, 0, "4/0 42", drop.ReassemblyTooLong},
		{"too long, after which it goes on", [][]byte{f(1, 0, 128, true), fragmentOf(1, 17, long, 65528, 65544, false), f(1, 128, 248, false)}, 1, "4/0 42", drop.ReassemblyTooLong},
		{"another next header", [][]byte{fragmentOf(1, 60, d, 128, 248, false), f(1, 0, 128, true)}, 1, "", drop.None},
		{"a fragment header within", [][]byte{nested(false)}, 0, "4/0 48", drop.ReassemblyMalformed},
		{"one of more within", [][]byte{nested(true)}, 0, "4/0 48", drop.ReassemblyMalformed},
		{"a header cut short", [][]byte{short}, 0, "4/0 40", drop.ReassemblyMalformed},
		{"behind hop-by-hop options", [][]byte{behindHop(f(1, 0, 128, true), option(1, 4)), f(1, 128, 248, false)}, 1, "", drop.None},
		{"hop-by-hop options of a later one are discarded with it", [][]byte{f(1, 0, 128, true), behindHop(f(1, 128, 248, false), option(0x5e, 4)), f(1, 128, 248, false)}, 1, "", drop.OptionsRejected},
		{"two ends", [][]byte{f(1, 128, 248, false), f(1, 64, 128, false)}, 0, "", drop.ReassemblyMalformed},
		{"no next header", [][]byte{fragmentOf(1, 59, d, 0, 8, true), fragmentOf(1, 59, d, 8, 16, false)}, 0, "", drop.UnknownProtocol},
		{"an echo request", [][]byte{fragmentOf(1, 58, icmp, 0, 48, true), fragmentOf(1, 58, icmp, 48, 108, false)}, 0, "129/0 0", drop.None},
		{"hop-by-hop options among the fragments' payload", [][]byte{fragmentOf(1, 0, options, 0, 128, true), fragmentOf(1, 0, options, 128, 256, false)}, 0, "4/1 6", drop.UnknownProtocol},
		{"hop-by-hop options behind an atomic one", [][]byte{fragmentOf(1, 0, options, 0, 256, false)}, 0, "4/1 40", drop.UnknownProtocol},
		{"an unknown protocol", [][]byte{fragmentOf(1, 200, d, 0, 8, true), fragmentOf(1, 200, d, 8, 16, false)}, 0, "4/1 6", drop.UnknownProtocol},
	} {
		t.Run(c.what, func(t *testing.T) {
			h, l := onCable6(t, Config{})
			s := h.open6(t, "[::]:7")
			for _, f := range c.frames {
				l.deliver(f)
			}
			if got := payloads(t, s); len(got) != c.whole || c.whole > 0 && got[0] != letters(240) {
				t.Errorf("received %q, want %d; %v", got, c.whole, h.Drops().Map())
			}
			var want []string
			if c.answer != "" {
				want = []string{c.answer}
			}
			expectAnswers(t, l, c.what, want...)
			if n := h.Drops().Get(c.reason); c.reason != drop.None && n == 0 {
				t.Errorf("%v, want %v", h.Drops().Map(), c.reason)
			}
			h.clock.Advance(61 * time.Second)
			l.take()
			nothingHeld(t, h)
		})
	}
}

func TestRFC3168_5_3_ECNOfFragmentsOfIPv6(t *testing.T) {
	d := udp6(from6, own6, 9, 7, letters(240))
	for _, c := range []struct {
		first, second uint8
		want          int // -1: dropped
	}{{0, 0, 0}, {1, 1, 1}, {2, 2, 2}, {3, 3, 3}, {2, 3, 3}, {3, 2, 3}, {1, 2, 1}, {0, 3, -1}, {0, 2, -1}, {1, 0, -1}} {
		h, l := onCable6(t, Config{})
		s := h.open6(t, "[::]:7")
		setOption(t, s, socket.Report, int(socket.FieldTOS))
		l.deliver(withClass(fragmentOf(1, 17, d, 0, 128, true), 0x20|c.first), withClass(fragmentOf(1, 17, d, 128, 248, false), c.second))
		ms := []socket.Message{{Buf: make([]byte, 300)}}
		if n, err := s.TryRecv(ms); n != 1 {
			if c.want >= 0 {
				t.Errorf("%d and %d: %v; %v", c.first, c.second, err, h.Drops().Map())
			} else {
				checkDrops(t, h, drop.ReassemblyECN, 2)
			}
		} else if int(ms[0].TOS) != 0x20|c.want {
			t.Errorf("%d and %d make %#x", c.first, c.second, ms[0].TOS)
		}
		nothingHeld(t, h)
	}
}

func TestFragmentsOfIPv6MakeNoMoreThan65535Bytes(t *testing.T) {
	d := udp6(from6, own6, 9, 7, strings.Repeat("x", 65527))
	for _, hop := range []bool{false, true} {
		h, l := onCable6(t, Config{})
		s := h.open6(t, "[::]:7")
		for at := 0; at < len(d); at += 1440 {
			f := fragmentOf(1, 17, d, at, min(at+1440, len(d)), at+1440 < len(d))
			if hop {
				f = behindHop(f, option(1, 4))
			}
			l.deliver(f)
		}
		got := payloads(t, s)
		if want := 1; hop {
			if len(got) != 0 || h.Drops().Get(drop.ReassemblyTooLong) != 46 {
				t.Errorf("with options: %d received; %v", len(got), h.Drops().Map())
			}
		} else if len(got) != want || len(got[0]) != 65527 {
			t.Errorf("%d received; %v", len(got), h.Drops().Map())
		}
		nothingHeld(t, h)
	}
}

// RFC 8200, 4.5: after 60 s what came is dropped, and who sent the first fragment is told.
func TestFragmentsOfIPv6AreWaitedForAMinute(t *testing.T) {
	d := udp6(from6, own6, 9, 7, letters(240))
	h, l := onCable6(t, Config{})
	first := behindHop(fragmentOf(1, 17, d, 0, 128, true), option(1, 4))
	l.deliver(first)
	l.deliver(fragmentOf(2, 17, d, 128, 248, false)) // its first never comes
	h.clock.Advance(60*time.Second - time.Millisecond)
	expectAnswers(t, l, "too soon")
	h.clock.Advance(time.Millisecond)
	if got := expectAnswers(t, l, "after 60 s", "3/1 0"); len(got) == 1 && !bytes.Equal(got[0].body, first[wire.EthernetHeaderLen:]) {
		t.Errorf("quotes % x", got[0].body)
	}
	checkDrops(t, h, drop.ReassemblyTimeout, 2)
	nothingHeld(t, h)
}

// The table is one for both families: what is the oldest of both gives way.
func TestFragmentsOfBothFamiliesShareTheMemory(t *testing.T) {
	h, l := onCable6(t, Config{Limits: Limits{ReassemblyMemory: 20000}})
	d := udp6(from6, own6, 9, 7, letters(240))
	if err := h.eth0.AddAddress(netip.MustParsePrefix("10.0.0.2/24")); err != nil {
		t.Fatal(err)
	}
	for k := range 200 {
		l.deliver(fragmentOf(uint32(k), 17, d, 128, 248, false))
		deliverPieces(l, datagram{payload: letters(100)}, uint16(k+1), piece{48, 108, true})
		h.clock.Advance(time.Millisecond)
		if h.reassembly.used > 20000 {
			t.Fatalf("%d bytes are used", h.reassembly.used)
		}
	}
	four, six := 0, 0
	for key := range h.reassembly.known {
		if key.src.is4() {
			four++
		} else {
			six++
		}
	}
	if four < 2 || six < 2 || four-six > 1 || six-four > 1 {
		t.Errorf("%d of IPv4 and %d of IPv6 are held, want as many of each", four, six)
	}
	h.clock.Advance(time.Minute)
	nothingHeld(t, h)
}

// What is longer than the MTU leaves in fragments that make the whole again, with an
// identification that does not come back soon, and is never cut below 1280 bytes.
func TestDatagramsOfIPv6LeaveInFragments(t *testing.T) {
	a, b := pair6(t)
	s, r := a.open6(t, ""), b.open6(t, "[::]:7")
	for _, n := range []int{1452, 1453, 2000, 8000, 65527} {
		text := strings.Repeat("y", n)
		if _, err := s.TrySend([]socket.Message{message(text, "["+b.addr.String()+"]:7")}); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		a.clock.Advance(time.Second)
		if got := payloads(t, r); len(got) != 1 || got[0] != text {
			t.Errorf("%d bytes: %d received; %v, %v", n, len(got), a.Drops().Map(), b.Drops().Map())
		}
	}
	if _, err := s.TrySend([]socket.Message{message(strings.Repeat("y", 65528), "["+b.addr.String()+"]:7")}); err != syscall.EMSGSIZE {
		t.Errorf("65528 bytes: %v, want EMSGSIZE", err)
	}
	nothingHeld(t, b)

	// The longest is longer than what the loopback interface takes whole, and a group's
	// member here hears it too.
	own := a.open6(t, "[::]:8")
	if err := own.ChangeGroup(socket.JoinGroup, groupOn(h1, a.eth0)); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"::1", h1} {
		text := strings.Repeat("z", 65527)
		if _, err := s.TrySend([]socket.Message{message(text, "["+to+"]:8")}); err != nil {
			t.Fatalf("to %s: %v", to, err)
		}
		a.clock.Advance(time.Second)
		if got := payloads(t, own); len(got) != 1 || got[0] != text {
			t.Errorf("to %s: %d received; %v", to, len(got), a.Drops().Map())
		}
	}
	nothingHeld(t, a)

	h, l := onCable6(t, Config{})
	out := h.connected6(t, "", "["+from6+"]:9")
	seen := map[uint32]bool{}
	for range 2000 {
		if _, err := out.TrySend([]socket.Message{{Buf: make([]byte, 3000)}}); err != nil {
			t.Fatal(err)
		}
		ids := map[uint32]bool{}
		frames := l.take()
		for k, f := range frames {
			p, payload, err := wire.ParseIPv6(f[wire.EthernetHeaderLen:])
			if err != nil || p.NextHeader() != wire.ProtocolIPv6Fragment {
				t.Fatalf("sent % x", f)
			}
			fh, piece, _ := wire.ParseIPv6Fragment(payload)
			if len(f) > wire.EthernetHeaderLen+1500 || fh.MoreFragments() != (k < len(frames)-1) || fh.MoreFragments() && len(piece)%8 != 0 || fh.NextHeader() != wire.ProtocolUDP {
				t.Fatalf("sent % x", f[:70])
			}
			ids[fh.ID()] = true
		}
		if len(ids) != 1 || len(frames) != 3 {
			t.Fatalf("%d fragments with %d identifications", len(frames), len(ids))
		}
		for id := range ids {
			if seen[id] {
				t.Fatalf("the identification %d comes back", id)
			}
			seen[id] = true
		}
	}
}

func TestPermute32IsAPermutation(t *testing.T) {
	seen := map[uint32]bool{}
	steps := map[uint32]int{}
	last := uint32(0)
	for n := range uint32(100000) {
		x := permute32(n, 0x1234567890abcdef)
		if seen[x] {
			t.Fatalf("%d comes twice", x)
		}
		seen[x] = true
		steps[x-last]++
		last = x
	}
	for step, n := range steps {
		if n > 5 {
			t.Errorf("the next is %d more %d times", step, n)
		}
	}
}

// tooBig6 is a packet too big message about a datagram of ours.
func tooBig6(mtu uint32, dst netip.AddrPort, from uint16) []byte {
	return errorFrame6("2001:db8::1", wire.ICMPv6PacketTooBig, 0, mtu, netip.AddrPortFrom(netip.MustParseAddr(own6), from), dst, "x")
}

// RFC 8201, and Linux's __ip6_rt_update_pmtu.
func TestRFC8201_PathMTU(t *testing.T) {
	h, l := onCable6(t, Config{})
	them := netip.MustParseAddrPort("[" + from6 + "]:9")
	s := h.connected6(t, "["+own6+"]:7", them.String())
	mtu := func(want int) {
		t.Helper()
		if got, err := s.Option(socket.PathMTU); err != nil || got != want {
			t.Errorf("the path's MTU is %d, %v; want %d", got, err, want)
		}
	}
	mtu(1500)
	for _, c := range []struct {
		what  string
		frame []byte
	}{
		{"less than every link carries", tooBig6(1279, them, 7)},
		{"no less than is known", tooBig6(1500, them, 7)},
		{"about another socket's datagram", tooBig6(1300, them, 8)},
		{"about one to another peer", tooBig6(1300, netip.MustParseAddrPort("["+from6+"]:10"), 7)},
		{"about one to another host", tooBig6(1300, netip.MustParseAddrPort("[2001:db8::8]:9"), 7)},
	} {
		l.deliver(c.frame)
		if mtu(1500); t.Failed() {
			t.Fatal(c.what)
		}
		s.Option(socket.Error)
	}
	l.deliver(tooBig6(1400, them, 7))
	mtu(1400)
	if got, _ := s.Option(socket.Error); syscall.Errno(got) != syscall.EMSGSIZE {
		t.Errorf("%v, want EMSGSIZE", syscall.Errno(got))
	}
	l.deliver(tooBig6(1450, them, 7)) // it does not grow
	mtu(1400)
	l.deliver(tooBig6(1280, them, 7))
	mtu(1280)
	s.Option(socket.Error)
	sent := func(d socket.Discovery, n int, want error, frames ...int) {
		t.Helper()
		setOption(t, s, socket.MTUDiscovery, int(d))
		l.take()
		if _, err := s.TrySend([]socket.Message{{Buf: make([]byte, n)}}); err != want {
			t.Errorf("%v of %d: %v, want %v", d, n, err, want)
		}
		var got []int
		for _, f := range l.take() {
			got = append(got, len(f)-wire.EthernetHeaderLen)
		}
		if !slices.Equal(got, frames) {
			t.Errorf("%v of %d: packets of %v, want %v", d, n, got, frames)
		}
	}
	for _, d := range []socket.Discovery{socket.DiscoveryOff, socket.DiscoveryWant} {
		sent(d, 1232, nil, 1280)
		sent(d, 1233, nil, 1280, 57)
	}
	sent(socket.DiscoveryOn, 1232, nil, 1280)
	sent(socket.DiscoveryOn, 1233, syscall.EMSGSIZE)
	for _, d := range []socket.Discovery{socket.DiscoveryProbe, socket.DiscoveryInterface} {
		sent(d, 1452, nil, 1500)
		sent(d, 1453, syscall.EMSGSIZE)
	}
	sent(socket.DiscoveryOmit, 1453, nil, 1496, 61)
	h.clock.Advance(10*time.Minute + time.Second)
	mtu(1500)

	// Who does not want to hear of it does not believe it.
	for _, d := range []socket.Discovery{socket.DiscoveryInterface, socket.DiscoveryOmit} {
		setOption(t, s, socket.MTUDiscovery, int(d))
		l.deliver(tooBig6(1300, them, 7))
		mtu(1500)
		if got, _ := s.Option(socket.Error); got != 0 {
			t.Errorf("%v: %v", d, syscall.Errno(got))
		}
	}
	checkLedger(t, h)
}

func TestTooLongOfIPv6IsInTheErrorQueue(t *testing.T) {
	h, _ := onCable6(t, Config{})
	s := h.open6(t, "")
	setOption(t, s, socket.ReceiveErrors, 1)
	setOption(t, s, socket.MTUDiscovery, int(socket.DiscoveryOn))
	to := "[" + from6 + "]:9"
	if _, err := s.TrySend([]socket.Message{message(strings.Repeat("x", 1453), to)}); err != syscall.EMSGSIZE {
		t.Fatalf("%v, want EMSGSIZE", err)
	}
	m := socket.ErrorMessage{Buf: make([]byte, 10)}
	if err := s.TryRecvError(&m); err != nil || m.Origin != socket.OriginLocal || m.Info != 1500 || m.Addr.String() != to || m.Errno != syscall.EMSGSIZE {
		t.Errorf("%+v, %v", m, err)
	}
	checkLedger(t, h)
}
