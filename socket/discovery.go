package socket

import "github.com/castnet-go/castnet/internal/text"

// A Discovery is a way of path MTU discovery: what a socket does with datagrams
// over the MTU, and whether it forbids routers to cut those below it. It is the
// value of the option [MTUDiscovery].
type Discovery int

// The ways, with Linux's numbers (IP_PMTUDISC_…).
const (
	// DiscoveryOff sends everything with permission to fragment it, and cuts
	// what is over the path MTU.
	DiscoveryOff Discovery = 0
	// DiscoveryWant, the default, forbids routers to fragment what fits the
	// path MTU as far as it is known, and so learns of a smaller one; it cuts
	// what is longer.
	DiscoveryWant Discovery = 1
	// DiscoveryOn forbids to fragment; what is over the path MTU is EMSGSIZE.
	DiscoveryOn Discovery = 2
	// DiscoveryProbe forbids to fragment and pays no heed to the path MTU:
	// EMSGSIZE is what is over the interface's. It is for programs that find
	// the path MTU out by probing, such as QUIC (RFC 8899, 9000).
	DiscoveryProbe Discovery = 3
	// DiscoveryInterface permits routers to fragment, does not believe what
	// is said of the path MTU, and refuses with EMSGSIZE what is over the
	// interface's MTU.
	DiscoveryInterface Discovery = 4
	// DiscoveryOmit is DiscoveryInterface, but cuts what is over the
	// interface's MTU.
	DiscoveryOmit Discovery = 5
)

var discoveryNames = [...]string{"off", "want", "on", "probe", "interface", "omit"}

// String returns "off", "want", "on", "probe", "interface" or "omit".
func (d Discovery) String() string {
	if d >= 0 && int(d) < len(discoveryNames) {
		return discoveryNames[d]
	}
	return text.Sprintf("Discovery(%d)", int(d))
}
