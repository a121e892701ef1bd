package conformance

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/stack"
	"github.com/castnet-go/castnet/wire"
)

// stackPatience is how long the stack may take. It delivers within the call that
// sends, so this is for goroutines that have to be woken.
const stackPatience = 2 * time.Second

// NewStack returns a stack as a Machine for the duration of the test, at the end of
// which its ledger must balance. Time stands still but for Elapse.
func NewStack(tb testing.TB, needs Needs) *Machine {
	tb.Helper()
	now := &manualTime{now: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)}
	cfg := stack.Config{
		Clock:        clock.Manual(now.read),
		Unprivileged: needs&Unprivileged != 0,
		FirstBound:   needs&FirstBound != 0,
		Forwarding:   needs&Router != 0,
	}
	if cfg.DADTransmits = -1; needs&Tests6 != 0 {
		cfg.DADTransmits = 1
	}
	cfg.EUI64 = true
	if needs&Reserved != 0 {
		cfg.ReservedPorts = []uint16{ReservedPort}
	}
	s, err := stack.New(cfg)
	if err != nil {
		tb.Fatalf("stack.New: %v", err)
	}
	m := &Machine{Network: s, Kind: Stack, Patience: stackPatience, PathLife: 10 * time.Minute}
	m.elapse = func(d time.Duration) { now.elapse(s, d) }
	m.setUp = func(tb testing.TB, name string, up bool) {
		tb.Helper()
		if err := s.Interface(name).SetUp(up); err != nil {
			tb.Fatal(err)
		}
	}
	m.check = func() error {
		if l := s.Ledger(); !l.Balanced() {
			return fmt.Errorf("the ledger does not balance: %+v, drops %v", l, s.Drops().Map())
		}
		return nil
	}
	tb.Cleanup(func() {
		if err := m.Check(); err != nil {
			tb.Error(err)
		}
		if err := s.Close(); err != nil {
			tb.Errorf("closing the stack: %v", err)
		}
	})
	if needs&Wires == 0 {
		return m
	}
	for _, p := range thePlan.interfaces {
		w, l := newMemoryWire(tb, p)
		switch p.name {
		case "eth0":
			m.Eth0 = w
		case "eth1":
			m.Eth1 = w
			if needs&FullDevice != 0 {
				l.room = fullDevice
			}
		}
		ifi, err := s.AddInterface(p.name, l)
		if err != nil {
			tb.Fatal(err)
		}
		for _, a := range p.addresses {
			if err := ifi.AddAddress(a); err != nil {
				tb.Fatal(err)
			}
		}
	}
	if needs&IPv6 != 0 {
		m.Six = stack6{m, s}
		if err := s.Interface("eth0").EnableIPv6(); err != nil {
			tb.Fatal(err)
		}
		if needs&Tests6 == 0 {
			m.Six.add(tb, global6+"/64")
		}
	}
	if needs&Both6 != 0 {
		m.answer6()
		if err := s.Interface("eth1").AddAddress(netip.MustParsePrefix(second6 + "/64")); err != nil {
			tb.Fatal(err)
		}
	}
	if needs&LocalRange != 0 {
		if err := s.Interface("eth0").SetTransparent(netip.MustParsePrefix(localRange)); err != nil {
			tb.Fatal(err)
		}
	}
	kinds := map[string]stack.RouteType{
		"": stack.RouteUnicast, "unreachable": stack.RouteUnreachable,
		"prohibit": stack.RouteProhibit, "blackhole": stack.RouteBlackhole,
	}
	routes := routesFor(needs)
	if needs&Both6 != 0 {
		routes = append(routes[:len(routes):len(routes)], routes6...)
	}
	for _, r := range routes {
		err := s.AddRoute(stack.Route{Destination: r.destination, Gateway: r.gateway, Source: r.source, Type: kinds[r.kind]})
		if err != nil {
			tb.Fatal(err)
		}
	}
	return m
}

// manualTime is a time that passes by hand.
type manualTime struct {
	mu  sync.Mutex
	now time.Time
}

func (m *manualTime) read() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

func (m *manualTime) set(t time.Time) {
	m.mu.Lock()
	m.now = t
	m.mu.Unlock()
}

// elapse lets d pass and does what becomes due, each at its time.
func (m *manualTime) elapse(s *stack.Stack, d time.Duration) {
	end := m.read().Add(d)
	for {
		next, ok := s.NextDeadline()
		if !ok || next.After(end) {
			break
		}
		if next.After(m.read()) {
			m.set(next)
		}
		s.Advance(m.read())
	}
	m.set(end)
}

// memoryLink is the stack's end of a Wire.
type memoryLink struct {
	wire *Wire

	mu   sync.Mutex
	sink link.Sink
	room int // bytes that it takes, and then no more; 0: any number
}

// fullDevice is what a device made with FullDevice takes.
const fullDevice = 3200

// newMemoryWire makes a link whose far end is a Wire.
func newMemoryWire(tb testing.TB, p planInterface) (*Wire, *memoryLink) {
	l := &memoryLink{wire: newWire(tb, p.name, p.mac, stackPatience)}
	l.wire.inject = func(frame []byte) {
		l.mu.Lock()
		sink := l.sink
		l.mu.Unlock()
		if sink == nil {
			return
		}
		b := packet.New(len(frame))
		copy(b.Append(len(frame)), frame)
		sink.Deliver(0, b.Single())
	}
	return l.wire, l
}

func (l *memoryLink) Kind() link.Kind                 { return link.Ethernet }
func (l *memoryLink) MTU() int                        { return wireMTU }
func (l *memoryLink) Address() wire.MAC               { return l.wire.MAC }
func (l *memoryLink) Capabilities() link.Capabilities { return 0 }
func (l *memoryLink) Queues() int                     { return 1 }
func (l *memoryLink) SetFilter(link.Filter) error     { return nil }

func (l *memoryLink) Attach(sink link.Sink) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if sink != nil && l.sink != nil {
		return link.ErrInUse
	}
	l.sink = sink
	return nil
}

// Write hands the frames to the Wire, which may answer from inside.
func (l *memoryLink) Write(frames []*packet.Buffer) (int, error) {
	for k, b := range frames {
		if l.room > 0 {
			if l.room -= b.Len(); l.room <= 0 {
				l.room = 1
				return k, link.ErrQueueFull
			}
		}
		frame := append([]byte(nil), b.Bytes()...)
		b.Release()
		l.wire.receive(frame)
	}
	return len(frames), nil
}

func (l *memoryLink) Close() error {
	l.wire.close()
	return l.Attach(nil)
}
