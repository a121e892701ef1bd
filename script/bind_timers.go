package script

import (
	"math"
	"time"

	"github.com/dop251/goja"

	"github.com/castnet-go/castnet/loop"
)

// timers are the script's. Those that have ended are kept to be used again, since
// closing a handle costs a turn of the loop.
type timers struct {
	spare []*loop.Timer
	live  map[*loop.Timer]bool
}

func (t *timers) active() (n int) {
	for timer := range t.live {
		if timer.Active() && timer.HasRef() {
			n++
		}
	}
	return n
}

// maxSpare is how many timers are kept.
const maxSpare = 1024

// bindTimers is what lib/timers.js stands on: the loop's timers and immediates.
func (r *Runtime) bindTimers(o *goja.Object) {
	r.timers.live = make(map[*loop.Timer]bool)
	// timer returns functions of a new timer that calls f.
	o.Set("timer", func(call goja.FunctionCall) goja.Value {
		f, _ := goja.AssertFunction(call.Argument(0))
		var t *loop.Timer
		if n := len(r.timers.spare); n > 0 {
			t, r.timers.spare = r.timers.spare[n-1], r.timers.spare[:n-1]
			t.Ref()
		} else {
			t = r.loop.NewTimer()
		}
		r.timers.live[t] = true
		run := func() { r.call(f) }
		h := r.vm.NewObject()
		h.Set("start", func(ms, repeat float64) {
			if t != nil {
				// The loop has not looked at the clock since this callback
				// began, which may be long ago.
				r.loop.UpdateTime()
				t.Start(milliseconds(ms), milliseconds(repeat), run)
			}
		})
		h.Set("ref", func(on bool) {
			switch {
			case t == nil:
			case on:
				t.Ref()
			default:
				t.Unref()
			}
		})
		h.Set("end", func() {
			if t == nil {
				return
			}
			t.Stop()
			delete(r.timers.live, t)
			if len(r.timers.spare) < maxSpare {
				r.timers.spare = append(r.timers.spare, t)
			} else {
				t.Close(nil)
			}
			t = nil
		})
		return h
	})
	o.Set("immediate", func(call goja.FunctionCall) goja.Value {
		f, _ := goja.AssertFunction(call.Argument(0))
		i := r.loop.SetImmediate(func() { r.call(f) })
		h := r.vm.NewObject()
		h.Set("clear", func() { i.Clear() })
		h.Set("ref", func(on bool) {
			if on {
				i.Ref()
			} else {
				i.Unref()
			}
		})
		return h
	})
	// turns is called for each datagram: a native function costs less than one that the
	// engine calls by reflection.
	turns, value := uint64(math.MaxUint64), goja.Value(nil)
	o.Set("turns", func(goja.FunctionCall) goja.Value {
		if now := r.loop.Turns(); now != turns {
			turns, value = now, r.vm.ToValue(float64(now))
		}
		return value
	})
	o.Set("now", func() float64 { return float64(r.loop.Now().UnixNano()) / 1e6 })
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }
