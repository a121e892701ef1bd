package main

import (
	"bytes"
	"strings"
	"testing"
)

// judged are rows that reach every goal exactly.
func judged() map[string]*measured {
	all := map[string]*measured{}
	for name, ns := range map[string]float64{"stack": 100, "gvisor": 2000, "lneto": 200} {
		all[name] = &measured{row: row{name: name}, samples: make(map[cell][]sample)}
		for _, c := range cells() {
			all[name].samples[c] = []sample{{ns: ns}, {ns: 2 * ns}, {ns: ns}}
		}
	}
	return all
}

func TestGate(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(map[string]*measured)
		missed string // part of the text of the only goal missed; empty: none
	}{
		{"all met", func(map[string]*measured) {}, ""},
		{"gVisor at 64", func(m map[string]*measured) { slow(m["stack"], cell{64, 1}, 101); slow(m["lneto"], cell{64, 1}, 300) }, "64 B: at most 1/20 of gvisor"},
		{"lneto at 1400", func(m map[string]*measured) { slow(m["lneto"], cell{1400, 1}, 199) }, "1400 B: at most 1/2 of lneto"},
		{"batches are not gated", func(m map[string]*measured) { slow(m["stack"], cell{64, batchSize}, 9000) }, ""},
		{"allocations", func(m map[string]*measured) {
			s := m["stack"].samples[cell{512, 1}]
			s[0].allocations, s[1].allocations = 1, 1
		}, "512 B: no allocations"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := judged()
			tc.change(m)
			verdicts, err := judge([]*measured{m["stack"], m["gvisor"], m["lneto"]})
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			met, err := printVerdicts(&out, verdicts, false)
			if err != nil {
				t.Fatal(err)
			}
			if met != (tc.missed == "") {
				t.Errorf("met = %v:\n%s", met, out.String())
			}
			for line := range strings.Lines(out.String()) {
				missed := strings.Contains(line, "MISSED")
				if want := tc.missed != "" && strings.Contains(line, tc.missed); missed != want {
					t.Errorf("missed = %v, want %v: %s", missed, want, line)
				}
			}
		})
	}
}

func slow(m *measured, c cell, ns float64) {
	m.samples[c] = []sample{{ns: ns}, {ns: 2 * ns}, {ns: ns}}
}

func TestGateNeedsItsRows(t *testing.T) {
	m := judged()
	if _, err := judge([]*measured{m["stack"], m["gvisor"]}); err == nil {
		t.Error("the gate passed without one of its rows")
	}
	delete(m["lneto"].samples, cell{64, 1})
	if _, err := judge([]*measured{m["stack"], m["gvisor"], m["lneto"]}); err == nil {
		t.Error("the gate passed without one of its cells")
	}
}
