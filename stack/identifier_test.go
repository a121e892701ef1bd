package stack

import (
	"math"
	"testing"

	"github.com/castnet-go/castnet/wire"
)

func TestPermute16IsAPermutation(t *testing.T) {
	for _, key := range []uint64{0, 1, 1 << 63, 0x0123456789abcdef, math.MaxUint64} {
		var seen [1 << 16]bool
		for n := range 1 << 16 {
			p := permute16(uint16(n), key)
			if seen[p] {
				t.Fatalf("key %#x: %d comes twice", key, p)
			}
			seen[p] = true
		}
	}
}

// Within 65,536 packets of one flow no identification comes twice, whoever else
// sends meanwhile as long as it is by another counter.
func TestIdentificationsDoNotRepeatSoon(t *testing.T) {
	h := newHost(t, Config{}, nil)
	src, dst := ipv4(10<<24|1), ipv4(10<<24|2)
	last := make(map[uint16]int)
	for n := range 200_000 {
		id := h.nextID(src, dst, wire.ProtocolUDP)
		if before, ok := last[id]; ok && n-before < 1<<16 {
			t.Fatalf("packet %d has the identification %d of packet %d", n, id, before)
		}
		last[id] = n
	}
}

// An identification says nothing of the next: the distances from one to the next
// are spread like those of random numbers, for one destination and for two in turn.
func TestIdentificationsCannotBePredicted(t *testing.T) {
	h := newHost(t, Config{}, nil)
	for _, peers := range [][]ipv4{{10<<24 | 2}, {10<<24 | 2, 10<<24 | 3}} {
		const n = 1 << 16
		var bins [64]int
		var before uint16
		for k := range n {
			id := h.nextID(10<<24|1, peers[k%len(peers)], wire.ProtocolUDP)
			bins[(id-before)>>10]++
			before = id
		}
		chi := 0.0
		for _, got := range bins {
			d := float64(got) - n/float64(len(bins))
			chi += d * d / (n / float64(len(bins)))
		}
		// 63 degrees of freedom: above 120 once in a hundred thousand runs.
		if chi > 120 {
			t.Errorf("%d peers: the distances are not spread evenly: χ² = %.0f, %v", len(peers), chi, bins)
		}
	}
}

// Two stacks, and two destinations of one, have other sequences.
func TestIdentificationsAreOnesOwn(t *testing.T) {
	a, b := newHost(t, Config{Seed: [32]byte{1}}, nil), newHost(t, Config{Seed: [32]byte{2}}, nil)
	same := 0
	for range 1000 {
		x := a.nextID(1, 2, wire.ProtocolUDP)
		if x == b.nextID(1, 2, wire.ProtocolUDP) {
			same++
		}
		if x == a.nextID(1, 3, wire.ProtocolUDP) {
			same++
		}
	}
	if same > 5 {
		t.Errorf("%d of 2000 identifications are the same", same)
	}
}

func BenchmarkNextID(b *testing.B) {
	h := newHost(b, Config{}, nil)
	for b.Loop() {
		h.nextID(1, 2, wire.ProtocolUDP)
	}
}
