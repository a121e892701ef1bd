// Package leak finds what a package's tests leave behind: packet buffers that were not
// released, and goroutines that did not end.
//
//	func TestMain(m *testing.M) { leak.Main(m) }
//
// # Limitations
//
// Buffers are counted in the checking build of package packet alone (go test -race). A run
// that fuzzes is not looked at, since it ends in the middle of things.
package leak

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/packet"
)

// patience is how long what is on its way out may take.
const patience = 5 * time.Second

// Main runs the tests and exits, with a failure if they have left something behind.
func Main(m *testing.M) { os.Exit(Run(m.Run)) }

// Run is Main for those who have more to do: it returns what run returns, or 1 if that is 0
// and something is left, and says on standard error what it is.
func Run(run func() int) int { return check(run, os.Stderr, patience) }

func check(run func() int, log io.Writer, patience time.Duration) int {
	buffers, before := packet.Live(), len(goroutines())
	status := run()
	if f := flag.Lookup("test.fuzz"); status != 0 || f != nil && f.Value.String() != "" {
		return status
	}
	deadline := time.Now().Add(patience)
	for {
		live, running := packet.Live()-buffers, goroutines()
		if live == 0 && len(running) <= before {
			return 0
		}
		if time.Now().Before(deadline) {
			runtime.Gosched()
			continue
		}
		if live != 0 {
			fmt.Fprintf(log, "%d buffers are still out\n", live)
		}
		if n := len(running) - before; n > 0 {
			fmt.Fprintf(log, "%d goroutines are left; all that run:\n%s\n", n, strings.Join(running, "\n\n"))
		}
		return 1
	}
}

// goroutines returns the stacks of all others but that of the runtime's which hands over
// signals, and stays.
func goroutines() (others []string) {
	buf := make([]byte, 1<<16)
	n := runtime.Stack(buf, true)
	for n == len(buf) {
		buf = make([]byte, 2*len(buf))
		n = runtime.Stack(buf, true)
	}
	for _, g := range strings.Split(string(buf[:n]), "\n\n")[1:] {
		if !strings.Contains(g, "os/signal.loop") {
			others = append(others, g)
		}
	}
	return others
}
