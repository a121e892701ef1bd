package script

import "time"

// signalNumbers are Linux's, of those signals that a command is ended by.
var signalNumbers = map[string]int{"SIGHUP": 1, "SIGINT": 2, "SIGQUIT": 3, "SIGKILL": 9, "SIGUSR1": 10, "SIGUSR2": 12, "SIGTERM": 15}

// statusOf returns the exit status that a shell tells of who was ended by a signal.
func statusOf(name string) int { return 128 + signalNumbers[name] }

// Interrupt is Stop for a script that is busy: it cuts off what JavaScript does, but
// does not wake a script that waits. It may be called from any goroutine, always.
func (r *Runtime) Interrupt() {
	r.stop()
	r.vm.Interrupt(ErrStopped)
}

// Signal makes process emit a signal's event, "SIGTERM" say. If the script does not
// listen for it, it is ended as a process is by a signal: nothing of it is called any
// more, Run returns ErrStopped, and the status is 128 and the signal's number, 143 for
// SIGTERM. A script that is too busy to hear of it for a second is ended too.
//
// It may be called from any goroutine; in a lab in virtual time, only from those that may
// use the lab.
func (r *Runtime) Signal(name string) {
	busy := time.AfterFunc(time.Second, func() { r.Kill(name) })
	r.loop.Post(func() {
		busy.Stop()
		if r.hooks.signal == nil {
			return
		}
		heard, ok := r.call(r.hooks.signal, r.vm.ToValue(name))
		if ok && !heard.ToBoolean() {
			r.exitCode = statusOf(name)
			r.failure = ErrStopped
			r.loop.Fail(errExit)
		}
	})
}

// Kill is Interrupt, with the status of a script that was ended by a signal.
func (r *Runtime) Kill(name string) {
	r.killed.Store(int32(statusOf(name)))
	r.Interrupt()
}
