package stack

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// A slowTable is the reassembly of fragments by the words of its rules, a byte at a
// time, against which the fast one is held.
type slowTable struct {
	limit int
	now   time.Duration
	sent  map[string]int  // fragments of each source
	order []*slowAssembly // the oldest first
	drops map[drop.Reason]int
	whole []string // what was put together
}

type slowAssembly struct {
	source   string
	id       uint16
	deadline time.Duration
	seen     int   // what sent said when the last fragment came
	sizes    []int // what the fragments are charged
	bytes    map[int]byte
	row      map[int]int // which fragments came in a row, each byte's
	rows     int
	end      int
	last     bool
	ecn      map[uint8]bool
	first    []byte // the header of the fragment at 0
}

func (t *slowTable) used() (n int) {
	for _, a := range t.order {
		n += assemblyBytes
		if len(a.bytes) > 0 {
			most := 0
			for k := range a.bytes {
				most = max(most, k+1)
			}
			words := 1
			for words*64*8 < most {
				words *= 2
			}
			n += 2 * 8 * words
		}
		for _, size := range a.sizes {
			n += size
		}
	}
	return n
}

func (t *slowTable) held() (n int) {
	for _, a := range t.order {
		n += len(a.sizes)
	}
	return n
}

// giveUp drops an assembly's fragments.
func (t *slowTable) giveUp(a *slowAssembly, reason drop.Reason) {
	if len(a.sizes) > 0 {
		t.drops[reason] += len(a.sizes)
	}
	t.forget(a)
}

func (t *slowTable) forget(a *slowAssembly) {
	t.order = slices.DeleteFunc(t.order, func(x *slowAssembly) bool { return x == a })
	for _, x := range t.order {
		if x.source == a.source {
			return
		}
	}
	delete(t.sent, a.source) // nobody counts for who has nothing here
}

func (t *slowTable) pass(d time.Duration) {
	t.now += d
	for len(t.order) > 0 && t.order[0].deadline <= t.now {
		t.giveUp(t.order[0], drop.ReassemblyTimeout)
	}
}

func (t *slowTable) begin(source string, id uint16) *slowAssembly {
	a := &slowAssembly{
		source: source, id: id, deadline: t.now + 30*time.Second,
		bytes: map[int]byte{}, row: map[int]int{}, ecn: map[uint8]bool{},
	}
	t.order = append(t.order, a)
	return a
}

