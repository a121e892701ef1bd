package stack

import (
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/socket"
)

var _ socket.Refuser = (*Socket)(nil)

// Refuse makes n datagrams that were read, of size bytes of payload, dropped ones. See
// socket.Refuser.
func (s *Socket) Refuse(n, size int, reason drop.Reason) {
	q := &s.queue
	q.mu.Lock()
	closed := q.state == queueClosed
	if closed { // then they may have been counted with those of the past
		q.mu.Unlock()
		s.stack.sockets.mu.Lock()
		defer s.stack.sockets.mu.Unlock()
		q.mu.Lock()
	}
	n = max(min(n, int(q.received)), 0)
	q.received -= uint64(n)
	q.bytes -= min(uint64(max(size, 0)), q.bytes)
	q.mu.Unlock()
	if closed && s.past {
		s.stack.sockets.past.received -= uint64(n)
	}
	if n > 0 {
		s.countDrop(reason, n)
		s.stack.drops.Add(reason, n)
	}
}
