package host

import (
	"context"
	"net"
	"net/netip"
	"slices"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/socket"
)

// Network is the operating system's network, as the process sees it: on Linux
// that of the network namespace of the calling thread. The zero value is ready,
// and all are the same.
type Network struct{}

// Open makes a socket; its type is *Socket.
func (Network) Open(family socket.Family) (socket.Socket, error) {
	s, err := open(family)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Clock returns the system's clock.
func (Network) Clock() clock.Clock { return clock.System }

// Interfaces lists the system's interfaces.
func (Network) Interfaces() ([]socket.Interface, error) {
	system, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	list := make([]socket.Interface, 0, len(system))
	for i := range system {
		ifi := &system[i]
		addrs, err := ifi.Addrs()
		if err != nil {
			continue // it went away meanwhile
		}
		list = append(list, describe(ifi, addrs))
	}
	slices.SortFunc(list, func(a, b socket.Interface) int { return a.Index - b.Index })
	return list, nil
}

// describe puts what package net says of an interface in the seam's words.
func describe(ifi *net.Interface, addrs []net.Addr) socket.Interface {
	d := socket.Interface{
		Index:     ifi.Index,
		Name:      ifi.Name,
		MTU:       ifi.MTU,
		Up:        ifi.Flags&net.FlagUp != 0,
		Loopback:  ifi.Flags&net.FlagLoopback != 0,
		Multicast: ifi.Flags&net.FlagMulticast != 0,
		Broadcast: ifi.Flags&net.FlagBroadcast != 0,
	}
	copy(d.HardwareAddr[:], ifi.HardwareAddr)
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		addr, ok := netip.AddrFromSlice(n.IP)
		if !ok {
			continue
		}
		bits, _ := n.Mask.Size()
		d.Addresses = append(d.Addresses, netip.PrefixFrom(addr.Unmap(), bits))
	}
	return d
}

// LookupNetIP asks the system's resolver. IPv4 addresses come as such, not
// v4-mapped.
func (Network) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, network, host)
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, err
}
