package dgram

import "github.com/castnet-go/castnet/socket"

// SendBatch sends datagrams, each to its Addr, or on a connected socket to the peer.
// What the network has no room for is queued, in order. callback, unless it is nil, is
// called once, when all have gone or failed: with how many have gone and the first
// error. Errors of SendBatch itself are those of Send, and then none is sent.
func (s *Socket) SendBatch(ms []socket.Message, callback func(sent int, err error)) error {
	for i := range ms {
		if err := s.sendable(int(ms[i].Addr.Port()), ms[i].Addr.Addr().IsValid()); err != nil {
			return err
		}
	}
	if len(ms) == 0 {
		if s.handle == nil {
			return ErrSocketDgramNotRunning
		}
		s.complete(callback, 0, nil)
		return nil
	}
	if s.bindState == bound {
		s.transmitBatch(ms, callback)
		return nil
	}
	b := &batchSend{left: len(ms), callback: callback}
	for i := range ms {
		m := &ms[i]
		s.waitToSend(m, b.one, func(m *socket.Message) { s.transmit(m, m.Addr.Addr(), "", b.one) }, "", int(m.Addr.Port()))
	}
	return nil
}

// A batchSend is a batch whose datagrams go one by one.
type batchSend struct {
	left     int
	sent     int
	err      error
	callback func(int, error)
}

// one is the end of one of them.
func (b *batchSend) one(_ int, err error) {
	if err == nil {
		b.sent++
	} else if b.err == nil {
		b.err = err
	}
	if b.left--; b.left == 0 && b.callback != nil {
		b.callback(b.sent, b.err)
	}
}

// transmitBatch sends what it can at once and the rest one by one.
func (s *Socket) transmitBatch(ms []socket.Message, callback func(int, error)) {
	total := len(ms)
	n := 0
	for n < total {
		if !s.plainBatch(ms[n:]) {
			break
		}
		sent, err := s.handle.TrySendBatch(ms[n:])
		if n += sent; err != nil {
			break
		}
	}
	if n == total {
		s.complete(callback, n, nil)
		return
	}
	b := &batchSend{left: total - n, sent: n, callback: callback}
	for i := range ms[n:] {
		m := ms[n+i]
		s.transmit(&m, m.Addr.Addr(), "", b.one)
	}
}

// plainBatch reports whether a batch can be handed on as it is.
func (s *Socket) plainBatch(ms []socket.Message) bool {
	blocked := s.opts.SendBlockList
	for i := range ms {
		ip := ms[i].Addr.Addr()
		if ip.IsValid() && (!s.suits(ip) || blocked != nil && blocked.Check(ip)) {
			return false
		}
	}
	return true
}
