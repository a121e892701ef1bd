package loop

// An Immediate is one call in the next check phase, as Node's setImmediate makes
// them. It is made by [Loop.SetImmediate].
type Immediate struct {
	loop  *Loop
	f     func() // nil: called, or cleared
	unref bool
}

// immediates are those that wait, in order.
type immediates struct {
	queue fifo[*Immediate]
	refs  int // of those that wait, how many are referenced
}

// urgent reports whether the loop must not wait.
func (s *immediates) urgent() bool { return s.refs > 0 }

// SetImmediate makes f be called in the next check phase: in this turn's, if that is
// still to come. What is set by an immediate waits for the next turn.
//
// While a referenced one waits the loop is alive and does not wait.
func (l *Loop) SetImmediate(f func()) *Immediate {
	i := &Immediate{loop: l, f: f}
	l.immediates.queue.push(i)
	i.hold(1)
	return i
}

func (i *Immediate) hold(n int) {
	i.loop.immediates.refs += n
	i.loop.alive += n
}

// Pending reports whether it is still to be called.
func (i *Immediate) Pending() bool { return i.f != nil }

// Clear takes the call back.
func (i *Immediate) Clear() {
	if i.f != nil {
		i.f = nil
		if !i.unref {
			i.hold(-1)
		}
	}
}

// Ref and Unref say whether the loop waits for it, as with a Handle.
func (i *Immediate) Ref() {
	if i.unref {
		i.unref = false
		if i.f != nil {
			i.hold(1)
		}
	}
}

// Unref is the contrary of Ref.
func (i *Immediate) Unref() {
	if !i.unref {
		i.unref = true
		if i.f != nil {
			i.hold(-1)
		}
	}
}

// HasRef reports whether the loop waits for it.
func (i *Immediate) HasRef() bool { return !i.unref }

// run calls those that were set before it began.
func (s *immediates) run(l *Loop) {
	for n := s.queue.len(); n > 0 && !l.failed; n-- {
		i := s.queue.pop()
		if f := i.f; f != nil {
			i.Clear()
			l.Do(f)
		}
	}
}
