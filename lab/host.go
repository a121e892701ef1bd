package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
)

// A Host is a computer of the lab: a stack, its interfaces, and the tasks that
// run on it. It is a castnet.Network.
type Host struct {
	lab    *Lab
	name   string
	id     fingerprint
	stack  *stack.Stack
	nics   []*nic
	faults *rand.Rand // of its links, in both directions
	rand   *rand.Rand // of its tasks; nil until asked for
	group  int        // in a partition; 0: none
	opened uint64     // sockets so far
	err    error      // why it is not part of the lab; nil: it is
}

// A Router is a host that forwards packets between its interfaces, by the routes
// that it is given.
type Router struct{ Host }

var (
	_ socket.Network  = (*Host)(nil)
	_ socket.Resolver = (*Host)(nil)
	_ socket.Network  = (*Router)(nil)
)

// LinkConfig says how a host is attached to a segment. The zero LinkConfig is an
// interface without an address on a perfect link.
type LinkConfig struct {
	// Addresses are the interface's. Each brings a route to its subnet.
	Addresses []netip.Prefix
	// MTU is the longest IP packet, in bytes, from 68 to 65535; if zero, 1500.
	// Frames that are longer are not sent, and are dropped on arrival
	// (LinkTooBig).
	MTU int
	// Faults strike what the host sends, Receive what it gets.
	Faults, Receive Faults
	// RouterPort tells a switch that snoops that there is a multicast router,
	// whether or not it is heard (mcast_router 2 of Linux's bridge).
	RouterPort bool
	// IPv6 makes the interface speak IPv6 even if it has no such address: it makes
	// itself a link-local one, and, on a host, whatever routers advertise.
	IPv6 bool
	// Advertise makes a router tell the hosts on the segment of itself, and of the
	// prefixes from which they make their addresses. If nil, it does not.
	Advertise *stack.Advertisement
}

// AddHost adds a host. If the name cannot be used, or Config.Stack is wrong, the
// host's Attach and Open and the lab's Run return the reason.
func (l *Lab) AddHost(name string) *Host {
	h := new(Host)
	l.addHost(h, name, false, l.cfg.Stack)
	return h
}

// AddHostWith adds a host whose stack is another kind than Config.Stack; see AddHost.
func (l *Lab) AddHostWith(name string, cfg stack.Config) *Host {
	h := new(Host)
	l.addHost(h, name, false, cfg)
	return h
}

// AddRouter adds a host that forwards; see AddHost.
func (l *Lab) AddRouter(name string) *Router {
	r := new(Router)
	l.addHost(&r.Host, name, true, l.cfg.Stack)
	return r
}

// AddRouterWith adds a router whose stack is another kind than Config.Stack; see
// AddHost.
func (l *Lab) AddRouterWith(name string, cfg stack.Config) *Router {
	r := new(Router)
	l.addHost(&r.Host, name, true, cfg)
	return r
}

func (l *Lab) addHost(h *Host, name string, forwarding bool, cfg stack.Config) {
	l.lock()
	defer l.unlock()
	h.lab, h.name, h.id = l, name, hashStart
	h.id.addString(name)
	h.faults = l.source(name, "faults")
	h.err = l.claim("host", name)
	cfg.Name, cfg.Clock, cfg.Seed, cfg.Tracer, cfg.Forwarding = name, &l.queue, l.derive(name, "stack"), l.tracer, forwarding
	if cfg.DADTransmits == 0 {
		cfg.DADTransmits = -1 // addresses can be used from the start
	}
	var err error
	if h.stack, err = stack.New(cfg); err != nil {
		// A stack is there in any case, so that the mistake is met as an
		// error and not as a nil pointer.
		h.err = cmp.Or(h.err, fmt.Errorf("lab: host %q: %w", name, err))
		l.err = cmp.Or(l.err, h.err)
		h.stack, _ = stack.New(stack.Config{Name: name, Clock: &l.queue, Seed: cfg.Seed})
	}
	if h.err != nil {
		l.strays = append(l.strays, h)
		return
	}
	l.hosts = append(l.hosts, h)
}

