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
//
// host is the operating system's network. It has no keys.
//
// tap is a stack of our own on a TAP device:
//
//	name=NAME        the device; it is made if there is none. If absent, tap0 or
//	                 the next that is free.
//	addr=ADDR/BITS   an address of ours. At least one; may repeat.
//	gw=ADDR          the default gateway, which must be in the subnet of an addr.
//	                 If absent, only those subnets are reached.
//	host=ADDR/BITS   an address that the kernel's end of the device is given; may
//	                 repeat. If absent, it is for somebody else to see to.
//	mtu=BYTES        the device's MTU. If absent, the device keeps its own: 1500.
//	mac=MAC          the hardware address of our end. If absent, one that follows
//	                 from the first addr, so that neighbours which remember it
//	                 are right when a program is started again.
//
// A key that is not known, is there twice or has a value that cannot be is
// refused, and the error says what would be right.
//
// # Limitations
//
// tun and packet, which the text will name too, are not there yet: the error is
// ErrNotSupported.
package netspec
