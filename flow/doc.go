// Package flow serves UDP as an HTTP server serves TCP: each flow, which is one
// client talking to one destination, has a connection and a goroutine of its own.
// Tunnels, proxies and VPNs are made of it.
//
//	tun0, err := s.AddInterface("tun0", link)
//	err = tun0.SetTransparent(netip.MustParsePrefix("0.0.0.0/0"))
//
//	cfg := castnet.Config{On: s, Interface: "tun0"}
//	all, err := cfg.Intercept("udp4")
//	srv, err := flow.New(all, flow.Config{Handler: flow.Proxy(func(ctx context.Context, f *flow.Flow) (net.Conn, error) {
//		return castnet.Dial("udp4", f.Destination().String())
//	})})
//	err = srv.Serve() // until srv.Close
//
// # How it works
//
// A [Server] accepts flows from a Conn, one that intercepts or one that listens on
// a port, and starts the handler of each with its first datagram unread. A [Flow]
// is a *castnet.Conn: it hears its client alone and writes to it from the address
// and port that the client had sent to. The network sorts datagrams into flows, so
// a busy flow costs the Server nothing, datagrams keep their order, and the bound
// on what waits for a slow handler is the flow's receive buffer: what does not fit
// is dropped as ReceiveQueueFull.
//
// A flow ends when its handler returns, when nothing has been received or sent for
// the idle timeout, when it is evicted, or when the Server is closed. In the last
// three cases its Conn is closed under the handler, whose calls return
// net.ErrClosed, and context.Cause of its Context says why. Serve returns when all
// handlers have: none is left behind.
//
// Time is the network's, and nothing blocks but on sockets, so a Server runs in a
// testing/synctest bubble, and in a lab in virtual time: its handlers are then tasks of
// the lab's host.
//
// # Limitations
//
// The network must be able to accept flows: stacks and lab hosts are, the operating
// system is not, as datagrams would be lost between a socket's binding and its
// connecting.
//
// That a flow is idle is noticed up to a quarter of the timeout late. Which flow is
// the idlest is known as of the same looks, and so approximately.
package flow
