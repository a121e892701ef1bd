package socket

import "github.com/castnet-go/castnet/drop"

// Stats are a socket's counters since it was opened. A train counts as the
// datagrams it is made of.
type Stats struct {
	Received      uint64 // datagrams read
	ReceivedBytes uint64 // their payload, uncut
	Sent          uint64 // datagrams accepted for sending
	SentBytes     uint64 // their payload

	// Dropped counts what was lost on the way to this socket or from it, by
	// reason; nil: nothing. The operating system tells only of
	// ReceiveQueueFull.
	Dropped map[drop.Reason]uint64

	ReceiveQueued int // bytes of true size waiting to be read
	SendQueued    int // bytes of true size that have not left
}
