package stack

import (
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// Without a group there is nothing to tell, but what was asked holds for the first.
func TestQueriesBeforeTheFirstGroup(t *testing.T) {
	eachFamily(t, testQueriesBeforeTheFirstGroup)
}

func testQueriesBeforeTheFirstGroup(t *testing.T, f *family) {
	t.Run("general", func(t *testing.T) {
		m := newMember(t, f, Config{Seed: [32]byte{1}}, f.address)
		m.query(wire.IGMPQuery{MaxResponse: time.Hour / 2})
		m.joins(t, f.g1)
		m.says(t, time.Hour, "TO_EX g1 {}", "TO_EX g1 {}", "IS_EX g1 {}")
	})
	t.Run("general, and over", func(t *testing.T) {
		m := newMember(t, f, Config{}, f.address)
		m.query(wire.IGMPQuery{MaxResponse: time.Second})
		m.says(t, time.Minute)
		m.joins(t, f.g1)
		m.says(t, time.Minute, "TO_EX g1 {}", "TO_EX g1 {}")
		m.query(wire.IGMPQuery{MaxResponse: time.Second})
		m.says(t, time.Second, "IS_EX g1 {}")
	})
	t.Run("general again, when it is over", func(t *testing.T) {
		m := newMember(t, f, Config{Seed: [32]byte{1}}, f.address)
		m.query(wire.IGMPQuery{MaxResponse: time.Second})
		m.says(t, time.Minute)
		m.query(wire.IGMPQuery{MaxResponse: time.Hour / 2})
		m.joins(t, f.g1)
		m.says(t, time.Hour, "TO_EX g1 {}", "TO_EX g1 {}", "IS_EX g1 {}")
	})
	t.Run("about a group", func(t *testing.T) {
		m := newMember(t, f, Config{}, f.address)
		m.query(wire.IGMPQuery{Group: groupAddr(f.g1), MaxResponse: time.Hour / 2})
		m.joins(t, f.g1)
		m.says(t, time.Hour, "TO_EX g1 {}", "TO_EX g1 {}")
	})
	t.Run("robustness", func(t *testing.T) {
		m := newMember(t, f, Config{}, f.address)
		m.query(wire.IGMPQuery{Robustness: 3, MaxResponse: time.Second})
		m.says(t, time.Minute)
		m.joins(t, f.g1)
		m.says(t, time.Minute, "TO_EX g1 {}", "TO_EX g1 {}", "TO_EX g1 {}")
	})
	t.Run("of an older querier", func(t *testing.T) {
		m := newMember(t, f, Config{}, f.address)
		m.query(wire.IGMPQuery{Version: 2, MaxResponse: time.Second})
		m.says(t, time.Minute)
		m.joins(t, f.g1)
		m.says(t, time.Minute, "report g1", "report g1")
		m.clock.Advance(200 * time.Second)
		m.joins(t, f.g2)
		m.says(t, time.Minute, "TO_EX g2 {}", "TO_EX g2 {}")
	})
	t.Run("before there is an address", func(t *testing.T) {
		m := newMember(t, f, Config{})
		m.query(wire.IGMPQuery{MaxResponse: time.Hour / 2})
		if f == inet6 { // then the interface does not speak IPv6
			if err := m.open6(t, "").ChangeGroup(socket.JoinGroup, groupOn(f.g1, m.eth0)); err != syscall.EINVAL {
				t.Errorf("joining: %v, want EINVAL", err)
			}
		} else {
			m.joins(t, f.g1)
		}
		m.says(t, time.Hour)
	})
}
