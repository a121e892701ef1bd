package loop

import (
	"context"
	"syscall"
)

// An Async is how other goroutines make the loop call a function. Make it with
// [Loop.NewAsync]. It is active from the start, so it keeps the loop running until
// it is closed or unreferenced.
type Async struct {
	handle
	f    func()
	sent bool // under loop.mu: it is in loop.asyncs
}

// NewAsync makes an Async that calls f. EINVAL: f is nil.
func (l *Loop) NewAsync(f func()) (*Async, error) {
	if f == nil {
		return nil, syscall.EINVAL
	}
	a := &Async{f: f}
	a.init(l, a)
	a.activate()
	return a, nil
}

// Send makes the loop call the function in its next poll phase. Sent several times
// before that, it is called once. It may be called from any goroutine; after Close
// nothing is called.
func (a *Async) Send() {
	l := a.loop
	l.mu.Lock()
	if a.sent {
		l.mu.Unlock()
		return
	}
	a.sent = true
	l.asyncs = append(l.asyncs, a)
	l.wakeLocked()
}

func (a *Async) call() {
	switch {
	case a.closing:
	case a.loop.failed:
		a.Send() // for the next run
	default:
		a.loop.Do(a.f)
	}
}

// Close ends the handle.
func (a *Async) Close(done func()) error { return a.close(done) }

// Post makes the loop call f in its next poll phase. It may be called from any
// goroutine; functions are called in the order of posting. What is posted while the
// loop does not run is called by the next Run, which does not end before.
// ENOBUFS: Config.MaxPosted wait already.
//
// Posting does not keep the loop running until then: an [Async] does, or Work.
func (l *Loop) Post(f func()) error {
	if f == nil {
		return syscall.EINVAL
	}
	l.mu.Lock()
	if len(l.posted) >= l.cfg.MaxPosted {
		l.mu.Unlock()
		return syscall.ENOBUFS
	}
	l.posted = append(l.posted, f)
	l.wakeLocked()
	return nil
}

// posts reports whether other goroutines have asked for something, for which the
// loop is alive until it is done.
func (l *Loop) posts() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.posted) > 0 || len(l.work) > 0
}

// Work runs work beside the loop and then calls done on it. It is for what blocks,
// such as looking a name up. The loop is alive until done was called. work runs on a
// goroutine, or as a task of the network's, if that is a [Scheduler]; its context is
// ctx, or a task's own that ends with ctx too.
func (l *Loop) Work(ctx context.Context, work func(ctx context.Context), done func()) {
	l.reqs++
	ended := func() {
		l.mu.Lock()
		l.work = append(l.work, func() {
			l.reqs--
			if done != nil {
				done()
			}
		})
		l.wakeLocked()
	}
	if s, ok := l.cfg.On.(Scheduler); ok {
		s.Go("loop.Work", func(own context.Context) error {
			joined, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(own, cancel)()
			work(joined)
			ended()
			return nil
		})
		return
	}
	go func() {
		work(ctx)
		ended()
	}()
}
