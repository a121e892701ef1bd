package stack

import (
	"sync/atomic"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// loopbackQueues is the number of lanes of "lo": flows that talk to each other
// on different cores seldom meet in one.
const loopbackQueues = 4

// loopback is the link of the interface "lo": what is written comes back, in
// the same call. Its packets have no Ethernet header, and it vouches for their
// checksums.
type loopback struct{ sink atomic.Pointer[sink] }

func newLoopback() *loopback { return new(loopback) }

func (*loopback) Kind() link.Kind                 { return link.Loopback }
func (*loopback) MTU() int                        { return 65536 }
func (*loopback) Address() wire.MAC               { return wire.MAC{} }
func (*loopback) Capabilities() link.Capabilities { return link.ChecksumVouched }
func (*loopback) Queues() int                     { return loopbackQueues }
func (*loopback) SetFilter(link.Filter) error     { return nil }

func (l *loopback) Attach(s link.Sink) error {
	if s == nil {
		l.sink.Store(nil)
		return nil
	}
	if !l.sink.CompareAndSwap(nil, s.(*sink)) {
		return link.ErrInUse
	}
	return nil
}

func (l *loopback) Write(frames []*packet.Buffer) (int, error) {
	s := l.sink.Load()
	if s == nil {
		return 0, link.ErrClosed
	}
	for _, b := range frames {
		b.Orphan()
	}
	s.Deliver(int(frames[0].Flow%loopbackQueues), frames)
	return len(frames), nil
}

func (l *loopback) Close() error { return l.Attach(nil) }
