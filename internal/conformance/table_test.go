//go:build linux

package conformance

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// A testCase shows one rule or a few on any network.
type testCase struct {
	name  string
	rules string // identifiers, separated by blanks
	needs Needs
	// only is set if the case makes sense on one network only.
	only Kind
	// slow cases let seconds of the kernel's time pass; they run beside each
	// other.
	slow bool
	run  func(t *testing.T, n *Machine)
}

// table is all cases, by subject.
var table = slices.Concat(
	bindCases,
	ephemeralCases,
	reuseCases,
	connectCases,
	lookupCases,
	sizeCases,
	errorCases,
	errorQueueCases,
	pathMTUCases,
	shutdownCases,
	receiveCases,
	sendCases,
	checksumCases,
	icmpCases,
	martianCases,
	fieldCases,
	deviceCases,
	broadcastCases,
	optionCases,
	neighborCases,
	ndpCases,
	icmp6Cases,
	fragment6Cases,
	ipv6Cases,
	ipv6WireCases,
	flowLabelCases,
	seamCases,
	fragmentCases,
	ipOptionCases,
	routerCases,
	transparentCases,
	groupCases,
	groupReportCases,
	group6Cases,
	groupReport6Cases,
)

// missing counts the cases that should have run as /host and could not.
var missing atomic.Int32

func TestMain(m *testing.M) {
	code := m.Run()
	if n := missing.Load(); n > 0 {
		fmt.Printf("conformance: %d cases did not run as /host: they need a network namespace, and so root\n", n)
	}
	os.Exit(code)
}

func TestTable(t *testing.T) {
	names := map[string]bool{}
	for _, tc := range table {
		if names[tc.name] {
			t.Errorf("two cases are called %s", tc.name)
		}
		names[tc.name] = true
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			// A rule that only one network has is not a case of the other's.
			if tc.only == "" || tc.only == Host {
				t.Run("host", func(t *testing.T) { runOnHost(t, tc) })
			}
			if tc.only == "" || tc.only == Stack {
				t.Run("stack", func(t *testing.T) {
					t.Parallel()
					tc.run(t, NewStack(t, tc.needs))
				})
			}
		})
	}
}

// runOnHost runs a case on the kernel, in a network namespace if it needs one.
func runOnHost(t *testing.T, tc testCase) {
	if tc.needs != 0 && !CanNamespace() {
		missing.Add(1)
		if os.Getenv("CASTNET_INTEROP") == "1" {
			t.Fatal("CASTNET_INTEROP=1, and yet there is no root to make a network namespace")
		}
		t.Skip("needs a network namespace, and so root")
	}
	t.Parallel()
	tc.run(t, NewHost(t, tc.needs))
}

// TestRules holds the table and the list of rules together, and with -v prints
// which rule has which cases.
func TestRules(t *testing.T) {
	cases := map[string][]string{}
	for _, tc := range table {
		if tc.rules == "" {
			t.Errorf("case %s names no rule", tc.name)
		}
		for _, id := range strings.Fields(tc.rules) {
			cases[id] = append(cases[id], tc.name)
		}
	}
	var without, later []string
	known := map[string]bool{}
	for _, r := range Rules {
		if known[r.ID] {
			t.Errorf("two rules are called %s", r.ID)
		}
		known[r.ID] = true
		list := cases[r.ID]
		switch {
		case len(list) > 0:
			t.Logf("%-14s %s: %s", r.ID, r.Text, strings.Join(list, ", "))
		case r.Later:
			later = append(later, r.ID+" "+r.Text)
		default:
			without = append(without, r.ID+" "+r.Text)
		}
	}
	for id, list := range cases {
		if !known[id] {
			t.Errorf("rule %s of %s is not in the list", id, strings.Join(list, ", "))
		}
	}
	t.Logf("%d rules, %d of them later; %d cases", len(Rules), len(later), len(table))
	t.Logf("later, without a case:\n%s", strings.Join(later, "\n"))
	if len(without) > 0 {
		t.Errorf("rules without a case:\n%s", strings.Join(without, "\n"))
	}
}
