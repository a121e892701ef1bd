//go:build !unix

package dgram

import "syscall"

// errnoName knows the errnos that a user-space network has words for.
func errnoName(e syscall.Errno) string {
	switch e {
	case syscall.EACCES:
		return "EACCES"
	case syscall.EADDRINUSE:
		return "EADDRINUSE"
	case syscall.EADDRNOTAVAIL:
		return "EADDRNOTAVAIL"
	case syscall.EAFNOSUPPORT:
		return "EAFNOSUPPORT"
	case syscall.EBADF:
		return "EBADF"
	case syscall.ECANCELED:
		return "ECANCELED"
	case syscall.ECONNREFUSED:
		return "ECONNREFUSED"
	case syscall.EDESTADDRREQ:
		return "EDESTADDRREQ"
	case syscall.EHOSTUNREACH:
		return "EHOSTUNREACH"
	case syscall.EINVAL:
		return "EINVAL"
	case syscall.EISCONN:
		return "EISCONN"
	case syscall.EMSGSIZE:
		return "EMSGSIZE"
	case syscall.ENETUNREACH:
		return "ENETUNREACH"
	case syscall.ENOBUFS:
		return "ENOBUFS"
	case syscall.ENODEV:
		return "ENODEV"
	case syscall.ENOTCONN:
		return "ENOTCONN"
	case syscall.EPERM:
		return "EPERM"
	}
	return ""
}
