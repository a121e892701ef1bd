package packet

// stashed is how many buffers a Stash or a Spent holds at most.
const stashed = 4

// A Stash is a few small buffers that somebody who takes one at a time keeps for
// the next times: it asks the pool once for all of them. The zero Stash is empty;
// one that is not used any more can be forgotten. It is used under its holder's
// lock.
type Stash struct {
	first *Buffer // a chain, as the pool has it
}

// New is the function New, for a buffer out of the stash if it is to be small.
func (s *Stash) New(size int) *Buffer {
	if uint(size) > uint(classSizes[class256]-Headroom) {
		return New(size)
	}
	b := s.first
	if b == nil {
		b = take(class256)
		last := b
		for n := 1; n < stashed && last.next != nil; n++ {
			last = last.next
		}
		if rest := last.next; rest != nil {
			last.next = nil
			put(class256, rest)
		}
	}
	s.first, b.next = b.next, nil
	b.Marks, b.Mark = Marks{}, 0
	b.start, b.end = Headroom, Headroom
	b.checkTake()
	return b
}

// A Spent gathers small buffers that are released one at a time, and gives them
// back to the pool together. The zero Spent is empty; one that is not used any more
// can be forgotten. It is used under its holder's lock.
type Spent struct {
	first *Buffer // a chain; its Flow is how many there are
}

// Small reports whether Spent gathers the buffer.
func (b *Buffer) Small() bool { return b.class == class256 }

// Release is the buffer's Release, for a Small one.
func (s *Spent) Release(b *Buffer) {
	if !b.unref() {
		return
	}
	b.recycle()
	b.next, b.Flow = s.first, 1
	if s.first != nil {
		b.Flow += s.first.Flow
	}
	if s.first = b; b.Flow == stashed {
		put(class256, b)
		s.first = nil
	}
}

// A Chain gathers small buffers that are released in a row, and gives them back to the
// pool together, when End is called. The zero Chain is empty. One goroutine uses it.
type Chain struct{ first *Buffer }

// Release is the buffer's Release, for a Small one.
func (c *Chain) Release(b *Buffer) {
	if b.refs.Load() == 1 && b.owner == nil && !Checking {
		b.next = c.first // the same as below, for nearly all of them
		c.first = b
	} else {
		c.release(b)
	}
}

func (c *Chain) release(b *Buffer) {
	if !b.unref() {
		return
	}
	b.recycle()
	b.next, c.first = c.first, b
}

// End gives back what was gathered. The Chain is empty thereafter.
func (c *Chain) End() {
	if c.first != nil {
		put(class256, c.first)
		c.first = nil
	}
}
