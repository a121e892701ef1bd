package stack

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// depth is how many calls deep the caller is.
func depth() int {
	var pcs [512]uintptr
	return runtime.Callers(1, pcs[:])
}

// echoer makes a socket answer whatever it hears, from inside the notification.
func echoer(t testing.TB, s *Socket, each func()) {
	ms := []socket.Message{{Buf: make([]byte, 64)}}
	var fn func()
	fn = func() {
		each()
		switch _, err := s.TryRecv(ms); err {
		case nil:
			ms[0].Reply()
			if _, err := s.TrySend(ms); err != nil {
				t.Error(err)
			}
		case socket.ErrClosed:
			return
		default:
			t.Errorf("told of data that is not there: %v", err)
		}
		s.Notify(socket.Readable, fn)
	}
	s.Notify(socket.Readable, fn)
}

// Two stacks that answer each other from inside their notifications neither
// recurse nor keep whoever started it.
func TestAnsweringFromInsideADeliveryIsNoRecursion(t *testing.T) {
	defer debug.SetMaxStack(debug.SetMaxStack(128 << 10))
	for _, where := range []string{"wire", "loopback"} {
		t.Run(where, func(t *testing.T) {
			a, b := pair(t)
			sa := a.open(t, "0.0.0.0:7")
			sb, to := b.open(t, "0.0.0.0:7"), "10.0.0.2:7"
			if where == "loopback" {
				sb, to = a.open(t, "127.0.0.1:8"), "127.0.0.1:8"
			}
			const rounds = 100_000
			n, deepest := 0, 0
			each := func() {
				n++
				if d := depth(); d > deepest {
					if deepest = d; d > 200 {
						t.Fatalf("%d calls deep after %d rounds", d, n)
					}
				}
			}
			echoer(t, sa, each)
			echoer(t, sb, each)
			done := make(chan struct{})
			go func() { // on a small stack of its own
				defer close(done)
				send(t, sa, "ball", to)
				if n > 2*drainBudget+2*maxDrains+10 {
					t.Errorf("whoever began it was kept for %d rounds", n)
				}
				for n < rounds && a.clock.Step() {
					checkLedger(t, a, b)
				}
			}()
			<-done
			if n < rounds {
				t.Errorf("it ended after %d rounds", n)
			}
			t.Logf("at most %d calls deep", deepest)
			sa.Close()
			sb.Close()
			for a.clock.Step() {
			}
			checkLedger(t, a, b)
		})
	}
}

// A Manual clock gets control back as well.
func TestAdvanceReturnsWhileTwoHostsAnswerEachOther(t *testing.T) {
	now := clock.Epoch
	c := clock.Manual(func() time.Time { return now })
	a, b := pair(t, Config{Name: "a", Clock: c, Seed: [32]byte{1}}, Config{Name: "b", Clock: c, Seed: [32]byte{2}})
	n := 0
	sa, sb := a.open(t, "0.0.0.0:7"), b.open(t, "0.0.0.0:7")
	echoer(t, sa, func() { n++ })
	echoer(t, sb, func() { n++ })
	send(t, sa, "ball", "10.0.0.2:7")
	for range 5 {
		before := n
		a.Advance(now)
		b.Advance(now)
		if n == before || n > before+4*drainBudget {
			t.Fatalf("one Advance was %d rounds", n-before)
		}
	}
}

// during runs f inside a delivery on eth0.
func during(t testing.TB, h *host, l *cable, f func()) {
	t.Helper()
	s := h.open(t, "0.0.0.0:1007")
	ran := false
	s.Notify(socket.Readable, func() { ran = true; f() })
	l.deliver(datagram{dst: "10.0.0.2:1007", payload: "trigger"}.frame())
	if !ran {
		t.Fatal("the notification was not called")
	}
	s.Close()
}

