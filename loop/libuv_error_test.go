package loop_test

import (
	"net/netip"
	"syscall"
	"time"

	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/socket"
)

// Libuv's cases of errors that the network tells of.

// refusing returns the address of nobody, on this host.
func (w *world) refusing(f ip) netip.AddrPort {
	w.Helper()
	u, a := w.bind(f, 0)
	w.ok(u.Close(nil))
	return a
}

// An error that comes when the handle is closed, or does not receive, is nobody's.
func uvCloseWithAnErrorPending(w *world) {
	u, _ := w.bind(v4, loop.ReceiveErrors)
	nobody := w.refusing(v4)
	w.ok(u.RecvStart(func(m *socket.Message, err error) {
		w.ok(u.RecvStop())
		w.ok(u.Close(w.noting("closed")))
	}))
	w.ok(u.Send(to(nobody, "PING"), nil))
	w.run()
	w.want("closed")
}

// With ReceiveErrors a handle that is not connected hears that nobody was there.
func uvUnreachableError(w *world, f ip) {
	if !w.spoken(f) {
		return
	}
	nobody := w.refusing(f)
	u, _ := w.bind(f, loop.ReceiveErrors)
	queued := false
	w.ok(u.RecvStart(func(m *socket.Message, err error) {
		w.is("receiving", err, syscall.ECONNREFUSED)
		queued = queued || m != nil && m.Addr == nobody
	}))
	w.ok(u.Send(to(nobody, "PING"), func(err error) { w.ok(err) }))
	w.closeAll(50*time.Millisecond, u)
	w.run()
	if !queued {
		w.Error("the entry of the error queue was not told of")
	}
}

// A handle that only sends is not disturbed by errors that nobody reads.
func uvErrorWithoutReceiving(w *world) {
	nobody := w.refusing(v4)
	u, _ := w.bind(v4, loop.ReceiveErrors)
	w.ok(u.Send(to(nobody, "PING"), func(error) { w.note("sent") }))
	w.after(20*time.Millisecond, func() {
		if n := w.loop.Turns(); n > 100 {
			w.Errorf("%d turns: the loop is busy with an error that is nobody's", n)
		}
		w.ok(u.Close(nil))
	})
	w.run()
	w.want("sent")
}

// A plain handle that is not connected hears nothing of it; one with ReceiveErrors may
// hear it when it sends next.
func uvSendUnreachable(w *world) {
	nobody := w.refusing(v4)
	plain, _ := w.bind(v4, 0)
	w.ok(plain.RecvStart(func(m *socket.Message, err error) { w.Errorf("heard %v", err) }))
	told := 0
	for range 2 {
		w.ok(plain.Send(to(nobody, "PING"), func(err error) { w.ok(err); told++ }))
	}
	hearing, _ := w.bind(v4, loop.ReceiveErrors)
	heard := 0
	w.ok(hearing.RecvStart(func(m *socket.Message, err error) {
		w.is("receiving", err, syscall.ECONNREFUSED)
		heard++
	}))
	for range 2 {
		w.ok(hearing.Send(to(nobody, "PING"), func(err error) {
			if err != nil {
				w.is("sending", err, syscall.ECONNREFUSED)
			}
			told++
		}))
	}
	w.closeAll(50*time.Millisecond, plain, hearing)
	w.run()
	if told != 4 || heard == 0 {
		w.Errorf("%d ends of sends, %d errors", told, heard)
	}
}
