package scenario

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/trace"
)

// Options say how to run a file. The zero Options run it as it is, in virtual
// time.
type Options struct {
	// Seed replaces the file's. If nil, it does not.
	Seed *uint64

	// Until replaces the duration of the file: how long the lab runs, of its
	// own time, at most MaxDuration. If zero, the file's.
	Until time.Duration

	// Realtime runs the lab by the clock on the wall. Nothing is then
	// repeatable.
	Realtime bool

	// CaptureDir is a directory into which a pcapng file a host is written.
	// If empty, none is.
	CaptureDir string

	// Tracer is told every step of every packet. If nil, nobody is.
	Tracer trace.Tracer

	// RunScript runs a script until it has ended, or the context has, and returns
	// its exit status. It is called by the program's task, whose context it is
	// given. If nil, files that have scripts are not run.
	RunScript func(context.Context, *Script) (status int, err error)

	// Event is called with each event, one at a time, while the lab runs;
	// the Event and its Payload are valid until it returns. It must not
	// block. If nil, nobody is told.
	Event func(*Event)
}

// run is a lab that runs.
type run struct {
	file     *File
	lab      *lab.Lab
	start    time.Time
	realtime bool
	tell     func(*Event)

	runScript func(context.Context, *Script) (int, error)

	// In real time nobody sends before all who listen from the start do, as
	// it is in virtual time.
	listeners sync.WaitGroup

	mu      sync.Mutex // in real time, programs are goroutines
	over    bool       // programs that are ended from outside note nothing
	changes []Event
	more    int // changes that are not kept
}

// listening says that a program listens, or cannot.
func (r *run) listening(s *service) {
	if r.realtime && s.At == 0 {
		r.listeners.Done()
	}
}

// awaitListeners waits for those who listen from the start.
func (r *run) awaitListeners() {
	if r.realtime {
		r.listeners.Wait()
	}
}

func (r *run) lock()   { r.mu.Lock() }
func (r *run) unlock() { r.mu.Unlock() }

func (r *run) isOver() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.over
}

// now returns how much time has passed since the start.
func (r *run) now() time.Duration { return r.lab.Clock().Now().Sub(r.start) }

func (r *run) changed(e *Event) {
	r.lock()
	defer r.unlock()
	e.At = r.now()
	if r.tell != nil {
		r.tell(e)
	}
	if len(r.changes) >= keptEvents {
		r.more++
		return
	}
	r.changes = append(r.changes, *e)
}

// Run builds the lab and runs it. That an expectation is not met is no error:
// see [Result.Passed]. If the context ends, so does the lab, and the Result is of
// what has happened until then; Result.Interrupted says so.
//
// The error is of options that cannot be, of a capture that could not be
// written, or of a lab that would not end; there may be a Result with it.
func (f *File) Run(ctx context.Context, o Options) (*Result, error) {
	duration := f.Duration()
	switch {
	case o.Until < 0 || o.Until > MaxDuration:
		return nil, fmt.Errorf("scenario: the lab cannot run until %v; it can be from 0 to %v", o.Until, MaxDuration)
	case o.Until > 0:
		duration = o.Until
	}
	if o.RunScript == nil && f.hasScripts() {
		return nil, fmt.Errorf("scenario: %s: %w", f.name, errNoScripts)
	}
	seed := f.doc.Seed
	if o.Seed != nil {
		seed = *o.Seed
	}
	if o.CaptureDir != "" {
		if err := os.MkdirAll(o.CaptureDir, 0o777); err != nil {
			return nil, fmt.Errorf("scenario: capture: %w", err)
		}
	}
	d := &decoder{file: f.name}
	tracer := o.Tracer
	counts := newFilters(&f.doc, tracer)
	if counts != nil {
		tracer = counts
	}
	b := f.build(lab.Config{Seed: seed, Realtime: o.Realtime, Tracer: tracer, Capture: o.CaptureDir}, d)
	defer b.lab.Close()
	if d.cause != nil {
		// Load has built the same lab: it is no mistake of the file.
		return nil, fmt.Errorf("scenario: %w", d.cause)
	}
	r := &run{file: f, lab: b.lab, realtime: o.Realtime, tell: o.Event, runScript: o.RunScript, start: b.lab.Clock().Now()}
	res := &Result{File: f.name, Seed: seed, Realtime: o.Realtime}
	watches := f.watches()
	r.launch(b, res, watches)
	b.plan(f, r)

	began := time.Now()
	err := r.pass(ctx, duration)
	res.Took = time.Since(began)
	res.Interrupted = ctx.Err() != nil
	r.finish(res, watches, o.Realtime)
	if counts != nil {
		res.Filters = counts.results()
	}
	if e := b.lab.Close(); err == nil {
		err = e
	}
	if o.Realtime {
		// While goroutines send, no account is still for long enough.
		res.ledger(b.lab)
	}
	return res, err
}

