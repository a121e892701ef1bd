package script

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dop251/goja"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/socket"
)

// Config says what a script runs on and what it sees of the world. The zero Config
// is a script on no network: dgram's sockets fail with ENETDOWN. Everything else of
// the world is empty too, but for the files, which scripts may read.
type Config struct {
	// On is the network: where sockets live, names are looked up and, by its
	// clock, timers go. If nil, sockets cannot be made and time is the system's.
	On socket.Network

	// Name is what os.hostname() says. If empty, the machine's name.
	Name string

	// Stdout and Stderr are where process.stdout and process.stderr write to,
	// from the goroutine of Run. If nil, what is written is lost.
	Stdout, Stderr io.Writer

	// Stdin is what process.stdin reads from. If nil, it is at its end.
	Stdin io.Reader

	// Args are process.argv behind the script's name.
	Args []string

	// Flags are process.execArgv, those flags of Node that scripts can see.
	// --expose-internals permits require('internal/…') as Node does. A
	// "// Flags:" comment at the top of the script adds to them.
	Flags []string

	// Env is process.env, as key=value. If nil, it is empty.
	Env []string

	// Dir is the folder that relative paths start from. If empty, the process's.
	Dir string

	// CallbackTime is how much of a lab's virtual time what the script does takes:
	// see loop.Config, but if zero, 20 microseconds.
	CallbackTime time.Duration

	// Rand is where Math.random, and randomness that must not be guessed as
	// well, come from. If nil, from the operating system.
	Rand *rand.Rand
}

// A Runtime is a JavaScript engine, its event loop and one script. Make it with
// [New]. It is for one goroutine, save for [Runtime.Signal] and [Runtime.Stop].
type Runtime struct {
	cfg  Config
	vm   *goja.Runtime
	loop *loop.Loop

	bindings map[string]func(*goja.Object)
	bound    map[string]*goja.Object
	builtins map[string]*goja.Object // modules of lib, by name

	// What JavaScript hands over when it starts.
	hooks struct {
		runMain    goja.Callable // (filename)
		runTicks   goja.Callable // drains process.nextTick's queue
		fatal      goja.Callable // (err, fromPromise) whether somebody handles it
		rejections goja.Callable // reports a promise that nobody has handled; an error if nobody listens
		handled    goja.Callable // reports one that was reported so, and has been handled since
		beforeExit goja.Callable
		exit       goja.Callable // (code) code
		signal     goja.Callable // (name) whether somebody listens
	}
	// flags are seen by both sides, so that looking at them costs nothing: see
	// the constants.
	flags [4]byte

	rejected []*goja.Promise // without a handler, so far
	handled  []*goja.Promise // that have got one after it was told that they had none

	asked    int        // how often the script has asked for the time since it was called
	context  goja.Value // of AsyncLocalStorage; nil: of nothing
	exiting  bool
	exitCode int
	failure  error // what Run returns

	fds     fds
	dropped map[drop.Reason]uint64 // by sockets that are closed
	// uncounted are the sockets of which nothing is in dropped yet.
	uncounted map[*udpHandle]bool
	timers    timers
	stopped   context.Context
	stop      context.CancelFunc
	killed    atomic.Int32 // the status that a signal has ended the script with
}

// The flags that Go and JavaScript share.
const (
	flagTicks    = iota // process.nextTick's queue is not empty
	flagRejected        // there are rejected promises to look at
)

// errExit ends the loop when the script has called process.exit.
var errExit = errors.New("script: exit")

// New makes a runtime. The error is of the engine's own files.
func New(cfg Config) (*Runtime, error) {
	if cfg.Stdout == nil {
		cfg.Stdout = io.Discard
	}
	if cfg.Stderr == nil {
		cfg.Stderr = io.Discard
	}
	if cfg.CallbackTime == 0 {
		cfg.CallbackTime = 20 * time.Microsecond
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, err
	}
	cfg.Dir = dir
	if cfg.Name == "" {
		cfg.Name, _ = os.Hostname()
	}
	r := &Runtime{
		cfg:       cfg,
		vm:        goja.New(),
		bound:     make(map[string]*goja.Object),
		builtins:  make(map[string]*goja.Object),
		dropped:   make(map[drop.Reason]uint64),
		uncounted: make(map[*udpHandle]bool),
	}
	r.stopped, r.stop = context.WithCancel(context.Background())
	r.loop = loop.New(loop.Config{On: cfg.On, Microtasks: r.drain, CallbackTime: cfg.CallbackTime})
	r.vm.SetTimeSource(r.now)
	if cfg.Rand != nil {
		r.vm.SetRandSource(cfg.Rand.Float64)
	}
	r.vm.SetPromiseRejectionTracker(r.trackRejection)
	r.vm.SetMaxCallStackSize(10_000)
	r.fds.init()
	r.bind()
	return r, nil
}

