package host

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/castnet-go/castnet/internal/leak"
)

// TestMain fails if the tests leave goroutines, buffers or sockets behind.
func TestMain(m *testing.M) {
	before := openSockets()
	status := leak.Run(m.Run)
	if n := openSockets() - before; status == 0 && n > 0 {
		fmt.Fprintf(os.Stderr, "%d sockets were left open\n", n)
		status = 1
	}
	os.Exit(status)
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
