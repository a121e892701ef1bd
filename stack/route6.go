package stack

import (
	"errors"

	"github.com/castnet-go/castnet/internal/text"
	"github.com/castnet-go/castnet/link"
)

// errIPv4Only is what a stack of NewIPv4 says of IPv6.
var errIPv4Only = errors.New("stack: this stack was made by NewIPv4 and has no IPv6; make it with New")

// routerMetric is the metric of the routes that routers advertise
// (net.ipv6.conf.ra_defrtr_metric): those set by hand go first unless they say
// otherwise.
const routerMetric = 1024

// family returns the name of the address's family, for messages.
func (a address) family() string {
	if a.is4() {
		return "IPv4"
	}
	return "IPv6"
}

// parseRoute6 checks a Route of IPv6 against the state. A gateway is in a prefix that
// is on a link, or link-local, and then the interface has to be named.
func (st *state) parseRoute6(r Route, n route) (route, error) {
	if n.source != none && st.local6(n.source, nil) == nil {
		return n, text.Errorf("stack: the route's source %v is not an address of this host", r.Source)
	}
	if n.kind != RouteUnicast {
		return n, nil
	}
	name := r.Interface
	if zone := r.Gateway.Zone(); zone != "" && name == "" {
		name = zone
	}
	if name != "" {
		i := st.byName(name)
		if i == nil {
			return n, text.Errorf("stack: the route's interface %q does not exist", name)
		}
		n.out = i.Interface
	}
	if n.gateway == none {
		if n.out == nil {
			return n, text.Errorf("stack: the route to %v needs a gateway or an interface", n.destination())
		}
		return n, nil
	}
	switch {
	case st.local6(n.gateway, n.out) != nil:
		return n, text.Errorf("stack: the gateway %v is this host itself", r.Gateway)
	case n.gateway.isMulticast(), n.gateway.isLoopback():
		return n, text.Errorf("stack: the gateway %v is not the address of one host", r.Gateway)
	case n.gateway.isLinkLocal():
		if n.out == nil {
			return n, text.Errorf("stack: the gateway %v is on some link; say by Route.Interface on which", r.Gateway)
		}
		return n, nil
	}
	for _, o := range st.routes6 {
		if o.kind == RouteUnicast && o.gateway == none && n.gateway.under(o.dst, o.bits) && (n.out == nil || n.out == o.out) {
			n.out = o.out
			return n, nil
		}
	}
	if n.out != nil && n.out.kind != link.Ethernet {
		return n, nil // one neighbour: its address need not be on the link
	}
	return n, text.Errorf("stack: the gateway %v is in no prefix that is on an interface's link", r.Gateway)
}

// lookup6 returns the route to a destination, by a given interface if out is not nil.
// It returns nil if there is none. Of default routes alike the first is taken whose
// router has not failed to answer, or else the first (RFC 4861, 6.3.6).
func (st *state) lookup6(dst address, out *Interface) *route {
	var first *route
	for k := range st.routes6 {
		r := &st.routes6[k]
		if first != nil && (r.dst != first.dst || r.bits != first.bits) {
			return first
		}
		if !dst.under(r.dst, r.bits) || out != nil && r.out != out {
			continue
		}
		if r.out == nil {
			if first != nil {
				return first
			}
			return r
		}
		if n := st.byIndex(r.out.index); n == nil || !n.up {
			continue
		}
		if !r.connected || r.gateway == none || !r.out.stack.neighbors.failed(r.out, r.gateway) {
			return r
		}
		if first == nil {
			first = r
		}
	}
	return first
}

// failed reports whether a next hop was asked for and has not answered.
func (t *neighborTable) failed(i *Interface, addr address) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.find(i, addr)
	return n != nil && n.state == NeighborFailed && n.probes > 0
}
