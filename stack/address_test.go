package stack

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSortAddresses(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 100 {
		list := make([]address, n)
		for k := range list {
			list[k] = address{r.Uint64N(3), r.Uint64N(uint64(n))} // so that some are equal
		}
		want := slices.Clone(list)
		slices.SortFunc(want, address.compare)
		sortAddresses(list)
		if !slices.Equal(list, want) {
			t.Fatalf("%d addresses: sorted to %v, want %v", n, list, want)
		}
	}
}
