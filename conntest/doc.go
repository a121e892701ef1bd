// Package conntest is a test suite for packet connections: what
// golang.org/x/net/nettest does for net.Conn, for net.PacketConn.
//
// It says what a program that was written against *net.UDPConn relies on, and
// checks it on any implementation:
//
//	func TestMyConn(t *testing.T) {
//		conntest.TestPacketConn(t, func() (*conntest.Pair, error) {
//			c1, err := mynet.Listen("127.0.0.1:0")
//			if err != nil {
//				return nil, err
//			}
//			c2, err := mynet.Listen("127.0.0.1:0")
//			if err != nil {
//				return nil, err
//			}
//			return &conntest.Pair{C1: c1, C2: c2}, nil
//		})
//	}
//
// net.ListenUDP passes, and so does castnet.Conn on every network.
//
// # How it works
//
// Each rule is a subtest with a pair of its own, so that a failure names the
// rule and nothing that one case leaves behind disturbs another. A case that
// hangs is ended and reported; goroutines that outlive the pair are reported
// with their stacks.
//
// [TestPacketConnInBubble] runs each case in a testing/synctest bubble, where
// deadlines must be met to the nanosecond and nothing waits.
//
// The suite is itself tested: for every rule there is a connection that breaks
// it, and the suite must notice.
//
// # Limitations
//
// The pair must not lose datagrams while few are under way; loss has no place
// in a test of a connection. Order is not demanded.
//
// Writers that are blocked by a full buffer are not among the cases: there is
// no general way to fill one. Close is tried against writers that are busy.
//
// The leak check counts the goroutines of the process, so that nothing else
// may start any while the suite runs.
//
// The rules are those of Unix. On Windows net.UDPConn itself breaks the one
// about datagrams longer than the reader's buffer.
package conntest