// Loop returns the script's event loop. Go programs may have handles on it too.
func (r *Runtime) Loop() *loop.Loop { return r.loop }

// Run runs a script until nothing is left that could happen, or it ends itself, and
// returns its exit status. It can be called once.
//
// An error is one of the network's, whose waiting failed (a lab that was closed), or
// ErrStopped, of Stop and of a signal; then the status is the signal's. What is wrong with the script is told on Stderr, and the status is 1 then.
func (r *Runtime) Run(filename string) (status int, err error) {
	if !filepath.IsAbs(filename) {
		filename = filepath.Join(r.cfg.Dir, filename)
	}
	r.cfg.Flags = append(r.cfg.Flags[:len(r.cfg.Flags):len(r.cfg.Flags)], flagsOf(filename)...)
	defer r.finish()
	r.loop.Do(func() { r.boot(filename) })
	for !r.exiting && r.failure == nil {
		if err := r.loop.Run(); err != nil && !errors.Is(err, errExit) {
			return 1, err
		}
		if r.exiting || r.failure != nil || r.stopped.Err() != nil {
			break
		}
		// The loop is empty: the script hears of it and may go on.
		r.loop.Do(func() { r.call(r.hooks.beforeExit) })
		if !r.loop.Alive() {
			r.loop.Do(r.leave)
			break
		}
	}
	return r.exitCode, r.failure
}

// ErrStopped is what Run returns after Stop.
var ErrStopped = errors.New("script: stopped")

// Stop makes Run return soon, with ErrStopped: what the script is doing is cut off. It
// may be called from any goroutine, also before Run; in a lab in virtual time, only
// from those that may use the lab.
func (r *Runtime) Stop() {
	r.Interrupt()
	r.loop.Post(func() {
		r.failure = ErrStopped
		r.loop.Fail(errExit)
	})
}

// leave tells the script that it ends. What its listeners throw, and process.exit in
// them, decides on the status.
func (r *Runtime) leave() {
	if v, ok := r.call(r.hooks.exit); ok {
		r.exitCode = int(v.ToInteger())
	}
}

// finish gives up what the script holds.
func (r *Runtime) finish() {
	r.stop()
	r.exiting = true
	r.loop.Walk(func(h loop.Handle) { h.Close(nil) })
	for h := range r.uncounted {
		h.count()
	}
	r.fds.closeAll()
}

// boot loads what every script needs, then the script.
func (r *Runtime) boot(filename string) {
	defer func() {
		if x := recover(); x != nil {
			if _, mine := x.(runtime.Error); mine {
				panic(x)
			}
			r.failure = fmt.Errorf("script: %v", x)
			r.loop.Fail(errExit)
		}
	}()
	start, ok := goja.AssertFunction(r.builtin("internal/start").Get("start"))
	if !ok {
		panic("internal/start exports no function start")
	}
	hooks, err := start(goja.Undefined(), r.vm.ToValue(filename))
	if err != nil {
		r.caught(err)
		return
	}
	o := hooks.ToObject(r.vm)
	for name, f := range map[string]*goja.Callable{
		"runMain": &r.hooks.runMain, "runTicks": &r.hooks.runTicks, "fatal": &r.hooks.fatal, "rejections": &r.hooks.rejections, "rejectionHandled": &r.hooks.handled,
		"beforeExit": &r.hooks.beforeExit, "exit": &r.hooks.exit, "signal": &r.hooks.signal,
	} {
		if *f, ok = goja.AssertFunction(o.Get(name)); !ok {
			panic("internal/start has no hook " + name)
		}
	}
	r.call(r.hooks.runMain, r.vm.ToValue(filename))
}

// flagsOf returns the flags of the "// Flags:" comment at the top of a script.
func flagsOf(filename string) []string {
	f, err := os.Open(filename)
	if err != nil {
		return nil
	}
	defer f.Close()
	head := make([]byte, 4096)
	n, _ := io.ReadFull(f, head)
	var flags []string
	for line := range strings.Lines(string(head[:n])) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "// Flags:"); ok {
			flags = append(flags, strings.Fields(rest)...)
		}
	}
	return flags
}
