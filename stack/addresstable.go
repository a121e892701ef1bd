package stack

import "sync/atomic"

// addressTable finds things by an address of either family. It is a hash table with
// open addressing, read without locks and changed under one that its owner has. It
// is replaced only when it grows, so a change costs the same however full it is. The
// zero table is empty.
type addressTable[E any] struct {
	slots atomic.Pointer[[]atomic.Pointer[entry[E]]] // a power of two of them; nil: none yet
	live  int                                        // entries
	used  int                                        // slots that are not nil, gone ones included
}

// An entry is what a table holds under a key. One whose key is zero, which is no
// address that is looked up, takes the place of one that was removed.
type entry[E any] struct {
	key address
	v   E
}

// minSlots is the first size of a table.
const minSlots = 4

// find returns the entry of a key whose hash is h; nil if there is none.
func (t *addressTable[E]) find(h uint64, key address) *entry[E] {
	all := t.slots.Load()
	if all == nil {
		return nil
	}
	slots := *all
	mask := uint64(len(slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		e := slots[i].Load()
		if e == nil || e.key == key {
			return e
		}
	}
}

// insert adds an entry whose key is not in the table; hash is what it was made with.
func (t *addressTable[E]) insert(e *entry[E], hash func(address) uint64) {
	all := t.slots.Load()
	if all == nil || (t.used+1)*4 > len(*all)*3 {
		all = t.grow(hash)
	}
	slots := *all
	mask := uint64(len(slots) - 1)
	for i := hash(e.key) & mask; ; i = (i + 1) & mask {
		switch old := slots[i].Load(); {
		case old == nil:
			t.used++
		case old.key != address{}:
			continue
		}
		slots[i].Store(e)
		t.live++
		return
	}
}

// grow makes room for at least one more entry.
func (t *addressTable[E]) grow(hash func(address) uint64) *[]atomic.Pointer[entry[E]] {
	size := minSlots
	for size < (t.live+1)*2 {
		size *= 2
	}
	next := make([]atomic.Pointer[entry[E]], size)
	mask := uint64(size - 1)
	if old := t.slots.Load(); old != nil {
		for i := range *old {
			e := (*old)[i].Load()
			if e == nil || e.key == (address{}) {
				continue
			}
			at := hash(e.key) & mask
			for next[at].Load() != nil {
				at = (at + 1) & mask
			}
			next[at].Store(e)
		}
	}
	t.used = t.live
	t.slots.Store(&next)
	return &next
}

// remove takes the entry of a key out; it must be there. A table that has become
// empty is let go.
func (t *addressTable[E]) remove(h uint64, key address) {
	t.live--
	if t.live == 0 {
		t.used = 0
		t.slots.Store(nil)
		return
	}
	slots := *t.slots.Load()
	mask := uint64(len(slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		if slots[i].Load().key == key {
			if slots[(i+1)&mask].Load() == nil {
				slots[i].Store(nil)
				t.used--
			} else {
				slots[i].Store(new(entry[E]))
			}
			return
		}
	}
}
