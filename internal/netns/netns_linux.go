package netns

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A Namespace is a network namespace. It ends with the test, when what was
// opened in it has been closed.
type Namespace struct {
	calls chan func()
}

// New makes a namespace in which the loopback interface is up, and IPv6 off
// unless a test turns it on: its chatter would be in every capture. Without root
// it skips the test, and says so.
func New(tb testing.TB) *Namespace {
	tb.Helper()
	if os.Geteuid() != 0 {
		tb.Skip("needs root, to make a network namespace")
	}
	ns := &Namespace{calls: make(chan func())}
	made := make(chan error)
	go func() {
		// Never unlocked, so that the thread ends with the goroutine
		// and nothing else ever runs in the namespace.
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			err = os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0)
			if os.IsNotExist(err) {
				err = nil // a kernel without IPv6
			}
		}
		made <- err
		if err != nil {
			return
		}
		for f := range ns.calls {
			f()
		}
	}()
	if err := <-made; err != nil {
		tb.Fatalf("making a network namespace: %v", err)
	}
	tb.Cleanup(func() { close(ns.calls) })
	ns.Run(tb, "ip", "link", "set", "lo", "up")
	return ns
}

// Do calls f on the namespace's thread. It must not call Do.
func (ns *Namespace) Do(f func()) {
	done := make(chan struct{})
	ns.calls <- func() {
		defer close(done)
		f()
	}
	<-done
}

// Start starts a program in the namespace.
func (ns *Namespace) Start(cmd *exec.Cmd) (err error) {
	ns.Do(func() { err = cmd.Start() })
	return err
}

// Run runs a program in the namespace and returns what it printed. If it fails,
// so does the test.
func (ns *Namespace) Run(tb testing.TB, name string, args ...string) string {
	tb.Helper()
	out, err := ns.Try(name, args...)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// Try runs a program in the namespace and returns what it printed, on standard
// output and standard error together.
func (ns *Namespace) Try(name string, args ...string) (string, error) {
	var b strings.Builder
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &b, &b
	err := ns.Start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, b.String())
	}
	return b.String(), err
}

// Sysctl sets a parameter of the namespace, named by its path below
// /proc/sys/net.
func (ns *Namespace) Sysctl(tb testing.TB, path, value string) {
	tb.Helper()
	var err error
	ns.Do(func() { err = os.WriteFile("/proc/sys/net/"+path, []byte(value), 0) })
	if err != nil {
		tb.Fatal(err)
	}
}
