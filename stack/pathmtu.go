package stack

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/wire"
)

// The constants of path MTU discovery: Linux's net.ipv4.route.mtu_expires and
// min_pmtu.
const (
	pathMTUExpires = 10 * time.Minute // RFC 1191, 6.3, and twice that is not needed
	leastPathMTU   = 552              // what a path is believed to have at least
)

// maxPathMTU is the longest packet there is of IPv4, maxPathMTU6 of IPv6.
const (
	maxPathMTU  = 65535
	maxPathMTU6 = wire.IPv6HeaderLen + 65535
)

// pathMTUs is what routers have said of the MTUs of paths: a table of what is less
// than the way out has, bounded and forgotten after ten minutes.
//
// Nobody asks it for each datagram. Whoever looks for a way does, and what changes
// the table publishes the stack's state anew, so that everybody looks. That is not
// done more often than a hundred times a second for long, since forged messages
// about ever other destinations, if a socket is open that may have sent there, would
// keep everybody looking. Then it is put off for a hundredth of a second.
type pathMTUs struct {
	stack *Stack
	size  atomic.Int32 // for those who need not look

	mu          sync.Mutex
	known       map[pathKey]*pathMTU
	first, last *pathMTU // in the order in which they expire
	timer       timer

	publications bucketOfTokens
	putOff       bool // the next is to come by lateTimer
	lateTimer    timer
}

// The rate at which learning publishes the state.
const (
	publicationBurst    = 100
	publicationInterval = 10 * time.Millisecond
)

// pathKey is a path: where it leads, and by which interface it begins.
type pathKey struct {
	dst   address
	iface int32
}

// pathMTU is what is known of a path.
type pathMTU struct {
	key pathKey
	mtu int
	// locked: less was said than is believed. Packets may be fragmented on
	// the way then, and nothing else is believed (Linux's mtu_lock).
	locked     bool
	expires    instant
	prev, next *pathMTU
}

func (t *pathMTUs) init(s *Stack) {
	t.stack = s
	t.known = make(map[pathKey]*pathMTU)
	t.timer.due = t.expire
	t.lateTimer.due = func(instant) {
		t.mu.Lock()
		t.putOff = false
		t.mu.Unlock()
		s.republish()
	}
	t.publications.tokens = publicationBurst
}

func keyOf(i *Interface, dst address) pathKey { return pathKey{dst, int32(i.index)} }

// get returns what is known of a path; mtu is 0 if nothing is.
func (t *pathMTUs) get(i *Interface, dst address) (mtu int, locked bool) {
	if t.size.Load() == 0 {
		return 0, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.known[keyOf(i, dst)]; p != nil {
		return p.mtu, p.locked
	}
	return 0, false
}

// learn takes note of an MTU that a path is said to have, of which the first link
// has so much. The rules are Linux's __ip_rt_update_pmtu: only less is believed,
// and what is less than 552 is taken for 552 and the path for one that needs
// fragments. Of IPv6 what is less than every link carries is not believed (RFC 8201,
// section 4, and __ip6_rt_update_pmtu).
func (t *pathMTUs) learn(i *Interface, dst address, said, link int) {
	if !dst.is4() && said < wire.IPv6MinMTU {
		return
	}
	key, now := keyOf(i, dst), t.stack.timers.now()
	t.mu.Lock()
	p := t.known[key]
	old := link
	if p != nil {
		old = min(link, p.mtu)
	}
	if said > old || p != nil && p.locked {
		t.mu.Unlock()
		return
	}
	locked := dst.is4() && said < leastPathMTU
	if locked {
		said = min(old, leastPathMTU)
	}
	if said == old && !locked && (p == nil || now < p.expires-pathMTUExpires/2) {
		t.mu.Unlock()
		return // nothing new
	}
	if p == nil {
		if len(t.known) >= t.stack.cfg.Limits.PathMTUs {
			t.forget(t.first)
		}
		p = &pathMTU{key: key}
		t.known[key] = p
		t.size.Add(1)
	} else {
		t.unlink(p)
	}
	changed, atOnce := p.mtu != said || p.locked != locked, true
	p.mtu, p.locked, p.expires = said, locked, now+pathMTUExpires
	t.append(p)
	if t.first == p {
		t.stack.timers.arm(&t.timer, p.expires)
	}
	if changed {
		t.publications.fill(now, publicationInterval, publicationBurst)
		if atOnce = t.publications.tokens > 0; atOnce {
			t.publications.tokens--
		} else if !t.putOff {
			t.putOff = true
			t.stack.timers.arm(&t.lateTimer, now+publicationInterval)
		}
	}
	t.mu.Unlock()
	if changed && atOnce {
		t.stack.republish()
	}
}

func (t *pathMTUs) append(p *pathMTU) {
	p.prev, p.next = t.last, nil
	if t.last != nil {
		t.last.next = p
	} else {
		t.first = p
	}
	t.last = p
}

func (t *pathMTUs) unlink(p *pathMTU) {
	if p.prev != nil {
		p.prev.next = p.next
	} else {
		t.first = p.next
	}
	if p.next != nil {
		p.next.prev = p.prev
	} else {
		t.last = p.prev
	}
}

// forget takes an entry out. The caller holds t.mu.
func (t *pathMTUs) forget(p *pathMTU) {
	t.unlink(p)
	delete(t.known, p.key)
	t.size.Add(-1)
}

// expire is the timer of the entry that expires first.
func (t *pathMTUs) expire(now instant) {
	t.mu.Lock()
	gone := false
	for t.first != nil && t.first.expires <= now {
		t.forget(t.first)
		gone = true
	}
	if t.first != nil {
		t.stack.timers.arm(&t.timer, t.first.expires)
	}
	t.mu.Unlock()
	if gone {
		t.stack.republish()
	}
}

// clear forgets everything: the configuration changes, and paths may be others.
func (t *pathMTUs) clear() {
	if t.size.Load() == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.first != nil {
		t.forget(t.first)
	}
	t.stack.timers.disarm(&t.timer)
}

// republish publishes the state as it is under a new address, so that every cached
// path is looked up anew.
func (s *Stack) republish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.state.Load(); !old.closed {
		next := *old
		s.state.Store(&next)
	}
}

