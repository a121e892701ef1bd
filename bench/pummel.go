package main

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

//go:embed pummel/pummel.c
var pummelC string

//go:embed pummel/pummel.js
var pummelJS string

// pummel is a program of its own that sends to itself as it is told, by lines, and says
// what it cost.
type pummel struct {
	bufs   *buffers
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	folder string
}

// openLibuv compiles the program in C.
func openLibuv(s setup, bufs *buffers) (path, error) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		return nil, fmt.Errorf("there is no C compiler: %w", errUnavailable)
	}
	return openPummel(s, bufs, "pummel.c", pummelC, func(folder string) (*exec.Cmd, error) {
		program := filepath.Join(folder, "pummel")
		if out, err := exec.Command(cc, "-O2", "-o", program, filepath.Join(folder, "pummel.c"), "-luv").CombinedOutput(); err != nil {
			first, _, _ := strings.Cut(string(out), "\n")
			return nil, fmt.Errorf("libuv's headers are needed, Debian's libuv1-dev: %s: %w", first, errUnavailable)
		}
		return exec.Command(program), nil
	})
}

func openNode(s setup, bufs *buffers) (path, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("there is no node: %w", errUnavailable)
	}
	return openPummel(s, bufs, "pummel.js", pummelJS, func(folder string) (*exec.Cmd, error) {
		return exec.Command(node, filepath.Join(folder, "pummel.js")), nil
	})
}

func openPummel(s setup, bufs *buffers, name, source string, command func(folder string) (*exec.Cmd, error)) (path, error) {
	if s.corrupt {
		return nil, errCannotCorrupt
	}
	folder, err := os.MkdirTemp("", "castnet-pummel-")
	if err != nil {
		return nil, err
	}
	p := &pummel{bufs: bufs, folder: folder}
	if err := p.start(name, source, command); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	return p, nil
}

func (p *pummel) start(name, source string, command func(folder string) (*exec.Cmd, error)) (err error) {
	if err := os.WriteFile(filepath.Join(p.folder, name), []byte(source), 0o600); err != nil {
		return err
	}
	if p.cmd, err = command(p.folder); err != nil {
		return err
	}
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	p.out = bufio.NewReader(out)
	return p.cmd.Start()
}

// run is n datagrams. The program counts only those that are what was sent.
func (p *pummel) run(_, n int) (time.Duration, error) {
	if _, err := fmt.Fprintf(p.in, "%d %d\n", n, len(p.bufs.out[0])); err != nil {
		return 0, err
	}
	var received int
	var ns int64
	if _, err := fmt.Fscanf(p.out, "%d %d\n", &received, &ns); err != nil {
		return 0, err
	}
	if received != n {
		return 0, fmt.Errorf("%d of %d: %w", received, n, errNotDelivered)
	}
	for i := range p.bufs.in {
		p.bufs.in[i] = append(p.bufs.in[i][:0], p.bufs.out[i]...)
	}
	return time.Duration(ns), nil
}

// carry is not called: the path measures by itself.
func (p *pummel) carry(count int) error {
	_, err := p.run(1, count)
	return err
}

func (p *pummel) close() error {
	err := p.in.Close()
	if waitErr := p.cmd.Wait(); waitErr != nil {
		err = errors.Join(err, waitErr)
	}
	return errors.Join(err, os.RemoveAll(p.folder))
}
