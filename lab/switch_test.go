package lab

import (
	"fmt"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// bench is a lab of bare cards on a segment: no stack is behind them, and what
// they get is noted.
type bench struct {
	t    *testing.T
	lab  *Lab
	nics []*nic
	got  []string // "1: payload", by card
}

type noter struct {
	b *bench
	n int
}

func (s noter) Deliver(_ int, frames []*packet.Buffer) {
	for _, f := range frames {
		_, payload, _ := wire.ParseEthernet(f.Bytes())
		s.b.got = append(s.b.got, fmt.Sprintf("%d: %s", s.n, payload))
		f.Release()
	}
}

func newBench(t *testing.T, to func(*Lab) Segment, cards int) *bench {
	b := &bench{t: t, lab: New(Config{})}
	t.Cleanup(func() { b.lab.Close() })
	seg := to(b.lab)
	for i := range cards {
		b.add(seg, i)
	}
	return b
}

func (b *bench) add(seg Segment, i int) {
	n, err := b.lab.AddHost(fmt.Sprint("h", i)).plug(seg, LinkConfig{})
	if err != nil {
		b.t.Fatal(err)
	}
	n.mac = station1(i)
	n.Attach(noter{b, i})
	b.nics = append(b.nics, n)
}

// station1 is the address of card i.
func station1(i int) wire.MAC { return wire.MAC{2, 0, 0, 0, byte(i >> 8), byte(i)} }

// send sends a frame from a card and returns who got it.
func (b *bench) send(from int, src, dst wire.MAC, payload string) []string {
	b.t.Helper()
	f := packet.New(wire.EthernetHeaderLen + len(payload))
	h := wire.PutEthernet(f.Append(wire.EthernetHeaderLen))
	h.SetSource(src)
	h.SetDestination(dst)
	h.SetType(0x88b5) // local experimental
	copy(f.Append(len(payload)), payload)
	if n, err := b.nics[from].Write(f.Single()); n != 1 {
		f.Release()
		b.t.Fatalf("Write = %d, %v", n, err)
	}
	b.got = nil
	if err := b.lab.Run(0); err != nil {
		b.t.Fatal(err)
	}
	return b.got
}

func (b *bench) want(what string, got []string, want ...string) {
	b.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func aSwitch(l *Lab) Segment { return l.AddSwitch("lan") }

func TestSwitchLearns(t *testing.T) {
	b := newBench(t, aSwitch, 4)
	m := station1
	b.want("unknown", b.send(0, m(0), m(1), "a"), "1: a", "2: a", "3: a")
	b.want("answer to one that was heard", b.send(1, m(1), m(0), "b"), "0: b")
	b.want("both known", b.send(0, m(0), m(1), "c"), "1: c")
	b.want("broadcast", b.send(0, m(0), wire.Broadcast, "d"), "1: d", "2: d", "3: d")
	b.want("group", b.send(1, m(1), wire.MAC{1, 0, 0x5e, 1, 2, 3}, "e"), "0: e", "2: e", "3: e")
	b.want("to whom it comes from", b.send(1, m(9), m(1), "f"))
	b.want("a station moves", b.send(3, m(0), m(1), "g"), "1: g")
	b.want("and is found there", b.send(1, m(1), m(0), "h"), "3: h")
	b.want("a group is no source", b.send(2, wire.Broadcast, m(1), "i"), "1: i")
	b.want("and was not learned", b.send(1, m(1), wire.Broadcast, "j"), "0: j", "2: j", "3: j")

	s := b.lab.segments[0].base()
	if n := s.drops.n[drop.MACFiltered]; n != 1 || s.drops.total() != 1 {
		t.Errorf("MACFiltered: %d of %d drops", n, s.drops.total())
	}
}

func TestSwitchForgets(t *testing.T) {
	b := newBench(t, aSwitch, 3)
	m := station1
	b.send(1, m(1), m(0), "x")
	b.lab.Run(5 * time.Minute)
	b.want("after five minutes", b.send(0, m(0), m(1), "a"), "1: a")
	b.lab.Run(1)
	b.want("and a moment", b.send(0, m(0), m(1), "b"), "1: b", "2: b")
	// Being heard keeps it, being sent to does not.
	b.send(1, m(1), m(0), "x")
	b.lab.Run(4 * time.Minute)
	b.send(1, m(1), m(0), "x")
	b.lab.Run(4 * time.Minute)
	b.want("heard meanwhile", b.send(0, m(0), m(1), "c"), "1: c")
	b.lab.Run(2 * time.Minute)
	b.want("sent to meanwhile", b.send(0, m(0), m(1), "d"), "1: d", "2: d")
	// A card that is unplugged for good takes what was learned with it.
	b.send(1, m(1), m(0), "x")
	b.nics[1].Close()
	b.want("card removed", b.send(0, m(0), m(1), "e"), "2: e")
}

// TestSwitchTableIsBounded: made-up source addresses do not fill the memory, and
// do not push out those that are learned.
func TestSwitchTableIsBounded(t *testing.T) {
	b := newBench(t, aSwitch, 3)
	m := station1
	b.send(1, m(1), m(0), "x")
	s := b.lab.segments[0].(*Switch)
	for i := range maxStations + 100 {
		b.send(2, wire.MAC{6, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)}, m(2), "x")
	}
	if n := len(s.stations); n != maxStations {
		t.Fatalf("%d stations are remembered", n)
	}
	b.want("learned before", b.send(0, m(0), m(1), "a"), "1: a")
	b.want("not learned", b.send(1, m(1), m(0), "b"), "0: b", "2: b")
	// When they are old, there is room again.
	b.lab.Run(10 * time.Minute)
	b.send(0, m(0), m(1), "x")
	b.want("learned after", b.send(1, m(1), m(0), "c"), "0: c")
	if n := len(s.stations); n > 3 {
		t.Errorf("%d stations are remembered after ten minutes", n)
	}
}

// TestFloodSharesOnePayload: however many get it, its bytes are there once.
func TestFloodSharesOnePayload(t *testing.T) {
	b := newBench(t, aSwitch, 10)
	var storage = make(map[*byte]bool)
	for _, n := range b.nics {
		n.Attach(nil)
		n.Attach(sinkFunc(func(frames []*packet.Buffer) {
			for _, f := range frames {
				storage[&f.Bytes()[0]] = true
			}
			packet.ReleaseAll(frames)
		}))
	}
	b.send(0, station1(0), wire.Broadcast, "payload")
	if len(storage) != 1 {
		t.Errorf("the payload is in memory %d times", len(storage))
	}
}

type sinkFunc func([]*packet.Buffer)

func (f sinkFunc) Deliver(_ int, frames []*packet.Buffer) { f(frames) }

func TestSegmentsWithNobodyElse(t *testing.T) {
	for name, to := range map[string]func(*Lab) Segment{
		"switch": aSwitch,
		"cable":  func(l *Lab) Segment { return l.AddCable("wire") },
	} {
		b := newBench(t, to, 1)
		b.want(name, b.send(0, station1(0), station1(1), "x"))
		s := b.lab.segments[0].base()
		if s.drops.total() != 1 || s.drops.n[drop.LinkNoPeer] != 1 {
			t.Errorf("%s: want one LinkNoPeer", name)
		}
	}
}

func TestCable(t *testing.T) {
	b := newBench(t, func(l *Lab) Segment { return l.AddCable("wire") }, 2)
	b.want("there", b.send(0, station1(0), station1(1), "a"), "1: a")
	b.want("back", b.send(1, station1(1), station1(7), "b"), "0: b")
	b.nics[0].Close()
	b.want("to nobody", b.send(1, station1(1), station1(0), "c"))
	b.add(b.lab.segments[0], 2)
	b.want("to another", b.send(1, station1(1), station1(0), "d"), "2: d")
}

func TestFrameTooShortForASwitch(t *testing.T) {
	b := newBench(t, aSwitch, 2)
	f := packet.New(13)
	f.Append(13)
	b.nics[0].Write(f.Single())
	b.lab.Run(0)
	if s := b.lab.segments[0].base(); s.drops.total() != 1 || s.drops.n[drop.FrameMalformed] != 1 {
		t.Error("want one FrameMalformed")
	}
}

func TestCardRefuses(t *testing.T) {
	b := newBench(t, aSwitch, 2)
	n := b.nics[0]
	try := func(size int) error {
		f := packet.New(size)
		clear(f.Append(size))
		sent, err := n.Write(f.Single())
		if sent == 0 {
			f.Release()
		}
		return err
	}
	if err := try(1500 + wire.EthernetHeaderLen); err != nil {
		t.Errorf("a frame of the MTU: %v", err)
	}
	if err := try(1501 + wire.EthernetHeaderLen); err != link.ErrTooBig {
		t.Errorf("a frame over the MTU: %v", err)
	}
	if err := n.Attach(noter{b, 0}); err != link.ErrInUse {
		t.Errorf("a second sink: %v", err)
	}
	n.up = false
	if err := try(100); err != link.ErrDown {
		t.Errorf("unplugged: %v", err)
	}
	n.Close()
	if err := try(100); err != link.ErrClosed {
		t.Errorf("closed: %v", err)
	}
	if err := n.Attach(nil); err != link.ErrClosed {
		t.Errorf("Attach to a closed card: %v", err)
	}
	if err := n.Close(); err != link.ErrClosed {
		t.Errorf("second Close: %v", err)
	}
	b.lab.Run(0)
}
