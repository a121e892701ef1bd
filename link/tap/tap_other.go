//go:build !linux

package tap

import (
	"github.com/castnet-go/castnet/link/fd"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// A Link is our end of a TAP device; there is none on this system.
type Link struct{ *fd.Link }

// Open returns an error that is ErrNotSupported.
func Open(string, Config) (*Link, error) {
	return nil, &socket.NotSupportedError{What: "a TAP device", Reason: "needs Linux"}
}

// The methods of a Link; there is none on this system.
func (*Link) Name() string          { return "" }
func (*Link) HostAddress() wire.MAC { return wire.MAC{} }
