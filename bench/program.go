package main

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/castnet-go/castnet/host"
	"github.com/castnet-go/castnet/script"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
)

// A contestant is what our programs do as they are told: see pummel/pummel.c.
type contestant interface {
	// receiver is the address at which it receives.
	receiver() netip.AddrPort
	// carry sends n datagrams, receives them, or both, and returns how many came of it.
	// What it sends is payloads, in turn, and so is what it receives.
	carry(h half, n int, payloads *[batchSize][]byte, to netip.AddrPort) (int, error)
	close() error
}

// contestants are our programs.
var contestants = map[string]func() (contestant, error){
	"dgram":             onHost(singly),
	"dgram-batch":       onHost(inBatches),
	"dgram-offload":     onHost(asTrains),
	"dgram-stack":       onStack(singly),
	"dgram-stack-batch": onStack(inBatches),
	"bare":              openBare(false, false),
	"bare-batch":        openBare(true, false),
	"bare-loopless":     openBare(true, true),
}

// program is this program as one of those that are measured. It ends with its input.
func program(name string, in io.Reader, out io.Writer) error {
	switch name {
	case "script":
		return runScript(host.Network{}, in, out)
	case "script-stack":
		st, err := stack.New(stack.Config{Name: "a"})
		if err != nil {
			return err
		}
		defer st.Close()
		return runScript(st, in, out)
	}
	open := contestants[name]
	if open == nil {
		return fmt.Errorf("no program %q", name)
	}
	c, err := open()
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if err := obey(c, lines, out); err != nil {
			return err
		}
	}
	return c.close()
}

// obey does what a line of input says.
func obey(c contestant, lines *bufio.Scanner, out io.Writer) error {
	var what string
	var n, size int
	to := c.receiver()
	var port uint16
	if count, err := fmt.Sscan(lines.Text(), &what, &n, &size, &port); count < 3 {
		return fmt.Errorf("%q: %w", lines.Text(), err)
	}
	h := both
	switch what {
	case "send":
		h, to = sends, netip.AddrPortFrom(to.Addr(), port)
	case "receive":
		h = receives
		fmt.Fprintln(out, to.Port())
		if !lines.Scan() {
			return io.ErrUnexpectedEOF
		}
	}
	var payloads [batchSize][]byte
	for i := range payloads {
		payloads[i] = []byte(strings.Repeat("x", size))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	spent, start := processTime(), time.Now()
	got, err := c.carry(h, n, &payloads, to)
	if err != nil {
		return err
	}
	wall := time.Since(start)
	spent = processTime() - spent
	runtime.ReadMemStats(&after)
	fmt.Fprintln(out, got, spent.Nanoseconds(), wall.Nanoseconds(), after.Mallocs-before.Mallocs)
	return nil
}

// runScript runs the script that Node runs, with the garbage collector set as castnet run
// sets it.
func runScript(on socket.Network, in io.Reader, out io.Writer) error {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	folder, err := os.MkdirTemp("", "castnet-pummel-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, "pummel.js")
	if err := os.WriteFile(file, []byte(pummelJS), 0o600); err != nil {
		return err
	}
	r, err := script.New(script.Config{On: on, Stdin: in, Stdout: out, Stderr: os.Stderr})
	if err != nil {
		return err
	}
	status, err := r.Run(file)
	if err == nil && status != 0 {
		err = fmt.Errorf("the script's status is %d", status)
	}
	return err
}
