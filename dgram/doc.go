// Package dgram is Node.js's module dgram in Go: UDP sockets that call back, on any
// network.
//
//	l := loop.New(loop.Config{On: network})
//	s, err := dgram.CreateSocket(dgram.Options{Type: "udp4", Loop: l})
//	s.OnMessage(func(msg []byte, from *dgram.RemoteInfo) {
//		s.Send(msg, from.Port(), from.Address(), nil)
//	})
//	s.OnListening(func() { fmt.Println("listening on", s.Address()) })
//	err = s.Bind(7, "", nil)
//	err = l.Run()
//
// The names are Node's in Go's spelling, the semantics are Node's (version 26), and
// so are the codes and messages of errors ([Error]). What Node throws is returned;
// what it gives to a callback or to the event 'error' comes there, always later than
// the call that caused it, on the next tick: never from inside the call.
//
// # Sending
//
// [Socket.Send] tries at once. If the network has no room, the datagram is queued,
// never dropped, and goes in its turn. A callback learns what became of it; without
// one, errors of sending are not told to anybody, those of looking a name up are the
// event 'error'. Callbacks of one socket come in the order in which the sends ended.
// Each is called exactly once: closing the socket cancels what waits (ECANCELED), and
// so does a bind that fails, with its error. Node forgets such callbacks.
//
// Before the socket is bound, sends and Connect wait in a queue, in order. An unbound
// socket is bound by them, to a port of the network's choice.
//
// A name is looked up by the network, beside the loop; a literal address is not. Sends
// to names that are being looked up wait; those to addresses pass them by, as in Node.
// What waits for a bind or a lookup is bounded (Options.MaxPending), as is the queue
// behind the network (MaxQueued): more is ENOBUFS, told to the callback.
//
// # How long bytes stay valid
//
// A received message, and the RemoteInfo beside it, are the listener's until it
// returns; then the memory is used for the next. Who keeps them copies them. Of a
// message to be sent the bytes are the caller's again when Send returns: what has to
// wait is a copy.
//
// # Events
//
// OnMessage, OnListening, OnConnect, OnError and OnClose add a listener and return
// what removes it again. An error that nobody listens to ends the loop: Run returns
// it, as an uncaught error ends a Node program.
//
// # Beyond Node
//
// [Socket.OnMessages] and [Socket.SendBatch] work in batches. A RemoteInfo tells the
// datagram's own destination, interface, TTL, ECN and how many were lost before it, if
// Options.Report asks for them, and [Socket.SendMessage] sets them.
// [Socket.AddMembershipAll] joins a group on every interface. [Socket.Stats] counts
// drops, and what block lists have held back.
//
// # Limitations
//
// There is no cluster, and so no option exclusive: every socket is its process's own.
// ERR_BUFFER_OUT_OF_BOUNDS cannot occur, as Go has slices for offset and length, nor
// can ERR_INVALID_ARG_TYPE. BindFD is for the operating system's network.
//
// Sockets are for the goroutine that runs the loop, or that sets them up before; other
// goroutines use [loop.Loop.Post].
//
// In a lab's virtual time Options.Signal is looked at once in every turn of the loop,
// since a context tells of its end on a goroutine of its own.
package dgram
