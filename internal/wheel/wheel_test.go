package wheel

import (
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// seed is new in every run; CASTNET_SEED repeats one.
func seed(t *testing.T) uint64 {
	s := uint64(time.Now().UnixNano())
	if v := os.Getenv("CASTNET_SEED"); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		s = n
	}
	t.Logf("CASTNET_SEED=%d", s)
	return s
}

// model is the obvious implementation: a list sorted by (time, adding).
type model struct {
	now  int64
	list []entry
	seq  int
}

type entry struct {
	at  int64
	seq int
	e   *Event[int]
}

func (m *model) add(e *Event[int], at int64) {
	m.seq++
	n := entry{max(at, m.now), m.seq, e}
	i, _ := slices.BinarySearchFunc(m.list, n, func(a, b entry) int {
		if a.at != b.at {
			if a.at < b.at {
				return -1
			}
			return 1
		}
		return a.seq - b.seq
	})
	m.list = slices.Insert(m.list, i, n)
}

func (m *model) remove(e *Event[int]) bool {
	for i := range m.list {
		if m.list[i].e == e {
			m.list = slices.Delete(m.list, i, i+1)
			return true
		}
	}
	return false
}

func (m *model) pop(limit int64) *Event[int] {
	if len(m.list) == 0 || m.list[0].at > limit {
		return nil
	}
	e := m.list[0]
	m.list = slices.Delete(m.list, 0, 1)
	m.now = e.at
	return e.e
}

func TestAgainstSortedList(t *testing.T) {
	r := rand.New(rand.NewPCG(seed(t), 0))
	for round := range 30 {
		var w Wheel[int]
		var m model
		events := make([]Event[int], 200)
		for i := range events {
			events[i].Value = i
		}
		// Distances from nothing to years, so that every level is used,
		// and few enough different ones that times collide.
		shift := r.IntN(52)
		distance := func() int64 { return r.Int64N(8) << r.IntN(shift+1) }
		for step := range 3000 {
			e := &events[r.IntN(len(events))]
			switch op := r.IntN(10); {
			case op < 4:
				if !e.Pending() {
					at := w.Now() + distance() - 2
					w.Add(e, at)
					m.add(e, at)
				}
			case op < 5:
				if got, want := w.Remove(e), m.remove(e); got != want {
					t.Fatalf("round %d step %d: Remove = %v, want %v", round, step, got, want)
				}
			case op < 9:
				limit := w.Now() + distance()
				got, want := w.Pop(limit), m.pop(limit)
				if got != want {
					t.Fatalf("round %d step %d: Pop(%d) = %+v, want %+v", round, step, limit, got, want)
				}
			default:
				to := w.Now() + distance()
				if at, ok := w.Next(); ok {
					to = min(to, at)
				}
				w.Advance(to)
				m.now = max(m.now, to)
			}
			if w.Now() != m.now || w.Len() != len(m.list) {
				t.Fatalf("round %d step %d: now %d, %d waiting; want %d, %d", round, step, w.Now(), w.Len(), m.now, len(m.list))
			}
			var due *Event[int]
			if len(m.list) > 0 && m.list[0].at == m.now {
				due = m.list[0].e
			}
			if got := w.Due(); got != due {
				t.Fatalf("round %d step %d: Due = %+v, want %+v", round, step, got, due)
			}
			waiting := 0
			for e := range w.All() {
				waiting++
				if !e.Pending() {
					t.Fatalf("round %d step %d: All yields %+v, which does not wait", round, step, e)
				}
			}
			if waiting != len(m.list) {
				t.Fatalf("round %d step %d: All yields %d events, want %d", round, step, waiting, len(m.list))
			}
			at, ok := w.Next()
			if ok != (len(m.list) > 0) || ok && at != m.list[0].at {
				t.Fatalf("round %d step %d: Next = %d, %v; want %+v", round, step, at, ok, m.list)
			}
		}
		for {
			got, want := w.Pop(math.MaxInt64), m.pop(math.MaxInt64)
			if got != want {
				t.Fatalf("round %d, emptying: Pop = %+v, want %+v", round, got, want)
			}
			if got == nil {
				break
			}
		}
		if w.occupied != 0 {
			t.Fatalf("round %d: an empty wheel has levels %b", round, w.occupied)
		}
	}
}

// TestEqualTimesAddedFromAfar adds events of one time at distances that put
// them into different levels; they come out in the order of adding.
func TestEqualTimesAddedFromAfar(t *testing.T) {
	var w Wheel[int]
	const at = 1<<40 + 12345
	for i, now := range []int64{0, 1 << 39, 1 << 40, 1<<40 + 12000, 1<<40 + 12344, at} {
		w.Advance(now)
		w.Add(&Event[int]{Value: i}, at)
	}
	for want := range 6 {
		if e := w.Pop(math.MaxInt64); e == nil || e.Value != want {
			t.Fatalf("event %d came out as %+v", want, e)
		}
	}
}

func TestMisusePanics(t *testing.T) {
	panics := func(f func()) (did bool) {
		defer func() { did = recover() != nil }()
		f()
		return false
	}
	var w Wheel[int]
	var e Event[int]
	w.Add(&e, 10)
	if !panics(func() { w.Add(&e, 11) }) {
		t.Error("adding an event twice did not panic")
	}
	if !panics(func() { w.Advance(11) }) {
		t.Error("advancing past an event did not panic")
	}
}

func TestNoAllocations(t *testing.T) {
	var w Wheel[int]
	events := make([]Event[int], 64)
	if n := testing.AllocsPerRun(100, func() {
		for i := range events {
			w.Add(&events[i], w.Now()+int64(i)*12345)
		}
		for w.Pop(math.MaxInt64) != nil {
		}
	}); n != 0 {
		t.Errorf("64 events allocate %v times", n)
	}
}

func benchmark(b *testing.B, pending int, spread int64) {
	var w Wheel[int]
	r := rand.New(rand.NewPCG(1, 2))
	for range pending {
		w.Add(new(Event[int]), r.Int64N(spread))
	}
	b.ResetTimer()
	for b.Loop() {
		e := w.Pop(math.MaxInt64)
		w.Add(e, w.Now()+r.Int64N(spread))
	}
}

func BenchmarkPopAdd(b *testing.B) {
	for _, n := range []int{1, 100, 10_000, 1_000_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) { benchmark(b, n, int64(time.Millisecond)) })
	}
}
