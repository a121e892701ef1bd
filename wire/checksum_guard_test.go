//go:build linux

package wire

import (
	"os"
	"syscall"
	"testing"
)

// TestSumStaysInside sums bytes that end, or begin, where memory that may not be read begins
// or ends, so that a load beyond them kills the test.
func TestSumStaysInside(t *testing.T) {
	page := os.Getpagesize()
	mem, err := syscall.Mmap(-1, 0, 3*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(mem)
	for _, guard := range [][]byte{mem[:page], mem[2*page:]} {
		if err := syscall.Mprotect(guard, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	inside := mem[page : 2*page]
	for i := range inside {
		inside[i] = byte(i*7 + i>>8)
	}
	for n := 0; n <= page; n++ {
		if n > 600 && n%61 != 0 && n != page {
			continue
		}
		checkSum(t, "before the end of memory", inside[page-n:])
		checkSum(t, "behind the beginning of memory", inside[:n])
	}
}
