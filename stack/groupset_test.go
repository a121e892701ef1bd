package stack

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// merge is RFC 9776, 3.2, word for word: if any has the mode EXCLUDE, the mode is
// EXCLUDE and the list the intersection of theirs less the sources of the others; if
// none has, it is INCLUDE and the list the union.
func merge(all []socket.Membership) (only bool, list []netip.Addr) {
	excludes := map[netip.Addr]int{}
	included := map[netip.Addr]bool{}
	n := 0
	for _, m := range all {
		if !m.Only {
			n++
		}
		for _, a := range m.Sources {
			if m.Only {
				included[a] = true
			} else {
				excludes[a]++
			}
		}
	}
	if n == 0 {
		for a := range included {
			list = append(list, a)
		}
	}
	for a, k := range excludes {
		if k == n && !included[a] {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return n == 0, list
}

// Whatever sockets do, the interface's union is what their lists make, the reports
// that routers have heard add up to it, and what comes in is let in by it.
func TestTheUnionIsWhatTheSocketsMake(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 1))
		m := newMember(t, inet4, Config{Seed: [32]byte{byte(seed), 5}}, "10.0.0.2/24")
		groups := []string{g1, g2, g3}
		sockets := make([]*Socket, 5)
		for k := range sockets {
			sockets[k] = m.open(t, "")
		}
		for range 300 {
			s := sockets[rng.IntN(len(sockets))]
			c := socket.GroupChange(1 + rng.IntN(6))
			if c == socket.LeaveGroup && rng.IntN(2) == 0 {
				c = socket.JoinGroup
			}
			s.ChangeGroup(c, groupOn(groups[rng.IntN(3)], m.eth0, fmt.Sprint(10+rng.IntN(4))))
			if rng.IntN(40) == 0 {
				s.Close()
				for k := range sockets {
					if sockets[k] == s {
						sockets[k] = m.open(t, "")
					}
				}
			}
			if rng.IntN(3) == 0 {
				m.clock.Advance(time.Duration(rng.IntN(2000)) * time.Millisecond)
			}
			for _, group := range groups {
				checkUnion(t, m, sockets, group)
			}
		}
		for _, s := range sockets {
			s.Close()
		}
		m.clock.Advance(time.Minute)
		if set := &m.eth0.groups; set.table.live != 0 || set.first != nil || set.last != nil || set.card.macs.live != 0 {
			t.Fatalf("%d groups are left over", set.table.live)
		}
	}
}

func checkUnion(t *testing.T, m *member, sockets []*Socket, group string) {
	t.Helper()
	var all []socket.Membership
	for _, s := range sockets {
		for _, x := range s.Memberships() {
			if x.Group == groupAddr(group) {
				all = append(all, x)
			}
		}
	}
	var got InterfaceGroup
	for _, g := range m.eth0.Groups() {
		if g.Group == groupAddr(group) {
			got = g
		}
	}
	if got.Members != len(all) {
		t.Fatalf("%s has %d members, want %d", group, got.Members, len(all))
	}
	if len(all) == 0 {
		return
	}
	only, list := merge(all)
	if got.Only != only || !slices.Equal(got.Sources, list) {
		t.Fatalf("%s: %+v, want only %v %v, of %+v", group, got, only, list, all)
	}
	for k := 9; k < 15; k++ {
		a := groupAddr(fmt.Sprint("10.0.0.", k))
		want := drop.None
		if slices.Contains(list, a) != only {
			want = drop.SourceFiltered
		}
		if r := m.eth0.groups.hears(addressOf(groupAddr(group)), addressOf(a)); r != want {
			t.Fatalf("%s from %v: %v, want %v; %+v", group, a, r, want, got)
		}
	}
}

