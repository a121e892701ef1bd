package socket

import (
	"net/netip"
	"syscall"
	"time"
)

// An ErrorMessage is one entry of a socket's error queue: what became of a
// datagram that the socket had sent, or could not send. Socket.TryRecvError
// reads them, once the option [ReceiveErrors] is set.
type ErrorMessage struct {
	// Buf is filled up to its capacity, and resliced, with as much of the
	// datagram's payload as the error tells of. ICMP messages quote at least
	// its header and often some more; errors of the own host quote nothing.
	Buf []byte
	// Len is how much of the payload there was; it is more than len(Buf) if
	// it was cut to fit.
	Len int
	// Addr is where the datagram was sent to. Of an error of the own host on
	// a socket that is not connected the kernel does not tell the port: 0.
	Addr netip.AddrPort

	Errno  syscall.Errno // what it means: ECONNREFUSED, EHOSTUNREACH, EMSGSIZE…
	Origin ErrorOrigin   // who says so
	Type   uint8         // of the ICMP message
	Code   uint8         // of the ICMP message
	// Info is the MTU that is told with EMSGSIZE, or the pointer of a
	// parameter problem; else 0.
	Info uint32
	// Offender is who sent the ICMP message; no address if nobody did.
	Offender netip.Addr

	// Set says which of the fields below hold something. Those that the
	// option [Report] asks for are told of the ICMP message as of a datagram:
	// Local is the address it was sent to.
	Set       Fields
	Local     netip.AddrPort
	Interface int
	TTL, TOS  uint8
	Time      time.Time
}

// Truncated reports whether the payload was cut to fit Buf.
func (m *ErrorMessage) Truncated() bool { return m.Len > len(m.Buf) }

// ErrorOrigin says where an error comes from.
type ErrorOrigin uint8

// The origins, with Linux's numbers.
const (
	OriginLocal  ErrorOrigin = 1 // this host (SO_EE_ORIGIN_LOCAL)
	OriginICMP   ErrorOrigin = 2 // an ICMP message (SO_EE_ORIGIN_ICMP)
	OriginICMPv6 ErrorOrigin = 3 // an ICMPv6 message (SO_EE_ORIGIN_ICMP6)
)

// String returns "local", "icmp" or "icmpv6".
func (o ErrorOrigin) String() string {
	switch o {
	case OriginLocal:
		return "local"
	case OriginICMP:
		return "icmp"
	case OriginICMPv6:
		return "icmpv6"
	}
	return "unknown origin"
}
