package socket

import "errors"

// ErrCancelled is what Wait returns when its Cancel fires.
var ErrCancelled = errors.New("wait cancelled")

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
