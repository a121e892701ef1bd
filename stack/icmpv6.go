package stack

import (
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
)

// icmpv6 is the way in for an ICMPv6 message to this host: the packet's IP header is
// at NetworkBytes, the message at TransportBytes.
func (l *lane) icmpv6(b *packet.Buffer, src, dst address, to cast) {
	l.flush()
	l.drop(b, drop.ICMPUnsupported)
}
