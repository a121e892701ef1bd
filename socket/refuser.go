package socket

import "github.com/castnet-go/castnet/drop"

// A Refuser is a Socket that can be told of datagrams which were read from it and then
// refused, by a list of blocked addresses say, or since the program had ended meanwhile. So
// that each has one end: it was received, or it was dropped.
type Refuser interface {
	// Refuse says that of the datagrams read n, with size bytes of payload
	// together, were dropped after all, for a reason. They are received no more,
	// in the socket's counters and the network's, but dropped. It may be called
	// after Close.
	Refuse(n, size int, reason drop.Reason)
}
