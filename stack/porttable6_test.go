package stack

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
)

// dualSocket is a socket of either family as the reference knows it.
type dualSocket struct {
	*Socket
	only                 bool // IPv6Only
	addr, peer           address
	port, peerPort       uint16
	device               int
	reuseAddr, reusePort bool
	order                int
}

// meets is Linux's inet_rcv_saddr_equal for two sockets, word by word.
func (s *dualSocket) meets(o *dualSocket) bool {
	isMapped := func(a address) bool { return a.is4() }
	any4 := unspecified4.address()
	switch {
	case isMapped(s.addr) && isMapped(o.addr):
		return s.addr == o.addr || s.addr == any4 || o.addr == any4
	case s.addr == unspecified6 && o.addr == unspecified6:
		return true
	case o.addr == unspecified6 && !(o.only && isMapped(s.addr)):
		return true
	case s.addr == unspecified6 && !(s.only && isMapped(o.addr)):
		return true
	}
	return s.addr == o.addr
}

// score is Linux's compute_score of both families, with the rules of modelSocket.score.
func (s *dualSocket) score(f flow) int {
	if s.port != uint16(f.ports>>16) {
		return -1
	}
	score := 2
	if s.six {
		score = 1
		if f.dst.is4() && s.only {
			return -1
		}
	}
	switch {
	case s.addr == f.dst:
		score += 100
	case s.addr == unspecified6, s.addr == unspecified4.address() && f.dst.is4():
	default:
		return -1
	}
	if s.peer != (address{}) {
		if s.peer != f.src {
			return -1
		}
		score += 4
	}
	if s.peerPort != 0 {
		if s.peerPort != f.srcPort() {
			return -1
		}
		score += 50
	}
	if s.device != 0 {
		if s.device != int(f.device) {
			return -1
		}
		score += 4
	}
	return score
}

// lookupDual returns the sockets one of which a unicast datagram is for.
func lookupDual(all []*dualSocket, f flow) (list []*Socket) {
	var best *dualSocket
	for _, s := range all {
		if n := s.score(f); n >= 0 && (best == nil || n > best.score(f) || n == best.score(f) && s.order > best.order) {
			best = s
		}
	}
	if best == nil {
		return nil
	}
	if !best.reusePort || best.peer != (address{}) {
		return []*Socket{best.Socket}
	}
	for _, s := range all {
		if s.reusePort && s.peer == (address{}) && s.addr == best.addr && s.device == best.device &&
			s.six == best.six && s.only == best.only && s.score(f) >= 0 {
			list = append(list, s.Socket)
		}
	}
	return list
}

// TestPortTableOfBothFamilies against a list: random binds, connects, disconnects,
// options and closes of sockets of both families on few ports, and after each of them
// random lookups.
func TestPortTableOfBothFamilies(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { testPortTableOfBothFamilies(t, seed) })
	}
}

