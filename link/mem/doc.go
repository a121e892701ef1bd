// Package mem is a wire in memory: what is written to one end is delivered at
// the other, in the same call.
//
//	a, b := mem.Pair(mem.Config{})
//	eth0, err := s1.AddInterface("eth0", a)
//	eth0, err = s2.AddInterface("eth0", b)
//
// # How it works
//
// Write calls the other end's Deliver on the writer's goroutine, with the very
// buffers that were written: there is no queue and no copy. So nothing waits,
// and a send buffer on such a wire is never full. The flow of the first frame
// chooses the queue that the batch is delivered by, so that senders on several
// cores do not meet.
//
// # Limitations
//
// No delay, no loss, no limit: package lab has links with those.
package mem
