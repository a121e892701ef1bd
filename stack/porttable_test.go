package stack

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
)

// modelSocket is a socket as the reference knows it.
type modelSocket struct {
	*Socket
	addr, peer           ipv4 // 0: any
	port, peerPort       uint16
	device               int
	reuseAddr, reusePort bool
	explicit             bool // Bind named the address
	order                int  // of binding
}

// model is the port table as a list that is searched from end to end.
type model struct {
	sockets []*modelSocket
	order   int
}

// conflicts is Linux's inet_rcv_saddr_equal and its callers, pair by pair.
func (m *model) conflicts(w *modelSocket) bool {
	for _, o := range m.sockets {
		if o != w && o.port == w.port &&
			(o.device == 0 || w.device == 0 || o.device == w.device) &&
			(o.addr == 0 || w.addr == 0 || o.addr == w.addr) &&
			!(o.reuseAddr && w.reuseAddr) && !(o.reusePort && w.reusePort) {
			return true
		}
	}
	return false
}

// score is Linux's compute_score, with the rule that a socket bound to the
// address is looked for before one bound to any; below 0: not for it.
func (s *modelSocket) score(f flow) int {
	score := 0
	if s.port != uint16(f.ports>>16) {
		return -1
	}
	if s.addr != 0 {
		if s.addr != f.dst.ipv4() {
			return -1
		}
		score += 100
	}
	if s.peer != 0 {
		if s.peer != f.src.ipv4() {
			return -1
		}
		score += 4
	}
	if s.peerPort != 0 {
		if s.peerPort != f.srcPort() {
			return -1
		}
		score += 50 // Linux: 4; but who is connected to the sender is nobody else's rival
	}
	if s.device != 0 {
		if s.device != int(f.device) {
			return -1
		}
		score += 4
	}
	return score
}

// lookup returns the sockets one of which a unicast datagram is for: one, or a
// group that shares by ReusePort.
func (m *model) lookup(f flow, firstBound bool) (list []*Socket) {
	var best *modelSocket
	for _, s := range m.sockets {
		switch score := s.score(f); {
		case score < 0:
		case best == nil, score > best.score(f), score == best.score(f) && (s.order > best.order) != firstBound:
			best = s
		}
	}
	if best == nil {
		return nil
	}
	if !best.reusePort || best.peer != 0 {
		return []*Socket{best.Socket}
	}
	for _, s := range m.sockets {
		if s.reusePort && s.peer == 0 && s.addr == best.addr && s.device == best.device && s.score(f) >= 0 {
			list = append(list, s.Socket)
		}
	}
	return list
}

// toMany returns the sockets that a broadcast is for.
func (m *model) toMany(f flow) (list []*Socket) {
	for _, s := range m.sockets {
		if s.score(f) >= 0 {
			list = append(list, s.Socket)
		}
	}
	return list
}

// The port table against the list: random binds, connects, disconnects, options
// and closes, and after each of them random lookups.
func TestPortTableAgainstAList(t *testing.T) {
	for _, firstBound := range []bool{false, true} {
		for seed := range uint64(4) {
			t.Run(fmt.Sprintf("firstBound %v seed %d", firstBound, seed), func(t *testing.T) {
				testPortTableAgainstAList(t, firstBound, seed)
			})
		}
	}
}

