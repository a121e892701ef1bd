package main

import "testing"

func TestFraction(t *testing.T) {
	for r, want := range map[float64]string{0: "-", 0.04: "1/25", 0.45: "1/2.2", 0.5: "1/2", 0.99: "0.99", 1.3: "1.30"} {
		if got := fraction(r); got != want {
			t.Errorf("fraction(%v) = %q, want %q", r, got, want)
		}
	}
}

func TestAllocationsArePrintedIfTheyMatter(t *testing.T) {
	for n, want := range map[float64]string{0: "0", 0.0001: "0", 0.03: "0.03", 8: "8", 7.98: "8"} {
		if got := allocations(n); got != want {
			t.Errorf("allocations(%v) = %q, want %q", n, got, want)
		}
	}
}
