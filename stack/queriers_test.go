package stack

import (
	"testing"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// Without a group there is nothing to tell, but what was asked holds for the first.
func TestQueriesBeforeTheFirstGroup(t *testing.T) {
	t.Run("general", func(t *testing.T) {
		m := newMember(t, Config{Seed: [32]byte{1}}, "10.0.0.2/24")
		m.query(wire.IGMPQuery{MaxResponse: time.Hour / 2})
		m.joins(t, g1)
		m.says(t, time.Hour, "TO_EX 239.1.2.3 {}", "TO_EX 239.1.2.3 {}", "IS_EX 239.1.2.3 {}")
	})
	t.Run("general, and over", func(t *testing.T) {
		m := newMember(t, Config{}, "10.0.0.2/24")
		m.query(wire.IGMPQuery{MaxResponse: time.Second})
		m.says(t, time.Minute)
		m.joins(t, g1)
		m.says(t, time.Minute, "TO_EX 239.1.2.3 {}", "TO_EX 239.1.2.3 {}")
		m.query(wire.IGMPQuery{MaxResponse: time.Second})
		m.says(t, time.Second, "IS_EX 239.1.2.3 {}")
	})
	t.Run("general again, when it is over", func(t *testing.T) {
		m := newMember(t, Config{Seed: [32]byte{1}}, "10.0.0.2/24")
		m.query(wire.IGMPQuery{MaxResponse: time.Second})
		m.says(t, time.Minute)
		m.query(wire.IGMPQuery{MaxResponse: time.Hour / 2})
		m.joins(t, g1)
		m.says(t, time.Hour, "TO_EX 239.1.2.3 {}", "TO_EX 239.1.2.3 {}", "IS_EX 239.1.2.3 {}")
	})
	t.Run("about a group", func(t *testing.T) {
		m := newMember(t, Config{}, "10.0.0.2/24")
		m.query(wire.IGMPQuery{Group: groupAddr(g1), MaxResponse: time.Hour / 2})
		m.joins(t, g1)
		m.says(t, time.Hour, "TO_EX 239.1.2.3 {}", "TO_EX 239.1.2.3 {}")
	})
	t.Run("robustness", func(t *testing.T) {
		m := newMember(t, Config{}, "10.0.0.2/24")
		m.query(wire.IGMPQuery{Robustness: 3, MaxResponse: time.Second})
		m.says(t, time.Minute)
		m.joins(t, g1)
		m.says(t, time.Minute, "TO_EX 239.1.2.3 {}", "TO_EX 239.1.2.3 {}", "TO_EX 239.1.2.3 {}")
	})
	t.Run("of an older querier", func(t *testing.T) {
		m := newMember(t, Config{}, "10.0.0.2/24")
		m.query(wire.IGMPQuery{Version: 2, MaxResponse: time.Second})
		m.says(t, time.Minute)
		m.joins(t, g1)
		m.says(t, time.Minute, "v2 239.1.2.3", "v2 239.1.2.3")
		m.clock.Advance(200 * time.Second)
		m.joins(t, g2)
		m.says(t, time.Minute, "TO_EX 239.1.2.4 {}", "TO_EX 239.1.2.4 {}")
	})
	t.Run("before there is an address", func(t *testing.T) {
		m := newMember(t, Config{})
		m.query(wire.IGMPQuery{MaxResponse: time.Hour / 2})
		m.joins(t, g1)
		m.says(t, time.Hour)
	})
}
