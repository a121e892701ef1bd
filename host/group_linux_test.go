package host

import (
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/socket"
)

func TestMembershipsAreWhatWasJoined(t *testing.T) {
	lo := loopback(t)
	s := openUnbound(t, socket.IPv4)
	group, other := netip.MustParseAddr("239.1.2.3"), netip.MustParseAddr("232.1.2.3")
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	change := func(c socket.GroupChange, g socket.Group, want error) {
		t.Helper()
		if err := s.ChangeGroup(c, g); !errors.Is(err, want) {
			t.Errorf("%v of %v: %v, want %v", c, g, err, want)
		}
	}
	change(socket.JoinGroup, socket.Group{Address: group, Interface: lo}, nil)
	change(socket.JoinGroup, socket.Group{Address: group, Interface: lo}, syscall.EADDRINUSE)
	change(socket.BlockSource, socket.Group{Address: group, Source: a, Interface: lo}, nil)
	change(socket.JoinSource, socket.Group{Address: other, Source: b, Interface: lo}, nil)
	change(socket.JoinSource, socket.Group{Address: other, Source: a, Interface: lo}, nil)
	want := []socket.Membership{
		{Group: group, Interface: lo, Sources: []netip.Addr{a}},
		{Group: other, Interface: lo, Only: true, Sources: []netip.Addr{a, b}},
	}
	equal := func(x, y socket.Membership) bool {
		return x.Group == y.Group && x.Interface == y.Interface && x.Only == y.Only && slices.Equal(x.Sources, y.Sources)
	}
	if got := s.Memberships(); !slices.EqualFunc(got, want, equal) {
		t.Errorf("memberships %v, want %v", got, want)
	}
	change(socket.LeaveSource, socket.Group{Address: other, Source: a, Interface: lo}, nil)
	change(socket.LeaveSource, socket.Group{Address: other, Source: b, Interface: lo}, nil)
	change(socket.LeaveGroup, socket.Group{Address: group, Local: netip.MustParseAddr("127.0.0.1")}, nil)
	if got := s.Memberships(); len(got) != 0 {
		t.Errorf("memberships %v, want none", got)
	}
	change(socket.LeaveGroup, socket.Group{Address: group, Interface: lo}, syscall.EADDRNOTAVAIL)
}
