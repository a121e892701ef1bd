package stack

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// portKey names the sockets that a datagram may be for: those bound to an
// address and port, or, with a peer, those connected. It is dual-family.
type portKey struct {
	local, peer address
	ports       uint32 // the local port in the upper half, the peer's in the lower
}

func portPair(local, peer uint16) uint32 { return uint32(local)<<16 | uint32(peer) }

// isDual reports whether the key is that of IPv6 sockets bound to any address.
func (k *portKey) isDual() bool { return k.local == unspecified6 }

// connected reports whether the key has a peer.
func (k *portKey) connected() bool { return k.ports&0xffff != 0 }

// portTable finds the sockets for a datagram. It is a hash table with open
// addressing and linear probing under a secret key. It is read without locks,
// since its slots are atomic, and replaced only when it grows, so neither
// reading nor changing it costs more as sockets multiply.
type portTable struct {
	// changes counts what was changed, so that what was found can be remembered.
	changes atomic.Uint64

	key   [2]uint64
	table atomic.Pointer[slots]

	mu      sync.Mutex // held by writers
	buckets int        // with sockets in them
	used    int        // slots that are not nil, tombstones included

	// connected is the number of sockets with a peer: while there are none,
	// the exact lookup is saved.
	connected atomic.Int32

	// duals is the number of sockets of IPv6 that are bound to any address:
	// while there are none, datagrams of IPv4 need not be looked up among them.
	duals atomic.Int32

	// joins counts changes of what bound sockets hear of groups, as changes does.
	joins atomic.Uint64

	uses usage  // what is bound, for the conflicts of bind
	rank uint64 // the last one given to a socket
}

// slots is one generation of the table; its length is a power of two.
type slots struct {
	slot []atomic.Pointer[bucket]
}

// A bucket holds the sockets of one key in the order of binding. Readers see
// its slice without locks: sockets are appended in place, and removing makes a
// new slice.
type bucket struct {
	portKey
	pair4 uint64 // of an IPv4 key: the lower halves of its addresses
	// only is the bucket's socket if there is just one and it has no wishes
	// beyond the key: the usual case, without another look. A wish is a
	// device, or a peer whose port does not matter.
	only    atomic.Pointer[Socket]
	sockets atomic.Pointer[[]*Socket]
}

// set publishes the bucket's sockets.
func (b *bucket) set(list []*Socket) {
	var only *Socket
	if len(list) == 1 {
		if m := list[0].match.Load(); m.device == 0 && (m.peer == address{} || m.peerPort != 0) {
			only = list[0]
		}
	}
	b.only.Store(nil)
	b.sockets.Store(&list)
	b.only.Store(only)
}

// tombstone takes the place of a bucket that was removed, so that what was
// put behind it is still found. Its key is none that a socket has.
var tombstone = &bucket{portKey: portKey{ports: 1}}

func (t *portTable) init(s *Stack) {
	t.key = [2]uint64{s.random.uint64(), s.random.uint64() | 1}
	t.table.Store(&slots{slot: make([]atomic.Pointer[bucket], 8)})
	t.uses.init()
}

// hash mixes a key with the table's secret, so that nobody outside can choose
// addresses and ports that collide.
func (t *portTable) hash(k *portKey) uint64 {
	h := t.mix(k.pair4(), uint64(k.ports))
	if !k.local.is4() {
		h = t.mix(k.local.hi^h, k.local.lo)
		h = t.mix(k.peer.hi^h, k.peer.lo)
	}
	return h
}

// pair4 returns the lower halves of both addresses: all there is of IPv4 ones.
func (k *portKey) pair4() uint64 { return k.local.lo<<32 | k.peer.lo&0xffffffff }

// mix multiplies two words to 128 bits, and again so that the lower bits of the
// result, which the table goes by, depend on all of theirs: addresses or ports
// in a row would else lie in a row, or upon each other, by the luck of the key.
func (t *portTable) mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^t.key[0], b^t.key[1])
	return bits.RotateLeft64((hi^lo)*0x9e3779b97f4a7c15, 32)
}

// find returns the bucket of a key; nil if there is none.
func (t *portTable) find(k *portKey) *bucket { return t.table.Load().find(t.hash(k), k) }

