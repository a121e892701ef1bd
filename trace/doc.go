// Package trace is how castnet shows what happens to each packet.
//
// A stack, a link or a switch that has a [Tracer] tells it every step of every
// packet: written by a socket, held for a neighbour, put on a link, received,
// filtered, forwarded, queued, read, or dropped, and why. One line a step can
// be read from top to bottom as a datagram's journey; the live view and the
// comments in captures come from the same events.
//
//	type printer struct{ ids uint64 }
//
//	func (p *printer) NewID() uint64 { p.ids++; return p.ids }
//	func (p *printer) Trace(e *trace.Event) { fmt.Println(e) }
//
//	s, err := stack.New(stack.Config{Name: "h1", Tracer: &printer{}})
//
// # How it works
//
// A packet gets an ID from the Tracer when it is first seen, and keeps it from
// host to host. Without a Tracer a step costs one branch; with one, an [Event]
// is filled and handed over on the goroutine on which the step happens.
//
// # Limitations
//
// IDs survive links inside a process, and no others.
package trace
