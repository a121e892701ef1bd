package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// printTable writes what was measured for people.
func printTable(w io.Writer, conf configuration, all []*measured) {
	conf.print(w)
	for i := range groups {
		g := &groups[i]
		members := membersOf(g, all)
		if len(members) == 0 {
			continue
		}
		if g.name == "amounts" {
			printAmounts(w, members)
			continue
		}
		printGroup(w, g, members)
		if g.clock {
			printRates(w, g, members)
		}
		printRatios(w, g, members)
	}
	fmt.Fprintln(w)
	for _, m := range all {
		if m.missing != nil {
			fmt.Fprintf(w, "%s: %v.\n", m.name, m.missing)
			continue
		}
		fmt.Fprintf(w, "%s: %s. %s.\n", m.name, m.about, m.note)
	}
}

// membersOf returns the rows of a group.
func membersOf(g *group, all []*measured) (members []*measured) {
	for _, m := range all {
		if m.group == g.name {
			members = append(members, m)
		}
	}
	return members
}

// printGroup writes a group's figures, a table for each number of datagrams a call.
func printGroup(w io.Writer, g *group, members []*measured) {
	for _, batch := range g.batches() {
		cells := g.withBatch(batch)
		title := "one at a time"
		if batch > 1 {
			title = fmt.Sprintf("batches of %d", batch)
		}
		fmt.Fprintf(w, "\n%s, %s: ns a %s (allocations a %s)\n\n", g.title, title, g.per, g.per)
		tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
		columns := []string{"row"}
		for _, c := range cells {
			columns = append(columns, c.String())
		}
		fmt.Fprintln(tw, strings.Join(columns, "\t")+"\t")
		for _, m := range members {
			if m.singlesOnly && batch > 1 {
				continue
			}
			fmt.Fprintf(tw, "%s\t", label(m))
			for _, c := range cells {
				if !m.has(c) {
					fmt.Fprint(tw, "-\t")
					continue
				}
				fmt.Fprintf(tw, "%s (%s)\t", figure(m.ns(c)), allocations(m.allocations(c)))
			}
			fmt.Fprintln(tw)
		}
		tw.Flush()
	}
}

// printRates writes how many go by in a second of processor time, which is what one core
// would carry that did nothing else, and how many have gone by in a second of the clock on
// the wall.
func printRates(w io.Writer, g *group, members []*measured) {
	fmt.Fprintf(w, "\n%ss a second of processor time, and of the clock\n\n", g.per)
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprint(tw, "row\t")
	for _, c := range g.cells {
		fmt.Fprintf(tw, "%v\t(clock)\t", c)
	}
	fmt.Fprintln(tw)
	for _, m := range members {
		fmt.Fprintf(tw, "%s\t", label(m))
		for _, c := range g.cells {
			if !m.has(c) {
				fmt.Fprint(tw, "-\t-\t")
				continue
			}
			fmt.Fprintf(tw, "%s\t(%s)\t", thousands(1e9/m.ns(c)), thousands(m.perSecond(c)))
		}
		fmt.Fprintln(tw)
	}
	tw.Flush()
}

// thousands writes a rate in groups of three digits.
func thousands(v float64) string {
	n := int(math.Round(v/100)) * 100
	return fmt.Sprintf("%d %03d", n/1000, n%1000)
}

// batches are the numbers of datagrams a call in the group's cells.
func (g *group) batches() (all []int) {
	for _, c := range g.cells {
		if !slices.Contains(all, c.batch) {
			all = append(all, c.batch)
		}
	}
	return all
}

func (g *group) withBatch(batch int) (cells []cell) {
	for _, c := range g.cells {
		if c.batch == batch {
			cells = append(cells, c)
		}
	}
	return cells
}

