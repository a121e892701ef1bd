package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/lab/scenario"
	"github.com/castnet-go/castnet/script"
	"github.com/castnet-go/castnet/trace"
)

func newLabRun() *cobra.Command {
	l := &labRun{}
	cmd := &cobra.Command{
		Use:   "run FILE.yaml",
		Short: "Run a lab that a YAML file describes",
		Long: `Run runs the lab that a YAML file describes: hosts and the network between them,
programs on them (send, listen, echo, script), and what goes wrong when. It prints what
each host heard, what was dropped where and for what reason, and which of the
file's expectations were not met. The exit status is 1 if any was not, or if a
program could not begin and the file does not expect that error. FILE is - for
standard input. docs/lab.schema.json describes what can be in it.

Time is virtual: an hour takes a moment, and a seed gives the same run each time,
as the fingerprint shows. With --realtime the clock on the wall is the lab's.`,
		Example: `  castnet lab run examples/labs/first.yaml
  castnet lab run examples/labs/first.yaml --trace       each step of each packet, a line each
  castnet lab run examples/labs/first.yaml --seed 2      with other accidents
  castnet lab run examples/labs/first.yaml --pcap out    a capture a host, for Wireshark
  castnet lab run examples/labs/first.yaml --json | jq 'select(.event == "heard")'`,
		Args: func(_ *cobra.Command, args []string) error {
			switch len(args) {
			case 0:
				return errors.New("which lab? Name a file, such as examples/labs/first.yaml, or - for standard input")
			case 1:
				return nil
			}
			return fmt.Errorf("one file is run at a time, and there are %d", len(args))
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("seed") {
				l.options.Seed = (*uint64)(&l.seed)
			}
			switch until := l.options.Until; {
			case cmd.Flags().Changed("until") && until <= 0:
				return errors.New("--until must be more than 0")
			case until > scenario.MaxDuration:
				return fmt.Errorf("--until %v is too long; at most %v are possible", until, scenario.MaxDuration)
			case cmd.Flags().Changed("pcap") && l.options.CaptureDir == "":
				return errors.New("--pcap names no directory, as in --pcap out")
			}
			return l.run(cmd.Context(), args[0])
		},
	}
	f := cmd.Flags()
	f.Var(&l.seed, "seed", "seed of all that is random, in place of the file's")
	f.DurationVar(&l.options.Until, "until", 0, "end after so much of the lab's time, in place of the file's duration")
	f.BoolVar(&l.options.Realtime, "realtime", false, "run by the clock on the wall, showing events as they come")
	f.StringVar(&l.options.CaptureDir, "pcap", "", "write what each host sends and gets into `DIR`/HOST.pcapng")
	f.BoolVar(&l.trace, "trace", false, "print each step of each packet on a line, before the results")
	f.BoolVar(&l.json, "json", false, "print one JSON object a line")
	f.SortFlags = false
	return cmd
}

// seedFlag is a flag that says what a seed is if it is given none.
type seedFlag uint64

func (s *seedFlag) String() string { return strconv.FormatUint(uint64(*s), 10) }
func (s *seedFlag) Type() string   { return "uint" }

// Set takes what strconv takes for a whole number, as files do: 0x… too.
func (s *seedFlag) Set(text string) error {
	n, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		return fmt.Errorf("a seed is a whole number from 0 to %d", uint64(math.MaxUint64))
	}
	*s = seedFlag(n)
	return nil
}

// labRun is the command lab run.
type labRun struct {
	options scenario.Options
	seed    seedFlag
	trace   bool
	json    bool

	out *output
}

func (l *labRun) run(ctx context.Context, name string) error {
	f, err := loadLab(name)
	if err != nil {
		return err
	}
	l.out = newOutput(os.Stdout, l.json)
	l.options.Tracer = l.tracer()
	l.options.RunScript = l.script
	switch {
	case l.json:
		l.options.Event = func(e *scenario.Event) { l.out.say(e, "") }
	case l.options.Realtime:
		l.options.Event = l.show
	}
	l.out.say(labEvent{"lab", f.Name(), l.options.Realtime}, "")
	r, err := f.Run(ctx, l.options)
	if r != nil {
		l.report(r)
	}
	switch {
	case err != nil:
		return fail(err)
	case l.out.err != nil:
		return fail(l.out.err)
	case !r.Passed():
		return errNothing
	}
	return nil
}

// script runs a program of a host that is a script.
func (l *labRun) script(ctx context.Context, s *scenario.Script) (status int, err error) {
	cfg := script.Config{On: s.Host, Name: s.Host.Name(), Args: s.Args, Env: os.Environ(), Stdout: s.Output, Stderr: s.Output}
	if !l.options.Realtime {
		cfg.Rand = s.Host.Rand()
	}
	r, err := script.New(cfg)
	if err != nil {
		return exitFailed, err
	}
	defer context.AfterFunc(ctx, r.Interrupt)()
	return r.Run(s.File)
}