// of returns the MTU of the way to a destination, by whichever interface it
// begins, and whether packets may be fragmented on it although they fit.
func (t *pathMTUs) of(i *Interface, dst address) (mtu int, locked bool) {
	if mtu = min(i.MTU(), maxPathMTU); !dst.is4() {
		mtu = min(i.MTU(), maxPathMTU6)
		if n := i.stack.state.Load().byIndex(i.index); n != nil {
			mtu = min(mtu, n.MTU6())
		}
	}
	if known, l := t.get(i, dst); known != 0 {
		mtu, locked = min(mtu, known), l
	}
	return mtu, locked
}

// learnPathMTU takes note of what a fragmentation needed message says that quotes a
// datagram of the socket's (Linux's ipv4_sk_update_pmtu).
func (s *Socket) learnPathMTU(local, peer ipv4, said int) {
	s.mu.Lock()
	q := query{src: local.address(), dst: peer.address(), device: s.opts.device}
	believes := s.opts.fragment.believes()
	s.path.forget() // whoever else goes there will see the new state
	s.mu.Unlock()
	if !believes || peer.isMulticast() || peer == broadcast4 {
		return
	}
	st := s.stack.state.Load()
	var device *netif
	if q.device != 0 {
		if device = st.byIndex(q.device); device == nil {
			return
		}
	}
	// The way is looked up without asking for the neighbour, of which a forged
	// message would make one.
	var p path
	out, _, err := st.wayOut(&p, &q, device)
	if err != nil || p.broadcast || out.kind == link.Loopback {
		return
	}
	s.stack.pathMTUs.learn(out.Interface, q.dst, said, min(out.MTU(), maxPathMTU))
}

// learnPathMTU6 takes note of what a packet too big message says that came in by an
// interface and quotes a datagram of the socket's (Linux's ip6_sk_update_pmtu).
func (s *Socket) learnPathMTU6(local, peer address, from *Interface, said int) {
	s.mu.Lock()
	q := query{src: local, dst: peer, device: s.opts.device}
	believes := s.opts.fragment.believes()
	s.path.forget() // whoever else goes there will see the new state
	s.mu.Unlock()
	if !believes || peer.isMulticast() {
		return
	}
	if q.device == 0 && peer.isLinkLocal() {
		q.device = from.index
	}
	st := s.stack.state.Load()
	var device *netif
	if q.device != 0 {
		if device = st.byIndex(q.device); device == nil {
			return
		}
	}
	// The way is looked up without asking for the neighbour, of which a forged
	// message would make one.
	var p path
	out, _, err := st.wayOut6(&p, &q, device)
	if err != nil || out.kind == link.Loopback {
		return
	}
	s.stack.pathMTUs.learn(out.Interface, q.dst, said, min(out.MTU6(), maxPathMTU6))
}
