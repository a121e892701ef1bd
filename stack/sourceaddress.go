package stack

import (
	"math/bits"

	"github.com/castnet-go/castnet/link"
)

// label is the row of an address in the policy table of RFC 6724, section 2.1, by the
// longest prefix.
func (a address) label() uint8 {
	switch {
	case a == loopback6:
		return 0
	case a.is4():
		return 4
	case a.under(address{}, 96):
		return 3
	case a.hi>>48 == 0x2002:
		return 2
	case a.hi>>32 == 0x20010000:
		return 5
	case a.hi>>57 == 0xfc>>1:
		return 13
	case a.hi>>54 == 0xfec0>>6:
		return 11
	case a.hi>>48 == 0x3ffe:
		return 12
	}
	return 1
}

// sourceFor6 returns the address to send from to a destination by the interface out
// (RFC 6724, section 5); the unspecified one if there is none. To groups and to what
// is on the link it is one of the interface's own, to others any of the host's, as by
// Linux. Temporary and home addresses do not exist here.
func (st *state) sourceFor6(dst address, out *netif) address {
	var best *ifaddr6
	var where *netif
	own := dst.isMulticast() || dst.isLinkLocal()
	for _, n := range st.interfaces {
		if n.Interface != out.Interface && (own || !n.up || n.kind == link.Loopback) {
			continue
		}
		for k := range n.addresses6 {
			a := &n.addresses6[k]
			if !a.usable() || n.Interface != out.Interface && a.addr.isLinkLocal() {
				continue
			}
			if best == nil || a.better(best, dst, n.Interface == out.Interface, where.Interface == out.Interface) {
				best, where = a, n
			}
		}
	}
	if best == nil {
		return unspecified6
	}
	return best.addr
}

// better reports whether an address is a better source than another for a
// destination; here and there say whether they are the outgoing interface's. The rules
// are those of RFC 6724, section 5, in its order.
func (a *ifaddr6) better(b *ifaddr6, dst address, here, there bool) bool {
	// Rule 1: prefer the same address.
	if a.addr == dst || b.addr == dst {
		return a.addr == dst
	}
	// Rule 2: prefer an appropriate scope.
	if x, y, d := a.addr.scope(), b.addr.scope(), dst.scope(); x != y {
		if x < y {
			return x >= d
		}
		return y < d
	}
	// Rule 3: avoid deprecated addresses.
	if a.state != b.state {
		return b.state == AddressDeprecated
	}
	// Rule 5: prefer the outgoing interface.
	if here != there {
		return here
	}
	// Rule 6: prefer a matching label.
	if x, y := a.addr.label() == dst.label(), b.addr.label() == dst.label(); x != y {
		return x
	}
	// Rule 8: use the longest matching prefix, which is no longer than the address's.
	return a.matching(dst) > b.matching(dst)
}

// matching returns how many of its first bits the address shares with another: up to
// the length of its prefix.
func (a *ifaddr6) matching(b address) int {
	n := bits.LeadingZeros64(a.addr.hi ^ b.hi)
	if n == 64 {
		n += bits.LeadingZeros64(a.addr.lo ^ b.lo)
	}
	return min(n, a.bits)
}
