package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
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

// pathCells are the columns of the first group.
func pathCells() []cell {
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
	allocations float64 // a datagram; negative: not known
	wall        float64 // ns a datagram by the clock on the wall; 0: not told
}

// measured is a row and its samples, one a round.
type measured struct {
	row
	samples map[cell][]sample
	amounts []float64
	missing error // why there are none
}

func (m *measured) of() *group { return groupOf(m.group) }

// has reports whether the row was measured in a cell.
func (m *measured) has(c cell) bool { return len(m.samples[c]) > 0 }

// contender is a row while it is being measured.
type contender struct {
	*measured
	path  path
	bufs  *buffers
	count map[cell]int // calls of carry that fill a slice
}

// measure measures the groups one after the other.
func measure(chosen []row, s setup, rounds int, slice time.Duration, progress func(string)) ([]*measured, error) {
	var all []*measured
	random := rand.New(rand.NewPCG(1, 2))
	for i := range groups {
		g := &groups[i]
		var contenders []*contender
		for _, r := range chosen {
			if r.group == g.name {
				m := &measured{row: r, samples: make(map[cell][]sample)}
				all = append(all, m)
				contenders = append(contenders, &contender{measured: m, count: make(map[cell]int)})
			}
		}
		if len(contenders) == 0 {
			continue
		}
		if err := measureGroup(g, contenders, s, rounds, slice, random, progress); err != nil {
			return nil, err
		}
		// What was large must not burden the next group's collections.
		debug.FreeOSMemory()
	}
	return all, nil
}

// measureGroup lets the rows take turns. Every round opens everything anew,
// unless the group is one that keeps its paths: where sockets and buffers come
// to lie in memory can make a row 10 % faster or slower as long as the process
// lives, and that accident must not decide.
func measureGroup(g *group, contenders []*contender, s setup, rounds int, slice time.Duration, random *rand.Rand, progress func(string)) (err error) {
	if g.name == "amounts" {
		for _, c := range contenders {
			progress(c.name)
			v, err := c.amount(s)
			switch {
			case errors.Is(err, errUnavailable):
				c.missing = err
			case err != nil:
				return fmt.Errorf("%s: %w", c.name, err)
			default:
				c.amounts = append(c.amounts, v)
			}
		}
		return nil
	}
	opened := false
	for round := range rounds {
		progress(fmt.Sprintf("%s: round %d of %d", g.name, round+1, rounds))
		if !opened {
			if err := openAll(contenders, s, random); err != nil {
				return errors.Join(err, closePaths(contenders))
			}
			opened = true
			runtime.GC()
		}
		// Nobody is always the first.
		turn := round % max(1, len(contenders))
		order := slices.Concat(contenders[turn:], contenders[:turn])
		if err := measureRound(g, order, slice, random); err != nil {
			return errors.Join(err, closePaths(contenders))
		}
		if !g.keep || round == rounds-1 {
			if err := closePaths(contenders); err != nil {
				return err
			}
			opened = false
		}
	}
	return nil
}

func openAll(contenders []*contender, s setup, random *rand.Rand) (err error) {
	for _, c := range contenders {
		c.bufs = newBuffers(random)
		c.path, err = c.open(s, c.bufs)
		if errors.Is(err, errUnavailable) {
			c.path, c.missing, err = nil, err, nil
		}
		if err != nil {
			c.path = nil
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

func closePaths(contenders []*contender) error {
	var errs []error
	for _, c := range contenders {
		if c.path != nil {
			if err := c.path.close(); err != nil {
				errs = append(errs, fmt.Errorf("%s: closing: %w", c.name, err))
			}
			c.path = nil
		}
	}
	return errors.Join(errs...)
}

func measureRound(g *group, contenders []*contender, slice time.Duration, random *rand.Rand) error {
	for _, cell := range g.cells {
		for _, c := range contenders {
			if c.path == nil || c.singlesOnly && cell.batch > 1 {
				continue
			}
			smp, err := c.slice(cell, slice*time.Duration(max(1, g.slices)), random, !g.keep)
			if err != nil {
				return fmt.Errorf("%s, %v: %w", c.name, cell, err)
			}
			c.samples[cell] = append(c.samples[cell], smp)
		}
	}
	return nil
}

// slice measures one cell of the contender for about d, having collected
// garbage if it is told to.
func (c *contender) slice(cell cell, d time.Duration, random *rand.Rand, collectGarbage bool) (sample, error) {
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
	if collectGarbage {
		runtime.GC()
	}
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
	allocations := float64(after.Mallocs - before.Mallocs)
	wall := 0.
	datagrams := float64(n * cell.batch)
	if o, ok := c.path.(outsider); ok {
		allocations, wall = o.mallocs(), float64(o.clock().Nanoseconds())/datagrams
	}
	if s, ok := c.path.(sharer); ok {
		datagrams *= float64(s.receivers())
	}
	return sample{
		ns:          float64(took.Nanoseconds()) / datagrams,
		allocations: allocations / datagrams,
		wall:        wall,
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
	if t, ok := p.(timer); ok {
		return t.run(batch, n)
	}
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

// perSecond is how many go by in a second of the clock on the wall.
func (m *measured) perSecond(c cell) float64 {
	return 1e9 / median(each(m.samples[c], func(s sample) float64 { return s.wall }))
}

func (m *measured) allocations(c cell) float64 {
	return median(each(m.samples[c], func(s sample) float64 { return s.allocations }))
}

// ratio is the median of what m cost divided by what other cost in the same
// round; 0 if they have no round in common.
func (m *measured) ratio(other *measured, c cell) float64 { return m.ratioOf(c, other, c) }

// ratioOf is the same of two cells.
func (m *measured) ratioOf(c cell, other *measured, oc cell) float64 {
	a, b := m.samples[c], other.samples[oc]
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
