package stack

import (
	"sync"
	"time"
	"unsafe"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/internal/text"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

const (
	// reassemblyTime is how long a datagram's fragments are waited for, from the
	// first on (net.ipv4.ipfrag_time), reassemblyTime6 the same of IPv6 (RFC 8200,
	// section 4.5).
	reassemblyTime  = 30 * time.Second
	reassemblyTime6 = 60 * time.Second
	// reassemblyDistance is how many fragments of a source may come between two
	// of one datagram. When more do, the identification has probably been given
	// out again, and the old fragments belong to another datagram
	// (net.ipv4.ipfrag_max_dist). Those of IPv6 are too long for that.
	reassemblyDistance = 64
	// assemblyBytes is what an assembly is charged besides its fragments and
	// the bits that say what has come.
	assemblyBytes = int(unsafe.Sizeof(assembly{})+unsafe.Sizeof(fragmentSource{})+unsafe.Sizeof(assemblyKey{})) + 64
)

// reassemblyTable is the datagrams whose fragments are waited for. It is bounded by
// the true size of what it holds (Limits.ReassemblyMemory): when more comes, the
// oldest datagrams are given up. Linux refuses the new ones since 4.19, so that who
// fills its table once keeps everybody from being heard for half a minute.
type reassemblyTable struct {
	stack *Stack

	mu      sync.Mutex
	known   map[assemblyKey]*assembly
	sources map[sourceKey]*fragmentSource
	ages    [2]byAge // those of IPv4, and of IPv6
	timer   timer    // for the one that is due first
	used    int      // bytes of true size
	held    int      // fragments
	closed  bool
}

// byAge is the datagrams of a family by deadline, which all have the same time to.
type byAge struct{ oldest, newest *assembly }

// age returns the list that an assembly is in.
func (t *reassemblyTable) age(a *assembly) *byAge {
	if a.key.src.is4() {
		return &t.ages[0]
	}
	return &t.ages[1]
}

// oldest returns the datagram whose fragments have been waited for the longest; nil if
// there is none. The caller holds t.mu.
func (t *reassemblyTable) oldest() *assembly {
	four, six := t.ages[0].oldest, t.ages[1].oldest
	if four == nil || six != nil && six.deadline-reassemblyTime6 < four.deadline-reassemblyTime {
		return six
	}
	return four
}

// setTimer sets the timer, which may fire too early and looks again, for the datagram
// that is due first. The caller holds t.mu.
func (t *reassemblyTable) setTimer() {
	at := never
	for _, l := range t.ages {
		if l.oldest != nil {
			at = min(at, l.oldest.deadline)
		}
	}
	if at == never {
		t.stack.timers.disarm(&t.timer)
	} else {
		t.stack.timers.arm(&t.timer, at)
	}
}

// sourceKey says who sends fragments.
type sourceKey address

// fragmentSource counts the fragments of somebody who has a datagram in the table.
type fragmentSource struct {
	fragments  uint32
	assemblies int
}

func (t *reassemblyTable) init(s *Stack) {
	t.stack = s
	t.timer.due = t.expire
}

// lost is fragments that are out of the table: they are dropped for the reason, or made
// one, when no lock is held.
type lost struct {
	reason drop.Reason
	a      assembly // what it held
	more   *lost
}

// fragment is the way in for a fragment of a packet to this host, whose IP header
// begins at the offset. When it is the last that was missing, the whole goes on as if
// it had come in like that.
func (l *lane) fragment(b *packet.Buffer, h *wire.IPv4Header, at int, src, dst ipv4, to cast) {
	s := l.iface.stack
	b.SetTransport(at + h.HeaderLen())
	if s.tracer != nil {
		s.trace(trace.Collect, l.iface, b, "")
	}
	key := assemblyKey{src: src.address(), dst: dst.address(), id: uint32(h.ID()), protocol: h.Protocol()}
	f := fragment{b, h.FragmentOffset(), h.MoreFragments(), h.TOS()}
	done, gone := s.reassembly.add(key, f)
	s.giveUp(gone)
	if done == nil {
		return
	}
	whole := s.merge(done, at)
	if whole == nil {
		return
	}
	l.flush()
	h, _, payload, err := wire.ParseIPv4(whole.Bytes()[at:])
	if err != nil {
		panic("stack: the header of a packet just made is not good")
	}
	if sk := l.transport(whole, h, payload, src, dst, to); sk != nil {
		l.enqueue(sk, whole.Single())
	}
}

// add takes a fragment in, for good. It returns the fragments of the whole datagram, if
// that was the last that was missing, and what was given up.
func (t *reassemblyTable) add(key assemblyKey, f fragment) (done, gone *lost) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, &lost{reason: drop.ReassemblyTimeout, a: only(f.b)}
	}
	a := t.known[key]
	if a == nil {
		a = t.make(key)
	}
	a.source.fragments++
	if a.count > 0 && key.src.is4() && a.source.fragments-a.seen > reassemblyDistance {
		gone = t.empty(a, drop.ReassemblyStale, gone)
		t.renew(a)
	}
	a.seen = a.source.fragments
	before := a.size
	if reason := a.add(f); reason != drop.None {
		gone = &lost{reason: reason, a: only(f.b), more: gone}
		if reason != drop.ReassemblyDuplicate {
			gone = t.remove(a, reason, gone)
		}
		return nil, gone
	}
	t.held++
	t.used += a.size - before
	if a.complete() {
		return t.remove(a, drop.None, nil), gone
	}
	for t.used > t.stack.cfg.Limits.ReassemblyMemory && t.oldest() != nil {
		gone = t.remove(t.oldest(), drop.ReassemblyMemory, gone)
	}
	return nil, gone
}

