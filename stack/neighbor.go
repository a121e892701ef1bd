package stack

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/internal/text"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// NeighborState is how much is known of a neighbour's hardware address, by the
// states of RFC 4861, section 7.3.2, which Linux has for IPv4 too.
type NeighborState uint8

// The states of neighbours.
const (
	NeighborIncomplete NeighborState = iota // being asked for the first time; packets wait
	NeighborReachable                       // confirmed within the last half minute
	NeighborStale                           // confirmed longer ago; used on trust, then asked again
	NeighborDelay                           // used while stale; will be asked in five seconds
	NeighborProbe                           // being asked again
	NeighborFailed                          // did not answer
	NeighborPermanent                       // set by hand
)

var neighborStates = [...]string{"incomplete", "reachable", "stale", "delay", "probe", "failed", "permanent"}

// String returns the state's name in lower case.
func (s NeighborState) String() string { return neighborStates[s] }

// The constants of neighbour discovery: RFC 4861, section 10, and Linux's
// net.ipv4.neigh defaults.
const (
	probeInterval  = time.Second // retrans_time_ms
	maxProbes      = 3           // mcast_solicit and ucast_solicit
	reachableTime  = 30 * time.Second
	delayFirstTime = 5 * time.Second
)

// A Neighbor is what Neighbors tells of one.
type Neighbor struct {
	Interface string
	Addr      netip.Addr // without a zone, which Interface is
	MAC       wire.MAC   // zero while it is not known
	State     NeighborState
	Router    bool // of IPv6: it says that it is a router
}

// neighbor is a next hop on a link.
type neighbor struct {
	// word is what the fast path reads: the hardware address in the upper
	// 48 bits, and whether it may be used without further ado.
	word atomic.Uint64

	iface *Interface
	addr  address
	next  atomic.Pointer[neighbor] // in its slot of the table

	// Guarded by the table's mutex.
	state    NeighborState
	mac      wire.MAC
	probes   int
	router   bool     // it says that it is one (RFC 4861, 5.1)
	dead     bool     // out of the table
	rank     *recency // the order of use that it is in; nil: none
	older    *neighbor
	newer    *neighbor
	timer    timer
	first    *packet.Buffer // the packets that wait, linked
	last     *packet.Buffer
	waiting  int
	bytes    int  // of true size, of those that wait
	draining bool // those that waited are being sent
}

// usable is the bit of a neighbour's word that says that its address may be used.
const usable = 1

func macWord(m wire.MAC) uint64 {
	return uint64(m[0])<<56 | uint64(m[1])<<48 | uint64(m[2])<<40 |
		uint64(m[3])<<32 | uint64(m[4])<<24 | uint64(m[5])<<16
}

func wordMAC(w uint64) wire.MAC {
	return wire.MAC{byte(w >> 56), byte(w >> 48), byte(w >> 40), byte(w >> 32), byte(w >> 24), byte(w >> 16)}
}

// known reports whether the neighbour's address is known. The caller holds the
// table's mutex.
func (n *neighbor) known() bool { return n.state != NeighborIncomplete && n.state != NeighborFailed }

// kill ends a neighbour and takes it out of the table. The caller holds t.mu.
func (t *neighborTable) kill(n *neighbor) {
	n.dead = true
	n.word.Store(0)
	t.unlink(n)
	t.stack.timers.disarm(&n.timer)
	t.dropWaiting(n, drop.NeighborUnreachable)
}

// setState gives a neighbour its state, and the fast path its word: none as long
// as packets wait. The caller holds t.mu.
func (t *neighborTable) setState(n *neighbor, state NeighborState) {
	n.state = state
	t.file(n)
	switch {
	case n.draining || n.first != nil:
		n.word.Store(0) // who sends now is to wait behind those that wait
	case state == NeighborReachable, state == NeighborDelay, state == NeighborProbe, state == NeighborPermanent:
		n.word.Store(macWord(n.mac) | usable)
	case state == NeighborStale:
		n.word.Store(macWord(n.mac)) // the next use is to be noticed
	default:
		n.word.Store(0)
	}
}

