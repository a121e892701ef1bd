package castnet_test

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/castnet-go/castnet"
)

// groupConn is what programs outside of this repository call, with these signatures.
type groupConn interface {
	JoinGroup(ifname string, group netip.Addr) error
	JoinGroupAll(group netip.Addr) ([]string, error)
	LeaveGroup(ifname string, group netip.Addr) error
	JoinSourceSpecificGroup(ifname string, group, source netip.Addr) error
	LeaveSourceSpecificGroup(ifname string, group, source netip.Addr) error
	ExcludeSourceSpecificGroup(ifname string, group, source netip.Addr) error
	IncludeSourceSpecificGroup(ifname string, group, source netip.Addr) error
	Memberships() []castnet.Membership
	SetMulticastInterface(ifname string) error
	MulticastInterface() (string, error)
	SetMulticastTTL(ttl int) error
	MulticastTTL() (int, error)
	SetMulticastLoopback(on bool) error
	MulticastLoopback() (bool, error)
	SetMulticastAll(on bool) error
	MulticastAll() (bool, error)
	SetTTL(ttl int) error
	TTL() (int, error)
	SetTOS(tos int) error
	TOS() (int, error)
}

var _ groupConn = (*castnet.Conn)(nil)

// What golang.org/x/net's ipv4.PacketConn and ipv6.PacketConn have for groups and headers a
// Conn has by the same names; IPv6's other words for the same are those of IPv4 here, for a
// Conn may be of both.
func TestNamesOfPackagesIPv4AndIPv6(t *testing.T) {
	other := strings.NewReplacer("MulticastHopLimit", "MulticastTTL", "HopLimit", "TTL", "TrafficClass", "TOS")
	for _, name := range []string{
		"JoinGroup", "LeaveGroup", "JoinSourceSpecificGroup", "LeaveSourceSpecificGroup", "ExcludeSourceSpecificGroup",
		"IncludeSourceSpecificGroup", "MulticastInterface", "SetMulticastInterface", "MulticastLoopback", "SetMulticastLoopback",
		"MulticastTTL", "SetMulticastTTL", "MulticastHopLimit", "SetMulticastHopLimit", "TTL", "SetTTL", "HopLimit", "SetHopLimit",
		"TOS", "SetTOS", "TrafficClass", "SetTrafficClass", "ReadBatch", "WriteBatch",
		"Close", "SetDeadline", "SetReadDeadline", "SetWriteDeadline",
	} {
		if _, ok := reflect.TypeFor[*castnet.Conn]().MethodByName(other.Replace(name)); !ok {
			t.Errorf("a Conn has no %s", other.Replace(name))
		}
	}
}
