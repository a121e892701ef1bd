// Package tuntap opens the devices of Linux's tun driver for packages link/tap and
// link/tun, and makes the kernel's end of them what their Config says.
//
//	d, err := tuntap.Open("cn0", tuntap.Config{TAP: true, MTU: 1400})
//	l, err := fd.New(fd.Config{Descriptors: d.Descriptors, Header: d.Header, Offload: d.Offload})
//
// # How it works
//
// A device is opened once for each of its queues. What is right already is left
// alone, so that a device which was made for a user can be used by that user
// without any capability. Addresses and routes are given by rtnetlink.
//
// With offload, frames on the descriptors come behind a virtio-net header
// (IFF_VNET_HDR), and the kernel is told (TUNSETOFFLOAD) that we take unfinished
// checksums and trains; of what it refuses, less is asked for: trains need Linux
// 6.2.
//
// # Limitations
//
// Linux only. The device lives in the network namespace of the thread that called
// Open, and there are functions here which must be called in it again.
package tuntap
