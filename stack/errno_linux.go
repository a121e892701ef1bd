package stack

import "syscall"

// errHostIsolated is the errno for the ICMP code of that name.
const errHostIsolated = syscall.ENONET
