package loop

import (
	"bytes"
	"sync"
	"syscall"

	"github.com/castnet-go/castnet/socket"
)

// room is what a datagram is received in: as long as one can be.
const room = 1 << 16

// inbox is the memory of one turn of a socket. Loops borrow it, for sockets have
// their turns one after the other.
type inbox struct {
	ms  [Turn]socket.Message
	mem []byte
}

// stride is the distance of two datagrams in an inbox. It is a few cache lines more
// than their room, which is a power of two: else the beginnings of all would fall on
// the same lines of the cache.
const stride = room + 192

var inboxes = sync.Pool{New: func() any {
	b := &inbox{mem: make([]byte, Turn*stride)}
	b.clear(Turn)
	return b
}}

// clear makes the first n messages ready to be filled.
func (b *inbox) clear(n int) {
	for i := range b.ms[:n] {
		b.ms[i] = socket.Message{Buf: b.mem[i*stride : i*stride+room : i*stride+room]}
	}
}

func (u *UDP) receives() bool { return u.receive != nil || u.batch != nil }

// RecvStart makes f be called for every datagram, in the order of arrival. The
// message and its bytes are f's until it returns. The socket is bound, as by Bind to
// any address, if there is none.
//
// An error is what the socket had pending, ECONNREFUSED mostly: m is nil then. With
// the flag ReceiveErrors it may be an entry of the error queue: m's Addr is then whom
// the datagram had been sent to and Buf the beginning of its payload.
//
// EALREADY: it receives already. EINVAL: f is nil.
func (u *UDP) RecvStart(f func(m *socket.Message, err error)) error {
	if f == nil {
		return syscall.EINVAL
	}
	if err := u.startable(); err != nil {
		return err
	}
	u.receive = f
	u.started()
	return nil
}

// RecvStartBatch is RecvStart, but f is called once a turn, with what has come: up
// to [Turn] datagrams. Before an error it has had those that came first.
func (u *UDP) RecvStartBatch(f func(ms []socket.Message, err error)) error {
	if f == nil {
		return syscall.EINVAL
	}
	if err := u.startable(); err != nil {
		return err
	}
	u.batch = f
	u.started()
	return nil
}

func (u *UDP) startable() error {
	if u.closing {
		return syscall.EBADF
	}
	if u.receives() {
		return syscall.EALREADY
	}
	return u.bindAny(socket.IPv4, 0)
}

func (u *UDP) started() {
	u.activate()
	if len(u.left) > 0 {
		u.again(socket.Readable)
		return
	}
	u.watchReading()
}

func (u *UDP) watchReading() {
	u.watch(socket.Readable)
	if u.errors {
		u.watch(socket.ErrorQueued)
	}
}

// RecvStop ends receiving. What was received and not handed out, as f stopped it in
// the middle of a turn, is kept for the next start. Stopped twice is stopped once.
func (u *UDP) RecvStop() error {
	if !u.receives() {
		return nil
	}
	u.receive, u.batch = nil, nil
	u.unwatch(socket.Readable)
	u.unwatch(socket.ErrorQueued)
	u.settle()
	return nil
}

// settle makes the handle inactive if it has nothing to do.
func (u *UDP) settle() {
	if !u.receives() && u.queue.len() == 0 && u.completed.len() == 0 {
		u.deactivate()
	}
}

// read is a turn of receiving.
func (u *UDP) read(got socket.Events) {
	most := Turn
	if got&socket.ErrorQueued != 0 {
		if got&socket.Readable != 0 {
			most = Turn / 2 // a turn is shared with the datagrams
		}
		errors, goesOn := u.readErrors(most)
		if !goesOn {
			return
		}
		most = Turn - errors
	}
	if got&socket.Readable == 0 {
		return
	}
	if left := u.left; len(left) > 0 {
		u.left = nil
		u.deliver(left)
		if u.receives() {
			u.again(socket.Readable)
		}
		return
	}
	b := inboxes.Get().(*inbox)
	n, err := u.sock.TryRecv(b.ms[:most])
	if n > 0 {
		u.deliver(b.ms[:n])
	}
	b.clear(n)
	inboxes.Put(b)
	if err != nil && err != syscall.EAGAIN && u.loop.begin() {
		if u.receive != nil {
			u.receive(nil, errnoOf(err))
		} else {
			u.batch(nil, errnoOf(err))
		}
		u.loop.done()
	}
	switch {
	case !u.receives():
	case n == most && u.polls != pollByPoller: // who tells again by itself
		u.again(socket.Readable)
	default:
		u.watchReading()
	}
}

// deliver hands datagrams out, and keeps those that nobody wants any more.
func (u *UDP) deliver(ms []socket.Message) {
	l := u.loop
	if u.batch != nil {
		if l.begin() {
			u.batch(ms, nil)
			l.done()
		}
		return
	}
	for i := range ms {
		if u.receive == nil || !l.begin() {
			u.keep(ms[i:])
			return
		}
		u.receive(&ms[i], nil)
		l.done()
	}
}

// keep keeps datagrams for the next start.
func (u *UDP) keep(ms []socket.Message) {
	if u.closing {
		u.lose(ms)
		return
	}
	for _, m := range ms {
		m.Buf = bytes.Clone(m.Buf)
		u.left = append(u.left, m)
	}
	if u.receives() { // the run has failed; the next goes on
		u.again(socket.Readable)
	}
}

// readErrors reads up to so many entries of the error queue. It returns how many, and
// whether receiving goes on.
func (u *UDP) readErrors(most int) (n int, goesOn bool) {
	l := u.loop
	for ; n < most; n++ {
		var e socket.ErrorMessage
		if u.sock.TryRecvError(&e) != nil {
			break
		}
		if !l.begin() {
			break
		}
		err := error(e.Errno)
		if u.receive != nil {
			u.receive(&socket.Message{Buf: e.Buf, Len: e.Len, Addr: e.Addr}, err)
		} else {
			u.batch([]socket.Message{{Buf: e.Buf, Len: e.Len, Addr: e.Addr}}, err)
		}
		l.done()
		if !u.receives() || u.closing {
			return n, false
		}
	}
	u.watch(socket.ErrorQueued)
	return n, true
}
