// Package tun makes a link of a TUN device: a wire of bare IP packets whose other
// end is a network interface of the Linux kernel.
//
//	l, err := tun.Open("cn0", tun.Config{
//		HostAddresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")},
//	})
//	tun0, err := s.AddInterface("tun0", l)
//	err = tun0.AddAddress(netip.MustParsePrefix("10.0.0.2/24"))
//
// Now ping 10.0.0.2 reaches the stack, and the stack reaches what the kernel
// reaches, if the kernel forwards for it. There are no Ethernet headers and no
// neighbours to be resolved: what the kernel routes to the device comes in, whatever
// its address, which makes TUN the device of tunnels, proxies and VPNs.
//
// # How it works
//
// Open makes the device, or opens the one of that name, sets its MTU and brings it
// up; what is right already is left alone, so that a device which was made for a
// user (ip tuntap add dev cn0 mode tun user alice) can be used by that user without
// any capability.
//
// As far as the kernel can, checksums are left to it, and trains pass whole in both
// directions (see link.Capabilities): what a program sends by UDP_SEGMENT arrives
// as one packet, and a train that is written is cut up where datagrams are needed
// and no earlier, which may be nowhere. So dozens of datagrams cost one system call
// and one way through the kernel. Trains need Linux 6.2; an older kernel gets and
// gives single datagrams. Config.Offload turns all of that off, and so does the
// environment variable CASTNET_NO_OFFLOAD=1.
//
// A train is read into a buffer that holds the longest, and handed up in it; what is
// shorter is copied into a buffer of its size, so that a receive queue is charged
// for what it holds. Reading and writing is done by package fd, which see for what
// a sink that takes no trains is given.
//
// With Config.Queues there are several queues, each with a goroutine that reads it.
// The kernel spreads what it sends over them by flow, and answers a flow by the
// queue by which it came, so flows stay in order.
//
// # Limitations
//
// Linux only: on other systems Open returns ErrNotSupported. The device lives in the
// network namespace of the thread that called Open.
//
// The kernel drops what does not fit the device's queue (500 packets) while the
// reader is behind, and counts it at the device, not here.
package tun
