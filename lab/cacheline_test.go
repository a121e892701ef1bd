package lab

import (
	"context"
	"testing"
	"unsafe"
)

// TestWhatEveryFrameTouchesIsTogether: a host among thousands finds nothing in the cache,
// and so each line costs.
func TestWhatEveryFrameTouchesIsTogether(t *testing.T) {
	const line = 64
	l := New(Config{})
	lan := l.AddSwitch("lan")
	for range 2 {
		h := l.AddHost(string(rune('a' + len(l.hosts))))
		if _, err := h.Attach(lan, LinkConfig{}); err != nil {
			t.Fatal(err)
		}
		h.Go("task", func(context.Context) error { return nil })
		n, k := h.nics[0], l.tasks[len(l.tasks)-1]
		for _, tt := range []struct {
			what        string
			first, last unsafe.Pointer
		}{
			{"of a card, for any frame", unsafe.Pointer(&n.lab), unsafe.Pointer(&n.capture)},
			{"for one that is sent", unsafe.Pointer(&n.accepted), unsafe.Pointer(&n.send.out)},
			{"for one that is received", unsafe.Pointer(&n.delivered), unsafe.Pointer(&n.get.out)},
			{"of a task, for its event", unsafe.Pointer(&k.event), unsafe.Pointer(&k.event.Value.do)},
			{"for its turn", unsafe.Pointer(&k.host), unsafe.Pointer(&k.slept)},
		} {
			if uintptr(tt.first)/line != uintptr(tt.last)/line {
				t.Errorf("%s: %#x and %#x are in two lines", tt.what, tt.first, tt.last)
			}
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
