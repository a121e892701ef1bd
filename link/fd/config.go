package fd

import (
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/wire"
)

// Config says what a Link is made of.
type Config struct {
	// Descriptors are open for reading and writing, one for each queue. New
	// takes them over: it makes them non-blocking, and if it fails it has
	// closed them.
	Descriptors []int

	// Kind says what the frames begin with. The zero value is Ethernet.
	Kind link.Kind

	// MTU is the longest IP packet, in bytes. If zero, 1500.
	MTU int

	// Address is the hardware address of the Link's end; the zero Address
	// is none, as links of IP packets have.
	Address wire.MAC

	// Header is the length of the struct virtio_net_hdr before each frame, in
	// bytes: 10, or 12 with the number of buffers in it. If zero, there is
	// none, and no offload.
	Header int

	// Offload is what the other side of the descriptors does with frames that
	// are written, if it is told by the Header: link.ChecksumTransmit,
	// link.Segmentation, both or, if zero, neither. Of frames that come in
	// the Header says what they are.
	Offload link.Capabilities

	// QueueLength is how many frames may wait on a queue that would block.
	// If zero, 500, which is what the kernel gives TAP devices. If
	// negative, none: Write refuses at once.
	QueueLength int

	// Transient, if not nil, is asked about each errno of reading whether
	// reading goes on; a frame is counted as lost to a LinkError then, unless
	// it was ENETDOWN. If nil, any ends it.
	Transient func(err error) bool
}

const (
	defaultMTU         = 1500
	defaultQueueLength = 500
)
