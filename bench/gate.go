package main

import (
	"encoding/json"
	"fmt"
	"io"
)

// A goal is what has to be reached: a figure that must not be over most. Goals of
// time are parts of what something else costs in the same round, since machines
// differ and drift; those of memory and size are what they are.
type goal struct {
	text string
	most float64
	// got returns the figure; false: what it is made from was not measured.
	got func(results) (float64, bool)
	// show writes a figure.
	show func(float64) string
	// floor is a row that nothing gets under on this machine, if there is one, and
	// lowest its figure. A goal below that is out of reach here, which is told, and
	// is not missed.
	floor  string
	lowest func(results) (float64, bool)
}

// results are the rows by name.
type results map[string]*measured

// ratio is row's cost as a part of other's, both in a cell of theirs.
func (r results) ratio(row string, c cell, other string, oc cell) (float64, bool) {
	m, o := r[row], r[other]
	if m == nil || o == nil || !m.has(c) || !o.has(oc) {
		return 0, false
	}
	return m.ratioOf(c, o, oc), true
}

// atMost is the goal that row costs no more than a part of other.
func atMost(part float64, row, other string, c cell) goal {
	return goal{
		text: fmt.Sprintf("%s, %v: at most %s of %s", row, c, fraction(part), other),
		most: part, show: fraction,
		got: func(r results) (float64, bool) { return r.ratio(row, c, other, c) },
	}
}

// above is a goal with a row as its floor, which like the goal's own is a part of other.
func (g goal) above(floor, other string, c cell) goal {
	g.floor = floor
	g.lowest = func(r results) (float64, bool) { return r.ratio(floor, c, other, c) }
	return g
}

// amountAtMost is the goal that an amount is no larger than most.
func amountAtMost(most float64, row, unit string) goal {
	return goal{
		text: fmt.Sprintf("%s: at most %s %s", row, quantity(most), unit),
		most: most, show: quantity,
		got: func(r results) (float64, bool) {
			m := r[row]
			if m == nil || len(m.amounts) == 0 {
				return 0, false
			}
			return median(m.amounts), true
		},
	}
}

// noAllocations is the goal that row does not allocate.
func noAllocations(row string, c cell) goal {
	// A collection in the middle of a slice costs a pool its buffers, a few in
	// hundreds of thousands of datagrams: that counts as none.
	const none = 0.001
	return goal{
		text: fmt.Sprintf("%s, %v: no allocations", row, c),
		most: none, show: allocations,
		got: func(r results) (float64, bool) {
			m := r[row]
			if m == nil || !m.has(c) {
				return 0, false
			}
			return m.allocations(c), true
		},
	}
}

// goals are held with checksums made and verified, counters, locks and checks of
// the MTU in place: there is no other way through the stack.
var goals = []goal{
	atMost(1./30, "stack", "gvisor", cell{64, 1}),
	atMost(1./20, "stack", "gvisor", cell{1400, 1}),
	atMost(1/2.5, "stack", "lneto", cell{64, 1}),
	atMost(1./6, "stack", "lneto", cell{1400, 1}),
	{
		text: fmt.Sprintf("stack, a datagram of a batch of %d, 64 B: at most 0.65 of a single one", batchSize),
		most: 0.65, show: decimal,
		got: func(r results) (float64, bool) { return r.ratio("stack", cell{64, batchSize}, "stack", cell{64, 1}) },
	},
	noAllocations("stack", cell{64, 1}),
	noAllocations("stack", cell{512, 1}),
	noAllocations("stack", cell{1400, 1}),
	atMost(1.15, "stack-v6", "stack", cell{64, 1}),
	atMost(1.15, "stack-v6", "stack", cell{64, batchSize}),
	atMost(1.15, "stack-v6", "stack", cell{1400, 1}),
	noAllocations("stack-v6", cell{64, 1}),
	atMost(1.3, "conn", "stack-unconnected", cell{64, 1}),
	atMost(1.3, "conn-connected", "stack", cell{64, 1}),
	atMost(1.8, "conn-netaddr", "stack-unconnected", cell{64, 1}),
	atMost(1.15, "lookup-1000", "lookup-1", cell{64, 1}),
	atMost(1.15, "lookup-million", "lookup-1", cell{64, 1}),
	atMost(1.15, "lookup-million", "lookup-1", cell{1400, 1}),
	atMost(1.05, "lookup-groups", "lookup-10000", cell{64, 1}),
	atMost(1./20, "fanout-1000", "fanout-1000-gvisor", cell{64, 1}),
	atMost(1./20, "fanout-10", "fanout-10-gvisor", cell{64, 1}),
	twice(1.9, cell{64, 1}),
	twice(1.8, cell{64, batchSize}),
	atMost(0.97, "dgram", "libuv", cell{64, 1}),
	atMost(0.97, "dgram", "libuv", cell{1400, 1}),
	atMost(1, "dgram-send", "libuv-send", cell{64, 1}),
	atMost(0.9, "dgram-receive", "libuv-receive", cell{64, 1}),
	// What is left of a datagram is the kernel's.
	atMost(1.12, "dgram", "bare", cell{64, 1}),
	atMost(1.12, "dgram-batch", "bare-batch", cell{64, 1}),
	atMost(1./3, "dgram-batch", "node", cell{64, 1}).above("bare-batch", "node", cell{64, 1}),
	atMost(1./3, "dgram-offload", "node", cell{64, 1}),
	atMost(1./10, "tun-uso-write", "tun-write", cell{1400, trainSize}),
	atMost(1./10, "tun-uso-lent", "tun-lent", cell{1400, trainSize}),
	hops("lab-100", 8e6, 3.5),
	hops("lab-1000", 5e6, 5.7),
	hops("lab-10000", 0.8e6, 36),
	amountAtMost(640, "memory-socket", "B"),
	amountAtMost(8192, "memory-stack", "B"),
	amountAtMost(32768, "memory-empty", "B"),
	amountAtMost(128, "memory-lab", "MiB"),
	amountAtMost(2.2e6, "size", "B"),
	amountAtMost(0, "size-modules", "modules"),
	amountAtMost(0.2, "lab-hour", "s"),
}