func testPortTableAgainstAList(t *testing.T, firstBound bool, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 9))
	h, _, _ := twoCables(t, Config{FirstBound: firstBound})
	h.eth0.AddAddress(netip.MustParsePrefix("10.0.0.3/24"))
	parse := func(list ...string) (out []ipv4) {
		for _, s := range list {
			out = append(out, ipv4Of(netip.MustParseAddr(s)))
		}
		return out
	}
	locals := parse("0.0.0.0", "0.0.0.0", "10.0.0.2", "10.0.0.3", "127.0.0.1", "10.0.0.255")
	peers := parse("10.0.0.9", "10.0.0.8", "10.1.0.9", "127.0.0.1")
	pick := func(list []ipv4) ipv4 { return list[r.IntN(len(list))] }
	m := new(model)
	last := func(s *modelSocket) { m.order++; s.order = m.order }
	// refresh takes over what connect and disconnect have made of the address.
	refresh := func(s *modelSocket) {
		a := ipv4Of(s.LocalAddr().Addr())
		if a != s.addr {
			s.addr = a
			last(s)
		}
	}
	steps := 3000
	if testing.Short() || packet.Checking {
		steps = 600
	}
	for step := range steps {
		what := ""
		op := r.IntN(10)
		if len(m.sockets) == 0 || len(m.sockets) < 25 && op < 3 {
			s := &modelSocket{Socket: h.open(t, ""), addr: pick(locals), port: uint16(1 + r.IntN(3))}
			s.reuseAddr, s.reusePort = r.IntN(3) > 0, r.IntN(3) == 0
			setOption(t, s.Socket, socket.ReuseAddr, asInt(s.reuseAddr))
			setOption(t, s.Socket, socket.ReusePort, asInt(s.reusePort))
			if r.IntN(4) == 0 {
				s.device = 1 + r.IntN(3)
				setOption(t, s.Socket, socket.BindInterface, s.device)
			}
			s.explicit = s.addr != 0
			want := error(nil)
			if m.conflicts(s) {
				want = syscall.EADDRINUSE
			}
			err := s.Bind(netip.AddrPortFrom(s.addr.netip(), s.port))
			what = fmt.Sprintf("bind %v:%d: %v", s.addr.netip(), s.port, err)
			if err != want {
				t.Fatalf("step %d: bind %v:%d device %d reuseAddr %v reusePort %v: %v, want %v",
					step, s.addr.netip(), s.port, s.device, s.reuseAddr, s.reusePort, err, want)
			}
			if err != nil {
				s.Close()
			} else {
				last(s)
				m.sockets = append(m.sockets, s)
			}
		} else {
			k := r.IntN(len(m.sockets))
			s := m.sockets[k]
			switch op % 6 {
			case 0, 1:
				peer, port := pick(peers), uint16(9+r.IntN(2))
				if r.IntN(8) == 0 {
					port = 0
				}
				err := s.Connect(netip.AddrPortFrom(peer.netip(), port))
				what = fmt.Sprintf("connect %v:%d to %v:%d: %v", s.addr.netip(), s.port, peer.netip(), port, err)
				if err == nil {
					s.peer, s.peerPort = peer, port
					refresh(s)
				}
			case 2:
				what = "disconnect"
				if err := s.Connect(netip.AddrPort{}); err != nil {
					t.Fatal(err)
				}
				s.peer, s.peerPort = 0, 0
				s.device = 0 // as on Linux
				refresh(s)
			case 3:
				what = "reuse options"
				s.reuseAddr, s.reusePort = r.IntN(3) > 0, r.IntN(3) == 0
				setOption(t, s.Socket, socket.ReuseAddr, asInt(s.reuseAddr))
				setOption(t, s.Socket, socket.ReusePort, asInt(s.reusePort))
			case 4:
				what = "device"
				s.device = r.IntN(4)
				setOption(t, s.Socket, socket.BindInterface, s.device)
			case 5:
				what = "close"
				s.Close()
				m.sockets = slices.Delete(m.sockets, k, k+1)
			}
		}
		for range 12 {
			f := flow{
				src: pick(peers).address(), dst: pick(locals[2:]).address(), device: int32(1 + r.IntN(3)),
				ports: portPair(uint16(1+r.IntN(3)), uint16(8+r.IntN(3))),
			}
			got, want := h.ports.lookup(f, firstBound), m.lookup(f, firstBound)
			if got == nil && want == nil {
				continue
			}
			if !slices.Contains(want, got) {
				t.Fatalf("step %d, after %s: for %v:%d to %v:%d by %d found %s, want %s", step, what, f.src.netip(), f.srcPort(),
					f.dst.netip(), f.ports>>16, f.device, m.describe(got), m.describe(want...))
			}
			if again := h.ports.lookup(f, firstBound); again != got {
				t.Fatalf("step %d: the same flow found another socket", step)
			}
			var many []*Socket
			keys, n := f.keys()
			for _, k := range keys[:n] {
				for _, s := range h.ports.all(&k) {
					if s.match.Load().accepts(f) {
						many = append(many, s)
					}
				}
			}
			wantMany := m.toMany(f)
			if len(many) != len(wantMany) || slices.ContainsFunc(many, func(s *Socket) bool { return !slices.Contains(wantMany, s) }) {
				t.Fatalf("step %d, after %s: a broadcast found %s, want %s", step, what, m.describe(many...), m.describe(wantMany...))
			}
		}
		checkTable(t, &h.ports)
	}
}

