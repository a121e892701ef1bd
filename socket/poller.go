package socket

import "time"

// A Poller waits for many sockets at once. It is how an event loop waits where that
// costs less than being notified by each: the operating system's sockets have to be
// asked by system calls. It is for one goroutine, except for Wake.
type Poller interface {
	// Watch says what Poll is to look for at a socket, and by which number it tells
	// of it; no events: the socket is left alone. Closed, a socket is watched no
	// more. ErrNotSupported: it is of another network. EBUSY: another Poller
	// watches it.
	Watch(s Socket, events Events, id uint64) error

	// Poll waits until a socket is ready for what it is watched for, fills ready and
	// returns how many it filled. It returns 0 when d has passed, or Wake was
	// called, or for no reason. It does not wait with a d of zero, and without end
	// with a negative one. It is level-triggered: what is still so is told again.
	Poll(ready []Ready, d time.Duration) (int, error)

	// Wake ends the Poll under way, or the next one. It may be called from any
	// goroutine.
	Wake()

	// Close gives up what the Poller holds of the system's; the sockets stay open.
	Close() error
}

// Ready is a socket that is ready for some of what it is watched for.
type Ready struct {
	ID     uint64
	Events Events
}

// A PollerNetwork is a Network whose sockets a Poller can wait for.
type PollerNetwork interface {
	NewPoller() (Poller, error)
}
