package drop

import "github.com/castnet-go/castnet/internal/text"

// A Reason says why a datagram ended without being delivered.
// The zero value, None, means that it was not dropped.
type Reason uint8

// The reasons, in the order in which a datagram meets them on its way: the
// link, the frame, the packet, the route, the neighbour, the socket.
const (
	None Reason = iota

	// On the link.

	LinkLoss      // a link's random loss, or a partition, took it
	LinkDown      // the link or the interface was down
	LinkQueueFull // the link's transmit queue was full
	LinkOverrun   // more came in by the link than its receive queue could hold
	LinkTooBig    // longer than the link's MTU
	LinkError     // the device refused it
	LinkNoPeer    // nothing is attached to the other end

	// The frame.

	BacklogFull      // the ingress ring was full while its stack was delivering
	FrameMalformed   // too short for its header
	MACFiltered      // the card's filter: not our address, and no group of ours
	UnknownEtherType // neither IP nor ARP, and no handler for it

	// The packet.

	PacketMalformed     // an IP header that contradicts itself or the frame
	BadChecksum         // the IP, UDP or ICMP checksum is wrong
	MissingChecksum     // a UDP checksum of zero over IPv6 (RFC 8200, 8.1)
	OptionsRejected     // IP options, or extension headers, that are malformed or not accepted
	MartianSource       // a source address that cannot be (RFC 1812, 5.3.7)
	MartianDestination  // a destination address that cannot be
	NotLocal            // not addressed to this host, which does not forward
	NotAMember          // a group that nobody here has joined
	ReassemblyTimeout   // the rest of its fragments never came
	ReassemblyOverlap   // its fragments overlap (RFC 5722)
	ReassemblyDuplicate // a fragment that had come already
	ReassemblyMalformed // its fragments contradict each other, or one has no bytes
	ReassemblyTooLong   // its fragments make more than 65,535 bytes
	ReassemblyECN       // some of its fragments are capable of ECN, some are not (RFC 3168, 5.3)
	ReassemblyStale     // too many fragments came since: its identification is used again
	ReassemblyMemory    // the memory for fragments was used up
	UnknownProtocol     // no handler for its IP protocol
	ICMPUnmatched       // an ICMP error that quotes nothing of ours
	ICMPUnsupported     // an ICMP message of a type that is not answered
	NDPInvalid          // a neighbour discovery message that cannot be (RFC 4861, 6.1 and 7.1)
	DatagramMalformed   // a UDP or ICMP length that contradicts the packet

	// The way out.

	TTLExpired          // its time to live reached zero on the way
	NoRoute             // no route to its destination
	RouteUnreachable    // an unreachable route (EHOSTUNREACH)
	RouteProhibited     // a prohibit route (EACCES)
	RouteBlackhole      // a blackhole route
	PacketTooBig        // over the MTU and not to be fragmented
	NeighborUnreachable // nobody answered for the next hop
	NeighborQueueFull   // too many packets waited for the next hop's address

	// The socket.

	NoPort           // no socket for its address and port
	SourceFiltered   // the socket does not want this source
	ReceiveQueueFull // the receive buffer was full
	SocketShutdown   // the socket was shut down for reading
	SocketClosed     // the socket was closed with the datagram unread
	Filtered         // a hook refused it
	NoFlow           // of no flow that could be answered: port 0, or to many
	FlowTableFull    // the first datagram of a flow for which there was no room
	BlockListed      // read, and refused by the program: its list of blocked addresses has the sender

	reasonCount
)

// Count is one more than the highest Reason that there can be: castnet's own,
// None included, and MaxRegistered more. Some may have no name.
const Count = int(reasonCount) + MaxRegistered

var names = [reasonCount]string{
	None:                "None",
	LinkLoss:            "LinkLoss",
	LinkDown:            "LinkDown",
	LinkQueueFull:       "LinkQueueFull",
	LinkOverrun:         "LinkOverrun",
	LinkTooBig:          "LinkTooBig",
	LinkError:           "LinkError",
	LinkNoPeer:          "LinkNoPeer",
	BacklogFull:         "BacklogFull",
	FrameMalformed:      "FrameMalformed",
	MACFiltered:         "MACFiltered",
	UnknownEtherType:    "UnknownEtherType",
	PacketMalformed:     "PacketMalformed",
	BadChecksum:         "BadChecksum",
	MissingChecksum:     "MissingChecksum",
	OptionsRejected:     "OptionsRejected",
	MartianSource:       "MartianSource",
	MartianDestination:  "MartianDestination",
	NotLocal:            "NotLocal",
	NotAMember:          "NotAMember",
	ReassemblyTimeout:   "ReassemblyTimeout",
	ReassemblyOverlap:   "ReassemblyOverlap",
	ReassemblyDuplicate: "ReassemblyDuplicate",
	ReassemblyMalformed: "ReassemblyMalformed",
	ReassemblyTooLong:   "ReassemblyTooLong",
	ReassemblyECN:       "ReassemblyECN",
	ReassemblyStale:     "ReassemblyStale",
	ReassemblyMemory:    "ReassemblyMemory",
	UnknownProtocol:     "UnknownProtocol",
	ICMPUnmatched:       "ICMPUnmatched",
	ICMPUnsupported:     "ICMPUnsupported",
	NDPInvalid:          "NDPInvalid",
	DatagramMalformed:   "DatagramMalformed",
	TTLExpired:          "TTLExpired",
	NoRoute:             "NoRoute",
	RouteUnreachable:    "RouteUnreachable",
	RouteProhibited:     "RouteProhibited",
	RouteBlackhole:      "RouteBlackhole",
	PacketTooBig:        "PacketTooBig",
	NeighborUnreachable: "NeighborUnreachable",
	NeighborQueueFull:   "NeighborQueueFull",
	NoPort:              "NoPort",
	SourceFiltered:      "SourceFiltered",
	ReceiveQueueFull:    "ReceiveQueueFull",
	SocketShutdown:      "SocketShutdown",
	SocketClosed:        "SocketClosed",
	Filtered:            "Filtered",
	NoFlow:              "NoFlow",
	FlowTableFull:       "FlowTableFull",
	BlockListed:         "BlockListed",
}

// String returns the reason's stable name.
func (r Reason) String() string {
	if r < reasonCount {
		return names[r]
	}
	if own := own(); int(r-reasonCount) < len(own) {
		return own[r-reasonCount]
	}
	return text.Sprintf("Reason(%d)", uint8(r))
}

// MarshalText returns the stable name, so that a Reason can be a JSON value
// or a JSON object's key.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText accepts a stable name.
func (r *Reason) UnmarshalText(b []byte) error {
	for i, name := range names {
		if name == string(b) {
			*r = Reason(i)
			return nil
		}
	}
	for i, name := range own() {
		if name == string(b) {
			*r = reasonCount + Reason(i)
			return nil
		}
	}
	return text.Errorf("drop: no reason is called %q", b)
}