// printAmounts writes what is not a path.
func printAmounts(w io.Writer, members []*measured) {
	fmt.Fprint(w, "\namounts\n\n")
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	for _, m := range members {
		if len(m.amounts) == 0 {
			fmt.Fprintf(tw, "%s\t-\t%s\t\n", m.name, m.unit)
			continue
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t\n", m.name, quantity(median(m.amounts)), m.unit)
	}
	tw.Flush()
}

// quantity writes an amount with three digits, or those before the point.
func quantity(v float64) string {
	if v == math.Trunc(v) || v >= 1000 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// printRatios writes what each of our rows costs as a part of what each other
// of its group costs.
func printRatios(w io.Writer, g *group, members []*measured) {
	for _, m := range members {
		if !slices.ContainsFunc(members, m.comparable) {
			continue
		}
		fmt.Fprintf(w, "\n%s as a part of\n\n", m.name)
		tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
		fmt.Fprint(tw, "\t")
		for _, c := range g.cells {
			fmt.Fprintf(tw, "%v\t", c)
		}
		fmt.Fprintln(tw)
		for _, other := range members {
			if !m.comparable(other) {
				continue
			}
			fmt.Fprintf(tw, "%s\t", label(other))
			for _, c := range g.cells {
				fmt.Fprintf(tw, "%s\t", fraction(m.ratio(other, c)))
			}
			fmt.Fprintln(tw)
		}
		tw.Flush()
	}
}

// comparable reports whether what m costs is worth holding against other.
func (m *measured) comparable(other *measured) bool {
	return m.kind == ours && m != other && m.group == other.group && m.amount == nil &&
		(other.kind != reference || m.group != "paths") && (other.kind != ours || !m.of().clock) && m.roundTrip == other.roundTrip
}

func label(m *measured) string {
	if m.roundTrip {
		return m.name + " (round trip)"
	}
	return m.name
}

func figure(ns float64) string {
	if ns < 10 {
		return fmt.Sprintf("%.1f", ns)
	}
	return fmt.Sprintf("%.0f", ns)
}

// allocations are printed whole, for a collection in between costs a pool a few.
func allocations(n float64) string {
	if n < 0 {
		return "-"
	}
	if n >= 0.005 && n < 0.5 {
		return fmt.Sprintf("%.2f", n)
	}
	return fmt.Sprintf("%.0f", n)
}

// fraction writes 0.04 as 1/25, 0.45 as 1/2.2 and 1.3 as 1.30; of nothing, a dash.
func fraction(r float64) string {
	switch {
	case r == 0:
		return "-"
	case r < 0.1:
		return fmt.Sprintf("1/%.0f", 1/r)
	case r < 0.95:
		return "1/" + strings.TrimSuffix(fmt.Sprintf("%.1f", 1/r), ".0")
	}
	return fmt.Sprintf("%.2f", r)
}

// The lines of --json. Type says which of them it is.
type (
	jsonConfiguration struct {
		Type string `json:"type"` // configuration
		configuration
	}
	jsonRow struct {
		Type        string   `json:"type"` // row
		Row         string   `json:"row"`
		Group       string   `json:"group,omitempty"`
		Kind        kind     `json:"kind"`
		Size        int      `json:"size"`                  // bytes of payload
		Batch       int      `json:"batch"`                 // datagrams a call
		NS          float64  `json:"ns"`                    // a datagram, or a round trip
		Allocations *float64 `json:"allocations,omitempty"` // if they are known
		PerSecond   float64  `json:"per_second,omitempty"`  // by the clock on the wall, where it is told
		RoundTrip   bool     `json:"round_trip,omitempty"`
		About       string   `json:"about"`
		Note        string   `json:"note"`
	}
	jsonRatio struct {
		Type  string  `json:"type"` // ratio
		Row   string  `json:"row"`
		Of    string  `json:"of"`
		Size  int     `json:"size"`
		Batch int     `json:"batch"`
		Ratio float64 `json:"ratio"`
	}
	jsonAmount struct {
		Type   string  `json:"type"` // amount
		Row    string  `json:"row"`
		Kind   kind    `json:"kind"`
		Amount float64 `json:"amount"`
		Unit   string  `json:"unit"`
		About  string  `json:"about"`
		Note   string  `json:"note"`
	}
	jsonMissing struct {
		Type string `json:"type"` // missing
		Row  string `json:"row"`
		Why  string `json:"why"`
	}
	jsonGoal struct {
		Type     string  `json:"type"` // goal
		Goal     string  `json:"goal"`
		Got      float64 `json:"got"`
		Most     float64 `json:"most"`
		Measured bool    `json:"measured"`
		Met      bool    `json:"met"`
		Beyond   bool    `json:"out_of_reach"` // on this machine
	}
)

// printJSON writes one object a line.
func printJSON(w io.Writer, conf configuration, all []*measured) error {
	enc := json.NewEncoder(w)
	if err := enc.Encode(jsonConfiguration{"configuration", conf}); err != nil {
		return err
	}
	for _, m := range all {
		if m.missing != nil {
			if err := enc.Encode(jsonMissing{"missing", m.name, m.missing.Error()}); err != nil {
				return err
			}
		}
		if len(m.amounts) > 0 {
			if err := enc.Encode(jsonAmount{"amount", m.name, m.kind, median(m.amounts), m.unit, m.about, m.note}); err != nil {
				return err
			}
		}
		for _, c := range m.of().cells {
			if !m.has(c) {
				continue
			}
			perSecond := 0.
			if m.of().clock {
				perSecond = m.perSecond(c)
			}
			var allocations *float64
			if n := m.allocations(c); n >= 0 {
				allocations = &n
			}
			if err := enc.Encode(jsonRow{"row", m.name, m.group, m.kind, c.size, c.batch, m.ns(c), allocations, perSecond, m.roundTrip, m.about, m.note}); err != nil {
				return err
			}
		}
	}
	for _, m := range all {
		for _, other := range all {
			if !m.comparable(other) {
				continue
			}
			for _, c := range m.of().cells {
				if r := m.ratio(other, c); r != 0 {
					if err := enc.Encode(jsonRatio{"ratio", m.name, other.name, c.size, c.batch, r}); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}
