package stack

import (
	"fmt"
	"hash"
	"hash/fnv"
	"testing"

	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/trace"
)

// hashTracer hashes every event that it is told of.
type hashTracer struct {
	hash.Hash64
	last uint64
	n    int
}

func newHashTracer() *hashTracer { return &hashTracer{Hash64: fnv.New64a()} }

func (h *hashTracer) NewID() uint64 { h.last++; return h.last }

func (h *hashTracer) Trace(e *trace.Event) {
	h.n++
	fmt.Fprintln(h, e, e.Time, e.Layer)
	h.Write(e.Frame)
}

// story runs a world to its end and returns what happened in it.
func story(t *testing.T, seed uint64, data []byte, tracer trace.Tracer) string {
	w := newWorld(t, seed, data, tracer)
	for w.step() {
	}
	w.end()
	out := fmt.Sprintf("%x", w.log.Sum64())
	for _, h := range w.hosts {
		out += fmt.Sprintf(" %+v %v", h.Ledger(), h.Drops().Map())
	}
	return out
}

func storySize() (seeds uint64, size int) {
	if testing.Short() || packet.Checking {
		return 2, 2500
	}
	return 6, 10000
}

// The same bytes do the same: every frame on every wire to the last bit, every
// result and every counter. With another seed it is another story.
func TestTheSameSeedTellsTheSameStory(t *testing.T) {
	seeds, size := storySize()
	for seed := range seeds {
		data := chance(seed, size)
		first := story(t, seed, data, nil)
		for range 2 {
			if again := story(t, seed, data, nil); again != first {
				t.Fatalf("seed %d: two runs differ:\n%s\n%s", seed, first, again)
			}
		}
		if other := story(t, seed+100, data, nil); other == first {
			t.Errorf("seeds %d and %d do the same", seed, seed+100)
		}
	}
}

// So do the events that a tracer is told of, in their order; and it changes
// nothing to be watched, although what is watched takes no short ways.
func TestATracerIsToldTheSameAndChangesNothing(t *testing.T) {
	seeds, size := storySize()
	for seed := range seeds {
		data := chance(seed+50, size)
		unseen := story(t, seed, data, nil)
		var events [2]string
		for k := range events {
			tr := newHashTracer()
			if seen := story(t, seed, data, tr); seen != unseen {
				t.Fatalf("seed %d: watched, another story:\n%s\n%s", seed, unseen, seen)
			}
			events[k] = fmt.Sprintf("%d events, %x", tr.n, tr.Sum64())
		}
		if events[0] != events[1] {
			t.Errorf("seed %d: two runs were told as %v", seed, events)
		}
	}
}
