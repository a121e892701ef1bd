package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run()) }

// The exit statuses.
const (
	exitDone   = 0
	exitFailed = 1 // failed, received nothing, or a lab did not pass
	exitUsage  = 2 // called wrongly
)

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal ends the command with its summary; after it, a second
	// one does what signals do.
	context.AfterFunc(ctx, stop)

	root := newRoot()
	cmd, err := root.ExecuteContextC(ctx)
	var failed failure
	var own exitStatus
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &own):
		return int(own)
	case errors.Is(err, errNothing):
		return exitFailed
	case errors.As(err, &failed):
		fmt.Fprintf(os.Stderr, "%s: %v\n", cmd.CommandPath(), explain(failed.error))
		return exitFailed
	}
	// What cobra says itself, and what a command says of its arguments.
	fmt.Fprintf(os.Stderr, "%s: %v\nTry '%s --help'.\n", cmd.CommandPath(), err, cmd.CommandPath())
	return exitUsage
}

// errNothing ends a command that did not do what it was for and has said so.
var errNothing = errors.New("nothing received")

// A failure is an error of a command that was called rightly.
type failure struct{ error }

// Unwrap returns the error.
func (f failure) Unwrap() error { return f.error }

// fail marks an error as a failure; every other error is one of usage.
func fail(err error) error {
	if err == nil || errors.Is(err, errNothing) {
		return err
	}
	return failure{err}
}
