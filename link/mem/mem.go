package mem

import (
	"sync/atomic"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// Config says what a wire is like. The zero Config is an Ethernet cable.
type Config struct {
	Kind   link.Kind // if zero, link.Ethernet
	MTU    int       // longest IP packet in bytes; if zero, 1500
	A, B   wire.MAC  // the ends' addresses; if zero, 02:00:00:00:00:0a and …:0b
	Queues int       // that frames are delivered by, at most; if zero, 8

	// Segmentation lets trains pass whole, as Linux's loopback and veth do:
	// the receiver takes them, or cuts them up.
	Segmentation bool
}

// Link is one end of a wire in memory.
type Link struct {
	cfg  Config
	mac  wire.MAC
	most int // longest frame
	peer *Link
	sink atomic.Pointer[attached]
}

// attached is the receiver at an end, in a cache line that nobody writes to.
type attached struct {
	link.Sink
	_ [112]byte
}

var _ link.Link = (*Link)(nil)

// Pair makes a wire and returns its two ends.
func Pair(c Config) (a, b *Link) {
	if c.MTU == 0 {
		c.MTU = 1500
	}
	if c.Queues <= 0 {
		c.Queues = 8
	}
	if c.Kind == link.Ethernet {
		if c.A.IsZero() {
			c.A = wire.MAC{2, 0, 0, 0, 0, 0x0a}
		}
		if c.B.IsZero() {
			c.B = wire.MAC{2, 0, 0, 0, 0, 0x0b}
		}
	}
	most := c.MTU
	if c.Kind == link.Ethernet {
		most += wire.EthernetHeaderLen
	}
	a, b = &Link{cfg: c, mac: c.A, most: most}, &Link{cfg: c, mac: c.B, most: most}
	a.peer, b.peer = b, a
	return a, b
}

// Kind, MTU, Address and Queues say what the wire is.
func (l *Link) Kind() link.Kind   { return l.cfg.Kind }
func (l *Link) MTU() int          { return l.cfg.MTU }
func (l *Link) Address() wire.MAC { return l.mac }
func (l *Link) Queues() int       { return l.cfg.Queues }

// Capabilities returns link.Segmentation, if that was asked for.
func (l *Link) Capabilities() link.Capabilities {
	if l.cfg.Segmentation {
		return link.Segmentation
	}
	return 0
}

// Attach makes sink the receiver at this end, if there is none: else it returns
// link.ErrInUse. Attach(nil) does not wait for writers at the other end that are
// delivering at this moment.
func (l *Link) Attach(sink link.Sink) error {
	if sink == nil {
		l.sink.Store(nil)
		return nil
	}
	if !l.sink.CompareAndSwap(nil, &attached{Sink: sink}) {
		return link.ErrInUse
	}
	return nil
}

// Write delivers the frames at the other end, those before one that is over the MTU
// (link.ErrTooBig), or none if nothing is attached there (link.ErrNoPeer).
func (l *Link) Write(frames []*packet.Buffer) (int, error) {
	if len(frames) == 0 {
		return 0, nil
	}
	sink := l.peer.sink.Load()
	if sink == nil {
		return 0, link.ErrNoPeer
	}
	var err error
	for n, b := range frames {
		if b.Len() > l.most && (b.SegmentSize == 0 || !l.cfg.Segmentation) {
			if n == 0 {
				return 0, link.ErrTooBig
			}
			frames, err = frames[:n], link.ErrTooBig
			break
		}
		b.Orphan()
		b.Mark = 0 // it is the sender's own
	}
	queue, queues := frames[0].Flow, uint32(l.cfg.Queues)
	if queues&(queues-1) == 0 {
		queue &= queues - 1 // as the remainder, without a division
	} else {
		queue %= queues
	}
	sink.Deliver(int(queue), frames)
	return len(frames), err
}

// SetFilter does nothing: a wire carries everything.
func (l *Link) SetFilter(link.Filter) error { return nil }

// Close detaches this end, which may be attached again.
func (l *Link) Close() error { return l.Attach(nil) }
