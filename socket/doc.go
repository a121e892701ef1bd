// Package socket is the seam of castnet: what a datagram socket does, whatever
// network carries its datagrams.
//
// Above the seam stand the ways to write a program (castnet.Conn, package
// dgram, scripts); below it the networks (package host: the operating system;
// package stack: our own kernel; a lab's hosts, which are stacks). Nothing
// above knows which network it is on, and nothing below knows of blocking
// reads, deadlines or events.
//
//	s, err := network.Open(socket.IPv4)
//	err = s.Bind(netip.MustParseAddrPort("0.0.0.0:7"))
//	ms := make([]socket.Message, 32)
//	for {
//		n, err := s.TryRecv(ms)
//		if err == syscall.EAGAIN {
//			err = s.Wait(socket.Readable, nil)
//		}
//		...
//	}
//
// # The contract
//
// A [Socket] has the semantics of a Linux UDP socket in non-blocking mode, and
// Linux is the oracle: the conformance suite runs each rule on the operating
// system and on package stack, and both must say the same.
//
// Errors that the kernel has a word for are that word: a bare [syscall.Errno],
// which costs no allocation, compares with == and answers [errors.Is]. Who
// presents errors to people wraps them. Three errors are not errnos:
// [ErrClosed] after Close, [ErrCancelled] from Wait, and errors that answer
// [ErrNotSupported], for what a network cannot do. An option is honoured or
// refused, never silently ignored.
//
// Work is done in batches. TryRecv and TrySend return how many messages were
// done, and an error only if it is zero: an error that strikes in the middle of
// a batch ends the batch, and comes back from the next call if it still holds.
// So nothing is skipped and nothing is sent twice: the caller goes on with
// ms[n:].
//
// Both buffers are real on every network. The receive buffer is charged by the
// true size of what waits in it, bookkeeping included; what arrives when it is
// full is dropped and counted. The send buffer is charged from TrySend until
// the frame has left the machine; EAGAIN says that it is full and Writable
// that there is room again.
//
// A pending error (ECONNREFUSED, after a port-unreachable message) is reported
// once: by the next TryRecv or TrySend, ahead of queued data, or by reading
// [Error].
//
// # The error queue
//
// A plain socket hears little of what became of its datagrams: if it is
// connected, of the ICMP errors that are final. With [ReceiveErrors] it hears of
// all, connected or not, in two ways. Each becomes the pending error, of which
// there is one, the last. And each is kept in the error queue, an [ErrorMessage]
// with what is known of the datagram, for TryRecvError; so is EMSGSIZE of the own
// host, with the MTU. They are bound together as on Linux: to read an entry of
// ICMP takes the pending error away, or makes the next entry's pending.
//
// The queue's entries are charged to the receive buffer, and what finds it full
// is lost to the queue. So who sets ReceiveErrors reads the queue: else the errors
// take the room of datagrams.
//
// A train, which is a Message with a SegmentSize, is one Message and many
// datagrams: in [Stats] it counts as these, on either end.
//
// # Waiting
//
// [Socket.Wait] blocks a goroutine, or a task of a lab. [Socket.Notify] calls a
// function once. Both are level-triggered: they look at the state before they
// wait. A wait is ended from outside by a [Cancel], which is how deadlines are
// made above the seam.
//
// Of several reasons to return Close comes first, then the Cancel, then what is
// waited for: a Cancel that has fired ends a wait for what holds already, and
// a program that is told to stop does.
//
// A Socket may also be a [Receiver], which waits for datagrams and takes them
// in one step. That is TryRecv and Wait in turns, and tells nothing that these
// would not; it is for networks where a wait costs something, and a network is
// whole without it. Who wants it asks for it by a type assertion and keeps the
// other way for the rest.
//
// # Without a copy
//
// TryRecv copies each datagram into the program's buffer. A [Lender] hands it out where
// it lies, until the [Loan] is returned.
//
// # Addresses
//
// An IPv4 socket binds, connects and sends to IPv4 addresses, and the form
// counts: a v4-mapped address (::ffff:192.0.2.1) is an IPv6 one. What is of
// another family is EAFNOSUPPORT, and so is an AddrPort without an address. Only
// the zero AddrPort has a meaning: nobody to Connect, the peer to TrySend.
//
// # Limitations
//
// Datagrams only. Options are integers; what needs more (memberships, the
// error queue) has methods of its own. Abilities that only some networks have
// are optional interfaces, of the Network ([Resolver], [PollerNetwork]) or of the Socket
// ([Receiver], [Lender], [Acceptor], [Interceptor]).
package socket
