package main

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"
)

// A cell is what one column of the table is about.
type cell struct{ size, batch int }

func (c cell) String() string {
	if c.batch == 1 {
		return fmt.Sprintf("%d B", c.size)
	}
	return fmt.Sprintf("%d B × %d", c.size, c.batch)
}

// cells are all the columns.
func cells() []cell {
	var all []cell
	for _, batch := range []int{1, batchSize} {
		for _, size := range sizes {
			all = append(all, cell{size, batch})
		}
	}
	return all
}

// A sample is what one slice of one row says of one cell.
type sample struct {
	ns          float64 // a datagram
	allocations float64 // a datagram
}

// measured is a row and its samples, one a round.
type measured struct {
	row
	samples map[cell][]sample
}

// contender is a row while it is being measured.
type contender struct {
	*measured
	path  path
	bufs  *buffers
	count map[cell]int // calls of carry that fill a slice
}

// measure lets the rows take turns and returns what was seen. Every round opens
// everything anew: where sockets and buffers come to lie in memory can make a
// row 10 % faster or slower as long as the process lives, and that accident
// must not decide.
func measure(chosen []row, s setup, rounds int, slice time.Duration, progress func(string)) ([]*measured, error) {
	var all []*measured
	var contenders []*contender
	for _, r := range chosen {
		m := &measured{row: r, samples: make(map[cell][]sample)}
		all = append(all, m)
		contenders = append(contenders, &contender{measured: m, count: make(map[cell]int)})
	}
	random := rand.New(rand.NewPCG(1, 2))
	for round := range rounds {
		progress(fmt.Sprintf("round %d of %d", round+1, rounds))
		// Nobody is always the first.
		turn := round % max(1, len(contenders))
		order := slices.Concat(contenders[turn:], contenders[:turn])
		if err := measureRound(order, s, slice, random); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func measureRound(contenders []*contender, s setup, slice time.Duration, random *rand.Rand) (err error) {
	for _, c := range contenders {
		c.bufs = newBuffers(random)
		if c.path, err = c.open(s, c.bufs); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		defer func() {
			if e := c.path.close(); e != nil && err == nil {
				err = fmt.Errorf("%s: closing: %w", c.name, e)
			}
		}()
	}
	for _, cell := range cells() {
		for _, c := range contenders {
			if c.singlesOnly && cell.batch > 1 {
				continue
			}
			smp, err := c.slice(cell, slice, random)
			if err != nil {
				return fmt.Errorf("%s, %v: %w", c.name, cell, err)
			}
			c.samples[cell] = append(c.samples[cell], smp)
		}
	}
	return nil
}

// slice measures one cell of the contender for about d.
func (c *contender) slice(cell cell, d time.Duration, random *rand.Rand) (sample, error) {
	c.bufs.fill(random, cell.size)
	stage(c.path)
	if c.count[cell] == 0 {
		if err := c.calibrate(cell, d); err != nil {
			return sample{}, err
		}
	}
	// The garbage of others must not be collected at this row's expense, and
	// pools that a collection has emptied, and the processor's caches, must be
	// filled before the clock runs.
	runtime.GC()
	n := c.count[cell]
	if _, err := c.run(cell, n/8+1); err != nil {
		return sample{}, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	took, err := c.run(cell, n)
	if err != nil {
		return sample{}, err
	}
	runtime.ReadMemStats(&after)
	collect(c.path)
	if err := c.bufs.check(cell.batch); err != nil {
		return sample{}, err
	}
	datagrams := float64(n * cell.batch)
	return sample{
		ns:          float64(took.Nanoseconds()) / datagrams,
		allocations: float64(after.Mallocs-before.Mallocs) / datagrams,
	}, nil
}

// calibrate finds how many calls take about d.
func (c *contender) calibrate(cell cell, d time.Duration) error {
	for n := 1; ; n *= 2 {
		took, err := c.run(cell, n)
		if err != nil {
			return err
		}
		if took > d/4 {
			c.count[cell] = max(1, int(float64(n)*float64(d)/float64(took)))
			return nil
		}
	}
}

func (c *contender) run(cell cell, n int) (time.Duration, error) {
	p, batch := c.path, cell.batch
	start := time.Now()
	for range n {
		if err := p.carry(batch); err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}

// median returns the middle of v, or the mean of the two in the middle; of
// nothing, 0.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	m := len(v) / 2
	if len(v)%2 == 1 {
		return v[m]
	}
	return (v[m-1] + v[m]) / 2
}

// ns is the median cost of a datagram, allocations that of the allocations.
func (m *measured) ns(c cell) float64 {
	return median(each(m.samples[c], func(s sample) float64 { return s.ns }))
}

func (m *measured) allocations(c cell) float64 {
	return median(each(m.samples[c], func(s sample) float64 { return s.allocations }))
}

// ratio is the median of what m cost divided by what other cost in the same
// round; 0 if they have no round in common.
func (m *measured) ratio(other *measured, c cell) float64 {
	a, b := m.samples[c], other.samples[c]
	var ratios []float64
	for i := range min(len(a), len(b)) {
		ratios = append(ratios, a[i].ns/b[i].ns)
	}
	return median(ratios)
}

func each(samples []sample, f func(sample) float64) []float64 {
	v := make([]float64, len(samples))
	for i, s := range samples {
		v[i] = f(s)
	}
	return v
}
