//go:build !linux

package host

import (
	"runtime"
	"syscall"

	"github.com/castnet-go/castnet/socket"
)

// Socket is a UDP socket of the operating system. There are none on this one.
type Socket struct{ socket.Socket }

// SyscallConn would give access to the descriptor.
func (*Socket) SyscallConn() (syscall.RawConn, error) { return nil, unsupported() }

// FromFD would make a Socket of a descriptor.
func FromFD(fd int) (*Socket, error) { return nil, unsupported() }

func open(socket.Family) (*Socket, error) { return nil, unsupported() }

func unsupported() error {
	return &socket.NotSupportedError{
		What:   "the network of the operating system",
		Reason: "package host knows Linux, not " + runtime.GOOS,
	}
}
