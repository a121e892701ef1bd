package loop

// A Ticker is what can be queued as a tick without a closure.
type Ticker interface{ Tick() }

// tick is one of the two.
type tick struct {
	f func()
	t Ticker
}

// NextTick queues f, to be called when the callback under way has returned, before
// anything else happens. Outside of callbacks it waits for the next one, or for Run.
func (l *Loop) NextTick(f func()) { l.ticks.push(tick{f: f}) }

// NextTicker is NextTick for who does not want to allocate a function.
func (l *Loop) NextTicker(t Ticker) { l.ticks.push(tick{t: t}) }

// QueueMicrotask queues f, to be called when the queue of ticks is empty.
func (l *Loop) QueueMicrotask(f func()) { l.microtasks.push(f) }

// Drained returns how many ticks and microtasks have been run since the callback
// under way has returned, 0 while it has not. Who queues a tick in every tick, for
// ever, can see it and use the check phase for a change.
func (l *Loop) Drained() int { return max(l.drained-1, 0) }

// Do calls f as the loop calls a callback: afterwards the queues are drained, unless
// Do is called by a callback, at whose end they will be. If Fail was called, f is
// not.
func (l *Loop) Do(f func()) {
	if l.begin() {
		f()
		l.done()
	}
}

// begin is called before a callback, which must not be called if it is false, and
// done after it.
func (l *Loop) begin() bool {
	if l.failed {
		return false
	}
	if l.depth == 0 {
		l.spent++
	}
	l.depth++
	return true
}

func (l *Loop) done() {
	l.depth--
	if l.depth == 0 && !l.drains && (l.ticks.len() > 0 || l.microtasks.len() > 0 || l.cfg.Microtasks != nil) {
		l.drain()
	}
}

// drain empties the queues of ticks and microtasks.
func (l *Loop) drain() {
	l.drains = true
	l.depth++
	l.drained = 1
	for {
		for l.ticks.len() > 0 && !l.failed {
			if t := l.ticks.pop(); t.f != nil {
				t.f()
			} else {
				t.t.Tick()
			}
			l.drained++
		}
		for l.microtasks.len() > 0 && !l.failed {
			l.microtasks.pop()()
			l.drained++
		}
		if l.cfg.Microtasks != nil && !l.failed {
			l.cfg.Microtasks()
		}
		if l.failed || l.ticks.len() == 0 && l.microtasks.len() == 0 {
			break
		}
	}
	l.depth--
	l.spent += l.drained - 1
	l.drained = 0
	l.drains = false
}
