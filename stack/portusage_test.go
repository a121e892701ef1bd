package stack

import (
	"fmt"
	"math"
	"net/netip"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/socket"
)

// pickPort binds a socket to port 0 and returns the port.
func pickPort(t testing.TB, h *host, addr string) uint16 {
	t.Helper()
	return h.open(t, addr+":0").LocalAddr().Port()
}

func TestEphemeralPortsAreUniform(t *testing.T) {
	h, _ := onCable(t, Config{EphemeralLow: 1000, EphemeralHigh: 1099})
	const picks = 20000
	var count [100]int
	for range picks {
		s := h.open(t, "0.0.0.0:0")
		count[s.LocalAddr().Port()-1000]++
		s.Close()
	}
	// Chi-square with 99 degrees of freedom: above 150 once in 1400 runs, and
	// the seed is fixed.
	chi, odd := 0.0, 0
	for k, n := range count {
		d := float64(n) - picks/100
		chi += d * d / (picks / 100)
		if k%2 == 1 {
			odd += n
		}
	}
	if chi > 150 || chi < 55 {
		t.Errorf("chi-square = %.1f: %v", chi, count)
	}
	if math.Abs(float64(odd)-picks/2) > picks/20 {
		t.Errorf("%d of %d ports are odd", odd, picks)
	}
}

func TestEphemeralPortsFillTheirRange(t *testing.T) {
	h, _ := onCable(t, Config{EphemeralLow: 65500, EphemeralHigh: 65535, ReservedPorts: []uint16{65501, 65535, 7}})
	seen := make(map[uint16]bool)
	for range 34 {
		p := pickPort(t, h, "0.0.0.0")
		if seen[p] || p < 65500 || p == 65501 || p == 65535 {
			t.Errorf("picked %d", p)
		}
		seen[p] = true
	}
	s := h.open(t, "")
	if err := s.Bind(netip.MustParseAddrPort("0.0.0.0:0")); err != syscall.EADDRINUSE {
		t.Errorf("bind: %v, want EADDRINUSE", err)
	}
	if err := s.Bind(netip.MustParseAddrPort("10.0.0.2:0")); err != syscall.EADDRINUSE {
		t.Errorf("bind to an address: %v, want EADDRINUSE", err)
	}
	if err := s.Connect(netip.MustParseAddrPort("10.0.0.9:9")); err != syscall.EAGAIN {
		t.Errorf("connect: %v, want EAGAIN", err)
	}
	if err := try(s, "x", "10.0.0.9:9"); err != syscall.EAGAIN {
		t.Errorf("send: %v, want EAGAIN", err)
	}
	if a := s.LocalAddr(); a.String() != "0.0.0.0:0" {
		t.Errorf("the socket is bound to %v", a)
	}
	// Reserved ports can be bound by number.
	h.open(t, "0.0.0.0:65501")
	// A port that is freed is picked again.
	for p := range seen {
		if free := h.ports.uses.ports[p]; free == nil {
			t.Fatal("a port in use is not counted")
		}
		break
	}
	checkLedger(t, h)
}

func TestAPortFreedIsPickedAgain(t *testing.T) {
	h, _ := onCable(t, Config{EphemeralLow: 2000, EphemeralHigh: 2001})
	a := h.open(t, "0.0.0.0:0")
	h.open(t, "0.0.0.0:0")
	want := a.LocalAddr().Port()
	a.Close()
	if got := pickPort(t, h, "0.0.0.0"); got != want {
		t.Errorf("picked %d, want %d", got, want)
	}
	if n := len(h.ports.uses.ports); n != 2 {
		t.Errorf("%d ports are counted", n)
	}
}

func TestPortsAreCountedByAddress(t *testing.T) {
	h, _ := onCable(t, Config{EphemeralLow: 2000, EphemeralHigh: 2000})
	h.open(t, "10.0.0.2:0")
	h.open(t, "127.0.0.1:0") // the same port on another address
	s := h.open(t, "")
	if err := s.Bind(netip.MustParseAddrPort("0.0.0.0:0")); err != syscall.EADDRINUSE {
		t.Errorf("to any address: %v, want EADDRINUSE", err)
	}
	setOption(t, s, socket.BindInterface, 1)
	if err := s.Bind(netip.MustParseAddrPort("0.0.0.0:0")); err != syscall.EADDRINUSE {
		t.Errorf("on a device, beside sockets on all: %v, want EADDRINUSE", err)
	}
}

