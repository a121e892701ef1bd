package stack

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// cardCable is a cable that takes note of how its filter is programmed.
type cardCable struct {
	*cable
	mu      sync.Mutex
	filter  link.Filter
	calls   int
	refuses bool // filters with groups
}

func (c *cardCable) SetFilter(f link.Filter) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	if c.refuses && f.Mode == link.Normal {
		return errors.New("no such filter")
	}
	slices.SortFunc(f.Groups, func(a, b wire.MAC) int { return slices.Compare(a[:], b[:]) })
	c.filter = f
	return nil
}

func onCard(t *testing.T, c Config) (*host, *cardCable) {
	t.Helper()
	l := &cardCable{cable: newCable()}
	return newHost(t, c, l, "10.0.0.2/24"), l
}

func (c *cardCable) expect(t *testing.T, when string, mode link.Mode, macs ...string) {
	t.Helper()
	var got []string
	for _, m := range c.filter.Groups {
		got = append(got, m.String())
	}
	if c.filter.Mode != mode || !slices.Equal(got, macs) {
		t.Errorf("%s: the card has mode %d and %v, want %d and %v", when, c.filter.Mode, got, mode, macs)
	}
}

const macAllHosts = "01:00:5e:00:00:01"

func TestGroupsBecomeHardwareAddresses(t *testing.T) {
	h, l := onCard(t, Config{Limits: Limits{SocketGroups: 100}})
	a, b := h.open(t, ""), h.open(t, "")
	change := func(s *Socket, c socket.GroupChange, g string) {
		t.Helper()
		if err := s.ChangeGroup(c, groupOn(g, h.eth0)); err != nil {
			t.Fatal(err)
		}
	}
	l.expect(t, "at first", link.Normal, macAllHosts)
	change(a, socket.JoinGroup, "239.1.2.3")
	l.expect(t, "one group", link.Normal, macAllHosts, "01:00:5e:01:02:03")
	calls := l.calls
	change(b, socket.JoinGroup, "239.1.2.3")
	for k := range 32 { // the groups with that address
		if g := netip.AddrFrom4([4]byte{byte(224 + k/2), byte(1 + k%2*128), 2, 3}).String(); g != "239.1.2.3" {
			change(b, socket.JoinGroup, g)
		}
	}
	change(a, socket.JoinGroup, "224.0.0.1")
	if l.calls != calls {
		t.Errorf("the card was programmed %d times for an address that it has", l.calls-calls)
	}
	change(a, socket.LeaveGroup, "239.1.2.3")
	l.expect(t, "still joined", link.Normal, macAllHosts, "01:00:5e:01:02:03")
	b.Close()
	l.expect(t, "all have left", link.Normal, macAllHosts)
	change(a, socket.JoinGroup, "239.1.2.4")
	h.eth0.SetUp(false) // who is down hears nothing anyway
	h.eth0.SetUp(true)
	l.expect(t, "down and up", link.Normal, macAllHosts, "01:00:5e:01:02:04")
}

func TestTheModesOfACard(t *testing.T) {
	h, l := onCard(t, Config{})
	to := func(mac wire.MAC, dst string) []byte { return datagram{to: mac, dst: dst}.frame() }
	foreign := to(macOther, "10.0.0.7:7")
	group := to(wire.MulticastMAC(groupAddr(g1)), g1+":7")
	for _, tc := range []struct {
		mode      link.Mode
		ofGroup   drop.Reason
		ofForeign drop.Reason
	}{
		{link.Normal, drop.MACFiltered, drop.MACFiltered},
		{link.AllMulticast, drop.NotAMember, drop.MACFiltered},
		{link.Promiscuous, drop.NotAMember, drop.MACFiltered},
		{link.Normal, drop.MACFiltered, drop.MACFiltered},
	} {
		if err := h.eth0.SetMode(tc.mode); err != nil {
			t.Fatal(err)
		}
		if l.filter.Mode != tc.mode {
			t.Errorf("the card has mode %d, want %d", l.filter.Mode, tc.mode)
		}
		for frame, reason := range map[*[]byte]drop.Reason{&group: tc.ofGroup, &foreign: tc.ofForeign} {
			before := h.Drops().Get(reason)
			l.deliver(*frame)
			if n := h.Drops().Get(reason) - before; n != 1 {
				t.Errorf("mode %d: %d times %v, want 1", tc.mode, n, reason)
			}
		}
	}
	if err := h.eth0.SetMode(link.Promiscuous + 1); err == nil {
		t.Error("a mode that there is not is accepted")
	}
}

func TestACardWithMoreGroupsThanItHoldsLetsAllIn(t *testing.T) {
	h, l := onCard(t, Config{Limits: Limits{CardGroups: 4, SocketGroups: 100}})
	s := h.open(t, "")
	for k := range 50 {
		if err := s.ChangeGroup(socket.JoinGroup, groupOn(fmt.Sprintf("239.1.1.%d", k), h.eth0)); err != nil {
			t.Fatal(err)
		}
	}
	l.expect(t, "50 groups", link.AllMulticast)
	if l.calls != 5 {
		t.Errorf("it was programmed %d times, want 5: at first, three times, and once more", l.calls)
	}
	l.deliver(groupFrame("239.9.9.9", "x"))
	checkDrops(t, h, drop.MACFiltered, 1) // the stack knows which they are
	s.Close()
	l.expect(t, "none", link.Normal, macAllHosts)
}

func TestACardThatRefusesIsAskedForAllGroups(t *testing.T) {
	l := &cardCable{cable: newCable(), refuses: true}
	h := newHost(t, Config{}, l, "10.0.0.2/24")
	l.expect(t, "refused", link.AllMulticast)
	s := h.open(t, "0.0.0.0:7")
	if err := s.ChangeGroup(socket.JoinGroup, groupOn(g1, h.eth0)); err != nil {
		t.Fatal(err)
	}
	l.deliver(groupFrame(g1, "x"))
	if got := payloads(t, s); len(got) != 1 {
		t.Errorf("heard %q", got)
	}
}

// As the textbook has it, joining says by which interface to send as well.
func TestJoinSetsInterface(t *testing.T) {
	for _, textbook := range []bool{false, true} {
		h, l0, l1 := newRouter(t, Config{JoinSetsInterface: textbook})
		h.route(t, "default via 10.0.0.9")
		s := h.open(t, "")
		send(t, s, "before", g1+":7")
		l0.take()
		eth1 := h.Interface("eth1")
		if err := s.ChangeGroup(socket.JoinGroup, groupOn(g1, eth1)); err != nil {
			t.Fatal(err)
		}
		h.clock.Advance(1)
		l0.take()
		l1.take()
		send(t, s, "after", g1+":7")
		n0, n1 := len(l0.take()), len(l1.take())
		if textbook && (n0 != 0 || n1 != 1) || !textbook && (n0 != 1 || n1 != 0) {
			t.Errorf("JoinSetsInterface %v: %d by eth0, %d by eth1", textbook, n0, n1)
		}
		// An interface that was found by the route is not named.
		o := h.open(t, "")
		if err := o.ChangeGroup(socket.JoinGroup, groupOn(g2, nil)); err != nil {
			t.Fatal(err)
		}
		if v, _ := o.Option(socket.MulticastInterface); v != 0 {
			t.Errorf("MulticastInterface is %d, want 0", v)
		}
		// Nor does a join that fails say anything.
		if err := s.ChangeGroup(socket.JoinGroup, groupOn(g1, eth1)); err == nil {
			t.Error("joined twice")
		}
	}
}