// launch starts the programs.
func (r *run) launch(b *built, res *Result, watches []*watch) {
	if r.realtime {
		for _, n := range r.file.doc.all() {
			for i := range n.Programs {
				if p := &n.Programs[i]; p.Send == nil && p.Script == nil && p.service().At == 0 {
					r.listeners.Add(1)
				}
			}
		}
	}
	for _, w := range watches {
		if n := w.from.node; n != nil {
			w.host = b.hosts[n]
		}
	}
	for _, n := range r.file.doc.all() {
		h := b.hosts[n]
		host := HostResult{Name: n.Name, Addresses: n.addresses()}
		for i := range n.Programs {
			spec := &n.Programs[i]
			p := &process{program: spec, node: n, run: r, host: h, result: &ProgramResult{Host: n.Name, Name: spec.name}}
			p.result.Kind, _ = spec.kind()
			p.result.About = spec.about()
			for _, w := range watches {
				if w.concerns(n.Name, spec.name) {
					p.watch = append(p.watch, w)
				}
			}
			host.Programs = append(host.Programs, p.result)
			h.Go(spec.name, p.main)
		}
		res.Hosts = append(res.Hosts, host)
	}
}

// about says where a program listens, or whom it sends to.
func (p *program) about() string {
	s := p.Send
	if p.Script != nil {
		return p.Script.File
	}
	if s == nil {
		v := p.service()
		ip := ""
		if v.Address != nil {
			ip = netip.Addr(*v.Address).String()
		}
		return net.JoinHostPort(ip, strconv.Itoa(int(v.Port)))
	}
	return s.To.text
}

func (p *program) service() *service {
	if p.Echo != nil {
		return &p.Echo.service
	}
	return &p.Listen.service
}

// pass lets the time pass, in pieces, so that it can be interrupted between
// them: of the lab's time, since it alone is the same at each run.
func (r *run) pass(ctx context.Context, duration time.Duration) error {
	piece := min(max(duration/1000, time.Millisecond), 50*time.Millisecond)
	if duration > time.Hour {
		piece = duration / 50_000
	}
	if r.realtime {
		piece = 50 * time.Millisecond
	}
	for ctx.Err() == nil {
		left := duration - r.now()
		if left <= 0 {
			break
		}
		if err := r.lab.Run(min(piece, left)); err != nil {
			return err
		}
	}
	return nil
}

// finish takes stock.
func (r *run) finish(res *Result, watches []*watch, realtime bool) {
	r.lock()
	r.over = true
	res.Changes, res.MoreChanges = r.changes, r.more
	r.unlock()
	res.Report = r.lab.Report()
	res.Elapsed = res.Report.Elapsed
	if !realtime {
		res.Fingerprint = fmt.Sprintf("%016x", res.Report.Fingerprint)
		res.ledger(r.lab)
	}
	for i := range res.Hosts {
		h := &res.Hosts[i]
		for _, p := range addressesOf(r.lab.Host(h.Name)) {
			if !slices.Contains(h.Addresses, p) {
				h.Addresses = append(h.Addresses, p)
			}
		}
	}
	for _, h := range res.Hosts {
		for _, p := range h.Programs {
			if p.Failure != "" {
				res.Failed = append(res.Failed, fmt.Sprintf("%s's %s failed: %s", p.Host, p.Name, p.Failure))
			}
			if p.NotBegun != "" && !p.foreseen {
				res.NotBegun = append(res.NotBegun, fmt.Sprintf("%s's %s could not begin: %s", p.Host, p.Name, p.NotBegun))
			}
		}
	}
	for _, w := range watches {
		res.Expectations = append(res.Expectations, w.outcomes(r.file, res.Report)...)
	}
}

// ledger checks that everything is accounted for.
func (res *Result) ledger(l *lab.Lab) {
	if err := l.CheckLedger(); err != nil {
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range joined.Unwrap() {
				res.Imbalances = append(res.Imbalances, e.Error())
			}
			return
		}
		res.Imbalances = []string{errors.Unwrap(err).Error()}
	}
}
