package stack

import (
	"syscall"

	"github.com/castnet-go/castnet/socket"
)

// ChangeGroup changes what the socket hears of a group.
func (s *Socket) ChangeGroup(change socket.GroupChange, g socket.Group) error {
	return syscall.ENOPROTOOPT
}

// Memberships lists what ChangeGroup has joined, in the order of joining.
func (s *Socket) Memberships() []socket.Membership { return nil }
