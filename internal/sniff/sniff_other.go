//go:build !linux

package sniff

import (
	"time"

	"github.com/castnet-go/castnet/socket"
)

// A Sniffer looks at interfaces; there is none on this system.
type Sniffer struct{ _ int }

// Open returns an error that is socket.ErrNotSupported.
func Open(Config) (*Sniffer, error) {
	return nil, &socket.NotSupportedError{What: "watching the machine's interfaces", Reason: "needs Linux"}
}

// The methods of a Sniffer; there is none on this system.
func (*Sniffer) Interfaces() []string            { return nil }
func (*Sniffer) Read() (Packet, error)           { return Packet{}, socket.ErrNotSupported }
func (*Sniffer) SetReadDeadline(time.Time) error { return socket.ErrNotSupported }
func (*Sniffer) Lost() uint64                    { return 0 }
func (*Sniffer) Close() error                    { return nil }