func (s *slots) find(h uint64, k *portKey) *bucket {
	mask := uint64(len(s.slot) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		b := s.slot[i].Load()
		if b == nil {
			return nil
		}
		// A tombstone equals no key: a peer's port and none of its own.
		if b.ports == k.ports && b.local.lo == k.local.lo && b.peer.lo == k.peer.lo &&
			b.local.hi == k.local.hi && b.peer.hi == k.peer.hi {
			return b
		}
	}
}

// find4 is find for the key of two IPv4 addresses, or one; peer and its port are
// zero in keys of sockets that are only bound. It is the fast path's.
func (t *portTable) find4(local, peer ipv4, ports uint32) *bucket {
	pair := uint64(local)<<32 | uint64(peer)
	tab := t.table.Load()
	mask := uint64(len(tab.slot) - 1)
	for i := t.mix(pair, uint64(ports)) & mask; ; i = (i + 1) & mask {
		b := tab.slot[i].Load()
		if b == nil {
			return nil
		}
		if b.pair4 == pair && b.ports == ports && b.local.is4() {
			return b
		}
	}
}

// all returns the sockets of a key in the order of binding; nil if none.
func (t *portTable) all(k *portKey) []*Socket {
	b := t.find(k)
	if b == nil {
		return nil
	}
	return *b.sockets.Load()
}

// insert adds a socket under a key. The caller holds t.mu.
func (t *portTable) insert(k portKey, s *Socket) {
	defer t.changes.Add(1)
	if k.connected() {
		t.connected.Add(1)
	}
	if k.isDual() {
		t.duals.Add(1)
	}
	h := t.hash(&k)
	if b := t.table.Load().find(h, &k); b != nil {
		b.set(ranked(*b.sockets.Load(), s))
		return
	}
	t.grow()
	b := &bucket{portKey: k, pair4: k.pair4()}
	b.set([]*Socket{s})
	t.buckets++
	tab := t.table.Load()
	mask := uint64(len(tab.slot) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		switch tab.slot[i].Load() {
		case nil:
			t.used++
			fallthrough
		case tombstone:
			tab.slot[i].Store(b)
			return
		}
	}
}

// ranked returns a list with one socket more, in the order of binding. It
// appends in place if the socket is the last.
func ranked(list []*Socket, s *Socket) []*Socket {
	at := len(list)
	for at > 0 && list[at-1].rank.Load() > s.rank.Load() {
		at--
	}
	if at == len(list) {
		return append(list, s)
	}
	next := append(make([]*Socket, 0, len(list)+1), list[:at]...)
	return append(append(next, s), list[at:]...)
}

// refresh takes note that what a socket under the key wants has changed. The
// caller holds t.mu.
func (t *portTable) refresh(k portKey) {
	defer t.changes.Add(1)
	b := t.find(&k)
	b.set(*b.sockets.Load())
}

// grow makes room for one more bucket: at most three slots in four are used.
func (t *portTable) grow() {
	old := t.table.Load()
	if (t.used+1)*4 <= len(old.slot)*3 {
		return
	}
	size := len(old.slot)
	for (t.buckets+1)*2 > size {
		size *= 2
	}
	next := &slots{slot: make([]atomic.Pointer[bucket], size)}
	mask := uint64(size - 1)
	for i := range old.slot {
		b := old.slot[i].Load()
		if b == nil || b == tombstone {
			continue
		}
		at := t.hash(&b.portKey) & mask
		for next.slot[at].Load() != nil {
			at = (at + 1) & mask
		}
		next.slot[at].Store(b)
	}
	t.used = t.buckets
	t.table.Store(next)
}

// remove takes a socket out from under a key. The caller holds t.mu.
func (t *portTable) remove(k portKey, s *Socket) {
	defer t.changes.Add(1)
	if k.connected() {
		t.connected.Add(-1)
	}
	if k.isDual() {
		t.duals.Add(-1)
	}
	h := t.hash(&k)
	tab := t.table.Load()
	mask := uint64(len(tab.slot) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		b := tab.slot[i].Load()
		if b == nil {
			panic("stack: a socket is missing from the port table")
		}
		if b == tombstone || b.portKey != k {
			continue
		}
		old := *b.sockets.Load()
		if len(old) == 1 {
			if tab.slot[(i+1)&mask].Load() == nil {
				tab.slot[i].Store(nil)
				t.used--
			} else {
				tab.slot[i].Store(tombstone)
			}
			t.buckets--
			return
		}
		list := make([]*Socket, 0, len(old)-1)
		for _, o := range old {
			if o != s {
				list = append(list, o)
			}
		}
		b.set(list)
		return
	}
}
