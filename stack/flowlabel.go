package stack

import (
	"syscall"

	"github.com/castnet-go/castnet/socket"
)

// setOption6 sets an option that only sockets of IPv6 have.
func (s *Socket) setOption6(next *options, opt socket.Option, value int) error {
	switch {
	case opt == socket.AutoFlowLabel:
		next.unlabelled = value == 0
	case s.isBound():
		return syscall.EINVAL
	default:
		next.only6 = value != 0
	}
	return nil
}

// flowLabel returns what packets between two places are labelled with: never zero, which
// would say that there is none, the same for all packets of a flow, and nothing that could
// be foretold (RFC 6437, 3; Linux's auto_flowlabels).
func (s *Stack) flowLabel(src, dst address, ports uint32) uint64 {
	h := s.ports.mix(src.hi, src.lo)
	h = s.ports.mix(h^dst.hi, dst.lo)
	return max(s.ports.mix(h, uint64(ports))>>44, 1)
}