func TestAFullBacklogDrops(t *testing.T) {
	h, l := known(t, Config{Limits: Limits{Backlog: 10}})
	s := h.open(t, "0.0.0.0:7")
	var want []string
	during(t, h, l, func() {
		for n := range 15 {
			p := fmt.Sprint(n)
			if n < 10 {
				want = append(want, p)
			}
			l.deliver(datagram{payload: p}.frame())
		}
		if got := payloads(t, s); len(got) != 0 {
			t.Errorf("delivered inside a delivery: %q", got)
		}
		if l := h.Ledger(); l.Held != 10+1 { // the one that triggered is queued
			t.Errorf("inside the delivery: %+v", l)
		}
	})
	if got := payloads(t, s); !slices.Equal(got, want) {
		t.Errorf("received %q, want %q", got, want)
	}
	checkDrops(t, h, drop.BacklogFull, 5)
	if st := h.eth0.Stats(); st.ReceivedPackets != 16 || st.Dropped[drop.BacklogFull] != 5 {
		t.Errorf("the interface's counters: %+v", st)
	}
	checkLedger(t, h)
}

// A batch that does not fit whole fits in part, in order.
func TestABatchThatFillsTheBacklog(t *testing.T) {
	h, l := known(t, Config{Limits: Limits{Backlog: 10}})
	s := h.open(t, "0.0.0.0:7")
	var frames [][]byte
	for n := range 25 {
		frames = append(frames, datagram{payload: string(rune('a' + n))}.frame())
	}
	during(t, h, l, func() {
		l.deliver(frames[:7]...)
		l.deliver(frames[7:]...)
	})
	if got := payloads(t, s); len(got) != 10 || got[0] != "a" || got[9] != "j" {
		t.Errorf("received %q", got)
	}
	checkDrops(t, h, drop.BacklogFull, 15)
	checkLedger(t, h)
}

// The received bytes count each frame once, whichever way it took.
func TestReceivedBytes(t *testing.T) {
	h, l := known(t, Config{Limits: Limits{Backlog: 3}})
	h.open(t, "0.0.0.0:7")
	f := datagram{payload: "x"}.frame()
	bad := datagram{badSum: true}.frame()
	trigger := len(datagram{dst: "10.0.0.2:1007", payload: "trigger"}.frame())
	l.deliver(f, bad, f)
	during(t, h, l, func() { l.deliver(f, f, bad, f) })
	st := h.eth0.Stats()
	if want := uint64(5*len(f) + 2*len(bad) + trigger); st.ReceivedPackets != 8 || st.ReceivedBytes != want {
		t.Errorf("received %d packets, %d bytes, want 8, %d", st.ReceivedPackets, st.ReceivedBytes, want)
	}
}

// leaveInRing delivers until the budget is used up, and the stack keeps a trigger
// and one more datagram to port 7 in its ring, waiting for the timer. It returns
// the payloads of those datagrams so far.
func leaveInRing(t testing.TB, h *host, l *cable) (sent []string) {
	t.Helper()
	trigger := h.open(t, "0.0.0.0:8")
	stop := false
	var fn func()
	fn = func() {
		if stop {
			return
		}
		payloads(t, trigger)
		trigger.Notify(socket.Readable, fn)
		p := fmt.Sprint(len(sent))
		sent = append(sent, p)
		if len(sent) > 10*drainBudget {
			t.Fatal("the budget does not end a delivery")
		}
		l.deliver(datagram{dst: "10.0.0.2:8"}.frame(), datagram{payload: p}.frame())
	}
	trigger.Notify(socket.Readable, fn)
	l.deliver(datagram{dst: "10.0.0.2:8"}.frame())
	stop = true
	if n := h.eth0.lanes[0].waiting.Load(); n != 2 {
		t.Fatalf("%d are left in the ring, want 2", n)
	}
	return sent
}

// After the budget is used up, the rest waits for the stack's timer. What arrives
// meanwhile does not overtake it.
func TestWhatTheBudgetLeavesComesFirst(t *testing.T) {
	for _, meanwhile := range []bool{false, true} {
		h, l := known(t, Config{MaxReceiveBuffer: 1 << 24})
		s := h.open(t, "0.0.0.0:7")
		setOption(t, s, socket.ReceiveBuffer, 1<<23)
		want := leaveInRing(t, h, l)
		checkLedger(t, h)
		if n := h.eth0.lanes[0].waiting.Load(); n != 2 {
			t.Errorf("looking at the counters has delivered: %d are left", n)
		}
		if d, ok := h.NextDeadline(); !ok || d.After(h.clock.Now()) {
			t.Errorf("NextDeadline = %v, %v, want now", d, ok)
		}
		if meanwhile {
			want = append(want, "later")
			l.deliver(datagram{payload: "later"}.frame())
		} else {
			h.clock.Advance(0)
		}
		if got := payloads(t, s); !slices.Equal(got, want) {
			t.Errorf("received %d, want %d in the same order", len(got), len(want))
		}
		checkLedger(t, h)
	}
}

