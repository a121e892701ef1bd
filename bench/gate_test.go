package main

import (
	"bytes"
	"strings"
	"testing"
)

// judged are rows that reach every goal: whatever a goal compares costs the most
// that is allowed, or a little less.
func judged() map[string]*measured {
	all := make(map[string]*measured)
	for _, r := range rows() {
		m := &measured{row: r, samples: make(map[cell][]sample)}
		if r.amount != nil {
			m.amounts = []float64{0}
		}
		for _, c := range m.of().cells {
			ns := 100.
			switch r.name {
			case "gvisor":
				ns = 3000
			case "fanout-10-gvisor", "fanout-1000-gvisor":
				ns = 2000
			case "lneto":
				ns = 600
			case "node":
				ns = 300
			case "libuv", "libuv-send", "libuv-receive":
				ns = 112
			case "stack", "stack-v6":
				if c.batch > 1 {
					ns = 65
				}
			case "cores-two", "tun-uso-write", "tun-uso-lent":
				ns = 10
			}
			m.samples[c] = []sample{{ns: ns}, {ns: 2 * ns}, {ns: ns}}
		}
		all[r.name] = m
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
		{"gVisor at 64", func(m map[string]*measured) { slow(m["gvisor"], cell{64, 1}, 2990) }, "64 B: at most 1/30 of gvisor"},
		{"IPv6", func(m map[string]*measured) { slow(m["stack-v6"], cell{1400, 1}, 116) }, "stack-v6, 1400 B: at most 1.15 of stack"},
		{"lneto at 1400", func(m map[string]*measured) { slow(m["lneto"], cell{1400, 1}, 599) }, "1400 B: at most 1/6 of lneto"},
		{"batches", func(m map[string]*measured) { slow(m["stack"], cell{64, batchSize}, 66) }, "at most 0.65 of a single one"},
		{"allocations", func(m map[string]*measured) {
			s := m["stack"].samples[cell{512, 1}]
			s[0].allocations, s[1].allocations = 1, 1
		}, "512 B: no allocations"},
		{"a million sockets", func(m map[string]*measured) { slow(m["lookup-million"], cell{1400, 1}, 116) }, "lookup-million, 1400 B: at most 1.15"},
		{"fan-out", func(m map[string]*measured) { slow(m["fanout-1000"], cell{64, 1}, 101) }, "fanout-1000, 64 B: at most 1/20"},
		{"beside groups", func(m map[string]*measured) { slow(m["lookup-groups"], cell{64, 1}, 106) }, "lookup-groups, 64 B: at most 1.05"},
		{"beside libuv", func(m map[string]*measured) { slow(m["dgram"], cell{64, 1}, 110) }, "dgram, 64 B: at most 0.97 of libuv"},
		{"beside libuv, to send", func(m map[string]*measured) { slow(m["dgram-send"], cell{64, 1}, 113) }, "dgram-send, 64 B: at most 1.00 of libuv-send"},
		{"beside libuv, to receive", func(m map[string]*measured) { slow(m["dgram-receive"], cell{64, 1}, 102) }, "dgram-receive, 64 B: at most 1/1.1 of libuv-receive"},
		{"beside system calls", func(m map[string]*measured) { slow(m["bare"], cell{64, 1}, 89) }, "dgram, 64 B: at most 1.12 of bare"},
		{"beside system calls, in batches", func(m map[string]*measured) { slow(m["bare-batch"], cell{64, 1}, 89) }, "dgram-batch, 64 B: at most 1.12 of bare-batch"},
		{"beside Node, out of reach", func(m map[string]*measured) {
			slow(m["node"], cell{64, 1}, 299)
			slow(m["dgram-offload"], cell{64, 1}, 99)
		}, ""},
		{"beside Node, in reach", func(m map[string]*measured) {
			slow(m["node"], cell{64, 1}, 299)
			slow(m["dgram-offload"], cell{64, 1}, 99)
			slow(m["bare-batch"], cell{64, 1}, 99)
		}, "dgram-batch, 64 B: at most 1/3 of node"},
		{"two cores", func(m map[string]*measured) { slow(m["cores-two"], cell{64, 1}, 53) }, "64 B: at least 1.9 times"},
		{"the lab, by both measures", func(m map[string]*measured) {
			slow(m["lab-100"], cell{64, 1}, 130)
			slow(m["lab-copy"], cell{64, 1}, 36)
		}, "lab-100: at least 8.0 million"},
		{"the lab, by one of them", func(m map[string]*measured) { slow(m["lab-100"], cell{64, 1}, 130) }, ""},
		{"memory", func(m map[string]*measured) { m["memory-socket"].amounts = []float64{641} }, "memory-socket: at most 640 B"},
		{"modules", func(m map[string]*measured) { m["size-modules"].amounts = []float64{1} }, "size-modules: at most 0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := judged()
			tc.change(m)
			met, out := judgement(t, m)
			if met != (tc.missed == "") {
				t.Errorf("met = %v:\n%s", met, out)
			}
			for line := range strings.Lines(out) {
				missed := strings.HasPrefix(line, "MISSED")
				if want := tc.missed != "" && strings.Contains(line, tc.missed); missed != want {
					t.Errorf("missed = %v, want %v: %s", missed, want, line)
				}
			}
		})
	}
}

func judgement(t *testing.T, rows map[string]*measured) (met bool, text string) {
	t.Helper()
	var all []*measured
	for _, m := range rows {
		all = append(all, m)
	}
	var out bytes.Buffer
	met, err := printVerdicts(&out, judge(all), false)
	if err != nil {
		t.Fatal(err)
	}
	return met, out.String()
}

func slow(m *measured, c cell, ns float64) {
	m.samples[c] = []sample{{ns: ns}, {ns: 2 * ns}, {ns: ns}}
}

func TestGateNeedsItsRows(t *testing.T) {
	for name, without := range map[string]func(map[string]*measured){
		"a row":     func(m map[string]*measured) { delete(m, "gvisor") },
		"a cell":    func(m map[string]*measured) { delete(m["lneto"].samples, cell{64, 1}) },
		"an amount": func(m map[string]*measured) { m["size"].amounts = nil },
	} {
		m := judged()
		without(m)
		met, out := judgement(t, m)
		if met || !strings.Contains(out, "NOT MEASURED") || strings.Contains(out, "MISSED") {
			t.Errorf("without %s: met = %v\n%s", name, met, out)
		}
	}
}
