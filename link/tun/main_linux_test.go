package tun_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/castnet-go/castnet/packet"
)

// TestMain looks for buffers that were never released.
func TestMain(m *testing.M) {
	status := m.Run()
	if n := packet.Live(); packet.Checking && n != 0 && status == 0 {
		fmt.Fprintf(os.Stderr, "%d buffers were not released\n", n)
		status = 1
	}
	os.Exit(status)
}
