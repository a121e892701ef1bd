package socket

import "github.com/castnet-go/castnet/internal/text"

// An Option is something that can be set on a socket or asked of it. Its value
// is an int; booleans are 0 and 1.
type Option uint8

// The options. The name in brackets is Linux's.
const (
	_ Option = iota

	ReuseAddr     // bool: share the port; the last bound hears unicast (SO_REUSEADDR)
	ReusePort     // bool: share the port; flows are spread over the sockets (SO_REUSEPORT)
	IPv6Only      // bool: no IPv4 on an IPv6 socket; before Bind (IPV6_V6ONLY)
	FreeBind      // bool: bind to addresses that are not local (IP_FREEBIND)
	BindInterface // interface index, 0: all: send and receive there only; ENODEV if there is none (SO_BINDTOIFINDEX)
	Broadcast     // bool: permission to send to broadcast addresses (SO_BROADCAST)
	NoChecksum    // bool: send IPv4 datagrams without a checksum (SO_NO_CHECK)

	// Transparent is a bool: bind to addresses that are not local, and send
	// from them, by Bind or by a Message's Local. Setting it is EPERM without
	// a privilege. A Message's Local may then have another port than the
	// socket: package stack sends from it, and the operating system, which
	// cannot, says EINVAL. 0 is the socket's own (IP_TRANSPARENT).
	Transparent

	// Mark is a number, 0 to 1<<32-1, that what is sent carries inside this
	// host: the operating system's rules and routes go by it, a stack's hooks
	// see it. Setting it is EPERM without a privilege (SO_MARK).
	Mark

	// ReceiveBuffer and SendBuffer are in bytes of true size, as read. As on
	// Linux, what is set is capped by the network's maximum and doubled, and
	// a negative size, which the kernel takes for a very large one, is that
	// maximum.
	ReceiveBuffer // (SO_RCVBUF)
	SendBuffer    // (SO_SNDBUF)

	TTL          // 1..255, -1: the default, 64 (IP_TTL, IPV6_UNICAST_HOPS)
	TOS          // 0..255 (IP_TOS, IPV6_TCLASS)
	DontFragment // bool: MTUDiscovery is DiscoveryOn, or off; read, whether it is DiscoveryOn or DiscoveryProbe
	PathMTU      // bytes; read only, of a connected socket (IP_MTU)

	MulticastTTL       // 0..255, -1: the default, 1 (IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS)
	MulticastLoopback  // bool, on by default: own copies of what is sent to groups (IP_MULTICAST_LOOP)
	MulticastInterface // interface index, 0: by route; EADDRNOTAVAIL if there is none (IP_MULTICAST_IF)
	MulticastAll       // bool, on by default: hear groups that other sockets joined (IP_MULTICAST_ALL)

	// Report is a set of Fields that received messages shall carry.
	Report

	// ReceiveErrors is a bool: report every error, on a socket that is not
	// connected too, and keep the details for TryRecvError. Turning it off
	// empties the error queue (IP_RECVERR).
	ReceiveErrors

	// PortRange limits the ephemeral ports: low | high<<16; 0: the network's
	// range (IP_LOCAL_PORT_RANGE).
	PortRange

	// Error reads the pending error and clears it, as a number of
	// syscall.Errno; 0: none. Read only (SO_ERROR).
	Error

	// NextSize reads the length of the first datagram in the receive queue,
	// 0 if there is none. Read only (FIONREAD).
	NextSize

	// SendQueued reads how many bytes of the send buffer are in use. Read
	// only (TIOCOUTQ).
	SendQueued

	// MTUDiscovery is a [Discovery] (IP_MTU_DISCOVER).
	MTUDiscovery

	// AutoFlowLabel is a bool, on by default: what is sent over IPv6 has a flow label, by
	// which routers may spread flows without looking at ports: a secret hash of its
	// addresses and ports (RFC 6437). An IPv6 socket's (IPV6_AUTOFLOWLABEL).
	AutoFlowLabel

	optionEnd
)

// Options is one more than the highest Option.
const Options = int(optionEnd)

var optionNames = [...]string{
	ReuseAddr: "ReuseAddr", ReusePort: "ReusePort", IPv6Only: "IPv6Only", FreeBind: "FreeBind", Transparent: "Transparent", Mark: "Mark",
	BindInterface: "BindInterface", Broadcast: "Broadcast", NoChecksum: "NoChecksum",
	ReceiveBuffer: "ReceiveBuffer", SendBuffer: "SendBuffer",
	TTL: "TTL", TOS: "TOS", DontFragment: "DontFragment", PathMTU: "PathMTU",
	MulticastTTL: "MulticastTTL", MulticastLoopback: "MulticastLoopback",
	MulticastInterface: "MulticastInterface", MulticastAll: "MulticastAll",
	Report: "Report", ReceiveErrors: "ReceiveErrors", PortRange: "PortRange",
	Error: "Error", NextSize: "NextSize", SendQueued: "SendQueued",
	MTUDiscovery: "MTUDiscovery", AutoFlowLabel: "AutoFlowLabel",
}

// String returns the option's name.
func (o Option) String() string {
	if int(o) < len(optionNames) && optionNames[o] != "" {
		return optionNames[o]
	}
	return text.Sprintf("Option(%d)", uint8(o))
}
