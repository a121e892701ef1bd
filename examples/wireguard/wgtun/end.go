package wgtun

import (
	"sync"
	"sync/atomic"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// An end is the stack's side of a Device.
type end struct {
	d   *Device
	mtu atomic.Int64

	mu     sync.RWMutex // held while delivering, so that Attach(nil) can wait
	sink   link.Sink
	closed bool
}

var _ link.Link = (*end)(nil)

// offloads are what Device.Read sees to: a train takes one way through the stack.
const offloads = link.ChecksumTransmit | link.Segmentation

// lanes is how many ways into the stack there are. WireGuard decrypts and writes
// the packets of different peers on different goroutines.
const lanes = 8

// laneOf returns the lane of a peer, by the last byte of a packet's source.
func laneOf(p []byte) int {
	at := 15 // IPv4
	if p[0]>>4 == 6 {
		at = 23
	}
	if len(p) <= at {
		return 0
	}
	return int(p[at]) % lanes
}

// Kind, MTU, Address, Capabilities and Queues say what the link is.
func (e *end) Kind() link.Kind                 { return link.IP }
func (e *end) MTU() int                        { return int(e.mtu.Load()) }
func (e *end) Address() wire.MAC               { return wire.MAC{} }
func (e *end) Capabilities() link.Capabilities { return offloads }
func (e *end) Queues() int                     { return lanes }

// SetFilter does nothing: everything is handed up.
func (e *end) SetFilter(link.Filter) error { return nil }

// Attach makes sink the receiver of what WireGuard decrypts. Attach(nil) waits
// for a delivery that is under way.
func (e *end) Attach(sink link.Sink) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case sink == nil:
	case e.closed:
		return link.ErrClosed
	case e.sink != nil:
		return link.ErrInUse
	}
	e.sink = sink
	return nil
}

// Write queues packets for WireGuard: link.ErrQueueFull if it does not read fast
// enough, link.ErrTooBig if one is over the MTU, link.ErrDown if the Device has
// been closed.
func (e *end) Write(ps []*packet.Buffer) (int, error) {
	fit, mtu := 0, e.MTU()
	for fit < len(ps) && fits(ps[fit], mtu) {
		fit++
	}
	n, err := e.d.queue.put(ps[:fit])
	if err == nil && fit < len(ps) {
		err = link.ErrTooBig
	}
	return n, err
}

// fits reports whether a packet, or each datagram of a train, is within the MTU.
func fits(b *packet.Buffer, mtu int) bool {
	if b.Len() <= mtu || b.SegmentSize == 0 {
		return b.Len() <= mtu
	}
	_, udp, ok := link.UDPOffset(b.Bytes(), link.IP)
	return ok && udp+wire.UDPHeaderLen+int(b.SegmentSize) <= mtu
}

// deliver hands packets to the stack, all or none.
func (e *end) deliver(lane int, ps []*packet.Buffer) (int, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.sink == nil {
		return 0, link.ErrNoPeer
	}
	e.sink.Deliver(lane, ps)
	return len(ps), nil
}

// Close detaches the stack, for good. The Device remains, and WireGuard closes it.
func (e *end) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return link.ErrClosed
	}
	e.closed, e.sink = true, nil
	return nil
}
