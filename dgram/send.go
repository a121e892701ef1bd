package dgram

import (
	"bytes"
	"net/netip"
	"syscall"

	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/socket"
)

// A completion is the callback of a send that is to be called on a tick.
type completion struct {
	s        *Socket
	callback func(int, error)
	n        int
	err      error
}

// Send sends msg to a port of an address, or of a name that is looked up; an empty
// address is this host. On a connected socket the port is 0 and the address empty, and
// it goes to the peer. A socket that is not bound is bound first.
//
// callback, unless it is nil, is called once, on a later tick, with the number of bytes
// sent or an error: Syscall "send" with Address and Port, ErrIPBlocked, or that of the
// lookup, which without a callback is the event 'error'.
//
// ErrSocketBadPort: not 1 to 65535. ErrSocketDgramIsConnected: it is, and a port or an
// address is given. ErrSocketDgramNotRunning: it is closed.
func (s *Socket) Send(msg []byte, port int, address string, callback func(n int, err error)) error {
	if address != s.literalText || address == "" || port < 1 || port > 65535 || s.bindState != bound ||
		s.connectState != disconnected || s.handle == nil || s.opts.SendBlockList != nil {
		return s.sendBytes(msg, port, address, callback)
	}
	// The usual case: to an address that was written out the last time too.
	to := netip.AddrPortFrom(s.literalIP, uint16(port))
	if err := s.handle.TrySendTo(msg, to); err != nil {
		s.tried(&socket.Message{Buf: msg, Addr: to}, address, callback, err)
		return nil
	}
	s.complete(callback, len(msg), nil)
	return nil
}

// sendBytes makes a message of msg, in the socket's own memory: nothing is called from
// inside a send that could need it meanwhile, and what waits is a copy.
func (s *Socket) sendBytes(msg []byte, port int, address string, callback func(int, error)) error {
	s.message = socket.Message{Buf: msg}
	err := s.sendTo(&s.message, port, address, callback)
	s.message.Buf = nil
	return err
}

// SendList is Send for one datagram whose bytes are in several places. An empty list is
// an empty datagram.
func (s *Socket) SendList(list [][]byte, port int, address string, callback func(n int, err error)) error {
	s.gather = s.gather[:0]
	for _, b := range list {
		s.gather = append(s.gather, b...)
	}
	return s.sendBytes(s.gather, port, address, callback)
}

// SendMessage sends a datagram to m.Addr, or on a connected socket to the peer, with
// what m.Set says: TTL, TOS with its ECN, source address, interface. It is Send for the
// rest.
func (s *Socket) SendMessage(m *socket.Message, callback func(n int, err error)) error {
	if err := s.sendable(int(m.Addr.Port()), m.Addr.Addr().IsValid()); err != nil {
		return err
	}
	if s.bindState == bound {
		s.transmit(m, m.Addr.Addr(), "", callback)
		return nil
	}
	s.waitToSend(m, callback, func(m *socket.Message) { s.transmit(m, m.Addr.Addr(), "", callback) }, "", int(m.Addr.Port()))
	return nil
}

// sendable says what is wrong with a send.
func (s *Socket) sendable(port int, addressed bool) error {
	if s.handle == nil {
		return ErrSocketDgramNotRunning
	}
	if s.connectState == connected {
		if port != 0 || addressed {
			return ErrSocketDgramIsConnected
		}
	} else if port < 1 || port > 65535 {
		return errBadPort("Port", port, false)
	}
	return nil
}

func (s *Socket) sendTo(m *socket.Message, port int, address string, callback func(int, error)) error {
	if err := s.sendable(port, address != ""); err != nil {
		return err
	}
	if s.bindState == bound {
		s.resolveAndSend(m, port, address, callback, false)
		return nil
	}
	s.waitToResolve(m, port, address, callback)
	return nil
}

func (s *Socket) waitToResolve(m *socket.Message, port int, address string, callback func(int, error)) {
	s.waitToSend(m, callback, func(m *socket.Message) { s.resolveAndSend(m, port, address, callback, true) }, address, port)
}

// waitToSend queues a copy of a message until the socket is bound.
func (s *Socket) waitToSend(m *socket.Message, callback func(int, error), send func(*socket.Message), address string, port int) {
	if s.bindState == unbound {
		s.bindImplicitly()
	}
	if !s.mayWait(callback, address, port) {
		return
	}
	kept := keep(m)
	s.wait(func(err error) {
		s.lookups.pending--
		if err != nil {
			s.complete(callback, 0, err)
			return
		}
		send(kept)
	})
}

// mayWait counts a send that will wait, unless there are too many.
func (s *Socket) mayWait(callback func(int, error), address string, port int) bool {
	if s.lookups.pending >= s.opts.MaxPending {
		s.complete(callback, 0, addrError("send", syscall.ENOBUFS, address, port))
		return false
	}
	s.lookups.pending++
	return true
}

func keep(m *socket.Message) *socket.Message {
	k := *m
	k.Buf = bytes.Clone(m.Buf)
	return &k
}

// resolveAndSend sends m; kept says that its bytes are the socket's own.
func (s *Socket) resolveAndSend(m *socket.Message, port int, address string, callback func(int, error), kept bool) {
	if s.connectState == connected {
		s.transmit(m, netip.Addr{}, "", callback)
		return
	}
	if port == 0 { // it was connected when it was asked to send
		s.complete(callback, 0, addrError("send", syscall.EDESTADDRREQ, address, port))
		return
	}
	host := s.orLocalhost(address)
	if ip, ok := s.literal(host); ok {
		if s.suits(ip) {
			s.literalText, s.literalIP = address, ip
		}
		m.Addr = netip.AddrPortFrom(ip, uint16(port))
		s.transmit(m, ip, address, callback)
		return
	}
	if !s.mayWait(callback, address, port) {
		return
	}
	if !kept {
		m = keep(m)
	}
	s.lookUpAndSend(m, host, port, address, callback)
}

