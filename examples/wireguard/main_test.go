package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/packet"
)

// TestMain fails if the tests leave goroutines or buffers behind.
func TestMain(m *testing.M) {
	goroutines, buffers := runtime.NumGoroutine(), packet.Live()
	code := m.Run()
	// WireGuard's workers end a moment after its Close.
	for end := time.Now().Add(5 * time.Second); code == 0 && runtime.NumGoroutine() > goroutines; runtime.Gosched() {
		if time.Now().After(end) {
			buf := make([]byte, 1<<20)
			fmt.Fprintf(os.Stderr, "goroutines are left:\n%s\n", buf[:runtime.Stack(buf, true)])
			code = 1
		}
	}
	if n := packet.Live() - buffers; code == 0 && n != 0 {
		fmt.Fprintf(os.Stderr, "%d buffers are still out\n", n)
		code = 1
	}
	os.Exit(code)
}

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
