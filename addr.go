package castnet

import (
	"net"
	"net/netip"

	"github.com/castnet-go/castnet/socket"
)

// addrPortAddr is the net.Addr of errors about a netip address; it is a
// comparable value, as package net's is.
type addrPortAddr struct{ netip.AddrPort }

func (addrPortAddr) Network() string { return "udp" }

// A udpAddr is a net.UDPAddr and the bytes of its IP in one allocation.
type udpAddr struct {
	net.UDPAddr
	ip [16]byte
}

// set makes a the address ap. As in package net, an address that came from an
// IPv4 socket has four bytes and one that came from an IPv6 socket sixteen,
// v4-mapped or not; both print the same.
func (a *udpAddr) set(ap netip.AddrPort) *net.UDPAddr {
	ip := ap.Addr()
	if ip.Is4() {
		b := ip.As4()
		a.IP = a.ip[:copy(a.ip[:], b[:])]
	} else if ip.IsValid() {
		a.ip = ip.As16()
		a.IP = a.ip[:]
		a.Zone = ip.Zone()
	}
	a.Port = int(ap.Port())
	return &a.UDPAddr
}

// toUDPAddr returns ap as package net would show it.
func toUDPAddr(ap netip.AddrPort) *net.UDPAddr { return new(udpAddr).set(ap) }

// addrOrNil is a as a net.Addr; a nil *net.UDPAddr becomes a nil interface.
func addrOrNil(a *net.UDPAddr) net.Addr {
	if a == nil {
		return nil
	}
	return a
}

// sockaddr returns ap in the form that a socket of the family takes: IPv4
// addresses plain on an IPv4 socket and v4-mapped on an IPv6 one.
func sockaddr(f socket.Family, ap netip.AddrPort) (netip.AddrPort, error) {
	ip := ap.Addr()
	if f == socket.IPv4 {
		if ip.Is4() {
			return ap, nil
		}
		if ip.Is4In6() {
			return netip.AddrPortFrom(ip.Unmap(), ap.Port()), nil
		}
		return netip.AddrPort{}, &net.AddrError{Err: "non-IPv4 address", Addr: ip.String()}
	}
	if ip.Is4() {
		return netip.AddrPortFrom(netip.AddrFrom16(ip.As16()), ap.Port()), nil
	}
	return ap, nil
}

// udpSockaddr is sockaddr for a net.UDPAddr, in which no IP at all means the
// wildcard address and 0.0.0.0 means it on an IPv6 socket too.
func udpSockaddr(f socket.Family, a *net.UDPAddr) (netip.AddrPort, error) {
	var ip netip.Addr
	if f == socket.IPv4 {
		switch b := a.IP.To4(); {
		case len(a.IP) == 0:
			ip = netip.IPv4Unspecified()
		case b != nil:
			ip = netip.AddrFrom4([4]byte(b))
		default:
			return netip.AddrPort{}, &net.AddrError{Err: "non-IPv4 address", Addr: a.IP.String()}
		}
	} else {
		switch b := a.IP.To16(); {
		case len(a.IP) == 0 || a.IP.Equal(net.IPv4zero):
			ip = netip.IPv6Unspecified()
		case b != nil:
			ip = netip.AddrFrom16([16]byte(b))
		default:
			return netip.AddrPort{}, &net.AddrError{Err: "non-IPv6 address", Addr: a.IP.String()}
		}
		if a.Zone != "" {
			ip = ip.WithZone(a.Zone)
		}
	}
	return netip.AddrPortFrom(ip, uint16(a.Port)), nil
}
