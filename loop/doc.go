// Package loop is an event loop in the manner of libuv: callbacks that one
// goroutine calls in an order that can be relied on, timers, and UDP sockets of
// any network.
//
//	l := loop.New(loop.Config{On: network})
//	u, err := l.NewUDP(loop.UDPConfig{})
//	err = u.Bind(netip.MustParseAddrPort("0.0.0.0:7"), 0)
//	err = u.RecvStart(func(m *socket.Message, err error) {
//		if err == nil {
//			u.Send(&socket.Message{Buf: m.Buf, Addr: m.Addr}, nil)
//		}
//	})
//	l.NewTimer().Start(time.Minute, 0, func() { u.Close(nil) })
//	err = l.Run() // until nothing is left that could call anything
//
// # How it works
//
// A turn of the loop goes through libuv's phases:
//
//	timers     those that are due, in the order of (time due, order of starting)
//	pending    the ends of sends that were tried in the turn before
//	idle       Idle handles; as long as one is active the loop does not wait
//	prepare    Prepare handles
//	poll       waits, if there is nothing else to do, until the next timer at the
//	           latest; then sockets that are ready, Async handles, what was posted
//	check      Check handles, then immediates
//	closing    what was closed, and the callbacks of Close
//
// and begins again with the timers, whose clock is looked at once a turn.
//
// After every callback the queue of next ticks is drained ([Loop.NextTick]), then
// that of microtasks ([Loop.QueueMicrotask], and the drain of a JavaScript engine,
// Config.Microtasks), and so on until both are empty. What is called from outside
// of the loop but shall have this, a script's main program say, is run by
// [Loop.Do].
//
// A handle is what may call back: [Timer], [Idle], [Prepare], [Check], [Immediate],
// [Async], [UDP]. It is active or not, and referenced unless [Handle.Unref] was
// called. [Loop.Run] returns when no referenced handle is active, nothing that was
// begun is under way (sends, [Loop.Work]) and nothing is closing.
//
// A socket's turn is at most [Turn] datagrams. So a socket that is flooded delays
// timers and other sockets by that many, and no more. What the callback of a batch
// has left over, because it stopped receiving, is kept for the next start.
//
// # Waiting, and whose time it is
//
// The time is Config.Clock's, else the network's. In Run the loop blocks its
// goroutine. In a lab in virtual time, where that is not done, Run is called by a
// task of the host ([Scheduler]):
//
//	h.Go("server", func(ctx context.Context) error {
//		l := loop.New(loop.Config{On: h})
//		...
//		return l.Run()
//	})
//
// and all happens in the order of the lab's events: the same seed, the same run. What a
// loop does takes a little of the virtual time, Config.CallbackTime for a callback, as far
// as the loop is not idle for as long anyway: so one that is never idle does not stop
// the time, and timers and traffic pass it in their order.
// In a testing/synctest bubble the loop is as idle as a goroutine.
//
// Who has an event loop of its own drives this one from there: [Loop.RunMode] with
// [RunNoWait], again when [Loop.Timeout] has passed or Config.Wake was called.
//
// # Goroutines
//
// Loops and handles are for one goroutine, the one that runs the loop, or that
// builds it before. From any other: [Loop.Post], [Loop.Stop], [Async.Send].
//
// # Errors
//
// UDP returns what libuv would, as a bare [syscall.Errno]: EBADF before there is a
// socket and after Close. What a network cannot do answers socket.ErrNotSupported.
//
// [Loop.Fail] ends Run with an error, for what nobody handles: it is to Go what an
// uncaught exception is to a script.
//
// # Limitations
//
// Datagrams only: no streams, files, processes or signals.
//
// The closing callbacks of one turn come in the order of the calls of Close; libuv
// turns it round.
//
// SetMulticastInterface names the interface by an address and, unlike the kernel's
// IP_MULTICAST_IF, does not make that address the source.
package loop
