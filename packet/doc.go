// Package packet holds the bytes of packets on their way: pooled buffers with
// room in front for headers, shared by counting references.
//
//	b := packet.New(len(payload))
//	copy(b.Append(len(payload)), payload)
//	wire.PutUDP(b.Prepend(wire.UDPHeaderLen))
//	...
//	link.Write(b.Single()) // hands b on
//
// # How it works
//
// A [Buffer] is a window on a piece of storage of one of a few size classes.
// Headers are prepended into the room before the window and stripped by moving
// its start, so a payload is copied once on its way out and once on its way in.
//
// Who is handed a buffer owns it: it releases it or hands it on. [Buffer.Retain]
// adds an owner for reading, as when one datagram waits in the queues of several
// sockets. [Buffer.Clone] makes a second Buffer with a window and marks of its
// own on the same bytes, as when a switch floods a frame. Bytes that are shared
// are immutable; who must write asks for [Buffer.Writable] and gets the same
// buffer back if it is nobody else's, else a copy.
//
// Released buffers go to a pool that the whole process shares, one for each
// size class, in chains: [ReleaseAll] gives a batch back in one operation and
// [NewBatch] takes one out, so a batch costs the pool about what a single
// buffer does, and traffic in one direction cannot drain one pool and fill
// another. Who takes or releases small buffers one at a time under a lock of its
// own keeps a few, in a [Stash] or a [Spent], and so goes to the pool once for
// all of them.
//
// A buffer may have an [Owner], the socket that sent it. Who keeps a frame
// waiting (a queue for an unresolved neighbour, a link with a rate) calls
// [Buffer.Hold]; the owner's send buffer is then charged until the frame is
// released or [Buffer.Orphan] ends the tie. Frames that leave at once are never
// charged and cost nothing.
//
// # The checking build
//
// With the build tag packetcheck, and under the race detector, every buffer's
// state is tracked: a double release or a use after release panics, released
// bytes are overwritten, and [Live] counts the buffers that are out, so that a
// test can tell a leak.
//
// # Limitations
//
// The largest buffer holds one IP packet of 65 535 bytes and its headers.
// A window is always contiguous: a clone that needs headers of its own is
// copied by Writable.
package packet
