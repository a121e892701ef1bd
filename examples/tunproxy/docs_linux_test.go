package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/castnet-go/castnet/internal/transcript"
)

// session returns a shell with namespaces of its own: network, mounts and processes,
// so that nothing is left of it when it ends.
func session(t *testing.T) *exec.Cmd {
	t.Helper()
	if os.Getenv("CASTNET_INTEROP") == "" {
		t.Skip("needs root, iproute2, procps, curl and dig: run it with CASTNET_INTEROP=1")
	}
	for _, program := range []string{"unshare", "ip", "sysctl", "curl", "dig"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatal(err)
		}
	}
	bin := t.TempDir()
	shell := exec.Command("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c",
		"mount -t tmpfs tmpfs /run && mount -t proc proc /proc && exec bash \"$0\"")
	shell.Dir = "../.."
	shell.Env = append(os.Environ(), "GOWORK=", "GOBIN="+bin, "PATH="+bin+":"+os.Getenv("PATH"))
	return shell
}

// TestDocument runs docs/tunproxy.md.
func TestDocument(t *testing.T) {
	transcript.Run(t, "../../docs/tunproxy.md", session(t))
}

// TestDocumentPrograms compares the programs of docs/tunproxy.md with this one.
func TestDocumentPrograms(t *testing.T) {
	transcript.Quotes(t, "../../docs/tunproxy.md", ".")
}

// TestVolume does more of the same than a document should.
func TestVolume(t *testing.T) {
	transcript.Run(t, "testdata/volume.md", session(t))
}
