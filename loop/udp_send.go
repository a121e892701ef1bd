package loop

import (
	"bytes"
	"net/netip"
	"syscall"
	"time"

	"github.com/castnet-go/castnet/socket"
)

// sending is a datagram on its way through Send.
type sending struct {
	m    socket.Message
	done func(error)
	err  error
}

// retryAfter is when sending is tried again after ENOBUFS. A device is full then,
// which no socket tells the end of.
const retryAfter = time.Millisecond

// check says what is wrong with an address to send to.
func (u *UDP) check(to netip.AddrPort) error {
	switch {
	case u.closing:
		return syscall.EBADF
	case to == netip.AddrPort{}:
		if !u.connected {
			return syscall.EDESTADDRREQ
		}
	case u.connected:
		return syscall.EISCONN
	case familyOf(to.Addr()) == 0:
		return syscall.EINVAL
	}
	return nil
}

// Send sends a datagram, at once if nothing waits and this is not the callback of a
// send, else as soon as those before it have gone. m.Addr is whom to; on a connected
// socket it must not be given (EISCONN), else it must (EDESTADDRREQ). The socket is
// bound if there is none. Full buffers (EAGAIN, ENOBUFS) make the datagram wait; it
// is never dropped.
//
// done, unless it is nil, is called later, never by Send, in the order of sending,
// with what became of it; ECANCELED if the handle was closed before. If Send returns
// an error it is not called.
//
// The payload is the caller's again when Send returns: what waits is a copy.
// ENOBUFS: UDPConfig.MaxQueued datagrams wait.
func (u *UDP) Send(m *socket.Message, done func(err error)) error {
	if err := u.check(m.Addr); err != nil {
		return err
	}
	if u.queueCount >= u.cfg.MaxQueued {
		return syscall.ENOBUFS
	}
	if err := u.bindAny(familyOf(m.Addr.Addr()), 0); err != nil {
		return err
	}
	s := &sending{m: *m, done: done}
	empty := u.queueCount == 0
	u.queueCount++
	u.queueSize += len(m.Buf)
	u.loop.reqs++
	u.queue.push(s)
	u.activate()
	switch {
	case empty && !u.telling:
		u.flush()
	case u.watched&socket.Writable == 0:
		u.again(socket.Writable)
	}
	if u.queue.len() > 0 {
		s.m.Buf = bytes.Clone(s.m.Buf)
	}
	return nil
}

// TrySend sends a datagram now or not at all. EAGAIN: it cannot be sent now, since
// something waits before it or a buffer is full.
func (u *UDP) TrySend(m *socket.Message) error {
	if err := u.check(m.Addr); err != nil {
		return err
	}
	if u.queueCount != 0 {
		return syscall.EAGAIN
	}
	if err := u.bindAny(familyOf(m.Addr.Addr()), 0); err != nil {
		return err
	}
	l := u.loop
	l.out[0] = *m
	l.spent++
	_, err := u.sock.TrySend(l.out[:1])
	l.out[0].Buf = nil
	return again(err)
}

// TrySendTo is TrySend of a payload to an address, with nothing else to be said.
func (u *UDP) TrySendTo(b []byte, to netip.AddrPort) error {
	if u.sock == nil || u.closing || u.queueCount != 0 || u.connected == to.Addr().IsValid() || u.connected && to.Port() != 0 {
		return u.TrySend(&socket.Message{Buf: b, Addr: to})
	}
	m := &u.plain[0]
	m.Buf, m.Addr = b, to
	u.loop.spent++
	_, err := u.sock.TrySend(u.plain[:])
	m.Buf = nil
	if err != nil {
		return again(err)
	}
	return nil
}

// TrySendBatch sends datagrams now and returns how many have gone: the first n, each
// once. An error is returned only if none has, so who goes on with ms[n:] meets what
// ended a batch; EAGAIN as by TrySend. An address that is wrong in one of them is an
// error, and none is sent. (uv_udp_try_send2)
func (u *UDP) TrySendBatch(ms []socket.Message) (n int, err error) {
	if len(ms) == 0 {
		return 0, syscall.EINVAL
	}
	for i := range ms {
		if err := u.check(ms[i].Addr); err != nil {
			return 0, err
		}
	}
	if u.queueCount != 0 {
		return 0, syscall.EAGAIN
	}
	if err := u.bindAny(familyOf(ms[0].Addr.Addr()), 0); err != nil {
		return 0, err
	}
	for n < len(ms) {
		sent, err := u.sock.TrySend(ms[n:])
		if err != nil && n == 0 {
			return 0, again(err)
		}
		if err != nil || sent == 0 {
			break
		}
		n += sent
		u.loop.spent += sent
	}
	return n, nil
}

// again is the error of trying to send, to which a full device is as a full buffer.
func again(err error) error {
	if err == syscall.ENOBUFS {
		return syscall.EAGAIN
	}
	return errnoOf(err)
}

// SendQueueSize returns how many bytes wait to be sent, or have been without their
// callbacks having been called.
func (u *UDP) SendQueueSize() int { return u.queueSize }

// SendQueueCount returns how many datagrams that are.
func (u *UDP) SendQueueCount() int { return u.queueCount }

// flush is a turn of sending what waits.
func (u *UDP) flush() {
	out := &u.loop.out
	for budget := Turn; u.queue.len() > 0 && budget > 0; {
		count := min(u.queue.len(), budget)
		for i := range count {
			out[i] = u.queue.at(i).m
		}
		n, err := u.sock.TrySend(out[:count])
		clear(out[:count])
		u.loop.spent += n
		for range n {
			u.completed.push(u.queue.pop())
		}
		budget -= n
		switch err {
		case nil:
			if n == 0 { // no network does that; it must not be tried for ever
				err = syscall.EIO
			}
		case syscall.EAGAIN:
			u.watch(socket.Writable)
			u.feed()
			return
		case syscall.ENOBUFS:
			u.retryLater()
			u.feed()
			return
		}
		if err != nil {
			// It is the first one's: had one gone, there would be no error.
			s := u.queue.pop()
			s.err = errnoOf(err)
			u.completed.push(s)
			budget--
		}
	}
	if u.queue.len() > 0 {
		u.again(socket.Writable)
	} else {
		u.unwatch(socket.Writable)
	}
	u.feed()
}

func (u *UDP) retryLater() {
	if u.retry == nil {
		u.retry = u.loop.NewTimer()
		u.retry.internal = true
		u.retry.Unref() // the sends keep the loop alive
	}
	_ = u.retry.Start(retryAfter, 0, func() { u.flush() })
}

// feed makes the ends of sends be told in the pending phase.
func (u *UDP) feed() {
	if u.completed.len() > 0 && !u.isPending {
		u.isPending = true
		u.loop.pending.push(u)
	}
}

// finishSends is the handle's turn in the pending phase.
func (u *UDP) finishSends() {
	u.isPending = false
	if !u.closing { // or the closing phase tells
		u.tell()
	}
}

// tell calls the callbacks of what was sent, or could not be.
func (u *UDP) tell() {
	if u.telling {
		return
	}
	l := u.loop
	u.telling = true
	for u.completed.len() > 0 && l.begin() {
		s := u.completed.pop()
		u.queueCount--
		u.queueSize -= len(s.m.Buf)
		l.reqs--
		if s.done != nil {
			s.done(s.err)
		}
		l.done()
	}
	u.telling = false
	if !u.closing {
		u.feed() // what is left, as the run has failed, is told by the next
		u.settle()
	}
}