// add takes a fragment in, an IP packet.
func (t *slowTable) add(source string, b []byte) {
	h, _, data, err := wire.ParseIPv4(b)
	if err != nil {
		panic(err)
	}
	size := packet.TrueSizeFor(wire.EthernetHeaderLen + len(b))
	var a *slowAssembly
	for _, x := range t.order {
		if x.source == source && x.id == h.ID() {
			a = x
		}
	}
	if a == nil {
		a = t.begin(source, h.ID())
	}
	t.sent[source]++
	if len(a.sizes) > 0 && t.sent[source]-a.seen > 64 {
		sent := t.sent[source]
		t.giveUp(a, drop.ReassemblyStale)
		t.sent[source] = sent
		a = t.begin(source, h.ID())
	}
	a.seen = t.sent[source]

	// Where it belongs.
	at, end := h.FragmentOffset(), h.FragmentOffset()+len(data)
	spoilt := func(reason drop.Reason) {
		t.drops[reason]++
		t.giveUp(a, reason)
	}
	if h.MoreFragments() {
		end -= end % 8
		if end > a.end {
			if a.last {
				spoilt(drop.ReassemblyMalformed)
				return
			}
			a.end = end
		}
	} else {
		if a.last && end != a.end || end < a.end {
			spoilt(drop.ReassemblyMalformed)
			return
		}
		a.last, a.end = true, end
	}
	if end <= at {
		spoilt(drop.ReassemblyMalformed)
		return
	}
	covered, rows, highest := 0, map[int]bool{}, -1
	for k := range a.bytes {
		highest = max(highest, k)
	}
	for k := at; k < end; k++ {
		if row, ok := a.row[k]; ok {
			covered++
			rows[row] = true
		}
	}
	switch {
	case covered == end-at && len(rows) == 1:
		t.drops[drop.ReassemblyDuplicate]++
		return
	case covered > 0:
		spoilt(drop.ReassemblyOverlap)
		return
	}
	row := a.row[at-1]
	if highest != at-1 || at == 0 {
		a.rows++
		row = a.rows
	}
	for k := at; k < end; k++ {
		a.bytes[k], a.row[k] = data[k-at], row
	}
	if at == 0 {
		a.first = b[:h.HeaderLen()]
	}
	a.ecn[h.TOS()&3] = true
	a.sizes = append(a.sizes, size)

	if !a.last || len(a.bytes) != a.end {
		for t.used() > t.limit {
			t.giveUp(t.order[0], drop.ReassemblyMemory)
		}
		return
	}
	// Nothing is missing.
	switch tos := (*wire.IPv4Header)(a.first).TOS(); {
	case a.ecn[0] && len(a.ecn) > 1:
		t.giveUp(a, drop.ReassemblyECN)
	case len(a.first)+a.end > 65535:
		t.giveUp(a, drop.ReassemblyTooLong)
	default:
		if a.ecn[3] {
			tos |= 3
		}
		payload := make([]byte, a.end)
		for k := range payload {
			payload[k] = a.bytes[k]
		}
		t.whole = append(t.whole, fmt.Sprintf("%s %d %#x %x % x", source, a.id, tos, a.first[wire.IPv4HeaderLen:], payload))
		t.forget(a)
	}
}

