// Package wgtun joins castnet's stack and wireguard-go where packets are: at the
// interface tun.Device, which is how wireguard-go sees a TUN device.
//
// A [Device] is a tun.Device without a TUN device: what WireGuard decrypts goes
// into a stack in this process, and what the stack sends is encrypted. It needs
// no privilege.
//
//	inner, err := stack.New(stack.Config{})
//	d, err := wgtun.New(wgtun.Config{MTU: 1420})
//	wg0, err := inner.AddInterface("wg0", d.Link())
//	err = wg0.AddAddress(netip.MustParsePrefix("10.77.0.1/24"))
//	w := device.NewDevice(d, conn.NewDefaultBind(), device.NewLogger(device.LogLevelError, ""))
//	c, err := (&castnet.Config{On: inner}).Listen(ctx, "udp4", ":7")
//
// [CreateNetTUN] does the first four lines. [Of] makes a Device of any link that
// carries IP packets, and a [Link] is the other way round: a stack's link on any
// tun.Device, such as wireguard-go's own for Windows or macOS.
//
// # How it works
//
// The two sides push and pull. A stack writes packets to its link and must not
// be kept waiting; WireGuard reads them in batches, into buffers of its own with
// room in front for its header, and waits until there are some. Between them is
// a bounded queue. What waits there is charged to the send buffer of the socket
// that sent it (packet.Buffer.Hold), so that a socket which is faster than the
// tunnel is told EAGAIN, and castnet.Conn blocks; nothing is lost. Only if many
// sockets together fill the queue, the link refuses the packet, and the stack
// counts it as LinkQueueFull.
//
// The other way there is no queue: Device.Write copies the packets that were
// decrypted and delivers them to the stack before it returns.
//
// A packet is copied once in each direction, since wireguard-go encrypts and
// decrypts in place, in buffers of its own. Nothing is allocated for it, other
// than by the pools of package packet.
//
// A Device has no goroutine. A Link has three, as tun.Device only has calls that
// block: one reads, one writes, one waits for events. Close ends and joins them.
//
// # What is lost
//
// Device.Drops and Link.Drops count, by reason, what was accepted and got lost
// afterwards; what is refused is counted by who wanted to send it.
//
// # Limitations
//
// Trains go from a stack to WireGuard, which is given their datagrams one by one. The
// other way, and on a Link, there are none.
//
// A tun.Device cannot be told to stop reading, short of closing it. A Link whose
// sink is detached goes on reading, and drops what comes (LinkNoPeer). And it
// does not say which packets of a batch failed: if one does, a Link counts the
// whole batch as LinkError.
//
// Attach and Close wait for a delivery that is under way, so they must not be
// called from within one.
package wgtun
