package wgtun

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/castnet-go/castnet/packet"
)

// TestMain fails if the tests leave goroutines or buffers behind.
func TestMain(m *testing.M) {
	goroutines, buffers := runtime.NumGoroutine(), packet.Live()
	code := m.Run()
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
