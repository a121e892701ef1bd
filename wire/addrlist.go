package wire

import (
	"iter"
	"net/netip"
)

// AddrList is a list of IP addresses of one family, one behind the other as packets carry
// them: the sources of an IGMPv3 or MLDv2 message. A parsed list is a view of the packet. The
// zero value is the empty list, to which Append adds.
type AddrList struct {
	b     []byte
	width int // of an address in bytes: 4 or 16; 0 in the zero value
}

// NewAddrList returns a list of the addresses. The first decides the family, as for Append.
func NewAddrList(addrs ...netip.Addr) AddrList {
	var l AddrList
	for _, a := range addrs {
		l = l.Append(a)
	}
	return l
}

// Append returns the list with the address at its end, and may use the list's memory as the
// built-in append does; that of a parsed list is never overwritten. The first address of a
// list decides its family: in a list of IPv4 addresses an IPv6 address becomes 0.0.0.0, and
// in a list of IPv6 addresses an IPv4 address is mapped.
func (l AddrList) Append(a netip.Addr) AddrList {
	if l.width == 0 {
		l.width = addrWidth(a)
	}
	if l.width == 4 {
		raw := as4(a)
		l.b = append(l.b, raw[:]...)
	} else {
		l.b = append16(l.b, a)
	}
	return l
}

// Count returns the number of addresses.
func (l AddrList) Count() int {
	if l.width == 0 {
		return 0
	}
	return len(l.b) / l.width
}

// All ranges over the addresses.
func (l AddrList) All() iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		b := l.b
		switch l.width {
		case 4:
			for ; len(b) >= 4; b = b[4:] {
				if !yield(netip.AddrFrom4([4]byte(b))) {
					return
				}
			}
		case 16:
			for ; len(b) >= 16; b = b[16:] {
				if !yield(netip.AddrFrom16([16]byte(b))) {
					return
				}
			}
		}
	}
}

// Contains reports whether the address is in the list.
func (l AddrList) Contains(a netip.Addr) bool {
	for b := range l.All() {
		if a == b {
			return true
		}
	}
	return false
}
