package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/castnet-go/castnet/lab"
)

// script runs a program in JavaScript, by [Options.RunScript].
type script struct {
	Name *string  `yaml:"name"`
	File string   `yaml:"file,required"`
	Args []string `yaml:"args,max=100"`
	At   span     `yaml:"at"`
}

// A Script is what [Options.RunScript] is asked to run.
type Script struct {
	Host *lab.Host
	File string   // its path: a relative one is relative to the folder of the lab's file
	Args []string // as the lab's file has them
	// Output is where it prints to.
	Output io.Writer
}

// errNoScripts is why a script cannot begin where nobody runs any.
var errNoScripts = errors.New("whoever runs this lab runs no scripts; castnet lab run does")

// hasScripts reports whether programs of the file are scripts.
func (f *File) hasScripts() bool {
	for _, n := range f.doc.all() {
		for i := range n.Programs {
			if n.Programs[i].Script != nil {
				return true
			}
		}
	}
	return false
}

// script is the program script.
func (p *process) script(ctx context.Context) error {
	s := p.Script
	if err := p.sleepUntil(ctx, time.Duration(s.At)); err != nil {
		return err
	}
	out := &outputLines{p: p}
	status, err := p.run.runScript(ctx, &Script{Host: p.host, File: p.run.file.beside(s.File), Args: s.Args, Output: out})
	out.end()
	if p.run.isOver() || ctx.Err() != nil {
		return errOver
	}
	if err == nil && status != 0 {
		err = fmt.Errorf("its exit status was %d", status)
	}
	if err != nil {
		p.run.lock()
		p.result.Failure = err.Error()
		p.run.unlock()
	}
	return nil
}

// beside returns the path of a file that the lab's file names.
func (f *File) beside(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(f.name), name)
}

// outputLines notes what a script prints, a line an event.
type outputLines struct {
	p    *process
	rest []byte // of a line that has not ended
}

// maxLine is how long a line can get before it is noted in parts.
const maxLine = 64 << 10

// Write notes the lines that end in b.
func (o *outputLines) Write(b []byte) (int, error) {
	o.rest = append(o.rest, b...)
	for {
		i := bytes.IndexByte(o.rest, '\n')
		if i < 0 && len(o.rest) < maxLine {
			return len(b), nil
		}
		if i < 0 {
			i = len(o.rest)
		}
		o.note(o.rest[:i])
		o.rest = o.rest[min(i+1, len(o.rest)):]
	}
}

// end notes a line that has not ended.
func (o *outputLines) end() {
	if len(o.rest) > 0 {
		o.note(o.rest)
		o.rest = nil
	}
}

func (o *outputLines) note(line []byte) {
	o.p.note(&Event{Event: Printed, Message: string(bytes.ToValidUTF8(line, []byte("\ufffd")))}, func() { o.p.result.Printed++ })
}
