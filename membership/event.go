package membership

import (
	"net/netip"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// An Event is something that a Table has learned: a message, or, if Message is nil,
// that something did not come which was due.
type Event struct {
	Time    time.Time
	Message *Message
	MAC     wire.MAC // who sent the message, if that is known

	// Due is, of a general query, when its querier's next is due; of another query,
	// when all answers must have come; of a report, when the memberships end unless
	// they are reported again. Of a leave, and of what is ignored, it is the zero
	// Time.
	Due time.Time

	// Fallback is, of a general query of an older version, until when hosts speak that
	// version because of it (RFC 9776, section 8.12; RFC 9777, section 9.12).
	Fallback time.Time

	// Changes are what became of memberships, in the order of the message.
	Changes []Change

	// Querier is who asks from now on, if that has changed. Its Address is the zero
	// Addr if there is nobody any more; then Protocol tells only the family.
	Querier *Querier
}

// An Effect says what became of a membership.
type Effect uint8

// The effects.
const (
	Joined    Effect = iota + 1 // it was not known before
	Refreshed                   // it is reported again
	Changed                     // of other sources than before
	Left                        // the host said so
	Expired                     // it was not reported any more
	Untracked                   // the Table is full
)

var effectNames = [...]string{"none", "joined", "refreshed", "changed", "left", "expired", "untracked"}

// String returns the name, such as "joined".
func (e Effect) String() string {
	if int(e) < len(effectNames) {
		return effectNames[e]
	}
	return effectNames[0]
}

// MarshalText returns the name.
func (e Effect) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// A Change is what became of a membership.
type Change struct {
	Effect Effect
	Member Member // as it is now; of one that is no more, as it was
}

// A Member is a host's membership in a group.
type Member struct {
	Group    netip.Addr
	Host     netip.Addr // 0.0.0.0 or :: of one that has no address yet
	MAC      wire.MAC   // zero if it is not known
	Protocol Protocol   // of its last report

	// The host hears every source but Sources, or, if Only is set, Sources alone.
	Only    bool
	Sources []netip.Addr // in the order of their addresses

	Since, Heard time.Time // the first and the last report
	Expires      time.Time // if it is not reported again
}

// A Querier is a router or a switch that sends general queries.
type Querier struct {
	Address  netip.Addr // 0.0.0.0 of a switch without an address, which is never elected
	MAC      wire.MAC
	Protocol Protocol

	// Interval is how often it asks. If Said is false it has not said so, as older
	// protocols cannot, and this is the time between its last two general queries,
	// or, after only one, the standards' 125 s.
	Interval time.Duration
	Said     bool

	MaxResponse time.Duration
	Robustness  int // 2, if it does not say

	Since, Heard time.Time // the first and the last general query
	Due          time.Time // the next one
	Expires      time.Time // when it is taken for gone
	Elected      bool
}