// A port that can be shared is picked only when there is no free one.
func TestSharedPortsArePickedLast(t *testing.T) {
	h, _ := onCable(t, Config{EphemeralLow: 3000, EphemeralHigh: 3009})
	share := func() *Socket {
		s := h.open(t, "")
		setOption(t, s, socket.ReuseAddr, 1)
		if err := s.Bind(netip.MustParseAddrPort("0.0.0.0:0")); err != nil {
			t.Fatal(err)
		}
		return s
	}
	seen := make(map[uint16]int)
	for range 10 {
		seen[share().LocalAddr().Port()]++
	}
	if len(seen) != 10 {
		t.Errorf("10 sockets have %d ports", len(seen))
	}
	seen[share().LocalAddr().Port()]++
	if len(seen) != 10 {
		t.Errorf("the eleventh has a port out of range: %v", seen)
	}
}

func TestPortRangeOfASocket(t *testing.T) {
	const low, high = 32768, 60999
	for _, c := range []struct {
		low, high        int
		wantLow, wantEnd uint16
	}{
		{0, 0, low, high},
		{40000, 40003, 40000, 40003},
		{40000, 40000, 40000, 40000},
		{60990, 0, 60990, high},
		{0, 32770, low, 32770},
		{1000, 40000, low, 40000}, // what is outside is left as it is
		{60000, 65000, 60000, high},
		{1000, 2000, low, high},
		{62000, 63000, low, high},
		{62000, 0, low, high}, //
		{1000, 0, low, high},
		{40000, 62000, 40000, high},
		{low - 1, low, low, low},
		{high, high + 1, high, high},
		{1, 65535, low, high},
	} {
		h, _ := onCable(t, Config{})
		s := h.open(t, "")
		setOption(t, s, socket.PortRange, c.low|c.high<<16)
		if l, e := s.ephemeral(); l != c.wantLow || e != c.wantEnd {
			t.Errorf("%d to %d: picked from %d to %d, want %d to %d", c.low, c.high, l, e, c.wantLow, c.wantEnd)
		}
	}
	h, _ := onCable(t, Config{})
	s := h.open(t, "")
	for _, v := range []int{-1, 5 | 4<<16} {
		if err := s.SetOption(socket.PortRange, v); err != syscall.EINVAL {
			t.Errorf("range %#x: %v, want EINVAL", v, err)
		}
	}
	setOption(t, s, socket.PortRange, 40000|40001<<16)
	send(t, s, "x", "10.0.0.9:9")
	if p := s.LocalAddr().Port(); p != 40000 && p != 40001 {
		t.Errorf("the implicit bind picked %d", p)
	}
}

func TestConfiguredRangesThatAreRefused(t *testing.T) {
	for _, c := range []Config{
		{EphemeralLow: 5}, {EphemeralHigh: 5}, {EphemeralLow: 6, EphemeralHigh: 5},
		{ReceiveBuffer: -1}, {SendBuffer: -1}, {MaxReceiveBuffer: -1}, {MaxSendBuffer: -1},
		{Limits: Limits{Neighbors: -1}}, {Limits: Limits{NeighborQueue: -1}}, {Limits: Limits{Backlog: -1}},
		{Limits: Limits{ErrorDestinations: -1}}, {Limits: Limits{EchoPorts: -1}},
		{SendBuffer: 1 << 31}, {MaxSendBuffer: 1 << 30}, {ReceiveBuffer: 1 << 31}, {MaxReceiveBuffer: 1 << 30},
	} {
		if s, err := New(c); err == nil {
			s.Close()
			t.Errorf("%+v was accepted", c)
		}
	}
	s, err := New(Config{EphemeralLow: 5, EphemeralHigh: 5})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

func TestPrivilegedPorts(t *testing.T) {
	h, _ := onCable(t, Config{Unprivileged: true})
	s := h.open(t, "")
	for _, p := range []int{1, 1023} {
		if err := s.Bind(netip.MustParseAddrPort(fmt.Sprint("0.0.0.0:", p))); err != syscall.EACCES {
			t.Errorf("port %d: %v, want EACCES", p, err)
		}
	}
	if err := s.Bind(netip.MustParseAddrPort("0.0.0.0:1024")); err != nil {
		t.Error(err)
	}
}

// The same seed picks the same ports, another one others.
func TestPortsDependOnTheSeed(t *testing.T) {
	ports := func(seed byte) (list [8]uint16) {
		h, _ := onCable(t, Config{Seed: [32]byte{seed}})
		for k := range list {
			list[k] = pickPort(t, h, "0.0.0.0")
		}
		return list
	}
	if a, b := ports(1), ports(1); a != b {
		t.Errorf("one seed, two runs: %v and %v", a, b)
	}
	if a, b := ports(1), ports(2); a == b {
		t.Errorf("two seeds, one row of ports: %v", a)
	}
	random := func() (list [8]uint16) {
		s, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		h := &host{Stack: s}
		for k := range list {
			list[k] = pickPort(t, h, "0.0.0.0")
		}
		return list
	}
	if a, b := random(), random(); a == b {
		t.Errorf("without a seed two stacks picked %v", a)
	}
}
