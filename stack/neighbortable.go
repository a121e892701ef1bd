package stack

import (
	"sort"
	"sync"
	"sync/atomic"
)

// neighborTable is what the stack knows of its next hops: a hash table of chains.
// Finding one takes no lock, and neither adding nor removing one costs more as
// they multiply.
type neighborTable struct {
	stack *Stack
	slots atomic.Pointer[[]atomic.Pointer[neighbor]] // a power of two

	mu     sync.Mutex
	count  int     // neighbours in the table
	known  recency // those whose address is known, apart from those set by hand
	silent recency // those that have not answered, or not been asked
	held   int     // packets waiting
	closed bool
}

// minNeighborSlots is the first size of the table.
const minNeighborSlots = 4

func (t *neighborTable) init(s *Stack) {
	t.stack = s
	slots := make([]atomic.Pointer[neighbor], minNeighborSlots)
	t.slots.Store(&slots)
}

// slot returns where the chain of a next hop begins. The hash is the port
// table's: its key is secret.
func (t *neighborTable) slot(slots []atomic.Pointer[neighbor], i *Interface, addr address) *atomic.Pointer[neighbor] {
	return &slots[t.stack.ports.mix(uint64(i.index)^addr.hi, addr.lo)&uint64(len(slots)-1)]
}

// find returns the neighbour for a next hop, or nil. Without the lock it may
// miss one while the table grows.
func (t *neighborTable) find(i *Interface, addr address) *neighbor {
	for n := t.slot(*t.slots.Load(), i, addr).Load(); n != nil; n = n.next.Load() {
		if n.addr == addr && n.iface == i {
			return n
		}
	}
	return nil
}

// get returns the neighbour for a next hop, making it if need be.
func (t *neighborTable) get(i *Interface, addr address) *neighbor {
	if n := t.find(i, addr); n != nil {
		return n
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.make(i, addr)
}

// make adds a neighbour, unless it is there. If there are as many as there may
// be, one makes room: one that did not answer before one that did, so that a
// scan of a subnet does not push out who is there; then the one that has not
// been used for the longest time. The caller holds t.mu.
func (t *neighborTable) make(i *Interface, addr address) *neighbor {
	if n := t.find(i, addr); n != nil {
		return n
	}
	if t.known.count+t.silent.count >= t.stack.cfg.Limits.Neighbors {
		oldest := t.silent.oldest
		if oldest == nil {
			oldest = t.known.oldest
		}
		t.kill(oldest)
	}
	t.grow()
	n := &neighbor{iface: i, addr: addr, state: NeighborFailed}
	n.timer.due = func(now instant) { t.expire(n, now) }
	t.file(n)
	slot := t.slot(*t.slots.Load(), i, addr)
	n.next.Store(slot.Load())
	slot.Store(n)
	t.count++
	return n
}

// grow makes room for one more: as many slots as neighbours. Who searches without
// the lock meanwhile follows links from an old chain into a new one, so it may
// miss what it seeks, but it comes to an end, since the new chains only lead to
// what was moved before.
func (t *neighborTable) grow() {
	old := *t.slots.Load()
	if t.count < len(old) {
		return
	}
	slots := make([]atomic.Pointer[neighbor], 2*len(old))
	for k := range old {
		for n := old[k].Load(); n != nil; {
			next := n.next.Load()
			slot := t.slot(slots, n.iface, n.addr)
			n.next.Store(slot.Load())
			slot.Store(n)
			n = next
		}
	}
	t.slots.Store(&slots)
}

// unlink takes a neighbour out of the table. Who is looking at it goes on from
// there. The caller holds t.mu.
func (t *neighborTable) unlink(n *neighbor) {
	link := t.slot(*t.slots.Load(), n.iface, n.addr)
	for link.Load() != n {
		link = &link.Load().next
	}
	link.Store(n.next.Load())
	t.count--
	n.rank.remove(n)
	n.rank = nil
}

// file puts a neighbour into the order of use that it belongs into by its state.
// The caller holds t.mu.
func (t *neighborTable) file(n *neighbor) {
	to := &t.silent
	switch {
	case n.dead, n.state == NeighborPermanent:
		to = nil
	case n.known():
		to = &t.known
	}
	if n.rank != to {
		n.rank.remove(n)
		n.rank = to
		to.add(n)
	}
}

// sorted returns the neighbours on an interface, on all if i is nil, in the order
// of interfaces and addresses, for what shall not depend on that of a table.
func (t *neighborTable) sorted(i *Interface) []*neighbor {
	var list []*neighbor
	slots := *t.slots.Load()
	for k := range slots {
		for n := slots[k].Load(); n != nil; n = n.next.Load() {
			if i == nil || n.iface == i {
				list = append(list, n)
			}
		}
	}
	sort.Slice(list, func(a, b int) bool {
		x, y := list[a], list[b]
		return x.iface.index < y.iface.index || x.iface.index == y.iface.index && x.addr.compare(y.addr) < 0
	})
	return list
}

// recency is the order in which neighbours were used last. A nil one is none:
// that of neighbours that do not have to make room.
type recency struct {
	oldest, newest *neighbor
	count          int
}

func (r *recency) add(n *neighbor) {
	if r == nil {
		return
	}
	if n.older = r.newest; n.older != nil {
		n.older.newer = n
	} else {
		r.oldest = n
	}
	r.newest = n
	r.count++
}

func (r *recency) remove(n *neighbor) {
	if r == nil {
		return
	}
	if n.older != nil {
		n.older.newer = n.newer
	} else {
		r.oldest = n.newer
	}
	if n.newer != nil {
		n.newer.older = n.older
	} else {
		r.newest = n.older
	}
	n.older, n.newer = nil, nil
	r.count--
}

// touch makes a neighbour the one used last.
func (r *recency) touch(n *neighbor) {
	r.remove(n)
	r.add(n)
}
