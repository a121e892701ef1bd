package castnet

import (
	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/socket"
)

// Host returns the operating system's network, on which the zero [Config]
// listens and dials.
func Host() Network { return noHost{} }

// noHost refuses, for as long as there is no package host.
type noHost struct{}

func (noHost) Open(socket.Family) (socket.Socket, error) {
	return nil, &socket.NotSupportedError{What: "the operating system's network", Reason: "not built yet"}
}
func (noHost) Interfaces() ([]socket.Interface, error) { return nil, nil }
func (noHost) Clock() clock.Clock                      { return clock.System }