// merge makes one packet of all fragments of a datagram: the first goes on as the
// whole, the others are merged. It returns nil if they do not make one. No lock may be
// held.
func (s *Stack) merge(done *lost, at int) *packet.Buffer {
	n := done.a.count
	whole, reason := done.a.whole(at, s.six)
	if whole == nil {
		done.reason = reason
		s.giveUp(done)
		return nil
	}
	s.own.merged.Add(uint64(n - 1))
	done.a.each(func(b *packet.Buffer) { b.Release() })
	if s.tracer != nil {
		s.trace(trace.Merge, s.interfaceOf(whole), whole, text.Sprintf("of %d fragments", n))
	}
	return whole
}

// only returns an assembly of one fragment, to be given up.
func only(b *packet.Buffer) assembly { return assembly{first: b, last: b} }

// make adds an assembly. The caller holds t.mu.
func (t *reassemblyTable) make(key assemblyKey) *assembly {
	if t.known == nil {
		t.known = make(map[assemblyKey]*assembly)
		t.sources = make(map[sourceKey]*fragmentSource)
	}
	src := t.sources[sourceKey(key.src)]
	if src == nil {
		src = new(fragmentSource)
		t.sources[sourceKey(key.src)] = src
	}
	src.assemblies++
	a := &assembly{key: key, source: src, size: assemblyBytes}
	t.used += assemblyBytes
	t.known[key] = a
	t.append(a)
	return a
}

// append makes an assembly the newest. The caller holds t.mu.
func (t *reassemblyTable) append(a *assembly) {
	a.deadline = t.stack.timers.now() + reassemblyTime
	if !a.key.src.is4() {
		a.deadline += reassemblyTime6 - reassemblyTime
	}
	l := t.age(a)
	a.older, a.newer = l.newest, nil
	if l.newest != nil {
		l.newest.newer = a
		l.newest = a
		return
	}
	l.oldest, l.newest = a, a
	t.setTimer()
}

