package packet

// Retain adds n owners, each of whom releases the buffer once. Until then its
// bytes are shared, and its window and marks must not change either.
func (b *Buffer) Retain(n int) {
	b.checkUse()
	b.refs.Add(int32(n))
}

// Clone returns a new buffer with a window and marks of its own, at first equal
// to b's, on the same bytes, which are shared from now on. It has no owner.
func (b *Buffer) Clone() *Buffer {
	b.checkUse()
	root := b
	if b.parent != nil {
		root = b.parent
	}
	root.refs.Add(1)
	c := takeOne(cloneClass)
	c.parent = root
	c.store = root.store
	c.start, c.end = b.start, b.end
	c.Marks, c.Mark = b.Marks, b.Mark
	return c
}

// Shared reports whether somebody else may be reading the bytes.
func (b *Buffer) Shared() bool {
	if b.parent != nil {
		return b.parent.refs.Load() > 1 || b.refs.Load() > 1
	}
	return b.refs.Load() > 1
}

// Writable returns a buffer with b's window, marks and owner, whose bytes may be
// written: b itself if they are not shared, else a copy, for which b is released.
func (b *Buffer) Writable() *Buffer {
	b.checkUse()
	if !b.Shared() {
		return b
	}
	c := New(b.Len())
	copy(c.Append(b.Len()), b.Bytes())
	network, transport := int32(b.network)-b.start, int32(b.transport)-b.start
	c.Marks, c.Mark = b.Marks, b.Mark
	if b.network != 0 {
		c.network = uint16(c.start + network)
	}
	if b.transport != 0 {
		c.transport = uint16(c.start + transport)
	}
	if b.owner != nil {
		c.owner = b.owner
		if b.held {
			c.Hold()
		}
	}
	b.Release()
	return c
}

// Release gives up the buffer. The last owner's release returns it to the pool.
func (b *Buffer) Release() {
	if b.unref() {
		b.recycle()
		put(b.class, b)
	}
}

// ReleaseAll releases every buffer of bs, those that are nil excepted, in one
// operation of the pool where it can, and clears the slice.
func ReleaseAll(bs []*Buffer) {
	var chain *Buffer
	for i, b := range bs {
		if b == nil {
			continue
		}
		bs[i] = nil
		if !b.unref() {
			continue
		}
		b.recycle()
		if chain != nil && chain.class != b.class {
			put(chain.class, chain)
			chain = nil
		}
		b.next = chain
		chain = b
	}
	if chain != nil {
		put(chain.class, chain)
	}
}

// unref takes one owner away and reports whether it was the last. Asking first
// saves the atomic subtraction in the usual case of a single owner, who cannot
// be joined by another while it releases.
func (b *Buffer) unref() bool {
	b.checkUse()
	if b.refs.Load() == 1 {
		return true
	}
	if n := b.refs.Add(-1); n > 0 {
		return false
	} else if n < 0 {
		panic("packet: buffer released twice")
	}
	b.refs.Store(1)
	return true
}

// recycle brings a buffer into the state in which the pool keeps it.
func (b *Buffer) recycle() {
	if b.owner != nil || b.parent != nil {
		b.untie()
	}
	b.next = nil
	b.checkRelease()
}

// untie ends the buffer's ties to its owner and to the one it is a clone of.
func (b *Buffer) untie() {
	b.Orphan()
	if parent := b.parent; parent != nil {
		b.parent, b.store = nil, nil
		parent.Release()
	}
}
