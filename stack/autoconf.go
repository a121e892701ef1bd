package stack

import (
	"time"

	"github.com/castnet-go/castnet/wire"
)

// leastValid is below which an advertisement cannot bring an address's lifetime: who
// forges one can else take an address away from a host at once (RFC 4862, 5.5.3).
const leastValid = 2 * time.Hour

// configure makes an address of a prefix that routers advertise for that, or gives the
// one that was made of it new lifetimes (RFC 4862, 5.5.3).
func (x *interface6) configure(p *wire.PrefixInformation, now instant) {
	if p.PreferredLifetime > p.ValidLifetime {
		return
	}
	prefix := addressOf(p.Prefix.Addr())
	preferred, valid := until(now, p.PreferredLifetime), until(now, p.ValidLifetime)
	made := 0
	found := false
	for _, a := range x.addresses {
		if a.origin != OriginRouter {
			continue
		}
		made++
		if p.Prefix.Bits() == a.bits && a.addr.under(prefix, a.bits) {
			found = true
			x.prolong(a, now, preferred, valid)
		}
	}
	if found || p.ValidLifetime == 0 || p.Prefix.Bits() != 64 || made >= x.iface.stack.cfg.Limits.AutoAddresses {
		return
	}
	a := x.stable(prefix, 0)
	if x.find(a.addr) != nil {
		return // it was given by hand
	}
	a.origin, a.preferred, a.valid = OriginRouter, preferred, valid
	x.add(a)
}

// prolong gives an address new lifetimes. That of validity becomes shorter than two
// hours only by the passing of time.
func (x *interface6) prolong(a *address6, now, preferred, valid instant) {
	switch rest := now + leastValid; {
	case valid > rest, valid > a.valid:
		a.valid = valid
	case a.valid > rest:
		a.valid = rest
	}
	a.preferred = min(preferred, a.valid)
	switch {
	case a.state == AddressPreferred && a.preferred <= now:
		a.state, x.changed = AddressDeprecated, true
	case a.state == AddressDeprecated && a.preferred > now:
		a.state, x.changed = AddressPreferred, true
	}
}
