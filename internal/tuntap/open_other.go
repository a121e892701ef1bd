//go:build !linux

package tuntap

import (
	"strings"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

func notSupported(c Config) error {
	return &socket.NotSupportedError{What: "a " + strings.ToUpper(c.kind()) + " device", Reason: "needs Linux"}
}

// Open returns an error that is ErrNotSupported.
func Open(_ string, cfg Config) (*Device, error) { return nil, notSupported(cfg) }

// SetMTU returns an error that is ErrNotSupported.
func SetMTU(string, int) error { return notSupported(Config{}) }

// SetFilter returns an error that is ErrNotSupported.
func SetFilter(int, wire.MAC, link.Filter) error { return notSupported(Config{TAP: true}) }

// Refusal returns err.
func Refusal(_ bool, _ string, err error) error { return err }
