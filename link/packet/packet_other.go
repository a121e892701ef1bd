//go:build !linux

package packet

import (
	"github.com/castnet-go/castnet/link/fd"
	"github.com/castnet-go/castnet/socket"
)

// A Link is our end of an interface; there is none on this system.
type Link struct{ *fd.Link }

// Open returns an error that is ErrNotSupported.
func Open(string, Config) (*Link, error) {
	return nil, &socket.NotSupportedError{What: "a link on a network interface", Reason: "needs Linux"}
}

// Name is a method of a Link; there is none on this system.
func (*Link) Name() string { return "" }
