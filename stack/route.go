package stack

import (
	"net/netip"
	"syscall"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/internal/text"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/wire"
)

// RouteType says what becomes of packets that a route matches.
type RouteType uint8

// The types of routes, by the names that "ip route" has for them.
const (
	RouteUnicast     RouteType = iota // sent on
	RouteUnreachable                  // refused with EHOSTUNREACH
	RouteProhibit                     // refused with EACCES
	RouteBlackhole                    // refused with EINVAL; forwarded ones vanish
)

// String returns the name that "ip route" has for the type.
func (t RouteType) String() string {
	switch t {
	case RouteUnicast:
		return "unicast"
	case RouteUnreachable:
		return "unreachable"
	case RouteProhibit:
		return "prohibit"
	case RouteBlackhole:
		return "blackhole"
	}
	return text.Sprintf("RouteType(%d)", uint8(t))
}

// A Route says where packets to a range of destinations go. The zero Route is
// not valid: a unicast route needs a gateway or an interface.
type Route struct {
	// Destination is the range. If zero, everything: the default route.
	Destination netip.Prefix
	// Gateway is the next hop. If zero, destinations are on the link.
	Gateway netip.Addr
	// Interface is the name of the way out. If empty, it is the interface
	// whose subnet the gateway is in.
	Interface string
	// Source is the source address of what is sent by this route. If zero,
	// it is the interface's address in the next hop's subnet, else its first.
	Source netip.Addr
	// Metric ranks routes to the same range: the lowest is taken.
	Metric int
	// Type is what becomes of the packets. If zero, they are sent on.
	Type RouteType
}

// route is a Route as the state keeps it.
type route struct {
	dst             address
	gateway, source address // zero: none
	bits, metric    int
	kind            RouteType
	out             *Interface            // nil unless unicast
	connected       bool                  // made by AddAddress, or by what a router advertises
	preference      wire.RouterPreference // of the router (RFC 4191)
}

// maxRoutes bounds the routing table, which is searched from front to back.
const maxRoutes = 4096

// AddRoute adds a route. The gateway must be in the subnet of an interface. A
// second route to the same destination with the same metric is refused.
func (s *Stack) AddRoute(r Route) error {
	return s.update(func(st *state) error {
		n, err := s.parseRoute(st, r)
		if err != nil {
			return err
		}
		table := st.table(n.dst)
		if len(*table) >= maxRoutes {
			return text.Errorf("stack: the routing table is full: %d routes", maxRoutes)
		}
		for _, o := range *table {
			if o.dst == n.dst && o.bits == n.bits && o.metric == n.metric && (n.dst.is4() || !o.connected && o.out == n.out) {
				return text.Errorf("stack: there is a route to %v with metric %d already", o.destination(), o.metric)
			}
		}
		*table = append(*table, n)
		sortRoutes(*table)
		return nil
	})
}

// RemoveRoute takes away the route that AddRoute made of the same Route, even if
// it could not be added any more. The route to an address's subnet goes with the
// address.
func (s *Stack) RemoveRoute(r Route) error {
	return s.update(func(st *state) error {
		n, err := r.parse()
		if err != nil {
			return err
		}
		table := st.table(n.dst)
		for k, o := range *table {
			n.connected, n.out = false, o.out
			if o == n && (r.Interface == "" || o.out != nil && o.out.name == r.Interface) {
				*table = append((*table)[:k], (*table)[k+1:]...)
				return nil
			}
		}
		return text.Errorf("stack: there is no such route to %v", n.destination())
	})
}

// Routes returns the routes in the order in which they are looked at, those
// that AddAddress made included: first IPv4's, then IPv6's, with those that routers
// have advertised, but for those to groups.
func (s *Stack) Routes() []Route {
	st := s.state.Load()
	list := make([]Route, 0, len(st.routes)+len(st.routes6))
	for _, table := range [][]route{st.routes, st.routes6} {
		for _, r := range table {
			x := Route{Destination: r.destination(), Metric: r.metric, Type: r.kind}
			if r.connected && r.dst.isMulticast() {
				continue
			}
			if r.gateway != none {
				x.Gateway = r.gateway.netip()
			}
			if r.source != none {
				x.Source = r.source.netip()
			}
			if r.out != nil {
				x.Interface = r.out.name
			}
			list = append(list, x)
		}
	}
	return list
}

// none is what a route has instead of an address that it does not have.
var none address

// table returns the routing table of an address's family.
func (st *state) table(a address) *[]route {
	if a.is4() {
		return &st.routes
	}
	return &st.routes6
}

func (r route) destination() netip.Prefix { return netip.PrefixFrom(r.dst.netip(), r.bits) }