// use notes that packets are about to be sent to a neighbour whose word is not
// usable, and returns the word that now holds.
func (t *neighborTable) use(n *neighbor) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n.dead {
		return 0
	}
	n.rank.touch(n)
	if n.state == NeighborStale {
		t.setState(n, NeighborDelay)
		t.stack.timers.arm(&n.timer, t.stack.timers.now()+delayFirstTime)
	}
	return n.word.Load()
}

// hold keeps a packet until its neighbour is resolved, or sends it if it is by
// now. It begins to ask if nobody has.
func (t *neighborTable) hold(n *neighbor, b *packet.Buffer) {
	t.mu.Lock()
	if n.dead || t.closed {
		t.mu.Unlock()
		n.iface.drop(b, drop.NeighborUnreachable)
		return
	}
	if w := n.word.Load(); w&usable != 0 {
		t.mu.Unlock()
		sendTo(n.iface, b, wordMAC(w))
		return
	}
	if n.draining && n.known() && t.full(n) {
		// It is better to overtake than to be dropped.
		mac := n.mac
		t.mu.Unlock()
		sendTo(n.iface, b, mac)
		return
	}
	if n.state == NeighborStale && !n.draining {
		t.setState(n, NeighborDelay)
		t.stack.timers.arm(&n.timer, t.stack.timers.now()+delayFirstTime)
		w := n.word.Load()
		t.mu.Unlock()
		sendTo(n.iface, b, wordMAC(w))
		return
	}
	if t.stack.tracer != nil {
		t.stack.trace(trace.Resolve, n.iface, b, "waits for "+n.addr.netip().String())
	}
	var full *packet.Buffer // those that make room, linked
	if t.full(n) {
		full = t.makeRoom(n)
	}
	b.Hold()
	if n.first == nil {
		n.first = b
	} else {
		n.last.SetNext(b)
	}
	n.last = b
	n.waiting++
	n.bytes += b.TrueSize()
	t.held++
	source := n.sourceWaiting()
	ask := n.state == NeighborFailed
	if ask {
		n.probes = 1
		n.rank.touch(n)
		t.setState(n, NeighborIncomplete)
		t.stack.timers.arm(&n.timer, t.stack.timers.now()+n.retransmission())
	}
	t.mu.Unlock()
	for full != nil {
		next := full.Next()
		full.SetNext(nil)
		n.iface.drop(full, drop.NeighborQueueFull)
		full = next
	}
	if ask {
		n.ask(wire.MAC{}, source)
	}
}

// full reports whether as much waits for a neighbour as may. A sender whose buffer is no
// larger than what may wait loses nothing, since its buffer is full before. The caller
// holds t.mu.
func (t *neighborTable) full(n *neighbor) bool {
	limits := &t.stack.cfg.Limits
	return n.waiting >= limits.NeighborQueue || n.bytes >= limits.NeighborQueueBytes
}

// makeRoom takes out the packets that have waited for the longest time, so that there is
// room for one more, and returns them linked. The caller holds t.mu.
func (t *neighborTable) makeRoom(n *neighbor) (first *packet.Buffer) {
	var last *packet.Buffer
	for first = n.first; t.full(n); n.first = last.Next() {
		last = n.first
		n.waiting--
		n.bytes -= last.TrueSize()
		t.held--
	}
	last.SetNext(nil)
	return first
}

// sourceWaiting returns the source of the packet that has begun to wait last; the
// unspecified address if none waits. The caller holds the table's mutex.
func (n *neighbor) sourceWaiting() address {
	if n.last == nil {
		return n.addr.any()
	}
	data := n.last.Bytes()[n.iface.headerLen():]
	if !n.addr.is4() {
		return addressOf16((*wire.IPv6Header)(data).Source16())
	}
	h, _, _, err := wire.ParseIPv4(data)
	if err != nil {
		return n.addr.any()
	}
	return ipv4OfBytes(h.Source4()).address()
}

// ask asks the station to for the neighbour's address, or, if that is zero, all that
// may know it, on behalf of a packet from source.
func (n *neighbor) ask(to wire.MAC, source address) {
	switch {
	case !n.addr.is4():
		n.iface.stack.six.solicit(n.iface, n.addr, to, source)
	case to.IsZero():
		n.iface.askARP(n.addr.ipv4(), wire.Broadcast, source.ipv4())
	default:
		n.iface.askARP(n.addr.ipv4(), to, source.ipv4())
	}
}

