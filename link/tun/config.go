package tun

import (
	"net/netip"

	"github.com/castnet-go/castnet/link"
)

// Config says how to open a TUN device. The zero Config is good.
type Config struct {
	// MTU is the longest IP packet, in bytes; the device is given it. If
	// zero, the device keeps its own, which for a new one is 1500.
	MTU int

	// HostAddresses are given to the kernel's end, so that the kernel has a
	// route to us. Those that it has already are left alone.
	HostAddresses []netip.Prefix

	// Peer, if valid, is our address as the kernel's end is to know it: what
	// HostAddresses say of a subnet holds for the Peer and not for them, as
	// with ip addr add 10.0.0.1 peer 10.9.9.9/32.
	Peer netip.Addr

	// HostRoutes are what else the kernel is to send to us. Those that it
	// has already are left alone; one that it has by another device is an
	// error.
	HostRoutes []netip.Prefix

	// Persistent says that a device which Open makes outlives the Link, as
	// one made with ip tuntap does.
	Persistent bool

	// Queues is the number of queues, each read by a goroutine of its own.
	// If 0, 1. A device that exists must have been made for several.
	Queues int

	// Offload says whether checksums, and the cutting up of trains, are left
	// to the kernel. If zero, link.OffloadAll, as far as the kernel can.
	Offload link.Offload

	// QueueLength is as in fd.Config: how many packets may wait here should
	// the device block, which the kernel's does not.
	QueueLength int
}
