// Package stack is a UDP/IP kernel in user space: interfaces, addresses, routes,
// neighbours, IP, ICMP and UDP sockets with the semantics of Linux.
//
//	s, err := stack.New(stack.Config{Name: "h1"})
//	l, err := tap.Open("cn0", tap.Config{})
//	eth0, err := s.AddInterface("eth0", l)
//	err = eth0.AddAddress(netip.MustParsePrefix("10.0.0.2/24"))
//	err = s.AddRoute(stack.Route{Gateway: netip.MustParseAddr("10.0.0.1")})
//
//	cfg := castnet.Config{On: s}
//	conn, err := cfg.Listen(ctx, "udp4", ":7")
//
// A [Stack] is a socket.Network. Every stack has a loopback interface, "lo".
//
// # How it works
//
// The stack is a state machine. It starts no goroutine, and takes the time from
// the clock it is given, off the fast path. Frames are handed in by a link
// (Deliver), frames come out (link.Write), and all that waits sits in one heap
// of deadlines, for which the stack keeps one timer of its clock. So the same
// code runs on a live device, in a testing/synctest bubble, in a lab's virtual
// time, or driven by hand with a clock.Manual, [Stack.NextDeadline] and
// [Stack.Advance].
//
// The way out: TrySend → path (route and neighbour, kept by the socket until the
// stack's generation number says that something changed) → one buffer, the
// payload copied once, headers prepended → link.Write.
//
// The way in: Deliver → MAC filter → IP checks → UDP checks → port table →
// receive queue, charged by true size → one wake-up a batch → TryRecv.
//
// Interfaces, addresses and routes are immutable once published: a change makes
// a new snapshot and a new generation. The port table is read without locks.
//
// Groups: what sockets join is merged, for each interface, into what it hears of each
// group (groupSet). From that follow the hardware addresses that its card is programmed
// for, what is let in, what is looped back of the host's own, and what routers are told
// by IGMP, which is one more state machine (reporter) with one deadline an interface. A
// datagram to a group is one buffer, whatever the number of its receivers.
//
// No recursion: a frame that arrives on a lane of an interface that is
// delivering already goes to the lane's bounded ring, which whoever delivers
// there drains; a full ring is the drop BacklogFull.
//
// # Nothing is lost without a name
//
// Each packet is counted once on either side of this sum, for the stack and at
// any time (see [Ledger]):
//
//	in + generated + cloned + split = delivered + sent + consumed + merged + dropped + held
//
// # Locks
//
// In the order in which they may be taken: Stack.mu (configuration), the set of
// open sockets, Socket.mu (a socket's state and its sending side), the port
// table's, an interface's groups', the neighbour table's, the receive queue's, the waiters', the
// timers'. The mutexes of lanes' rings, of the error limiter, of echo ports and
// of the random source are taken last and hold nothing else. None is held across
// a call into a link, a notification or another stack; a Tracer is called with
// any of them held.
//
// # Limitations
//
// Close closes the links, which wait for the goroutines of their drivers: it must
// not be called from inside a notification on a device's stack.
//
// IPv4 only, so far: opening an IPv6 socket is EAFNOSUPPORT. Groups are heard and
// sent to, and not forwarded. As on Linux, groups of 232/8 may be joined without a
// source and are reported to older queriers as well, which RFC 4604 advises against,
// and a query is believed whatever its TTL. There is no TCP, by intent.
package stack
