package stack

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/trace"
)

// sink is an Interface as its link sees it.
type sink Interface

var _ link.OffloadSink = (*sink)(nil)

// Deliver takes over frames from the link.
func (k *sink) Deliver(queue int, frames []*packet.Buffer) {
	if len(frames) == 0 {
		return
	}
	(*Interface)(k).lane(uint(queue)).deliver(frames)
}

// Accepts says that unfinished checksums and trains are taken as they are.
func (k *sink) Accepts() link.Capabilities { return link.ChecksumTransmit | link.Segmentation }

// lane returns the lane of a queue or flow. There is a power of two of them.
func (i *Interface) lane(n uint) *lane { return &i.lanes[n&uint(len(i.lanes)-1)] }

// drainBudget is how many frames that arrived meanwhile whoever delivers takes
// care of before it leaves the rest to the stack's timer.
const drainBudget = 4096

// A lane is one of the ways into the stack by an interface, on which one
// goroutine at a time delivers. Frames that come in by a lane on which a
// delivery is under way, be it by another goroutine or by the same one further
// up its stack of calls, wait in the lane's ring, and whoever delivers there
// takes them along. So an answer sent from inside a delivery is never a
// recursion into it, and no core waits for another.
type lane struct {
	_ [64]byte // the next lane's cache line is not this one's

	// word is 1 while a delivery is under way, plus twice the number of
	// frames that have come in: the count is stored with what has to be
	// stored anyway. It and what follows it, the socket included, is what every
	// delivery looks at: a cache line.
	word    atomic.Uint64
	bytes   uint64       // of those frames; who has entered may look at it
	waiting atomic.Int32 // frames in the ring

	// Of the delivery under way, or the last one.
	short bool // there is a short way, by the state
	iface *Interface
	state *state
	netif *netif
	to    *Socket // for which frames are not queued yet,
	row   int32   // so many
	scope int32   // what a packet on the loopback interface was marked with, by path.scope

	// What the short way remembers.
	last  plainHeader
	sane  uint64        // source and destination that were found to be in order
	last6 *plainHeader6 // nil until the first

	woken []*Socket        // sockets at which somebody waits
	rest  []*packet.Buffer // of what is being delivered, those and what is behind them
	flow  flow             // by which the socket was found
	many  []*Socket        // room for the receivers of one datagram
	fans  *[maxFans]fan    // nil until there is one to many

	bytesSeen atomic.Uint64 // what bytes was when somebody last looked

	// aside and asideBytes count what came in and was put into the ring, or
	// found no room there: it is not counted in word and bytes.
	aside, asideBytes atomic.Uint64

	mu     sync.Mutex // of the ring
	ring   []*packet.Buffer
	resume timer

	_ [8]byte // to the end of a line
}

func (l *lane) init(i *Interface) {
	l.iface = i
	l.resume.due = func(instant) { l.help() }
}

// received returns what has come in by the lane. While a delivery is under way
// that does not end soon, perhaps because it is what calls, the bytes are those
// of the last time that somebody looked.
func (l *lane) received() (packets, bytes uint64) {
	for range 100 {
		waiting := l.waiting.Load()
		if l.enter(0) {
			l.bytesSeen.Store(l.bytes)
			l.word.Store(l.word.Load() &^ 1)
			switch now, t := l.waiting.Load(), &l.iface.stack.timers; {
			case now > waiting:
				l.help() // who came meanwhile found the lane taken
			case now != 0 && !t.arm(&l.resume, t.now()):
				l.help() // or somebody else who looked, and left it to us
			}
			break
		}
		runtime.Gosched()
	}
	return l.word.Load()>>1 + l.aside.Load(), l.bytesSeen.Load() + l.asideBytes.Load()
}

// enter begins a delivery of n frames, which it counts, unless one is under way.
func (l *lane) enter(n int) bool {
	w := l.word.Load()
	return w&1 == 0 && l.word.CompareAndSwap(w, w+2*uint64(n)|1)
}

// deliver handles frames that came in by the link, now or as soon as the
// delivery under way is done.
func (l *lane) deliver(frames []*packet.Buffer) {
	// What waits already came first.
	if l.waiting.Load() != 0 || !l.enter(len(frames)) {
		l.wait(frames)
		l.help()
		return
	}
	l.begin()
	if len(frames) == 1 {
		l.handleOne(frames[0])
	} else {
		l.handle(frames)
	}
	l.leave()
}

// inject does the same for frames that are looped back, not received.
func (l *lane) inject(b *packet.Buffer) {
	b.Flags |= looped
	l.wait(b.Single())
	l.help()
}

// Marks of the stack's own. Looped is a copy of what the host itself sent to
// many; counted is a frame that a lane's counters know already.
const (
	looped  packet.Flags = 1 << 7
	counted packet.Flags = 1 << 6
)

// help handles what waits in the ring, unless somebody else is at it.
func (l *lane) help() {
	if l.waiting.Load() != 0 && l.enter(0) {
		l.begin()
		l.leave()
	}
}

