package script

import (
	"errors"
	"strings"

	"github.com/dop251/goja"
)

// call calls a function of the script, from a callback of the loop. Whatever it
// throws is the script's to handle, or its end; ok is false then.
//
// The engine runs the jobs of promises as soon as nothing of JavaScript is on the
// stack, which in Node's order is after the ticks: so whatever Go calls ends, still in
// JavaScript, by draining process.nextTick's queue. See lib/internal/ticks.js.
func (r *Runtime) call(f goja.Callable, args ...goja.Value) (v goja.Value, ok bool) {
	if r.exiting || r.failure != nil {
		return nil, false
	}
	r.context, r.asked = nil, 0
	v, err := f(goja.Undefined(), args...)
	if err != nil {
		r.caught(err)
		return nil, false
	}
	return v, true
}

// caught handles what a call has thrown.
func (r *Runtime) caught(err error) {
	var thrown *goja.Exception
	var cut *goja.InterruptedError
	switch {
	case errors.As(err, &cut):
		// process.exit has set the status before.
		if cut.Value() == ErrStopped {
			r.failure = ErrStopped
			if status := r.killed.Load(); status != 0 {
				r.exitCode = int(status)
			}
		}
		r.vm.ClearInterrupt()
		r.loop.Fail(errExit)
	case errors.As(err, &thrown):
		r.uncaught(thrown.Value(), thrown, false)
	default:
		// Of what the script could not catch there is only the end of the stack.
		r.die("RangeError: Maximum call stack size exceeded" + formatStack("\n\t"+strings.TrimSpace(err.Error())) + "\n")
	}
}

// uncaught asks the script to handle a value that was thrown, and ends it if it does
// not.
func (r *Runtime) uncaught(value goja.Value, thrown *goja.Exception, promise bool) {
	if r.hooks.fatal == nil {
		r.die(r.describe(value, thrown))
		return
	}
	handled, err := r.hooks.fatal(goja.Undefined(), value, r.vm.ToValue(promise))
	var cut *goja.InterruptedError
	switch {
	case errors.As(err, &cut):
		r.caught(err)
	case err != nil:
		// A listener of 'uncaughtException' has thrown.
		r.exitCode = 7
		var second *goja.Exception
		if errors.As(err, &second) {
			r.dieOf(7, r.describe(second.Value(), second))
			return
		}
		r.dieOf(7, err.Error()+"\n")
	case !handled.ToBoolean():
		r.die(r.describe(value, thrown))
	}
}

// die ends the script with a message.
func (r *Runtime) die(message string) { r.dieOf(1, message) }

func (r *Runtime) dieOf(code int, message string) {
	r.cfg.Stderr.Write([]byte(message))
	r.exitCode = code
	if r.hooks.exit != nil {
		if v, err := r.hooks.exit(goja.Undefined(), r.vm.ToValue(code)); err == nil {
			r.exitCode = int(v.ToInteger())
		}
	}
	r.exiting = true
	r.loop.Fail(errExit)
}

// exit is process.reallyExit: it does not return to the script.
func (r *Runtime) exit(code int) {
	r.exitCode = code
	r.exiting = true
	r.vm.Interrupt(errExit)
}

// guard makes a function for JavaScript that calls f and handles what that throws, as
// call does; what called it goes on, unless that was the script's end.
func (r *Runtime) guard(call goja.FunctionCall) goja.Value {
	f, ok := goja.AssertFunction(call.Argument(0))
	if !ok {
		panic(r.vm.NewTypeError("guard of what is no function"))
	}
	return r.vm.ToValue(func(call goja.FunctionCall) goja.Value {
		v, err := f(goja.Undefined(), call.Arguments...)
		if err == nil {
			return v
		}
		r.caught(err)
		r.cutIfEnded()
		return goja.Undefined()
	})
}

// cutIfEnded does not let JavaScript go on that has called, if the script is at its end.
func (r *Runtime) cutIfEnded() {
	switch {
	case r.exiting:
		r.vm.Interrupt(errExit)
	case r.failure != nil:
		r.vm.Interrupt(r.failure)
	}
}

// drain is called by the loop after each callback, when the promises' jobs are done:
// these may have queued ticks, and left promises that nobody handles.
func (r *Runtime) drain() {
	for !r.exiting && r.failure == nil {
		switch {
		case r.flags[flagTicks] != 0:
			r.call(r.hooks.runTicks)
		case len(r.rejected) > 0 && r.hooks.rejections != nil:
			r.reportRejections()
		case len(r.handled) > 0 && r.hooks.handled != nil:
			p := r.handled[0]
			r.handled = r.handled[1:]
			r.call(r.hooks.handled, r.vm.ToValue(p))
		default:
			return
		}
	}
}

// trackRejection is told by the engine of promises that are rejected and have no
// handler, and of those that get one after all.
func (r *Runtime) trackRejection(p *goja.Promise, op goja.PromiseRejectionOperation) {
	if op == goja.PromiseRejectionReject {
		r.rejected = append(r.rejected, p)
		return
	}
	for i, q := range r.rejected {
		if q == p {
			r.rejected = append(r.rejected[:i], r.rejected[i+1:]...)
			return
		}
	}
	r.handled = append(r.handled, p)
}

// reportRejections tells the script of promises that are still without a handler. As
// in Node, if it does not listen, that is its end.
func (r *Runtime) reportRejections() {
	list := r.rejected
	r.rejected = nil
	for _, p := range list {
		if r.exiting || r.failure != nil {
			return
		}
		reason := p.Result()
		thrown, ok := r.call(r.hooks.rejections, reason, r.vm.ToValue(p))
		if ok && !goja.IsUndefined(thrown) {
			r.uncaught(thrown, nil, true)
		}
	}
}
