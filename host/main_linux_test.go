package host

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails the run if a test left a goroutine of this package or a socket
// behind.
func TestMain(m *testing.M) {
	before := openSockets()
	status := m.Run()
	if status == 0 {
		if err := leaks(before); err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
	}
	os.Exit(status)
}

// leaks gives what is on its way out two seconds for it.
func leaks(before int) error {
	var err error
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		err = nil
		for _, g := range strings.Split(string(stacks), "\n\n") {
			if strings.Contains(g, "castnet/host.") && !strings.Contains(g, "host.TestMain") {
				err = fmt.Errorf("a goroutine was left behind:\n%s", g)
			}
		}
		if n := openSockets(); n > before {
			err = fmt.Errorf("%d sockets were left open", n-before)
		}
		if err == nil {
			return nil
		}
	}
	return err
}

// openSockets counts the process's descriptors of sockets.
func openSockets() int {
	dir, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	n := 0
	for _, e := range dir {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(target, "socket:") {
			n++
		}
	}
	return n
}
