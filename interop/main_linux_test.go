package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/castnet-go/castnet/packet"
)

// buildDir is where the castnet command is built.
var buildDir string

// TestMain fails if the tests leave goroutines or buffers behind.
func TestMain(m *testing.M) {
	var err error
	if buildDir, err = os.MkdirTemp("", "castnet-interop"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goroutines, buffers := runtime.NumGoroutine(), packet.Live()
	code := m.Run()
	os.RemoveAll(buildDir)
	if n := packet.Live() - buffers; code == 0 && n != 0 {
		fmt.Fprintf(os.Stderr, "%d buffers are still out\n", n)
		code = 1
	}
	for end := time.Now().Add(5 * time.Second); code == 0 && runtime.NumGoroutine() > goroutines; runtime.Gosched() {
		if time.Now().After(end) {
			buf := make([]byte, 1<<20)
			fmt.Fprintf(os.Stderr, "goroutines are left:\n%s\n", buf[:runtime.Stack(buf, true)])
			code = 1
		}
	}
	os.Exit(code)
}

// castnetProgram is the castnet command, built once for all tests.
var castnetProgram = sync.OnceValues(func() (string, error) {
	path := filepath.Join(buildDir, "castnet")
	cmd := exec.Command("go", "build", "-o", path, ".")
	cmd.Dir = filepath.Join("..", "cmd", "castnet")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the command: %w\n%s", err, out)
	}
	return path, nil
})
