package stack

import (
	"cmp"
	"encoding/binary"
	"net/netip"
)

// address is an IP address of either family as a hash key: 128 bits, IPv4 in
// its v4-mapped form. The zero address is the unspecified one of IPv6.
type address struct{ hi, lo uint64 }

// mapped is the prefix ::ffff:0:0 of v4-mapped addresses in address.lo.
const mapped = 0xffff << 32

// Addresses of IPv4 in the order of their bits, as the stack computes with.
type ipv4 uint32

const (
	unspecified4 ipv4 = 0
	loopback4    ipv4 = 127<<24 | 1
	broadcast4   ipv4 = 0xffffffff
)

func (a ipv4) address() address   { return address{0, mapped | uint64(a)} }
func (a ipv4) isLoopback() bool   { return a>>24 == 127 }
func (a ipv4) isMulticast() bool  { return a>>28 == 0xe }
func (a ipv4) bytes() (b [4]byte) { binary.BigEndian.PutUint32(b[:], uint32(a)); return b }
func (a ipv4) netip() netip.Addr  { return netip.AddrFrom4(a.bytes()) }

// mapped returns the address in its v4-mapped form.
func (a ipv4) mapped() netip.Addr { return netip.AddrFrom16(a.address().bytes16()) }

// ipv4Of returns the IPv4 address in a, v4-mapped or not; it must be one.
func ipv4Of(a netip.Addr) ipv4 {
	b := a.As4()
	return ipv4(binary.BigEndian.Uint32(b[:]))
}

func ipv4OfBytes(b [4]byte) ipv4 { return ipv4(binary.BigEndian.Uint32(b[:])) }

// is4 reports whether the address is of IPv4.
func (a address) is4() bool { return a.hi == 0 && a.lo>>32 == 0xffff }

// Addresses of IPv6, and the prefixes of their kinds in address.hi.
var (
	unspecified6 address // ::
	loopback6    = address{0, 1}
	allNodes     = address{0xff02 << 48, 1} // ff02::1, every host on the link
	allRouters   = address{0xff02 << 48, 2} // ff02::2
)

// any returns the unspecified address of the same family.
func (a address) any() address {
	if a.is4() {
		return unspecified4.address()
	}
	return unspecified6
}

// isUnspecified reports whether it is 0.0.0.0 or ::.
func (a address) isUnspecified() bool { return a.hi == 0 && (a.lo == 0 || a.lo == mapped) }

// isMulticast reports whether it is a group, of either family.
func (a address) isMulticast() bool { return a.isMulticast6() || a.is4() && a.ipv4().isMulticast() }

// isMulticast6 reports whether it is a group of IPv6. A v4-mapped group in a message of
// MLD or of neighbour discovery is none.
func (a address) isMulticast6() bool { return a.hi>>56 == 0xff }

// isLoopback reports whether it is ::1 or in 127.0.0.0/8.
func (a address) isLoopback() bool { return a == loopback6 || a.is4() && a.ipv4().isLoopback() }

// isLinkLocal reports whether it is a unicast address of fe80::/10, which is good on
// one link only; 169.254.0.0/16 has no scope on Linux.
func (a address) isLinkLocal() bool { return a.hi>>54 == 0xfe80>>6 }

// needsScope reports whether the address says nothing without an interface: fe80::/10
// and groups of interface-local and link-local scope (Linux's
// __ipv6_addr_needs_scope_id).
func (a address) needsScope() bool {
	return a.isLinkLocal() || a.hi>>56 == 0xff && (a.scope() == scopeLink || a.scope() == scopeInterface)
}

// scope says how far an address is good, by the numbers that groups carry in their
// second byte (RFC 4291, section 2.7, and RFC 6724, section 3.1).
type scope uint8

const (
	scopeInterface scope = 1
	scopeLink      scope = 2
	scopeSite      scope = 5
	scopeGlobal    scope = 14
)

// scope returns the scope of an address; IPv4's are those of RFC 6724, section 3.2.
func (a address) scope() scope {
	switch {
	case a.hi>>56 == 0xff:
		return scope(a.hi >> 48 & 0xf)
	case a.isLinkLocal(), a == loopback6:
		return scopeLink
	case a.hi>>54 == 0xfec0>>6:
		return scopeSite
	case a.is4() && (a.ipv4().isLoopback() || a.ipv4()>>16 == 169<<8|254):
		return scopeLink
	}
	return scopeGlobal
}

// bytes16 returns the address as it lies in a header of IPv6.
func (a address) bytes16() (b [16]byte) {
	binary.BigEndian.PutUint64(b[:8], a.hi)
	binary.BigEndian.PutUint64(b[8:], a.lo)
	return b
}

// addressOf16 is the inverse of bytes16.
func addressOf16(b [16]byte) address {
	return address{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// under reports whether the address is in a prefix of that many bits, which are
// counted in the address's own family.
func (a address) under(prefix address, bits int) bool {
	if prefix.is4() {
		return a.is4() && (a.ipv4()^prefix.ipv4())&mask4(bits) == 0
	}
	return !a.is4() && a.masked6(bits) == prefix.masked6(bits)
}

// masked6 returns the address with all but its first bits zero.
func (a address) masked6(bits int) address {
	if bits <= 64 {
		return address{a.hi &^ (^uint64(0) >> max(bits, 0)), 0}
	}
	return address{a.hi, a.lo &^ (^uint64(0) >> (bits - 64))}
}

func (a address) ipv4() ipv4 { return ipv4(a.lo) }

// addressOf returns a as a hash key.
func addressOf(a netip.Addr) address {
	b := a.As16()
	return address{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// compare orders addresses by their bits.
func (a address) compare(b address) int {
	if c := cmp.Compare(a.hi, b.hi); c != 0 {
		return c
	}
	return cmp.Compare(a.lo, b.lo)
}

// sortAddresses sorts a list as compare does. It is a heapsort, which is short, as quick
// for a thousand sources as for ten, and nothing that others could choose makes it slow.
func sortAddresses(list []address) {
	for root := len(list)/2 - 1; root >= 0; root-- {
		siftDown(list, root)
	}
	for n := len(list) - 1; n > 0; n-- {
		list[0], list[n] = list[n], list[0]
		siftDown(list[:n], 0)
	}
}

// siftDown lets the address at root sink to where both below it are less, in a heap whose
// greatest address is the first.
func siftDown(heap []address, root int) {
	for {
		next := 2*root + 1
		if next >= len(heap) {
			return
		}
		if next+1 < len(heap) && heap[next].compare(heap[next+1]) < 0 {
			next++
		}
		if heap[root].compare(heap[next]) >= 0 {
			return
		}
		heap[root], heap[next] = heap[next], heap[root]
		root = next
	}
}

// netip returns the address; an IPv4 one in its short form.
func (a address) netip() netip.Addr {
	if a.is4() {
		return a.ipv4().netip()
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], a.hi)
	binary.BigEndian.PutUint64(b[8:], a.lo)
	return netip.AddrFrom16(b)
}

// mask4 returns the network mask of a prefix length.
func mask4(bits int) ipv4 {
	if bits <= 0 {
		return 0
	}
	return ipv4(^uint32(0) << (32 - bits))
}
