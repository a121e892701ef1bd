// Package link says what carries frames: a device, a wire in memory, a tunnel.
//
// A [Link] is one end of it. A stack that is given a Link attaches itself as
// its [Sink], writes frames to it, and is handed the frames that come in:
//
//	l, err := tap.Open("cn0", tap.Config{})
//	eth0, err := s.AddInterface("eth0", l) // calls l.Attach
//	err = eth0.AddAddress(netip.MustParsePrefix("10.0.0.2/24"))
//
// One package below this one is one driver: mem (two stacks in one process), fd
// (any descriptor that keeps the bounds of frames), tap and tun (the kernel at the
// other end), packet (an interface that the machine has). And pcap captures what
// passes any of them.
//
// # How it works
//
// Frames are packet.Buffers, and who is handed one owns it. Write takes
// ownership of the frames it accepts and never blocks: a link that cannot send
// at once queues, with a bound, and calls Hold on what it queues, so that the
// sending socket's buffer stays charged; a link that is full refuses the rest.
// Deliver takes ownership of everything.
//
// Frames need not be finished: with offload a frame may lack its checksum, or stand
// for a train of datagrams. [Capabilities] says how, and who has to finish what.
//
// A driver of a device starts the goroutines that read it when a Sink is
// attached and has joined them when Attach(nil) or Close returns.
//
// # Limitations
//
// A Link has one Sink: attaching a second is ErrInUse, until Attach(nil) or
// Close. Frames are contiguous.
package link
