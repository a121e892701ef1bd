package netspec

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/link/tap"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
	"github.com/castnet-go/castnet/wire"
)

// Open parses the text and opens the network. The Closer, which is never nil
// without an error, gives up its devices, after its sockets have been closed.
//
// Without the capability that a device needs, the error is a
// *link.CapabilityError.
func Open(ctx context.Context, text string) (socket.Network, io.Closer, error) {
	s, err := Parse(text)
	if err != nil {
		return nil, nil, err
	}
	return s.Open(ctx, stack.Config{})
}

// Open opens the network. A stack is made by cfg, named "tap" if cfg does not
// name it; for the operating system's network cfg means nothing.
func (s *Spec) Open(ctx context.Context, cfg stack.Config) (socket.Network, io.Closer, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	switch s.Kind {
	case "host":
		return castnet.Host(), nopCloser{}, nil
	case "tap":
		st, err := s.openTAP(cfg)
		if err != nil {
			return nil, nil, err
		}
		return st, st, nil
	}
	return nil, nil, fmt.Errorf("netspec: %q is no kind of network", s.Kind)
}

type nopCloser struct{}

func (nopCloser) Close() error { return nil }

func (s *Spec) openTAP(cfg stack.Config) (*stack.Stack, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("netspec: %w", err)
	}
	if cfg.Name == "" {
		cfg.Name = s.Kind
	}
	st, err := stack.New(cfg)
	if err != nil {
		return nil, err
	}
	if err := s.addTAP(st); err != nil {
		st.Close()
		return nil, err
	}
	return st, nil
}

// addTAP gives st the device, the addresses and the route of the text.
func (s *Spec) addTAP(st *stack.Stack) error {
	mac := s.MAC
	if mac.IsZero() {
		mac = s.deriveMAC()
	}
	l, err := tap.Open(s.Name, tap.Config{Address: mac, MTU: s.MTU, HostAddresses: s.HostAddresses})
	if err != nil {
		return err
	}
	iface, err := st.AddInterface(l.Name(), l)
	if err != nil {
		l.Close()
		return err
	}
	for _, a := range s.Addresses {
		if err := iface.AddAddress(a); err != nil {
			return fmt.Errorf("adding the address %v to %s: %w", a, l.Name(), err)
		}
	}
	if s.Gateway.IsValid() {
		if err := st.AddRoute(stack.Route{Gateway: s.Gateway, Interface: l.Name()}); err != nil {
			return fmt.Errorf("adding the route by %v: %w", s.Gateway, err)
		}
	}
	return nil
}

// deriveMAC returns the hardware address that follows from the first address:
// unicast, locally administered.
func (s *Spec) deriveMAC() wire.MAC {
	sum := sha256.Sum256([]byte("castnet hardware address of " + s.Addresses[0].Addr().String()))
	mac := wire.MAC(sum[:6])
	mac[0] = mac[0]&^1 | 2
	return mac
}
