package netspec

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/link"
	device "github.com/castnet-go/castnet/link/packet"
	"github.com/castnet-go/castnet/link/tap"
	"github.com/castnet-go/castnet/link/tun"
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

// Open opens the network. A stack is made by cfg, named by the Kind if cfg does
// not name it; for the operating system's network cfg means nothing.
func (s *Spec) Open(ctx context.Context, cfg stack.Config) (socket.Network, io.Closer, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	switch s.Kind {
	case "host":
		return castnet.Host(), nopCloser{}, nil
	case "tap", "tun", "packet":
		st, err := s.openStack(ctx, cfg)
		if err != nil {
			return nil, nil, err
		}
		return st, st, nil
	}
	return nil, nil, fmt.Errorf("netspec: %q is no kind of network", s.Kind)
}

// OpenLink opens the device alone, which the caller closes, and returns its name too. The
// Spec's addresses and gateway are not used. The operating system's network has none.
func (s *Spec) OpenLink(ctx context.Context) (link.Link, string, error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	switch s.Kind {
	case "tap", "tun", "packet":
		if err := s.check(false); err != nil {
			return nil, "", fmt.Errorf("netspec: %w", err)
		}
		return s.openLink()
	}
	return nil, "", fmt.Errorf("netspec: %q is no device", s.Kind)
}

type nopCloser struct{}

func (nopCloser) Close() error { return nil }

func (s *Spec) openStack(ctx context.Context, cfg stack.Config) (*stack.Stack, error) {
	if err := s.check(true); err != nil {
		return nil, fmt.Errorf("netspec: %w", err)
	}
	if cfg.Name == "" {
		cfg.Name = s.Kind
	}
	st, err := stack.New(cfg)
	if err != nil {
		return nil, err
	}
	if err := s.addLink(ctx, st); err != nil {
		st.Close()
		return nil, err
	}
	return st, nil
}

// addLink gives st the device, the addresses and the route of the text.
func (s *Spec) addLink(ctx context.Context, st *stack.Stack) error {
	l, name, err := s.openLink()
	if err != nil {
		return err
	}
	iface, err := st.AddInterface(name, l)
	if err != nil {
		l.Close()
		return err
	}
	for _, a := range s.Addresses {
		if err := iface.AddAddress(a); err != nil {
			return fmt.Errorf("adding the address %v to %s: %w", a, name, err)
		}
	}
	switch {
	case s.Gateway.IsValid():
		if err := st.AddRoute(stack.Route{Gateway: s.Gateway, Interface: name}); err != nil {
			return fmt.Errorf("adding the route by %v: %w", s.Gateway, err)
		}
	case s.Kind == "tun":
		// There is nowhere else to go.
		for _, to := range defaults(s.Addresses) {
			if err := st.AddRoute(stack.Route{Destination: to, Interface: name}); err != nil {
				return fmt.Errorf("adding the route by %s: %w", name, err)
			}
		}
	}
	return s.settle(ctx, iface)
}

// defaults returns everything of each family that there is an address of.
func defaults(addresses []netip.Prefix) (list []netip.Prefix) {
	for _, all := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		if slices.ContainsFunc(addresses, func(a netip.Prefix) bool { return a.Addr().Is4() == all.Is4() }) {
			list = append(list, netip.PrefixFrom(all, 0))
		}
	}
	return list
}

// settle waits until the addresses of IPv6 have been tested and can be used: others on
// the link are asked whether they have them, which takes up to two seconds.
func (s *Spec) settle(ctx context.Context, iface *stack.Interface) error {
	timer := time.NewTicker(settleInterval)
	defer timer.Stop()
	for {
		tentative := false
		for _, a := range iface.Addresses6() {
			if !slices.Contains(s.Addresses, a.Prefix) {
				continue
			}
			if a.State == stack.AddressDuplicate {
				return fmt.Errorf("%v on %s: another host has this address", a.Prefix.Addr(), iface.Name())
			}
			tentative = tentative || a.State == stack.AddressTentative
		}
		if !tentative {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
}

// settleInterval is how often it is looked whether addresses were tested.
const settleInterval = 20 * time.Millisecond

// openLink opens the device and returns its name too.
func (s *Spec) openLink() (link.Link, string, error) {
	mac := s.MAC
	switch s.Kind {
	case "packet":
		l, err := device.Open(s.Name, device.Config{Address: mac, MTU: s.MTU, Queues: s.Queues, Offload: s.Offload})
		if err != nil {
			return nil, "", err
		}
		return l, l.Name(), nil
	case "tun":
		cfg := tun.Config{
			MTU: s.MTU, HostAddresses: s.HostAddresses, HostRoutes: s.HostRoutes, Queues: s.Queues, Offload: s.Offload,
		}
		if s.Peer.IsValid() {
			cfg.HostAddresses = []netip.Prefix{netip.PrefixFrom(s.Peer, s.Peer.BitLen())}
			cfg.Peer = s.Addresses[0].Addr()
		}
		l, err := tun.Open(s.Name, cfg)
		if err != nil {
			return nil, "", err
		}
		return l, l.Name(), nil
	}
	if mac.IsZero() && len(s.Addresses) > 0 {
		mac = s.deriveMAC()
	}
	l, err := tap.Open(s.Name, tap.Config{
		Address: mac, MTU: s.MTU, HostAddresses: s.HostAddresses, Queues: s.Queues, Offload: s.Offload,
	})
	if err != nil {
		return nil, "", err
	}
	return l, l.Name(), nil
}

// deriveMAC returns the hardware address that follows from the first address:
// unicast, locally administered.
func (s *Spec) deriveMAC() wire.MAC {
	sum := sha256.Sum256([]byte("castnet hardware address of " + s.Addresses[0].Addr().String()))
	mac := wire.MAC(sum[:6])
	mac[0] = mac[0]&^1 | 2
	return mac
}
