// Package pcap writes what passes a link into a capture, in both directions, with
// why it was dropped as a comment. It wraps any link.Link:
//
//	f, err := os.Create("h1.pcapng")
//	c, err := pcap.New(f, pcap.Config{})
//	defer c.Flush()
//
//	s, err := stack.New(stack.Config{Tracer: c}) // tells it what is dropped
//	l, err := tun.Open("cn0", tun.Config{})
//	captured, err := c.Link("tun0", l)
//	tun0, err := s.AddInterface("tun0", captured)
//
// The file is a pcapng one, for Wireshark, tshark and tcpdump.
//
// # How it works
//
// A frame is copied before it is handed on: what is written when the link has taken
// it over, what comes in before the sink is given it. If the stack drops it while it
// is being handed in, the comment stands with the frame; if later, the frame is
// written once more, with the comment and no direction.
//
// The capture shows datagrams as they are on the wire: of a train each one, with the
// checksums that the device will fill in.
//
// # Limitations
//
// A link that captures costs a copy and a lock for each frame, and does not keep its
// queues apart. An error of the file stops nobody: Flush returns it.
//
// The methods that the driver has beyond link.Link are reached by Unwrap.
package pcap
