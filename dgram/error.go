package dgram

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/castnet-go/castnet/socket"
)

// An Error is an error as Node has it.
//
// errors.Is finds the errno in it, if it has one, and the variables of this package
// by their Code.
type Error struct {
	Name    string        // "Error", "TypeError", "RangeError" or "SystemError"
	Code    string        // "EADDRINUSE", "ERR_SOCKET_ALREADY_BOUND"
	Message string        // Node's
	Errno   syscall.Errno // 0: it is not the system's. Node's has a minus sign
	Syscall string        // what failed: "bind", "send", "recvmsg", "addMembership"

	// Address and Port are whom the call was about; empty and 0 if about nobody.
	Address string
	Port    int

	// Hostname is the name that was looked up.
	Hostname string

	// Info is the system's error in an ERR_SOCKET_BUFFER_SIZE.
	Info *Info

	err error // what is unwrapped; nil: Errno
}

// An Info is what Node's SystemError has as info.
type Info struct {
	Errno   syscall.Errno
	Code    string
	Message string
	Syscall string
}

// Error returns Node's message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the errno, or what failed below.
func (e *Error) Unwrap() error {
	if e.err != nil {
		return e.err
	}
	if e.Errno != 0 {
		return e.Errno
	}
	return nil
}

// Is reports whether target is an Error of the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// The errors that are not the system's. Those that are returned may say more.
var (
	ErrSocketAlreadyBound      = &Error{Name: "Error", Code: "ERR_SOCKET_ALREADY_BOUND", Message: "Socket is already bound"}
	ErrSocketBadBufferSize     = &Error{Name: "TypeError", Code: "ERR_SOCKET_BAD_BUFFER_SIZE", Message: "Buffer size must be a positive integer"}
	ErrSocketBufferSize        = &Error{Name: "SystemError", Code: "ERR_SOCKET_BUFFER_SIZE", Message: "Could not get or set buffer size"}
	ErrSocketBadPort           = &Error{Name: "RangeError", Code: "ERR_SOCKET_BAD_PORT", Message: "Port should be > 0 and < 65536"}
	ErrSocketBadType           = &Error{Name: "TypeError", Code: "ERR_SOCKET_BAD_TYPE", Message: "Bad socket type specified. Valid types are: udp4, udp6"}
	ErrSocketDgramIsConnected  = &Error{Name: "Error", Code: "ERR_SOCKET_DGRAM_IS_CONNECTED", Message: "Already connected"}
	ErrSocketDgramNotConnected = &Error{Name: "Error", Code: "ERR_SOCKET_DGRAM_NOT_CONNECTED", Message: "Not connected"}
	ErrSocketDgramNotRunning   = &Error{Name: "Error", Code: "ERR_SOCKET_DGRAM_NOT_RUNNING", Message: "Not running"}
	ErrInvalidArgValue         = &Error{Name: "TypeError", Code: "ERR_INVALID_ARG_VALUE", Message: "The argument is invalid"}
	ErrInvalidFDType           = &Error{Name: "TypeError", Code: "ERR_INVALID_FD_TYPE", Message: "Unsupported fd type: UNKNOWN"}
	ErrIPBlocked               = &Error{Name: "Error", Code: "ERR_IP_BLOCKED", Message: "IP is blocked by net.BlockList"}
	ErrMissingArgs             = &Error{Name: "TypeError", Code: "ERR_MISSING_ARGS", Message: "An argument must be specified"}
	ErrOutOfRange              = &Error{Name: "RangeError", Code: "ERR_OUT_OF_RANGE", Message: "The value is out of range"}
)

// with returns the error with another message.
func (e *Error) with(format string, args ...any) *Error {
	n := *e
	n.Message = fmt.Sprintf(format, args...)
	return &n
}

func errBadPort(name string, port int, zero bool) error {
	least := ">"
	if zero {
		least = ">="
	}
	return ErrSocketBadPort.with("%s should be %s 0 and < 65536. Received type number (%d).", name, least, port)
}

func errOutOfRange(name string, value int) error {
	return ErrOutOfRange.with("The value of %q is out of range. It must be >= 0 && <= 4294967295. Received %d", name, value)
}

func errMissing(name string) error {
	return ErrMissingArgs.with("The %q argument must be specified", name)
}

// sysError is Node's ErrnoException: a call that failed.
func sysError(call string, err error) *Error {
	e := &Error{Name: "Error", Syscall: call, err: err}
	e.Errno, e.Code = code(err)
	e.Message = call + " " + e.Code
	if e.Errno == 0 {
		e.Message += ": " + err.Error()
	}
	return e
}

// addrError is Node's ExceptionWithHostPort: one that was about an address.
func addrError(call string, err error, address string, port int) *Error {
	e := sysError(call, err)
	e.Address, e.Port = address, port
	switch {
	case port > 0:
		e.Message += fmt.Sprintf(" %s:%d", address, port)
	case address != "":
		e.Message += " " + address
	}
	return e
}

// bufferError is what setting a buffer's size failed with.
func bufferError(call string, err error) *Error {
	n, c := code(err)
	e := ErrSocketBufferSize.with("Could not get or set buffer size: %s returned %s (%v)", call, c, err)
	e.Errno, e.Syscall, e.err = n, call, err
	e.Info = &Info{Errno: n, Code: c, Message: err.Error(), Syscall: call}
	return e
}

// lookupError is what looking a name up failed with. An error of Options.Lookup's own
// is told as it is.
func lookupError(host string, err error) error {
	var dns *net.DNSError
	if !errors.As(err, &dns) {
		var unknown *socket.NameError
		if !errors.As(err, &unknown) {
			return err
		}
		dns = &net.DNSError{IsNotFound: true}
	}
	e := &Error{Name: "Error", Code: "EAI_FAIL", Syscall: "getaddrinfo", Hostname: host, err: err}
	switch {
	case dns.IsNotFound:
		e.Code = "ENOTFOUND"
	case dns.IsTemporary || dns.IsTimeout:
		e.Code = "EAI_AGAIN"
	}
	e.Message = "getaddrinfo " + e.Code + " " + host
	return e
}

// code returns the errno in an error and its name.
func code(err error) (syscall.Errno, string) {
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		if name := errnoName(errno); name != "" {
			return errno, name
		}
		return errno, "UNKNOWN"
	case errors.Is(err, errors.ErrUnsupported):
		return 0, "ENOTSUP"
	}
	return 0, "UNKNOWN"
}
