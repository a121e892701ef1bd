package tap

import (
	"net/netip"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/wire"
)

// Config says how to open a TAP device. The zero Config is good.
type Config struct {
	// Address is the hardware address of our end, which must differ from
	// the kernel's. If zero, a random one, locally administered. A program
	// that comes and goes should set it, or its neighbours will remember
	// the old one for a while.
	Address wire.MAC

	// MTU is the longest IP packet, in bytes; the device is given it. If
	// zero, the device keeps its own, which for a new one is 1500.
	MTU int

	// HostAddresses are given to the kernel's end, so that the kernel has a
	// route to us. Those that it has already are left alone.
	HostAddresses []netip.Prefix

	// Persistent says that a device which Open makes outlives the Link, as
	// one made with ip tuntap does.
	Persistent bool

	// Queues is the number of queues, each read by a goroutine of its own.
	// If 0, 1. A device that exists must have been made for several.
	Queues int

	// Offload says whether checksums, and the cutting up of trains, are left
	// to the kernel. If zero, link.OffloadAll, as far as the kernel can.
	Offload link.Offload

	// QueueLength is as in fd.Config: how many frames may wait here should
	// the device block, which the kernel's does not.
	QueueLength int
}
