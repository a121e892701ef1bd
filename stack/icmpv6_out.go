package stack

import (
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// icmpError6 is an ICMPv6 error message to be sent.
type icmpError6 struct {
	t    wire.ICMPv6Type
	code wire.ICMPv6Code
	// rest is what packet too big and parameter problem say: the MTU, or where the
	// problem is, counted from the IP header.
	rest uint32
}

// sendError6 sends the sender of a packet, whose IP header is at NetworkBytes, an error
// message that quotes it, unless that is forbidden or too many were sent.
func (s *Stack) sendError6(st *state, b *packet.Buffer, e icmpError6) {}

// unreachable6 ends a packet, which begins with the link's header, whose next hop did
// not answer.
func (s *Stack) unreachable6(i *Interface, b *packet.Buffer) {
	i.drop(b, drop.NeighborUnreachable)
}