func testPortTableOfBothFamilies(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 10))
	h, _, _ := twoCables(t, Config{DADTransmits: -1})
	h.eth0.AddAddress(netip.MustParsePrefix("2001:db8::2/64"))
	parse := func(list ...string) (out []address) {
		for _, s := range list {
			out = append(out, addressOf(netip.MustParseAddr(s)))
		}
		return out
	}
	locals4 := parse("0.0.0.0", "0.0.0.0", "10.0.0.2", "127.0.0.1")
	locals6 := parse("::", "::", "::", "2001:db8::2", "::1", "::ffff:0.0.0.0", "::ffff:10.0.0.2")
	peers := parse("10.0.0.9", "127.0.0.1", "2001:db8::9", "::1")
	pick := func(list []address) address { return list[r.IntN(len(list))] }
	var all []*dualSocket
	order := 0
	refresh := func(s *dualSocket) {
		if a := addressOf(s.LocalAddr().Addr()); a != s.addr {
			s.addr = a
			order++
			s.order = order
		}
	}
	steps := 2000
	if testing.Short() || packet.Checking {
		steps = 400
	}
	taken, refused := 0, 0
	for step := range steps {
		what := ""
		if op := r.IntN(10); len(all) == 0 || len(all) < 25 && op < 3 {
			s := &dualSocket{port: uint16(1 + r.IntN(3))}
			if r.IntN(2) == 0 {
				s.Socket, s.addr = h.open(t, ""), pick(locals4)
			} else {
				s.Socket, s.addr = h.open6(t, ""), pick(locals6)
				if s.only = r.IntN(3) == 0 && !s.addr.is4(); s.only {
					setOption(t, s.Socket, socket.IPv6Only, 1)
				}
			}
			s.reuseAddr, s.reusePort = r.IntN(3) > 0, r.IntN(3) == 0
			setOption(t, s.Socket, socket.ReuseAddr, asInt(s.reuseAddr))
			setOption(t, s.Socket, socket.ReusePort, asInt(s.reusePort))
			if r.IntN(4) == 0 {
				s.device = 2
				setOption(t, s.Socket, socket.BindInterface, 2)
			}
			if s.addr == loopback6 && s.device != 0 {
				s.device = 0 // which does not have it
				setOption(t, s.Socket, socket.BindInterface, 0)
			}
			if s.six && !s.addr.is4() && s.addr != unspecified6 {
				s.only = true
			}
			want := error(nil)
			for _, o := range all {
				if o.port == s.port && s.meets(o) && (o.device == 0 || s.device == 0 || o.device == s.device) &&
					!(o.reuseAddr && s.reuseAddr) && !(o.reusePort && s.reusePort) {
					want = syscall.EADDRINUSE
				}
			}
			to := netip.AddrPortFrom(s.addr.netip(), s.port)
			if s.six {
				to = netip.AddrPortFrom(netip.AddrFrom16(s.addr.bytes16()), s.port)
			}
			err := s.Bind(to)
			if what = fmt.Sprintf("bind %v: %v", to, err); err != want {
				t.Fatalf("step %d: %s (only %v, device %d, reuseAddr %v, reusePort %v), want %v", step, what, s.only, s.device, s.reuseAddr, s.reusePort, want)
			}
			if err != nil {
				refused++
				s.Close()
				continue
			}
			taken++
			order++
			s.order = order
			all = append(all, s)
		} else {
			k := r.IntN(len(all))
			s := all[k]
			switch op % 5 {
			case 0, 1:
				peer := pick(peers)
				err := s.Connect(netip.AddrPortFrom(peer.netip(), 9))
				if what = fmt.Sprintf("connect to %v: %v", peer.netip(), err); err == nil {
					s.peer, s.peerPort = peer, 9
					refresh(s)
				}
			case 2:
				what = "disconnect"
				if err := s.Connect(netip.AddrPort{}); err != nil {
					t.Fatal(err)
				}
				s.peer, s.peerPort, s.device = address{}, 0, 0
				refresh(s)
			case 3:
				what = "reuse options"
				s.reuseAddr, s.reusePort = r.IntN(3) > 0, r.IntN(3) == 0
				setOption(t, s.Socket, socket.ReuseAddr, asInt(s.reuseAddr))
				setOption(t, s.Socket, socket.ReusePort, asInt(s.reusePort))
			case 4:
				what = "close"
				s.Close()
				all = slices.Delete(all, k, k+1)
			}
		}
		for range 12 {
			f := flow{src: pick(peers), device: int32(1 + r.IntN(3)), ports: portPair(uint16(1+r.IntN(3)), uint16(8+r.IntN(3)))}
			if f.src.is4() {
				f.dst = pick(locals4[2:])
			} else {
				f.dst = pick(locals6[3:5])
			}
			got, want := h.ports.lookup(f, false), lookupDual(all, f)
			if (got != nil || want != nil) && !slices.Contains(want, got) {
				t.Fatalf("step %d, after %s: for %v:%d to %v:%d by %d found %v, want one of %v", step, what, f.src.netip(), f.srcPort(),
					f.dst.netip(), f.ports>>16, f.device, got, want)
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
			count := 0
			for _, s := range all {
				if s.score(f) >= 0 {
					count++
					if !slices.Contains(many, s.Socket) {
						t.Fatalf("step %d, after %s: of many a socket at %v is missing", step, what, s.LocalAddr())
					}
				}
			}
			if len(many) != count {
				t.Fatalf("step %d, after %s: %d sockets of many, want %d", step, what, len(many), count)
			}
		}
		checkTable(t, &h.ports)
	}
	if taken < steps/20 || refused < steps/100 {
		t.Errorf("%d binds succeeded and %d did not: too few of one kind to mean anything", taken, refused)
	}
}
