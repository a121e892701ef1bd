package stack

import "syscall"

// usage knows which ports are taken, for the conflicts of bind. It counts
// instead of listing, so that a bind beside a million sockets on one port
// costs what the first one did.
type usage struct {
	ports map[uint16]*portUsage
}

// portUsage is what is bound to one port.
type portUsage struct {
	all   claims
	only  claimKey // where they are bound, while that is one place
	where *places  // nil while it is
}

// places are where sockets are bound to a port, if that is not one place only.
type places struct {
	claims  map[claimKey]*claims
	six     claims // of all claims, those to addresses of IPv6
	devices int    // the number of keys with a device
}

// claimKey is where a socket is bound: an address, perhaps on one device only, and
// perhaps for IPv6 only, which matters if it is bound to no address.
type claimKey struct {
	local  address
	device int32
	only6  bool
}

// overlaps reports whether a datagram could be for both places (Linux's
// ipv6_rcv_saddr_equal).
func (k *claimKey) overlaps(o *claimKey) bool {
	any := unspecified4.address()
	switch {
	case k.device != 0 && o.device != 0 && k.device != o.device:
		return false
	case k.local == o.local:
		return true
	case k.local.is4() && o.local.is4():
		return k.local == any || o.local == any
	case k.local == unspecified6:
		return !(k.only6 && o.local.is4())
	case o.local == unspecified6:
		return !(o.only6 && k.local.is4())
	}
	return false
}

// everywhere reports whether the place is that of a datagram to any address of a
// family.
func (k *claimKey) everywhere() bool { return k.device == 0 && k.local.isUnspecified() }

// claims count the sockets bound in one place, and those among them that lack
// the consent to share it.
type claims struct {
	total, noReuseAddr, noReusePort, neither int32
}

func (u *usage) init() { u.ports = make(map[uint16]*portUsage) }

// claim is a socket's wish for a port.
type claim struct {
	claimKey
	port                 uint16
	reuseAddr, reusePort bool
}

func (c *claims) count(by int32, w *claim) {
	c.total += by
	if !w.reuseAddr {
		c.noReuseAddr += by
	}
	if !w.reusePort {
		c.noReusePort += by
	}
	if !w.reuseAddr && !w.reusePort {
		c.neither += by
	}
}

// conflicts reports whether one of the sockets counted does not let c share:
// both must have ReuseAddr, or both ReusePort (Linux's inet_rcv_saddr_equal
// and its callers).
func (c *claims) conflicts(w *claim) bool {
	switch {
	case c == nil || c.total == 0:
		return false
	case w.reuseAddr && w.reusePort:
		return c.neither > 0
	case w.reuseAddr:
		return c.noReuseAddr > 0
	case w.reusePort:
		return c.noReusePort > 0
	}
	return true
}

// conflicts reports whether the claim cannot be granted.
func (u *usage) conflicts(w *claim) bool {
	p := u.ports[w.port]
	switch {
	case p == nil:
		return false
	case p.where == nil:
		return p.only.overlaps(&w.claimKey) && p.all.conflicts(w)
	case w.everywhere() && p.where.devices == 0:
		return p.conflictsAnywhere(w)
	case w.device == 0 && p.where.devices == 0:
		c := p.where.claims
		return c[w.claimKey].conflicts(w) || c[dualClaim].conflicts(w) ||
			c[claimKey{local: w.local.any()}].conflicts(w) || !w.local.is4() && c[only6Claim].conflicts(w)
	}
	for k, c := range p.where.claims {
		if k.overlaps(&w.claimKey) && c.conflicts(w) {
			return true
		}
	}
	return false
}

// The places of IPv6 sockets that are bound to no address, without IPv6Only and with.
var (
	dualClaim  = claimKey{}
	only6Claim = claimKey{only6: true}
)

// conflictsAnywhere reports whether a claim to every address of a family, or of both,
// cannot be granted, where no claim is to one device only.
func (p *portUsage) conflictsAnywhere(w *claim) bool {
	switch {
	case w.local.is4():
		four := p.all
		four.less(&p.where.six)
		return four.conflicts(w) || p.where.claims[dualClaim].conflicts(w)
	case w.only6:
		return p.where.six.conflicts(w)
	}
	return p.all.conflicts(w)
}

// less takes other claims out of the count.
func (c *claims) less(o *claims) {
	c.total -= o.total
	c.noReuseAddr -= o.noReuseAddr
	c.noReusePort -= o.noReusePort
	c.neither -= o.neither
}

// add and remove count a claim that was granted.
func (u *usage) add(w *claim) {
	p := u.ports[w.port]
	if p == nil {
		p = &portUsage{only: w.claimKey}
		u.ports[w.port] = p
	}
	if p.where == nil && p.only != w.claimKey {
		p.where = &places{claims: make(map[claimKey]*claims, 2)}
		c := p.all
		p.where.put(p.only, &c)
		if !p.only.local.is4() {
			p.where.six = c
		}
	}
	p.count(1, w)
	if p.where == nil {
		return
	}
	c := p.where.claims[w.claimKey]
	if c == nil {
		c = new(claims)
		p.where.put(w.claimKey, c)
	}
	c.count(1, w)
}

func (p *portUsage) count(by int32, w *claim) {
	p.all.count(by, w)
	if p.where != nil && !w.local.is4() {
		p.where.six.count(by, w)
	}
}

func (p *places) put(k claimKey, c *claims) {
	p.claims[k] = c
	if k.device != 0 {
		p.devices++
	}
}

func (u *usage) remove(w *claim) {
	p := u.ports[w.port]
	p.count(-1, w)
	if p.all.total == 0 {
		delete(u.ports, w.port)
		return
	}
	if p.where == nil {
		return
	}
	c := p.where.claims[w.claimKey]
	c.count(-1, w)
	if c.total > 0 {
		return
	}
	delete(p.where.claims, w.claimKey)
	if w.device != 0 {
		p.where.devices--
	}
	if len(p.where.claims) == 1 {
		for k := range p.where.claims {
			p.only = k
		}
		p.where = nil
	}
}

// choosePort picks a free port from the range for the claim: one by chance, or
// the next free one after it (RFC 6056, 3.3.1, algorithm 1). It prefers a port
// that nobody uses over one that could be shared.
func (s *Stack) choosePort(w *claim, low, high uint16) error {
	count := int(high) - int(low) + 1
	first := s.random.below(count)
	for _, shared := range []bool{false, true} {
		if shared && !w.reuseAddr && !w.reusePort {
			break
		}
		for k := range count {
			w.port = low + uint16((first+k)%count)
			if s.reserved(w.port) {
				continue
			}
			if _, taken := s.ports.uses.ports[w.port]; taken {
				strict := *w
				if !shared {
					strict.reuseAddr, strict.reusePort = false, false
				}
				if s.ports.uses.conflicts(&strict) {
					continue
				}
			}
			return nil
		}
	}
	w.port = 0
	return syscall.EADDRINUSE
}

func (s *Stack) reserved(port uint16) bool {
	for _, r := range s.cfg.ReservedPorts {
		if r == port {
			return true
		}
	}
	return false
}
