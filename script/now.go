package script

import (
	"time"

	"github.com/castnet-go/castnet/loop"
)

// maxAsked is how often a script may ask for the time, once called, before that takes any.
const maxAsked = 1000

// now is what the script sees of the time. Virtual time does not pass while a script
// computes, but for one that asks again and again: it may be waiting in a loop for the time
// to go on, and then that does.
func (r *Runtime) now() time.Time {
	if r.asked++; r.asked > maxAsked && r.cfg.CallbackTime > 0 {
		if s, ok := r.cfg.On.(loop.Scheduler); ok && !s.Realtime() {
			// An error is the end of the lab, by which the script is ended too.
			_ = s.Park(r.cfg.CallbackTime, nil)
		}
	}
	return r.loop.Clock().Now()
}
