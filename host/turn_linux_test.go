package host

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func newWaiter() *waiter { return &waiter{wake: make(chan struct{}, 1)} }

// untilWaiting returns when n wait for the turn.
func untilWaiting(tb testing.TB, t *turn, n int) {
	tb.Helper()
	until(tb, func() bool {
		t.mu.Lock()
		defer t.mu.Unlock()
		waiting := 0
		for w := t.first; w != nil; w = w.next {
			waiting++
		}
		return waiting == n
	})
}

func TestTurnIsGivenInOrder(t *testing.T) {
	var turn turn
	if !turn.try() || turn.try() {
		t.Fatal("the turn is not one's")
	}
	got := make(chan int, 10)
	for i := range 5 {
		go func() {
			if turn.take(newWaiter(), nil) {
				got <- i
			}
		}()
		untilWaiting(t, &turn, i+1)
	}
	for i := range 5 {
		turn.end()
		if j := within(t, got); j != i {
			t.Errorf("the turn was given to %d, want %d", j, i)
		}
	}
	turn.end()
	if !turn.try() {
		t.Error("the turn is not free when all had it")
	}
}

// Whoever is called away, be it first, last or between, leaves the others in order.
func TestTurnIsLeft(t *testing.T) {
	for mask := range 16 {
		var turn turn
		turn.try()
		var ws [4]*waiter
		var done [4]chan bool
		closed := make(chan struct{})
		for i := range ws {
			ws[i], done[i] = newWaiter(), make(chan bool, 1)
			go func() { done[i] <- turn.take(ws[i], closed) }()
			untilWaiting(t, &turn, i+1)
		}
		for i := range ws {
			if mask&(1<<i) != 0 {
				ws[i].wake <- struct{}{}
				if within(t, done[i]) {
					t.Errorf("%04b: %d was called away and had the turn", mask, i)
				}
			}
		}
		for i := range ws {
			if mask&(1<<i) == 0 {
				turn.end()
				if !within(t, done[i]) {
					t.Errorf("%04b: %d did not get the turn", mask, i)
				}
			}
		}
		turn.end()
		if !turn.try() {
			t.Errorf("%04b: the turn is not free in the end", mask)
		}
		late := make(chan bool, 1)
		go func() { late <- turn.take(newWaiter(), closed) }()
		untilWaiting(t, &turn, 1)
		close(closed)
		if within(t, late) {
			t.Errorf("%04b: the turn of a closed socket was given", mask)
		}
	}
}

// Who is given the turn while it is called away has it.
func TestTurnIsGivenAndLeft(t *testing.T) {
	var turn turn
	turn.try()
	w := newWaiter()
	if turn.enter(w) {
		t.Fatal("the turn was taken twice")
	}
	w.wake <- struct{}{}
	turn.end()
	if !turn.leave(w) {
		t.Error("the turn was lost")
	}
	turn.end()
	if !turn.try() {
		t.Error("the turn is not free")
	}
}

func TestTurnExcludes(t *testing.T) {
	var turn turn
	var inside, had atomic.Int32
	ws := make([]*waiter, 6)
	for i := range ws {
		ws[i] = newWaiter()
	}
	var all, storm sync.WaitGroup
	stop := make(chan struct{})
	storm.Go(func() { // calls them away
		rng := rand.New(rand.NewPCG(1, 1))
		for {
			select {
			case <-stop:
				return
			case ws[rng.IntN(len(ws))].wake <- struct{}{}:
			case <-time.After(time.Millisecond):
			}
		}
	})
	for _, w := range ws {
		all.Go(func() {
			for range 2000 {
				if !turn.take(w, nil) {
					continue
				}
				if inside.Add(1) != 1 {
					t.Error("two have the turn")
				}
				had.Add(1)
				inside.Add(-1)
				turn.end()
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	within(t, done)
	close(stop)
	storm.Wait()
	if had.Load() == 0 {
		t.Error("nobody had the turn")
	}
	if !turn.try() {
		t.Error("the turn is not free in the end")
	}
}
