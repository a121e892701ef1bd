package wgtun

import (
	"errors"
	"net/netip"
	"slices"

	"github.com/castnet-go/castnet/stack"
)

// CreateNetTUN returns a stack with those addresses on an interface "wg0", which
// everything is sent by, and the Device that gives WireGuard its other side. An MTU
// of 0 is 1420. It is wireguard-go's function of that name, for UDP.
//
// The caller closes the stack, and WireGuard the device, in either order.
func CreateNetTUN(addresses []netip.Addr, mtu int) (*Device, *stack.Stack, error) {
	d, err := New(Config{MTU: mtu})
	if err != nil {
		return nil, nil, err
	}
	s, err := newStack(addresses, d)
	if err != nil {
		return nil, nil, errors.Join(err, d.Close())
	}
	return d, s, nil
}

// newStack returns a stack on the Device.
func newStack(addresses []netip.Addr, d *Device) (*stack.Stack, error) {
	s, err := stack.New(stack.Config{})
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*stack.Stack, error) { return nil, errors.Join(err, s.Close()) }
	wg0, err := s.AddInterface("wg0", d.Link())
	if err != nil {
		return fail(err)
	}
	for _, a := range addresses {
		if err := wg0.AddAddress(netip.PrefixFrom(a, a.BitLen())); err != nil {
			return fail(err)
		}
	}
	everything := []string{"0.0.0.0/0"}
	if slices.ContainsFunc(addresses, netip.Addr.Is6) {
		everything = append(everything, "::/0")
	}
	for _, all := range everything {
		if err := s.AddRoute(stack.Route{Destination: netip.MustParsePrefix(all), Interface: "wg0"}); err != nil {
			return fail(err)
		}
	}
	return s, nil
}
