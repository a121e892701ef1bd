package link

import (
	"errors"

	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// Kind says what the frames of a link begin with.
type Kind uint8

// The kinds of links.
const (
	Ethernet Kind = iota // an Ethernet header; neighbours have to be resolved
	IP                   // an IP header; there is one neighbour or none
	Loopback             // an IP header; what is written comes back
)

// Capabilities is a set of things that a link does by itself, so that the stack
// need not; or of a sink, see [OffloadSink].
//
// A frame may be written to a link with its UDP checksum unfinished: marked
// packet.ChecksumPartial, in the field the folded sum of the pseudo-header, not
// complemented (what Linux calls CHECKSUM_PARTIAL). And it may be a train, which
// stands for several datagrams of one flow: packet.Marks.SegmentSize is n, and the
// frame is
//
//	the Ethernet header, on a link that has them
//	an IP header, its length that of the whole, its checksum right for that
//	a UDP header, its length that of the whole, its checksum unfinished, likewise for the whole
//	the payload, more than n bytes, for at most MaxSegments datagrams
//
// altogether no longer than an IP packet may be; a train is always marked
// packet.ChecksumPartial. It leaves as datagrams of n bytes of payload each, the
// last of which may be shorter, so each datagram and not the whole has to fit the
// MTU. Their IPv4 identifications count up from the train's (where fragmentation
// is forbidden they mean nothing, and some links leave them equal).
//
// Frames that come in are of the same form, marked packet.ChecksumValid too, since
// the link knows that what it hands up is whole.
type Capabilities uint16

const (
	// ChecksumTransmit: the link fills in UDP checksums: it accepts frames
	// marked packet.ChecksumPartial.
	ChecksumTransmit Capabilities = 1 << iota
	// ChecksumVouched: frames arrive as they were sent, or marked
	// packet.ChecksumValid only if they did, and packet.ChecksumPartial if
	// they were: a wire in memory.
	ChecksumVouched
	// Segmentation: the link accepts trains.
	Segmentation
)

// MaxSegments is the number of datagrams in the longest train: Linux's
// UDP_MAX_SEGMENTS, since 6.9.
const MaxSegments = 128

// A Link is one end of something that carries frames. Its methods may be
// called from any goroutine.
type Link interface {
	// Kind, MTU, Address, Capabilities and Queues say what the link is.
	// They do not change, except MTU. The MTU is the longest IP packet, in
	// bytes. A link without a hardware address has the zero Address.
	Kind() Kind
	MTU() int
	Address() wire.MAC
	Capabilities() Capabilities
	Queues() int

	// Attach makes sink the receiver of what comes in. A link has one: while
	// a sink is attached another, or the same again, is ErrInUse and changes
	// nothing. Attach(nil) detaches, and may be called if nothing is
	// attached; when it has returned the old sink is called no more.
	Attach(sink Sink) error

	// Write sends frames, in order. It returns how many it accepted, and
	// owns those; the rest remain the caller's, and err says why it did not
	// accept the first of them: ErrQueueFull, ErrTooBig, ErrDown, ErrClosed
	// or what the device said. Those behind it may be written again. The
	// slice is the caller's again when Write returns.
	Write(frames []*packet.Buffer) (n int, err error)

	// SetFilter programs which frames the link should hand up. A link that
	// cannot filter hands up everything: the stack checks anyway.
	SetFilter(f Filter) error

	// Close detaches the sink and gives up the device.
	Close() error
}

// A Sink is handed the frames that come in: a stack's interface, a switch's port.
type Sink interface {
	// Deliver takes over the frames, which came in by the queue of that
	// number in this order. Each Buffer is the Sink's alone, though its
	// bytes may be shared. The slice is the caller's again when Deliver
	// returns. Calls for one queue come one after the other, except from
	// links in memory, on which every sender delivers for itself.
	Deliver(queue int, frames []*packet.Buffer)
}

// An OffloadSink is a Sink that says which frames it takes as they are: with
// ChecksumTransmit those whose checksum is unfinished, with Segmentation trains.
// For every other sink drivers finish checksums and cut trains up first.
type OffloadSink interface {
	Sink
	Accepts() Capabilities
}

// Why a link refuses a frame, or a sink.
var (
	ErrQueueFull = errors.New("link: transmit queue is full")
	ErrTooBig    = errors.New("link: frame is longer than the MTU allows")
	ErrDown      = errors.New("link: down")
	ErrNoPeer    = errors.New("link: nothing is attached to the other end")
	ErrClosed    = errors.New("link: closed")
	ErrInUse     = errors.New("link: something is attached to this end already")
)

// Mode says how strictly a network card filters.
type Mode uint8

// The modes of a network card.
const (
	Normal       Mode = iota // its own address, broadcast and the groups listed
	AllMulticast             // and every group
	Promiscuous              // everything
)

// A Filter says which frames a network card hands up. The zero Filter: those
// to its own address and to broadcast.
type Filter struct {
	Mode   Mode
	Groups []wire.MAC // multicast addresses
}
