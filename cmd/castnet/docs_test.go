package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/castnet-go/castnet/internal/transcript"
)

// TestMulticastDocument runs docs/multicast.md.
func TestMulticastDocument(t *testing.T) {
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", filepath.Join(bin, "castnet"), ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	shell := exec.Command("bash")
	shell.Dir = "../.."
	shell.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "NO_COLOR=1")
	transcript.Run(t, "../../docs/multicast.md", shell)
}
