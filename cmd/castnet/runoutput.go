package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/internal/lines"
	"github.com/castnet-go/castnet/lab"
)

// A scriptOutput puts together what scripts print. Of several, each line begins with
// the name of its host.
type scriptOutput struct {
	hosts []string
	json  *output // nil: text
	width int

	mu      sync.Mutex
	writers []*lineWriter
}

func newScriptOutput(hosts []string, asJSON bool) *scriptOutput {
	o := &scriptOutput{hosts: hosts}
	if asJSON {
		o.json = newOutput(os.Stdout, true)
	}
	for _, h := range hosts {
		o.width = max(o.width, len(h))
	}
	return o
}

// palette is what hosts are told apart by, on a terminal.
var palette = []string{cyan, green, "33", "35", "34", red}

// writer returns where script number i writes one of its streams to.
func (o *scriptOutput) writer(i int, to *os.File, stream string) io.Writer {
	if o.json == nil && len(o.hosts) == 1 {
		return to
	}
	w := &lineWriter{out: o, host: o.hosts[i], stream: stream, to: to}
	w.lines = lines.Splitter{Max: maxLine, Each: w.line}
	if o.json == nil {
		p := newOutput(to, false)
		w.prefix = p.paint(palette[i%len(palette)], fmt.Sprintf("%-*s", o.width, w.host)) + p.paint(dim, " | ")
	}
	o.mu.Lock()
	o.writers = append(o.writers, w)
	o.mu.Unlock()
	return w
}

// A lineWriter hands on whole lines.
type lineWriter struct {
	out    *scriptOutput
	host   string
	stream string
	to     *os.File
	prefix string
	lines  lines.Splitter
}

// maxLine is how long a line can get before it is handed on in parts.
const maxLine = 1 << 20

// Write hands on the lines that end in p.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.out.mu.Lock()
	defer w.out.mu.Unlock()
	return w.lines.Write(p)
}

type outputEvent struct {
	Event  string `json:"event"`
	Host   string `json:"host"`
	Stream string `json:"stream"`
	Text   string `json:"text"`
}

// line prints one line. The output is locked.
func (w *lineWriter) line(b []byte) {
	text := strings.ToValidUTF8(string(b), "\ufffd")
	if w.out.json != nil {
		w.out.json.say(outputEvent{"output", w.host, w.stream, text}, "")
		return
	}
	fmt.Fprintf(w.to, "%s%s\n", w.prefix, b)
}

// flush hands on lines that have not ended.
func (o *scriptOutput) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, w := range o.writers {
		w.lines.Flush()
	}
}

type endEvent struct {
	Event  string `json:"event"`
	Host   string `json:"host"`
	Status int    `json:"status"`
	Cut    bool   `json:"cut"` // it did not end by itself

	// Dropped is what its sockets have lost, by reason.
	Dropped map[drop.Reason]uint64 `json:"dropped,omitempty"`
}

// ended tells of the end of a script.
func (o *scriptOutput) ended(s *running) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.json != nil {
		o.json.say(endEvent{"end", s.name, s.status, s.cut(), s.rt.Dropped()}, "")
		return
	}
	if len(o.hosts) > 1 && s.status != 0 && !s.cut() {
		for _, w := range o.writers {
			if w.host == s.name && w.stream == "stderr" {
				w.line([]byte(fmt.Sprintf("exit status %d", s.status)))
			}
		}
	}
}

// losses says what the scripts' sockets have lost, where there is no LAN to sum it up. One
// script alone prints what it prints under Node, and nothing else.
func (o *scriptOutput) losses(scripts []*running) {
	for _, s := range scripts {
		if dropped := dropList(s.rt.Dropped()); o.json == nil && len(scripts) > 1 && dropped != "" {
			fmt.Fprintf(os.Stderr, "%s, dropped: %s\n", s.name, dropped)
		}
	}
}

type runSummary struct {
	Event       string                 `json:"event"`
	Hosts       int                    `json:"hosts"`
	Virtual     bool                   `json:"virtual"`
	Seed        uint64                 `json:"seed"`
	Elapsed     time.Duration          `json:"elapsed_ns"`
	Interrupted bool                   `json:"interrupted"`
	Fingerprint string                 `json:"fingerprint,omitempty"`
	Dropped     map[drop.Reason]uint64 `json:"dropped"`
}

// summary says what has become of the LAN: in virtual time, when it was interrupted,
// and when something was lost.
func (o *scriptOutput) summary(r *scriptRun, l *lab.Lab, scripts []*running, interrupted bool) {
	report := l.Report()
	s := runSummary{
		Event: "summary", Hosts: len(scripts), Virtual: r.virtual, Seed: uint64(r.seed), Elapsed: report.Elapsed,
		Interrupted: interrupted, Dropped: report.Dropped,
	}
	if r.virtual {
		s.Fingerprint = fmt.Sprintf("%016x", report.Fingerprint)
	}
	if o.json != nil {
		o.json.say(s, "")
		return
	}
	dropped := dropList(report.Dropped)
	if !r.virtual && !interrupted && dropped == "" {
		return
	}
	text := fmt.Sprintf("%s, %v", plural(len(scripts), "host"), report.Elapsed.Round(time.Millisecond))
	if r.virtual {
		text = fmt.Sprintf("%s, %v of virtual time, seed %d, fingerprint %s", plural(len(scripts), "host"), report.Elapsed.Round(time.Microsecond), s.Seed, s.Fingerprint)
	}
	if dropped != "" {
		text += ", dropped: " + dropped
	}
	for _, script := range scripts {
		if script.cut() && !interrupted {
			text += "\n" + script.name + " had not ended when the time was up"
		}
	}
	fmt.Fprintln(os.Stderr, text)
}
