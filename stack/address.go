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

// ipv4Of returns the IPv4 address in a, v4-mapped or not; it must be one.
func ipv4Of(a netip.Addr) ipv4 {
	b := a.As4()
	return ipv4(binary.BigEndian.Uint32(b[:]))
}

func ipv4OfBytes(b [4]byte) ipv4 { return ipv4(binary.BigEndian.Uint32(b[:])) }

// is4 reports whether the address is of IPv4.
func (a address) is4() bool { return a.hi == 0 && a.lo>>32 == 0xffff }

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
