package stack

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// A piece is a fragment to be made of a datagram: the bytes from at to end of what
// follows its IP header.
type piece struct {
	at, end int
	last    bool // it says that it is the last, whether it is or not
}

// pieceOf returns the frame of a fragment. What lies beyond the datagram is zeros.
func pieceOf(d datagram, id uint16, p piece) []byte {
	frame := d.frame()
	at := wire.EthernetHeaderLen
	if d.bare {
		at = 0
	}
	h, options, payload, err := wire.ParseIPv4(frame[at:])
	if err != nil {
		panic(err)
	}
	payload = append(payload, make([]byte, max(0, p.end-len(payload)))...)
	headers := at + h.HeaderLen()
	out := append(append([]byte(nil), frame[:headers]...), payload[p.at:p.end]...)
	ip := (*wire.IPv4Header)(out[at:])
	ip.SetID(id)
	ip.SetTotalLength(uint16(len(out) - at))
	ip.SetFragmentOffset(p.at)
	ip.SetMoreFragments(!p.last)
	ip.UpdateChecksum(options)
	return out
}

// deliverPieces hands fragments of one datagram to the stack, one by one.
func deliverPieces(l *cable, d datagram, id uint16, pieces ...piece) {
	for _, p := range pieces {
		l.deliver(pieceOf(d, id, p))
	}
}

// letters returns n bytes that are easy to tell apart.
func letters(n int) string {
	b := make([]byte, n)
	for k := range b {
		b[k] = byte('a' + k/8%26)
	}
	return string(b)
}

// nothingHeld checks that no fragment waits and no memory is charged.
func nothingHeld(t testing.TB, h *host) {
	t.Helper()
	r := &h.reassembly
	if r.held != 0 || r.used != 0 || len(r.known) != 0 || len(r.sources) != 0 || r.ages != [2]byAge{} || r.timer.slot != 0 {
		t.Errorf("%d fragments of %d datagrams from %d sources are held, %d bytes", r.held, len(r.known), len(r.sources), r.used)
	}
	checkLedger(t, h)
}

func TestFragmentsInAnyOrder(t *testing.T) {
	d := datagram{payload: letters(100)} // 108 bytes with the UDP header
	pieces := []piece{{0, 24, false}, {24, 32, false}, {32, 104, false}, {104, 108, true}}
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
		h, l := onCable(t, Config{})
		s := h.open(t, "0.0.0.0:7")
		deliverPieces(l, d, 1, pieces...)
		if got := payloads(t, s); len(got) != 1 || got[0] != d.payload {
			t.Errorf("in the order %v: received %q", pieces, got)
		}
		if g := h.Ledger(); g.In != 4 || g.Merged != 3 || g.Delivered != 1 {
			t.Errorf("ledger: %+v", g)
		}
		nothingHeld(t, h)
	}
	permute(0)
}

