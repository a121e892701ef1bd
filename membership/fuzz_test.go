package membership

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// FuzzTable feeds packets, with time between them, to a Table that is soon full. Nothing
// ends before it is due, nothing stays when it is, and the bounds hold.
func FuzzTable(f *testing.F) {
	seed := func(packets ...[]byte) {
		var b []byte
		for i, p := range packets {
			b = append(b, byte(i*7), byte(len(p)))
			b = append(b, p...)
		}
		f.Add(b)
	}
	seed(query(router4, netip.Addr{}, 3), report(alice4, record(wire.ChangeToExclude, group4), record(wire.AllowNewSources, some4, s1, s2)),
		query(router4, some4, 3, s1), report(bob4, record(wire.ModeIsExclude, group4, s1)), query(router4, group4, 3))
	seed(query(router6b, netip.Addr{}, 3), query(router6, netip.Addr{}, 2), old(alice6, wire.IGMPv2Report, group6), old(alice6, wire.IGMPv2Leave, group6))
	seed(old(alice4, wire.IGMPv1Report, group4), query(router4, netip.Addr{}, 1), old(bob4, wire.IGMPv2Leave, group4))
	f.Fuzz(func(t *testing.T, b []byte) {
		cfg := Config{MaxMembers: 3, MaxSources: 2, MaxQueriers: 2}
		table := New(cfg)
		now := time.Unix(0, 0)
		check := func(events []Event) {
			t.Helper()
			for _, e := range events {
				if e.Time.After(now) {
					t.Errorf("at %v it is told what is to come: %+v", now, e)
				}
				if !e.Due.IsZero() && e.Due.Before(e.Time) {
					t.Errorf("due before its time: %+v", e)
				}
			}
			members, queriers := table.Members(), table.Queriers()
			if len(members) > cfg.MaxMembers || len(queriers) > cfg.MaxQueriers {
				t.Fatalf("%d members, %d queriers", len(members), len(queriers))
			}
			next, ok := table.NextDeadline()
			if ok != (len(members)+len(queriers) > 0) {
				t.Errorf("%d members and %d queriers, and a deadline: %v", len(members), len(queriers), ok)
			}
			for _, m := range members {
				if len(m.Sources) > cfg.MaxSources || m.Only && len(m.Sources) == 0 || !m.Group.IsMulticast() || !m.Expires.After(now) || m.Expires.Before(next) {
					t.Errorf("at %v, next %v: %+v", now, next, m)
				}
			}
			elected := map[bool]int{}
			for _, q := range queriers {
				if q.Elected {
					elected[q.Address.Is6()]++
				}
				if !q.Expires.After(now) || q.Expires.Before(next) || q.Elected && q.Address.IsUnspecified() {
					t.Errorf("at %v, next %v: %+v", now, next, q)
				}
			}
			if elected[false] > 1 || elected[true] > 1 {
				t.Errorf("several are elected: %+v", queriers)
			}
		}
		for len(b) >= 2 {
			now = now.Add(time.Duration(b[0]) * time.Second)
			n := min(int(b[1]), len(b)-2)
			packet := b[2 : 2+n]
			b = b[2+n:]
			if n%2 == 0 {
				packet = mend(packet)
			}
			if _, ok := Parse(packet); !ok && len(packet) > 0 {
				frame := append([]byte{1, 0, 0x5e, 0, 0, 1, 2, 0, 0, 0, 0, packet[0], 8, 0}, packet...)
				check(table.Frame(now, frame))
				continue
			}
			check(table.Packet(now, wire.MAC{2}, packet))
		}
		for range 1000 {
			at, ok := table.NextDeadline()
			if !ok {
				return
			}
			if !at.After(now) {
				t.Fatalf("at %v the next deadline is %v", now, at)
			}
			now = at
			check(table.Advance(now))
		}
		t.Error("there is always something left")
	})
}

// mend makes the checksums of a packet right, as far as there are any.
func mend(b []byte) []byte {
	b = slices.Clone(b)
	if h, options, body, err := wire.ParseIPv4(b); err == nil {
		h.UpdateChecksum(options)
		if len(body) >= wire.IGMPHeaderLen {
			wire.UpdateIGMPChecksum(body)
		}
	} else if h, payload, err := wire.ParseIPv6(b); err == nil {
		w := wire.WalkIPv6(h, payload)
		for _, more := w.Next(); more; {
			_, more = w.Next()
		}
		if len(w.Payload()) >= wire.ICMPv6HeaderLen {
			wire.UpdateICMPv6Checksum(w.Payload(), h.Source16(), h.Destination16())
		}
	}
	return b
}