// retransmission returns how long an answer is waited for.
func (n *neighbor) retransmission() time.Duration {
	if n.addr.is4() {
		return probeInterval
	}
	return n.iface.retransTimer()
}

// sendTo sends a packet whose header lacks only the destination, and counts it.
func sendTo(i *Interface, b *packet.Buffer, mac wire.MAC) {
	copy(b.Bytes(), mac[:])
	i.sent.packets.Add(1)
	i.sent.bytes.Add(uint64(b.Len()))
	i.transmit(b.Single())
}

// expire is the neighbour's timer.
func (t *neighborTable) expire(n *neighbor, now instant) {
	t.mu.Lock()
	if n.dead || t.closed {
		t.mu.Unlock()
		return
	}
	var failed []*packet.Buffer
	ask, to, source := false, wire.MAC{}, n.sourceWaiting()
	switch n.state {
	case NeighborReachable:
		t.setState(n, NeighborStale)
	case NeighborDelay:
		n.probes = 0
		t.setState(n, NeighborProbe)
		fallthrough
	case NeighborProbe, NeighborIncomplete:
		if n.state == NeighborProbe {
			to = n.mac
		}
		if n.probes < maxProbes {
			n.probes++
			ask = true
			t.stack.timers.arm(&n.timer, now+n.retransmission())
			break
		}
		t.setState(n, NeighborFailed)
		failed = t.takeWaiting(n)
	}
	t.mu.Unlock()
	if ask {
		n.ask(to, source)
	}
	for _, b := range failed {
		if n.addr.is4() {
			t.stack.unreachable(n.iface, b)
		} else {
			t.stack.six.unreachable(t.stack, n.iface, b)
		}
	}
}

// learn takes note of what an ARP packet says: that addr is at mac. An answer
// to a question of ours confirms; anything else only suggests. It makes a new
// neighbour only if create is set.
func (t *neighborTable) learn(i *Interface, addr address, mac wire.MAC, create, confirmed bool) {
	t.mu.Lock()
	n := t.find(i, addr)
	if n == nil && create && !t.closed {
		n = t.make(i, addr)
	}
	if n == nil || n.state == NeighborPermanent {
		t.mu.Unlock()
		return
	}
	asked := n.state == NeighborIncomplete || n.state == NeighborProbe || n.state == NeighborDelay
	changed := n.mac != mac
	n.mac = mac
	switch {
	case confirmed && asked:
		t.setState(n, NeighborReachable)
		t.stack.timers.arm(&n.timer, t.stack.timers.now()+t.reachable(n))
	case n.state == NeighborIncomplete, n.state == NeighborFailed:
		t.setState(n, NeighborStale)
		t.stack.timers.disarm(&n.timer)
		if n.waiting > 0 {
			t.setState(n, NeighborDelay)
			t.stack.timers.arm(&n.timer, t.stack.timers.now()+delayFirstTime)
		}
	case changed:
		t.setState(n, NeighborStale)
		t.stack.timers.disarm(&n.timer)
	}
	t.drain(n)
	t.mu.Unlock()
}

// maxDrains bounds how often a sender that is as fast as the link can make drain
// go on. It takes a burst of at least as many datagrams to be out of order.
const maxDrains = 64

// drain sends the packets that wait for a neighbour whose address has become
// known. What is sent meanwhile waits behind them, so that nothing is overtaken;
// only a sender that does not let the queue become empty gets past it in the end.
// The caller holds t.mu, which drain releases while it sends.
func (t *neighborTable) drain(n *neighbor) {
	if n.first == nil || n.draining {
		return // or whoever drains goes on
	}
	n.draining = true
	for k := 0; n.first != nil && n.known(); k++ {
		waiting, mac := t.takeWaiting(n), n.mac
		if k >= maxDrains {
			n.draining = false
			t.setState(n, n.state)
		}
		t.mu.Unlock()
		sendAll(n.iface, waiting, mac)
		t.mu.Lock()
	}
	n.draining = false
	if !n.dead {
		t.setState(n, n.state)
	}
}

