package dgram

import (
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/socket"
)

// A RemoteInfo is what is known of a datagram besides its bytes. Addr is who sent it;
// of the other fields Set says which hold something, as Options.Report has asked.
type RemoteInfo socket.Message

// A Message is a datagram and what is known of it.
type Message = socket.Message

// Address returns the sender's address, with its zone if it has one (fe80::1%eth0).
func (r *RemoteInfo) Address() string { return r.Addr.Addr().String() }

// Port returns the sender's port.
func (r *RemoteInfo) Port() int { return int(r.Addr.Port()) }

// Family returns "IPv4" or "IPv6".
func (r *RemoteInfo) Family() string { return familyName(r.Addr.Addr()) }

// Size returns the datagram's length in bytes.
func (r *RemoteInfo) Size() int { return r.Len }

// ECN returns the two bits of explicit congestion notification (RFC 3168), if
// Options.Report has socket.FieldTOS.
func (r *RemoteInfo) ECN() uint8 { return r.TOS & 3 }

// OnMessages adds a listener for all datagrams of a turn at once, up to loop.Turn; they
// are its until it returns. Listeners of OnMessage get each of them after that.
func (s *Socket) OnMessages(f func(ms []socket.Message)) (remove func()) {
	remove = s.onMessages.add(f)
	if s.receiving && !s.batched {
		_ = s.handle.RecvStop()
		_ = s.receive()
	}
	return remove
}

// receive makes the handle receive.
func (s *Socket) receive() error {
	s.batched = len(s.onMessages.listeners) > 0
	s.receiving = true
	if s.batched {
		return s.handle.RecvStartBatch(s.gotBatch)
	}
	return s.handle.RecvStart(s.got)
}

// got takes a datagram, or an error.
func (s *Socket) got(m *socket.Message, err error) {
	if err != nil {
		s.emitError(sysError("recvmsg", err))
		return
	}
	if s.opts.ReceiveBlockList != nil && s.blocks(m) {
		return
	}
	s.emitMessage(m)
}

func (s *Socket) emitMessage(m *socket.Message) {
	for _, l := range s.onMessage.listeners {
		l.f(m.Buf, (*RemoteInfo)(m))
	}
}

// blocks reports whether nothing is to be heard from a datagram's sender. Then it is
// dropped, and counts as that with the network too.
func (s *Socket) blocks(m *socket.Message) bool {
	if !s.opts.ReceiveBlockList.Check(m.Addr.Addr()) {
		return false
	}
	s.last.Refuse(m, drop.BlockListed)
	return true
}

// gotBatch takes what has come in a turn.
func (s *Socket) gotBatch(ms []socket.Message, err error) {
	if err != nil {
		s.emitError(sysError("recvmsg", err))
		return
	}
	if s.opts.ReceiveBlockList != nil {
		n := 0
		for i := range ms {
			if !s.blocks(&ms[i]) {
				ms[n], ms[i] = ms[i], ms[n]
				n++
			}
		}
		ms = ms[:n]
	}
	if len(ms) == 0 {
		return
	}
	for _, l := range s.onMessages.listeners {
		l.f(ms)
	}
	if len(s.onMessage.listeners) == 0 {
		return
	}
	told := len(s.onMessages.listeners) > 0
	for i := range ms {
		switch {
		case s.handle != nil:
			s.emitMessage(&ms[i])
		case !told:
			s.last.Refuse(&ms[i], drop.SocketClosed)
		}
	}
}
