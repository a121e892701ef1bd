package stack

import (
	"fmt"
	"reflect"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
)

// trueSize returns what a frame of n bytes is charged.
func trueSize(n int) int {
	b := packet.New(n)
	defer b.Release()
	return b.TrueSize()
}

func TestAFullNeighborQueueDropsTheOldest(t *testing.T) {
	perSmall, perLarge := trueSize(42+4), trueSize(42+1400)
	fits := func(limit, size int) int { return (limit + size - 1) / size } // all but the last below the limit
	for _, c := range []struct {
		limits Limits
		size   int // of the datagrams
		most   int // of them wait
	}{
		{Limits{NeighborQueue: 1}, 4, 1},
		{Limits{NeighborQueue: 3}, 4, 3},
		{Limits{}, 4, fits(212992, perSmall)},
		{Limits{}, 1400, fits(212992, perLarge)},
		{Limits{NeighborQueueBytes: 10 * perSmall}, 4, 10},
		{Limits{NeighborQueueBytes: 10*perSmall + 1}, 4, 11},
		{Limits{NeighborQueueBytes: 1 << 20}, 4, 1024},
		{Limits{NeighborQueueBytes: 1}, 1400, 1},
	} {
		h, l := onCable(t, Config{Limits: c.limits, SendBuffer: 1 << 24})
		s := h.open(t, "")
		var want []string
		for n := range c.most + 5 {
			p := fmt.Sprintf("%0*d", c.size, n)
			if n >= 5 {
				want = append(want, p)
			}
			send(t, s, p, "10.0.0.9:9")
		}
		checkDrops(t, h, drop.NeighborQueueFull, 5)
		if n := s.Stats().Dropped[drop.NeighborQueueFull]; n != 5 {
			t.Errorf("the socket counts %d", n)
		}
		checkLedger(t, h)
		l.take()
		l.deliver(arpReply(macPeer, "10.0.0.9", "10.0.0.2"))
		if got := sentPayloads(t, l, macPeer); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v: sent %q, want %q", c.limits, got, want)
		}
		checkLedger(t, h)
	}
}

// One that is long takes the place of many that are short.
func TestAFullNeighborQueueOfMixedSizes(t *testing.T) {
	h, l := onCable(t, Config{Limits: Limits{NeighborQueueBytes: 20_000}, SendBuffer: 1 << 24})
	s := h.open(t, "")
	per, long := trueSize(42+4), trueSize(42+1400)
	var all []string
	wait := func(p string) { all = append(all, p); send(t, s, p, "10.0.0.9:9") }
	for n := range 20_000/per + 1 {
		wait(fmt.Sprintf("%04d", n))
	}
	checkDrops(t, h, drop.NeighborQueueFull, 0)
	for range 3 {
		wait(fmt.Sprintf("%01400d", len(all)))
	}
	l.take()
	l.deliver(arpReply(macPeer, "10.0.0.9", "10.0.0.2"))
	got := sentPayloads(t, l, macPeer)
	if !reflect.DeepEqual(got, all[len(all)-len(got):]) {
		t.Errorf("not the last of them were sent: %q", got)
	}
	// Before the last one came there was room.
	if taken := 2*long + (len(got)-3)*per; taken >= 20_000 || taken+per < 20_000 {
		t.Errorf("%d waited, which took %d bytes before the last", len(got), taken)
	}
	checkLedger(t, h)
}

// A sender that fills its buffer before the address is known is kept waiting, and loses
// nothing, however long its datagrams are.
func TestWaitingForANeighborLosesNothing(t *testing.T) {
	for _, size := range []int{1, 100, 700, 1400} {
		h, l := onCable(t, Config{})
		s := h.open(t, "")
		sent := 0
		for ; sent < 10_000; sent++ {
			if err := try(s, letters(size), "10.0.0.9:9"); err == syscall.EAGAIN {
				break
			}
		}
		checkDrops(t, h, drop.NeighborQueueFull, 0)
		l.take()
		l.deliver(arpReply(macPeer, "10.0.0.9", "10.0.0.2"))
		if got := len(sentPayloads(t, l, macPeer)); got != sent || sent == 10_000 {
			t.Errorf("%d bytes: %d of %d datagrams left", size, got, sent)
		}
	}
}
