// Package tap makes a link of a TAP device: an Ethernet cable whose other end is
// a network interface of the Linux kernel.
//
//	l, err := tap.Open("cn0", tap.Config{
//		HostAddresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")},
//	})
//	eth0, err := s.AddInterface("eth0", l)
//	err = eth0.AddAddress(netip.MustParsePrefix("10.0.0.2/24"))
//
// Now ping 10.0.0.2 reaches the stack, and the stack reaches what the kernel
// reaches, if the kernel forwards for it.
//
// # How it works
//
// Open makes the device, or opens the one of that name, sets its MTU and brings
// it up; what is right already is left alone, so that a device which was made
// for a user (ip tuntap add dev cn0 mode tap user alice) can be used by that
// user without any capability. The kernel's end has the device's hardware
// address and ours another, chosen at random unless Config.Address says which:
// they are two stations.
//
// Frames are read and written by package fd: those that can be read at once are
// delivered together, each in a buffer of its size; each is written with one
// system call. The kernel takes a frame or drops it, and never asks to wait.
//
// As far as the kernel can, checksums are left to it, and trains pass whole, many
// datagrams for one system call: see link.Capabilities. Trains need Linux 6.2.
// Config.Offload turns that off, and so does the environment variable
// CASTNET_NO_OFFLOAD=1.
//
// With Config.Queues there are several queues. The kernel spreads what it sends
// over them by flow, and answers a flow by the queue by which it came.
//
// # Limitations
//
// Linux only: on other systems Open returns ErrNotSupported. The device lives in
// the network namespace of the thread that called Open.
//
// The device's filter is exact for six groups;
// of more groups it lets others pass too, as network cards do. It belongs to the
// device: after a program that was killed, a persistent one keeps it until it is
// opened by this package again.
package tap