// What Linux's ip_frag_queue makes of fragments that do not fit together.
func TestFragmentsThatContradictEachOther(t *testing.T) {
	type counts map[drop.Reason]uint64
	const dup, overlap, bad = drop.ReassemblyDuplicate, drop.ReassemblyOverlap, drop.ReassemblyMalformed
	for _, c := range []struct {
		what   string
		pieces []piece
		whole  bool
		drops  counts
	}{
		{"the same again", []piece{{0, 48, false}, {0, 48, false}, {48, 108, true}}, true, counts{dup: 1}},
		{"the last again", []piece{{48, 108, true}, {48, 108, true}, {0, 48, false}}, true, counts{dup: 1}},
		{"again when it is whole", []piece{{0, 48, false}, {48, 108, true}, {0, 48, false}}, true, nil},
		{"within what came", []piece{{0, 48, false}, {8, 40, false}, {48, 108, true}}, true, counts{dup: 1}},
		{"within two that came in a row", []piece{{0, 24, false}, {24, 48, false}, {16, 32, false}, {48, 108, true}}, true, counts{dup: 1}},
		{"over two that did not come in a row", []piece{{24, 48, false}, {0, 24, false}, {16, 32, false}, {48, 108, true}}, false, counts{overlap: 3}},
		{"over the end", []piece{{0, 48, false}, {40, 56, false}}, false, counts{overlap: 2}},
		{"over the beginning", []piece{{48, 108, true}, {40, 56, false}}, false, counts{overlap: 2}},
		{"around", []piece{{16, 24, false}, {0, 48, false}}, false, counts{overlap: 2}},
		{"larger from the same beginning", []piece{{0, 16, false}, {0, 24, false}}, false, counts{overlap: 2}},
		{"beyond the last", []piece{{48, 108, true}, {104, 120, false}}, false, counts{bad: 2}},
		{"two ends", []piece{{48, 108, true}, {48, 100, true}}, false, counts{bad: 2}},
		{"an end before what came", []piece{{0, 64, false}, {48, 56, true}}, false, counts{bad: 2}},
		{"no bytes", []piece{{0, 48, false}, {48, 48, false}}, false, counts{bad: 2}},
		{"no bytes at the end", []piece{{0, 48, false}, {48, 48, true}}, false, counts{bad: 2}},
		{"fewer than eight bytes", []piece{{0, 48, false}, {48, 55, false}}, false, counts{bad: 2}},
		{"not a multiple of eight", []piece{{0, 50, false}, {48, 108, true}}, true, nil},
		{"one that is all", []piece{{0, 108, false}, {104, 108, true}}, true, nil},
	} {
		t.Run(c.what, func(t *testing.T) {
			h, l := onCable(t, Config{})
			s := h.open(t, "0.0.0.0:7")
			d := datagram{payload: letters(100)}
			deliverPieces(l, d, 1, c.pieces...)
			got := payloads(t, s)
			if whole := len(got) == 1 && got[0] == d.payload; whole != c.whole || len(got) > 1 {
				t.Errorf("received %q", got)
			}
			for r, want := range c.drops {
				checkDrops(t, h, r, want)
			}
			checkLedger(t, h)
			h.clock.Advance(reassemblyTime)
			nothingHeld(t, h)
		})
	}
}

func TestReassemblyTimeout(t *testing.T) {
	d := datagram{payload: letters(100)}
	const exceeded = "10.0.0.2 > 10.0.0.9 ICMP reassembly time exceeded [10.0.0.9:9 > 10.0.0.2:7 UDP]"
	for _, c := range []struct {
		what   string
		d      datagram
		pieces []piece
		want   []string
	}{
		{"with the first", d, []piece{{0, 24, false}, {48, 108, true}}, []string{exceeded}},
		{"with the first, that came last", d, []piece{{48, 108, true}, {0, 24, false}}, []string{exceeded}},
		{"without the first", d, []piece{{24, 48, false}, {48, 108, true}}, nil},
		{"to a broadcast address", datagram{payload: letters(100), dst: "10.0.0.255:7", to: wire.Broadcast}, []piece{{0, 24, false}}, nil},
	} {
		t.Run(c.what, func(t *testing.T) {
			h, l := known(t, Config{})
			deliverPieces(l, c.d, 1, c.pieces[0])
			h.clock.Advance(20 * time.Second) // the time is that of the first to come
			deliverPieces(l, c.d, 1, c.pieces[1:]...)
			h.clock.Advance(10*time.Second - 1)
			checkDrops(t, h, drop.ReassemblyTimeout, 0)
			l.expect(t, "just before")
			h.clock.Advance(1)
			checkDrops(t, h, drop.ReassemblyTimeout, uint64(len(c.pieces)))
			l.expect(t, "after 30 s", c.want...)
			nothingHeld(t, h)
		})
	}
}

// The error quotes the first fragment as it came.
func TestReassemblyTimeoutQuotes(t *testing.T) {
	h, l := known(t, Config{})
	d := datagram{payload: letters(100), tos: 4, options: []byte{148, 4, 0, 0}}
	first := pieceOf(d, 77, piece{0, 24, false})
	l.deliver(first)
	h.clock.Advance(reassemblyTime)
	frames := l.take()
	if len(frames) != 1 {
		t.Fatalf("%d frames were sent", len(frames))
	}
	quote := frames[0][wire.EthernetHeaderLen+wire.IPv4HeaderLen+wire.ICMPHeaderLen:]
	if string(quote) != string(first[wire.EthernetHeaderLen:]) {
		t.Errorf("it quotes\n% x, want\n% x", quote, first[wire.EthernetHeaderLen:])
	}
	nothingHeld(t, h)
}

