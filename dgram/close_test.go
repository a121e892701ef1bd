package dgram_test

import (
	"testing"

	"github.com/castnet-go/castnet/dgram"
	"github.com/castnet-go/castnet/loop"
)

// TestCloseComesAfterTheCallbacks closes a socket in a long row of ticks, where the
// callback of a send waits for the check phase: 'close' comes after it all the same.
func TestCloseComesAfterTheCallbacks(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.server("s", dgram.Options{})
		port := w.port(s)
		s.OnClose(func() { w.note("close") })
		ticks := 0
		var tick func()
		tick = func() {
			if ticks++; ticks < loop.Turn+3 {
				w.loop.NextTick(tick)
				return
			}
			do(w, s.Send([]byte("one"), port, "127.0.0.1", w.sent("first")))
			do(w, s.Send([]byte("two"), port, "127.0.0.1", w.sent("second")))
			do(w, s.Close(nil))
		}
		w.after(0, tick)
		w.run()
		w.want("first: 3", "second: 3", "close")
	})
}