// parse checks a Route by itself. What it returns lacks the way out.
func (r Route) parse() (route, error) {
	n := route{dst: unspecified4.address(), metric: r.Metric, kind: r.Type}
	if r.Destination == (netip.Prefix{}) && (r.Gateway.Is6() || r.Source.Is6()) {
		n.dst = unspecified6
	}
	if r.Destination != (netip.Prefix{}) {
		if !r.Destination.IsValid() || r.Destination.Addr().Is4In6() {
			return n, text.Errorf("stack: the route's destination %v is not a prefix", r.Destination)
		}
		p := r.Destination.Masked()
		if p != r.Destination {
			return n, text.Errorf("stack: the route's destination %v has bits beyond its prefix; did you mean %v?", r.Destination, p)
		}
		n.dst, n.bits = addressOf(p.Addr()), p.Bits()
	}
	if r.Gateway.IsValid() {
		if n.gateway = addressOf(r.Gateway); n.gateway.is4() != n.dst.is4() || r.Gateway.Is4In6() {
			return n, text.Errorf("stack: the gateway %v is not %s", r.Gateway, n.dst.family())
		}
	}
	if r.Source.IsValid() {
		if n.source = addressOf(r.Source); n.source.is4() != n.dst.is4() || r.Source.Is4In6() {
			return n, text.Errorf("stack: the route's source %v is not %s", r.Source, n.dst.family())
		}
	}
	switch r.Type {
	case RouteUnicast:
	case RouteUnreachable, RouteProhibit, RouteBlackhole:
		if r.Gateway.IsValid() || r.Interface != "" {
			return n, text.Errorf("stack: a route of type %v has neither gateway nor interface", r.Type)
		}
	default:
		return n, text.Errorf("stack: %v is no type of routes", r.Type)
	}
	return n, nil
}

// parseRoute checks a Route against the state.
func (s *Stack) parseRoute(st *state, r Route) (route, error) {
	n, err := r.parse()
	if err != nil {
		return n, err
	}
	if !n.dst.is4() {
		if s.six == nil {
			return n, errIPv4Only
		}
		return s.six.parseRoute(st, r, n)
	}
	if n.source != none && st.local(n.source.ipv4()) == nil {
		return n, text.Errorf("stack: the route's source %v is not an address of this host", r.Source)
	}
	if n.kind != RouteUnicast {
		return n, nil
	}
	if r.Interface != "" {
		i := st.byName(r.Interface)
		if i == nil {
			return n, text.Errorf("stack: the route's interface %q does not exist", r.Interface)
		}
		n.out = i.Interface
	}
	if n.gateway == none {
		if n.out == nil {
			return n, text.Errorf("stack: the route to %v needs a gateway or an interface", n.destination())
		}
		return n, nil
	}
	gateway := n.gateway.ipv4()
	switch {
	case st.local(gateway) != nil:
		return n, text.Errorf("stack: the gateway %v is this host itself", r.Gateway)
	case gateway.isMulticast(), gateway == broadcast4, st.broadcasts(gateway) != nil:
		return n, text.Errorf("stack: the gateway %v is not the address of one host", r.Gateway)
	}
	for _, i := range st.interfaces {
		if n.out != nil && n.out != i.Interface {
			continue
		}
		for _, a := range i.addresses {
			if a.contains(gateway) {
				n.out = i.Interface
				return n, nil
			}
		}
	}
	if n.out != nil && n.out.kind != link.Ethernet {
		return n, nil // one neighbour: its address need not be in a subnet
	}
	return n, text.Errorf("stack: the gateway %v is in no interface's subnet", r.Gateway)
}

// addConnected adds the route to an address's subnet.
func (st *state) addConnected(i *Interface, a ifaddr) {
	r := route{dst: (a.addr & mask4(a.bits)).address(), bits: a.bits, out: i, source: a.addr.address(), connected: true}
	for _, o := range st.routes {
		if o.connected && o.dst == r.dst && o.bits == r.bits && o.out == i {
			return // the subnet's first address is its source
		}
	}
	st.routes = append(st.routes, r)
	sortRoutes(st.routes)
}

// removeConnected takes away what depends on an address: the route to its
// subnet, unless another address is in it, and routes with it as their source.
func (st *state) removeConnected(n *netif, a ifaddr) {
	kept := st.routes[:0:0]
	for _, r := range st.routes {
		if r.source == a.addr.address() {
			if !r.connected || r.out != n.Interface {
				continue
			}
			r.source = none
			for _, o := range n.addresses {
				if o.bits == r.bits && o.contains(a.addr) {
					r.source = o.addr.address()
					break
				}
			}
			if r.source == none {
				continue
			}
		}
		kept = append(kept, r)
	}
	st.routes = kept
}

// lookup returns the route to a destination, by a given interface if out is
// not nil. It returns nil if there is none.
func (st *state) lookup(dst ipv4, out *Interface) *route {
	for k := range st.routes {
		r := &st.routes[k]
		if (dst^r.dst.ipv4())&mask4(r.bits) != 0 {
			continue
		}
		if out != nil && r.out != out {
			continue // a route that refuses is no interface's
		}
		if r.out != nil {
			if n := st.byIndex(r.out.index); n == nil || !n.up {
				continue
			}
		}
		return r
	}
	return nil
}

// refusal returns what a socket is told of a route that refuses, and why a
// packet that met it is dropped. The type is not RouteUnicast.
func (t RouteType) refusal() (error, drop.Reason) {
	switch t {
	case RouteProhibit:
		return syscall.EACCES, drop.RouteProhibited
	case RouteBlackhole:
		return syscall.EINVAL, drop.RouteBlackhole
	}
	return syscall.EHOSTUNREACH, drop.RouteUnreachable
}

// sourceFor returns the address to send from by route r, which leaves by n,
// towards the next hop: the route's own, else the interface's address in the
// next hop's subnet, else its first, else any of the host's; 0 if it has none.
func (st *state) sourceFor(r *route, n *netif, hop ipv4) ipv4 {
	if r != nil && r.source != none {
		return r.source.ipv4()
	}
	for _, a := range n.addresses {
		if a.contains(hop) {
			return a.addr
		}
	}
	if len(n.addresses) > 0 {
		return n.addresses[0].addr
	}
	for _, o := range st.interfaces {
		if o.kind != link.Loopback && len(o.addresses) > 0 {
			return o.addresses[0].addr
		}
	}
	return 0
}
