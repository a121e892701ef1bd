// Tally reads what go test -json printed and says, truly, what ran.
//
//	go test -json work >tests.json
//	go run ./.ci/tally tests.json              a line: how many passed, failed and were skipped
//	go run ./.ci/tally --failures tests.json   the output of what failed
//	go run ./.ci/tally --no-skips tests.json   an error if a test was skipped
//	go run ./.ci/tally --closing *.json        the sum: "N passed, N failed, N skipped"
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// event is one line of go test -json.
type event struct {
	Action, Package, Test, Output string
}

// counts are the tests, subtests included, by how they ended.
type counts struct {
	passed, failed, skipped int
	skips, failures         []string
}

func main() {
	failures := flag.Bool("failures", false, "print the output of what failed")
	noSkips := flag.Bool("no-skips", false, "fail if a test was skipped")
	closing := flag.Bool("closing", false, "print the sum alone on a line")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "tally: which files?")
		os.Exit(2)
	}
	var c counts
	for _, name := range flag.Args() {
		if err := c.read(name); err != nil {
			fmt.Fprintln(os.Stderr, "tally:", err)
			os.Exit(1)
		}
	}
	switch {
	case *failures:
		fmt.Println(strings.Join(c.failures, "\n"))
	case *noSkips && c.skipped > 0:
		fmt.Printf("skipped where nothing may be:\n  %s\n", strings.Join(c.skips, "\n  "))
		os.Exit(1)
	case *noSkips:
		fmt.Println("none skipped")
	case *closing:
		fmt.Printf("%d passed, %d failed, %d skipped\n", c.passed, c.failed, c.skipped)
	default:
		fmt.Printf("%d passed, %d failed, %d skipped\n", c.passed, c.failed, c.skipped)
		for _, s := range c.skips {
			fmt.Println("  skipped:", s)
		}
	}
	if c.failed > 0 || c.passed == 0 {
		os.Exit(1)
	}
}

// read adds what a file tells. A file in which no test ended is an error.
func (c *counts) read(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	before := c.passed + c.failed
	output := make(map[string]*strings.Builder)
	in := bufio.NewReader(f)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("%s: %w in %q", name, err, line)
		}
		key := e.Package + " " + e.Test
		switch e.Action {
		case "output":
			if output[key] == nil {
				output[key] = new(strings.Builder)
			}
			output[key].WriteString(e.Output)
		case "pass":
			if e.Test != "" {
				c.passed++
			}
			delete(output, key)
		case "skip":
			if e.Test != "" {
				c.skipped++
				c.skips = append(c.skips, key)
			}
			delete(output, key)
		case "fail", "build-fail":
			if e.Test != "" {
				c.failed++
			}
			if o := output[key]; o != nil {
				c.failures = append(c.failures, key+"\n"+o.String())
			}
		case "build-output":
			c.failures = append(c.failures, e.Output)
		}
	}
	if c.passed+c.failed == before {
		return fmt.Errorf("%s: no test ran", name)
	}
	return nil
}
