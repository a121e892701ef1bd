package dgram_test

import (
	"testing"
	"time"

	"github.com/castnet-go/castnet/dgram"
)

// TestShortWayEnds holds that the way that a datagram takes to the address of the one
// before ends where something has changed in between.
func TestShortWayEnds(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, port := w.raw()
		defer peer.Close()
		s := w.server("s", dgram.Options{})
		do(w, s.Send([]byte("1"), port, "127.0.0.1", w.sent("first")))
		do(w, s.Send([]byte("22"), port, "127.0.0.1", w.sent("second")))
		do(w, s.Send([]byte("4444"), port, "", w.sent("nowhere in particular")))
		for _, bad := range []int{0, -1, 65536} {
			if err := s.Send([]byte("x"), bad, "127.0.0.1", nil); err == nil {
				w.Errorf("Send to port %d: no error", bad)
			}
		}
		w.after(20*time.Millisecond, func() {
			do(w, s.Connect(port, "127.0.0.1", func(err error) {
				do(w, err)
				w.is(s.Send([]byte("x"), port, "127.0.0.1", nil), dgram.ErrSocketDgramIsConnected, "Already connected")
				do(w, s.Disconnect())
				do(w, s.Send([]byte("333"), port, "127.0.0.1", w.sent("third")))
				w.after(20*time.Millisecond, func() {
					do(w, s.Close(nil))
					w.is(s.Send([]byte("x"), port, "127.0.0.1", nil), dgram.ErrSocketDgramNotRunning, "Not running")
				})
			}))
		})
		w.run()
		w.want("first: 1", "second: 2", "nowhere in particular: 4", "third: 3")
		if got := drain(peer); len(got) != 4 {
			w.Errorf("the peer got %q", got)
		}
	})
}
