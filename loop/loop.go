package loop

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/socket"
)

// Turn is how many datagrams a socket receives, or sends from its queue, before
// the others have their turn.
const Turn = 32

// Config says what a loop is like. The zero Config is a loop in the system's time,
// whose sockets each say what network they are on.
type Config struct {
	// On is the network that sockets are on if they do not say otherwise. If it
	// is a [Scheduler], Run waits in its way.
	On socket.Network

	// Clock is what timers go by; if nil, On's; if there is none, the system's.
	Clock clock.Clock

	// Microtasks, if not nil, is called when the queues of ticks and microtasks
	// are empty after a callback, to drain a queue of somebody else's. It may
	// add to the loop's.
	Microtasks func()

	// Wake, if not nil, is called from any goroutine as soon as there is
	// something to do and nobody runs the loop. It must not block or call the
	// loop: it is for who drives the loop by RunMode(RunNoWait), to do so soon. It
	// is called once until the next run.
	Wake func()

	// CallbackTime is how much of a lab's virtual time a callback takes, and a
	// datagram that is sent, as far as the loop is not idle anyway. Of two thousand
	// nothing is seen; but a loop that is never idle has one in every CallbackTime,
	// so that time passes for it too, with RunNoWait as well. If zero, 100
	// nanoseconds, which is about what they take; if negative, nothing. Real time
	// passes by itself.
	CallbackTime time.Duration

	// MaxPosted is how many functions may wait that were posted; if zero, a
	// million.
	MaxPosted int
}

// A Mode says how long RunMode runs.
type Mode uint8

// The modes, which are libuv's.
const (
	// RunDefault runs until nothing is alive.
	RunDefault Mode = iota
	// RunOnce runs one turn, and waits in it if there is nothing to do.
	RunOnce
	// RunNoWait runs one turn and does not wait.
	RunNoWait
)

// A Loop calls back. Make it with [New].
type Loop struct {
	cfg   Config
	clock clock.Clock
	start time.Time
	now   time.Duration // since start, as last looked at

	running bool
	depth   int  // callbacks under way, the one inside the other
	drains  bool // the queues are being drained
	drained int  // what of, so far, plus one
	stopped atomic.Bool
	failure error
	failed  bool

	ticks      fifo[tick]
	microtasks fifo[func()]

	handles list // every handle that is not closed
	alive   int  // handles that are active and referenced
	reqs    int  // what was begun and is under way

	timers     timerHeap
	due        []*Timer // this phase's
	timerCount uint64
	idle       watchers
	prepare    watchers
	check      watchers
	immediates immediates
	pending    fifo[*UDP]
	closing    fifo[closer]
	ready      []*UDP // to be served in the next poll phase, whatever else happens
	polled     []*UDP // what this poll phase serves
	served     uint64 // turns of sockets, so far
	turns      uint64
	spent      int                  // callbacks called and datagrams sent, for which time has to pass
	out        [Turn]socket.Message // scratch, of UDP.flush

	parking parking
	poller  socket.Poller // changed under mu; nil: none is needed so far
	slots   slots
	events  [256]socket.Ready // that the poller has told of

	// What comes from other goroutines.
	mu       sync.Mutex
	notified []*UDP
	posted   []func()
	work     []func() // that Work has done
	asyncs   []*Async
	state    state

	spare struct { // slices that take turns with those above
		notified []*UDP
		posted   []func()
		work     []func()
		asyncs   []*Async
	}
}

// New makes a loop.
func New(cfg Config) *Loop {
	if cfg.MaxPosted <= 0 {
		cfg.MaxPosted = 1_000_000
	}
	if cfg.CallbackTime == 0 {
		cfg.CallbackTime = 100 * time.Nanosecond
	}
	l := &Loop{cfg: cfg, clock: cfg.Clock}
	if l.clock == nil && cfg.On != nil {
		l.clock = cfg.On.Clock()
	}
	if l.clock == nil {
		l.clock = clock.System
	}
	l.start = l.clock.Now()
	l.parking.init(l)
	l.rest()
	return l
}

var defaultLoop = sync.OnceValue(func() *Loop { return New(Config{}) })

// Default returns a loop that is the process's, in the system's time, for programs
// that need no more than one.
func Default() *Loop { return defaultLoop() }

// On returns the network that the loop was made with; it may be nil.
func (l *Loop) On() socket.Network { return l.cfg.On }

// Clock returns what the loop's timers go by.
func (l *Loop) Clock() clock.Clock { return l.clock }

// Now returns the loop's time: the clock's as it was when this turn's timers, or
// what the poll phase has waited for, were looked at.
func (l *Loop) Now() time.Time { return l.start.Add(l.now) }

// UpdateTime looks at the clock, for who has kept the loop busy for long and is
// about to start timers.
func (l *Loop) UpdateTime() { l.now = max(l.now, l.clock.Now().Sub(l.start)) }

// Turns returns how many turns the loop has made.
func (l *Loop) Turns() uint64 { return l.turns }

// Alive reports whether Run would go on: a referenced handle is active, or
// something is under way or closing.
func (l *Loop) Alive() bool {
	return l.alive > 0 || l.reqs > 0 || l.pending.len() > 0 || l.closing.len() > 0 || l.posts()
}

// errRunning is returned by Run within Run.
var errRunning = errors.New("loop: the loop is running already")

// Run runs the loop until nothing is alive, or Stop or Fail was called. It returns
// the error given to Fail, or that of the network's Scheduler, whose waits end when
// the network is closed.
func (l *Loop) Run() error {
	_, err := l.RunMode(RunDefault)
	return err
}

