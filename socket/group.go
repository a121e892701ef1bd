package socket

import "net/netip"

// A GroupChange says what ChangeGroup does.
type GroupChange uint8

// The changes. The names in brackets are Linux's.
const (
	// JoinGroup hears every source of a group, and LeaveGroup ends that, or
	// whatever else the socket has of the group on the interface.
	JoinGroup  GroupChange = iota + 1 // (MCAST_JOIN_GROUP)
	LeaveGroup                        // (MCAST_LEAVE_GROUP)

	// JoinSource hears one more source of a group that was not joined as a
	// whole, and LeaveSource one less; the last one leaves the group.
	JoinSource  // (MCAST_JOIN_SOURCE_GROUP)
	LeaveSource // (MCAST_LEAVE_SOURCE_GROUP)

	// BlockSource hears one source less of a group that was joined as a
	// whole, and UnblockSource hears it again.
	BlockSource   // (MCAST_BLOCK_SOURCE)
	UnblockSource // (MCAST_UNBLOCK_SOURCE)
)

var groupChangeNames = [...]string{
	JoinGroup: "JoinGroup", LeaveGroup: "LeaveGroup", JoinSource: "JoinSource", LeaveSource: "LeaveSource",
	BlockSource: "BlockSource", UnblockSource: "UnblockSource",
}

// String returns the change's name.
func (c GroupChange) String() string {
	if int(c) < len(groupChangeNames) && c != 0 {
		return groupChangeNames[c]
	}
	return "unknown change"
}

// OfSource reports whether the change is of one source.
func (c GroupChange) OfSource() bool { return c >= JoinSource && c <= UnblockSource }

// A Group names a group, a source of it where the change is of one, and the
// interface: by its index, else by an address that it has, else the one to which
// the route to the group leads.
type Group struct {
	Address   netip.Addr
	Source    netip.Addr // of the changes of one source
	Interface int        // index; 0: not named
	Local     netip.Addr // IPv4: an address of the interface; the zero Addr and 0.0.0.0: not named
}

// A Membership is what a socket hears of a group by an interface: of every source
// but those listed, or, if Only is set, of those alone.
type Membership struct {
	Group     netip.Addr
	Interface int // index
	Only      bool
	Sources   []netip.Addr // in the order of their addresses
}
