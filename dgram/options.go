package dgram

import (
	"context"
	"math"
	"net/netip"

	"github.com/castnet-go/castnet/host"
	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/socket"
)

// Options say what a socket is like. Type is required.
type Options struct {
	// Type is "udp4" or "udp6".
	Type string

	// On is the network; if nil, the loop's, and if it has none, the operating
	// system's.
	On socket.Network

	// Loop is what calls back; if nil, loop.Default().
	Loop *loop.Loop

	// ReuseAddr lets several sockets bind the port; the last bound hears what is
	// sent to one, all hear groups. ReusePort spreads what is sent to one over
	// them by its flows.
	ReuseAddr, ReusePort bool

	// IPv6Only keeps IPv4 off a udp6 socket.
	IPv6Only bool

	// RecvBufferSize and SendBufferSize, in bytes, are set when the socket has
	// been bound, before 'listening'. If zero, they are the network's default.
	RecvBufferSize, SendBufferSize int

	// Lookup finds the address of a host, of the family of the socket. It is
	// called beside the loop, and asked about literal addresses too. If nil, the
	// network is asked, and not about those.
	Lookup func(ctx context.Context, host string, family socket.Family) (netip.Addr, error)

	// Signal, if not nil, closes the socket when it is done.
	Signal context.Context

	// ReceiveBlockList drops what comes from its addresses. SendBlockList lets
	// nothing be sent, or connected, to its: ERR_IP_BLOCKED.
	ReceiveBlockList, SendBlockList *BlockList

	// Report is what a RemoteInfo shall tell besides the sender. It costs some
	// time for each datagram; if zero, nothing.
	Report socket.Fields

	// MaxPending is how many sends may wait for the bind or for lookups, and
	// MaxQueued how many datagrams for room in the network. If zero, 65536 and a
	// million.
	MaxPending, MaxQueued int
}

func (o *Options) validate() error {
	if o.Type != "udp4" && o.Type != "udp6" {
		return ErrSocketBadType
	}
	for _, size := range [...]struct {
		name  string
		value int
	}{{"options.recvBufferSize", o.RecvBufferSize}, {"options.sendBufferSize", o.SendBufferSize}} {
		if size.value < 0 || int64(size.value) > math.MaxUint32 {
			return errOutOfRange(size.name, size.value)
		}
	}
	return nil
}

func (o *Options) fill() {
	if o.Loop == nil {
		o.Loop = loop.Default()
	}
	if o.On == nil {
		o.On = o.Loop.On()
	}
	if o.On == nil {
		o.On = host.Network{}
	}
	if o.MaxPending <= 0 {
		o.MaxPending = 1 << 16
	}
}
