package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

func main() {
	if name := os.Getenv(programVar); name != "" {
		if err := program(name, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintf(os.Stderr, "bench: %s: %v\n", name, err)
			os.Exit(1)
		}
		return
	}
	status, err := run(os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	os.Exit(status)
}

// run is the command; it returns its exit status: 0 done, 1 a goal was missed
// or a row failed, 2 usage.
func run(args []string, out, errOut io.Writer) (int, error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(errOut)
	names := flags.String("rows", "all", "`rows` to measure, or groups of them ("+strings.Join(groupNames(), ", ")+"), separated by commas: "+strings.Join(rowNames(rows()), ", "))
	rounds := flags.Int("rounds", 15, "how many `rounds` the rows take turns")
	slice := flags.Duration("time", 8*time.Millisecond, "how `long` a row's turn is")
	others := flags.Int("others", 1000, "`sockets` that are open besides, on each network")
	many := flags.Int("many", 1_000_000, "`sockets` that are open besides in the rows about many")
	asJSON := flags.Bool("json", false, "print one JSON object a line")
	gate := flags.Bool("gate", false, "exit with status 1 if a goal is missed")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0, err
		}
		return 2, err
	}
	chosen, err := choose(rows(), *names)
	switch {
	case err != nil:
		return 2, err
	case flags.NArg() > 0:
		return 2, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case *rounds < 1 || *slice <= 0 || *others < 0 || *others > 20000:
		return 2, errors.New("want at least one round, a positive time, and 0 to 20000 other sockets")
	case *many < 1 || *many > 10_000_000:
		return 2, errors.New("want 1 to 10000000 sockets where there are many")
	}

	s := setup{others: *others, many: *many, warm: 20000}
	progress := func(string) {}
	if isTerminal(errOut) {
		progress = func(text string) { fmt.Fprintf(errOut, "\r%s\x1b[K", text) }
	}
	all, err := measure(chosen, s, *rounds, *slice, progress)
	progress("")
	if err != nil {
		return 1, err
	}
	conf := configured(s, *rounds, *slice)
	if *asJSON {
		if err := printJSON(out, conf, all); err != nil {
			return 1, err
		}
	} else {
		printTable(out, conf, all)
	}
	if !*gate {
		return 0, nil
	}
	met, err := printVerdicts(out, judge(all), *asJSON)
	if err != nil || !met {
		return 1, err
	}
	return 0, nil
}

// isTerminal reports whether somebody may be looking.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func rowNames(all []row) []string {
	var names []string
	for _, r := range all {
		names = append(names, r.name)
	}
	return names
}

func groupNames() []string {
	var names []string
	for _, g := range groups {
		names = append(names, g.name)
	}
	return names
}

// choose picks the rows of a comma-separated list of rows and groups, in the
// order of all.
func choose(all []row, list string) ([]row, error) {
	if list == "all" {
		return all, nil
	}
	wanted := make(map[string]bool)
	for name := range strings.SplitSeq(list, ",") {
		wanted[strings.TrimSpace(name)] = true
	}
	var chosen []row
	groupsSeen := make(map[string]bool)
	for _, r := range all {
		whole, _, _ := strings.Cut(r.group, "-")
		if wanted[r.name] || wanted[r.group] || wanted[whole] {
			chosen = append(chosen, r)
			delete(wanted, r.name)
			groupsSeen[r.group], groupsSeen[whole] = true, true
		}
	}
	for name := range groupsSeen {
		delete(wanted, name)
	}
	for name := range wanted {
		return nil, fmt.Errorf("no row or group %q; there are the rows %s and the groups %s",
			name, strings.Join(rowNames(all), ", "), strings.Join(groupNames(), ", "))
	}
	return chosen, nil
}
