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
// # Limitations
//
// Linux only: on other systems Open returns ErrNotSupported. There is one queue,
// no checksum or segmentation offload, and the device's filter is not programmed.
// The device lives in the network namespace of the thread that called Open.
package tap
