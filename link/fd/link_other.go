//go:build !unix

package fd

import (
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

var errNotSupported = &socket.NotSupportedError{What: "a link on a descriptor", Reason: "needs Unix"}

// A Link does not exist on this system.
type Link struct{ _ int }

var _ link.Link = (*Link)(nil)

// New returns an error that is ErrNotSupported.
func New(Config) (*Link, error) { return nil, errNotSupported }

// The methods of a Link; there is none on this system.
func (*Link) Kind() link.Kind                     { return link.Ethernet }
func (*Link) MTU() int                            { return 0 }
func (*Link) SetMTU(int) error                    { return errNotSupported }
func (*Link) Address() wire.MAC                   { return wire.MAC{} }
func (*Link) Capabilities() link.Capabilities     { return 0 }
func (*Link) Queues() int                         { return 0 }
func (*Link) SetFilter(link.Filter) error         { return errNotSupported }
func (*Link) Attach(link.Sink) error              { return errNotSupported }
func (*Link) Write([]*packet.Buffer) (int, error) { return 0, errNotSupported }
func (*Link) Control(int, func(uintptr)) error    { return errNotSupported }
func (*Link) Drops() *drop.Counters               { return nil }
func (*Link) Done() <-chan struct{}               { return nil }
func (*Link) Fail(error)                          {}
func (*Link) Err() error                          { return errNotSupported }
func (*Link) Close() error                        { return errNotSupported }
