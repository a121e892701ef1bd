package mem_test

import (
	"slices"
	"testing"

	"github.com/castnet-go/castnet/internal/leak"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

func TestMain(m *testing.M) { leak.Main(m) }

// A keeper is a sink that keeps what it is handed.
type keeper struct {
	queues []int
	frames []*packet.Buffer
}

func (k *keeper) Deliver(queue int, frames []*packet.Buffer) {
	k.queues = append(k.queues, queue)
	k.frames = append(k.frames, frames...)
}

func frame(n int, fill byte) *packet.Buffer {
	b := packet.New(n)
	p := b.Append(n)
	for i := range p {
		p[i] = fill
	}
	return b
}

func TestZeroConfigIsCable(t *testing.T) {
	a, b := mem.Pair(mem.Config{})
	for _, l := range []*mem.Link{a, b} {
		if l.Kind() != link.Ethernet || l.MTU() != 1500 || l.Queues() != 8 || l.Capabilities() != 0 {
			t.Errorf("kind %d, MTU %d, %d queues, capabilities %#x", l.Kind(), l.MTU(), l.Queues(), l.Capabilities())
		}
	}
	if a.Address() != (wire.MAC{2, 0, 0, 0, 0, 0x0a}) || b.Address() != (wire.MAC{2, 0, 0, 0, 0, 0x0b}) {
		t.Errorf("addresses %v and %v", a.Address(), b.Address())
	}
	a, b = mem.Pair(mem.Config{Kind: link.IP})
	if !a.Address().IsZero() || !b.Address().IsZero() {
		t.Errorf("a wire of IP packets has the addresses %v and %v", a.Address(), b.Address())
	}
}

func TestOneSink(t *testing.T) {
	a, b := mem.Pair(mem.Config{})
	var first, second keeper
	if err := b.Attach(nil); err != nil {
		t.Errorf("Attach(nil) to a free end: %v", err)
	}
	if err := b.Attach(&first); err != nil {
		t.Fatal(err)
	}
	for _, again := range []link.Sink{&second, &first} {
		if err := b.Attach(again); err != link.ErrInUse {
			t.Errorf("Attach while one is attached: %v, want %v", err, link.ErrInUse)
		}
	}
	if err := a.Attach(&second); err != nil {
		t.Errorf("Attach to the other end: %v", err)
	}
	a.Write(frame(60, 1).Single())
	if len(first.frames) != 1 || len(second.frames) != 0 {
		t.Errorf("the first sink got %d frames, the refused one %d", len(first.frames), len(second.frames))
	}
	packet.ReleaseAll(first.frames)
	for what, detach := range map[string]func() error{
		"Attach(nil)": func() error { return b.Attach(nil) },
		"Close":       b.Close,
	} {
		if err := detach(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if err := b.Attach(&first); err != nil {
			t.Errorf("Attach after %s: %v", what, err)
		}
	}
}

// What is accepted is the sink's, the very buffers, and nobody's owner is
// charged for them; what is refused is the writer's still.
func TestOwnership(t *testing.T) {
	before := packet.Live()
	a, b := mem.Pair(mem.Config{})
	frames := []*packet.Buffer{frame(60, 1), frame(70, 2)}
	if n, err := a.Write(frames); n != 0 || err != link.ErrNoPeer {
		t.Errorf("Write to nobody: %d, %v; want %v", n, err, link.ErrNoPeer)
	}
	var k keeper
	b.Attach(&k)
	var o account
	for _, f := range frames {
		f.SetOwner(&o)
	}
	if n, err := a.Write(frames); n != 2 || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
	if !slices.Equal(k.frames, frames) {
		t.Error("other buffers arrived than were written")
	}
	for _, f := range k.frames {
		if f.Owner() != nil {
			t.Error("a delivered frame has an owner still")
		}
	}
	if packet.Checking && packet.Live() != before+2 {
		t.Errorf("%d buffers are out, want the 2 that were delivered", packet.Live()-before)
	}
	packet.ReleaseAll(k.frames)
	if n, err := a.Write(nil); n != 0 || err != nil || len(k.queues) != 1 {
		t.Errorf("Write of nothing: %d, %v, %d deliveries", n, err, len(k.queues))
	}
	b.Attach(nil)
	f := frame(60, 3)
	if n, err := a.Write(f.Single()); n != 0 || err != link.ErrNoPeer {
		t.Errorf("Write after Attach(nil): %d, %v; want %v", n, err, link.ErrNoPeer)
	}
	f.Release()
	if packet.Live() != before {
		t.Errorf("%d buffers are out at the end", packet.Live()-before)
	}
}

type account struct{}

func (*account) Charge(int)   {}
func (*account) Uncharge(int) {}

func TestTooBig(t *testing.T) {
	for _, test := range []struct {
		kind link.Kind
		ok   int // the longest frame
	}{{link.Ethernet, 1014}, {link.IP, 1000}} {
		a, b := mem.Pair(mem.Config{Kind: test.kind, MTU: 1000})
		var k keeper
		b.Attach(&k)
		frames := []*packet.Buffer{frame(test.ok, 1), frame(test.ok, 2), frame(test.ok+1, 3), frame(60, 4)}
		if n, err := a.Write(frames); n != 2 || err != link.ErrTooBig || len(k.frames) != 2 {
			t.Errorf("kind %d: Write: %d, %v, %d delivered; want 2 and %v", test.kind, n, err, len(k.frames), link.ErrTooBig)
		}
		if n, err := a.Write(frames[2:]); n != 0 || err != link.ErrTooBig || len(k.frames) != 2 {
			t.Errorf("kind %d: Write of %d bytes first: %d, %v, %d delivered", test.kind, test.ok+1, n, err, len(k.frames))
		}
		packet.ReleaseAll(frames)
	}
}

func TestQueueByFlow(t *testing.T) {
	a, b := mem.Pair(mem.Config{Queues: 2})
	var k keeper
	b.Attach(&k)
	for _, flow := range []uint32{0, 1, 2, 7} {
		first, other := frame(60, 1), frame(60, 2)
		first.Flow, other.Flow = flow, flow+1
		a.Write([]*packet.Buffer{first, other})
	}
	packet.ReleaseAll(k.frames)
	// One call a batch, by the flow of its first frame.
	if want := []int{0, 1, 0, 1}; !slices.Equal(k.queues, want) {
		t.Errorf("delivered by the queues %v, want %v", k.queues, want)
	}
}
