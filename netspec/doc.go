// Package netspec turns a line of text into a network, so that a program can let
// its user choose one:
//
//	on := flag.String("on", "host", netspec.Usage)
//	flag.Parse()
//	network, closer, err := netspec.Open(ctx, *on)
//	defer closer.Close()
//	cfg := castnet.Config{On: network}
//	conn, err := cfg.Listen(ctx, "udp", ":7")
//
// # The text
//
// It begins with the kind of network; keys follow, each with its value, separated
// by commas.
//
//	host
//	tap,addr=10.0.0.2/24
//	tap,name=cn0,addr=10.0.0.2/24,addr=10.9.0.2/16,gw=10.0.0.1,mtu=1400
//	tap,addr=10.0.0.2/24,host=10.0.0.1/24
//	tun,addr=10.0.0.2/24,host=10.0.0.1/24,route=10.7.0.0/16
//	tun,addr=10.0.0.2/32,peer=10.0.0.1
//	packet,dev=eth0,addr=192.168.1.50/24,gw=192.168.1.1
//
// host is the operating system's network. It has no keys.
//
// tap is a stack of our own on a TAP device, an Ethernet whose other station is the
// kernel; tun is one on a TUN device, a wire of IP packets to the kernel, by which
// it reaches everything; packet is one beside the kernel's on a network interface
// that the machine has. The keys, and whose they are if not of all three:
//
//	name=NAME        tap, tun: the device; it is made if there is none. If absent,
//	                 tap0 or tun0 or the next that is free.
//	dev=NAME         packet: the interface. It must be there.
//	addr=ADDR/BITS   an address of ours. At least one; may repeat.
//	gw=ADDR          tap, packet: the default gateway, which must be in the subnet
//	                 of an addr. If absent, only those subnets are reached.
//	host=ADDR/BITS   tap, tun: an address that the kernel's end of the device is
//	                 given; may repeat. If absent, it is for somebody else to see to.
//	peer=ADDR        tun, and no host: the address that the kernel's end is given,
//	                 with the first addr, and no subnet, at its other end.
//	route=ADDR/BITS  tun: what else the kernel is to send to us; may repeat.
//	mtu=BYTES        the device's MTU. If absent, the device keeps its own: 1500.
//	                 That of an interface is not changed: at most so much is sent.
//	mac=MAC          tap, packet: the hardware address of our end. If absent, of tap
//	                 one that follows from the first addr, so that neighbours which
//	                 remember it are right when a program is started again; of
//	                 packet the interface's own.
//	queues=N         the number of queues, each with a goroutine that reads it. If
//	                 absent, 1.
//	offload=WHAT     what is left to the device: all, checksums or none. If absent,
//	                 all, as far as the kernel can: see link.Offload.
//
// A key that is not known, is there twice or has a value that cannot be is
// refused, and the error says what would be right.
//
// Addresses are of IPv4 or IPv6. Before Open returns, others on the link have been
// asked whether they have those of IPv6, which takes up to two seconds.
package netspec
