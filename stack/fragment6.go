package stack

import "github.com/castnet-go/castnet/packet"

// nextID6 returns an identification for a packet of IPv6 that is sent in fragments.
func (s *Stack) nextID6(src, dst address) uint32 {
	return uint32(s.identifiers.next(s.ports.mix(src.lo^src.hi<<1, dst.lo^dst.hi>>1)))
}

// sendFragments6 sends a packet of IPv6 that is longer than the MTU, and complete but
// for the neighbour's address, in fragments. It reports whether the link refused none.
func (s *Stack) sendFragments6(i *Interface, n *neighbor, b *packet.Buffer, mtu int) bool {
	return s.sendFragments(i, n, b, mtu)
}