// takeWaiting takes out the packets that wait for a neighbour. The caller holds
// t.mu.
func (t *neighborTable) takeWaiting(n *neighbor) []*packet.Buffer {
	if n.first == nil {
		return nil
	}
	list := make([]*packet.Buffer, 0, n.waiting)
	for b := n.first; b != nil; b = n.first {
		n.first = b.Next()
		b.SetNext(nil)
		list = append(list, b)
	}
	n.last = nil
	t.held -= n.waiting
	n.waiting, n.bytes = 0, 0
	return list
}

// sendAll does for many packets what sendTo does for one: in one batch, so that
// nothing that is sent in answer to the first overtakes the others.
func sendAll(i *Interface, frames []*packet.Buffer, mac wire.MAC) {
	if len(frames) == 0 {
		return
	}
	bytes := 0
	for _, b := range frames {
		copy(b.Bytes(), mac[:])
		bytes += b.Len()
	}
	i.sent.packets.Add(uint64(len(frames)))
	i.sent.bytes.Add(uint64(bytes))
	i.transmit(frames)
}

// reachable returns how long a neighbour's answer is trusted: between half and one
// and a half times the base (RFC 4861, section 6.3.2), so that hosts do not ask in
// step. It is drawn anew for each answer.
func (t *neighborTable) reachable(n *neighbor) time.Duration {
	base := reachableTime
	if !n.addr.is4() {
		base = n.iface.baseReachableTime()
	}
	return base/2 + time.Duration(t.stack.random.below(int(base/time.Millisecond)))*time.Millisecond
}

// AddNeighbor sets the hardware address of a neighbour by hand. It is never
// asked for, and forgotten only when the interface goes down.
func (i *Interface) AddNeighbor(addr netip.Addr, mac wire.MAC) error {
	st := i.stack.state.Load()
	switch n := st.byIndex(i.index); {
	case st.closed:
		return socket.ErrClosed
	case n == nil:
		return text.Errorf("stack: interface %q was removed", i.name)
	case i.kind != link.Ethernet:
		return text.Errorf("stack: interface %q has no neighbours with hardware addresses", i.name)
	case addr.Is6():
		if i.ip6.Load() == nil {
			return text.Errorf("stack: interface %q does not speak IPv6, and has no neighbour %v: EnableIPv6 makes it", i.name, addr)
		}
		if err := n.checkNeighbor6(addr); err != nil {
			return err
		}
	case !addr.Is4() || addr.IsMulticast() || addr.IsUnspecified() || addr == broadcast4.netip():
		return errNotNeighbor(addr)
	case st.local(ipv4Of(addr)) != nil || st.broadcasts(ipv4Of(addr)) != nil:
		return errNotNeighbor(addr)
	}
	if mac.IsZero() || mac.IsMulticast() {
		return text.Errorf("stack: %v is no station's address, and cannot be that of neighbour %v", mac, addr)
	}
	t := &i.stack.neighbors
	t.mu.Lock()
	n := t.make(i, addressOf(addr))
	n.mac = mac
	t.setState(n, NeighborPermanent)
	t.stack.timers.disarm(&n.timer)
	t.drain(n)
	t.mu.Unlock()
	return nil
}

// Neighbors returns the neighbours that are known, being asked for, or did not
// answer, by interface and address.
func (s *Stack) Neighbors() []Neighbor {
	t := &s.neighbors
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []Neighbor
	for _, n := range t.sorted(nil) {
		x := Neighbor{Interface: n.iface.name, Addr: n.addr.netip(), State: n.state, Router: n.router}
		switch {
		case n.known():
			x.MAC = n.mac
		case n.probes == 0:
			continue // somebody asked for the way, and has sent nothing yet
		}
		list = append(list, x)
	}
	return list
}

// flush forgets the neighbours on an interface, those set by hand too.
func (t *neighborTable) flush(i *Interface) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.sorted(i) {
		t.kill(n)
	}
}

func (t *neighborTable) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, n := range t.sorted(nil) {
		t.kill(n)
	}
}

// dropWaiting drops what waits for a neighbour. The caller holds t.mu.
func (t *neighborTable) dropWaiting(n *neighbor, reason drop.Reason) {
	for _, b := range t.takeWaiting(n) {
		n.iface.drop(b, reason)
	}
}
