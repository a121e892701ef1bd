package host

import (
	"sync"

	"github.com/castnet-go/castnet/socket"
)

// notifications are what Notify was asked for: at most one a direction.
type notifications struct {
	mu    sync.Mutex
	slots [3]slot // of Readable, Writable and ErrorQueued
}

// A slot is one direction's notification and who watches for it.
type slot struct {
	note     *notification // nil: none
	watching bool          // there is a goroutine for the direction
	stop     socket.Cancel // ends its wait
}

// A notification may stand in several slots; it is called once.
type notification struct{ fn func() }

// Notify calls fn once, as soon as one of the events in mask holds. If none does
// yet, a goroutine waits for it, one a direction, and calls it. On a closed
// socket it is called at once.
func (s *Socket) Notify(mask socket.Events, fn func()) {
	mask &= allEvents
	if mask == 0 {
		return
	}
	// If the event comes after this look the goroutine will see it, which
	// looks again before it parks.
	now := fn != nil && s.Ready(mask) != 0

	n := &s.notes
	n.mu.Lock()
	now = now || fn != nil && s.closing.Load() // and so callAll may have been here
	var note *notification
	if fn != nil && !now {
		note = &notification{fn}
	}
	for i := range n.slots {
		if mask&(socket.Readable<<i) != 0 {
			s.setNote(i, note)
		}
	}
	n.mu.Unlock()
	if now {
		fn()
	}
}

// setNote replaces what is in a slot. The lock is held.
func (s *Socket) setNote(i int, note *notification) {
	slot := &s.notes.slots[i]
	slot.note = note
	switch {
	case note == nil:
		if slot.watching {
			slot.stop.Fire()
		}
	case slot.watching:
		slot.stop.Reset()
	default:
		slot.watching = true
		slot.stop.Reset()
		go s.watch(i)
	}
}

// watch waits for a direction's event as long as somebody wants to know.
func (s *Socket) watch(i int) {
	n := &s.notes
	slot := &n.slots[i]
	for {
		err := s.waitOne(socket.Readable<<i, &slot.stop)

		n.mu.Lock()
		note := slot.note
		if note == nil || s.closing.Load() { // Close calls what is pending itself
			slot.watching = false
			n.mu.Unlock()
			return
		}
		if err == socket.ErrCancelled { // stopped, and wanted again
			n.mu.Unlock()
			continue
		}
		for j := range n.slots {
			if n.slots[j].note == note {
				n.slots[j].note = nil
				if j != i {
					n.slots[j].stop.Fire()
				}
			}
		}
		n.mu.Unlock()

		note.fn()

		n.mu.Lock()
		if slot.note == nil {
			slot.watching = false
			n.mu.Unlock()
			return
		}
		n.mu.Unlock()
	}
}

// callAll calls what is pending: the socket is closed.
func (n *notifications) callAll() {
	n.mu.Lock()
	var notes [len(n.slots)]*notification
	for i := range n.slots {
		notes[i], n.slots[i].note = n.slots[i].note, nil
	}
	n.mu.Unlock()
	for i, note := range notes {
		if note == nil || i > 0 && note == notes[i-1] || i > 1 && note == notes[0] {
			continue
		}
		note.fn()
	}
}
