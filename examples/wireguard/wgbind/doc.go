// Package wgbind lets WireGuard's own datagrams, those that carry the tunnel, run
// on any of castnet's networks: the operating system's, a stack in user space, a
// host of a lab. A [Bind] is a conn.Bind of wireguard-go.
//
//	bind := wgbind.New(castnet.Config{On: network})
//	w := device.NewDevice(tunDevice, bind, logger)
//
// # How it works
//
// A Bind has one castnet.Conn, for both families where the network has both. It
// reads and writes in batches, straight from and into wireguard-go's buffers.
// WriteBatch waits while the send buffer is full, and so does WireGuard's sender.
// On the operating system's network a batch to one peer is handed to the kernel as
// few large pieces, which castnet sees to.
//
// An answer leaves from the address that the peer had sent to. Should the network
// refuse that, because the address has gone, it is sent again from whichever fits.
//
// An [Endpoint] is made once for each peer's address and used again, so a packet
// costs no allocation.
//
// # Limitations
//
// A firewall mark (SetMark) is refused, as castnet does not know it. Endpoints are
// literal addresses, as they are in wireguard-go.
package wgbind
