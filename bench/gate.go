package main

import (
	"encoding/json"
	"fmt"
	"io"
)

// A goal is what the fast path has to reach, as a part of what a peer costs in
// the same round. Batches are reported, not gated.
type goal struct {
	row, peer string
	cell      cell
	most      float64
}

// goals are held on the user-space stack, one datagram a call, connected, over
// Ethernet, with checksums made and verified.
var goals = []goal{
	{"stack", "gvisor", cell{64, 1}, 1. / 20},
	{"stack", "gvisor", cell{1400, 1}, 1. / 20},
	{"stack", "lneto", cell{64, 1}, 1. / 2},
	{"stack", "lneto", cell{1400, 1}, 1. / 2},
}

// mostAllocations is what counts as none: a collection in the middle of a slice
// costs a pool its buffers, a few in hundreds of thousands of datagrams.
const mostAllocations = 0.001

// A verdict says how a goal fared.
type verdict struct {
	text      string
	got, most float64
}

func (v verdict) met() bool { return v.got <= v.most }

// judge holds what was measured against the goals. A goal whose rows were not
// measured is an error: a gate that looked at nothing must not be open.
func judge(all []*measured) ([]verdict, error) {
	byName := make(map[string]*measured)
	for _, m := range all {
		byName[m.name] = m
	}
	var verdicts []verdict
	for _, g := range goals {
		m, peer := byName[g.row], byName[g.peer]
		if m == nil || peer == nil || len(m.samples[g.cell]) == 0 || len(peer.samples[g.cell]) == 0 {
			return nil, fmt.Errorf("goal not measured: rows %s and %s, %v", g.row, g.peer, g.cell)
		}
		verdicts = append(verdicts, verdict{
			text: fmt.Sprintf("%s, %v: at most %s of %s", g.row, g.cell, fraction(g.most), g.peer),
			got:  m.ratio(peer, g.cell), most: g.most,
		})
	}
	for _, size := range sizes {
		c := cell{size, 1}
		verdicts = append(verdicts, verdict{
			text: fmt.Sprintf("%s, %v: no allocations", goals[0].row, c),
			got:  byName[goals[0].row].allocations(c), most: mostAllocations,
		})
	}
	return verdicts, nil
}

// printVerdicts writes them and reports whether all goals are met.
func printVerdicts(w io.Writer, verdicts []verdict, asJSON bool) (bool, error) {
	all := true
	if !asJSON {
		fmt.Fprintln(w)
	}
	for _, v := range verdicts {
		all = all && v.met()
		if asJSON {
			if err := json.NewEncoder(w).Encode(jsonGoal{"goal", v.text, v.got, v.most, v.met()}); err != nil {
				return false, err
			}
			continue
		}
		state, got := "met   ", fraction(v.got)
		if !v.met() {
			state = "MISSED"
		}
		if v.most == mostAllocations {
			got = allocations(v.got)
		}
		fmt.Fprintf(w, "%s  %s (%s)\n", state, v.text, got)
	}
	return all, nil
}