func TestFramesThatWaitWhenTheirInterfaceGoes(t *testing.T) {
	for what, do := range map[string]func(*host){
		"down":    func(h *host) { h.eth0.SetUp(false) },
		"removed": func(h *host) { h.RemoveInterface("eth0") },
		"closed":  func(h *host) { h.Close() },
	} {
		t.Run(what, func(t *testing.T) {
			live := packet.Live()
			h, l := known(t, Config{})
			leaveInRing(t, h, l)
			do(h)
			h.clock.Advance(time.Second)
			if n := h.Drops().Get(drop.LinkDown); n == 0 {
				t.Errorf("drops: %v", h.Drops().Map())
			}
			checkLedger(t, h)
			h.Close()
			if n := packet.Live() - live; n != 0 {
				t.Errorf("%d buffers are still out", n)
			}
		})
	}
}

// Notifications come in the order in which the datagrams came.
func TestSocketsAreToldInOrder(t *testing.T) {
	h, l := known(t, Config{})
	var frames [][]byte
	var got, want []int
	for n := range 10 {
		s := h.open(t, fmt.Sprintf("0.0.0.0:%d", 100+n))
		s.Notify(socket.Readable, func() { got = append(got, n) })
		frames = append(frames, datagram{dst: fmt.Sprintf("10.0.0.2:%d", 100+n)}.frame())
		want = append(want, n)
	}
	l.deliver(frames...)
	if !slices.Equal(got, want) {
		t.Errorf("told in the order %v", got)
	}
}

// What a batch brings before a datagram for a closed port is queued before the
// error message is sent.
func TestAnErrorDoesNotOvertakeWhatCameBefore(t *testing.T) {
	h, l := known(t, Config{})
	s := h.open(t, "0.0.0.0:8")
	l.onSent = func([]byte) {
		if n := s.queueLen(); n != 2 {
			t.Errorf("%d datagrams are queued when the message is sent, want 2", n)
		}
	}
	ok := datagram{dst: "10.0.0.2:8"}.frame()
	l.deliver(ok, ok, datagram{}.frame(), ok)
	l.expect(t, "closed", portUnreachable)
	if n := s.queueLen(); n != 3 {
		t.Errorf("%d datagrams are queued, want 3", n)
	}
	checkLedger(t, h)
}

// A notification may do anything, reconfigure and close included.
func TestReconfiguringFromInsideADelivery(t *testing.T) {
	for what, do := range map[string]func(t *testing.T, h *host){
		"down":             func(t *testing.T, h *host) { h.eth0.SetUp(false) },
		"address":          func(t *testing.T, h *host) { h.eth0.RemoveAddress(netip.MustParsePrefix("10.0.0.2/24")) },
		"remove interface": func(t *testing.T, h *host) { h.RemoveInterface("eth0") },
		"close":            func(t *testing.T, h *host) { h.Close() },
		"counters":         func(t *testing.T, h *host) { h.eth0.Stats(); h.Ledger(); h.Neighbors(); h.Routes() },
	} {
		t.Run(what, func(t *testing.T) {
			h, l := known(t, Config{})
			s := h.open(t, "0.0.0.0:7")
			during(t, h, l, func() {
				l.deliver(datagram{payload: "behind"}.frame())
				do(t, h)
			})
			h.clock.Advance(time.Second)
			if what != "close" {
				payloads(t, s)
			}
			checkLedger(t, h)
		})
	}
}

