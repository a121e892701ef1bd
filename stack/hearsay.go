package stack

import "time"

// hearsay bounds how often what others say may change what is published: each time every
// socket looks for its way anew, and who can send advertisements could say another thing
// in each. The first few changes in a row are published at once, and then ten a second;
// what comes between is published with the next.
type hearsay struct {
	spent instant // the time up to which the changes of before are paid for
	at    instant // when a change that is held back is due; never: there is none
}

const (
	hearsayEvery = 100 * time.Millisecond
	hearsayBurst = 16 * hearsayEvery
)

// may reports whether a change may be published now, and if not holds it back.
func (h *hearsay) may(now instant) bool {
	h.spent = max(h.spent, now)
	if due := h.spent - hearsayBurst; due > now {
		h.at = due
		return false
	}
	h.spent += hearsayEvery
	return true
}

// ripe reports whether a change was held back that is due.
func (h *hearsay) ripe(now instant) bool { return h.at <= now && h.may(now) }

// finishHeard is finish after what somebody else has said.
func (x *interface6) finishHeard(now instant) {
	x.changed = x.changed && x.heard.may(now)
	x.finish()
}
