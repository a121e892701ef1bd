package loop

import "github.com/castnet-go/castnet/socket"

// A Handle is what may call back.
type Handle interface {
	// Loop returns the loop that it is of.
	Loop() *Loop
	// Ref and Unref say whether the handle, while it is active, keeps the loop
	// running. It does at first. Calling one twice is calling it once.
	Ref()
	Unref()
	HasRef() bool
	// Active reports whether the handle may call back: a timer that was
	// started, a socket that receives or has something to send.
	Active() bool
	// Closing reports whether Close was called.
	Closing() bool
	// Close ends the handle, and calls done, unless it is nil, in the closing
	// phase of this turn or the next. A second Close returns socket.ErrClosed, and
	// does not call.
	Close(done func()) error
}

var _ = []Handle{&Timer{}, &Idle{}, &Prepare{}, &Check{}, &Async{}, &UDP{}}

// handle is what every Handle is made of.
type handle struct {
	loop       *Loop
	self       Handle
	active     bool
	unref      bool
	closing    bool
	internal   bool    // the loop's own; Walk passes it by
	next, prev *handle // in Loop.handles
	afterwards func()  // Close's
}

// list is the open handles, in the order of making.
type list struct{ first, last *handle }

func (h *handle) init(l *Loop, self Handle) {
	h.loop, h.self = l, self
	h.prev = l.handles.last
	if h.prev == nil {
		l.handles.first = h
	} else {
		h.prev.next = h
	}
	l.handles.last = h
}

func (h *handle) remove() {
	l := &h.loop.handles
	if h.prev == nil {
		l.first = h.next
	} else {
		h.prev.next = h.next
	}
	if h.next == nil {
		l.last = h.prev
	} else {
		h.next.prev = h.prev
	}
	h.next, h.prev = nil, nil
}

func (h *handle) Loop() *Loop { return h.loop }

func (h *handle) Ref() {
	if h.unref {
		h.unref = false
		if h.active {
			h.loop.alive++
		}
	}
}

func (h *handle) Unref() {
	if !h.unref {
		h.unref = true
		if h.active {
			h.loop.alive--
		}
	}
}

func (h *handle) HasRef() bool { return !h.unref }

func (h *handle) Active() bool { return h.active }

func (h *handle) Closing() bool { return h.closing }

func (h *handle) activate() {
	if !h.active {
		h.active = true
		if !h.unref {
			h.loop.alive++
		}
	}
}

func (h *handle) deactivate() {
	if h.active {
		h.active = false
		if !h.unref {
			h.loop.alive--
		}
	}
}

// A closer has something to do in the closing phase.
type closer interface{ closed() }

// close begins what every Close does.
func (h *handle) close(done func()) error {
	if h.closing {
		return socket.ErrClosed
	}
	h.closing = true
	h.afterwards = done
	h.deactivate()
	h.loop.closing.push(h.self.(closer))
	return nil
}

// closed ends it.
func (h *handle) closed() {
	h.remove()
	done := h.afterwards
	h.afterwards = nil
	if done != nil {
		h.loop.Do(done)
	}
}

// runClosing closes what was closing when it began.
func (l *Loop) runClosing() {
	for n := l.closing.len(); n > 0 && !l.failed; n-- {
		l.closing.pop().closed()
	}
}

// Walk calls f with every handle that is not closed, in the order of making. f may
// close them.
func (l *Loop) Walk(f func(Handle)) {
	for h := l.handles.first; h != nil; {
		next := h.next
		if !h.internal {
			f(h.self)
		}
		h = next
	}
}
