package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/castnet-go/castnet/internal/lines"
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
	out := &lines.Splitter{Max: maxLine, Each: p.printed}
	status, err := p.run.runScript(ctx, &Script{Host: p.host, File: p.run.file.beside(s.File), Args: s.Args, Output: out})
	out.Flush()
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

// maxLine is how long a line can get before it is noted in parts.
const maxLine = 64 << 10

// printed notes a line that a script prints.
func (p *process) printed(line []byte) {
	p.note(&Event{Event: Printed, Message: string(bytes.ToValidUTF8(line, []byte("\ufffd")))}, func() { p.result.Printed++ })
}
