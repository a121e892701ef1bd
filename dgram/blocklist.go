package dgram

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
)

// A BlockList is a set of addresses, ranges and subnets, as Node's net.BlockList. The
// zero BlockList is empty. Its methods may be called from any goroutine, also while
// sockets use it.
//
// An IPv4 address and its v4-mapped form (::ffff:192.0.2.1) are the same, and zones
// are not looked at.
type BlockList struct {
	mu    sync.RWMutex
	spans []span   // sorted, apart from each other
	rules []string // in the order of adding
}

// A span is all addresses from one to another of its family.
type span struct{ from, to netip.Addr }

func plain(a netip.Addr) netip.Addr { return a.WithZone("").Unmap() }

// AddAddress adds an address. ErrInvalidArgValue: it is none.
func (b *BlockList) AddAddress(a netip.Addr) error {
	a = plain(a)
	if !a.IsValid() {
		return ErrInvalidArgValue.with("The argument 'address' must be an IP address. Received %v", a)
	}
	b.add(span{a, a}, "Address: "+familyName(a)+" "+a.String())
	return nil
}

// AddRange adds the addresses from start to end, inclusive. ErrInvalidArgValue: one is
// none, they are of two families, or the start comes after the end.
func (b *BlockList) AddRange(start, end netip.Addr) error {
	start, end = plain(start), plain(end)
	if !start.IsValid() || start.BitLen() != end.BitLen() || end.Less(start) {
		return ErrInvalidArgValue.with("The argument 'start' must come before end. Received %v, %v", start, end)
	}
	b.add(span{start, end}, "Range: "+familyName(start)+" "+start.String()+"-"+end.String())
	return nil
}

// AddSubnet adds the addresses of a subnet. ErrInvalidArgValue: it is none.
func (b *BlockList) AddSubnet(p netip.Prefix) error {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if !p.IsValid() {
		return ErrInvalidArgValue.with("The argument 'prefix' must be a subnet. Received %v", p)
	}
	p = p.Masked()
	last := p.Addr().AsSlice()
	for i := p.Bits(); i < len(last)*8; i++ {
		last[i/8] |= 0x80 >> (i % 8)
	}
	to, _ := netip.AddrFromSlice(last)
	b.add(span{p.Addr(), to}, "Subnet: "+familyName(p.Addr())+" "+p.String())
	return nil
}

// add adds a span, and joins it with those that it touches.
func (b *BlockList) add(s span, rule string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rules = append(b.rules, rule)
	first := b.search(s.from)
	last := first
	for last < len(b.spans) && b.spans[last].from.BitLen() == s.from.BitLen() && b.spans[last].from.Compare(s.to) <= 0 {
		last++
	}
	if first < last {
		s.from = least(s.from, b.spans[first].from)
		s.to = most(s.to, b.spans[last-1].to)
	}
	b.spans = slices.Replace(b.spans, first, last, s)
}

// search returns the position of the first span that ends at a or after it.
func (b *BlockList) search(a netip.Addr) int {
	i, _ := slices.BinarySearchFunc(b.spans, a, func(s span, a netip.Addr) int {
		return cmp.Or(cmp.Compare(s.to.BitLen(), a.BitLen()), s.to.Compare(a))
	})
	return i
}

func least(a, b netip.Addr) netip.Addr {
	if a.Less(b) {
		return a
	}
	return b
}

func most(a, b netip.Addr) netip.Addr {
	if a.Less(b) {
		return b
	}
	return a
}

// Check reports whether an address is in the list. No address, the zero Addr, is.
func (b *BlockList) Check(a netip.Addr) bool {
	if b == nil {
		return false
	}
	a = plain(a)
	b.mu.RLock()
	defer b.mu.RUnlock()
	i := b.search(a)
	return i < len(b.spans) && a.IsValid() && b.spans[i].from.BitLen() == a.BitLen() && b.spans[i].from.Compare(a) <= 0
}

// Rules lists what was added, the last first, in Node's words: "Address: IPv4
// 192.0.2.1", "Range: IPv4 192.0.2.1-192.0.2.9", "Subnet: IPv6 2001:db8::/32".
func (b *BlockList) Rules() []string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	rules := slices.Clone(b.rules)
	slices.Reverse(rules)
	return rules
}

func familyName(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}