// loadLab reads a file. What is wrong with it is an error of usage.
func loadLab(name string) (*scenario.File, error) {
	if name == "-" {
		return scenario.Load(os.Stdin, "stdin")
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return scenario.Load(file, name)
}

// show prints an event while the lab runs in real time.
func (l *labRun) show(e *scenario.Event) {
	who := e.Host
	if e.Program != "" {
		who += " " + e.Program
	}
	line := fmt.Sprintf("%-16s %s", who, e)
	if e.Event == scenario.Failed {
		line = l.out.paint(red, line)
	}
	l.out.say(e, line)
}

// tracer returns what shows the steps, if they are to be shown.
func (l *labRun) tracer() trace.Tracer {
	switch {
	case !l.trace:
		return nil
	case l.json:
		return &stepTracer{out: l.out}
	case l.options.Realtime:
		return trace.NewPrinter(os.Stdout, time.Time{})
	}
	return trace.NewPrinter(os.Stdout, clock.Epoch)
}

// stepTracer prints steps as JSON.
type stepTracer struct {
	out *output
	ids atomic.Uint64
}

// NewID returns 1, 2, 3…
func (s *stepTracer) NewID() uint64 { return s.ids.Add(1) }

type stepEvent struct {
	Event     string      `json:"event"`
	Time      time.Time   `json:"time"`
	Packet    uint64      `json:"packet"`
	Node      string      `json:"node"`
	Interface string      `json:"interface,omitempty"`
	Step      string      `json:"step"`
	Reason    drop.Reason `json:"reason,omitzero"`
	Frame     string      `json:"frame"` // in words
	Detail    string      `json:"detail,omitempty"`
}

// Trace prints a step.
func (s *stepTracer) Trace(e *trace.Event) {
	s.out.say(stepEvent{"step", e.Time, e.Packet, e.Node, e.Interface, e.Step.String(), e.Reason, trace.Describe(e.Frame, e.Layer), e.Detail}, "")
}

type labEvent struct {
	Event    string `json:"event"`
	File     string `json:"file"`
	Realtime bool   `json:"realtime"`
}

// report prints the result.
func (l *labRun) report(r *scenario.Result) {
	if !l.json {
		if l.trace || l.options.Realtime {
			io.WriteString(os.Stdout, "\n")
		}
		_, l.out.err = r.WriteTo(os.Stdout)
		return
	}
	for _, h := range r.Hosts {
		for _, p := range h.Programs {
			p.Events = nil // they have been printed
			l.out.say(programEvent{"program", p}, "")
		}
	}
	for _, h := range r.Report.Hosts {
		l.out.say(hostEvent{"host", h}, "")
	}
	for _, k := range r.Report.Links {
		l.out.say(linkEvent{"link", k}, "")
	}
	for _, s := range r.Report.Segments {
		l.out.say(segmentEvent{"segment", s}, "")
	}
	for _, f := range r.Filters {
		l.out.say(filterEvent{"filter", f}, "")
	}
	met := 0
	for _, e := range r.Expectations {
		if e.Met {
			met++
		}
		l.out.say(expectationEvent{"expectation", e}, "")
	}
	l.out.say(labSummary{
		Event: "summary", Seed: r.Seed, Elapsed: r.Elapsed, Took: r.Took, Interrupted: r.Interrupted,
		Fingerprint: r.Fingerprint, Dropped: r.Report.Dropped, Expected: len(r.Expectations), Met: met,
		NotBegun: r.NotBegun, Imbalances: r.Imbalances, Passed: r.Passed(),
	}, "")
}

type programEvent struct {
	Event string `json:"event"`
	*scenario.ProgramResult
}

type hostEvent struct {
	Event string `json:"event"`
	lab.HostReport
}

type linkEvent struct {
	Event string `json:"event"`
	lab.LinkReport
}

type segmentEvent struct {
	Event string `json:"event"`
	lab.SegmentReport
}

type filterEvent struct {
	Event string `json:"event"`
	scenario.FilterResult
}

type expectationEvent struct {
	Event string `json:"event"`
	scenario.Expectation
}

type labSummary struct {
	Event       string                 `json:"event"`
	Seed        uint64                 `json:"seed"`
	Elapsed     time.Duration          `json:"elapsed_ns"` // of the lab's time
	Took        time.Duration          `json:"took_ns"`    // of the clock on the wall
	Interrupted bool                   `json:"interrupted"`
	Fingerprint string                 `json:"fingerprint,omitempty"`
	Dropped     map[drop.Reason]uint64 `json:"dropped"`
	Expected    int                    `json:"expected"`
	Met         int                    `json:"met"`
	NotBegun    []string               `json:"not_begun,omitempty"` // and the file does not expect it
	Imbalances  []string               `json:"imbalances,omitempty"`
	Passed      bool                   `json:"passed"`
}
