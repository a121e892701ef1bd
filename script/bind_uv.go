package script

import (
	"syscall"

	"github.com/dop251/goja"
)

// uvUnknown is what libuv calls an error that it has no name for.
const uvUnknown = -4094

// uvErrors are the errors by name, with libuv's words. Numbers are the kernel's, but
// for those that only libuv knows.
var uvErrors = []struct {
	name   string
	number int
	words  string
}{
	{"E2BIG", -int(syscall.E2BIG), "argument list too long"},
	{"EACCES", -int(syscall.EACCES), "permission denied"},
	{"EADDRINUSE", -int(syscall.EADDRINUSE), "address already in use"},
	{"EADDRNOTAVAIL", -int(syscall.EADDRNOTAVAIL), "address not available"},
	{"EAFNOSUPPORT", -int(syscall.EAFNOSUPPORT), "address family not supported"},
	{"EAGAIN", -int(syscall.EAGAIN), "resource temporarily unavailable"},
	{"EAI_ADDRFAMILY", -3000, "address family not supported"},
	{"EAI_AGAIN", eaiAgain, "temporary failure"},
	{"EAI_BADFLAGS", -3002, "bad ai_flags value"},
	{"EAI_BADHINTS", -3013, "invalid value for hints"},
	{"EAI_CANCELED", eaiCanceled, "request canceled"},
	{"EAI_FAIL", eaiFail, "permanent failure"},
	{"EAI_FAMILY", -3005, "ai_family not supported"},
	{"EAI_MEMORY", -3006, "out of memory"},
	{"EAI_NODATA", -3007, "no address"},
	{"EAI_NONAME", eaiNoName, "unknown node or service"},
	{"EAI_OVERFLOW", -3009, "argument buffer overflow"},
	{"EAI_PROTOCOL", -3014, "resolved protocol is unknown"},
	{"EAI_SERVICE", -3010, "service not available for socket type"},
	{"EAI_SOCKTYPE", -3011, "socket type not supported"},
	{"EALREADY", -int(syscall.EALREADY), "connection already in progress"},
	{"EBADF", -int(syscall.EBADF), "bad file descriptor"},
	{"EBUSY", -int(syscall.EBUSY), "resource busy or locked"},
	{"ECANCELED", -int(syscall.ECANCELED), "operation canceled"},
	{"ECHARSET", -4080, "invalid Unicode character"},
	{"ECONNABORTED", -int(syscall.ECONNABORTED), "software caused connection abort"},
	{"ECONNREFUSED", -int(syscall.ECONNREFUSED), "connection refused"},
	{"ECONNRESET", -int(syscall.ECONNRESET), "connection reset by peer"},
	{"EDESTADDRREQ", -int(syscall.EDESTADDRREQ), "destination address required"},
	{"EEXIST", -int(syscall.EEXIST), "file already exists"},
	{"EFAULT", -int(syscall.EFAULT), "bad address in system call argument"},
	{"EFBIG", -int(syscall.EFBIG), "file too large"},
	{"EHOSTUNREACH", -int(syscall.EHOSTUNREACH), "host is unreachable"},
	{"EINTR", -int(syscall.EINTR), "interrupted system call"},
	{"EINVAL", -int(syscall.EINVAL), "invalid argument"},
	{"EIO", -int(syscall.EIO), "i/o error"},
	{"EISCONN", -int(syscall.EISCONN), "socket is already connected"},
	{"EISDIR", -int(syscall.EISDIR), "illegal operation on a directory"},
	{"ELOOP", -int(syscall.ELOOP), "too many symbolic links encountered"},
	{"EMFILE", -int(syscall.EMFILE), "too many open files"},
	{"EMSGSIZE", -int(syscall.EMSGSIZE), "message too long"},
	{"ENAMETOOLONG", -int(syscall.ENAMETOOLONG), "name too long"},
	{"ENETDOWN", -int(syscall.ENETDOWN), "network is down"},
	{"ENETUNREACH", -int(syscall.ENETUNREACH), "network is unreachable"},
	{"ENFILE", -int(syscall.ENFILE), "file table overflow"},
	{"ENOBUFS", -int(syscall.ENOBUFS), "no buffer space available"},
	{"ENODEV", -int(syscall.ENODEV), "no such device"},
	{"ENOENT", -int(syscall.ENOENT), "no such file or directory"},
	{"ENOMEM", -int(syscall.ENOMEM), "not enough memory"},
	{"ENOPROTOOPT", -int(syscall.ENOPROTOOPT), "protocol not available"},
	{"ENOSPC", -int(syscall.ENOSPC), "no space left on device"},
	{"ENOSYS", -int(syscall.ENOSYS), "function not implemented"},
	{"ENOTCONN", -int(syscall.ENOTCONN), "socket is not connected"},
	{"ENOTDIR", -int(syscall.ENOTDIR), "not a directory"},
	{"ENOTEMPTY", -int(syscall.ENOTEMPTY), "directory not empty"},
	{"ENOTSOCK", -int(syscall.ENOTSOCK), "socket operation on non-socket"},
	{"ENOTSUP", -int(syscall.ENOTSUP), "operation not supported on socket"},
	{"EOF", -4095, "end of file"},
	{"EPERM", -int(syscall.EPERM), "operation not permitted"},
	{"EPIPE", -int(syscall.EPIPE), "broken pipe"},
	{"EPROTO", -int(syscall.EPROTO), "protocol error"},
	{"EPROTONOSUPPORT", -int(syscall.EPROTONOSUPPORT), "protocol not supported"},
	{"EPROTOTYPE", -int(syscall.EPROTOTYPE), "protocol wrong type for socket"},
	{"ERANGE", -int(syscall.ERANGE), "result too large"},
	{"EROFS", -int(syscall.EROFS), "read-only file system"},
	{"ESRCH", -int(syscall.ESRCH), "no such process"},
	{"ETIMEDOUT", -int(syscall.ETIMEDOUT), "connection timed out"},
	{"ETXTBSY", -int(syscall.ETXTBSY), "text file is busy"},
	{"EXDEV", -int(syscall.EXDEV), "cross-device link not permitted"},
	{"UNKNOWN", uvUnknown, "unknown error"},
	{"EHOSTDOWN", -int(syscall.EHOSTDOWN), "host is down"},
	{"ENOTTY", -int(syscall.ENOTTY), "inappropriate ioctl for device"},
	{"EILSEQ", -int(syscall.EILSEQ), "illegal byte sequence"},
}

// bindUV is the table of errors.
func (r *Runtime) bindUV(o *goja.Object) {
	byNumber, _ := r.vm.New(r.vm.Get("Map"))
	set, _ := goja.AssertFunction(byNumber.Get("set"))
	for _, e := range uvErrors {
		o.Set("UV_"+e.name, e.number)
		set(byNumber, r.vm.ToValue(e.number), r.vm.NewArray(e.name, e.words))
	}
	o.Set("getErrorMap", func() goja.Value { return byNumber })
	o.Set("errname", func(n int) string {
		for _, e := range uvErrors {
			if e.number == n {
				return e.name
			}
		}
		return "Unknown system error " + itoa(n)
	})
}
