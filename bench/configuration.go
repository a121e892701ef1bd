package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// configuration is what a figure means nothing without.
type configuration struct {
	Go       string   `json:"go"`
	System   string   `json:"system"`
	CPU      string   `json:"cpu"`
	Cores    int      `json:"cores"`
	Queues   int      `json:"queues"`
	Others   int      `json:"other_sockets"`
	Counters string   `json:"counters"`
	Checks   string   `json:"checksums"`
	Rounds   int      `json:"rounds"`
	Slice    string   `json:"slice"`
	Peers    []string `json:"peers"`
}

func configured(s setup, rounds int, slice time.Duration) configuration {
	l, _ := newWire()
	return configuration{
		Go:       runtime.Version(),
		System:   runtime.GOOS + "/" + runtime.GOARCH,
		CPU:      cpu(),
		Cores:    runtime.GOMAXPROCS(0),
		Queues:   l.Queues(),
		Others:   s.others,
		Counters: "on",
		Checks:   "made and verified, except where a note says otherwise",
		Rounds:   rounds,
		Slice:    slice.String(),
		Peers:    peers(),
	}
}

func (c configuration) print(w io.Writer) {
	fmt.Fprintf(w, "%s %s, %s, %d cores of which one works\n", c.Go, c.System, c.CPU, c.Cores)
	fmt.Fprintf(w, "checksums %s; counters %s; a wire of %d queues; %d other sockets open on each network\n", c.Checks, c.Counters, c.Queues, c.Others)
	fmt.Fprintf(w, "medians of %d rounds, the rows taking turns of %s; peers: %s\n", c.Rounds, c.Slice, strings.Join(c.Peers, ", "))
}

// cpu is the processor's name, if the system tells.
func cpu() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// peers are the modules measured against, with their versions.
func peers() []string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	var found []string
	for _, m := range info.Deps {
		if m.Path == "gvisor.dev/gvisor" || m.Path == "github.com/soypat/lneto" {
			found = append(found, m.Path+"@"+m.Version)
		}
	}
	return found
}
