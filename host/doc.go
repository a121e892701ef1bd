// Package host is the operating system's UDP sockets behind the seam of package
// socket.
//
//	var network host.Network
//	s, err := network.Open(socket.IPv4)
//	err = s.Bind(netip.MustParseAddrPort("0.0.0.0:7"))
//	ms := make([]socket.Message, 32) // each with a Buf
//	for {
//		n, err := s.TryRecv(ms)
//		if err == syscall.EAGAIN {
//			err = s.Wait(socket.Readable, nil)
//			continue
//		}
//		...
//	}
//
// # How it works
//
// The descriptor is non-blocking. Who uses it is counted, so that nothing uses its
// number after it was closed. When somebody first waits it becomes an *os.File's, for
// the runtime's poller to know it, and not before: for every epoll instance that watches
// a socket the kernel has something to do with each datagram.
//
// TryRecv and TrySend are one system call for up to 32 datagrams (recvmmsg,
// sendmmsg), or the like for one. What the calls need, headers,
// addresses and control messages, comes from a pool, or for a single datagram is
// part of the Socket: they allocate nothing. Who is parked does not hold them up.
//
// sendmmsg forgets the error that ended it early. For an error that stays, such
// as EMSGSIZE, that is well: the next call meets it again. But a pending
// ECONNREFUSED is reported by the kernel once, and would be lost. So a socket
// that can have one, because it was connected or has ReceiveErrors set, sends
// its batches by one sendmsg a datagram, and keeps an error that strikes in the
// middle for the next call.
//
// Wait parks the goroutine in RawConn.Read or RawConn.Write. The poller is
// edge-triggered and forgets, each time, what came before; so the function that
// is parked asks poll(2) on every call. Only one goroutine can be parked in a
// direction; others queue for their turn, and whoever leaves, for whatever
// reason, lets the next one look. A Cancel wakes the parked one by a deadline in
// the past, which only it ever sees. Notify parks a goroutine of its own, for as
// long as something is to be notified of.
//
// To try, to wait and to try again is four system calls. Receive parks the trying
// itself, which is two: the poller forgets before the first what came before it
// and wakes for what comes after, so poll(2) need not be asked. For the rest it
// parks like Wait and stands in the same line. Only that the socket is shut down
// for reading it has to be told: a try does not show it, and the event may have
// come before.
//
// An event loop that has many sockets waits for all at once, in an epoll instance of its
// own (Network.NewPoller), past the runtime's poller: nobody has to be woken to tell it.
// Calls that do not wait tell the scheduler nothing.
//
// Close wakes everybody and returns once the descriptor is closed, so the port
// is free by then.
//
// poll(2) makes no difference between a pending error and an entry of the error
// queue. On a socket with ReceiveErrors, who asks what is ready takes the pending
// error over from the kernel and keeps it; what is left is the queue. Who waits
// for the queue parks on an epoll instance of its own, which does not wake for
// datagrams.
//
// # Addresses
//
// An address is handed to the kernel in the family it has. An IPv6 socket may
// therefore send and connect to IPv4 addresses, but binds to them in their
// v4-mapped form only; whatever it reports, of peers and of itself, is v4-mapped
// (::ffff:192.0.2.1). A link-local address carries the name of its interface as
// its zone, or the index if there is no name; to be sent to, either will do.
//
// # Groups
//
// Memberships lists what was joined, which the kernel knows and does not list. Where no
// interface was named, the socket is asked, interface by interface, on which one the
// kernel joined, for its namespace may be another than the calling thread's; there the
// interfaces up to index 4096 are found.
//
// Three things of IPv6 are not as IPv4 has them, and are left as the kernel does them: a
// group may be joined without naming an interface only if it is joined nowhere yet; of a
// group that is joined by several interfaces the sources of the last one are asked for,
// whichever a datagram came in by; and a socket of both families hears groups of IPv4 that
// others have joined only if MulticastAll is set, though it reads as if it were.
//
// # Limitations
//
// Linux only: elsewhere Open says that it is not supported. Which options need
// a newer kernel is said by their errors.
//
// The kernel holds one pending error a socket, and so does this package: of
// several unlike ones that come at once, one may be lost. With ReceiveErrors the
// error queue has them all. Of a payload in it the kernel does not say how long
// it was: ErrorMessage.Len counts up to 2048 bytes beyond Buf.
//
// The kernel does not tell IPv4's MulticastInterface: read, it is what was last
// set here.
package host
