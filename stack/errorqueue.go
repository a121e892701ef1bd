package stack

import (
	"github.com/castnet-go/castnet/socket"
)

// TryRecvError takes the first entry off the error queue.
func (s *Socket) TryRecvError(m *socket.ErrorMessage) error {
	return s.nothing()
}
