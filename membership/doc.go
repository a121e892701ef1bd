// Package membership learns from the packets of one segment who is a member of which
// group there, and who asks: it reads IGMP of versions 1 to 3 and MLD of versions 1 and 2
// as a router or a switch that snoops would, without taking part.
//
//	t := membership.New(membership.Config{})
//	for frame := range frames {
//		for _, e := range t.Frame(time.Now(), frame) {
//			if e.Message != nil {
//				log.Print(e.Message.Source, " ", e.Message.Kind, ", next due ", e.Due)
//			}
//		}
//	}
//
// # How it works
//
// [Parse] decodes a packet into a [Message] and judges it: what a receiver must ignore
// has an Err, and what is odd but taken by most has a Warning. A [Table] is told of each
// packet and of the time, and answers with Events: the message, what it changed, and when
// something is due. Due times follow the querier, who says its interval and robustness in
// version 3 (MLD: 2), and else the defaults of the standards: a membership ends the
// membership interval after its last report (RFC 9776, section 8.4), or sooner if a query
// about the group stays without answer (section 6.6.1), a querier is gone after the other
// querier present interval (section 8.5).
//
// Each host is kept apart, since in version 3 each speaks for itself. So a host's own
// filter is known, where a router knows only what all of them want together.
//
// The Table has no clock and no goroutine: times are given, and [Table.NextDeadline] says
// when [Table.Advance] has something to tell. It may not be used by several goroutines at
// the same time.
//
// # Limitations
//
// Of hosts of versions 1 and 2 only those are known that have reported: who hears another
// report for a group keeps silent (RFC 2236, section 3). Such a host may be told of as
// expired while it is still a member.
//
// What older hosts on the segment make routers ignore (RFC 9776, section 7.3.2) is not
// told. VLAN tags and fragments are not read. The Table is bounded: see [Config].
package membership
