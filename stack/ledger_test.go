package stack

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"testing"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
)

// chance returns n random bytes.
func chance(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 77))
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = binary.BigEndian.AppendUint64(b, r.Uint64())
	}
	return b[:n]
}

// Whatever happens, every packet is accounted for after every step, by the
// stacks as by the wires, and no buffer is left in the end.
func TestLedgerUnderChaos(t *testing.T) {
	seeds, size, least := uint64(20), 20000, 25
	if testing.Short() || packet.Checking {
		seeds, size, least = 3, 4000, 18
	}
	reasons := make(map[drop.Reason]uint64)
	for seed := range seeds {
		live := packet.Live()
		w := newWorld(t, seed, chance(seed, size), nil)
		for n := 0; w.step(); n++ {
			w.check()
		}
		w.end()
		if n := packet.Live() - live; n != 0 {
			t.Errorf("seed %d: %d buffers are still out", seed, n)
		}
		for _, h := range w.hosts {
			for r, n := range h.Drops().All() {
				reasons[r] += n
			}
		}
	}
	// The chaos is worth its name only if it meets most reasons.
	if len(reasons) < least {
		t.Errorf("only %d reasons for drops were met: %v", len(reasons), reasons)
	}
	t.Logf("%v", reasons)
}

// With several goroutines at it the ledger balances as soon as all is quiet.
func TestLedgerAfterConcurrency(t *testing.T) {
	live := packet.Live()
	rounds := 400
	if testing.Short() || packet.Checking {
		rounds = 100
	}
	a, b := pair(t, Config{Name: "a", Clock: clock.System, Seed: [32]byte{1}, Limits: Limits{Backlog: 8}},
		Config{Name: "b", Clock: clock.System, Seed: [32]byte{2}, Forwarding: true, Limits: Limits{Backlog: 8}})
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 5))
			for n := range rounds {
				h, to := a, "10.0.0.2"
				if g%2 == 1 {
					h, to = b, "10.0.0.1"
				}
				s, err := h.OpenSocket(socket.IPv4)
				if err != nil {
					t.Error(err)
					return
				}
				s.SetOption(socket.ReuseAddr, 1)
				s.SetOption(socket.Broadcast, 1)
				s.SetOption(socket.ReceiveBuffer, 3000)
				s.Bind(netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(1+r.IntN(4))))
				ms := make([]socket.Message, 1+r.IntN(40))
				for k := range ms {
					dst := []string{to, to, to, "10.0.0.255", "127.0.0.1", "10.0.0.77", "192.0.2.1"}[r.IntN(7)]
					ms[k] = message("payload", fmt.Sprintf("%s:%d", dst, 1+r.IntN(5)))
				}
				s.TrySend(ms)
				s.TryRecv(ms[:1])
				if n%16 == 0 {
					h.Ledger()
				}
				if n%3 > 0 {
					s.Close()
				}
				if n%100 == 99 {
					h.eth0.SetUp(false)
					h.eth0.SetUp(true)
				}
			}
		})
	}
	within(t, "concurrency", all.Wait)
	for a.eth0.lanesWaiting()+b.eth0.lanesWaiting()+a.Interface("lo").lanesWaiting()+b.Interface("lo").lanesWaiting() != 0 {
		runtime.Gosched()
	}
	checkLedger(t, a, b)
	a.Close()
	b.Close()
	checkLedger(t, a, b)
	for _, h := range []*host{a, b} {
		if l := h.Ledger(); l.Held != 0 {
			t.Errorf("%s: held after Close: %+v", h.Name(), l)
		}
	}
	if n := packet.Live() - live; n != 0 {
		t.Errorf("%d buffers are still out", n)
	}
}

// Interfaces come and go as often as anybody likes: the ledger keeps what they have
// carried, and does not keep them.
func TestLedgerOfInterfacesThatAreGone(t *testing.T) {
	h := newHost(t, Config{}, nil)
	s := h.open(t, "0.0.0.0:5")
	var in, out uint64
	for k := range 5 * maxRemoved {
		l := newCable()
		i := h.attach(t, "eth0", l, "10.0.0.2/24")
		i.AddNeighbor(netip.MustParseAddr("10.0.0.9"), macPeer)
		for range k % 3 {
			send(t, s, "out", "10.0.0.9:9")
		}
		if k%20 == 0 {
			send(t, h.open(t, ""), "and no more", "10.0.0.9:9") // which the socket itself counts
		}
		for range k % 5 {
			l.deliver(datagram{dst: "10.0.0.2:5", payload: "in"}.frame())
			in++
		}
		payloads(t, s)
		if err := h.RemoveInterface("eth0"); err != nil {
			t.Fatal(err)
		}
		out += uint64(len(l.take()))
		checkLedger(t, h)
	}
	if l := h.Ledger(); l.In != in || l.Sent != out || out == 0 {
		t.Errorf("%+v, want %d in and %d sent", l, in, out)
	}
	if n := len(h.ever); n > maxRemoved+2 {
		t.Errorf("%d interfaces are remembered", n)
	}
}