func TestWhyAGroupIsNotHeard(t *testing.T) {
	h, l := onCable(t, Config{})
	s := h.open(t, "0.0.0.0:7")
	deaf := h.open(t, "0.0.0.0:8")
	setOption(t, deaf, socket.MulticastAll, 0)
	join := func(s *Socket, c socket.GroupChange, g socket.Group) {
		t.Helper()
		if err := s.ChangeGroup(c, g); err != nil {
			t.Fatal(err)
		}
	}
	join(s, socket.JoinSource, groupOn(g1, h.eth0, "9"))
	shared := groupAddr("225.1.2.3") // has the hardware address of g1
	for name, tc := range map[string]struct {
		d      datagram
		reason drop.Reason
	}{
		"joined":                       {datagram{dst: g1 + ":7", to: wire.MulticastMAC(groupAddr(g1))}, drop.None},
		"from another source":          {datagram{src: "10.0.0.8:9", dst: g1 + ":7", to: wire.MulticastMAC(groupAddr(g1))}, drop.SourceFiltered},
		"to a socket that wants none":  {datagram{dst: g1 + ":8", to: wire.MulticastMAC(groupAddr(g1))}, drop.SourceFiltered},
		"to a port that nobody has":    {datagram{dst: g1 + ":9", to: wire.MulticastMAC(groupAddr(g1))}, drop.NoPort},
		"the hardware address is ours": {datagram{dst: shared.String() + ":7", to: wire.MulticastMAC(shared)}, drop.NotAMember},
		"the hardware address is not":  {datagram{dst: g2 + ":7", to: wire.MulticastMAC(groupAddr(g2))}, drop.MACFiltered},
		"to our own hardware address":  {datagram{dst: g2 + ":7"}, drop.NotAMember},
		"from nobody":                  {datagram{src: "0.0.0.0:9", dst: g1 + ":7", to: wire.MulticastMAC(groupAddr(g1))}, drop.MartianSource},
	} {
		before, queued := h.Drops().Get(tc.reason), len(payloads(t, s))
		tc.d.payload = "x"
		l.deliver(tc.d.frame())
		if tc.reason == drop.None {
			if queued = len(payloads(t, s)); queued != 1 {
				t.Errorf("%s: not heard; %v", name, h.Drops().Map())
			}
			continue
		}
		if n := h.Drops().Get(tc.reason) - before; n != 1 {
			t.Errorf("%s: %d times %v, want 1; %v", name, n, tc.reason, h.Drops().Map())
		}
	}
	checkLedger(t, h)
}

// Joining, leaving, delivering and sending at once.
func TestGroupsFromManySides(t *testing.T) {
	h, l := onCable(t, Config{})
	var wait sync.WaitGroup
	stop := make(chan struct{})
	for k := range 3 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				s := h.open(t, "")
				s.SetOption(socket.ReuseAddr, 1)
				s.Bind(netip.MustParseAddrPort("0.0.0.0:7"))
				for _, g := range []string{g1, g2, g3} {
					s.ChangeGroup(socket.JoinGroup, groupOn(g, h.eth0))
					s.ChangeGroup(socket.BlockSource, groupOn(g, h.eth0, fmt.Sprint(9+n%2)))
				}
				s.TrySend([]socket.Message{message("x", g1+":7")})
				s.Close()
			}
		}()
		_ = k
	}
	for n := range 3000 {
		l.deliver(groupFrame([]string{g1, g2, g3}[n%3], "x"))
		if n%100 == 0 {
			h.eth0.SetUp(n%200 != 0)
			h.clock.Advance(10 * time.Millisecond)
		}
	}
	close(stop)
	wait.Wait()
	h.eth0.SetUp(true)
	h.clock.Advance(time.Minute)
	checkLedger(t, h)
	if set := &h.eth0.groups; set.table.live != 0 || set.card.macs.live != 0 {
		t.Errorf("%d groups are left over", set.table.live)
	}
}

func TestAddressTableIsAMap(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 2))
		var table addressTable[int]
		hash := func(a address) uint64 { return a.lo * seed } // seed 0: all collide
		model := map[address]int{}
		for range 2000 {
			key := address{1, uint64(rng.IntN(60))}
			e := table.find(hash(key), key)
			if v, in := model[key]; in != (e != nil) || in && e.v != v {
				t.Fatalf("seed %d: %v is %v, want %v, %v", seed, key, e, v, in)
			}
			if e != nil {
				table.remove(hash(key), key)
				delete(model, key)
			} else if rng.IntN(3) > 0 {
				v := rng.Int()
				table.insert(&entry[int]{key, v}, hash)
				model[key] = v
			}
			if table.live != len(model) {
				t.Fatalf("%d live, want %d", table.live, len(model))
			}
		}
	}
}
