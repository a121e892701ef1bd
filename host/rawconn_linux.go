package host

import (
	"os"
	"syscall"
)

// A rawConn is what SyscallConn returns. Its Read and Write wait for their turn
// like everybody who parks, because the lock that the file has for them knows
// nothing of Cancels: who waited for it could not be woken.
type rawConn struct{ s *Socket }

func (c rawConn) Control(f func(fd uintptr)) error {
	if !c.s.fd.use() {
		return os.ErrClosed
	}
	defer c.s.fd.release()
	f(uintptr(c.s.fd.fd))
	return nil
}

func (c rawConn) Read(f func(fd uintptr) bool) error {
	return c.s.read.inTurn(func() error { return c.s.fd.read(f) })
}

func (c rawConn) Write(f func(fd uintptr) bool) error {
	return c.s.write.inTurn(func() error { return c.s.fd.write(f) })
}

var _ syscall.RawConn = rawConn{}

// inTurn calls f with the turn. On a closed socket it may be without, for f to
// say so.
func (d *direction) inTurn(f func() error) error {
	w := d.enter(nil)
	taken := d.turn.take(w, d.s.closed)
	d.leave(w, nil)
	if taken {
		defer d.turn.end()
	}
	return f()
}
