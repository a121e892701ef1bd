// Package castnet is UDP for Go, whole: one datagram socket, any network
// underneath.
//
// A [Conn] is a net.PacketConn and a net.Conn with every method of
// *net.UDPConn, and with what that type lacks: batches, the datagram's own
// destination and interface, ECN, the path MTU, and losses that are counted.
// The network below it is the operating system's, a UDP/IP stack in this
// process, or a host of a simulated lab; a program does not notice which.
//
//	c, err := castnet.Listen("udp", ":7")
//	if err != nil {
//		log.Fatal(err)
//	}
//	buf := make([]byte, 65535)
//	for {
//		n, peer, err := c.ReadFromUDPAddrPort(buf)
//		if err != nil {
//			log.Fatal(err)
//		}
//		c.WriteToUDPAddrPort(buf[:n], peer)
//	}
//
// On another network the first line is
//
//	cfg := castnet.Config{On: network} // a *stack.Stack, a *lab.Host, Host()
//	c, err := cfg.Listen(ctx, "udp", ":7")
//
// and nothing else changes.
//
// # How it works
//
// A Conn stands on a [socket.Socket], which never blocks; Conn adds what a Go
// program expects: blocking calls, deadlines by the network's clock, and
// errors in the shape of package net (*net.OpError around *os.SyscallError
// around the errno). Nothing in a Conn waits with a lock held, so every method
// may be called from any goroutine at any time.
//
// Reads and writes with netip addresses, and batches, do not allocate. Those
// with a net.Addr allocate the address they return, as package net does.
//
// Names, service names, the choice between IPv4 and IPv6, the dual-stack
// wildcard and the permission to broadcast follow package net, so that a
// program moved here hears and sends what it did before. Tests hold both to
// the same table.
//
// # Tests in virtual time
//
// Deadlines follow the network's clock. On a stack in a testing/synctest
// bubble that is the bubble's, so that a test of an hour's timeout takes no
// time, and none of it varies:
//
//	synctest.Test(t, func(t *testing.T) {
//		s, err := stack.New(stack.Config{})
//		...
//		c, err := (&castnet.Config{On: s}).Listen(t.Context(), "udp4", ":0")
//		c.SetReadDeadline(time.Now().Add(time.Hour))
//		_, _, err = c.ReadFrom(buf) // a timeout, at once
//	})
//
// Package conntest has the rules that a Conn keeps, as tests for any other
// packet connection.
//
// # Limitations
//
// There is no method to join a multicast group yet.
//
// SyscallConn exists only where there is a descriptor, on [HostConn]; File
// does not exist.
//
// The control messages of ReadMsgUDP and WriteMsgUDP are in Linux's layout on
// every platform and know the fields of a [Message] only.
//
// A network whose clock is clock.Manual has deadlines in the past but none in
// the future: nothing would call them.
//
// As with package net, listening on a group's address listens on the wildcard
// address with ReuseAddr.
package castnet