func (m *model) describe(list ...*Socket) (text string) {
	for _, s := range list {
		for _, o := range m.sockets {
			if o.Socket == s {
				text += fmt.Sprintf("[%v:%d-%v:%d device %d reusePort %v #%d]", o.addr.netip(), o.port, o.peer.netip(), o.peerPort, o.device, o.reusePort, o.order)
			}
		}
	}
	if text == "" {
		return "nothing"
	}
	return text
}

// checkTable checks what must hold between two changes.
func checkTable(t testing.TB, p *portTable) {
	t.Helper()
	tab := p.table.Load()
	buckets, used, connected := 0, 0, 0
	mask := uint64(len(tab.slot) - 1)
	for i := range tab.slot {
		b := tab.slot[i].Load()
		if b == nil {
			continue
		}
		used++
		if b == tombstone {
			continue
		}
		buckets++
		for at := p.hash(&b.portKey) & mask; at != uint64(i); at = (at + 1) & mask {
			if tab.slot[at].Load() == nil {
				t.Fatalf("a bucket in slot %d cannot be found: slot %d is empty", i, at)
			}
		}
		list := *b.sockets.Load()
		if len(list) == 0 {
			t.Fatal("an empty bucket")
		}
		if b.connected() {
			connected += len(list)
		}
		if p.find(&b.portKey) != b {
			t.Fatal("a key is in the table twice")
		}
		if b.local.is4() && p.find4(b.local.ipv4(), b.peer.ipv4(), b.ports) != b {
			t.Fatal("find4 and find differ")
		}
	}
	if buckets != p.buckets || used != p.used || connected != int(p.connected.Load()) {
		t.Fatalf("counted %d buckets, %d slots in use, %d connected; the table says %d, %d, %d",
			buckets, used, connected, p.buckets, p.used, p.connected.Load())
	}
	if used*4 > len(tab.slot)*3 {
		t.Fatalf("%d of %d slots are used", used, len(tab.slot))
	}
}

// newTable returns a port table and a socket to fill it with.
func newTable(t testing.TB) (*portTable, *Socket) {
	h := newHost(t, Config{}, nil)
	return &h.ports, h.open(t, "")
}

// Growth and tombstones: a table that has seen many more keys than it has holds
// those it has, and stays as large as they need.
func TestPortTableUnderChurn(t *testing.T) {
	p, s := newTable(t)
	r := rand.New(rand.NewPCG(7, 8))
	have := make(map[portKey]bool)
	var keys []portKey
	key := func() portKey {
		return portKey{local: ipv4(r.Uint32()).address(), peer: ipv4(r.Uint32()).address(), ports: r.Uint32() | 1<<16}
	}
	for phase, most := range []int{300, 5, 2000, 0, 40} {
		for step := range 6000 {
			if len(keys) < most && (r.IntN(2) == 0 || len(keys) < most/2) {
				k := key()
				if !have[k] {
					have[k] = true
					keys = append(keys, k)
					p.insert(k, s)
				}
			} else if len(keys) > 0 {
				at := r.IntN(len(keys))
				p.remove(keys[at], s)
				delete(have, keys[at])
				keys[at] = keys[len(keys)-1]
				keys = keys[:len(keys)-1]
			}
			if step%500 == 0 {
				checkTable(t, p)
			}
			if k := key(); !have[k] && p.find(&k) != nil {
				t.Fatalf("phase %d: found what is not there", phase)
			}
		}
		checkTable(t, p)
		if p.buckets != len(keys) {
			t.Fatalf("phase %d: %d buckets for %d keys", phase, p.buckets, len(keys))
		}
		for _, k := range keys {
			if p.find(&k) == nil {
				t.Fatalf("phase %d: a key is lost", phase)
			}
		}
	}
}

