// Package packet makes a link of a network interface that the machine has: a stack
// of our own on a real Ethernet, beside the kernel's.
//
//	l, err := packet.Open("eth0", packet.Config{})
//	eth0, err := s.AddInterface("eth0", l)
//	err = eth0.AddAddress(netip.MustParsePrefix("192.168.1.50/24"))
//
// The address must be nobody's yet, the kernel's included.
//
// # How it works
//
// An AF_PACKET socket is handed a copy of each frame that comes in by the
// interface, and sends frames as they are. A filter in the kernel lets pass those
// to our hardware address and to groups: what SetFilter says, all groups until it
// is called. Frames that leave the machine and those of VLANs do not pass.
//
// Frames come and go behind virtio-net headers (PACKET_VNET_HDR, see package fd),
// so that checksums which the sender left to its card, as everything on a veth
// pair, are known to be unfinished and are not taken for wrong. And trains pass:
// what is written is cut up by the card or by the kernel just before it. Config.Offload
// turns that off for what is written, and so does the environment variable
// CASTNET_NO_OFFLOAD=1.
//
// If Config.Address is not the interface's own hardware address, the interface is
// told to receive it too (PACKET_MR_UNICAST). Then the kernel ignores what is for
// us; else it sees that too, drops what is to none of its addresses, and forwards
// it if it is a router.
//
// # Limitations
//
// Linux only: on other systems Open returns ErrNotSupported. It needs CAP_NET_RAW.
// The interface must have Ethernet frames; it is neither brought up nor given an
// MTU, but taken as it is.
//
// The machine's own kernel cannot be reached by its own interface: what is written
// goes to the wire. Many networks, wireless ones and those of clouds among them, let
// no hardware address pass but the interface's own.
//
// What came in and found the socket's buffer full is counted as drop.LinkOverrun
// when Drops is asked.
package packet
