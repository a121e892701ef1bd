package lab

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/castnet-go/castnet/packet"
)

// TestOrder holds what the queue makes happen against the rule: by time and, at one
// time, in the order of scheduling, whatever short cuts frames take.
func TestOrder(t *testing.T) {
	type scheduled struct {
		at  int64
		seq int
	}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		var (
			q          queue
			directions [3]direction
			want       []scheduled // what is to come, and has not
			seq        int
			numbers    = make(map[*packet.Buffer]int)
			timers     []*timer
			timerSeq   = make(map[*timer]int)
			happened   = -1 // the number of the last thing that was done
		)
		expect := func(at int64) int {
			want = append(want, scheduled{max(at, q.wheel.Now()), seq})
			seq++
			return seq - 1
		}
		schedule := func() {
			at := q.wheel.Now() + []int64{0, 0, 0, 1, 70, 70, 5000, 1 << 40}[r.IntN(8)]
			switch d := &directions[r.IntN(3)]; r.IntN(8) {
			case 0:
				b := packet.New(0)
				numbers[b] = expect(at + 1)
				q.scheduleSent(b, d, at+1, at+2)
			case 1:
				tm := &timer{queue: &q}
				n := expect(at)
				tm.event.Value.do = func() { happened = n }
				q.schedule(&tm.event, at)
				timers = append(timers, tm)
				timerSeq[tm] = n
			case 2:
				if len(timers) > 0 {
					tm := timers[r.IntN(len(timers))]
					if tm.Stop() {
						want = slices.DeleteFunc(want, func(s scheduled) bool { return s.seq == timerSeq[tm] })
					}
				}
			default:
				b := packet.New(0)
				numbers[b] = expect(at)
				q.scheduleFrame(b, d, at)
			}
		}
		first := func() scheduled {
			return slices.MinFunc(want, func(a, b scheduled) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.seq, b.seq)) })
		}
		check := func(n int) {
			t.Helper()
			f := first()
			if n != f.seq || q.wheel.Now() != f.at {
				t.Fatalf("seed %d: number %d happened at %d, want number %d at %d", seed, n, q.wheel.Now(), f.seq, f.at)
			}
			want = slices.DeleteFunc(want, func(s scheduled) bool { return s.seq == n })
		}
		take := func(b *packet.Buffer) {
			t.Helper()
			check(numbers[b])
			delete(numbers, b)
			b.Release()
		}
		for step := range 3000 {
			if step < 2000 {
				for range r.IntN(3) {
					schedule()
				}
			}
			if got := q.frames(); got != len(numbers) {
				t.Fatalf("seed %d: %d frames wait, want %d", seed, got, len(numbers))
			}
			if due := len(want) > 0 && first().at == q.wheel.Now(); q.due() != due {
				t.Fatalf("seed %d: due is %v, want %v", seed, !due, due)
			}
			h, arrival, do := q.next(maxTime)
			switch {
			case do != nil:
				do()
				check(happened)
			case h.along != nil:
				if arrival != 0 && arrival != q.wheel.Now()+2 {
					t.Fatalf("seed %d: arrival %d of a frame sent at %d", seed, arrival, q.wheel.Now())
				}
				take(h.frame)
				for b := q.also(h.along); b != nil; b = q.also(h.along) {
					take(b)
				}
			case len(want) > 0:
				t.Fatalf("seed %d: nothing happens, but %d things are to", seed, len(want))
			}
		}
		for len(want) > 0 {
			if h, _, do := q.next(maxTime); do != nil {
				do()
				check(happened)
			} else {
				take(h.frame)
			}
		}
	}
}
