package host

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// A sockaddr is room for a struct sockaddr_in or sockaddr_in6.
type sockaddr [unix.SizeofSockaddrInet6]byte

// put writes an address in the family it has, and returns the length of the
// structure. EAFNOSUPPORT if there is no address, ENODEV if its zone is unknown.
func (sa *sockaddr) put(fd uintptr, ap netip.AddrPort) (uint32, syscall.Errno) {
	addr := ap.Addr()
	binary.BigEndian.PutUint16(sa[2:], ap.Port())
	switch {
	case addr.Is4():
		binary.NativeEndian.PutUint16(sa[:], unix.AF_INET)
		a := addr.As4()
		copy(sa[4:8], a[:])
		return unix.SizeofSockaddrInet4, 0
	case addr.Is6():
		binary.NativeEndian.PutUint16(sa[:], unix.AF_INET6)
		clear(sa[4:8]) // sin6_flowinfo
		a := addr.As16()
		copy(sa[8:24], a[:])
		index, errno := zoneIndex(fd, addr)
		binary.NativeEndian.PutUint32(sa[24:], index)
		return unix.SizeofSockaddrInet6, errno
	}
	return 0, syscall.EAFNOSUPPORT
}

// get reads an address that the kernel wrote.
func (sa *sockaddr) get(fd uintptr) netip.AddrPort {
	port := binary.BigEndian.Uint16(sa[2:])
	switch binary.NativeEndian.Uint16(sa[:]) {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(sa[4:8])), port)
	case unix.AF_INET6:
		addr := netip.AddrFrom16([16]byte(sa[8:24]))
		if index := binary.NativeEndian.Uint32(sa[24:]); index != 0 {
			addr = addr.WithZone(zoneName(fd, index))
		}
		return netip.AddrPortFrom(addr, port)
	}
	return netip.AddrPort{}
}
