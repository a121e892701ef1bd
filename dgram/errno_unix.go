//go:build unix

package dgram

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// errnoName returns "EINVAL" and the like.
func errnoName(e syscall.Errno) string { return unix.ErrnoName(e) }
