package stack

import (
	"bytes"
	"time"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/wire"
)

// An address6 is an address of an interface with what is not published of it.
type address6 struct {
	addr   address
	bits   int
	origin AddressOrigin
	state  AddressState

	// Duplicate address detection (RFC 4862, 5.4).
	at    instant // when the next step is due; never: none
	left  int     // solicitations still to be sent
	nonce [6]byte // of those sent, by which they are known if they come back (RFC 7527)
	tries uint8   // addresses made of the prefix that were duplicates (RFC 7217, 6)

	// When it is no longer preferred, and no longer valid; never if it has no end.
	preferred, valid instant
}

// next returns when something is to be done about the address.
func (a *address6) next() instant {
	at := min(a.at, a.valid)
	if a.state == AddressPreferred {
		at = min(at, a.preferred)
	}
	return at
}

// find returns the address, whatever its state; nil if it is not the interface's.
func (x *interface6) find(addr address) *address6 {
	for _, a := range x.addresses {
		if a.addr == addr {
			return a
		}
	}
	return nil
}

// add gives the interface an address that is not one of its own yet.
func (x *interface6) add(a *address6) {
	x.addresses = append(x.addresses, a)
	x.changed = true
	if x.iface.kind != link.Loopback {
		group := solicitedNode(a.addr)
		x.later(func() { x.iface.groups.join(group) })
	}
	x.test(a)
}

// remove takes an address away.
func (x *interface6) remove(a *address6) {
	for k, o := range x.addresses {
		if o == a {
			x.addresses = append(x.addresses[:k:k], x.addresses[k+1:]...)
			break
		}
	}
	x.changed = true
	if x.iface.kind != link.Loopback {
		group := solicitedNode(a.addr)
		x.later(func() { x.iface.groups.leave(group) })
	}
}

// tests reports whether others are asked before an address is used. On a link
// without neighbours' addresses there is nobody to be asked.
func (x *interface6) tests() bool {
	return x.iface.kind == link.Ethernet && x.iface.stack.cfg.DADTransmits > 0
}

// test begins duplicate address detection: after a random time, since an
// advertisement or a power cut starts many hosts at once (RFC 4862, 5.4.2). Without it
// the address is used at once; and so it is not if the interface is down.
func (x *interface6) test(a *address6) {
	x.changed = true
	if !x.tests() {
		x.assign(a)
		return
	}
	a.state, a.at = AddressTentative, never
	if x.up {
		a.left = x.iface.stack.cfg.DADTransmits
		a.at = x.now() + x.random(maxSolicitDelay)
		nonce := x.iface.stack.random.uint64()
		for k := range a.nonce {
			a.nonce[k] = byte(nonce >> (8 * k))
		}
	}
}

// ripen does what is due about an address: the next step of its test, or the end of a
// lifetime.
func (x *interface6) ripen(a *address6, now instant) {
	if a.at <= now {
		if a.left > 0 {
			a.left--
			a.at = now + x.iface.retransTimer()
			x.sendTest(a)
		} else {
			a.at = never
			x.assign(a)
		}
	}
	switch {
	case a.valid <= now:
		x.remove(a)
	case a.preferred <= now && a.state == AddressPreferred:
		a.state = AddressDeprecated
		x.changed = true
	}
}

// sendTest sends a solicitation for a tentative address, from none.
func (x *interface6) sendTest(a *address6) {
	options := wire.AppendNDPNonce(nil, a.nonce[:])
	m := wire.NeighborSolicitation{Target: a.addr.netip(), Options: options}.AppendTo(nil)
	group := solicitedNode(a.addr)
	x.later(func() { x.iface.sendNDP(unspecified6, group, wire.MulticastMAC(group.netip()), m) })
}

// assign begins to use an address that nobody else has.
func (x *interface6) assign(a *address6) {
	now := x.now()
	a.state = AddressPreferred
	if a.preferred <= now {
		a.state = AddressDeprecated
	}
	x.changed = true
	if addr := a.addr; x.up && x.iface.stack.cfg.AnnounceAddresses && x.iface.kind == link.Ethernet {
		x.later(func() { x.iface.answer(addr, unspecified6, true) })
	}
	if a.addr.isLinkLocal() && x.up {
		x.searchRouters(now)
		x.advertiseSoon()
	}
}

// duplicate takes note that somebody else has a tentative address. It is not used then
// (RFC 4862, 5.4.5); if the stack made it of a prefix and a secret, it makes another
// one, a second later, up to three times (RFC 7217, 6, and Linux's idgen_retries).
func (x *interface6) duplicate(a *address6) {
	a.state, a.at = AddressDuplicate, never
	x.changed = true
	if a.origin == OriginManual || a.tries >= maxRetries || x.iface.eui64() {
		return
	}
	next := x.stable(a.addr.masked6(64), a.tries+1)
	if next.origin = a.origin; x.find(next.addr) != nil {
		return
	}
	next.preferred, next.valid = a.preferred, a.valid
	x.remove(a)
	x.add(next)
	if next.at != never {
		next.at = x.now() + retryDelay
	}
}

const (
	maxRetries = 3           // IDGEN_RETRIES
	retryDelay = time.Second // IDGEN_DELAY
)

// claimed takes note of a solicitation or an advertisement that shows that somebody
// else uses an address, or is about to. It reports what the address is to the
// interface, before: nil if it is none of its own; and whether it has turned out to be
// a duplicate.
func (x *interface6) claimed(addr address, nonce []byte) (was *address6, duplicate bool) {
	a := x.find(addr)
	if a == nil || a.state != AddressTentative || !x.up {
		return a, false
	}
	if nonce != nil && bytes.Equal(nonce, a.nonce[:]) {
		return a, false // the link brings back what we have sent
	}
	x.duplicate(a)
	return a, true
}
