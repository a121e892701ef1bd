package wheel

import (
	"iter"
	"math/bits"
)

const (
	slotBits = 6
	slots    = 1 << slotBits
	levels   = 11 // 66 bits: every int64
)

// An Event is something that waits in a Wheel. Whoever adds it owns it, and may
// reuse it once it has been popped or removed.
type Event[T any] struct {
	Value T

	next, prev *Event[T]
	at         int64
	level      int8 // of the slot it is in, plus one; 0: it is in none
}

// Pending reports whether the event waits in a wheel.
func (e *Event[T]) Pending() bool { return e.level != 0 }

// At returns the time for which the event was last added.
func (e *Event[T]) At() int64 { return e.at }

// A Wheel orders events by time. The zero Wheel is empty and its present is 0.
type Wheel[T any] struct {
	now      int64
	count    int
	occupied uint16 // levels that hold something
	bits     [levels]uint64
	slots    [levels][slots]list[T]
}

// A list is the events of one slot, in the order in which they came.
type list[T any] struct{ head, tail *Event[T] }

// Now returns the present: the time of the event last popped, or what Advance
// set since.
func (w *Wheel[T]) Now() int64 { return w.now }

// Len returns how many events wait.
func (w *Wheel[T]) Len() int { return w.count }

// Add makes e wait until at; a time in the past means now. It panics if e waits
// already.
func (w *Wheel[T]) Add(e *Event[T], at int64) {
	if e.level != 0 {
		panic("wheel: event added twice")
	}
	e.at = max(at, w.now)
	w.count++
	w.insert(e)
}

func (w *Wheel[T]) insert(e *Event[T]) {
	l := 0
	if differ := uint64(e.at ^ w.now); differ != 0 {
		l = (bits.Len64(differ) - 1) / slotBits
	}
	i := uint(e.at>>(l*slotBits)) % slots
	s := &w.slots[l][i]
	e.level = int8(l + 1)
	e.next, e.prev = nil, s.tail
	if s.tail == nil {
		s.head = e
		w.bits[l] |= 1 << i
		w.occupied |= 1 << l
	} else {
		s.tail.next = e
	}
	s.tail = e
}

// Remove takes e out and reports whether it was waiting.
func (w *Wheel[T]) Remove(e *Event[T]) bool {
	if e.level == 0 {
		return false
	}
	l := int(e.level - 1)
	w.unlink(e, l, uint(e.at>>(l*slotBits))%slots)
	return true
}

func (w *Wheel[T]) unlink(e *Event[T], l int, i uint) {
	s := &w.slots[l][i]
	if e.prev == nil {
		s.head = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		s.tail = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.next, e.prev, e.level = nil, nil, 0
	w.count--
	if s.head == nil {
		w.emptied(l, i)
	}
}

func (w *Wheel[T]) emptied(l int, i uint) {
	w.bits[l] &^= 1 << i
	if w.bits[l] == 0 {
		w.occupied &^= 1 << l
	}
}

// first returns where the earliest event is. The lower of two levels that hold
// something holds the earlier events, and so does the lower slot: the slots
// before the present are empty.
func (w *Wheel[T]) first() (l int, i uint, ok bool) {
	if w.occupied == 0 {
		return 0, 0, false
	}
	l = bits.TrailingZeros16(w.occupied)
	return l, uint(bits.TrailingZeros64(w.bits[l])), true
}

func (s *list[T]) earliest() int64 {
	at := s.head.at
	for e := s.head.next; e != nil; e = e.next {
		at = min(at, e.at)
	}
	return at
}

// Next returns the time of the earliest event, if there is one.
func (w *Wheel[T]) Next() (at int64, ok bool) {
	l, i, ok := w.first()
	if !ok {
		return 0, false
	}
	if l == 0 {
		return w.slots[0][i].head.at, true
	}
	return w.slots[l][i].earliest(), true
}

// Pop takes out the earliest event and makes its time the present. It returns
// nil, and changes nothing, if there is none up to limit.
func (w *Wheel[T]) Pop(limit int64) *Event[T] {
	l, i, ok := w.first()
	if !ok {
		return nil
	}
	s := &w.slots[l][i]
	if l > 0 && s.head != s.tail {
		at := s.earliest()
		if at > limit {
			return nil
		}
		w.now = at
		w.cascade(l, i)
		l, i = 0, uint(at)%slots
		s = &w.slots[0][i]
	}
	e := s.head
	if e.at > limit {
		return nil
	}
	w.now = e.at
	w.unlink(e, l, i)
	return e
}

// Due returns the earliest event if its time is the present, and leaves it; else
// it returns nil.
func (w *Wheel[T]) Due() *Event[T] {
	return w.slots[0][uint(w.now)%slots].head
}

// All yields every event that waits, in no particular order. The wheel must not
// change meanwhile.
func (w *Wheel[T]) All() iter.Seq[*Event[T]] {
	return func(yield func(*Event[T]) bool) {
		for l := range w.slots {
			for i := range w.slots[l] {
				for e := w.slots[l][i].head; e != nil; e = e.next {
					if !yield(e) {
						return
					}
				}
			}
		}
	}
}

// cascade moves the events of a slot, into which the present has come, down.
func (w *Wheel[T]) cascade(l int, i uint) {
	s := &w.slots[l][i]
	e := s.head
	*s = list[T]{}
	w.emptied(l, i)
	for e != nil {
		next := e.next
		w.insert(e)
		e = next
	}
}

// Advance makes to the present; a time in the past changes nothing. It panics if
// an event before to still waits.
func (w *Wheel[T]) Advance(to int64) {
	if to <= w.now {
		return
	}
	if at, ok := w.Next(); ok && at < to {
		panic("wheel: advanced past an event")
	}
	// Only the highest level at which the present moves into another slot
	// can hold anything there: below, everything was in the past.
	l := (bits.Len64(uint64(to^w.now)) - 1) / slotBits
	w.now = to
	i := uint(to>>(l*slotBits)) % slots
	if l > 0 && w.bits[l]&(1<<i) != 0 {
		w.cascade(l, i)
	}
}