// portPatterns are ways in which sockets come in a row.
var portPatterns = map[string]func(n int) portKey{
	"one port, many peers": func(n int) portKey {
		return portKey{local: ipv4(10<<24 | 1).address(), peer: ipv4(20<<24 + n>>4).address(), ports: portPair(7, uint16(n&15+1))}
	},
	"one peer, many ports": func(n int) portKey {
		return portKey{local: ipv4(10<<24 | 1).address(), peer: ipv4(20<<24 + n/50000).address(), ports: portPair(7, uint16(n%50000+1))}
	},
	"many addresses, one port": func(n int) portKey {
		return portKey{local: ipv4(10<<24 + n).address(), ports: portPair(7, 0)}
	},
	"one address, all ports": func(n int) portKey {
		return portKey{local: ipv4(10<<24 + n>>16).address(), ports: portPair(uint16(n), 0)}
	},
	"strides": func(n int) portKey {
		return portKey{local: ipv4(10<<24 | 1).address(), peer: ipv4(n << 12).address(), ports: portPair(7, uint16(n>>20+1))}
	},
}

// probes fills a table and returns how many slots a lookup looks at, on average
// and at most.
func probes(p *portTable, s *Socket, key func(int) portKey, count int) (mean float64, longest int) {
	for n := range count {
		p.insert(key(n), s)
	}
	tab := p.table.Load()
	mask := uint64(len(tab.slot) - 1)
	total := 0
	for n := range count {
		k := key(n)
		probes := 1
		for at := p.hash(&k) & mask; tab.slot[at].Load().portKey != k; at = (at + 1) & mask {
			probes++
		}
		total += probes
		longest = max(longest, probes)
	}
	return float64(total) / float64(count), longest
}

// Whatever the table's key and the pattern of the sockets, a lookup looks at few slots.
func TestPortTableProbesAreFew(t *testing.T) {
	keys := 20
	if packet.Checking {
		keys = 3
	}
	r := rand.New(rand.NewPCG(1, 2))
	for name, key := range portPatterns {
		worst, longest := 0.0, 0
		for range keys {
			p, s := newTable(t)
			p.key = [2]uint64{r.Uint64(), r.Uint64() | 1}
			mean, most := probes(p, s, key, 12000) // nearly three slots in four
			worst, longest = max(worst, mean), max(longest, most)
		}
		if worst > 3 || longest > 150 {
			t.Errorf("%s: with one key of %d, %.2f probes on average, at most %d", name, keys, worst, longest)
		} else {
			t.Logf("%s: at worst %.2f probes on average, at most %d", name, worst, longest)
		}
	}
}

// A million sockets are no slower to find than a few.
func TestPortTableWithAMillionSockets(t *testing.T) {
	count := 1_000_000
	if testing.Short() || packet.Checking {
		count = 50_000
	}
	p, s := newTable(t)
	mean, longest := probes(p, s, portPatterns["one address, all ports"], count)
	if mean > 2 || longest > 100 {
		t.Errorf("%d sockets: %.2f probes on average, at most %d", count, mean, longest)
	}
}

