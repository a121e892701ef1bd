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
// A datagram over the MTU of its path leaves in fragments, each a frame of its own
// and charged as such. Fragments that come in wait in one table for those that are
// missing, 30 seconds at most; when they take more than Limits.ReassemblyMemory, the
// oldest datagrams are given up. A whole datagram is one buffer again, and goes on as
// if it had come in like that. A router fragments, and puts nothing together.
//
// What routers say of the MTU of a path is remembered for ten minutes, by
// destination and interface, if the message quotes what a socket can have sent. What
// a socket does with it is its option MTUDiscovery. Errors are told to the socket
// that they are about: as its pending error, and, if it asked for that by
// ReceiveErrors, in full in its error queue.
//
// Interfaces, addresses and routes are immutable once published: a change makes
// a new snapshot and a new generation. The port table is read without locks.
//
// Groups: what sockets join is merged, for each interface, into what it hears of each
// group (groupSet). From that follow the hardware addresses that its card is programmed
// for, what is let in, what is looped back of the host's own, and what routers are told
// by IGMP and MLD, each of which is one more state machine (reporter) with one deadline
// an interface; how routers want to be told is known before there is one (queriers). A
// datagram to a group is one buffer, whatever the number of its receivers.
//
// Sockets, flows and the port table hold addresses of both families in one form, IPv4's
// v4-mapped, so one lookup serves both and an IPv6 socket that is not IPv6Only hears
// IPv4. Who needs no IPv6 makes the stack by [NewIPv4], and the program is smaller; and
// smaller still if it joins no group.
//
// IPv6: an interface speaks it from its first IPv6 address on, or by
// [Interface.EnableIPv6]. What it knows of its link, its addresses and how far they are
// tested, routers and prefixes, is one state machine with one timer (interface6), and
// as much of it as packets are handled by is published with the interfaces and routes.
// Neighbours of both families are in one table, with the states of RFC 4861; what is
// different is how they are asked and who is believed. [Interface.Addresses6] and
// [Interface.Routers] tell what it has come to, and [Interface.Advertise] makes it a
// router from which others learn. Extension headers are walked only where one follows the
// IP header, so that plain datagrams do not pay for them; fragments of both families are
// put together in one table, and path MTUs of both are in another.
//
// No recursion: a frame that arrives on a lane of an interface that is
// delivering already goes to the lane's bounded ring, which whoever delivers
// there drains; a full ring is the drop BacklogFull.
//
// # For tunnels and proxies
//
// An interface that is transparent ([Interface.SetTransparent]) takes packets to
// foreign addresses for the host's own. Sockets with the option Transparent bind such
// addresses and send from them; one that intercepts ([Socket.Intercept]) hears what no
// other wants, and [Socket.Accept] makes a connected socket of each flow that it
// hears. [Stack.SetHooks] has packets looked at before they are delivered, sent or
// sent on; [Stack.Handle] gives away the packets of a protocol that is not the
// stack's, and [Stack.SendPacket] sends whole ones. docs/tunnels.md shows it in
// order, and package flow is built on it.
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
// In the order in which they may be taken: what an interface knows of IPv6
// (interface6.mu), Stack.mu (configuration), the set of
// open sockets, Socket.mu (a socket's state and its sending side), the port
// table's, an interface's groups', the neighbour table's, the path MTUs', the
// reassembly's, the receive queue's (of a socket before those that were accepted
// from it), the waiters', the
// timers'. The mutexes of lanes' rings, of the error limiter, of echo ports and
// of the random source are taken last and hold nothing else. None is held across
// a call into a link, a notification, a Hook, a Handler or another stack; a Tracer is
// called with any of them held.
//
// Before all of these comes the mutex of an interface by which SetUp, EnableIPv6 and
// RemoveInterface wait for each other. It is not held across such calls either: what they
// have others do follows when it is released.
//
// # Limitations
//
// Close closes the links, which wait for the goroutines of their drivers: it must
// not be called from inside a notification on a device's stack.
//
// Of IPv6 there are no temporary addresses, no DHCPv6, no anycast addresses and no
// answering for others; routes that advertisements carry beyond the default one (RFC
// 4191, 2.3) are not heeded, and names of servers neither. An interface that goes down
// keeps the addresses given by AddAddress, and tests them anew when it comes up, as
// with Linux's keep_addr_on_down.
//
// Groups are heard and sent to, and not forwarded. As on Linux, groups of 232/8 may be
// joined without a source and are reported to older queriers as well, which RFC 4604
// advises against, and a query of IGMP is believed whatever its TTL. Routing headers are
// not followed, whatever their type, and jumbograms are refused. There is no TCP, by
// intent.
//
// A route has no MTU of its own. A change of the configuration forgets what was
// learned of paths. As by Linux, a router's claim that quotes a socket's datagram is
// believed whatever the datagram's length; it never makes an MTU less than 552.
// Redirects are ignored, and counted as ICMPUnsupported.
//
// Answers do not repeat the options of what they answer, as Linux's do. Routers
// record themselves and the time in options that ask for it; hosts that receive
// such options leave them as they are. Source routes are refused.
package stack
