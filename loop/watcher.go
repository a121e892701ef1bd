package loop

import (
	"slices"
	"syscall"
)

// watcher is what Idle, Prepare and Check have in common: they are called once a
// turn.
type watcher struct {
	handle
	in    *watchers
	f     func()
	round uint64 // of watchers, in which it was started
}

// An Idle handle is called in every turn, and keeps the loop from waiting while it
// is active. Make it with [Loop.NewIdle].
type Idle struct{ watcher }

// A Prepare handle is called in every turn before the loop waits. Make it with
// [Loop.NewPrepare].
type Prepare struct{ watcher }

// A Check handle is called in every turn after the loop has waited and served its
// sockets. Make it with [Loop.NewCheck].
type Check struct{ watcher }

// NewIdle makes an Idle handle, not started.
func (l *Loop) NewIdle() *Idle {
	h := new(Idle)
	h.in = &l.idle
	h.init(l, h)
	return h
}

// NewPrepare makes a Prepare handle, not started.
func (l *Loop) NewPrepare() *Prepare {
	h := new(Prepare)
	h.in = &l.prepare
	h.init(l, h)
	return h
}

// NewCheck makes a Check handle, not started.
func (l *Loop) NewCheck() *Check {
	h := new(Check)
	h.in = &l.check
	h.init(l, h)
	return h
}

// Start makes f be called in every turn, in the order of starting. One that is
// active already keeps its function. EINVAL: f is nil, or the handle is closing.
func (w *watcher) Start(f func()) error {
	if w.closing || f == nil {
		return syscall.EINVAL
	}
	if w.active {
		return nil
	}
	w.f = f
	w.activate()
	w.in.add(w)
	return nil
}

// Stop ends that.
func (w *watcher) Stop() {
	if w.active {
		w.deactivate()
		w.in.remove(w)
	}
}

// Close stops the handle for good.
func (w *watcher) Close(done func()) error {
	w.Stop()
	return w.close(done)
}

// watchers are the active handles of a kind, in the order of starting.
type watchers struct {
	list  []*watcher
	count int    // not nil
	round uint64 // of calling
	calls bool
}

func (ws *watchers) any() bool { return ws.count > 0 }

func (ws *watchers) add(w *watcher) {
	w.round = ws.round
	ws.list = append(ws.list, w)
	ws.count++
}

func (ws *watchers) remove(w *watcher) {
	i := slices.Index(ws.list, w)
	ws.count--
	if ws.calls {
		ws.list[i] = nil // the others keep their places while they are called
		return
	}
	ws.list = slices.Delete(ws.list, i, i+1)
}

// run calls each once. Who is started meanwhile waits for the next turn.
func (ws *watchers) run(l *Loop) {
	if ws.count == 0 {
		return
	}
	ws.round++
	ws.calls = true
	for i := 0; i < len(ws.list) && !l.failed; i++ {
		if w := ws.list[i]; w != nil && w.round < ws.round {
			l.Do(w.f)
		}
	}
	ws.calls = false
	ws.list = slices.DeleteFunc(ws.list, func(w *watcher) bool { return w == nil })
}
