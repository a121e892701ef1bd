package stack

import (
	"net/netip"

	"github.com/castnet-go/castnet/internal/text"
	"github.com/castnet-go/castnet/wire"
)

// heard takes note of who has sent something other than an advertisement of himself,
// and of the hardware address in it, if there is one (RFC 4861, 7.2.3 and 6.3.4): that
// suggests it, and confirms nothing. A router is known as one. It makes a new
// neighbour only if create is set.
func (t *neighborTable) heard(i *Interface, addr address, mac wire.MAC, create, router bool) {
	if !mac.IsZero() {
		t.learn(i, addr, mac, create, false)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.find(i, addr); n != nil && router {
		n.router = true
	}
}

// advertised takes note of a neighbour's advertisement by the rules of RFC 4861,
// section 7.2.5; mac is zero if it does not say. It reports whether the neighbour was
// a router and says that it is none any more. As on Linux, one that had failed to
// answer is asked anew, and not believed unasked.
func (t *neighborTable) advertised(i *Interface, addr address, mac wire.MAC, a *wire.NeighborAdvertisement) (ceased bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.find(i, addr)
	if n == nil || n.state == NeighborFailed || n.state == NeighborPermanent {
		return false
	}
	differs := !mac.IsZero() && mac != n.mac
	switch {
	case n.state == NeighborIncomplete:
		if mac.IsZero() {
			return false
		}
		n.mac = mac
		if a.Solicited {
			t.confirm(n)
		} else {
			t.suspect(n)
		}
	case differs && !a.Override:
		if n.state == NeighborReachable {
			t.suspect(n)
		}
		return false
	default:
		if differs {
			n.mac = mac
		}
		if a.Solicited {
			t.confirm(n)
		} else if differs {
			t.suspect(n)
		}
	}
	ceased = n.router && !a.Router
	n.router = a.Router
	t.drain(n)
	return ceased
}

// confirm makes a neighbour reachable. The caller holds t.mu.
func (t *neighborTable) confirm(n *neighbor) {
	t.setState(n, NeighborReachable)
	t.stack.timers.arm(&n.timer, t.stack.timers.now()+t.reachable(n))
}

// suspect makes a neighbour stale, or, if packets wait for it and so are about to be
// sent, one that is soon to be asked. The caller holds t.mu.
func (t *neighborTable) suspect(n *neighbor) {
	t.setState(n, NeighborStale)
	t.stack.timers.disarm(&n.timer)
	if n.waiting > 0 {
		t.setState(n, NeighborDelay)
		t.stack.timers.arm(&n.timer, t.stack.timers.now()+delayFirstTime)
	}
}

// ConfirmNeighbor takes note that a neighbour was reached: what is spoken by it has
// brought an answer, so that it need not be asked (RFC 4861, 7.3.1, and Linux's
// MSG_CONFIRM). It says nothing of a neighbour whose hardware address is not known.
func (i *Interface) ConfirmNeighbor(addr netip.Addr) {
	t := &i.stack.neighbors
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.find(i, addressOf(addr)); n != nil && n.known() && n.state != NeighborPermanent {
		t.confirm(n)
	}
}

// checkNeighbor6 returns why an address cannot be that of a neighbour on the
// interface, or nil.
func (n *netif) checkNeighbor6(addr netip.Addr) error {
	a := addressOf(addr)
	if addr.Is4In6() || a.isMulticast() || a.isUnspecified() || a.isLoopback() || n.has6(a) {
		return text.Errorf("stack: %v cannot be a neighbour's address; it takes a unicast address that is not the host's own", addr)
	}
	return nil
}