// unlink takes an assembly out of the order of age. The timer may fire too early
// then, and looks again. The caller holds t.mu.
func (t *reassemblyTable) unlink(a *assembly) {
	l := t.age(a)
	if a.older != nil {
		a.older.newer = a.newer
	} else {
		l.oldest = a.newer
	}
	if a.newer != nil {
		a.newer.older = a.older
	} else {
		l.newest = a.older
	}
	if l.oldest == nil {
		t.setTimer()
	}
}

// renew gives an assembly that begins anew its time anew. The caller holds t.mu.
func (t *reassemblyTable) renew(a *assembly) {
	t.unlink(a)
	t.append(a)
}

// empty takes the fragments out of an assembly. The caller holds t.mu.
func (t *reassemblyTable) empty(a *assembly, reason drop.Reason, gone *lost) *lost {
	t.held -= a.count
	t.used -= a.size - assemblyBytes
	if a.count > 0 {
		gone = &lost{reason: reason, a: *a, more: gone}
	}
	*a = assembly{
		key: a.key, size: assemblyBytes, source: a.source, seen: a.seen,
		deadline: a.deadline, older: a.older, newer: a.newer,
	}
	return gone
}

// remove gives an assembly up. The caller holds t.mu.
func (t *reassemblyTable) remove(a *assembly, reason drop.Reason, gone *lost) *lost {
	gone = t.empty(a, reason, gone)
	t.used -= assemblyBytes
	delete(t.known, a.key)
	if a.source.assemblies--; a.source.assemblies == 0 {
		delete(t.sources, sourceKey(a.key.src))
	}
	t.unlink(a)
	return gone
}

// giveUp drops what was given up. No lock may be held.
func (s *Stack) giveUp(gone *lost) {
	for ; gone != nil; gone = gone.more {
		gone.a.each(func(b *packet.Buffer) { s.dropHeld(b, gone.reason) })
	}
}

// dropHeld drops a packet that has waited in the stack, at the interface by which it
// came in, if that is still there.
func (s *Stack) dropHeld(b *packet.Buffer, reason drop.Reason) {
	if i := s.interfaceOf(b); i != nil {
		i.drop(b, reason)
		return
	}
	s.drops.Add(reason, 1)
	if s.tracer != nil {
		s.traceDrop(nil, b, reason)
	}
	b.Release()
}

// expire is the table's timer: what is due is given up. Who sent the first fragment
// is told (RFC 792, RFC 1122, section 3.3.2, and RFC 4443, 3.3); who did not could not
// tell of what.
func (t *reassemblyTable) expire(now instant) {
	t.mu.Lock()
	var due *lost
	for k := range t.ages {
		for l := &t.ages[k]; l.oldest != nil && l.oldest.deadline <= now; {
			due = t.remove(l.oldest, drop.ReassemblyTimeout, due)
		}
	}
	t.setTimer()
	t.mu.Unlock()

	s, st := t.stack, t.stack.state.Load()
	for gone := due.reversed(); gone != nil; gone = gone.more {
		if b := gone.a.head; b != nil && !gone.a.key.src.is4() {
			s.six.sendError(s, st, b, icmpError6{t: wire.ICMPv6TimeExceeded, code: wire.ICMPv6ReassemblyTimeExceeded})
		} else if b != nil {
			s.sendError(st, b, (*wire.IPv4Header)(b.NetworkBytes()),
				icmpError{t: wire.ICMPTimeExceeded, code: wire.ICMPReassemblyTimeExceeded})
		}
		gone.a.each(func(b *packet.Buffer) { s.dropHeld(b, gone.reason) })
	}
}

// reversed returns the list in the order in which it was made.
func (l *lost) reversed() (list *lost) {
	for l != nil {
		l, l.more, list = l.more, list, l
	}
	return list
}

func (t *reassemblyTable) close() {
	t.mu.Lock()
	t.closed = true
	var gone *lost
	for t.oldest() != nil {
		gone = t.remove(t.oldest(), drop.ReassemblyTimeout, gone)
	}
	t.mu.Unlock()
	t.stack.giveUp(gone)
}
