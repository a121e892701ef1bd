package main

import (
	"strings"
	"testing"

	"github.com/castnet-go/castnet/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// TestProgram runs the program as its documents show it.
func TestProgram(t *testing.T) {
	const want = "bob: \"hello\" from 10.77.0.1\nann: \"hello\" back from 10.77.0.2:7\n"
	for _, onHost := range []bool{false, true} {
		var out strings.Builder
		if err := run(t.Context(), &out, onHost); err != nil {
			t.Errorf("run, on the host %v: %v", onHost, err)
		}
		if out.String() != want {
			t.Errorf("run, on the host %v, prints %q, want %q", onHost, out.String(), want)
		}
	}
}
