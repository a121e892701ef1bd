package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/script"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
	"github.com/castnet-go/castnet/trace"
)

// switchName is what the segment of the embedded LAN is called.
const switchName = "lan"

// A running is a script that runs.
type running struct {
	name   string
	file   string
	rt     *script.Runtime
	status int
	err    error
}

// newRunning makes the runtime of script number i.
func (r *scriptRun) newRunning(i int, file string, on socket.Network, out *scriptOutput) (*running, error) {
	s := &running{name: out.hosts[i], file: file}
	cfg := script.Config{
		On:     on,
		Args:   r.args,
		Env:    os.Environ(),
		Stdout: out.writer(i, os.Stdout, "stdout"),
		Stderr: out.writer(i, os.Stderr, "stderr"),
	}
	if len(out.hosts) == 1 {
		cfg.Stdin = os.Stdin
	}
	if h, ok := on.(*lab.Host); ok {
		cfg.Name = h.Name()
		if r.virtual {
			cfg.Rand = h.Rand()
			cfg.Stdin = nil // what somebody types is not repeatable
		}
	}
	var err error
	s.rt, err = script.New(cfg)
	return s, err
}

// main runs the script and tells of its end.
func (s *running) main(out *scriptOutput) {
	s.status, s.err = s.rt.Run(s.file)
	out.ended(s)
}

// cut reports whether the script did not end by itself.
func (s *running) cut() bool { return errors.Is(s.err, script.ErrStopped) }

// status is the command's: of one that a signal has ended, the signal's; else that of the
// only script, or whether any has failed.
func status(scripts []*running) (code int, err error) {
	ended := 0
	for _, s := range scripts {
		switch {
		case s.cut():
			ended = max(ended, s.status)
		case s.err != nil:
			err = errors.Join(err, fmt.Errorf("%s: %w", s.name, s.err))
		case s.status != 0 && len(scripts) == 1:
			code = s.status
		case s.status != 0:
			code = exitFailed
		}
	}
	return cmp.Or(ended, code), err
}

// runOn runs the scripts as programs of one machine.
func (r *scriptRun) runOn(ctx context.Context, files []string, out *scriptOutput) (int, error) {
	var cfg stack.Config
	if r.trace {
		cfg.Tracer = trace.NewPrinter(os.Stderr, time.Time{})
	}
	network, closer, err := r.spec.Open(ctx, cfg)
	if err != nil {
		return exitFailed, err
	}
	defer closer.Close()
	scripts := make([]*running, len(files))
	for i, file := range files {
		if scripts[i], err = r.newRunning(i, file, network, out); err != nil {
			return exitFailed, err
		}
	}
	defer r.handOn(scripts)()
	var group sync.WaitGroup
	for _, s := range scripts {
		group.Go(func() { s.main(out) })
	}
	group.Wait()
	out.flush()
	out.losses(scripts)
	return status(scripts)
}

// handOn hands on signals, and ends the scripts when their time is up.
func (r *scriptRun) handOn(scripts []*running) (stop func()) {
	silence := r.listen(func(name string) {
		for _, s := range scripts {
			s.rt.Signal(name)
		}
	})
	var timer *time.Timer
	if r.until > 0 {
		timer = time.AfterFunc(r.until, func() {
			for _, s := range scripts {
				s.rt.Stop()
			}
		})
	}
	return func() {
		silence()
		if timer != nil {
			timer.Stop()
		}
	}
}

// runLAN runs the scripts as hosts of a LAN.
func (r *scriptRun) runLAN(files []string, out *scriptOutput) (int, error) {
	cfg := lab.Config{Seed: uint64(r.seed), Realtime: !r.virtual, Capture: r.pcap}
	cfg.Stack.DADTransmits = -1 // whose an address is is known here, so nobody has to wait for it
	if r.trace {
		start := time.Time{}
		if r.virtual {
			start = clock.Epoch
		}
		cfg.Tracer = trace.NewPrinter(os.Stderr, start)
	}
	if r.pcap != "" {
		if err := os.MkdirAll(r.pcap, 0o777); err != nil {
			return exitFailed, err
		}
	}
	l := lab.New(cfg)
	defer l.Close()
	lan := l.AddSwitch(switchName)
	scripts := make([]*running, len(files))
	for i, file := range files {
		h := l.AddHost(out.hosts[i])
		if err := attach(h, lan, i); err != nil {
			return exitFailed, err
		}
		var err error
		if scripts[i], err = r.newRunning(i, file, h, out); err != nil {
			return exitFailed, err
		}
		s := scripts[i]
		h.Go("script", func(context.Context) error {
			s.main(out)
			return nil
		})
	}
	var err error
	if r.virtual {
		err = r.runVirtual(l, scripts)
	} else {
		stop := r.handOn(scripts)
		err = l.RunTasks(time.Duration(1<<62 - 1))
		stop()
	}
	if err != nil {
		return exitFailed, err
	}
	out.flush()
	out.summary(r, l, scripts, r.interrupted.Load())
	code, err := status(scripts)
	return code, errors.Join(err, l.Close())
}

// attach gives host number i its interface: an address of each family, and a route by
// which groups and 255.255.255.255 are reached, as the default route of a machine on a
// LAN.
func attach(h *lab.Host, lan lab.Segment, i int) error {
	v4 := netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)})
	v6 := netip.AddrFrom16([16]byte{0: 0xfd, 15: byte(i + 1)})
	ifname, err := h.Attach(lan, lab.LinkConfig{Addresses: []netip.Prefix{netip.PrefixFrom(v4, 24), netip.PrefixFrom(v6, 64)}})
	if err != nil {
		return err
	}
	return h.AddRoute(stack.Route{Interface: ifname})
}

// piece is how much virtual time passes between two looks at whether to end.
const piece = 10 * time.Millisecond

// runVirtual runs the lab until every script has ended or the time is up. Signals are
// handed on between two pieces.
func (r *scriptRun) runVirtual(l *lab.Lab, scripts []*running) error {
	signals := make(chan string, 100)
	defer r.listen(func(name string) {
		select {
		case signals <- name:
		default:
		}
		// A script that is busy does not let the piece end.
		time.AfterFunc(time.Second, func() {
			if len(signals) > 0 {
				for _, s := range scripts {
					s.rt.Kill(name)
				}
			}
		})
	})()
	for l.Elapsed() < r.until {
		for len(signals) > 0 {
			name := <-signals
			for _, s := range scripts {
				s.rt.Signal(name)
			}
		}
		before := l.Elapsed()
		err := l.RunTasks(min(piece, r.until-before))
		if err == nil {
			return nil
		}
		// That tasks are left is no error; whatever else is would be one again.
		if l.Elapsed() == before {
			return err
		}
	}
	for _, s := range scripts {
		s.rt.Stop()
	}
	return l.RunTasks(time.Second)
}

// dropList names what was lost in the lab, by reason. What a card did not take, as
// nobody there had asked for it, is no loss, nor what was said on a LAN where nobody
// else is.
func dropList(dropped map[drop.Reason]uint64) string {
	var list []string
	for _, reason := range slices.Sorted(maps.Keys(dropped)) {
		if reason != drop.MACFiltered && reason != drop.LinkNoPeer {
			list = append(list, fmt.Sprintf("%v %d", reason, dropped[reason]))
		}
	}
	return strings.Join(list, ", ")
}