// RunMode runs the loop in a mode, and reports whether it is still alive.
func (l *Loop) RunMode(mode Mode) (alive bool, err error) {
	if l.running {
		return true, errRunning
	}
	l.running = true
	l.setState(awake)
	defer l.end()

	if l.ticks.len() > 0 || l.microtasks.len() > 0 { // queued outside
		l.drain()
	}
	alive = l.Alive()
	l.UpdateTime()
	if mode == RunDefault && alive && !l.stopped.Load() {
		l.runTimers()
	}
	for alive && !l.stopped.Load() && !l.failed {
		canWait := l.pending.len() == 0 && !l.idle.any()
		l.runPending()
		l.idle.run(l)
		l.prepare.run(l)
		wait := time.Duration(0)
		if mode == RunDefault || mode == RunOnce && canWait {
			wait = l.timeout()
		}
		if err := l.poll(wait); err != nil {
			return true, err
		}
		// The ends of sends that callbacks have just tried, a few times over:
		// who sends again in each would keep everybody else waiting.
		for i := 0; i < 8 && l.pending.len() > 0; i++ {
			l.runPending()
		}
		l.check.run(l)
		l.immediates.run(l)
		l.runClosing()
		l.turns++
		l.UpdateTime()
		l.runTimers()
		alive = l.Alive()
		if mode != RunDefault {
			break
		}
	}
	if l.failed {
		err = l.failure
	}
	return alive, err
}

// end is done whatever ends a run, a panic in a callback too.
func (l *Loop) end() {
	l.running = false
	l.depth, l.drains, l.drained = 0, false, 0
	l.failed, l.failure = false, nil
	l.stopped.Store(false)
	l.rest()
}

// rest is what the loop does when nobody runs it.
func (l *Loop) rest() {
	if l.cfg.Wake != nil {
		l.setState(resting)
	}
}

// Stop makes Run return at the end of its turn. It may be called from any
// goroutine. Called before Run, it makes that return at once.
func (l *Loop) Stop() {
	l.stopped.Store(true)
	l.mu.Lock()
	l.wakeLocked()
}

// Fail makes Run return err. No callback is called any more before it does; of
// several errors the first counts. Outside of Run it is for the next one. The loop
// can be run again.
func (l *Loop) Fail(err error) {
	if !l.failed {
		l.failed, l.failure = true, err
	}
}

// Failed reports whether Fail has been called in this run.
func (l *Loop) Failed() bool { return l.failed }

// Timeout returns how long the next turn would wait: 0 if there is something to
// do, and negative if it would wait for other goroutines only. It is for who
// drives the loop by RunMode(RunNoWait).
func (l *Loop) Timeout() time.Duration {
	if !l.running {
		l.UpdateTime()
	}
	return l.timeout()
}

func (l *Loop) timeout() time.Duration {
	if l.stopped.Load() || l.failed || l.alive == 0 && l.reqs == 0 ||
		l.pending.len() > 0 || l.idle.any() || l.closing.len() > 0 || len(l.ready) > 0 || l.immediates.urgent() || l.posts() {
		return 0
	}
	at, ok := l.timers.next()
	if !ok {
		return -1
	}
	return max(at-l.now, 0)
}

// runPending calls what was pending when it began.
func (l *Loop) runPending() {
	for n := l.pending.len(); n > 0 && !l.failed; n-- {
		l.pending.pop().finishSends()
	}
}

// poll waits for at most d, without end if d is negative, and serves what is ready.
func (l *Loop) poll(d time.Duration) error {
	told, err := l.parking.park(d)
	if err != nil {
		return err
	}
	if d != 0 || l.parking.cost != 0 {
		l.UpdateTime()
	}
	l.mu.Lock()
	notified, posted, work, asyncs := l.notified, l.posted, l.work, l.asyncs
	l.notified, l.posted, l.work, l.asyncs = l.spare.notified[:0], l.spare.posted[:0], l.spare.work[:0], l.spare.asyncs[:0]
	l.ready, l.polled = l.polled[:0], l.ready
	for _, u := range notified {
		u.take()
		l.join(u)
	}
	for _, a := range asyncs {
		a.sent = false
	}
	l.mu.Unlock()
	for _, r := range l.events[:told] {
		if u := l.slots.get(r.ID); u != nil {
			u.got |= r.Events & u.watched
			l.join(u)
		}
	}
	l.order()
	for _, u := range l.polled {
		u.isReady = false
	}
	for i, u := range l.polled {
		l.polled[i] = nil
		u.serve()
	}
	for _, a := range asyncs {
		a.call()
	}
	l.callAll(work, &l.work)
	l.callAll(posted, &l.posted)
	clear(notified)
	clear(posted)
	clear(work)
	clear(asyncs)
	l.spare.notified, l.spare.posted, l.spare.work, l.spare.asyncs = notified, posted, work, asyncs
	return nil
}

// callAll calls functions, and puts those that a failure has left over back in
// front of the queue that they came from.
func (l *Loop) callAll(list []func(), from *[]func()) {
	for i, f := range list {
		if l.failed {
			l.mu.Lock()
			*from = slices.Concat(list[i:], *from)
			l.mu.Unlock()
			return
		}
		l.Do(f)
	}
}

// Close gives up what the loop holds of the operating system's, if it has had sockets of
// it; else the garbage collector does. EBUSY: it is running, or a handle is not closed.
func (l *Loop) Close() error {
	if l.running || l.handles.first != nil || l.closing.len() > 0 || l.reqs > 0 {
		return syscall.EBUSY
	}
	if p := l.poller; p != nil {
		l.mu.Lock()
		l.poller = nil
		l.mu.Unlock()
		return p.Close()
	}
	return nil
}