// begin looks at the configuration once for the whole delivery.
func (l *lane) begin() {
	if st := l.iface.stack.state.Load(); st != l.state {
		i := l.iface
		l.state, l.netif = st, st.byIndex(i.index)
		l.short = i.kind == link.Ethernet && l.netif != nil && l.netif.up && i.stack.tracer == nil &&
			st.hooks.Input == nil
		l.sane, l.last = 0, plainHeader{}
		if l.last6 != nil {
			*l.last6 = plainHeader6{}
		}
	}
}

// leave ends a delivery, having handled what has come meanwhile.
func (l *lane) leave() {
	for budget := drainBudget; ; {
		if len(l.woken) > 0 {
			l.wake()
		}
		for l.waiting.Load() != 0 && budget > 0 {
			budget -= l.drain()
			l.wake()
		}
		l.word.Store(l.word.Load() &^ 1)
		if l.waiting.Load() == 0 {
			return
		}
		if budget <= 0 {
			if t := &l.iface.stack.timers; t.arm(&l.resume, t.now()) {
				return
			}
			budget = drainBudget // the stack is closed: nobody else will
		}
		if !l.enter(0) {
			return
		}
		l.begin()
	}
}

// wait puts frames into the ring; those for which there is no room are dropped.
func (l *lane) wait(frames []*packet.Buffer) {
	for _, b := range frames {
		if b.Flags&looped == 0 {
			l.aside.Add(1)
			l.asideBytes.Add(uint64(b.Len()))
		}
		b.Flags |= counted
	}
	limit := l.iface.stack.cfg.Limits.Backlog
	l.mu.Lock()
	room := max(0, min(limit-len(l.ring), len(frames)))
	l.ring = append(l.ring, frames[:room]...)
	l.waiting.Store(int32(len(l.ring)))
	l.mu.Unlock()
	for _, b := range frames[room:] {
		l.iface.drop(b, drop.BacklogFull)
	}
}

// drain handles the frames in the ring and returns how many there were.
func (l *lane) drain() int {
	l.mu.Lock()
	frames := l.ring
	l.ring = nil
	l.waiting.Store(0)
	l.mu.Unlock()
	l.handle(frames)
	n := len(frames)
	clear(frames)
	l.mu.Lock()
	if l.ring == nil {
		l.ring = frames[:0]
	}
	l.mu.Unlock()
	return n
}

// handle is the way in for each of the frames. Datagrams in a row for the same
// socket are queued together, under one lock.
func (l *lane) handle(frames []*packet.Buffer) {
	for i, b := range frames {
		if b.Flags&counted == 0 {
			l.bytes += uint64(b.Len())
		}
		b.Flags &^= counted
		s := l.plain(b)
		if s == nil {
			s = l.frame(b)
		}
		if s == l.to && s != nil {
			l.row++
			continue
		}
		l.flush()
		if s != nil {
			l.to, l.rest, l.row = s, frames[i:], 1
		}
	}
	l.flush()
}

// handleOne is handle for a single frame that has just come in.
func (l *lane) handleOne(b *packet.Buffer) {
	l.bytes += uint64(b.Len())
	s := l.plain(b)
	if s == nil {
		if s = l.frame(b); s == nil {
			return
		}
	}
	if s.enqueueOne(l.iface, b) {
		l.woken = append(l.woken, s)
	}
}

// flush queues the run. Whatever sends an answer calls it first, so that the
// answer does not overtake.
func (l *lane) flush() {
	if s := l.to; s != nil {
		row := l.rest[:l.row]
		l.to, l.rest = nil, nil
		l.enqueue(s, row)
	}
}

// enqueue hands datagrams to a socket.
func (l *lane) enqueue(s *Socket, frames []*packet.Buffer) {
	if s.enqueue(l.iface, frames) {
		l.woken = append(l.woken, s)
	}
}

// wake tells the sockets that somebody waits at, once for the batch.
func (l *lane) wake() {
	// Nobody else changes the list meanwhile: this delivery is still under way.
	for i, s := range l.woken {
		l.woken[i] = nil
		s.waits.wake(readable)
	}
	l.woken = l.woken[:0]
}

// drop ends a frame's journey here.
// It is called in a hundred places of which none is hot.
//
//go:noinline
func (l *lane) drop(b *packet.Buffer, reason drop.Reason) { l.iface.drop(b, reason) }

// trace tells the tracer of a step, if there is one.
func (s *Stack) trace(step trace.Step, i *Interface, b *packet.Buffer, detail string) {
	s.traceEvent(trace.Event{Step: step, Detail: detail}, i, b)
}

func (s *Stack) traceDrop(i *Interface, b *packet.Buffer, reason drop.Reason) {
	s.traceEvent(trace.Event{Step: trace.Drop, Reason: reason}, i, b)
}

func (s *Stack) traceEvent(e trace.Event, i *Interface, b *packet.Buffer) {
	t := s.tracer
	if b.ID == 0 {
		b.ID = t.NewID()
	}
	e.Time, e.Packet, e.Node = s.cfg.Clock.Now(), b.ID, s.cfg.Name
	e.Frame = b.Bytes()
	e.Layer = trace.LayerIP
	if i != nil {
		e.Interface = i.name
		e.Layer = i.layer()
	}
	t.Trace(&e)
}
