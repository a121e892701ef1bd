package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, tc := range []struct {
		v    []float64
		want float64
	}{
		{nil, 0},
		{[]float64{3}, 3},
		{[]float64{9, 1, 5}, 5},
		{[]float64{4, 1, 9, 2}, 3},
	} {
		if got := median(tc.v); got != tc.want {
			t.Errorf("median(%v) = %v, want %v", tc.v, got, tc.want)
		}
	}
}

// with returns a measured row whose samples of c cost what costs say.
func with(name string, k kind, c cell, costs ...float64) *measured {
	m := &measured{row: row{name: name, kind: k}, samples: make(map[cell][]sample)}
	for _, ns := range costs {
		m.samples[c] = append(m.samples[c], sample{ns: ns})
	}
	return m
}

func TestRatioIsTakenWithinRounds(t *testing.T) {
	c := cell{64, 1}
	// The machine is twice as slow in every other round; the ratio is not.
	a := with("a", ours, c, 10, 20, 10, 20)
	b := with("b", peer, c, 40, 80, 40, 80)
	if got := a.ratio(b, c); got != 0.25 {
		t.Errorf("ratio = %v, want 0.25", got)
	}
	if got := a.ratio(with("none", peer, cell{512, 1}, 1), c); got != 0 {
		t.Errorf("ratio to a row that was not measured = %v, want 0", got)
	}
}

// fakePath takes its time, or fails, or does nothing at all.
type fakePath struct {
	bufs   *buffers
	idle   bool
	err    error
	closed *int
}

func (p *fakePath) carry(count int) error {
	for i := range count {
		if !p.idle {
			p.bufs.in[i] = append(p.bufs.in[i][:0], p.bufs.out[i]...)
		}
	}
	return p.err
}

func (p *fakePath) close() error { *p.closed++; return nil }

func TestMeasure(t *testing.T) {
	closed := 0
	fake := func(name string, idle bool, err error) row {
		return row{name: name, group: "paths", open: func(_ setup, b *buffers) (path, error) {
			return &fakePath{b, idle, err, &closed}, nil
		}}
	}
	run := func(rows ...row) ([]*measured, error) {
		return measure(rows, setup{}, 2, 100*time.Microsecond, func(string) {})
	}
	single := fake("single", false, nil)
	single.singlesOnly = true
	all, err := run(fake("good", false, nil), single)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range pathCells() {
		if got := len(all[0].samples[c]); got != 2 {
			t.Errorf("%v: %d samples of 2 rounds", c, got)
		}
		if all[0].ns(c) <= 0 {
			t.Errorf("%v: %v ns", c, all[0].ns(c))
		}
		if got, want := len(all[1].samples[c]), 2; c.batch == 1 && got != want || c.batch > 1 && got != 0 {
			t.Errorf("%v: %d samples of a row without batches", c, got)
		}
	}
	if closed != 4 {
		t.Errorf("%d paths closed, want 2 in each of 2 rounds", closed)
	}
	if _, err := run(fake("good", false, nil), fake("idle", true, nil)); err == nil || !strings.Contains(err.Error(), "idle") {
		t.Errorf("measuring a row that delivers nothing: %v", err)
	}
	failure := errors.New("failure")
	if _, err := run(fake("bad", false, failure)); !errors.Is(err, failure) {
		t.Errorf("measuring a row that fails: %v", err)
	}
}