// Name returns the host's name.
func (h *Host) Name() string { return h.name }

// Lab returns the lab that the host is in.
func (h *Host) Lab() *Lab { return h.lab }

// Stack returns the host's stack, for what a Host has no method for: neighbours,
// removing routes, counters. Sockets are opened by [Host.Open]: those that the
// stack opens itself cannot be waited for by tasks.
func (h *Host) Stack() *stack.Stack { return h.stack }

// Clock returns the lab's clock.
func (h *Host) Clock() clock.Clock { return &h.lab.queue }

// Realtime reports whether the lab's time is that of the clock on the wall.
func (h *Host) Realtime() bool { return h.lab.cfg.Realtime }

// Rand returns a source of randomness for the host's tasks. It follows from the
// lab's seed and the host's name, and is for one goroutine at a time.
func (h *Host) Rand() *rand.Rand {
	if h.rand == nil {
		h.rand = h.lab.source(h.name, "tasks")
	}
	return h.rand
}

// Interfaces lists the host's interfaces, loopback included.
func (h *Host) Interfaces() ([]socket.Interface, error) { return h.stack.Interfaces() }

// AddRoute adds a route. The zero Destination is the default route.
func (h *Host) AddRoute(r stack.Route) error {
	if h.err != nil {
		return h.err
	}
	return h.stack.AddRoute(r)
}

// Attach gives the host an interface on a segment and brings it up. It returns
// the interface's name: eth0, eth1 and so on. If there is an error, nothing has
// changed.
func (h *Host) Attach(to Segment, cfg LinkConfig) (ifname string, err error) {
	n, err := h.plug(to, cfg)
	if err != nil {
		return "", fmt.Errorf("lab: attaching host %s: %w", h.name, err)
	}
	ifname = n.name
	// From here on the stack is called, which calls the nic: no lock is held.
	i, err := h.stack.AddInterface(ifname, n)
	if err != nil {
		n.Close()
	} else {
		for _, a := range cfg.Addresses {
			if err = i.AddAddress(a); err != nil {
				break
			}
		}
		if err == nil && cfg.IPv6 {
			err = i.EnableIPv6()
		}
		if err == nil && cfg.Advertise != nil {
			err = i.Advertise(*cfg.Advertise)
		}
		if err != nil {
			h.stack.RemoveInterface(ifname) // closes n
		}
	}
	if err != nil {
		return "", fmt.Errorf("lab: attaching host %s to %s: %w", h.name, to.Name(), err)
	}
	h.lab.lock()
	h.nics = append(h.nics, n)
	h.lab.unlock()
	return ifname, nil
}

// plug makes a nic on a segment.
func (h *Host) plug(to Segment, cfg LinkConfig) (*nic, error) {
	l := h.lab
	l.lock()
	defer l.unlock()
	ifname := fmt.Sprintf("eth%d", len(h.nics))
	if cfg.MTU == 0 {
		cfg.MTU = defaultMTU
	}
	switch {
	case h.err != nil:
		return nil, h.err
	case l.closed:
		return nil, errClosed
	case absent(to):
		return nil, errors.New("to no segment")
	case to.base().err != nil:
		return nil, to.base().err
	case to.base().lab != l:
		return nil, fmt.Errorf("%s is in another lab", to.Name())
	case cfg.MTU < minMTU || cfg.MTU > maxMTU:
		return nil, fmt.Errorf("MTU is %d; it can be from %d to %d", cfg.MTU, minMTU, maxMTU)
	}
	if err := cfg.Faults.Validate(); err != nil {
		return nil, fmt.Errorf("faults of sending: %w", err)
	}
	if err := cfg.Receive.Validate(); err != nil {
		return nil, fmt.Errorf("faults of receiving: %w", err)
	}
	n := &nic{lab: l, host: h, on: to, name: ifname, mtu: int32(cfg.MTU), up: true, id: h.id, router: cfg.RouterPort}
	n.id.addString(ifname)
	n.send = direction{nic: n}
	n.get = direction{nic: n, receive: true}
	n.send.set(cfg.Faults)
	n.get.set(cfg.Receive)
	if l.capture != nil {
		if err := l.capture.open(n, to); err != nil {
			return nil, err
		}
	}
	at, err := to.attach(n)
	if err != nil {
		return nil, err
	}
	n.at = at
	n.mac = l.mac(h.name, ifname)
	return n, nil
}

