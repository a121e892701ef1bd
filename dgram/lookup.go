package dgram

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"github.com/castnet-go/castnet/socket"
)

// lookups are those under way.
type lookups struct {
	ctx  context.Context
	stop context.CancelFunc
	// shared are the network's, by name: who asks for the same meanwhile waits
	// for the same answer.
	shared  map[string]*lookup
	pending int // sends that wait
}

type lookup struct{ then []func(netip.Addr, error) }

func (l *lookups) init() { l.shared = make(map[string]*lookup) }

// cancel ends those under way: what they find is not wanted any more.
func (l *lookups) cancel() {
	if l.stop != nil {
		l.stop()
	}
}

// literal returns the address that is written out, unless a function of the caller's
// is to be asked.
func (s *Socket) literal(address string) (netip.Addr, bool) {
	if s.opts.Lookup != nil {
		return netip.Addr{}, false
	}
	ip, err := netip.ParseAddr(address)
	return ip, err == nil
}

// resolve finds an address and calls then with it: a literal one at once, unless later
// is set, any other when it is found.
func (s *Socket) resolve(address string, later bool, then func(netip.Addr, error)) {
	if ip, ok := s.literal(address); ok {
		if later {
			s.loop.NextTick(func() { then(ip, nil) })
		} else {
			then(ip, nil)
		}
		return
	}
	l := &s.lookups
	if l.ctx == nil {
		l.ctx, l.stop = context.WithCancel(context.Background())
	}
	one := l.shared[address]
	if one != nil {
		one.then = append(one.then, then)
		return
	}
	one = &lookup{then: []func(netip.Addr, error){then}}
	if s.opts.Lookup == nil {
		l.shared[address] = one
	}
	var ip netip.Addr
	var err error
	s.loop.Work(l.ctx, func(ctx context.Context) {
		ip, err = s.ask(ctx, address)
	}, func() {
		if s.opts.Lookup == nil {
			delete(l.shared, address)
		}
		if err != nil {
			err = lookupError(address, err)
		}
		for _, then := range one.then {
			then(ip, err)
		}
	})
}

// ask looks a name up, beside the loop.
func (s *Socket) ask(ctx context.Context, name string) (netip.Addr, error) {
	if f := s.opts.Lookup; f != nil {
		return f(ctx, name, s.family)
	}
	r, ok := s.opts.On.(socket.Resolver)
	if !ok {
		return netip.Addr{}, &net.DNSError{Err: "this network resolves no names", Name: name, IsNotFound: true}
	}
	network := "ip4"
	if s.family == socket.IPv6 {
		network = "ip6"
	}
	list, err := r.LookupNetIP(ctx, network, name)
	if err != nil {
		return netip.Addr{}, err
	}
	for _, ip := range list {
		if s.suits(ip.Unmap()) {
			return ip.Unmap(), nil
		}
	}
	return netip.Addr{}, &net.DNSError{Err: errors.New("no address of the family").Error(), Name: name, IsNotFound: true}
}