// Linux's ip_frag_ecn_table: RFC 3168, section 5.3.
func TestECNOfFragments(t *testing.T) {
	const not, ect1, ect0, ce = 0, 1, 2, 3
	for _, c := range []struct {
		marks []uint8 // of the fragments
		want  int     // of the whole; -1: it is dropped
	}{
		{[]uint8{not, not}, not}, {[]uint8{ect0, ect0}, ect0}, {[]uint8{ect1, ect1}, ect1}, {[]uint8{ce, ce}, ce},
		{[]uint8{ect0, ect1}, ect0}, {[]uint8{ect1, ect0}, ect1},
		{[]uint8{ect0, ce}, ce}, {[]uint8{ce, ect0}, ce}, {[]uint8{ect1, ce}, ce}, {[]uint8{ect0, ect1, ce}, ce},
		{[]uint8{not, ce}, -1}, {[]uint8{ce, not}, -1}, {[]uint8{not, ect0}, -1}, {[]uint8{ect1, not}, -1}, {[]uint8{not, ect0, ce}, -1},
	} {
		h, l := onCable(t, Config{})
		s := h.open(t, "0.0.0.0:7")
		setOption(t, s, socket.Report, int(socket.FieldTOS))
		for k, mark := range c.marks {
			p := piece{at: 16 * k, end: 16 * (k + 1)}
			if k == len(c.marks)-1 {
				p.end, p.last = 108, true
			}
			l.deliver(pieceOf(datagram{payload: letters(100), tos: 0xb8 | mark}, 1, p))
		}
		switch {
		case c.want < 0:
			checkDrops(t, h, drop.ReassemblyECN, uint64(len(c.marks)))
			if s.nextSize() != 0 {
				t.Errorf("%v: a datagram was received", c.marks)
			}
		case s.nextSize() == 0:
			t.Errorf("%v: nothing was received: %v", c.marks, h.Drops().Map())
		default:
			if m := receive(t, s); int(m.TOS) != 0xb8|c.want {
				t.Errorf("%v: the TOS is %#x, want %#x", c.marks, m.TOS, 0xb8|c.want)
			}
		}
		nothingHeld(t, h)
	}
}

// The whole is the first fragment's as far as can be told, whoever came last.
func TestFieldsOfAReassembledDatagram(t *testing.T) {
	h, l0, l1 := twoCables(t, Config{})
	s := h.open(t, "0.0.0.0:7")
	setOption(t, s, socket.Report, int(socket.FieldTTL|socket.FieldTOS|socket.FieldInterface|socket.FieldLocal))
	first := pieceOf(datagram{payload: letters(100), ttl: 5, tos: 0x20, options: []byte{7, 3, 4, 0}}, 1, piece{0, 24, false})
	rest := pieceOf(datagram{to: l1.mac, payload: letters(100), ttl: 9, tos: 0x40}, 1, piece{24, 108, true})
	for _, order := range []bool{true, false} {
		if order {
			l0.deliver(first)
			l1.deliver(rest)
		} else {
			l1.deliver(rest)
			l0.deliver(first)
		}
		m := receive(t, s)
		if string(m.Buf) != letters(100) || m.TTL != 5 || m.TOS != 0x20 || m.Interface != h.eth0.index || m.Local != netip.MustParseAddrPort("10.0.0.2:7") {
			t.Errorf("the first came first: %v: received %+v", order, m)
		}
	}
	nothingHeld(t, h)
}

func TestFragmentsOfOtherDatagramsDoNotMix(t *testing.T) {
	h, l := onCable(t, Config{})
	s := h.open(t, "0.0.0.0:7")
	d := datagram{payload: letters(100)}
	deliverPieces(l, d, 1, piece{0, 48, false})
	other := d
	other.src = "10.0.0.8:9"
	deliverPieces(l, other, 1, piece{48, 108, true})
	other = d
	other.dst = "127.0.0.1:7"
	deliverPieces(l, d, 2, piece{48, 108, true})
	deliverPieces(l, datagram{payload: letters(100), protocol: 89}, 1, piece{48, 100, true})
	if s.nextSize() != 0 {
		t.Error("a datagram was made of others' fragments")
	}
	deliverPieces(l, d, 1, piece{48, 108, true})
	if got := payloads(t, s); len(got) != 1 || got[0] != d.payload {
		t.Errorf("received %q", got)
	}
	checkLedger(t, h)
	h.clock.Advance(reassemblyTime)
	nothingHeld(t, h)
}

