// Package lab is a network in this process: hosts with castnet's own stack,
// switches, routers, and links that delay, lose, duplicate, reorder and corrupt.
//
//	l := lab.New(lab.Config{Seed: 1})
//	defer l.Close()
//	lan := l.AddSwitch("lan")
//	h1, h2 := l.AddHost("h1"), l.AddHost("h2")
//	h1.Attach(lan, lab.LinkConfig{Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
//	h2.Attach(lan, lab.LinkConfig{
//		Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")},
//		Faults:    lab.Faults{Delay: 10 * time.Millisecond, Loss: 0.1},
//	})
//	h2.Go("echo", func(ctx context.Context) error {
//		c, err := (&castnet.Config{On: h2}).Listen(ctx, "udp4", ":7")
//		...
//	})
//	err := l.Run(time.Minute) // of virtual time: a moment
//
// A [Host] is a castnet.Network: whatever runs on the operating system's network
// by way of castnet runs on it too, and dials the lab's hosts by their names.
//
// # How it works
//
// Everything that happens is an event in one queue, ordered by time and, at one
// time, by the order of scheduling: frames arrive, timers fire, tasks go on. Run
// takes one after the other, and the time jumps from each to the next. Programs
// are tasks, which [Host.Go] starts: coroutines that block on their sockets and
// are resumed by events. So there is no goroutine and no lock, nothing waits,
// and the same seed gives the same run, which [Lab.Fingerprint] proves.
//
// All that is random follows from the seed and a host's name: what the faults
// draw on a host's links, its ports and identifiers, [Host.Rand]. So another
// host more does not change what befalls the others.
//
// What a host sends goes through the faults of its link, then to the segment at
// its end, then through the receiving faults of each host that gets it. [Faults]
// says what each fault does and in which order. They may change while the lab
// runs ([Host.SetFaults], [Host.SetLink], [Lab.Partition], from a task or by
// [Lab.At]).
//
// # Multicast
//
// A switch floods what is for a group, unless [Switch.Snoop] makes it look at IGMP
// and MLD (RFC 4541): then it sends a group's frames to the ports of members and of
// routers, forgets who is not heard, and prints what it knows ([Switch.Groups]). A
// copy that is not sent was never made, so it is no drop: it is counted as withheld,
// and told to the Tracer, with the reason, for each port (trace.Withhold). In it can
// be a querier, as in Linux's bridge, for segments without a router.
//
// # What became of it
//
// Nothing is lost without a name: [Lab.Report] counts what each host, link and
// segment handed on and dropped, and why, and [Lab.CheckLedger] checks that it
// all adds up. A Tracer sees each step of each packet; Config.Capture writes
// what each host sent and received for Wireshark, drops and reasons included.
//
// # Real time
//
// With Config.Realtime the same lab goes by the clock on the wall: Run paces it,
// tasks are goroutines, and any goroutine may use the hosts' sockets: so may
// libraries that know nothing of labs. In a testing/synctest bubble the clock on
// the wall is the bubble's, so this is virtual time too, without the promise that
// two runs are the same.
//
// # Out of the lab
//
// [Lab.Bridge] joins a segment of a lab in real time to any link of Ethernet
// frames: to a TAP device, so that the kernel is a station there, and what it
// runs or forwards.
//
//	dev, err := tap.Open("cn0", tap.Config{HostAddresses: ...})
//	b, err := l.Bridge("out", lan, dev, lab.LinkConfig{})
//
// # Limitations
//
// In virtual time a task may block on the lab's sockets, in Sleep and in Park, by which
// event loops wait, and on nothing else: a channel or a mutex would stop the whole lab. A goroutine that
// is not a task gets an error when it blocks; that it may not use the sockets at
// all is not noticed, except by the race detector.
//
// Switches have hosts on their ports and not other switches. One that snoops neither
// suppresses reports nor answers for its hosts, and when a port comes up it asks
// who is there only if it is the querier. Routers have static routes. A partition is
// between hosts on one segment.
package lab
