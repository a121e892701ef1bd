package tuntap

import (
	"net/netip"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/wire"
)

// Config says what a device is to be.
type Config struct {
	TAP           bool // frames begin with an Ethernet header
	Queues        int  // if 0, 1
	MTU           int  // if 0, the device's own
	Persistent    bool // it outlives its descriptors
	Offload       link.Offload
	HostAddresses []netip.Prefix // of the kernel's end
	Peer          netip.Addr     // what the kernel's end has at its other end; the zero Addr: nothing said
	HostRoutes    []netip.Prefix // what the kernel sends to the device
	Address       wire.MAC       // that the kernel's end must not have
}

// A Device is an open one.
type Device struct {
	Name        string
	MTU         int
	HostAddress wire.MAC
	Descriptors []int // the caller's, one a queue

	// Header is the length of the virtio-net header before each frame, 0 if
	// there is none; Offload what the device does with what is written.
	Header  int
	Offload link.Capabilities
}

// kind is what the device is called.
func (c *Config) kind() string {
	if c.TAP {
		return "tap"
	}
	return "tun"
}