// The ping of death: offsets reach beyond the longest packet.
func TestReassemblyOfTooMuch(t *testing.T) {
	for _, c := range []struct {
		options int
		end     int
		whole   bool
	}{{0, 65515, true}, {0, 65516, false}, {0, 65528 + 1480, false}, {4, 65511, true}, {4, 65512, false}} {
		h, l := onCable(t, Config{Limits: Limits{ReassemblyMemory: 1 << 20}})
		p := datagram{protocol: 89, options: make([]byte, c.options)}
		const step = 1400
		at := 0
		for ; at+step < min(c.end, 65528); at += step {
			l.deliver(pieceOf(p, 1, piece{at, at + step, false}))
		}
		if c.end > 65528 {
			l.deliver(pieceOf(p, 1, piece{at, 65528, false}))
			at = 65528
		}
		l.deliver(pieceOf(p, 1, piece{at, c.end, true}))
		if got := h.Drops().Get(drop.UnknownProtocol) == 1; got != c.whole {
			t.Errorf("%+v: %v, drops %v", c, got, h.Drops().Map())
		}
		if got := h.Drops().Get(drop.ReassemblyTooLong) != 0; got == c.whole {
			t.Errorf("%+v: drops %v", c, h.Drops().Map())
		}
		nothingHeld(t, h)
	}
}

// When the memory is used up the oldest go, whole, and what comes later is heard.
func TestReassemblyMemoryIsBounded(t *testing.T) {
	const limit = 100_000
	h, l := onCable(t, Config{Limits: Limits{ReassemblyMemory: limit}})
	s := h.open(t, "0.0.0.0:7")
	d := datagram{payload: letters(100)}
	most, n := 0, 1000
	for id := range n {
		d.src = fmt.Sprintf("10.0.%d.%d:9", 1+id/250, 1+id%250)
		deliverPieces(l, d, uint16(id), piece{0, 24, false}, piece{32, 48, false})
		if h.reassembly.used > limit {
			t.Fatalf("%d bytes are used, %d allowed", h.reassembly.used, limit)
		}
		most = max(most, len(h.reassembly.known))
	}
	if most < 50 || most > 500 {
		t.Errorf("%d datagrams were held at most", most)
	}
	checkDrops(t, h, drop.ReassemblyMemory, uint64(2*(n-most)))
	// The newest are still there.
	deliverPieces(l, d, uint16(n-1), piece{24, 32, false}, piece{48, 108, true})
	if got := payloads(t, s); len(got) != 1 || got[0] != d.payload {
		t.Errorf("received %q", got)
	}
	checkLedger(t, h)
	h.clock.Advance(reassemblyTime)
	l.take()
	nothingHeld(t, h)
}

// A datagram that does not fit into the memory by itself is given up too.
func TestOneDatagramLargerThanTheMemory(t *testing.T) {
	h, l := onCable(t, Config{Limits: Limits{ReassemblyMemory: 10_000}})
	for at := 0; at < 60_000; at += 1480 {
		l.deliver(pieceOf(datagram{protocol: 89}, 1, piece{at, at + 1480, at+1480 >= 60_000}))
		if h.reassembly.used > 10_000 {
			t.Fatalf("%d bytes are used", h.reassembly.used)
		}
	}
	if h.Drops().Get(drop.ReassemblyMemory) == 0 {
		t.Error("nothing was dropped")
	}
	h.clock.Advance(reassemblyTime)
	nothingHeld(t, h)
}

// Linux's ipfrag_max_dist: a source that has sent many fragments since has come
// round to the same identification.
func TestFragmentsOfAnEarlierRound(t *testing.T) {
	for _, between := range []int{63, 64} {
		h, l := known(t, Config{})
		s := h.open(t, "0.0.0.0:7")
		d := datagram{payload: letters(100)}
		old := d
		old.payload = strings.Repeat("?", 100)
		deliverPieces(l, old, 1, piece{0, 48, false})
		for id := range between {
			deliverPieces(l, d, uint16(100+id), piece{0, 48, false})
		}
		deliverPieces(l, d, 1, piece{48, 108, true})
		stale := between >= 64
		if got := h.Drops().Get(drop.ReassemblyStale); (got == 1) != stale {
			t.Errorf("%d fragments between: %d dropped", between, got)
		}
		if !stale {
			checkDrops(t, h, drop.BadChecksum, 1) // two halves of two datagrams
			continue
		}
		// It has begun anew, its time too.
		h.clock.Advance(reassemblyTime - 1)
		deliverPieces(l, d, 1, piece{0, 48, false})
		if got := payloads(t, s); len(got) != 1 || got[0] != d.payload {
			t.Errorf("received %q", got)
		}
		l.take()
		checkLedger(t, h)
	}
}