// Several goroutines deliver, on several queues and to several sockets. Each
// flow's datagrams arrive in order, and all of them are accounted for.
func TestConcurrentDelivery(t *testing.T) {
	for _, queues := range []int{1, 3} {
		t.Run(fmt.Sprint(queues, " queues"), func(t *testing.T) {
			l := newCable()
			l.queues = queues
			h := newHost(t, Config{Clock: clock.System}, l, "10.0.0.2/24")
			const senders = 6
			each := 3000
			if testing.Short() {
				each = 500
			}
			var sockets []*Socket
			for n := range 2 {
				s := h.open(t, fmt.Sprintf("0.0.0.0:%d", 7+n))
				setOption(t, s, socket.ReceiveBuffer, 1<<20)
				sockets = append(sockets, s)
			}
			var readers, writers sync.WaitGroup
			var got [2]int
			for k, s := range sockets {
				readers.Go(func() {
					last := make(map[netip.AddrPort]uint64)
					ms := make([]socket.Message, 16)
					for i := range ms {
						ms[i].Buf = make([]byte, 8)
					}
					for s.Wait(socket.Readable, nil) == nil {
						n, _ := s.TryRecv(ms)
						for _, m := range ms[:n] {
							seq := binary.BigEndian.Uint64(m.Buf)
							if seq <= last[m.Addr] {
								t.Errorf("from %v: %d after %d", m.Addr, seq, last[m.Addr])
							}
							last[m.Addr] = seq
							got[k]++
						}
					}
				})
			}
			for w := range senders {
				writers.Go(func() {
					r := rand.New(rand.NewPCG(uint64(w), 1))
					seq := uint64(0)
					for seq < uint64(each) {
						var frames [][]byte
						for range 1 + r.IntN(5) {
							seq++
							p := string(binary.BigEndian.AppendUint64(nil, seq))
							frames = append(frames, datagram{
								src: fmt.Sprintf("10.0.0.9:%d", 100+w), dst: fmt.Sprintf("10.0.0.2:%d", 7+w%2), payload: p,
							}.frame())
						}
						l.deliverBy(w, frames...)
						if r.IntN(50) == 0 {
							h.Ledger()
							h.eth0.Stats()
						}
					}
				})
			}
			writers.Wait()
			// What a goroutine left to the timer is done when nothing is held
			// but what the readers have not read.
			for h.eth0.lanesWaiting() != 0 {
				runtime.Gosched()
			}
			for _, s := range sockets {
				for s.queueLen() != 0 {
					runtime.Gosched()
				}
				s.Close()
			}
			readers.Wait()
			if l := h.Ledger(); l.Delivered != uint64(got[0]+got[1]) || l.In < senders*uint64(each) {
				t.Errorf("%+v, read %v", l, got)
			}
			checkLedger(t, h)
		})
	}
}

func (i *Interface) lanesWaiting() (n int) {
	for k := range i.lanes {
		n += int(i.lanes[k].waiting.Load())
		if i.lanes[k].word.Load()&1 != 0 {
			n++
		}
	}
	return n
}

// The host's own copies of its broadcasts go through the lanes as well.
func TestOwnBroadcastsFromInsideADelivery(t *testing.T) {
	h, l := known(t, Config{})
	s := h.open(t, "0.0.0.0:7")
	c := h.open(t, "")
	setOption(t, c, socket.Broadcast, 1)
	during(t, h, l, func() {
		send(t, c, "all", "10.0.0.255:7")
		if n := s.queueLen(); n != 0 {
			t.Errorf("%d delivered inside a delivery", n)
		}
	})
	if got := payloads(t, s); !slices.Equal(got, []string{"all"}) {
		t.Errorf("received %q", got)
	}
	frames := l.take()
	if len(frames) != 1 {
		t.Fatalf("%d frames", len(frames))
	}
	if e, _, _ := wire.ParseEthernet(frames[0]); e.Destination() != wire.Broadcast {
		t.Errorf("sent to %v", e.Destination())
	}
	checkLedger(t, h)
}

// Two who look at the counters at once leave nothing in a lane's ring.
func TestCountersLeaveNothingWaiting(t *testing.T) {
	h, l := onCable(t, Config{})
	s := h.open(t, "0.0.0.0:7")
	n := h.eth0.lane(0)
	// As if the frame had come while somebody looked, and who looks now had
	// seen it waiting before the other one was done.
	b := newBuffer(datagram{to: l.mac, src: "10.0.0.9:9", dst: "10.0.0.2:7", payload: "x"}.frame())
	n.wait(b.Single())
	h.eth0.Stats()
	h.clock.Advance(0)
	if got := payloads(t, s); len(got) != 1 {
		t.Errorf("received %q, with %d waiting", got, n.waiting.Load())
	}
	checkLedger(t, h)
}
