// Package capture puts captures of hosts together: what passed by their interfaces,
// and why it was dropped, as comments. It is what a lab's captures and package
// link/pcap have in common.
//
//	var b capture.Book
//	f, err := b.Open("h1", file, "host h1")
//	eth0, err := f.AddInterface("eth0", "", pcapng.Ethernet)
//
//	b.Hold()
//	f.Add(nil, eth0, frame, time.Now(), pcapng.Inbound)
//	sink.Deliver(…) // in which the Tracer of the host calls b.Drop
//	b.End()
//
// # How it works
//
// A packet that is dropped before the call is over by which it was sent or received
// has the reason as its comment; so packets wait, up to a number, until no call is
// under way. One that is dropped later is written once more, where that happens,
// with the comment.
//
// # Limitations
//
// While calls overlap all the time, nothing is written until many packets wait.
package capture
