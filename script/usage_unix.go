//go:build unix

package script

import "syscall"

// cpuUsage returns the microseconds of processor time that the process has used, in
// user mode and in the kernel.
func cpuUsage() (user, system int64) {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0, 0
	}
	return u.Utime.Nano() / 1000, u.Stime.Nano() / 1000
}
