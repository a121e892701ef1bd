package link

import "github.com/castnet-go/castnet/internal/text"

// A CapabilityError says that a device refused for want of a capability, and
// how to come by it. Unwrap gives the errno, usually EPERM.
type CapabilityError struct {
	Op         string // "tap: open cn0"
	Capability string // "CAP_NET_ADMIN"
	Grant      string // a command that grants it, or does what it is needed for; lines
	Err        error
}

// Error returns the operation, the errno, the capability and the command.
func (e *CapabilityError) Error() string {
	return text.Sprintf("%s: %v: this needs %s; to grant it: %s", e.Op, e.Err, e.Capability, e.Grant)
}

// Unwrap returns the errno.
func (e *CapabilityError) Unwrap() error { return e.Err }