// lookUpAndSend sends m, which is the socket's own, when the host's address is known.
func (s *Socket) lookUpAndSend(m *socket.Message, host string, port int, address string, callback func(int, error)) {
	s.resolve(host, false, func(ip netip.Addr, err error) {
		s.lookups.pending--
		switch {
		case s.handle == nil:
			s.complete(callback, 0, addrError("send", syscall.ECANCELED, address, port))
		case err == nil:
			m.Addr = netip.AddrPortFrom(ip, uint16(port))
			s.transmit(m, ip, address, callback)
		case callback != nil:
			s.complete(callback, 0, err)
		default:
			s.loop.NextTick(func() {
				if s.handle != nil {
					s.emitError(err)
				}
			})
		}
	})
}

// transmit hands a message to the handle: it goes now, or as soon as there is room.
func (s *Socket) transmit(m *socket.Message, ip netip.Addr, address string, callback func(int, error)) {
	if s.handle == nil {
		s.complete(callback, 0, s.sendError(m, address, syscall.ECANCELED))
		return
	}
	if s.opts.SendBlockList != nil && ip.IsValid() && s.opts.SendBlockList.Check(ip) {
		s.complete(callback, 0, errBlocked(ip))
		return
	}
	err := error(syscall.EINVAL)
	if !ip.IsValid() || s.suits(ip) {
		err = s.handle.TrySend(m)
	}
	s.tried(m, address, callback, err)
}

// tried is what comes after trying to send: it has gone, or waits, or will not go.
func (s *Socket) tried(m *socket.Message, address string, callback func(int, error), err error) {
	size := len(m.Buf)
	if err == syscall.EAGAIN {
		if err = s.queue(m, address, callback); err == nil {
			return
		}
	}
	if err != nil {
		s.complete(callback, 0, s.sendError(m, address, err))
		return
	}
	s.complete(callback, size, nil)
}

// queue makes the handle send a message when there is room.
func (s *Socket) queue(m *socket.Message, address string, callback func(int, error)) error {
	to, size := m.Addr, len(m.Buf)
	return s.handle.Send(m, func(err error) {
		if err != nil {
			s.called(callback, 0, s.sendError(&socket.Message{Addr: to}, address, err))
			return
		}
		s.called(callback, size, nil)
	})
}

// sendError is what a send failed with. The address is as the caller gave it.
func (s *Socket) sendError(m *socket.Message, address string, err error) error {
	if address == "" && m.Addr.IsValid() {
		address = m.Addr.Addr().String()
	}
	return addrError("send", err, address, int(m.Addr.Port()))
}

// complete makes a callback be called, later than the present call.
//
// It is called on the next tick, unless ticks have been queueing ticks for a turn's
// worth of them: who sends in every callback of a send would let nobody else have a
// turn. It then is called in the check phase, and those after it too.
func (s *Socket) complete(callback func(int, error), n int, err error) {
	if callback == nil {
		return
	}
	var c *completion
	if last := len(s.spare) - 1; last >= 0 {
		c = s.spare[last]
		s.spare = s.spare[:last]
	} else {
		c = &completion{s: s}
	}
	c.callback, c.n, c.err = callback, n, err
	if s.calling || s.waitsLater() || s.loop.Drained() >= loop.Turn-1 {
		s.later = append(s.later, c)
		s.callSoon()
		return
	}
	s.loop.NextTicker(c)
}

// called calls a callback from the loop, in its turn.
func (s *Socket) called(callback func(int, error), n int, err error) {
	switch {
	case callback == nil:
	case s.waitsLater():
		s.complete(callback, n, err)
	default:
		callback(n, err)
	}
}

// maxSpare bounds the completions that are kept for reuse.
const maxSpare = 1024

// Tick calls the callback.
func (c *completion) Tick() {
	s, callback, n, err := c.s, c.callback, c.n, c.err
	c.callback, c.err = nil, nil
	if now := s.loop.Turns(); s.turn != now {
		s.turn, s.calls = now, 0
	}
	s.calls++
	if len(s.spare) < maxSpare {
		s.spare = append(s.spare, c)
	}
	callback(n, err)
}

// callSoon makes the check phase call what is to be called later.
func (s *Socket) callSoon() {
	if !s.soon {
		s.soon = true
		s.loop.SetImmediate(s.next)
	}
}

// callLater calls a turn's worth of it, less what this turn has called already.
func (s *Socket) callLater() {
	s.soon = false
	s.calling = true
	for s.waitsLater() && !s.loop.Failed() && (s.turn != s.loop.Turns() || s.calls < loop.Turn) {
		c := s.later[s.first]
		s.later[s.first] = nil
		if s.first++; s.first == len(s.later) {
			s.later, s.first = s.later[:0], 0
		}
		c.Tick()
	}
	s.calling = false
	if s.waitsLater() {
		s.later = append(s.later[:0], s.later[s.first:]...)
		s.first = 0
		s.callSoon()
	} else if s.closesLater {
		s.closesLater = false
		s.onClose.emit(call)
	}
}

// waitsLater reports whether callbacks wait for the check phase.
func (s *Socket) waitsLater() bool { return len(s.later) > 0 }

// SendQueueSize returns how many bytes wait for room in the network.
func (s *Socket) SendQueueSize() int { return s.last.SendQueueSize() }

// SendQueueCount returns how many datagrams wait for room in the network.
func (s *Socket) SendQueueCount() int { return s.last.SendQueueCount() }
