package differential

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/castnet-go/castnet/host"
	"github.com/castnet-go/castnet/internal/conformance"
	"github.com/castnet-go/castnet/socket"
)

// needs is what a world asks of a machine.
func (w World) needs() conformance.Needs {
	switch {
	case w.six():
		return conformance.Wires | conformance.Unlimited | conformance.IPv6 | conformance.Both6
	case w.Wires:
		return conformance.Wires | conformance.Unlimited
	}
	return 0
}

// TestMain runs more sequences than rapid would, and keeps no files of those that
// fail: they are printed. Flags on the command line count.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.checks": "500", "rapid.nofailfile": "true", "rapid.shrinktime": "10s", "rapid.seed": "20100419"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	if n := missing.Load(); n > 0 {
		fmt.Printf("differential: %d tests did not run: they need a network namespace, and so root\n", n)
	}
	os.Exit(code)
}

// missing counts the tests that could not run.
var missing atomic.Int32

// arena is one host machine, for many sequences, and the world it is in.
type arena struct {
	t    *testing.T
	w    World
	host *conformance.Machine
}

// wired returns an arena with wires; without root there is none, which is said.
func wired(t *testing.T) *arena {
	t.Helper()
	return inWorld(t, Wired)
}

func inWorld(t *testing.T, w World) *arena {
	t.Helper()
	if !conformance.CanNamespace() {
		if os.Getenv("CASTNET_INTEROP") == "1" {
			t.Fatal("CASTNET_INTEROP=1, and yet there is no root to make a network namespace")
		}
		missing.Add(1)
		t.Skip("needs a network namespace, and so root")
	}
	a := &arena{t, w, conformance.NewHost(t, w.needs())}
	Warm(t, a.host)
	return a
}

// loopback returns an arena on this machine as it is.
func loopback(t *testing.T) *arena {
	t.Helper()
	w := Loopback
	for range 3 {
		w.Ports = append(w.Ports, freePort(t))
	}
	return &arena{t, w, conformance.NewHost(t, 0)}
}

