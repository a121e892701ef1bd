package stack

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// The heap against a list that is searched from end to end.
func TestDeadlines(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var q deadlines[int]
	var set []*deadline[int] // in the order of setting
	all := make([]deadline[int], 50)
	earliest := func() *deadline[int] {
		if len(set) == 0 {
			return nil
		}
		return slices.MinFunc(set, func(a, b *deadline[int]) int { return cmp.Compare(a.at, b.at) })
	}
	forget := func(d *deadline[int]) {
		set = slices.DeleteFunc(set, func(o *deadline[int]) bool { return o == d })
	}
	for range 20000 {
		d := &all[r.IntN(len(all))]
		switch r.IntN(5) {
		case 0, 1:
			q.set(d, instant(r.IntN(30)))
			forget(d)
			set = append(set, d)
		case 2:
			q.cancel(d)
			forget(d)
		default:
			now, want := instant(r.IntN(30)), earliest()
			if want != nil && want.at > now {
				want = nil
			}
			if got := q.take(now); got != want {
				t.Fatalf("take(%d) = %+v, want %+v", now, got, want)
			}
			forget(want)
		}
		want := never
		if d := earliest(); d != nil {
			want = d.at
		}
		if got := q.next(); got != want {
			t.Fatalf("the earliest is at %d, want %d", got, want)
		}
		for k := range all {
			if isSet := slices.Contains(set, &all[k]); isSet != (all[k].slot != 0) {
				t.Fatalf("deadline %d is set: %v, want %v", k, !isSet, isSet)
			}
		}
	}
}
