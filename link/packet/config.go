package packet

import (
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/wire"
)

// Config says how to use an interface. The zero Config is good.
type Config struct {
	// Address is the hardware address of our end. If zero, the interface's
	// own, which we share with the kernel.
	Address wire.MAC

	// MTU is the longest IP packet, in bytes, at most the interface's. If
	// zero, the interface's.
	MTU int

	// Queues is the number of queues, each read by a goroutine of its own,
	// over which the kernel spreads what comes in by flow (PACKET_FANOUT). If
	// 0, 1.
	Queues int

	// ReadBuffer is how much may wait to be read, in bytes, for each queue.
	// If zero, 4 MiB, or as much as the system allows.
	ReadBuffer int

	// Offload says what is left to the kernel of what is written. If zero,
	// link.OffloadAll.
	Offload link.Offload

	// QueueLength is how many frames may wait on a queue while the interface
	// takes no more. If zero, 500; if negative, none.
	QueueLength int
}
