package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
)

// An output is where a command prints: text for people, or one JSON object a
// line. Several goroutines may use it.
type output struct {
	mu     sync.Mutex
	w      io.Writer
	json   bool
	colour bool
	err    error // of the first write that failed
}

func newOutput(w io.Writer, asJSON bool) *output {
	return &output{w: w, json: asJSON, colour: !asJSON && wantsColour(w)}
}

// wantsColour reports whether w is a terminal that shows colours, and the user
// has not asked for none (https://no-color.org).
func wantsColour(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" || runtime.GOOS == "windows" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && !isNull(info)
}

// say prints one event: v as a JSON object, or the line as text, unless it is
// empty.
func (o *output) say(v any, line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return
	}
	if o.json {
		e := json.NewEncoder(o.w)
		e.SetEscapeHTML(false)
		o.err = e.Encode(v)
	} else if line != "" {
		_, o.err = fmt.Fprintln(o.w, line)
	}
}

// The colours that are used, as numbers of SGR.
const (
	dim   = "2"
	red   = "31"
	green = "32"
	cyan  = "36"
)

// paint returns s in a colour, where colours are shown.
func (o *output) paint(colour, s string) string {
	if !o.colour {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}