// twice is the goal that two cores carry so many times what one does.
func twice(times float64, c cell) goal {
	return goal{
		text: fmt.Sprintf("cores-two, %v: at least %.1f times the datagrams of cores-one", c, times),
		most: 1 / times,
		show: func(part float64) string { return fmt.Sprintf("%.2f", 1/part) },
		got:  func(r results) (float64, bool) { return r.ratio("cores-two", c, "cores-one", c) },
	}
}

// hops is the goal that a lab reaches so many hops a second, or on a machine
// that is slower than the one for which that was said, that a hop costs no more
// than so many copies of 1400 bytes: as many as it does there, where a copy
// takes 35 ns.
func hops(row string, perSecond, copies float64) goal {
	c := cell{64, 1}
	return goal{
		text: fmt.Sprintf("%s: at least %.1f million hops a second, or a hop for at most %.1f copies of 1400 B", row, perSecond/1e6, copies),
		most: 1,
		show: func(part float64) string { return fmt.Sprintf("%.2f of what is allowed", part) },
		got: func(r results) (float64, bool) {
			part, ok := r.ratio(row, c, "lab-copy", c)
			if !ok {
				return 0, false
			}
			return min(part/copies, r[row].ns(c)*perSecond/1e9), true
		},
	}
}

func decimal(v float64) string { return fmt.Sprintf("%.2f", v) }

// A verdict says how a goal fared.
type verdict struct {
	goal
	figure   float64
	measured bool
	least    float64 // the floor's figure; 0: there is none
}

// met reports whether the goal is reached. One that was not measured is not: a
// gate that looked at nothing must not be open.
func (v verdict) met() bool { return v.measured && v.figure <= v.most }

// outOfReach reports whether nothing on this machine could reach the goal.
func (v verdict) outOfReach() bool { return v.measured && !v.met() && v.least > v.most }

// judge holds what was measured against the goals.
func judge(all []*measured) []verdict {
	byName := make(results)
	for _, m := range all {
		byName[m.name] = m
	}
	var verdicts []verdict
	for _, g := range goals {
		v := verdict{goal: g}
		v.figure, v.measured = g.got(byName)
		if g.lowest != nil {
			v.least, _ = g.lowest(byName)
		}
		verdicts = append(verdicts, v)
	}
	return verdicts
}

// printVerdicts writes them and reports whether all goals are met that can be.
func printVerdicts(w io.Writer, verdicts []verdict, asJSON bool) (bool, error) {
	met, beyond, missed, missing := 0, 0, 0, 0
	if !asJSON {
		fmt.Fprintln(w)
	}
	for _, v := range verdicts {
		var state, got string
		switch {
		case !v.measured:
			state, got = "NOT MEASURED", ""
			missing++
		case v.met():
			state, got = "met", v.show(v.figure)
			met++
		case v.outOfReach():
			state, got = "OUT OF REACH", fmt.Sprintf("%s; %s alone is %s", v.show(v.figure), v.floor, v.show(v.least))
			beyond++
		default:
			state, got = "MISSED", v.show(v.figure)
			if v.most > 0 {
				got += fmt.Sprintf(", %.0f %% too much", 100*(v.figure/v.most-1))
			}
			missed++
		}
		if asJSON {
			if err := json.NewEncoder(w).Encode(jsonGoal{"goal", v.text, v.figure, v.most, v.measured, v.met(), v.outOfReach()}); err != nil {
				return false, err
			}
			continue
		}
		if got != "" {
			got = " (" + got + ")"
		}
		fmt.Fprintf(w, "%-12s  %s%s\n", state, v.text, got)
	}
	if !asJSON {
		fmt.Fprintf(w, "\n%d goals met, %d out of reach on this machine, %d missed, %d not measured\n", met, beyond, missed, missing)
	}
	return missed+missing == 0, nil
}
