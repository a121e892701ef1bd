package membership

import (
	"fmt"
	"testing"

	"github.com/castnet-go/castnet/wire"
)

// Each type of record, on each filter that a host may have (RFC 9776, section 4.2.13; 5.2
// for the answers to queries about sources).
func TestRFC9776_4_2_13_records(t *testing.T) {
	const (
		nobody  = ""
		include = "+"
		exclude = "-"
	)
	both(t, func(t *testing.T, f family) {
		before := map[string]wire.GroupRecord{
			include: record(wire.ChangeToInclude, f.some, f.a, f.b),
			exclude: record(wire.ChangeToExclude, f.some, f.a, f.b),
		}
		list := func(sign string, sources ...string) string {
			for i, s := range sources {
				if i > 0 {
					sign += ","
				}
				sign += map[string]string{"a": f.a.String(), "b": f.b.String(), "c": f.c.String()}[s]
			}
			return sign
		}
		one, two, three := f.a, f.b, f.c
		for _, c := range []struct {
			before string
			record wire.GroupRecord
			effect string // "": none is told
			after  string // "": no member
		}{
			{nobody, record(wire.ModeIsInclude, f.some, one), "joined", list("+", "a")},
			{nobody, record(wire.ModeIsInclude, f.some), "", nobody},
			{nobody, record(wire.ModeIsExclude, f.some, one), "joined", list("-", "a")},
			{nobody, record(wire.ChangeToInclude, f.some, one), "joined", list("+", "a")},
			{nobody, record(wire.ChangeToInclude, f.some), "left", nobody},
			{nobody, record(wire.ChangeToExclude, f.some), "joined", list("-")},
			{nobody, record(wire.AllowNewSources, f.some, one), "joined", list("+", "a")},
			{nobody, record(wire.AllowNewSources, f.some), "", nobody},
			{nobody, record(wire.BlockOldSources, f.some, one), "", nobody},

			{include, record(wire.ModeIsInclude, f.some, one, two), "refreshed", list("+", "a", "b")},
			{include, record(wire.ModeIsInclude, f.some, two, three), "changed", list("+", "a", "b", "c")},
			{include, record(wire.ModeIsExclude, f.some, one), "changed", list("-", "a")},
			{include, record(wire.ChangeToInclude, f.some, three), "changed", list("+", "c")},
			{include, record(wire.ChangeToInclude, f.some), "left", nobody},
			{include, record(wire.ChangeToExclude, f.some), "changed", list("-")},
			{include, record(wire.AllowNewSources, f.some, three), "changed", list("+", "a", "b", "c")},
			{include, record(wire.BlockOldSources, f.some, one), "changed", list("+", "b")},
			{include, record(wire.BlockOldSources, f.some, two, one), "left", nobody},
			{include, record(wire.BlockOldSources, f.some, three), "refreshed", list("+", "a", "b")},

			{exclude, record(wire.ModeIsInclude, f.some, one), "changed", list("-", "b")},
			{exclude, record(wire.ModeIsExclude, f.some, one, two), "refreshed", list("-", "a", "b")},
			{exclude, record(wire.ModeIsExclude, f.some, three), "changed", list("-", "c")},
			{exclude, record(wire.ChangeToInclude, f.some, one), "changed", list("+", "a")},
			{exclude, record(wire.ChangeToInclude, f.some), "left", nobody},
			{exclude, record(wire.ChangeToExclude, f.some), "changed", list("-")},
			{exclude, record(wire.AllowNewSources, f.some, one, three), "changed", list("-", "b")},
			{exclude, record(wire.BlockOldSources, f.some, three), "changed", list("-", "a", "b", "c")},
			{exclude, record(9, f.some), "", list("-", "a", "b")},
		} {
			name := fmt.Sprint(c.before, c.record.Type, c.record.Sources.Count())
			s := newStage(t, Config{})
			if c.before != nobody {
				s.hear(report(f.alice, before[c.before]))
			}
			e := s.table.Packet(zero, wire.MAC{}, report(f.alice, c.record))[0]
			effect := ""
			if len(e.Changes) == 1 {
				effect = e.Changes[0].Effect.String()
			}
			after := nobody
			if m := s.table.Members(); len(m) == 1 {
				after = heard(&m[0])
			}
			if effect != c.effect || after != c.after {
				t.Errorf("%s: %q, %q; want %q, %q", name, effect, after, c.effect, c.after)
			}
		}
	})
}

// A host that changes to an older version hears all sources.
func TestRFC9776_7_3_2_older_reports(t *testing.T) {
	both(t, func(t *testing.T, f family) {
		s := newStage(t, Config{}).hear(report(f.alice, record(wire.ChangeToInclude, f.group, f.a)))
		s.hear(old(f.alice, wire.IGMPv2Report, f.group)).wantMembers(fmt.Sprintf("%v %v - 4m20s", f.alice, f.group))
		if m := s.table.Members()[0]; m.Protocol != f.older {
			t.Errorf("%+v, want %v", m, f.older)
		}
	})
}