// freePort returns a port that nobody has bound, to be bound by number.
func freePort(t *testing.T) uint16 {
	t.Helper()
	s, err := host.Network{}.Open(socket.IPv4)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	// Below the ephemeral ports, so that none of them can be taken for it.
	for range 1000 {
		port := uint16(20000 + rand.IntN(10000))
		if s.Bind(netip.AddrPortFrom(netip.IPv4Unspecified(), port)) == nil {
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// play runs a sequence on both networks. The stack's is what wrap makes of it.
func (a *arena) play(steps []Step, wrap func(socket.Network) socket.Network) (onHost, onStack []string) {
	a.t.Helper()
	m := conformance.NewStack(a.t, a.w.needs())
	if a.w.Wires {
		Warm(a.t, m)
	}
	if wrap != nil {
		m.Network = wrap(m.Network)
	}
	return Play(a.t, a.host, a.w, steps), Play(a.t, m, a.w, steps)
}

func TestLoopback(t *testing.T) {
	a := loopback(t)
	t.Run("Calls", func(t *testing.T) { a.compare(t, Sequences(a.w)) })
	t.Run("Bindings", func(t *testing.T) { a.compare(t, Bindings(a.w)) })
}

func TestWires(t *testing.T) {
	a := wired(t)
	t.Run("Calls", func(t *testing.T) { a.compare(t, Sequences(a.w)) })
	t.Run("Bindings", func(t *testing.T) { a.compare(t, Bindings(a.w)) })
}

func TestWires6(t *testing.T) {
	a := inWorld(t, Wired6)
	t.Run("Calls", func(t *testing.T) { a.compare(t, Sequences(a.w)) })
	t.Run("Bindings", func(t *testing.T) { a.compare(t, Bindings(a.w)) })
}

func (a *arena) compare(t *testing.T, sequences *rapid.Generator[[]Step]) {
	var failing []Step
	var report string
	differ := func(steps []Step) bool {
		// Three times: a kernel that is kept busy by others may be late once,
		// and one ephemeral port in 28232 is the same as another.
		var last string
		for range 3 {
			onHost, onStack := a.play(steps, nil)
			if Difference(onHost, onStack) < 0 {
				return false
			}
			last = Report(steps, onHost, onStack)
		}
		failing, report = steps, last
		return true
	}
	defer func() {
		if failing != nil {
			Shorten(failing, differ)
			t.Logf("the networks differ:\n%s", report)
		}
	}()
	rapid.Check(t, func(rt *rapid.T) {
		if differ(sequences.Draw(rt, "steps")) {
			rt.Fatal("the networks differ")
		}
	})
}

// TestShorten holds Shorten to what it promises.
func TestShorten(t *testing.T) {
	steps := make([]Step, 30)
	steps[7].Kind, steps[19].Kind = Bind, Send
	got := Shorten(steps, func(s []Step) bool {
		bind := slices.IndexFunc(s, func(s Step) bool { return s.Kind == Bind })
		send := slices.IndexFunc(s, func(s Step) bool { return s.Kind == Send })
		return bind >= 0 && send > bind
	})
	if len(got) != 2 || got[0].Kind != Bind || got[1].Kind != Send {
		t.Errorf("got %v, want Bind and Send", got)
	}
}

// kept are sequences that differed once, in the Wired world.
var kept = []struct {
	name  string
	steps []Step
}{
	{"a send to nobody binds", []Step{{Kind: Send, Where: 18}}},
	{"disconnecting gives up the interface", []Step{
		{Kind: Set, Socket: 1, Option: socket.BindInterface, Value: 2},
		{Kind: Disconnect, Socket: 1},
		{Kind: Connect, Socket: 1},
	}},
	{"port 0 named is not the peer with port 0", []Step{
		{Kind: Connect, Socket: 3},
		{Kind: Send, Socket: 3, Where: -1},
		{Kind: Send, Socket: 3},
	}},
	{"a filter's source stays", []Step{
		{Kind: Bind, Socket: 3, Where: 6},
		{Kind: Connect, Socket: 3},
		{Kind: Connect, Socket: 3, Where: 6},
	}},
	{"a bind that fails forgets the address", []Step{
		{Kind: Bind, Socket: 3},
		{Kind: Disconnect, Socket: 3},
		{Kind: Send, Where: -1},
		{Kind: Bind, Socket: 3, Where: 100},
	}},
	{"the message's interface before the socket's", []Step{
		{Kind: Set, Socket: 3, Option: socket.BindInterface, Value: 2},
		{Kind: SendFields, Socket: 3, Port: 1, Value: 3, Fields: socket.FieldInterface},
	}},
	{"an interface chooses the source anew", []Step{
		{Kind: Bind},
		{Kind: SendFields, Where: 9, Port: 1, Value: 2, Fields: socket.FieldInterface},
	}},
	{"another interface's broadcast address", []Step{
		{Kind: SendFields, Where: 6, Port: 1, Value: 3, Fields: socket.FieldInterface},
	}},
	{"no checksum and a train of one", []Step{
		{Kind: Set, Socket: 2, Option: socket.NoChecksum, Value: 1},
		{Kind: SendFields, Socket: 2, Port: 1, Value: 1, Fields: socket.FieldSegmentSize},
	}},
}

// kept6 are such sequences in the Wired6 world.
var kept6 = []struct {
	name  string
	steps []Step
}{
	{"an interface does not have lo's address", []Step{
		{Kind: Set, Socket: 3, Option: socket.BindInterface, Value: 2},
		{Kind: Bind, Socket: 3},
	}},
	{"IPv4's broadcast address is a source, and of no IPv6", []Step{
		{Kind: Bind, Socket: 3, Where: 25, Port: 2},
		{Kind: Send, Socket: 3, Where: 11, Port: 3},
		{Kind: Send, Socket: 3, Where: 3, Port: 1},
	}},
	{"there is no way before there is no source", []Step{
		{Kind: Bind, Where: 3},
		{Kind: Connect, Where: 19},
	}},
	{"bound to any of IPv4, nothing of IPv6 is sent", []Step{
		{Kind: Bind, Where: 4, Port: 3},
		{Kind: Bind, Socket: 2, Where: 1, Port: 1},
		{Kind: Send, Where: 102, Port: 1},
	}},
	{"the zone of the source is the interface", []Step{
		{Kind: SendFields, Port: 1, Value: 5, Fields: socket.FieldLocal},
	}},
	{"a zone is not another interface's", []Step{
		{Kind: SendFields, Where: 31, Port: 1, Value: 1, Fields: socket.FieldInterface},
	}},
	{"a connect that fails has chosen the interface", []Step{
		{Kind: Bind, Where: 3},
		{Kind: Connect, Where: 5},
		{Kind: Get, Option: socket.BindInterface},
		{Kind: Connect},
	}},
	{"a v4-mapped peer with port 0 is named in each call", []Step{
		{Kind: Connect, Socket: 3, Where: 7},
		{Kind: Send, Socket: 3, Where: -1},
	}},
	{"with a source another interface will do", []Step{
		{Kind: SendFields, Where: 2, Port: 1, Value: 159, Fields: socket.FieldLocal | socket.FieldInterface},
		{Kind: SendFields, Where: 11, Port: 1, Value: 159, Fields: socket.FieldLocal | socket.FieldInterface},
		{Kind: SendFields, Where: 11, Port: 1, Value: 3, Fields: socket.FieldInterface},
	}},
}

func TestKept6(t *testing.T) {
	a := inWorld(t, Wired6)
	for _, k := range kept6 {
		t.Run(k.name, func(t *testing.T) {
			onHost, onStack := a.play(k.steps, nil)
			if Difference(onHost, onStack) >= 0 {
				t.Errorf("the networks differ:\n%s", Report(k.steps, onHost, onStack))
			}
		})
	}
}

func TestKept(t *testing.T) {
	a := wired(t)
	for _, k := range kept {
		t.Run(k.name, func(t *testing.T) {
			onHost, onStack := a.play(k.steps, nil)
			if Difference(onHost, onStack) >= 0 {
				t.Errorf("the networks differ:\n%s", Report(k.steps, onHost, onStack))
			}
		})
	}
}

// TestPairs shows that the generator brings every kind of step about after every
// other.
func TestPairs(t *testing.T) {
	sequences := Sequences(Wired)
	var seen [kinds][kinds]int
	for seed := range 200 {
		steps := sequences.Example(seed)
		if len(steps) < 20 {
			t.Fatalf("a sequence of %d steps", len(steps))
		}
		for i := range steps[1:] {
			seen[steps[i].Kind][steps[i+1].Kind]++
		}
	}
	for a := range kinds {
		for b := range kinds {
			if seen[a][b] == 0 {
				t.Errorf("%v after %v never comes about", b, a)
			}
		}
	}
}
