package stack

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

func TestTheZeroConfigIsAHost(t *testing.T) {
	s, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Name() != "stack" || s.Clock() != clock.System {
		t.Errorf("name %q, clock %v", s.Name(), s.Clock())
	}
	sk, err := s.Open(socket.IPv4)
	if err != nil || sk.Family() != socket.IPv4 {
		t.Fatal(err)
	}
	six, err := s.Open(socket.IPv6)
	if err != nil || six.Family() != socket.IPv6 {
		t.Fatal(err)
	}
	if sk, err := s.Open(socket.Family(9)); err != syscall.EAFNOSUPPORT || sk != nil {
		t.Errorf("no family: %v, %v", sk, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := sk.Close(); err != socket.ErrClosed {
		t.Errorf("a socket of a closed stack: %v", err)
	}
	if list, err := s.Interfaces(); len(list) != 0 || err != nil {
		t.Errorf("a closed stack has interfaces %v, %v", list, err)
	}
	if _, err := s.Open(socket.IPv4); err != socket.ErrClosed {
		t.Errorf("opening on a closed stack: %v", err)
	}
}

func TestAHostKnowsItsOwnName(t *testing.T) {
	s, err := New(Config{Name: "h1"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, name := range []string{"h1", "localhost"} {
		for network, want := range map[string]string{"ip": "[127.0.0.1 ::1]", "ip4": "[127.0.0.1]", "ip6": "[::1]"} {
			if a, err := s.LookupNetIP(context.Background(), network, name); err != nil || fmt.Sprint(a) != want {
				t.Errorf("%s %s: %v, %v, want %s", network, name, a, err, want)
			}
		}
	}
	for _, q := range [][2]string{{"ip", "h2"}, {"ip6", "h2"}, {"ip", ""}} {
		_, err := s.LookupNetIP(context.Background(), q[0], q[1])
		var unknown *socket.NameError
		if !errors.As(err, &unknown) || unknown.Name != q[1] {
			t.Errorf("%s %q: %v", q[0], q[1], err)
		}
	}
}

// TestAStackOfIPv4Only has nothing of IPv6: no sockets, no addresses, no packets.
func TestAStackOfIPv4Only(t *testing.T) {
	s, err := NewIPv4(Config{Name: "h1"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l := newCable()
	eth0, err := s.AddInterface("eth0", l)
	if err != nil {
		t.Fatal(err)
	}
	if sk, err := s.Open(socket.IPv6); err != syscall.EAFNOSUPPORT || sk != nil {
		t.Errorf("Open: %v, %v", sk, err)
	}
	if a, err := s.LookupNetIP(context.Background(), "ip6", "h1"); err == nil {
		t.Errorf("its name is of %v", a)
	}
	for what, err := range map[string]error{
		"AddAddress":     eth0.AddAddress(netip.MustParsePrefix("2001:db8::2/64")),
		"EnableIPv6":     eth0.EnableIPv6(),
		"AddRoute":       s.AddRoute(Route{Destination: netip.MustParsePrefix("2001:db8::/64"), Interface: "eth0"}),
		"AddNeighbor":    eth0.AddNeighbor(netip.MustParseAddr("2001:db8::9"), macPeer),
		"SetTransparent": eth0.SetTransparent(netip.MustParsePrefix("::/0")),
		"SendPacket":     s.SendPacket(newBuffer(toPort7(wire.ProtocolUDP, "")[14:])),
	} {
		if err == nil {
			t.Errorf("%s of IPv6 succeeded", what)
		}
	}
	l.deliver(toPort7(wire.ProtocolUDP, ""))
	if n := s.Drops().Get(drop.UnknownEtherType); n != 1 {
		t.Errorf("UnknownEtherType = %d", n)
	}
	if sent := l.take(); len(sent) > 0 {
		t.Errorf("it sent % x", sent[0])
	}
	list, _ := s.Interfaces()
	if got := fmt.Sprint(list[0].Addresses); got != "[127.0.0.1/8]" {
		t.Errorf("lo has %s", got)
	}
}

// A stack may be closed, and its interfaces taken away, while others send through
// it: nothing hangs, nothing is left, and everything is accounted for.
func TestClosingAStackUnderTraffic(t *testing.T) {
	rounds := 24
	if testing.Short() || packet.Checking {
		rounds = 15
	}
	for n := range rounds {
		live := packet.Live()
		a, b := pair(t, Config{Name: "a", Clock: clock.System, Seed: [32]byte{1}},
			Config{Name: "b", Clock: clock.System, Seed: [32]byte{2}, Limits: Limits{Backlog: 16}})
		var all sync.WaitGroup
		var started atomic.Int32
		for g := range 3 {
			h, to := a, "10.0.0.2:7"
			if g == 1 {
				h, to = b, "10.0.0.1:7"
			}
			s := h.open(t, "")
			setOption(t, s, socket.ReuseAddr, 1)
			if err := s.Bind(netip.MustParseAddrPort("0.0.0.0:7")); err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				ms := []socket.Message{message("x", to), message("y", to), message("z", "10.0.0.77:7")}
				for k := 0; ; k++ {
					if k == 20 {
						started.Add(1)
					}
					if _, err := s.TrySend(ms); err == socket.ErrClosed {
						return
					}
					s.TryRecv(make([]socket.Message, 2))
				}
			})
			all.Go(func() {
				for s.Wait(socket.Readable, nil) == nil {
					s.TryRecv(make([]socket.Message, 1))
				}
			})
		}
		all.Go(func() {
			for started.Load() < 3 {
				runtime.Gosched()
			}
			switch n % 3 {
			case 0:
				a.RemoveInterface("eth0")
			case 1:
				a.eth0.SetUp(false)
			}
			b.Close()
			a.Close()
		})
		within(t, "closing", all.Wait)
		for a.eth0.lanesWaiting()+b.eth0.lanesWaiting() != 0 {
			runtime.Gosched()
		}
		checkLedger(t, a, b)
		for _, h := range []*host{a, b} {
			if l := h.Ledger(); l.Held != 0 {
				t.Errorf("%s: held: %+v", h.Name(), l)
			}
		}
		if n := packet.Live() - live; n != 0 {
			t.Fatalf("%d buffers are still out", n)
		}
	}
}
