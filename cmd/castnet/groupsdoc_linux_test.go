package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/castnet-go/castnet/internal/transcript"
)

// TestGroupsDocumentInNamespace runs docs/groups.md. TestMain has put the command into the
// PATH.
func TestGroupsDocumentInNamespace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make network namespaces")
	}
	// The end of the first process ends the others, and what the document leaves behind.
	shell := exec.Command("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c",
		`mount -t proc proc /proc && exec bash "$0"`)
	shell.Dir = "../.."
	transcript.Run(t, "../../docs/groups.md", shell)
}
