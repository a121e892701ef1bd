package stack

import "github.com/castnet-go/castnet/socket"

// fragmentation says what is done with datagrams over the MTU, and which MTU that
// is: a socket.Discovery, in an order that makes the default zero.
type fragmentation uint8

const (
	fragmentWant      fragmentation = iota // DiscoveryWant: don't-fragment is set on what fits
	fragmentAllow                          // DiscoveryOff
	fragmentNever                          // DiscoveryOn
	fragmentProbe                          // DiscoveryProbe
	fragmentInterface                      // DiscoveryInterface
	fragmentOmit                           // DiscoveryOmit
)

// fragmentationOf returns the fragmentation that the option MTUDiscovery asks for.
func fragmentationOf(d socket.Discovery) fragmentation {
	switch d {
	case socket.DiscoveryOff:
		return fragmentAllow
	case socket.DiscoveryWant:
		return fragmentWant
	}
	return fragmentation(d)
}

func (f fragmentation) discovery() socket.Discovery {
	switch f {
	case fragmentAllow:
		return socket.DiscoveryOff
	case fragmentWant:
		return socket.DiscoveryWant
	}
	return socket.Discovery(f)
}

// heedsPath reports whether the path's MTU counts, and not the interface's (Linux's
// ip_sk_use_pmtu).
func (f fragmentation) heedsPath() bool { return f <= fragmentNever }

// believes reports whether what is said of the path's MTU is believed (Linux's
// ip_sk_accept_pmtu).
func (f fragmentation) believes() bool { return f != fragmentInterface && f != fragmentOmit }

// refuses reports whether what is over the MTU is refused, and not fragmented
// (Linux's ip_sk_ignore_df, negated).
func (f fragmentation) refuses() bool {
	return f == fragmentNever || f == fragmentProbe || f == fragmentInterface
}

// forbids reports whether routers are forbidden to fragment what fits, on a path
// that is locked or is not (Linux's __ip_make_skb).
func (f fragmentation) forbids(locked bool) bool {
	return f == fragmentNever || f == fragmentProbe || f == fragmentWant && !locked
}
