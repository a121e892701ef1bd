package main

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
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

//go:embed pummel/halves.js
var halvesJS string

// A half is what of sending and receiving a path does: the other half is done by this
// process, and is not measured.
type half uint8

const (
	both half = iota
	sends
	receives
)

// receiveBuffer is what all who receive a half ask for: more than systems give, which is
// 416 KiB mostly.
const receiveBuffer = 1 << 20

// chunk is how many datagrams a half sends or receives in one go: as many as fit in such a
// buffer, with the kernel's room for each.
func chunk(size int) int {
	if size <= 128 {
		return 512
	}
	return 160
}

// pummel is a program of its own that sends to itself as it is told, by lines, and says
// what it cost: see pummel/pummel.c.
type pummel struct {
	bufs   *buffers
	half   half
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	folder string
	other  *net.UDPConn // of a half
	wall   time.Duration
	allocs float64 // of the last run; negative: the program does not say
}

// libuv compiles the program in C.
func libuv(folder string) (*exec.Cmd, error) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		return nil, fmt.Errorf("there is no C compiler: %w", errUnavailable)
	}
	source, program := filepath.Join(folder, "pummel.c"), filepath.Join(folder, "pummel")
	if err := os.WriteFile(source, []byte(pummelC), 0o600); err != nil {
		return nil, err
	}
	if out, err := exec.Command(cc, "-O2", "-o", program, source, "-luv").CombinedOutput(); err != nil {
		first, _, _ := strings.Cut(string(out), "\n")
		return nil, fmt.Errorf("libuv's headers are needed, Debian's libuv1-dev: %s: %w", first, errUnavailable)
	}
	return exec.Command(program), nil
}

// node is the program in JavaScript.
func node(source string) func(folder string) (*exec.Cmd, error) {
	return func(folder string) (*exec.Cmd, error) {
		node, err := exec.LookPath("node")
		if err != nil {
			return nil, fmt.Errorf("there is no node: %w", errUnavailable)
		}
		script := filepath.Join(folder, "pummel.js")
		return exec.Command(node, script), os.WriteFile(script, []byte(source), 0o600)
	}
}

// programVar is the variable that makes this program one of those to be measured, which
// one it names: what is measured beside programs of their own is one too.
const programVar = "CASTNET_BENCH_PROGRAM"

// own is this program, as one of those.
func own(name string) func(folder string) (*exec.Cmd, error) {
	return func(folder string) (*exec.Cmd, error) {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		cmd := exec.Command(self)
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), programVar+"="+name)
		return cmd, nil
	}
}

// openPummel starts a program.
func openPummel(command func(folder string) (*exec.Cmd, error), half half) func(setup, *buffers) (path, error) {
	return func(s setup, bufs *buffers) (path, error) {
		if s.corrupt {
			return nil, errCannotCorrupt
		}
		folder, err := os.MkdirTemp("", "castnet-pummel-")
		if err != nil {
			return nil, err
		}
		p := &pummel{bufs: bufs, half: half, folder: folder}
		if err := p.start(command); err != nil {
			return nil, errors.Join(err, os.RemoveAll(folder))
		}
		// What compiles as it runs must have done so.
		bufs.fill(rand.New(rand.NewPCG(1, 1)), 64)
		if _, err := p.run(1, s.warm); err != nil {
			return nil, errors.Join(err, p.close())
		}
		return p, nil
	}
}

func (p *pummel) start(command func(folder string) (*exec.Cmd, error)) (err error) {
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
	if p.half != both {
		if p.other, err = listenLoopback(); err != nil {
			return err
		}
		if err = p.other.SetReadBuffer(receiveBuffer); err != nil {
			return err
		}
	}
	return p.cmd.Start()
}

// run is n datagrams. The program counts only those that are what was sent.
func (p *pummel) run(_, n int) (spent time.Duration, err error) {
	p.wall, p.allocs = 0, 0
	size := len(p.bufs.out[0])
	for left := n; left > 0; {
		count := left
		if p.half != both {
			count = min(left, chunk(size))
		}
		used, err := p.round(count, size)
		if err != nil {
			return 0, err
		}
		spent += used
		left -= count
	}
	for i := range p.bufs.in {
		p.bufs.in[i] = append(p.bufs.in[i][:0], p.bufs.out[i]...)
	}
	return spent, nil
}

// round is one command.
func (p *pummel) round(count, size int) (time.Duration, error) {
	switch p.half {
	case both:
		return p.ask(count, "both %d %d\n", count, size)
	case sends:
		used, err := p.ask(count, "send %d %d %d\n", count, size, p.other.LocalAddr().(*net.UDPAddr).Port)
		if err != nil {
			return 0, err
		}
		return used, p.drain(count, size)
	}
	if _, err := fmt.Fprintf(p.in, "receive %d %d\n", count, size); err != nil {
		return 0, err
	}
	var port uint16
	if _, err := fmt.Fscanf(p.out, "%d\n", &port); err != nil {
		return 0, err
	}
	to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
	payload := []byte(strings.Repeat("x", size))
	for range count {
		if _, err := p.other.WriteToUDPAddrPort(payload, to); err != nil {
			return 0, err
		}
	}
	return p.ask(count, "go\n")
}

// drain takes what the program has sent, of which all must be there.
func (p *pummel) drain(count, size int) error {
	var b [room]byte
	for i := range count {
		if err := p.other.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			return err
		}
		n, err := p.other.Read(b[:])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("%d of %d: %w", i, count, errNotDelivered)
		}
		if err != nil {
			return err
		}
		if n != size || b[0] != 'x' || b[n-1] != 'x' {
			return fmt.Errorf("%d bytes that are not the %d sent", n, size)
		}
	}
	return nil
}

// ask gives the program a line and reads its answer. What it costs to allocate only our
// own programs say.
func (p *pummel) ask(count int, line string, args ...any) (time.Duration, error) {
	if _, err := fmt.Fprintf(p.in, line, args...); err != nil {
		return 0, err
	}
	answer, err := p.out.ReadString('\n')
	if err != nil {
		return 0, err
	}
	var got int
	var spent, wall int64
	var allocs float64
	switch n, err := fmt.Sscan(answer, &got, &spent, &wall, &allocs); {
	case n < 3:
		return 0, fmt.Errorf("it answered %q: %w", answer, err)
	case n == 3:
		p.allocs = math.Inf(-1)
	}
	if got != count {
		return 0, fmt.Errorf("%d of %d: %w", got, count, errNotDelivered)
	}
	p.wall += time.Duration(wall)
	p.allocs += allocs
	return time.Duration(spent), nil
}

// clock is the time on the wall of the last run.
func (p *pummel) clock() time.Duration { return p.wall }

// mallocs are the allocations of the last run, negative if they are not known.
func (p *pummel) mallocs() float64 { return max(p.allocs, -1) }

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
	if p.other != nil {
		err = errors.Join(err, p.other.Close())
	}
	return errors.Join(err, os.RemoveAll(p.folder))
}
