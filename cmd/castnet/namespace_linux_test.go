package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestNamespaceScripts runs the scripts of testdata/namespace, each in a process that has
// a network namespace of its own, where it may do as root what it likes. The loopback
// interface is up, and there is no other.
func TestNamespaceScripts(t *testing.T) {
	const variable = "CASTNET_NAMESPACE_SCRIPT"
	if file := os.Getenv(variable); file != "" {
		p := scriptParams()
		p.Files = []string{file}
		testscript.Run(t, p)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make network namespaces")
	}
	files, err := filepath.Glob(filepath.Join("testdata", "namespace", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command("sh", "-c", `ip link set lo up && exec "$0" -test.v "-test.run=^TestNamespaceScripts$"`, os.Args[0])
			cmd.Env = append(os.Environ(), variable+"="+file)
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "--- PASS: TestNamespaceScripts") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
