// Package trace is how castnet shows what happens to each packet.
//
// A stack, a link or a switch that has a [Tracer] tells it every step of every
// packet: written by a socket, held for a neighbour, put on a link, received,
// forwarded, withheld from whom it is not for, queued, read, or dropped, and why.
// What a filter refuses is told in words, which filter and why. One line a step can
// be read from top to bottom as a datagram's journey; the live view and the
// comments in captures come from the same events.
//
//	s, err := stack.New(stack.Config{Name: "h1", Tracer: trace.NewPrinter(os.Stdout, time.Time{})})
//
// prints
//
//	0.000000 #1     h1 eth0      transmit 10.0.0.1:5000 > 10.0.0.2:7 UDP 5 B "hello"
//	0.000214 #1     h2 eth0      drop     NoPort: 10.0.0.1:5000 > 10.0.0.2:7 UDP 5 B "hello"
//
// # How it works
//
// A packet gets an ID from the Tracer when it is first seen, and keeps it from
// host to host. Without a Tracer a step costs one branch; with one, an [Event]
// is filled and handed over on the goroutine on which the step happens. [Printer]
// is the Tracer that writes lines, and [Describe] what it says of a packet.
//
// # Limitations
//
// IDs survive links inside a process, and no others. Of lists in IGMP and MLD a
// description has the first four.
package trace
