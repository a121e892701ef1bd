package packet

import "testing"

func TestStash(t *testing.T) {
	before := Live()
	var s Stash
	var spent Spent
	seen := map[*Buffer]bool{}
	const rounds = 200
	for round := range rounds {
		b := s.New(60)
		if front, back := b.Room(); b.Len() != 0 || front != Headroom || back < 60 || b.Next() != nil || b.Flow != 0 || b.Mark != 0 {
			t.Fatalf("round %d: not a new buffer: %d bytes, room for %d and %d, flow %d", round, b.Len(), front, back, b.Flow)
		}
		copy(b.Append(60), "payload")
		b.Flow, b.Mark = 7, 8
		seen[b] = true
		if !b.Small() {
			t.Fatal("a buffer for 60 bytes is not small")
		}
		spent.Release(b)
	}
	if Checking && Live() != before {
		t.Errorf("%d buffers are out, want %d", Live(), before)
	}
	large := s.New(1400)
	if _, back := large.Room(); back < 1400 || large.Small() {
		t.Error("a buffer for 1400 bytes is small")
	}
	large.Release()
	if !Checking && len(seen) > rounds/2 {
		t.Errorf("%d rounds used %d buffers: the pool does not see them again", rounds, len(seen))
	}
}

// TestSpentShared: what somebody else reads is not given back.
func TestSpentShared(t *testing.T) {
	before := Live()
	var s Stash
	var spent Spent
	b := s.New(3)
	copy(b.Append(3), "abc")
	b.Retain(1)
	for range 3 * stashed { // others go through meanwhile
		spent.Release(s.New(3))
	}
	spent.Release(b)
	if got := string(b.Bytes()); got != "abc" {
		t.Errorf("the other reader finds %q", got)
	}
	b.Release()
	if Checking && Live() != before {
		t.Errorf("%d buffers are out, want %d", Live(), before)
	}
}

// TestStashKeepsFew: a long chain of the pool's is not kept whole.
func TestStashKeepsFew(t *testing.T) {
	many := make([]*Buffer, 32)
	NewBatch(many, 60)
	ReleaseAll(many)
	var s Stash
	s.New(60).Release()
	n := 0
	for b := s.first; b != nil; b = b.next {
		n++
	}
	if n >= stashed {
		t.Errorf("%d buffers are kept, want fewer than %d", n, stashed)
	}
}

func BenchmarkStash(b *testing.B) {
	var s Stash
	var spent Spent
	for b.Loop() {
		spent.Release(s.New(64))
	}
}
