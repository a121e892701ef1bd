package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/castnet-go/castnet/internal/leak"
)

// buildDir is where the castnet command is built.
var buildDir string

func TestMain(m *testing.M) {
	var err error
	if buildDir, err = os.MkdirTemp("", "castnet-interop"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := leak.Run(m.Run)
	os.RemoveAll(buildDir)
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