// What is in the middle of rows, at their ends, and across words of bits.
func TestCountBits(t *testing.T) {
	var a assembly
	a.cover(3, 5, true)
	a.cover(60, 70, true)
	a.cover(127, 129, true)
	a.cover(400, 401, true)
	set := func(k int) bool { return k >= 3 && k < 5 || k >= 60 && k < 70 || k >= 127 && k < 129 || k == 400 }
	for from := range 600 {
		want := 0
		for to := from; to < 600; to++ {
			if got := countBits(a.covered, from, to); got != want {
				t.Fatalf("from %d to %d there are %d, want %d", from, to, got, want)
			}
			if set(to) {
				want++
			}
		}
	}
	if n := len(a.covered); n != 8 || a.size != 2*8*n {
		t.Errorf("%d words, %d bytes are charged", n, a.size)
	}
}

func TestReassembledEchoRequest(t *testing.T) {
	h, l := known(t, Config{})
	body := []byte(letters(5000))
	d := datagram{protocol: wire.ProtocolICMP, payload: icmpBody(wire.ICMPEchoRequest, 0, [4]byte{1, 2, 3, 4}, body)}
	for at := 0; at < 5008; at += 1480 {
		l.deliver(pieceOf(d, 9, piece{at, min(at+1480, 5008), at+1480 >= 5008}))
	}
	checkLedger(t, h)
	nothingHeld(t, h)
	if g := h.Ledger(); g.Consumed != 1 || g.Merged != 3 {
		t.Errorf("ledger: %+v, drops %v", g, h.Drops().Map())
	}
}

// A broadcast datagram in fragments goes to everybody, once.
func TestReassembledBroadcast(t *testing.T) {
	h, l := onCable(t, Config{})
	a, b := h.open(t, ""), h.open(t, "")
	for _, s := range []*Socket{a, b} {
		setOption(t, s, socket.ReuseAddr, 1)
		if err := s.Bind(netip.MustParseAddrPort("0.0.0.0:7")); err != nil {
			t.Fatal(err)
		}
	}
	d := datagram{payload: letters(100), dst: "10.0.0.255:7", to: wire.Broadcast}
	deliverPieces(l, d, 1, piece{48, 108, true}, piece{0, 48, false})
	for _, s := range []*Socket{a, b} {
		if got := payloads(t, s); len(got) != 1 || got[0] != d.payload {
			t.Errorf("received %q", got)
		}
	}
	deliverPieces(l, datagram{payload: letters(100), to: wire.Broadcast, dst: "10.0.0.2:99"}, 2, piece{48, 108, true}, piece{0, 48, false})
	l.expect(t, "to a closed port, in a broadcast frame")
	nothingHeld(t, h)
}

