package lab

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/castnet-go/castnet/packet"
)

// errNotTask is what blocking calls return where nothing can block.
var errNotTask = errors.New("lab: a lab in virtual time can be waited for only inside a task: start it with Host.Go, " +
	"and do not hand its sockets to other goroutines; Config.Realtime lifts this")

// A TaskPanic is what Run panics with when a task has panicked.
type TaskPanic struct {
	Host, Task string
	Value      any    // what the task panicked with
	Stack      []byte // where
}

// Error says which task it was, with its stack.
func (p *TaskPanic) Error() string {
	return fmt.Sprintf("lab: task %s on host %s panicked: %v\n\n%s", p.Task, p.Host, p.Value, p.Stack)
}

// Unwrap returns the value if it is an error.
func (p *TaskPanic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// task is a function that runs as a coroutine of the lab's loop. What every wait
// touches stands in front, in two cache lines.
type task struct {
	event   event // that it goes on; it is pending at most once
	host    *Host
	resume  func() (struct{}, bool)
	yield   func(struct{}) bool
	waiting string // what for
	panic   *TaskPanic
	started bool
	ended   bool
	slept   bool // Sleep has seen that it is called by the task

	refused   int // blocking calls since the lab was closed
	name      string
	goroutine string
	f         func(context.Context) error
	stop      func()
	err       error
}

// Go starts a task: a function that may block, on sockets of the lab's hosts and
// in [Host.Sleep]. It starts when the lab runs, at the present instant.
//
// Tasks run in lockstep: one at a time, each until it blocks, in an order that
// depends on nothing but the seed. They need no locks among themselves. A task
// must not block on anything else, such as a channel or a mutex, since nothing
// else runs meanwhile.
//
// The context is cancelled by the lab's Close, which also makes every blocking
// call return an error. Deadlines of contexts are the wall's: in virtual time,
// use deadlines of sockets. What a task returns, Run returns, with the names of
// host and task; a panic is Run's panic; and so t.Fatal works in a task if Run is
// called by the test itself.
//
// In real time a task is a goroutine, and may do what goroutines do.
//
// If f is nil there is no task, and Run returns an error that names it.
func (h *Host) Go(name string, f func(ctx context.Context) error) {
	l := h.lab
	t := &task{host: h, name: name, f: f, waiting: "its start"}
	t.event.Value.do = t.happen
	l.lock()
	defer l.unlock()
	if l.closed || h.err != nil {
		return
	}
	if f == nil {
		l.mistake(fmt.Errorf("lab: task %q on host %s has no function: it is nil", name, h.name))
		return
	}
	l.tasks = append(l.tasks, t)
	if l.cfg.Realtime {
		l.group.Go(t.runRealtime)
		return
	}
	t.resume, t.stop = iter.Pull(t.run)
	l.queue.schedule(&t.event, 0)
}

// mistake notes one for Run to return: while the lab is built, before anything is
// run; while it runs, when it has. In real time tasks do not wait for Run.
func (l *Lab) mistake(err error) {
	if l.cfg.Realtime || l.running.Load() {
		l.failures = append(l.failures, err)
		return
	}
	l.err = cmp.Or(l.err, err)
}

// errKilled unwinds a task that does not end when the lab is closed.
var errKilled = errors.New("lab: task killed")

// run is the coroutine.
func (t *task) run(yield func(struct{}) bool) {
	t.yield = yield
	t.goroutine = goroutine()
	defer func() {
		t.ended = true
		if r := recover(); r != nil && r != any(errKilled) {
			t.panic = &TaskPanic{Host: t.host.name, Task: t.name, Value: r, Stack: debug.Stack()}
		}
	}()
	t.err = t.f(t.host.lab.ctx)
}

func (t *task) runRealtime() {
	err := t.f(t.host.lab.ctx)
	l := t.host.lab
	l.lock()
	t.err = err
	t.finish()
	l.unlock()
	// Who runs until every task has ended looks again.
	l.At(0, func() {})
}

// happen lets the task go on until it blocks or ends.
func (t *task) happen() {
	l := t.host.lab
	l.current = t
	t.started = true
	defer func() {
		l.current = nil
		if t.ended {
			t.finish()
		}
	}()
	t.resume()
	if t.panic != nil {
		panic(t.panic)
	}
}

// finish takes a task that has ended out of the books.
func (t *task) finish() {
	l := t.host.lab
	l.tasks = slices.DeleteFunc(l.tasks, func(o *task) bool { return o == t })
	p := &l.print
	p.add(uint64(l.queue.now()))
	p.add(noteTaskEnd << 48)
	p.add(uint64(t.host.id))
	p.addString(t.name)
	if t.err == nil || l.closed && (errors.Is(t.err, context.Canceled) || errors.Is(t.err, net.ErrClosed)) {
		return
	}
	l.failures = append(l.failures, fmt.Errorf("lab: task %s on host %s: %w", t.name, t.host.name, t.err))
}

// task returns the task that calls. That it is not another goroutine costs more
// to see than a wait: who knows, having seen it before, says so by checked.
func (l *Lab) task(checked bool) (*task, error) {
	t := l.current
	if t == nil || (!checked || packet.Checking) && goroutine() != t.goroutine {
		return nil, errNotTask
	}
	return t, nil
}

// park blocks the task until its event happens.
func (t *task) park(waiting string) {
	t.waiting = waiting
	if !t.yield(struct{}{}) {
		panic(errKilled)
	}
}

// wake makes the task go on at this instant, once it is its turn.
func (t *task) wake() {
	if !t.event.Pending() {
		t.host.lab.queue.schedule(&t.event, 0)
	}
}

// WakeCancelled is called by a socket.Cancel.
func (t *task) WakeCancelled() { t.wake() }

// maxRefused is how many blocking calls a task may try after the lab is closed.
const maxRefused = 1000

// refuse counts a blocking call of a task that should end, and ends it if it
// does not.
func (t *task) refuse() {
	if t.refused++; t.refused > maxRefused {
		panic(errKilled)
	}
}

// endTasks resumes every task until it has ended: each blocking call returns an
// error, so one turn is enough.
func (l *Lab) endTasks() {
	if l.cfg.Realtime {
		l.group.Wait()
		return
	}
	var first *TaskPanic
	for _, t := range slices.Clone(l.tasks) {
		if !t.started {
			t.stop() // it will never run
			continue
		}
		func() {
			defer func() {
				if p, ok := recover().(*TaskPanic); ok && first == nil {
					first = p
				}
			}()
			t.happen()
		}()
	}
	l.tasks = nil
	if first != nil {
		panic(first)
	}
}

// Sleep lets d of the lab's time pass for the task that calls it: at least the
// rest of this instant, so that others have a turn. It returns the context's
// error if that is done before or after, or the lab's if it is closed meanwhile.
func (h *Host) Sleep(ctx context.Context, d time.Duration) error {
	l := h.lab
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.cfg.Realtime {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-l.ctx.Done():
			return l.ctx.Err()
		}
	}
	t, err := l.task(l.current != nil && l.current.slept)
	if err != nil {
		return err
	}
	t.slept = true
	if l.closed {
		t.refuse()
		return l.ctx.Err()
	}
	l.queue.schedule(&t.event, l.queue.after(d))
	t.park("sleep")
	if err := ctx.Err(); err != nil || !l.closed {
		return err
	}
	return l.ctx.Err()
}

// left says which tasks have not ended.
func (l *Lab) left() string {
	var b strings.Builder
	for i, t := range l.tasks {
		if i == 10 {
			fmt.Fprintf(&b, ", and %d more", len(l.tasks)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s on %s", t.name, t.host.name)
		if t.waiting != "" {
			fmt.Fprintf(&b, " (waits for %s)", t.waiting)
		}
	}
	return b.String()
}

// goroutine returns the running goroutine's name, "goroutine 17".
func goroutine() string {
	var b [64]byte
	line := b[:runtime.Stack(b[:], false)]
	if i := bytes.IndexByte(line, '['); i > 0 {
		line = line[:i]
	}
	return string(line)
}
