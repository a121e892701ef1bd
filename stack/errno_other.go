//go:build !linux

package stack

import "syscall"

// errHostIsolated is the errno for the ICMP code of that name. Few systems have
// Linux's ENONET.
const errHostIsolated = syscall.EHOSTUNREACH
