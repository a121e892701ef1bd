package dgram_test

import (
	"context"
	"testing"
	"time"

	"github.com/castnet-go/castnet/dgram"
	"github.com/castnet-go/castnet/lab"
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

// TestSignalWakesALoopInRealTime: in a lab in real time nothing else may happen that
// would make the loop look.
func TestSignalWakesALoopInRealTime(t *testing.T) {
	l := lab.New(lab.Config{Realtime: true})
	defer l.Close()
	h := l.AddHost("h")
	ctx, cancel := context.WithCancel(context.Background())
	h.Go("test", func(context.Context) error {
		w := newWorld(t, "lab", h)
		s := w.server("s", dgram.Options{Signal: ctx})
		s.OnClose(func() { w.note("closed") })
		w.loop.SetImmediate(func() { time.AfterFunc(time.Millisecond, cancel) })
		err := w.loop.Run()
		w.want("closed")
		return err
	})
	if err := l.RunTasks(patience); err != nil {
		t.Error(err)
	}
}
