package stack

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// icmpAbout returns an ICMP error from a router about a datagram of the host's.
func icmpAbout(from, src, dst string, t wire.ICMPType, code wire.ICMPCode, rest [4]byte, payload string) []byte {
	quote := datagram{bare: true, src: src, dst: dst, payload: payload}.frame()
	return datagram{src: from + ":0", dst: "10.0.0.2:0", protocol: wire.ProtocolICMP,
		payload: icmpBody(t, code, rest, quote)}.frame()
}

// narrower says that the path from a socket to dst has an MTU of n.
func narrower(s *Socket, dst string, n int) []byte {
	src := netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), s.LocalAddr().Port()).String()
	return icmpAbout("10.0.0.254", src, dst, wire.ICMPDestinationUnreachable, wire.ICMPFragmentationNeeded,
		[4]byte{0, 0, byte(n >> 8), byte(n)}, "x")
}

func pathMTUOf(t testing.TB, h *host, peer string) int {
	t.Helper()
	s := h.connected(t, "", peer)
	defer s.Close()
	n, err := s.Option(socket.PathMTU)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// What is learned is forgotten after ten minutes, and less than half of it need be
// left for it to be refreshed.
func TestPathMTUExpires(t *testing.T) {
	h, l := known(t, Config{})
	s := h.open(t, "10.0.0.2:7")
	check := func(when string, want int) {
		t.Helper()
		if got := pathMTUOf(t, h, "10.0.0.9:9"); got != want {
			t.Errorf("%s: the path MTU is %d, want %d", when, got, want)
		}
	}
	check("at first", 1500)
	l.deliver(narrower(s, "10.0.0.9:9", 1000))
	check("learned", 1000)
	h.clock.Advance(4 * time.Minute)
	l.deliver(narrower(s, "10.0.0.9:9", 1000)) // too early to count
	h.clock.Advance(6*time.Minute - time.Second)
	check("a second before it is forgotten", 1000)
	h.clock.Advance(time.Second)
	check("forgotten", 1500)
	l.deliver(narrower(s, "10.0.0.9:9", 1000))
	h.clock.Advance(6 * time.Minute)
	l.deliver(narrower(s, "10.0.0.9:9", 1000))
	h.clock.Advance(10*time.Minute - time.Second)
	check("refreshed", 1000)
	h.clock.Advance(time.Second)
	check("forgotten again", 1500)
	if d, ok := h.NextDeadline(); ok {
		t.Errorf("a timer is left, for %v", d)
	}
	checkLedger(t, h)
}

// The path that a socket keeps notices what is learned and what is forgotten.
func TestPathMTUReachesCachedPaths(t *testing.T) {
	h, l := known(t, Config{})
	s := h.connected(t, "10.0.0.2:7", "10.0.0.9:9")
	other := h.open(t, "10.0.0.2:8")
	setOption(t, s, socket.DontFragment, 1)
	setOption(t, other, socket.DontFragment, 1)
	for _, x := range []struct {
		when string
		mtu  int
		do   func()
	}{
		{"at first", 1500, func() {}},
		{"learned", 1200, func() { l.deliver(narrower(other, "10.0.0.9:9", 1200)) }},
		{"learned less", 600, func() { l.deliver(narrower(other, "10.0.0.9:9", 600)) }},
		{"a smaller interface", 580, func() {
			if err := h.eth0.SetMTU(580); err != nil {
				t.Fatal(err)
			}
		}},
		{"a larger one again", 1500, func() { h.eth0.SetMTU(0) }},
		{"learned again", 1200, func() { l.deliver(narrower(other, "10.0.0.9:9", 1200)) }},
		{"forgotten", 1500, func() { h.clock.Advance(11 * time.Minute) }},
		{"learned the third time", 1200, func() { l.deliver(narrower(other, "10.0.0.9:9", 1200)) }},
		{"reconfigured", 1500, func() { h.route(t, "10.7.0.0/16 via 10.0.0.9") }},
	} {
		x.do()
		for _, c := range []struct {
			s  *Socket
			to string
		}{{s, ""}, {other, "10.0.0.9:9"}} {
			fits := strings.Repeat("x", x.mtu-28)
			if err := try(c.s, fits+"x", c.to); err != syscall.EMSGSIZE {
				t.Errorf("%s: a byte over %d: %v, want EMSGSIZE", x.when, x.mtu, err)
			}
			if err := try(c.s, fits, c.to); err != nil {
				t.Errorf("%s: %d bytes: %v", x.when, x.mtu, err)
			}
		}
	}
	checkLedger(t, h)
}

// The table is bounded; what would be forgotten first makes room.
func TestPathMTUTableIsBounded(t *testing.T) {
	const limit = 10
	h, l := known(t, Config{Limits: Limits{PathMTUs: limit}})
	s := h.open(t, "10.0.0.2:7")
	dst := func(k int) string { return fmt.Sprintf("10.0.0.%d:9", 100+k) }
	for k := range 3 * limit {
		l.deliver(narrower(s, dst(k), 1000+k))
		h.clock.Advance(time.Second)
		if n := int(h.pathMTUs.size.Load()); n != min(k+1, limit) || n != len(h.pathMTUs.known) {
			t.Fatalf("after %d there are %d entries (%d in the table), want at most %d", k+1, n, len(h.pathMTUs.known), limit)
		}
	}
	for k := range 3 * limit {
		want := 1500
		if k >= 2*limit {
			want = 1000 + k
		}
		if got := pathMTUOf(t, h, dst(k)); got != want {
			t.Errorf("the path to %s has %d, want %d", dst(k), got, want)
		}
	}
	// Each in its turn.
	h.clock.Advance(10*time.Minute - limit*time.Second)
	for k := range limit {
		if n := int(h.pathMTUs.size.Load()); n != limit-1-k {
			t.Errorf("%d entries are left, want %d", n, limit-1-k)
		}
		h.clock.Advance(time.Second)
	}
	if h.pathMTUs.first != nil || h.pathMTUs.last != nil {
		t.Error("the list is not empty")
	}
}

// What cannot be a path has none.
func TestPathMTUNotLearned(t *testing.T) {
	h, l := known(t, Config{})
	s := h.open(t, "0.0.0.0:7")
	setOption(t, s, socket.Broadcast, 1)
	for what, frame := range map[string][]byte{
		"to the host itself":               narrower(s, "10.0.0.2:7", 1000),
		"by the loopback interface":        narrower(s, "127.0.0.1:7", 1000),
		"to everybody":                     narrower(s, "255.255.255.255:9", 1000),
		"to everybody on the link":         narrower(s, "10.0.0.255:9", 1000),
		"to a group":                       narrower(s, "239.1.2.3:9", 1000),
		"to where there is no way":         narrower(s, "203.0.113.1:9", 1000),
		"from another port":                icmpAbout("10.0.0.254", "10.0.0.2:6", "10.0.0.9:9", wire.ICMPDestinationUnreachable, 4, [4]byte{0, 0, 3, 0}, "x"),
		"from another host":                icmpAbout("10.0.0.254", "10.0.0.3:7", "10.0.0.9:9", wire.ICMPDestinationUnreachable, 4, [4]byte{0, 0, 3, 0}, "x"),
		"by another code":                  icmpAbout("10.0.0.254", "10.0.0.2:7", "10.0.0.9:9", wire.ICMPDestinationUnreachable, 1, [4]byte{0, 0, 3, 0}, "x"),
		"by another type":                  icmpAbout("10.0.0.254", "10.0.0.2:7", "10.0.0.9:9", wire.ICMPTimeExceeded, 4, [4]byte{0, 0, 3, 0}, "x"),
		"more than the interface's":        narrower(s, "10.0.0.9:9", 1501),
		"as much as the interface's":       narrower(s, "10.0.0.9:9", 1500),
		"of a fragment that has no header": notFirst(narrower(s, "10.0.0.9:9", 1000)),
	} {
		l.deliver(frame)
		if n := h.pathMTUs.size.Load(); n != 0 {
			t.Errorf("%s: learned %v", what, h.pathMTUs.first)
			h.pathMTUs.clear()
		}
	}
	l.take()
	checkLedger(t, h)
}

// notFirst makes the packet that is quoted in a frame a fragment that is not the
// first.
func notFirst(frame []byte) []byte {
	const at = wire.EthernetHeaderLen + wire.IPv4HeaderLen
	q := (*wire.IPv4Header)(frame[at+wire.ICMPHeaderLen:])
	q.SetFragmentOffset(8)
	m := (*wire.ICMPHeader)(frame[at:])
	m.UpdateChecksum(frame[at+wire.ICMPHeaderLen:])
	return frame
}

// A router's table of path MTUs is for what it sends itself: what it forwards goes
// by the interface's (Linux's ip_forward_use_pmtu).
func TestForwardingHeedsNoPathMTU(t *testing.T) {
	h, l0, l1 := newRouter(t, Config{})
	s := h.open(t, "0.0.0.0:7")
	l0.deliver(narrower(s, "10.1.0.9:9", 1000))
	if n := h.pathMTUs.size.Load(); n != 1 {
		t.Fatalf("%d paths are known, want 1", n)
	}
	l0.take()
	l1.take()
	l0.deliver(datagram{dst: "10.1.0.9:9", payload: strings.Repeat("x", 1400), dontFrag: true}.frame())
	if got := l1.take(); len(got) != 1 {
		t.Errorf("a datagram over the path MTU: %d frames were forwarded, want it whole", len(got))
	}
	checkDrops(t, h, drop.PacketTooBig, 0)
}

func TestSetMTU(t *testing.T) {
	h, _ := known(t, Config{})
	for mtu, ok := range map[int]bool{-1: false, 1: false, 67: false, 68: true, 1500: true, 1501: false, 0: true} {
		if err := h.eth0.SetMTU(mtu); (err == nil) != ok {
			t.Errorf("SetMTU(%d): %v", mtu, err)
		}
	}
	h.eth0.SetMTU(700)
	list, _ := h.Interfaces()
	if h.eth0.MTU() != 700 || list[1].MTU != 700 || pathMTUOf(t, h, "10.0.0.9:9") != 700 {
		t.Errorf("the MTU is %d, in the list %d", h.eth0.MTU(), list[1].MTU)
	}
	if err := h.RemoveInterface("eth0"); err != nil {
		t.Fatal(err)
	}
	if err := h.eth0.SetMTU(1000); err == nil {
		t.Error("an interface that was removed has been given an MTU")
	}
}

// Forged messages about ever other destinations keep nobody from sending: the state
// is published at a bounded rate, and in the end.
func TestPathMTUFlood(t *testing.T) {
	h, l := known(t, Config{})
	s := h.open(t, "0.0.0.0:7")
	other := h.connected(t, "10.0.0.2:8", "10.0.0.9:9")
	setOption(t, other, socket.DontFragment, 1)
	send(t, other, "x", "")
	neighbors := len(h.Neighbors())
	published := 0
	last := h.state.Load()
	for k := range 1000 {
		l.deliver(narrower(s, fmt.Sprintf("10.0.%d.%d:9", k>>8, k&255), 1000))
		l.deliver(narrower(s, fmt.Sprintf("10.0.0.%d:9", 10+k&127), 999-k/128))
		if st := h.state.Load(); st != last {
			published++
			last = st
		}
	}
	if published > publicationBurst {
		t.Errorf("the state was published %d times in an instant", published)
	}
	if n := len(h.Neighbors()); n != neighbors || h.neighbors.count != neighbors {
		t.Errorf("there are %d neighbours, and there were %d", n, neighbors)
	}
	l.deliver(narrower(s, "10.0.0.9:9", 600))
	h.clock.Advance(publicationInterval)
	if err := try(other, strings.Repeat("x", 573), ""); err != syscall.EMSGSIZE {
		t.Errorf("a byte over the path MTU: %v, want EMSGSIZE", err)
	}
	h.clock.Advance(time.Hour)
	if n := h.pathMTUs.size.Load(); n != 0 {
		t.Errorf("%d paths are known after an hour", n)
	}
	checkLedger(t, h)
}
