package stack

import (
	"net/netip"
	"time"

	"github.com/castnet-go/castnet/internal/text"
)

// AddressState is how far an IPv6 address may be used (RFC 4862, section 2).
type AddressState uint8

// The states of addresses.
const (
	// AddressTentative is one that others are being asked about: it is not used, and
	// nothing that is sent to it is received.
	AddressTentative AddressState = iota
	// AddressPreferred is one that is used without restriction.
	AddressPreferred
	// AddressDeprecated is one whose preferred lifetime is over: it is received on, and
	// no longer chosen as a source if there is another.
	AddressDeprecated
	// AddressDuplicate is one that another host on the link has: it is not used.
	AddressDuplicate
)

// String returns the state's name in lower case.
func (s AddressState) String() string {
	switch s {
	case AddressTentative:
		return "tentative"
	case AddressPreferred:
		return "preferred"
	case AddressDeprecated:
		return "deprecated"
	case AddressDuplicate:
		return "duplicate"
	}
	return text.Sprintf("AddressState(%d)", uint8(s))
}

// AddressOrigin is where an IPv6 address comes from.
type AddressOrigin uint8

// The origins of addresses.
const (
	OriginManual    AddressOrigin = iota // AddAddress
	OriginLinkLocal                      // the interface made it when it began to speak IPv6
	OriginRouter                         // it was made from a prefix that a router advertises
)

// String returns the origin's name in lower case.
func (o AddressOrigin) String() string {
	switch o {
	case OriginManual:
		return "manual"
	case OriginLinkLocal:
		return "link-local"
	case OriginRouter:
		return "router"
	}
	return text.Sprintf("AddressOrigin(%d)", uint8(o))
}

// An Address6 is what Addresses6 tells of one.
type Address6 struct {
	Prefix netip.Prefix // the address and the length of its prefix
	State  AddressState
	Origin AddressOrigin
	// Preferred and Valid are how long the address will still be preferred, and be
	// there. An address without an end has wire.NDPInfinity, as it is advertised.
	Preferred, Valid time.Duration
}

// ifaddr6 is an IPv6 address of an interface, as a state sees it.
type ifaddr6 struct {
	addr   address
	bits   int
	origin AddressOrigin
	state  AddressState
}

// usable reports whether the address is received on, bound to and sent from.
func (a *ifaddr6) usable() bool {
	return a.state == AddressPreferred || a.state == AddressDeprecated
}

func (a ifaddr6) prefix() netip.Prefix { return netip.PrefixFrom(a.addr.netip(), a.bits) }

// has6 reports whether a is one of the interface's own addresses that may be used.
func (n *netif) has6(a address) bool {
	for k := range n.addresses6 {
		if o := &n.addresses6[k]; o.addr == a && o.usable() {
			return true
		}
	}
	return false
}

// local6 returns the interface that has an address that may be used, or nil. An
// address that is good on one link only is looked for on the interface, if that is
// not nil; of others any will do, as by Linux.
func (st *state) local6(a address, on *Interface) *netif {
	for _, n := range st.interfaces {
		if (on == nil || n.Interface == on || !a.isLinkLocal() && !a.isLoopback()) && n.has6(a) {
			return n
		}
	}
	return nil
}