func (h *Host) nic(ifname string) (*nic, error) {
	for _, n := range h.nics {
		if n.name == ifname {
			return n, nil
		}
	}
	return nil, fmt.Errorf("lab: host %s has no interface %q on a segment", h.name, ifname)
}

// SetFaults changes the faults of a link, for the frames that are sent from now
// on: send strikes what the host sends, receive what it gets.
func (h *Host) SetFaults(ifname string, send, receive Faults) error {
	h.lab.lock()
	defer h.lab.unlock()
	n, err := h.nic(ifname)
	if err != nil {
		return err
	}
	if err := send.Validate(); err != nil {
		return fmt.Errorf("lab: host %s: %s: faults of sending: %w", h.name, ifname, err)
	}
	if err := receive.Validate(); err != nil {
		return fmt.Errorf("lab: host %s: %s: faults of receiving: %w", h.name, ifname, err)
	}
	n.send.set(send)
	n.get.set(receive)
	return nil
}

// Faults returns the faults of a link.
func (h *Host) Faults(ifname string) (send, receive Faults, err error) {
	h.lab.lock()
	defer h.lab.unlock()
	n, err := h.nic(ifname)
	if err != nil {
		return Faults{}, Faults{}, err
	}
	return n.send.faults, n.get.faults, nil
}

// SetLink pulls the plug of an interface, or puts it in again. Unplugged, it
// sends nothing, and what was under way to it or from it is lost when it would
// arrive (drop LinkDown). Addresses and routes stay, as they do on Linux. A switch
// that snoops forgets who was there.
func (h *Host) SetLink(ifname string, up bool) error {
	h.lab.lock()
	defer h.lab.unlock()
	n, err := h.nic(ifname)
	if err != nil {
		return err
	}
	if n.at == nil {
		return fmt.Errorf("lab: host %s: interface %s was removed", h.name, ifname)
	}
	was := n.up
	n.up = up
	if p, ok := n.at.(*port); ok && p.sw.snooper != nil {
		switch {
		case up && !was:
			p.sw.snooper.plugged(p)
		case was && !up:
			p.sw.snooper.unplug(p)
		}
	}
	return nil
}

// LookupNetIP returns the addresses of a host of the lab: first those in a subnet of
// which this host is too, and of those the IPv4 ones. It makes names work in
// castnet's calls. Link-local addresses are left out: they mean nothing without an
// interface.
func (h *Host) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if host == "localhost" {
		return h.stack.LookupNetIP(ctx, network, host)
	}
	var addrs []netip.Addr
	if o := h.lab.Host(host); o != nil {
		addrs = slices.DeleteFunc(o.addresses(), func(a netip.Addr) bool {
			return a.IsLinkLocalUnicast() && a.Is6() || network == "ip4" && !a.Is4() || network == "ip6" && a.Is4()
		})
	}
	if len(addrs) == 0 {
		return nil, &socket.NameError{Name: host}
	}
	near := h.prefixes()
	slices.SortStableFunc(addrs, func(a, b netip.Addr) int {
		return cmp.Or(within(b, near)-within(a, near), a.BitLen()-b.BitLen())
	})
	return addrs, nil
}

// within is 1 if one of the prefixes contains a, else 0.
func within(a netip.Addr, prefixes []netip.Prefix) int {
	for _, p := range prefixes {
		if p.Contains(a) {
			return 1
		}
	}
	return 0
}

// prefixes returns the host's addresses on segments.
func (h *Host) prefixes() (list []netip.Prefix) {
	is, _ := h.stack.Interfaces()
	for _, i := range is {
		if !i.Loopback {
			list = append(list, i.Addresses...)
		}
	}
	return list
}

func (h *Host) addresses() (list []netip.Addr) {
	for _, p := range h.prefixes() {
		list = append(list, p.Addr())
	}
	return list
}
