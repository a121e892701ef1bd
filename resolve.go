package castnet

import (
	"context"
	"net"
	"net/netip"

	"github.com/castnet-go/castnet/socket"
)

// resolve turns "host:port" into addresses that suit the network, at least
// one. A host that is empty gives an address without an IP: the wildcard of
// whatever family there is. The rules are package net's (internetAddrList).
func resolve(ctx context.Context, on Network, network, address string) ([]netip.AddrPort, error) {
	if address == "" {
		return []netip.AddrPort{{}}, nil
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	// Service names are in a table that is the same everywhere, so every
	// network uses the system's.
	port, err := net.DefaultResolver.LookupPort(ctx, network, service)
	if err != nil {
		return nil, err
	}
	if host == "" {
		return []netip.AddrPort{netip.AddrPortFrom(netip.Addr{}, uint16(port))}, nil
	}
	ips, err := lookup(ctx, on, network, host)
	if err != nil {
		return nil, err
	}
	if len(ips) == 1 && ips[0] == netip.IPv6Unspecified() {
		// A host may be able to bind :: and not to reach itself by it.
		ips = append(ips, netip.IPv4Unspecified())
	}
	var addrs []netip.AddrPort
	for _, ip := range ips {
		ip = ip.Unmap()
		if network == "udp4" && !ip.Is4() || network == "udp6" && ip.Is4() {
			continue
		}
		addrs = append(addrs, netip.AddrPortFrom(ip, uint16(port)))
	}
	if len(addrs) == 0 {
		return nil, &net.AddrError{Err: noSuitableAddress, Addr: host}
	}
	return addrs, nil
}

// lookup returns the addresses of a host: of a literal itself, of a name what
// the network's resolver says.
func lookup(ctx context.Context, on Network, network, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	r, ok := on.(socket.Resolver)
	if !ok {
		return nil, &net.DNSError{
			Err:  "this network resolves no names: give a literal address",
			Name: host, IsNotFound: true,
		}
	}
	addrs, err := r.LookupNetIP(ctx, "ip"+network[len("udp"):], host)
	if unknown, ok := err.(*socket.NameError); ok {
		err = &net.DNSError{Err: "no such host", Name: unknown.Name, IsNotFound: true, UnwrapErr: err}
	}
	return addrs, err
}

// firstIPv4 is the address that Listen takes of several: an IPv4 one if there
// is one.
func firstIPv4(addrs []netip.AddrPort) netip.AddrPort {
	for _, a := range addrs {
		if a.Addr().Is4() {
			return a
		}
	}
	return addrs[0]
}

// A choice is a kind of socket that may serve an address.
type choice struct {
	family   socket.Family
	ipv6Only bool
}

// listenChoices says with what kinds of socket to listen on an address, the
// best first; the next is for a network that does not speak the family. They
// are package net's (favoriteAddrFamily): an unspecified address means both
// families, where the network's name does not say which.
func listenChoices(network string, addr netip.Addr) []choice {
	switch {
	case network == "udp4":
		return []choice{{socket.IPv4, false}}
	case network == "udp6":
		return []choice{{socket.IPv6, true}}
	case !addr.IsValid() || addr.IsUnspecified():
		return []choice{{socket.IPv6, false}, {socket.IPv4, false}}
	case addr.Is4():
		return []choice{{socket.IPv4, false}}
	}
	return []choice{{socket.IPv6, false}}
}

// dialChoice says with what kind of socket to dial: IPv4 if neither end is
// IPv6.
func dialChoice(network string, local, remote netip.Addr) choice {
	switch {
	case network == "udp4":
		return choice{socket.IPv4, false}
	case network == "udp6":
		return choice{socket.IPv6, true}
	case local.Unmap().Is6() || remote.Is6():
		return choice{socket.IPv6, false}
	}
	return choice{socket.IPv4, false}
}

// forFamily gives an address that may have no IP the one it means: the
// unspecified address of the family. It means that written as 0.0.0.0 on an
// IPv6 socket too.
func forFamily(f socket.Family, a netip.AddrPort) (netip.AddrPort, error) {
	ip := a.Addr()
	if !ip.IsValid() || f == socket.IPv6 && ip == netip.IPv4Unspecified() {
		return netip.AddrPortFrom(unspecified(f), a.Port()), nil
	}
	return sockaddr(f, a)
}

func unspecified(f socket.Family) netip.Addr {
	if f == socket.IPv4 {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}
