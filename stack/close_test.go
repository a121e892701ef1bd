package stack

import (
	"slices"
	"testing"
	"time"

	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
)

// Closing a stack tells routers of the groups that are left by it, and of those that were
// left at the last moment, once and before the link is closed.
func TestCloseTellsOfGroupsLeft(t *testing.T) { eachFamily(t, testCloseTellsOfGroupsLeft) }

func testCloseTellsOfGroupsLeft(t *testing.T, f *family) {
	for _, test := range []struct {
		name       string
		generation int
		want       []string
	}{
		{"newest", 0, []string{"TO_IN g2 {}; TO_IN g1 {}; BLOCK g3 {1}"}},
		{"older", 2, []string{"leave g2", "leave g1", "leave g3"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			live := packet.Live()
			m := newMember(t, f, Config{}, f.address)
			if err := f.setGeneration(m.eth0, test.generation); err != nil {
				t.Fatal(err)
			}
			stays := m.joins(t, f.g1)
			m.change(t, stays, socket.JoinSource, f.g3, "1")
			goes := m.joins(t, f.g2)
			m.take(time.Minute)
			if err := goes.Close(); err != nil {
				t.Fatal(err)
			}
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
			if err := m.Close(); err != socket.ErrClosed {
				t.Errorf("closing again: %v", err)
			}
			var got []string
			for _, s := range m.take(time.Hour) {
				got = append(got, s.text)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("said %q, want %q", got, test.want)
			}
			if n := m.clock.Pending(); n != 0 {
				t.Errorf("%d timers are left", n)
			}
			if l := m.Ledger(); !l.Balanced() || l.Held != 0 {
				t.Errorf("the ledger: %+v", l)
			}
			if n := packet.Live() - live; n != 0 {
				t.Errorf("%d buffers are still out", n)
			}
		})
	}
}