// Lookups while others bind, connect and close: what stays is found at every
// moment, also while its options change.
func TestPortTableReadWhileItChanges(t *testing.T) {
	h := newHost(t, Config{}, newCable(), "10.0.0.2/24")
	fixed := make([]*Socket, 20)
	flows := make([]flow, 20)
	for n := range fixed {
		s := h.open(t, "")
		setOption(t, s, socket.ReuseAddr, 1)
		bind := "0.0.0.0:%d"
		if n%2 == 0 {
			bind = "10.0.0.2:%d"
		}
		if err := s.Bind(netip.MustParseAddrPort(fmt.Sprintf(bind, 100+n))); err != nil {
			t.Fatal(err)
		}
		if n%3 == 0 {
			if err := s.Connect(netip.MustParseAddrPort("10.0.0.9:9")); err != nil {
				t.Fatal(err)
			}
		}
		fixed[n] = s
		flows[n] = flow{src: ipv4(10<<24 | 9).address(), dst: ipv4(10<<24 | 2).address(), ports: portPair(uint16(100+n), 9), device: 2}
	}
	var stop atomic.Bool
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for n := 0; !stop.Load(); n++ {
				if got := h.ports.lookup(flows[n%20], false); got != fixed[n%20] {
					t.Errorf("socket %d is not found: %v", n%20, got)
					return
				}
			}
		})
	}
	rounds := 300
	if testing.Short() {
		rounds = 60
	}
	for w := range 2 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 3))
			var mine []*Socket
			for n := range rounds * 10 {
				if len(mine) < 50 && r.IntN(3) > 0 {
					s, _ := h.OpenSocket(socket.IPv4)
					s.SetOption(socket.ReuseAddr, 1)
					s.Bind(netip.MustParseAddrPort(fmt.Sprintf("127.0.0.1:%d", 90+r.IntN(200))))
					mine = append(mine, s)
				} else {
					k := r.IntN(len(mine))
					s := mine[k]
					switch r.IntN(3) {
					case 0:
						s.Connect(netip.MustParseAddrPort(fmt.Sprintf("127.0.0.1:%d", 1+r.IntN(100))))
					case 1:
						s.Connect(netip.AddrPort{})
					case 2:
						s.Close()
						mine = slices.Delete(mine, k, k+1)
					}
				}
				f := fixed[r.IntN(20)]
				f.SetOption(socket.ReuseAddr, 1)
				if n%7 == 0 {
					f.SetOption(socket.BindInterface, 2*(n%2))
				}
			}
			for _, s := range mine {
				s.Close()
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
	checkTable(t, &h.ports)
	checkLedger(t, h)
}

// ReusePort spreads flows evenly and keeps each flow where it is.
func TestReusePortSpreadsFlows(t *testing.T) {
	h, _ := onCable(t, Config{})
	var group []*Socket
	for range 4 {
		s := h.open(t, "")
		setOption(t, s, socket.ReusePort, 1)
		if err := s.Bind(netip.MustParseAddrPort("10.0.0.2:7")); err != nil {
			t.Fatal(err)
		}
		group = append(group, s)
	}
	count := make(map[*Socket]int)
	const flows = 4000
	for n := range flows {
		f := flow{src: ipv4(10<<24 | 3).address(), dst: ipv4(10<<24 | 2).address(), ports: portPair(7, uint16(1000+n)), device: 2}
		s := h.ports.lookup(f, false)
		count[s]++
		if h.ports.lookup(f, false) != s {
			t.Fatal("a flow moved")
		}
	}
	for _, s := range group {
		if n := count[s]; n < flows/4*8/10 || n > flows/4*12/10 {
			t.Errorf("a socket got %d of %d flows", n, flows)
		}
	}
}

func BenchmarkPortTableLookup(b *testing.B) {
	for _, count := range []int{1, 1000, 1_000_000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			p, s := newTable(b)
			key := func(n int) portKey {
				return portKey{local: ipv4(10<<24 + n>>15).address(), ports: portPair(uint16(n&0x7fff+1), 0)}
			}
			for n := range count {
				p.insert(key(n), s)
			}
			for b.Loop() {
				if p.lookup(flow{src: ipv4(1).address(), dst: ipv4(10 << 24).address(), ports: portPair(1, 9)}, false) == nil {
					b.Fatal("not found")
				}
			}
		})
	}
}
