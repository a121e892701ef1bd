package stack

import (
	"net/netip"
	"slices"

	"github.com/castnet-go/castnet/internal/text"
)

// A transparent interface takes packets to foreign addresses for the host's own:
// its network is at the other end of a tunnel, and the host answers in the name
// of whatever is behind it. It is what other systems say in two or three steps:
//
//	Linux   ip rule add iif tun0 lookup 100
//	        ip route add local default dev lo table 100
//	gVisor  stack.SetPromiscuousMode(nic, true), stack.SetSpoofing(nic, true)
//
// Who wants to hear them then opens sockets as for packets to the host itself:
// bound to a foreign address or to none, or intercepting every port that nobody
// has bound (Socket.Intercept).

// A block is a range of addresses of one family.
type block struct {
	addr address
	bits int
}

// maxTransparent bounds the ranges of a transparent interface, which are looked
// at one after the other.
const maxTransparent = 64

// SetTransparent makes the interface transparent for ranges of addresses: a
// packet that comes in by it to a unicast address in one of them is for this
// host, whoever has the address, and is not forwarded. The prefix 0.0.0.0/0 is
// everything. With no prefix the interface is as any other again.
//
// What such packets meet is what packets to the host's own addresses do: sockets,
// handlers of protocols, ICMP. So the host answers echo requests to foreign
// addresses, and sends port unreachable in their name where there is no socket,
// as Linux does for addresses that are local by a route. Only frames to the
// interface's own hardware address come in; a link without one brings everything.
//
// Packets that cannot be are dropped as on any interface: from the host's own
// addresses, from or to 127.0.0.0/8. Broadcasts and groups are nobody's address
// and stay what they are.
func (i *Interface) SetTransparent(ranges ...netip.Prefix) error {
	if len(ranges) > maxTransparent {
		return text.Errorf("stack: %d transparent ranges on interface %q; the most is %d", len(ranges), i.name, maxTransparent)
	}
	var list []block
	for _, p := range ranges {
		if !p.IsValid() || p.Addr().Is4In6() || p.Addr().Is6() && i.stack.six == nil {
			return text.Errorf("stack: the transparent range %v is not a prefix", p)
		}
		if m := p.Masked(); m != p {
			return text.Errorf("stack: the transparent range %v has bits beyond its prefix; did you mean %v?", p, m)
		}
		list = append(list, block{addressOf(p.Addr()), p.Bits()})
	}
	return i.change(func(_ *state, n *netif) error {
		n.transparent = list
		return nil
	})
}

// Transparent returns the ranges for which the interface is transparent; nil if
// it is not.
func (i *Interface) Transparent() []netip.Prefix {
	n := i.stack.state.Load().byIndex(i.index)
	if n == nil {
		return nil
	}
	var list []netip.Prefix
	for _, a := range n.transparent {
		list = append(list, netip.PrefixFrom(a.addr.netip(), a.bits))
	}
	return list
}

// covers reports whether a packet to the address, coming in by the interface, is
// for this host although the address is not its own.
func (n *netif) covers(a address) bool {
	return slices.ContainsFunc(n.transparent, func(r block) bool { return a.under(r.addr, r.bits) })
}

// covers reports whether a packet to the address that came in by the interface of
// that index is for this host, by the address's being its own or not.
func (st *state) covers(a address, index int32) bool {
	if st.hasAddress(a) {
		return true
	}
	n := st.byIndex(int(index))
	return n != nil && n.covers(a)
}
