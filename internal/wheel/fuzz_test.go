package wheel

import (
	"encoding/binary"
	"math"
	"testing"
)

// FuzzWheel reads its bytes as calls, on a wheel and on a list sorted by time and
// adding: they do the same.
func FuzzWheel(f *testing.F) {
	f.Add([]byte{0, 1, 5, 0, 2, 5, 0, 3, 70, 2, 0, 200, 1, 2, 0, 3, 0, 255})
	f.Add([]byte{0, 1, 0xfe, 0, 2, 0xfd, 2, 0, 0xfe, 3, 0, 0xff, 2, 0, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		var w Wheel[int]
		var m model
		var events [16]Event[int]
		for i := range events {
			events[i].Value = i
		}
		for ; len(data) >= 3; data = data[3:] {
			e := &events[data[1]%16]
			// Up to 2^31 of some power of 64 from now, so that each level and
			// the last slot of each are within reach.
			distance := int64(binary.BigEndian.Uint16(data[1:])) << (data[2] % 40)
			switch data[0] % 4 {
			case 0:
				if !e.Pending() {
					at := w.Now() + distance
					w.Add(e, at)
					m.add(e, at)
				}
			case 1:
				if got, want := w.Remove(e), m.remove(e); got != want {
					t.Fatalf("Remove = %v, want %v", got, want)
				}
			case 2:
				if got, want := w.Pop(w.Now()+distance), m.pop(m.now+distance); got != want {
					t.Fatalf("Pop = %+v, want %+v", got, want)
				}
			case 3:
				to := w.Now() + distance
				if at, ok := w.Next(); ok {
					to = min(to, at)
				}
				w.Advance(to)
				m.now = max(m.now, to)
			}
			if w.Now() != m.now || w.Len() != len(m.list) {
				t.Fatalf("now %d, %d waiting; want %d, %d", w.Now(), w.Len(), m.now, len(m.list))
			}
		}
		for range len(events) + 1 {
			if got, want := w.Pop(math.MaxInt64), m.pop(math.MaxInt64); got != want {
				t.Fatalf("emptying: Pop = %+v, want %+v", got, want)
			}
		}
		if w.occupied != 0 || w.Len() != 0 {
			t.Fatalf("an empty wheel has levels %b and %d events", w.occupied, w.Len())
		}
	})
}
