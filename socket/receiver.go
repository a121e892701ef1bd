package socket

// A Receiver is a Socket that can wait for datagrams and take them in one step.
// The operating system's can: there, to wait first and take then costs system
// calls that to try, and be woken to try again, does not.
type Receiver interface {
	// Receive does what TryRecv does, and blocks as long as that would
	// return EAGAIN. Only on a socket that is shut down for reading it
	// returns EAGAIN itself, as soon as the queue is empty. With no
	// messages to fill it does not block.
	//
	// It returns ErrCancelled if cancel fires first, or had fired before,
	// and ErrClosed if the socket is closed; nothing was taken then. A
	// nil cancel never fires.
	//
	// Several may wait at once, beside those in Wait and what Notify will
	// call; a datagram goes to one of them.
	Receive(ms []Message, cancel *Cancel) (int, error)
}