// The worst that fragments of one datagram can be: eight bytes each, from the end to
// the beginning. It takes no longer than in order.
func BenchmarkWorstFragments(b *testing.B) {
	for _, backwards := range []bool{false, true} {
		b.Run(fmt.Sprint("backwards=", backwards), func(b *testing.B) {
			l := newCable()
			h := newHost(b, Config{Limits: Limits{ReassemblyMemory: 1 << 24}}, l, "10.0.0.2/24")
			var frames [][]byte
			const n = 8000
			for k := range n {
				at := 8 * k
				if backwards {
					at = 8 * (n - 1 - k)
				}
				frames = append(frames, pieceOf(datagram{protocol: 253}, 1, piece{at, at + 8, at == 8*(n-1)}))
			}
			for b.Loop() {
				for _, f := range frames {
					l.deliver(f)
				}
			}
			if h.reassembly.held != 0 {
				b.Errorf("%d fragments are held", h.reassembly.held)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/fragment")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// A whole is queued in its turn: before what came after its last fragment, behind
// what came before.
func TestReassembledDatagramsKeepTheirPlace(t *testing.T) {
	h, l := onCable(t, Config{})
	s := h.open(t, "0.0.0.0:7")
	long := datagram{payload: letters(100)}
	one := func(p string) []byte { return datagram{payload: p}.frame() }
	l.deliver(one("1"), pieceOf(long, 1, piece{0, 48, false}), one("2"), one("3"), pieceOf(long, 1, piece{48, 108, true}), one("4"), one("5"))
	if got := strings.Join(payloads(t, s), " "); got != "1 2 3 "+long.payload+" 4 5" {
		t.Errorf("received %q", got)
	}
	nothingHeld(t, h)
}

// Fragments of one datagram may come by several queues at once, while others are given
// up.
func TestFragmentsOfSeveralQueues(t *testing.T) {
	const queues, datagrams = 4, 400
	l := newCable()
	l.queues = queues
	h := newHost(t, Config{Name: "queues", ReceiveBuffer: 1 << 24, MaxReceiveBuffer: 1 << 24}, l, "10.0.0.2/16")
	s := h.open(t, "0.0.0.0:7")
	var frames [queues][][]byte
	for k := range datagrams {
		d := datagram{src: fmt.Sprintf("10.0.%d.%d:9", 1+k/200, 1+k%200), payload: letters(100)}
		for q := range queues {
			frames[q] = append(frames[q], pieceOf(d, 1, piece{24 * q, min(24*(q+1), 108) + 12*(q/3), q == 3}))
		}
		// And the beginning of one that is given up.
		frames[k%queues] = append(frames[k%queues], pieceOf(d, 2, piece{0, 24, false}))
	}
	var wg sync.WaitGroup
	for q := range queues {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for len(frames[q]) > 0 {
				n := min(3, len(frames[q]))
				l.deliverBy(q, frames[q][:n]...)
				frames[q] = frames[q][n:]
			}
		}()
	}
	wg.Wait()
	got := payloads(t, s)
	if len(got) != datagrams {
		t.Errorf("%d datagrams were received, want %d: %v", len(got), datagrams, h.Drops().Map())
	}
	for _, p := range got {
		if p != letters(100) {
			t.Errorf("received %q", p)
		}
	}
	checkLedger(t, h)
	h.clock.Advance(reassemblyTime)
	checkDrops(t, h, drop.ReassemblyTimeout, datagrams)
	l.take()
	h.Close()
	nothingHeld(t, h)
}

func TestClosingAStackGivesFragmentsUp(t *testing.T) {
	live := packet.Live()
	h, l := onCable(t, Config{})
	deliverPieces(l, datagram{payload: letters(100)}, 1, piece{0, 24, false}, piece{32, 48, false})
	deliverPieces(l, datagram{payload: letters(100)}, 2, piece{0, 24, false})
	if g := h.Ledger(); g.Held != 3 {
		t.Errorf("before: %+v", g)
	}
	h.Close()
	checkDrops(t, h, drop.ReassemblyTimeout, 3)
	if n := packet.Live() - live; n != 0 {
		t.Errorf("%d buffers are still out", n)
	}
	nothingHeld(t, h)
}

// Fragments of an interface that is gone meanwhile do no harm.
func TestFragmentsOfAnInterfaceThatIsGone(t *testing.T) {
	h, l := onCable(t, Config{})
	deliverPieces(l, datagram{payload: letters(100)}, 1, piece{0, 24, false})
	if err := h.RemoveInterface("eth0"); err != nil {
		t.Fatal(err)
	}
	h.clock.Advance(reassemblyTime)
	checkDrops(t, h, drop.ReassemblyTimeout, 1)
	nothingHeld(t, h)
}

func TestTracesOfFragments(t *testing.T) {
	steps := new(stepTracer)
	h, l := onCable(t, Config{Tracer: steps})
	s := h.open(t, "0.0.0.0:7")
	deliverPieces(l, datagram{payload: letters(100)}, 1, piece{48, 108, true}, piece{0, 48, false})
	receive(t, s)
	want := "#1 receive #1 collect #2 receive #2 collect #2 merge of 2 fragments #2 queue #2 read"
	if got := strings.Join(steps.list, " "); got != want {
		t.Errorf("steps\n%s, want\n%s", got, want)
	}
}

// stepTracer notes what happens to which packet.
type stepTracer struct {
	ids  uint64
	list []string
}

func (s *stepTracer) NewID() uint64 { s.ids++; return s.ids }
func (s *stepTracer) Trace(e *trace.Event) {
	line := fmt.Sprintf("#%d %v", e.Packet, e.Step)
	if e.Step == trace.Merge || e.Step == trace.Fragment {
		line += " " + e.Detail
	}
	s.list = append(s.list, line)
}
