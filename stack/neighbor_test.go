package stack

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

const (
	whoHas9     = "ARP who has 10.0.0.9? tell 10.0.0.2"
	reachable9  = "eth0 10.0.0.9 reachable 02:00:00:00:00:0b"
	stale9      = "eth0 10.0.0.9 stale 02:00:00:00:00:0b"
	delay9      = "eth0 10.0.0.9 delay 02:00:00:00:00:0b"
	probe9      = "eth0 10.0.0.9 probe 02:00:00:00:00:0b"
	failed9     = "eth0 10.0.0.9 failed"
	incomplete9 = "eth0 10.0.0.9 incomplete"
)

// sentPayloads returns the payloads of the UDP datagrams sent since the last look,
// and checks that all went to the station.
func sentPayloads(t testing.TB, l *cable, to wire.MAC) (list []string) {
	t.Helper()
	for _, f := range l.take() {
		e, payload, err := wire.ParseEthernet(f)
		if err != nil || e.Type() != wire.EtherTypeIPv4 {
			continue
		}
		if e.Destination() != to {
			t.Errorf("a frame went to %v, want %v", e.Destination(), to)
		}
		if _, _, p, err := wire.ParseIPv4(payload); err == nil {
			if _, data, err := wire.ParseUDP(p); err == nil {
				list = append(list, string(data))
			}
		}
	}
	return list
}

