package membership_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/castnet-go/castnet/membership"
	"github.com/castnet-go/castnet/wire"
)

// A querier asks, a host joins a group, and is not heard any more.
func Example() {
	table := membership.New(membership.Config{})
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	tell := func(events []membership.Event) {
		for _, e := range events {
			if m := e.Message; m != nil {
				fmt.Printf("%s %v %v %v, due %s\n", e.Time.Format(time.TimeOnly), m.Source, m.Protocol, m.Kind, e.Due.Format(time.TimeOnly))
			}
			for _, c := range e.Changes {
				fmt.Printf("%s %v %v %v\n", e.Time.Format(time.TimeOnly), c.Member.Host, c.Effect, c.Member.Group)
			}
			if q := e.Querier; q != nil && q.Address.IsValid() {
				fmt.Printf("%s %v asks every %v\n", e.Time.Format(time.TimeOnly), q.Address, q.Interval)
			} else if q != nil {
				fmt.Printf("%s nobody asks\n", e.Time.Format(time.TimeOnly))
			}
		}
	}
	query := wire.IGMPQuery{Version: 3, MaxResponse: 10 * time.Second, Interval: 60 * time.Second, Robustness: 2}
	tell(table.Packet(now, wire.MAC{}, packet("10.0.0.1", "224.0.0.1", query.AppendTo(nil))))
	report := wire.AppendIGMPv3Report(nil, wire.GroupRecord{Type: wire.ChangeToExclude, Group: netip.MustParseAddr("239.1.2.3")})
	tell(table.Packet(now.Add(time.Second), wire.MAC{}, packet("10.0.0.2", "224.0.0.22", report)))
	for {
		next, ok := table.NextDeadline()
		if !ok {
			break
		}
		tell(table.Advance(next))
	}
	// Output:
	// 12:00:00 10.0.0.1 IGMPv3 query, due 12:01:00
	// 12:00:00 10.0.0.1 asks every 1m0s
	// 12:00:01 10.0.0.2 IGMPv3 report, due 12:02:11
	// 12:00:01 10.0.0.2 joined 239.1.2.3
	// 12:02:05 nobody asks
	// 12:02:11 10.0.0.2 expired 239.1.2.3
}

// packet returns an IPv4 packet with a message of IGMP.
func packet(from, to string, message []byte) []byte {
	wire.UpdateIGMPChecksum(message)
	b := append(make([]byte, wire.IPv4HeaderLen), wire.IPv4RouterAlertOption...)
	h := wire.PutIPv4(b)
	h.SetHeaderLen(len(b))
	h.SetTotalLength(uint16(len(b) + len(message)))
	h.SetTTL(1)
	h.SetProtocol(wire.ProtocolIGMP)
	h.SetSource(netip.MustParseAddr(from))
	h.SetDestination(netip.MustParseAddr(to))
	copy(b[wire.IPv4HeaderLen:], wire.IPv4RouterAlertOption)
	h.UpdateChecksum(b[wire.IPv4HeaderLen:])
	return append(b, message...)
}
