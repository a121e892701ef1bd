package main

import (
	"os"
	"os/signal"
	"syscall"
)

// signalNames are those that scripts are told of.
var signalNames = map[os.Signal]string{os.Interrupt: "SIGINT", syscall.SIGTERM: "SIGTERM", syscall.SIGHUP: "SIGHUP"}

// listen calls tell with the name of each signal that the command gets, until stop is
// called. A second Ctrl-C ends the command at once, whatever scripts make of it: they may
// listen and go on.
func (r *scriptRun) listen(tell func(name string)) (stop func()) {
	signals := make(chan os.Signal, 10)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup makes it
		signal.Notify(signals, syscall.SIGHUP)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		again := false
		for s := range signals {
			if s == os.Interrupt {
				if again {
					os.Exit(128 + int(syscall.SIGINT))
				}
				again = true
			}
			r.interrupted.Store(true)
			tell(signalNames[s])
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
		<-done
	}
}