func TestPacketsWaitForTheirNeighbourInOrder(t *testing.T) {
	h, l := onCable(t, Config{})
	s1, s2 := h.open(t, ""), h.open(t, "")
	var want []string
	for n := range 20 {
		p := fmt.Sprint("p", n)
		want = append(want, p)
		send(t, []*Socket{s1, s2}[n%2], p, "10.0.0.9:9")
	}
	ms := make([]socket.Message, 20) // a batch waits as well
	for n := range ms {
		p := fmt.Sprint("b", n)
		want = append(want, p)
		ms[n] = message(p, "10.0.0.9:9")
	}
	if n, err := s1.TrySend(ms); n != len(ms) || err != nil {
		t.Fatal(n, err)
	}
	l.expect(t, "one question for all", whoHas9)
	if held := h.Ledger().Held; held != 40 {
		t.Errorf("%d packets are held, want 40", held)
	}
	checkLedger(t, h)
	l.deliver(arpReply(macPeer, "10.0.0.9", "10.0.0.2"))
	if got := sentPayloads(t, l, macPeer); !reflect.DeepEqual(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
	send(t, s1, "after", "10.0.0.9:9")
	if got := sentPayloads(t, l, macPeer); len(got) != 1 || got[0] != "after" {
		t.Errorf("after the answer %q was sent", got)
	}
	if st := h.eth0.Stats(); st.SentPackets != 42 || h.Ledger().Sent != 42 {
		t.Errorf("%d packets were counted as sent, want 42", st.SentPackets)
	}
	checkLedger(t, h)
}

// What is sent while those that waited are on their way does not overtake them.
func TestWhatWaitedIsNotOvertaken(t *testing.T) {
	for _, test := range []struct {
		name    string
		resolve func(h *host, l *cable)
	}{
		{"answer", func(_ *host, l *cable) { l.deliver(arpReply(macPeer, "10.0.0.9", "10.0.0.2")) }},
		{"question", func(_ *host, l *cable) { l.deliver(arpRequest(macPeer, "10.0.0.9", "10.0.0.2")) }},
		{"by hand", func(h *host, _ *cable) { h.eth0.AddNeighbor(netip.MustParseAddr("10.0.0.9"), macPeer) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			h, l := onCable(t, Config{Limits: Limits{NeighborQueue: 50}})
			s := h.open(t, "")
			var want []string
			next := func() {
				p := fmt.Sprint("p", len(want))
				want = append(want, p)
				send(t, s, p, "10.0.0.9:9")
			}
			for range 3 {
				next()
			}
			l.take()
			l.onSent = func([]byte) {
				if len(want) < 20 {
					next()
				}
			}
			test.resolve(h, l)
			if got := sentPayloads(t, l, macPeer); !reflect.DeepEqual(got, want) {
				t.Errorf("sent %q, want %q", got, want)
			}
			l.onSent = nil
			next()
			if got := sentPayloads(t, l, macPeer); !reflect.DeepEqual(got, want[len(want)-1:]) {
				t.Errorf("then sent %q, want %q", got, want[len(want)-1:])
			}
			checkLedger(t, h)
			if h.Ledger().Held != 0 {
				t.Errorf("%d packets are held", h.Ledger().Held)
			}
		})
	}
}

// A sender that never lets the queue become empty neither holds up who sends what
// waited nor loses anything.
func TestASenderFasterThanItsQueue(t *testing.T) {
	const limit = 10
	h, l := onCable(t, Config{Limits: Limits{NeighborQueue: limit}})
	s := h.open(t, "")
	for n := range limit {
		send(t, s, fmt.Sprint("p", n), "10.0.0.9:9")
	}
	l.take()
	const most = 3000
	sent, depth := limit, 0
	l.onSent = func([]byte) {
		if depth++; depth == 1 || depth == 2 { // two more for each that leaves
			for k := 0; k < 2 && sent < most; k++ {
				sent++
				send(t, s, fmt.Sprint("p", sent), "10.0.0.9:9")
			}
		}
		depth--
	}
	l.deliver(arpReply(macPeer, "10.0.0.9", "10.0.0.2"))
	l.onSent = nil
	if got := len(sentPayloads(t, l, macPeer)); got != sent || sent <= limit*maxDrains {
		t.Errorf("%d of %d datagrams left", got, sent)
	}
	if got := h.neighbors.sorted(nil)[0]; got.draining || got.word.Load() != macWord(macPeer)|usable {
		t.Errorf("the neighbour is not used as it should be: %+v", got)
	}
	checkDrops(t, h, drop.NeighborQueueFull, 0)
	checkLedger(t, h)
}

func TestThreeProbesASecondApartThenUnreachable(t *testing.T) {
	h, l := onCable(t, Config{})
	s := h.open(t, "")
	send(t, s, "1", "10.0.0.9:9")
	send(t, s, "2", "10.0.0.9:9")
	for n := range 3 {
		l.expect(t, fmt.Sprintf("probe %d", n+1), whoHas9)
		checkNeighbors(t, h, "asking", incomplete9)
		h.clock.Advance(999 * time.Millisecond)
		l.expect(t, "not yet a second")
		checkDrops(t, h, drop.NeighborUnreachable, 0)
		if n == 1 {
			send(t, s, "3", "10.0.0.9:9") // a packet meanwhile neither asks nor delays
			l.expect(t, "a further packet")
		}
		h.clock.Advance(time.Millisecond)
	}
	l.expect(t, "given up")
	checkDrops(t, h, drop.NeighborUnreachable, 3)
	checkNeighbors(t, h, "given up", failed9)
	if st := s.Stats(); st.Dropped[drop.NeighborUnreachable] != 3 || st.SendQueued != 0 {
		t.Errorf("the socket's counters: %+v", st)
	}
	if st := h.eth0.Stats(); st.Dropped[drop.NeighborUnreachable] != 3 {
		t.Errorf("the interface's counters: %+v", st)
	}
	if err := s.takeError(); err != nil {
		t.Errorf("a plain socket was told: %v", err)
	}
	h.clock.Advance(time.Hour)
	l.expect(t, "an hour later")
	if n := h.clock.Pending(); n != 0 {
		t.Errorf("%d timers are left", n)
	}

	// The next packet asks anew.
	send(t, s, "4", "10.0.0.9:9")
	l.expect(t, "asked anew", whoHas9)
	l.deliver(arpReply(macPeer, "10.0.0.9", "10.0.0.2"))
	if got := sentPayloads(t, l, macPeer); len(got) != 1 || got[0] != "4" {
		t.Errorf("sent %q, want only what was sent after the failure", got)
	}
	checkLedger(t, h)
}

func TestAnAnswerAtTheLastMoment(t *testing.T) {
	h, l := onCable(t, Config{})
	send(t, h.open(t, ""), "x", "10.0.0.9:9")
	h.clock.Advance(3*time.Second - 1)
	l.take()
	l.deliver(arpReply(macPeer, "10.0.0.9", "10.0.0.2"))
	if got := sentPayloads(t, l, macPeer); len(got) != 1 {
		t.Errorf("sent %q", got)
	}
	h.clock.Advance(10 * time.Second)
	checkNeighbors(t, h, "no failure follows", reachable9)
	checkLedger(t, h)
}

// Packets that wait are charged to the send buffer: a full one is EAGAIN, and
// who waits to write is told when there is room again.
func TestWaitingPacketsChargeTheSendBuffer(t *testing.T) {
	for _, end := range []string{"answer", "failure", "down", "removed", "static"} {
		t.Run(end, func(t *testing.T) {
			h, l := onCable(t, Config{})
			s := h.open(t, "")
			setOption(t, s, socket.SendBuffer, 1) // 4608, the least
			n := 0
			var err error
			for err = try(s, "x", "10.0.0.9:9"); err == nil && n < 1000; n++ {
				err = try(s, "x", "10.0.0.9:9")
			}
			if err != syscall.EAGAIN {
				t.Fatalf("after %d: %v, want EAGAIN", n, err)
			}
			queued, _ := s.Option(socket.SendQueued)
			if queued < 4608 || queued > 4608+1024 {
				t.Errorf("%d bytes are charged, want the limit and at most one packet more", queued)
			}
			if s.Ready(socket.Writable) != 0 {
				t.Error("a full socket is writable")
			}
			// To another neighbour it is the same buffer.
			h.eth0.AddNeighbor(netip.MustParseAddr("10.0.0.8"), macOther)
			if err := try(s, "x", "10.0.0.8:9"); err != syscall.EAGAIN {
				t.Errorf("to a known neighbour: %v, want EAGAIN", err)
			}
			told := 0
			s.Notify(socket.Writable, func() { told++ })
			switch end {
			case "answer":
				l.deliver(arpReply(macPeer, "10.0.0.9", "10.0.0.2"))
			case "failure":
				h.clock.Advance(3 * time.Second)
			case "down":
				h.eth0.SetUp(false)
			case "removed":
				h.RemoveInterface("eth0")
			case "static":
				h.eth0.AddNeighbor(netip.MustParseAddr("10.0.0.9"), macPeer)
			}
			h.clock.Advance(0) // notifications of writability come by the timer
			if told != 1 {
				t.Errorf("the writer was told %d times, want once", told)
			}
			if queued, _ := s.Option(socket.SendQueued); queued != 0 || s.Ready(socket.Writable) == 0 {
				t.Errorf("afterwards %d bytes are charged", queued)
			}
			checkLedger(t, h)
		})
	}
}

func TestClosingASocketWhosePacketsWait(t *testing.T) {
	h, l := onCable(t, Config{})
	s := h.open(t, "")
	send(t, s, "last words", "10.0.0.9:9")
	s.Close()
	l.take()
	l.deliver(arpReply(macPeer, "10.0.0.9", "10.0.0.2"))
	if got := sentPayloads(t, l, macPeer); len(got) != 1 {
		t.Errorf("sent %q: what was accepted is sent", got)
	}
	checkLedger(t, h)
}

func TestClosingAStackWhosePacketsWait(t *testing.T) {
	h, _ := onCable(t, Config{})
	send(t, h.open(t, ""), "x", "10.0.0.9:9")
	h.Close()
	checkDrops(t, h, drop.NeighborUnreachable, 1)
	checkLedger(t, h)
	if n := h.clock.Pending(); n != 0 {
		t.Errorf("%d timers are left", n)
	}
}

func TestTheNeighborTableIsBounded(t *testing.T) {
	h, l := onCable(t, Config{Limits: Limits{Neighbors: 4}})
	s := h.open(t, "")
	learnt := func(last int) {
		send(t, s, "x", fmt.Sprintf("10.0.0.%d:9", last))
		l.deliver(arpReply(wire.MAC{2, 0, 0, 0, 1, byte(last)}, fmt.Sprintf("10.0.0.%d", last), "10.0.0.2"))
		l.take()
	}
	h.eth0.AddNeighbor(netip.MustParseAddr("10.0.0.200"), macOther)
	for last := 11; last <= 14; last++ {
		learnt(last)
		h.clock.Advance(time.Second)
	}
	if n := len(h.Neighbors()); n != 5 {
		t.Fatalf("%d neighbours, want 4 and the static one", n)
	}
	learnt(15) // 11 has not been used for the longest time
	got := strings.Join(neighborsOf(h), ",")
	if strings.Contains(got, ".11 ") || !strings.Contains(got, ".15 ") || !strings.Contains(got, ".200 permanent") || len(h.Neighbors()) != 5 {
		t.Errorf("after eviction: %s", got)
	}
	// Who does not answer makes room before who does.
	for last := 100; last < 150; last++ {
		send(t, s, "x", fmt.Sprintf("10.0.0.%d:9", last))
	}
	got = strings.Join(neighborsOf(h), ",")
	if !strings.Contains(got, ".13 ") || !strings.Contains(got, ".149 incomplete") || len(h.Neighbors()) != 5 {
		t.Errorf("after a scan: %s", got)
	}
	checkDrops(t, h, drop.NeighborUnreachable, 49)
	// What is evicted while a socket has a path to it is asked for again.
	learnt(12)
	l.take()
	send(t, s, "x", "10.0.0.11:9")
	l.expect(t, "evicted", "ARP who has 10.0.0.11? tell 10.0.0.2")
	h.clock.Advance(time.Minute)
	checkLedger(t, h)
}

func TestAnEvictedNeighbourIsNotSentTo(t *testing.T) {
	h, l := onCable(t, Config{Limits: Limits{Neighbors: 1}})
	s := h.connected(t, "", "10.0.0.9:9")
	send(t, s, "1", "")
	l.deliver(arpReply(macPeer, "10.0.0.9", "10.0.0.2"))
	l.take()
	send(t, h.open(t, ""), "x", "10.0.0.8:9")
	l.take()
	send(t, s, "2", "") // the cached path led to a neighbour that is gone
	l.expect(t, "asked again", whoHas9)
	l.deliver(arpReply(macOther, "10.0.0.9", "10.0.0.2"))
	if got := sentPayloads(t, l, macOther); len(got) != 1 || got[0] != "2" {
		t.Errorf("sent %q", got)
	}
	checkLedger(t, h)
}

func TestStaticNeighboursAreNeitherAskedNorForgotten(t *testing.T) {
	h, l := onCable(t, Config{})
	if err := h.eth0.AddNeighbor(netip.MustParseAddr("10.0.0.9"), macPeer); err != nil {
		t.Fatal(err)
	}
	s := h.open(t, "")
	for range 10 {
		send(t, s, "x", "10.0.0.9:9")
		h.clock.Advance(time.Hour)
	}
	if got := sentPayloads(t, l, macPeer); len(got) != 10 {
		t.Errorf("%d were sent", len(got))
	}
	l.deliver(arpRequest(macOther, "10.0.0.9", "10.0.0.9"), arpRequest(macOther, "10.0.0.9", "10.0.0.2"))
	l.deliver(arpReply(macOther, "10.0.0.9", "10.0.0.2"))
	checkNeighbors(t, h, "whatever others say", "eth0 10.0.0.9 permanent 02:00:00:00:00:0b")
	l.take()
	h.eth0.AddNeighbor(netip.MustParseAddr("10.0.0.9"), macOther)
	send(t, s, "x", "10.0.0.9:9")
	if got := sentPayloads(t, l, macOther); len(got) != 1 {
		t.Errorf("after changing it by hand: %q", got)
	}
	if n := h.clock.Pending(); n != 0 {
		t.Errorf("%d timers are armed", n)
	}
}

func TestNeighboursThatAreRefused(t *testing.T) {
	h, _ := onCable(t, Config{})
	ok := netip.MustParseAddr("10.0.0.9")
	p2p := newCable()
	p2p.kind = link.IP
	tun := h.attach(t, "tun0", p2p)
	gone := h.attach(t, "gone", newCable())
	h.RemoveInterface("gone")
	for what, err := range map[string]error{
		"a group":              h.eth0.AddNeighbor(netip.MustParseAddr("224.0.0.1"), macPeer),
		"the limited one":      h.eth0.AddNeighbor(netip.MustParseAddr("255.255.255.255"), macPeer),
		"a subnet's broadcast": h.eth0.AddNeighbor(netip.MustParseAddr("10.0.0.255"), macPeer),
		"an own address":       h.eth0.AddNeighbor(netip.MustParseAddr("10.0.0.2"), macPeer),
		"unspecified":          h.eth0.AddNeighbor(netip.MustParseAddr("0.0.0.0"), macPeer),
		"IPv6":                 h.eth0.AddNeighbor(netip.MustParseAddr("fe80::1"), macPeer),
		"none":                 h.eth0.AddNeighbor(netip.Addr{}, macPeer),
		"no MAC":               h.eth0.AddNeighbor(ok, wire.MAC{}),
		"a group's MAC":        h.eth0.AddNeighbor(ok, wire.Broadcast),
		"no Ethernet":          tun.AddNeighbor(ok, macPeer),
		"removed":              gone.AddNeighbor(ok, macPeer),
	} {
		if err == nil {
			t.Errorf("%s: added", what)
		}
	}
	checkNeighbors(t, h, "all refused")
}

// The life of a neighbour that answers, then falls silent (RFC 4861, 7.3).
func TestNeighbourLifecycle(t *testing.T) {
	h, l := onCable(t, Config{})
	s := h.open(t, "")
	send(t, s, "x", "10.0.0.9:9")
	l.deliver(arpReply(macPeer, "10.0.0.9", "10.0.0.2"))
	l.take()
	checkNeighbors(t, h, "answered", reachable9)

	// Trusted between 15 and 45 seconds, without a question.
	h.clock.Advance(15*time.Second - 1)
	checkNeighbors(t, h, "before half the base", reachable9)
	h.clock.Advance(30*time.Second + 1)
	checkNeighbors(t, h, "after one and a half times the base", stale9)
	h.clock.Advance(time.Hour)
	checkNeighbors(t, h, "unused it stays", stale9)
	l.expect(t, "unused")
	if n := h.clock.Pending(); n != 0 {
		t.Errorf("%d timers are armed for a stale neighbour", n)
	}

	// Used, it is trusted for five seconds more, then asked by unicast.
	send(t, s, "1", "10.0.0.9:9")
	checkNeighbors(t, h, "used", delay9)
	if got := sentPayloads(t, l, macPeer); len(got) != 1 {
		t.Errorf("a stale neighbour was not sent to: %q", got)
	}
	h.clock.Advance(5*time.Second - 1)
	l.expect(t, "within the delay")
	h.clock.Advance(1)
	checkNeighbors(t, h, "after the delay", probe9)
	frames := l.take()
	if len(frames) != 1 {
		t.Fatalf("%d frames", len(frames))
	}
	if e, _, _ := wire.ParseEthernet(frames[0]); e.Destination() != macPeer || e.Type() != wire.EtherTypeARP {
		t.Errorf("the probe is % x, want a unicast request", frames[0])
	}
	send(t, s, "2", "10.0.0.9:9") // still trusted
	if got := sentPayloads(t, l, macPeer); len(got) != 1 {
		t.Errorf("while probing: %q", got)
	}
	l.deliver(arpReply(macPeer, "10.0.0.9", "10.0.0.2"))
	checkNeighbors(t, h, "it answered the probe", reachable9)

	// The same without an answer: three probes, then it has failed.
	h.clock.Advance(45 * time.Second)
	send(t, s, "3", "10.0.0.9:9")
	l.take()
	h.clock.Advance(5 * time.Second)
	for n := range 3 {
		l.expect(t, fmt.Sprintf("unicast probe %d", n+1), whoHas9)
		h.clock.Advance(time.Second)
	}
	checkNeighbors(t, h, "no answer", failed9)
	l.expect(t, "no answer")
	send(t, s, "4", "10.0.0.9:9")
	checkNeighbors(t, h, "used again", incomplete9)
	l.expect(t, "the question goes to all again", whoHas9)
	l.deliver(arpReply(macOther, "10.0.0.9", "10.0.0.2"))
	if got := sentPayloads(t, l, macOther); len(got) != 1 || got[0] != "4" {
		t.Errorf("the new station was sent %q", got)
	}
	checkLedger(t, h)
}

// An answer is trusted for a time that differs from host to host (RFC 4861, 6.3.2).
func TestReachableTimeIsSpread(t *testing.T) {
	seen := make(map[time.Duration]bool)
	for seed := range byte(20) {
		h, l := onCable(t, Config{Seed: [32]byte{seed + 1}})
		send(t, h.open(t, ""), "x", "10.0.0.9:9")
		l.deliver(arpReply(macPeer, "10.0.0.9", "10.0.0.2"))
		at, ok := h.NextDeadline()
		d := at.Sub(clock.Epoch)
		if !ok || d < 15*time.Second || d > 45*time.Second {
			t.Errorf("trusted for %v, want between 15 and 45 s", d)
		}
		seen[d] = true
	}
	if len(seen) < 15 {
		t.Errorf("20 hosts have only %d different times", len(seen))
	}
}

func TestTrafficUsesANewMACAtOnce(t *testing.T) {
	h, l := onCable(t, Config{})
	s := h.connected(t, "", "10.0.0.9:9")
	send(t, s, "1", "")
	l.deliver(arpReply(macPeer, "10.0.0.9", "10.0.0.2"))
	send(t, s, "2", "")
	if got := sentPayloads(t, l, macPeer); len(got) != 2 {
		t.Fatalf("sent %q", got)
	}
	l.deliver(arpRequest(macOther, "10.0.0.9", "10.0.0.2")) // it asks from another card
	l.take()
	send(t, s, "3", "")
	if got := sentPayloads(t, l, macOther); len(got) != 1 || got[0] != "3" {
		t.Errorf("sent %q", got)
	}
	checkNeighbors(t, h, "it will be asked", "eth0 10.0.0.9 delay 02:00:00:00:00:0c")
	checkLedger(t, h)
}

func TestAnInterfaceThatGoesDownForgetsItsNeighbours(t *testing.T) {
	h, l0, l1 := twoCables(t, Config{})
	s := h.open(t, "")
	send(t, s, "x", "10.0.0.9:9")
	l0.deliver(arpReply(macPeer, "10.0.0.9", "10.0.0.2"))
	send(t, s, "x", "10.0.0.8:9") // waits
	h.eth0.AddNeighbor(netip.MustParseAddr("10.0.0.7"), macOther)
	send(t, s, "x", "10.1.0.9:9")
	l1.deliver(arpFrame(wire.ARPReply, l1.mac, macPeer, "10.1.0.9", l1.mac, "10.1.0.2"))
	h.eth0.SetUp(false)
	checkNeighbors(t, h, "down", "eth1 10.1.0.9 reachable 02:00:00:00:00:0b")
	checkDrops(t, h, drop.NeighborUnreachable, 1)
	h.eth0.SetUp(true)
	l0.take()
	send(t, s, "y", "10.0.0.9:9")
	l0.expect(t, "asked anew", whoHas9)
	h.RemoveInterface("eth1")
	checkNeighbors(t, h, "removed", incomplete9)
	h.clock.Advance(time.Minute)
	checkLedger(t, h)
}

// Two hosts on one wire in a bubble: resolving, silence and recovery in the
// bubble's time, with goroutines that wait.
func TestNeighboursInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, Config{Name: "a", Clock: clock.System}, Config{Name: "b", Clock: clock.System})
		server := b.open(t, "0.0.0.0:7")
		got := make(chan string)
		go func() {
			defer close(got)
			for server.Wait(socket.Readable, nil) == nil {
				got <- string(receive(t, server).Buf)
			}
		}()
		s := a.open(t, "")
		send(t, s, "1", "10.0.0.2:7")
		if m := <-got; m != "1" {
			t.Errorf("received %q", m)
		}
		time.Sleep(time.Hour)
		send(t, s, "2", "10.0.0.2:7")
		if m := <-got; m != "2" {
			t.Errorf("received %q", m)
		}
		time.Sleep(5 * time.Second) // the delay ends, b is probed and answers
		synctest.Wait()
		checkNeighbors(t, a, "probed", "eth0 10.0.0.2 reachable 02:00:00:00:00:0b")
		b.eth0.SetUp(false)
		time.Sleep(time.Minute)
		send(t, s, "3", "10.0.0.2:7")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		checkNeighbors(t, a, "silent", "eth0 10.0.0.2 failed")
		b.eth0.SetUp(true)
		send(t, s, "4", "10.0.0.2:7")
		if m := <-got; m != "4" {
			t.Errorf("received %q", m)
		}
		server.Close()
		<-got
		checkLedger(t, a, b)
		a.Close()
		b.Close()
	})
}