// FuzzReassembly delivers pieces of datagrams with mistakes in them. What comes out,
// and under which names the rest is dropped, is what the slow table says; the memory
// stays bounded and the ledger balanced.
func FuzzReassembly(f *testing.F) {
	// Each step is of four bytes: which datagram, from which eight bytes, how
	// many, and how.
	f.Add(byte(0), []byte{0, 0, 3, 0, 0, 3, 3, 0, 0, 6, 3, 4})
	f.Add(byte(0), []byte{0, 0, 3, 0, 0, 0, 3, 0, 0, 1, 1, 0, 0, 6, 3, 4, 0, 3, 3, 0})
	f.Add(byte(1), []byte{0, 0, 3, 0, 0, 2, 3, 0, 1, 0, 1, 8, 1, 1, 1, 4})
	f.Add(byte(2), []byte{0, 0, 200, 0, 1, 0, 200, 0, 2, 0, 200, 0, 3, 0, 200, 0, 4, 0, 200, 0, 5, 0, 200, 0})
	f.Add(byte(0), []byte{0, 0, 3, 1, 0, 3, 3, 2, 0, 6, 3, 7, 3, 0, 1, 0x40, 0, 0, 3, 64, 0, 3, 3, 4})
	for seed := range uint64(8) {
		f.Add(byte(seed), chance(seed, 400))
		f.Add(byte(8+seed), chance(seed, 1200))
		f.Add(byte(24+seed), chance(seed, 1200))
	}
	f.Fuzz(func(t *testing.T, kind byte, steps []byte) {
		steps = steps[:min(len(steps), 1200)]
		live := packet.Live()
		limit := 4 << 20
		if kind&2 != 0 {
			limit = 6000
		}
		l := newCable()
		h := newHost(t, Config{Limits: Limits{ReassemblyMemory: limit}}, l, "10.0.0.2/24")
		slow := &slowTable{limit: limit, sent: map[string]int{}, drops: map[drop.Reason]int{}}
		var whole []string
		const protocol = 253
		err := h.Handle(protocol, func(b *packet.Buffer) {
			ip, options, payload, err := wire.ParseIPv4(b.Bytes())
			if err != nil || !ip.ChecksumOK(options) || ip.IsFragment() {
				t.Errorf("a whole packet is none: %v", err)
			} else {
				whole = append(whole, fmt.Sprintf("%v %d %#x %x % x", ip.Source(), ip.ID(), ip.TOS(), options, payload))
			}
			b.Release()
		})
		if err != nil {
			t.Fatal(err)
		}
		for ; len(steps) >= 4; steps = steps[4:] {
			// Small numbers, so that pieces meet and make wholes.
			which, at, n, how := int(steps[0]), int(steps[1])%12*8, int(steps[2])%5*8, steps[3]
			if steps[2]&0x80 != 0 {
				n *= 9
			}
			if kind&4 != 0 && at >= 40 {
				at += 65528 - 88 // to the end of what there can be
			}
			if kind&16 != 0 {
				which %= 6 // of two
			}
			source := fmt.Sprintf("10.0.0.%d", 100+which%3)
			if how&8 != 0 {
				n += int(how) >> 4 % 8 // not a multiple of eight
			}
			more, tos := how&4 == 0, how&3
			if kind&8 != 0 && how&0x20 == 0 {
				// One of four that fit together.
				k := int(steps[1]) % 4
				at, n, more, tos = 24*k, 24, k < 3, 2|tos
			}
			d := datagram{src: source + ":0", protocol: protocol, tos: tos, bare: true}
			if how&0x10 != 0 {
				d.options = []byte{1, 1, 1, 1}
			}
			if how&0xc0 == 0x40 && kind&16 == 0 {
				pass := time.Duration(n) * 100 * time.Millisecond
				h.clock.Advance(pass)
				slow.pass(pass)
				l.take()
				continue
			}
			payload := make([]byte, n)
			for k := range payload { // the same at the same place, but for two sorts
				payload[k] = byte(at + k + which*7 + int(how>>7))
			}
			d.payload = string(payload)
			d.fragment, d.more = min(at, 65528), more
			if len(d.payload)+60 > 65535 {
				continue
			}
			ip := d.frame()
			header := (*wire.IPv4Header)(ip)
			header.SetID(uint16(which / 3 % 4))
			header.UpdateChecksum(ip[wire.IPv4HeaderLen:header.HeaderLen()])
			if !header.IsFragment() {
				continue
			}
			d.bare = false
			frame := append(d.frame()[:wire.EthernetHeaderLen:wire.EthernetHeaderLen], ip...)
			l.deliver(frame)
			slow.add(source, ip)
			if h.reassembly.used > limit {
				t.Fatalf("%d bytes are used, of %d", h.reassembly.used, limit)
			}
			if h.reassembly.used != slow.used() || h.reassembly.held != slow.held() || len(h.reassembly.known) != len(slow.order) {
				t.Fatalf("%d fragments of %d datagrams are held, %d bytes; want %d, %d, %d", h.reassembly.held, len(h.reassembly.known),
					h.reassembly.used, slow.held(), len(slow.order), slow.used())
			}
			if led := h.Ledger(); !led.Balanced() {
				t.Fatalf("the ledger does not balance: %+v, drops %v", led, h.Drops().Map())
			}
		}
		if !slices.Equal(whole, slow.whole) {
			t.Fatalf("put together\n%q\nwant\n%q", whole, slow.whole)
		}
		for _, r := range []drop.Reason{
			drop.ReassemblyDuplicate, drop.ReassemblyECN, drop.ReassemblyMalformed, drop.ReassemblyMemory,
			drop.ReassemblyOverlap, drop.ReassemblyStale, drop.ReassemblyTimeout, drop.ReassemblyTooLong,
		} {
			if got, want := h.Drops().Get(r), uint64(slow.drops[r]); got != want {
				t.Errorf("%v: %d, want %d", r, got, want)
			}
		}
		h.clock.Advance(reassemblyTime)
		nothingHeld(t, h)
		l.take()
		h.Close()
		if n := packet.Live() - live; n != 0 {
			t.Errorf("%d buffers are still out", n)
		}
	})
}
