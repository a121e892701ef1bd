package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// printTable writes what was measured for people.
func printTable(w io.Writer, conf configuration, all []*measured) {
	conf.print(w)
	for _, batch := range []int{1, batchSize} {
		title := "one at a time"
		if batch > 1 {
			title = fmt.Sprintf("batches of %d", batch)
		}
		fmt.Fprintf(w, "\n%s: ns a datagram (allocations a datagram)\n\n", title)
		tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
		header(tw, "path", batch)
		for _, m := range all {
			if m.singlesOnly && batch > 1 {
				continue
			}
			fmt.Fprintf(tw, "%s\t", label(m))
			for _, size := range sizes {
				c := cell{size, batch}
				fmt.Fprintf(tw, "%s (%s)\t", figure(m.ns(c)), allocations(m.allocations(c)))
			}
			fmt.Fprintln(tw)
		}
		tw.Flush()
	}
	printRatios(w, all)
	fmt.Fprintln(w)
	for _, m := range all {
		fmt.Fprintf(w, "%s: %s. %s.\n", m.name, m.about, m.note)
	}
}

// printRatios writes what each of our rows costs as a part of what each other costs.
func printRatios(w io.Writer, all []*measured) {
	for _, m := range all {
		if !slices.ContainsFunc(all, m.comparable) {
			continue
		}
		fmt.Fprintf(w, "\n%s as a part of\n\n", m.name)
		tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
		fmt.Fprint(tw, "\t")
		for _, c := range cells() {
			fmt.Fprintf(tw, "%v\t", c)
		}
		fmt.Fprintln(tw)
		for _, other := range all {
			if !m.comparable(other) {
				continue
			}
			fmt.Fprintf(tw, "%s\t", label(other))
			for _, c := range cells() {
				fmt.Fprintf(tw, "%s\t", fraction(m.ratio(other, c)))
			}
			fmt.Fprintln(tw)
		}
		tw.Flush()
	}
}

// comparable reports whether what m costs is worth holding against other.
func (m *measured) comparable(other *measured) bool {
	return m.kind == ours && m != other && other.kind != reference && m.roundTrip == other.roundTrip
}

func header(w io.Writer, first string, batch int) {
	columns := []string{first}
	for _, size := range sizes {
		columns = append(columns, cell{size, batch}.String())
	}
	fmt.Fprintln(w, strings.Join(columns, "\t")+"\t")
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
		Type        string  `json:"type"` // row
		Row         string  `json:"row"`
		Kind        kind    `json:"kind"`
		Size        int     `json:"size"`  // bytes of payload
		Batch       int     `json:"batch"` // datagrams a call
		NS          float64 `json:"ns"`    // a datagram, or a round trip
		Allocations float64 `json:"allocations"`
		RoundTrip   bool    `json:"round_trip,omitempty"`
		About       string  `json:"about"`
		Note        string  `json:"note"`
	}
	jsonRatio struct {
		Type  string  `json:"type"` // ratio
		Row   string  `json:"row"`
		Of    string  `json:"of"`
		Size  int     `json:"size"`
		Batch int     `json:"batch"`
		Ratio float64 `json:"ratio"`
	}
	jsonGoal struct {
		Type string  `json:"type"` // goal
		Goal string  `json:"goal"`
		Got  float64 `json:"got"`
		Most float64 `json:"most"`
		Met  bool    `json:"met"`
	}
)

// printJSON writes one object a line.
func printJSON(w io.Writer, conf configuration, all []*measured) error {
	enc := json.NewEncoder(w)
	if err := enc.Encode(jsonConfiguration{"configuration", conf}); err != nil {
		return err
	}
	for _, m := range all {
		for _, c := range cells() {
			if len(m.samples[c]) == 0 {
				continue
			}
			if err := enc.Encode(jsonRow{"row", m.name, m.kind, c.size, c.batch, m.ns(c), m.allocations(c), m.roundTrip, m.about, m.note}); err != nil {
				return err
			}
		}
	}
	for _, m := range all {
		for _, other := range all {
			if !m.comparable(other) {
				continue
			}
			for _, c := range cells() {
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
