// Package drop names every reason for which castnet loses a datagram.
//
// A network that loses datagrams silently cannot be debugged, so nothing in
// castnet is lost without a name: each datagram, and each copy and fragment of
// it, ends delivered to a reader or counted under exactly one [Reason]. There
// is no reason called "other".
//
//	var c drop.Counters
//	c.Add(drop.NoPort, 1)
//	for reason, n := range c.All() {
//		fmt.Println(reason, n) // NoPort 1
//	}
//
// # How it works
//
// A Reason is a small integer with a stable name; names are part of the public
// surface (they appear in tables, in --json output and in captures) and never
// change once released. [Counters] holds one atomic counter a reason. Drops
// are off the fast path, so their counters may be shared between cores.
//
// A program whose hooks drop packets adds reasons of its own with [Register].
//
// # Limitations
//
// A Reason says why, not where: the place is in the [trace] event or in whose
// Counters it stands.
//
// [trace]: https://pkg.go.dev/github.com/castnet-go/castnet/trace
package drop
