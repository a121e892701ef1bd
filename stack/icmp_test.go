package stack

import (
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

const portUnreachable = "10.0.0.2 > 10.0.0.9 ICMP port unreachable [10.0.0.9:9 > 10.0.0.2:7 UDP]"

// known returns a host on a cable that knows the station 10.0.0.9.
func known(t testing.TB, c Config) (*host, *cable) {
	t.Helper()
	h, l := onCable(t, c)
	if err := h.eth0.AddNeighbor(netip.MustParseAddr("10.0.0.9"), macPeer); err != nil {
		t.Fatal(err)
	}
	return h, l
}

func TestClosedPortIsAnswered(t *testing.T) {
	h, l := known(t, Config{})
	l.deliver(datagram{payload: "x"}.frame())
	l.expect(t, "closed", portUnreachable)
	l.deliver(datagram{payload: "x", noChecksum: true, options: []byte{7, 7, 4, 0, 0, 0, 0, 0}}.frame())
	l.expect(t, "with options", portUnreachable)
	checkDrops(t, h, drop.NoPort, 2)
	checkLedger(t, h)
}

// RFC 1122, 3.2.2: what must not be answered by an error message.
func TestWhatIsNotAnswered(t *testing.T) {
	quoted := datagram{payload: "x", bare: true, src: "10.0.0.2:7", dst: "10.0.0.9:9"}.frame()
	icmp := func(t wire.ICMPType, code wire.ICMPCode, body []byte) datagram {
		return datagram{protocol: wire.ProtocolICMP, payload: icmpBody(t, code, [4]byte{}, body)}
	}
	for _, c := range []struct {
		what   string
		in     datagram
		reason drop.Reason
	}{
		{"to a subnet's broadcast address", datagram{dst: "10.0.0.255:7"}, drop.NoPort},
		{"to the limited broadcast address", datagram{dst: "255.255.255.255:7", to: wire.Broadcast}, drop.NoPort},
		{"from nobody to everybody", datagram{src: "0.0.0.0:9", dst: "255.255.255.255:7", to: wire.Broadcast}, drop.NoPort},
		{"in a broadcast frame", datagram{to: wire.Broadcast}, drop.NoPort},
		{"in a group's frame", datagram{to: allHosts}, drop.NoPort},
		{"to all hosts", datagram{dst: "224.0.0.1:7", to: allHosts}, drop.NoPort},
		{"a wrong checksum", datagram{badSum: true}, drop.BadChecksum},
		{"a UDP length too long", datagram{udpLenDelta: 1}, drop.DatagramMalformed},
		{"a UDP length too short", datagram{udpLenDelta: -1}, drop.DatagramMalformed},
		{"a UDP header cut short", datagram{protocol: wire.ProtocolUDP, payload: "1234567"}, drop.DatagramMalformed},
		{"another protocol to many", datagram{protocol: 89, dst: "10.0.0.255:7"}, drop.UnknownProtocol},
		{"an error message to a socket that is not there", icmp(wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable, quoted), drop.ICMPUnmatched},
		{"an error message about an error", icmp(wire.ICMPTimeExceeded, 0, datagram{bare: true, protocol: wire.ProtocolICMP, src: "10.0.0.2:0", dst: "10.0.0.9:0",
			payload: icmpBody(wire.ICMPTimeExceeded, 0, [4]byte{}, make([]byte, 20))}.frame()), drop.ICMPUnmatched},
		{"an error message about another protocol", icmp(wire.ICMPTimeExceeded, 0,
			datagram{bare: true, protocol: 6, src: "10.0.0.2:0", dst: "10.0.0.9:0", payload: "12345678"}.frame()), drop.ICMPUnmatched},
		{"an error message that quotes nothing", icmp(wire.ICMPTimeExceeded, 0, nil), drop.DatagramMalformed},
		{"an error message that quotes too little", icmp(wire.ICMPTimeExceeded, 0, quoted[:23]), drop.DatagramMalformed},
		{"an error message about a host's that is not us", icmp(wire.ICMPTimeExceeded, 0,
			datagram{bare: true, src: "10.0.0.3:7", dst: "10.0.0.9:9"}.frame()), drop.ICMPUnmatched},
		{"a redirect", icmp(wire.ICMPRedirect, 1, quoted), drop.ICMPUnsupported},
		{"a timestamp request", icmp(13, 0, make([]byte, 12)), drop.ICMPUnsupported},
		{"a router advertisement", icmp(9, 0, make([]byte, 12)), drop.ICMPUnsupported},
		{"an ICMP message cut short", datagram{protocol: wire.ProtocolICMP, payload: "\x08\x00\x00"}, drop.DatagramMalformed},
	} {
		t.Run(c.what, func(t *testing.T) {
			h, l := known(t, Config{})
			l.deliver(c.in.frame())
			checkDrops(t, h, c.reason, 1)
			l.expect(t, c.what)
			checkLedger(t, h)
		})
	}
}

func TestUnknownProtocolIsAnswered(t *testing.T) {
	h, l := known(t, Config{})
	l.deliver(datagram{protocol: 89, payload: "hello"}.frame())
	got := l.say()
	if len(got) != 1 || !strings.HasPrefix(got[0], "10.0.0.2 > 10.0.0.9 ICMP protocol unreachable") {
		t.Errorf("sent %q", got)
	}
	checkDrops(t, h, drop.UnknownProtocol, 1)
	checkLedger(t, h)
}

func TestPacketsThatContradictThemselves(t *testing.T) {
	good := datagram{payload: "x"}.frame()
	change := func(f func(b []byte) []byte) []byte { return f(append([]byte(nil), good...)) }
	ip := wire.EthernetHeaderLen
	for _, c := range []struct {
		what   string
		frame  []byte
		reason drop.Reason
	}{
		{"an empty frame", []byte{}, drop.FrameMalformed},
		{"a frame of 13 bytes", good[:13], drop.FrameMalformed},
		{"a frame with nothing in it", good[:14], drop.PacketMalformed},
		{"a header cut short", good[:14+19], drop.PacketMalformed},
		{"a packet cut short", good[:len(good)-1], drop.PacketMalformed},
		{"version 6 in an IPv4 frame", change(func(b []byte) []byte { b[ip] = 0x65; return b }), drop.PacketMalformed},
		{"a header of 16 bytes", change(func(b []byte) []byte { b[ip] = 0x44; return b }), drop.PacketMalformed},
		{"a header longer than the packet", change(func(b []byte) []byte { b[ip] = 0x4f; return b }), drop.PacketMalformed},
		{"a length below the header's", change(func(b []byte) []byte { b[ip+2], b[ip+3] = 0, 19; return b }), drop.PacketMalformed},
		{"a wrong header checksum", change(func(b []byte) []byte { b[ip+10] ^= 1; return b }), drop.BadChecksum},
		{"IPv6", change(func(b []byte) []byte { b[12], b[13] = 0x86, 0xdd; return b }), drop.PacketMalformed},
		{"LLC", change(func(b []byte) []byte { b[12], b[13] = 0, 46; return b }), drop.UnknownEtherType},
		{"an LLDP frame", change(func(b []byte) []byte { b[12], b[13] = 0x88, 0xcc; return b }), drop.UnknownEtherType},
		{"an 802.3 length", change(func(b []byte) []byte { b[12], b[13] = 0, 40; return b }), drop.UnknownEtherType},
	} {
		t.Run(c.what, func(t *testing.T) {
			h, l := known(t, Config{Forwarding: true})
			l.deliver(c.frame)
			checkDrops(t, h, c.reason, 1)
			l.expect(t, c.what)
			checkLedger(t, h)
		})
	}
}

// refusals counts the error messages that n closed-port datagrams from src bring.
func refusals(l *cable, src string, n int) int {
	f := datagram{src: src + ":9", payload: "x"}.frame()
	for range n {
		l.deliver(f)
	}
	return len(l.take())
}

func TestErrorsToOneDestinationAreLimited(t *testing.T) {
	h, l := known(t, Config{})
	if n := refusals(l, "10.0.0.9", 20); n != 6 {
		t.Errorf("%d at once, want 6", n)
	}
	h.clock.Advance(time.Second - 1)
	if n := refusals(l, "10.0.0.9", 20); n != 0 {
		t.Errorf("%d within a second, want none", n)
	}
	h.clock.Advance(1)
	if n := refusals(l, "10.0.0.9", 20); n != 1 {
		t.Errorf("%d after a second, want 1", n)
	}
	h.clock.Advance(2500 * time.Millisecond)
	if n := refusals(l, "10.0.0.9", 20); n != 2 {
		t.Errorf("%d after two and a half, want 2", n)
	}
	h.clock.Advance(500 * time.Millisecond) // the half is not lost
	if n := refusals(l, "10.0.0.9", 20); n != 1 {
		t.Errorf("%d after the other half, want 1", n)
	}
	h.clock.Advance(time.Hour)
	if n := refusals(l, "10.0.0.9", 20); n != 6 {
		t.Errorf("%d after an hour, want 6", n)
	}
	checkLedger(t, h)
}

func TestErrorsToAllAreLimited(t *testing.T) {
	h, l := onCable(t, Config{})
	station := func(k int) string { return fmt.Sprintf("10.0.0.%d", 100+k) }
	for k := range 100 {
		h.eth0.AddNeighbor(netip.MustParseAddr(station(k)), macPeer)
	}
	all := func(each int) (n int) {
		for k := range 100 {
			n += refusals(l, station(k), each)
		}
		return n
	}
	if n := all(1); n != 50 {
		t.Errorf("%d at once, want 50", n)
	}
	h.clock.Advance(10 * time.Millisecond)
	if n := all(1); n != 10 {
		t.Errorf("%d after 10 ms, want 10", n)
	}
	// Who was refused by the limit of all has not used up its own.
	h.clock.Advance(time.Second)
	if n := refusals(l, station(99), 20); n != 6 {
		t.Errorf("%d to one of those refused, want 6", n)
	}
	h.clock.Advance(time.Second)
	if n := all(1); n != 50 {
		t.Errorf("%d after a second, want 50", n)
	}
	checkLedger(t, h)
}

func TestTheTableOfErrorDestinationsIsBounded(t *testing.T) {
	h, l := onCable(t, Config{Limits: Limits{ErrorDestinations: 4}})
	station := func(k int) string { return fmt.Sprintf("10.0.0.%d", 100+k) }
	for k := range 40 {
		h.eth0.AddNeighbor(netip.MustParseAddr(station(k)), macPeer)
	}
	limited := func(when string, k, want int) {
		t.Helper()
		if n := refusals(l, station(k), 20); n != want {
			t.Errorf("%s: station %d got %d, want %d", when, k, n, want)
		}
		if n := len(h.errorLimit.each); n > 4 {
			t.Fatalf("%d destinations are remembered", n)
		}
		h.clock.Advance(20 * time.Millisecond) // for the limit of all
	}
	for k := range 4 {
		limited("remembered", k, 6)
	}
	limited("again", 0, 0)
	limited("no room: only the limit of all holds", 10, 20)
	h.clock.Advance(7 * time.Second) // the four have filled up again
	for k := 20; k < 24; k++ {
		limited("later", k, 6)
	}
	limited("later, again", 20, 0)
	checkLedger(t, h)
}

func TestWhatIsNotLimited(t *testing.T) {
	h, l0, l1 := newRouter(t, Config{})
	// On the host itself.
	s := h.connected(t, "", "127.0.0.1:9")
	for range 100 {
		send(t, s, "x", "")
		if err := s.takeError(); err != syscall.ECONNREFUSED {
			t.Fatalf("%v, want ECONNREFUSED", err)
		}
	}
	// Fragmentation needed, or path MTU discovery would hang.
	l1.mtu = 1000
	f := across(datagram{payload: strings.Repeat("m", 1200), dontFrag: true}).frame()
	for range 100 {
		l0.deliver(f)
	}
	if n := len(l0.take()); n != 100 {
		t.Errorf("%d of 100 were told the MTU", n)
	}
	checkLedger(t, h)
}

// errorAbout returns an ICMP error from offender about a datagram.
func errorAbout(offender string, typ wire.ICMPType, code wire.ICMPCode, src, dst string) []byte {
	q := datagram{bare: true, src: src, dst: dst, payload: "x"}.frame()
	return datagram{src: offender + ":0", protocol: wire.ProtocolICMP, payload: icmpBody(typ, code, [4]byte{}, q)}.frame()
}

func TestErrorsReachTheConnectedSocketOnly(t *testing.T) {
	h, l := known(t, Config{})
	open := func(bind, peer string) *Socket {
		s := h.open(t, "")
		setOption(t, s, socket.ReuseAddr, 1)
		if err := s.Bind(netip.MustParseAddrPort(bind)); err != nil {
			t.Fatal(err)
		}
		if peer != "" {
			if err := s.Connect(netip.MustParseAddrPort(peer)); err != nil {
				t.Fatal(err)
			}
		}
		return s
	}
	a, b := open("10.0.0.2:7", "10.0.0.9:9"), open("0.0.0.0:7", "10.0.0.9:9")
	elsewhere, bound := open("10.0.0.2:7", "10.0.0.9:10"), open("10.0.0.2:7", "")
	l.deliver(errorAbout("10.0.0.9", wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable, "10.0.0.2:7", "10.0.0.9:9"))
	// Of two that are connected alike it is for the one that hears the peer.
	if e, err := b.Option(socket.Error); syscall.Errno(e) != syscall.ECONNREFUSED || err != nil {
		t.Errorf("the socket connected there: %d, %v", e, err)
	}
	for _, s := range []*Socket{a, elsewhere, bound} {
		if e, _ := s.Option(socket.Error); e != 0 {
			t.Errorf("another socket was told %v", syscall.Errno(e))
		}
	}
	// An unconnected socket's datagram: the message is read, nobody is told.
	l.deliver(errorAbout("10.0.0.9", wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable, "10.0.0.2:7", "10.0.0.77:9"))
	checkDrops(t, h, drop.ICMPUnmatched, 0)
	if c := h.Ledger().Consumed; c != 2 {
		t.Errorf("%d messages were read, want 2", c)
	}
	checkLedger(t, h)
}

// An error between the datagrams of a batch is neither lost nor taken for one of
// a datagram that was sent.
func TestAnErrorInTheMiddleOfABatch(t *testing.T) {
	for _, at := range []int{1, 5, 31, 32, 33, 70} {
		h, l := known(t, Config{})
		s := h.connected(t, "10.0.0.2:7", "10.0.0.9:9")
		n := 0
		l.onSent = func([]byte) {
			if n++; n == at {
				l.deliver(errorAbout("10.0.0.9", wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable, "10.0.0.2:7", "10.0.0.9:9"))
			}
		}
		var ms []socket.Message
		for range 100 {
			ms = append(ms, message("x", ""))
		}
		sent, err := s.TrySend(ms)
		if err != nil || sent != len(l.take()) {
			t.Fatalf("at %d: %d, %v", at, sent, err)
		}
		if sent < at || sent >= 100 {
			t.Errorf("at %d: %d were sent: the batch should end where the error is known", at, sent)
		}
		if k, err := s.TrySend(ms[sent:]); k != 0 || err != syscall.ECONNREFUSED {
			t.Errorf("at %d: the next call: %d, %v, want ECONNREFUSED", at, k, err)
		}
		if k, err := s.TrySend(ms[sent:]); k != 100-sent || err != nil {
			t.Errorf("at %d: the call after it: %d, %v", at, k, err)
		}
		checkLedger(t, h)
	}
}

// Marks that say that nobody can have corrupted a packet save the sums.
func TestChecksumsThatALinkVouchesFor(t *testing.T) {
	h, l := known(t, Config{})
	s := h.open(t, "0.0.0.0:7")
	for _, vouched := range []bool{false, true} {
		b := newBuffer(datagram{payload: "x", badSum: true}.frame())
		if vouched {
			b.Flags |= packet.ChecksumValid
		}
		l.sink.Deliver(0, b.Single())
	}
	if got := payloads(t, s); len(got) != 1 {
		t.Errorf("received %q", got)
	}
	checkDrops(t, h, drop.BadChecksum, 1)
	checkLedger(t, h)
}

// About which ICMP messages a router that drops them may send errors.
func TestICMPErrorsAboutICMP(t *testing.T) {
	for typ := range 256 {
		h, l0, _ := newRouter(t, Config{})
		l0.deliver(datagram{src: "10.0.0.9:0", dst: "10.1.0.9:0", ttl: 1, protocol: wire.ProtocolICMP,
			payload: icmpBody(wire.ICMPType(typ), 0, [4]byte{}, make([]byte, 28))}.frame())
		want := 0
		if typ == 0 || typ == 8 || typ >= 13 && typ <= 18 {
			want = 1
		}
		if got := len(l0.take()); got != want {
			t.Errorf("%d errors about type %d, want %d", got, typ, want)
		}
		checkLedger(t, h)
		h.Close()
	}
}
