package stack

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/castnet-go/castnet/wire"
)

// The table against a list: random finding, adding, using, changing and killing.
func TestNeighborTableAgainstAList(t *testing.T) {
	const limit = 20
	h, _, _ := twoCables(t, Config{Limits: Limits{Neighbors: limit}})
	nt := &h.neighbors
	interfaces := []*Interface{h.eth0, h.Interface("eth1")}
	r := rand.New(rand.NewPCG(1, 2))
	type entry struct {
		i    *Interface
		addr address
		n    *neighbor
	}
	var list []entry // the one used last at its end
	states := []NeighborState{NeighborIncomplete, NeighborReachable, NeighborStale, NeighborDelay, NeighborProbe, NeighborFailed, NeighborPermanent}
	for step := range 20000 {
		i, addr := interfaces[r.IntN(2)], ipv4(10<<24|3+r.IntN(60)).address()
		at := slices.IndexFunc(list, func(e entry) bool { return e.i == i && e.addr == addr })
		if at >= 0 != (nt.find(i, addr) != nil) || at >= 0 && nt.find(i, addr) != list[at].n {
			t.Fatalf("step %d: find and the list differ", step)
		}
		switch op := r.IntN(10); {
		case at < 0 && op < 6:
			movable := 0
			for _, e := range list {
				if e.n.state != NeighborPermanent {
					movable++
				}
			}
			if movable >= limit {
				// The first that is silent, else the first that is known.
				out := slices.IndexFunc(list, func(e entry) bool { return !e.n.known() })
				if out < 0 {
					out = slices.IndexFunc(list, func(e entry) bool { return e.n.state != NeighborPermanent })
				}
				list = slices.Delete(list, out, out+1)
			}
			list = append(list, entry{i, addr, nt.get(i, addr)})
		case at < 0:
		case op < 3:
			e := list[at]
			nt.mu.Lock()
			known, was := e.n.known(), e.n.state == NeighborPermanent
			e.n.mac = macPeer
			nt.setState(e.n, states[r.IntN(len(states))])
			moved := known != e.n.known() || was != (e.n.state == NeighborPermanent)
			nt.mu.Unlock()
			if moved { // it is the last of those of its new kind
				list = append(slices.Delete(list, at, at+1), e)
			}
		case op < 6:
			e := list[at]
			nt.use(e.n)
			list = append(slices.Delete(list, at, at+1), e)
		case op == 6:
			nt.mu.Lock()
			nt.kill(list[at].n)
			nt.mu.Unlock()
			list = slices.Delete(list, at, at+1)
		case op == 7 && step%500 == 0:
			nt.flush(i)
			list = slices.DeleteFunc(list, func(e entry) bool { return e.i == i })
		}
		if n := len(nt.sorted(nil)); n != len(list) || nt.count != n {
			t.Fatalf("step %d: %d neighbours, counted %d, want %d", step, n, nt.count, len(list))
		}
		if slots := len(*nt.slots.Load()); slots > 4*limit+64 || slots < nt.count {
			t.Fatalf("%d slots for %d neighbours", slots, nt.count)
		}
		for k, rank := range []*recency{&nt.known, &nt.silent} {
			var want []*neighbor
			for _, e := range list {
				if e.n.state != NeighborPermanent && e.n.known() == (k == 0) {
					want = append(want, e.n)
				}
			}
			var got []*neighbor
			for n := rank.oldest; n != nil; n = n.newer {
				got = append(got, n)
			}
			if !slices.Equal(got, want) || rank.count != len(want) {
				t.Fatalf("step %d: the order of use differs", step)
			}
		}
	}
}

// Finding while others add and remove: what is there is found, if need be with
// the lock, and searching comes to an end.
func TestNeighborTableReadWhileItChanges(t *testing.T) {
	h, _ := onCable(t, Config{Limits: Limits{Neighbors: 100}})
	nt := &h.neighbors
	fixed := make([]*neighbor, 16)
	for k := range fixed {
		a := ipv4(10<<24 | 200 + k).address()
		h.eth0.AddNeighbor(a.netip(), macPeer)
		fixed[k] = nt.find(h.eth0, a)
	}
	var stop atomic.Bool
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for n := 0; !stop.Load(); n++ {
				if got := nt.get(h.eth0, fixed[n%16].addr); got != fixed[n%16] {
					t.Errorf("found %p, want %p", got, fixed[n%16])
					return
				}
			}
		})
	}
	for w := range 2 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			for n := range 4000 {
				nt.get(h.eth0, ipv4(11<<24|r.IntN(1000)).address())
				if n%1000 == 0 { // so that it grows again
					nt.mu.Lock()
					for _, x := range nt.sorted(nil) {
						if x.state != NeighborPermanent {
							nt.kill(x)
						}
					}
					nt.mu.Unlock()
				}
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
}

// A scan through a router, each packet to another neighbour.
func BenchmarkScan(b *testing.B) {
	l0, l1 := newCable(), newCable()
	h := newHost(b, Config{Forwarding: true}, l0, "10.0.0.2/24")
	h.attach(b, "eth1", l1, "10.1.0.2/16")
	var frames [][]byte
	for k := range 5000 {
		frames = append(frames, datagram{dst: fmt.Sprintf("10.1.%d.%d:7", 1+k>>8, k&255)}.frame())
	}
	for n := 0; b.Loop(); n++ {
		l0.deliver(frames[n%len(frames)])
		if n%1000 == 0 {
			l0.take()
			l1.take()
		}
	}
}

// Many neighbours on one interface.
func BenchmarkManyNeighbors(b *testing.B) {
	for b.Loop() {
		h := newHost(b, Config{Limits: Limits{Neighbors: 10000}}, newCable(), "10.0.0.2/8")
		for k := range 10000 {
			h.neighbors.learn(h.eth0, ipv4(10<<24|3+k).address(), wire.MAC{2, 0, 0, 0, byte(k >> 8), byte(k)}, true, false)
		}
		if n := len(h.Neighbors()); n != 10000 {
			b.Fatal(n)
		}
	}
}
