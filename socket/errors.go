package socket

import "errors"

// ErrCancelled is what Wait returns when its Cancel fires.
var ErrCancelled = errors.New("wait cancelled")

// ErrClosed is the error of what was closed: a socket, a network. It answers to
// [net.ErrClosed], errors.Is(err, net.ErrClosed), though it is another value: package
// net, whole, would come with every program that needs nothing of it but that.
var ErrClosed error = closedError{}

// closedError has the words of net.ErrClosed, which are kept as they are for the sake of
// programs that look for them, and by which it knows it.
type closedError struct{}

func (closedError) Error() string { return "use of closed network connection" }

func (e closedError) Is(target error) bool { return target != nil && target.Error() == e.Error() }

// A NameError says that a network knows no host of a name. Packages castnet and dgram
// make a *net.DNSError of it.
type NameError struct{ Name string }

// Error returns "lookup h9: no such host", as a *net.DNSError has it.
func (e *NameError) Error() string { return "lookup " + e.Name + ": no such host" }

// ErrNotSupported is what errors answer to that say that a network cannot do
// something: errors.Is(err, ErrNotSupported). They also answer to
// [errors.ErrUnsupported].
var ErrNotSupported = errors.New("not supported by this network")

// NotSupportedError says what a network cannot do, and why.
type NotSupportedError struct {
	What   string // "option DontFragment"
	Reason string // "needs Linux 6.9"; may be empty
}

// Error returns "option DontFragment is not supported: needs Linux 6.9".
func (e *NotSupportedError) Error() string {
	if e.Reason == "" {
		return e.What + " is not supported"
	}
	return e.What + " is not supported: " + e.Reason
}

// Is reports whether target is ErrNotSupported or errors.ErrUnsupported.
func (e *NotSupportedError) Is(target error) bool {
	return target == ErrNotSupported || target == errors.ErrUnsupported
}
