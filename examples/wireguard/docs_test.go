package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/castnet-go/castnet/internal/transcript"
)

// TestDocument runs docs/wireguard.md.
func TestDocument(t *testing.T) {
	const document = "../../docs/wireguard.md"
	shell := exec.Command("bash")
	shell.Dir = "../.."
	shell.Env = append(os.Environ(), "GOWORK=") // that of the checkout
	transcript.Run(t, document, shell)
	transcript.Quotes(t, document, ".")
}
