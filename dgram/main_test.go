package dgram_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails the run if a test left a goroutine of castnet's behind.
func TestMain(m *testing.M) {
	status := m.Run()
	if status == 0 {
		if left := leaks(); left != "" {
			fmt.Fprintln(os.Stderr, "a goroutine was left behind:\n"+left)
			status = 1
		}
	}
	os.Exit(status)
}

// leaks gives what is on its way out two seconds for it.
func leaks() (left string) {
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		left = ""
		for _, g := range strings.Split(string(stacks), "\n\n") {
			if strings.Contains(g, "castnet/") && !strings.Contains(g, "TestMain") {
				left = g
			}
		}
		if left == "" {
			return ""
		}
	}
	return left
}
