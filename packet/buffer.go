package packet

import (
	"sync/atomic"
	"unsafe"
)

// Headroom is the room in front of a new buffer's window, in bytes: enough for
// a virtio header (12), Ethernet (14), IPv6 (40) and UDP (8).
const Headroom = 80

// MaxSize is the largest size that New accepts: the longest IP packet, which is one of
// IPv6, whose length does not count its header of 40 bytes (RFC 8200, 3), and an
// Ethernet header with a VLAN tag.
const MaxSize = 40 + 65535 + 18

// A Buffer is a window on pooled storage, with what is known about the bytes
// in it. It is used by one goroutine at a time, except that owners added by
// Retain may read it and release it at any time.
type Buffer struct {
	store      []byte
	start, end int32 // the window
	class      class
	held       bool // the owner is charged
	// Mark is a number that a program gives a packet: a stack's hooks, a
	// socket, a link. It travels with the buffer as the other marks do, but no
	// further than the host: a link in memory clears it.
	Mark   uint32
	owner  Owner
	parent *Buffer // of a clone: whose storage this is
	refs   atomic.Int32
	state  checkState // of the checking build; empty otherwise

	next *Buffer    // in a pool's chain, or in a queue of who holds the buffer
	one  [1]*Buffer // what Single returns

	Marks
}

// Marks are what is known of a packet besides its bytes. They are the holder's
// to set, and travel with the buffer from stack to link to stack.
type Marks struct {
	// ID names the packet in traces; 0 if nobody traces.
	ID uint64
	// Arrival is when the packet came in, in nanoseconds since 1970 as
	// time.Time.UnixNano has it; 0 if nobody wanted to know.
	Arrival int64
	// Flow spreads packets over cores: packets of one flow have the same.
	Flow uint32
	// Interface is the index of the interface by which the packet came in.
	Interface int32
	// Network and Transport are where the IP header and the header after
	// it begin, counted from the start of the storage: see SetNetwork.
	network, transport uint16
	// SegmentSize, if not zero, says that the UDP payload is a train of
	// datagrams of this size, the last of which may be shorter. Package link
	// says what its headers hold.
	SegmentSize uint16
	Flags       Flags
}

// Flags are yes-or-no marks of a packet.
type Flags uint8

const (
	// ChecksumValid: a link that cannot corrupt vouches for the transport
	// checksum, so that nobody needs to verify it.
	ChecksumValid Flags = 1 << iota
	// LinkBroadcast and LinkMulticast: the frame was addressed to many.
	LinkBroadcast
	LinkMulticast
	// ChecksumPartial: the UDP checksum field holds the sum of the
	// pseudo-header alone. Whoever sends the packet by a link that does not
	// fill in checksums completes it.
	ChecksumPartial
)

// Owner is who is charged for a frame that waits to leave: a socket.
// Its methods may be called from any goroutine and with locks held.
type Owner interface {
	Charge(n int)
	Uncharge(n int)
}

// Len returns the length of the window in bytes.
func (b *Buffer) Len() int { return int(b.end - b.start) }

// Bytes returns the window. The slice is valid until the buffer is released,
// and must not be written to if the bytes are Shared.
func (b *Buffer) Bytes() []byte { return b.store[b.start:b.end:b.end] }

// Append grows the window by n bytes at its end and returns them; their
// content is undefined. It panics if there is no room: New was told the size.
func (b *Buffer) Append(n int) []byte {
	b.checkWrite()
	end := int(b.end)
	b.end += int32(n)
	return b.store[end : end+n : end+n]
}

// Prepend grows the window by n bytes at its front and returns them; their
// content is undefined. It panics if there is no room.
func (b *Buffer) Prepend(n int) []byte {
	b.checkWrite()
	b.start -= int32(n)
	start := int(b.start)
	return b.store[start : start+n : start+n]
}

// Extend grows the window by front bytes at its front and back bytes at its end
// and returns it whole; the content of what was added is undefined.
func (b *Buffer) Extend(front, back int) []byte {
	b.checkWrite()
	b.start -= int32(front)
	b.end += int32(back)
	return b.Bytes()
}

// Room returns how many bytes can be prepended and appended.
func (b *Buffer) Room() (front, back int) { return int(b.start), len(b.store) - int(b.end) }

// TrimFront takes n bytes off the front of the window.
// It panics if the window is shorter.
func (b *Buffer) TrimFront(n int) {
	if n < 0 || n > b.Len() {
		panic("packet: TrimFront beyond the window")
	}
	b.start += int32(n)
}

// TrimTo cuts the window to n bytes, taking off its end.
// It panics if the window is shorter.
func (b *Buffer) TrimTo(n int) {
	if n < 0 || n > b.Len() {
		panic("packet: TrimTo beyond the window")
	}
	b.end = b.start + int32(n)
}

// SetNetwork notes that the IP header begins n bytes into the window.
func (b *Buffer) SetNetwork(n int) { b.network = uint16(int(b.start) + n) }

// SetTransport notes that the header after IP begins n bytes into the window.
func (b *Buffer) SetTransport(n int) { b.transport = uint16(int(b.start) + n) }

// NetworkBytes returns the bytes from the IP header, as noted by SetNetwork, to
// the end of the window, wherever the window begins now.
func (b *Buffer) NetworkBytes() []byte { return b.store[b.network:b.end:b.end] }

// TransportBytes does the same from the header after IP.
func (b *Buffer) TransportBytes() []byte { return b.store[b.transport:b.end:b.end] }

// TransportLen returns the length of TransportBytes.
func (b *Buffer) TransportLen() int { return int(b.end) - int(b.transport) }

// Datagrams returns how many datagrams the packet stands for: 1, or, for a train
// whose transport header has been noted, its segments.
func (b *Buffer) Datagrams() int {
	const udpHeader = 8
	if b.SegmentSize == 0 || b.transport == 0 {
		return 1
	}
	n := int(b.SegmentSize)
	return max(1, (b.TransportLen()-udpHeader+n-1)/n)
}

// Single returns a slice that holds just b, without allocating: what a Write or
// Deliver of one frame is called with. It is valid until b is released.
func (b *Buffer) Single() []*Buffer {
	b.one[0] = b
	return b.one[:]
}

// Next and SetNext link buffers into a queue of whoever holds them. A buffer
// is released with no next.
func (b *Buffer) Next() *Buffer     { return b.next }
func (b *Buffer) SetNext(n *Buffer) { b.next = n }

// TrueSize is what the buffer costs in memory, in bytes, storage and
// bookkeeping together: what a queue is charged for it.
func (b *Buffer) TrueSize() int { return int(unsafe.Sizeof(*b)) + len(b.store) }

// SetOwner says whose send buffer is charged while the frame is held.
func (b *Buffer) SetOwner(o Owner) { b.owner = o }

// Owner returns who is charged, or nil.
func (b *Buffer) Owner() Owner { return b.owner }

// Hold charges the owner, if there is one, until the buffer is released or
// orphaned. Whoever keeps a frame from leaving at once calls it; calls after
// the first do nothing.
func (b *Buffer) Hold() {
	if b.owner != nil && !b.held {
		b.held = true
		b.owner.Charge(b.TrueSize())
	}
}

// Orphan ends the tie to the owner: the frame has left.
func (b *Buffer) Orphan() {
	if b.held {
		b.settle()
	}
	b.owner = nil
}

func (b *Buffer) settle() {
	b.held = false
	b.owner.Uncharge(b.TrueSize())
}
