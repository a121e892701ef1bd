package packet

import (
	"sync"
	"unsafe"
)

// class is a size of storage.
type class uint8

// The size classes. A small datagram takes a small one, since a receive queue
// is charged what its packets really hold.
const (
	class256 class = iota
	class1K
	class2K
	class10K
	class64K
	classes
	cloneClass // no storage of its own
)

// classSizes are the sizes of the storage, Headroom included.
var classSizes = [classes]int{256, 1024, 2048, 10240, Headroom + MaxSize}

// The storage lies behind its Buffer in one allocation.
type (
	buffer256 struct {
		Buffer
		mem [256]byte
	}
	buffer1K struct {
		Buffer
		mem [1024]byte
	}
	buffer2K struct {
		Buffer
		mem [2048]byte
	}
	buffer10K struct {
		Buffer
		mem [10240]byte
	}
	buffer64K struct {
		Buffer
		mem [Headroom + MaxSize]byte
	}
)

// pools hold chains of released buffers, linked by next.
var pools [cloneClass + 1]sync.Pool

// New returns an empty buffer that size bytes can be appended to, Headroom
// before them. It panics if size is negative or over MaxSize.
func New(size int) *Buffer {
	b := takeOne(classOf(size))
	b.start, b.end = Headroom, Headroom
	return b
}

// NewBatch fills bs with empty buffers for size bytes each, as New returns them.
func NewBatch(bs []*Buffer, size int) {
	c := classOf(size)
	var chain *Buffer
	for i := range bs {
		if chain == nil {
			chain = take(c)
		}
		b := chain
		chain = b.next
		b.next = nil
		b.Marks, b.Mark = Marks{}, 0
		b.start, b.end = Headroom, Headroom
		b.checkTake()
		bs[i] = b
	}
	if chain != nil {
		put(c, chain)
	}
}

// Suits reports whether New would have taken storage of the same size for size
// bytes: a batch of one size may serve datagrams of others.
func (b *Buffer) Suits(size int) bool { return b.class == classOf(size) }

// TrueSizeFor returns the TrueSize of a buffer that New returns for size bytes.
func TrueSizeFor(size int) int { return int(unsafe.Sizeof(Buffer{})) + classSizes[classOf(size)] }

func classOf(size int) class {
	n := size + Headroom
	switch {
	case uint(size) > MaxSize:
		panic("packet: no buffer is that large")
	case n <= 256:
		return class256
	case n <= 1024:
		return class1K
	case n <= 2048:
		return class2K
	case n <= 10240:
		return class10K
	}
	return class64K
}

// takeOne returns one buffer, ready for use but for its window.
func takeOne(c class) *Buffer {
	b, _ := pools[c].Get().(*Buffer)
	if b == nil {
		b = allocate(c)
	} else if rest := b.next; rest != nil {
		b.next = nil
		put(c, rest)
	}
	b.Marks, b.Mark = Marks{}, 0
	b.checkTake()
	return b
}

// take returns a chain of one or more buffers of class c.
func take(c class) *Buffer {
	if chain, _ := pools[c].Get().(*Buffer); chain != nil {
		return chain
	}
	return allocate(c)
}

// allocate makes a buffer of class c.
func allocate(c class) *Buffer {
	var b *Buffer
	switch c {
	case class256:
		s := new(buffer256)
		b, s.store = &s.Buffer, s.mem[:]
	case class1K:
		s := new(buffer1K)
		b, s.store = &s.Buffer, s.mem[:]
	case class2K:
		s := new(buffer2K)
		b, s.store = &s.Buffer, s.mem[:]
	case class10K:
		s := new(buffer10K)
		b, s.store = &s.Buffer, s.mem[:]
	case class64K:
		s := new(buffer64K)
		b, s.store = &s.Buffer, s.mem[:]
	default:
		b = new(Buffer)
	}
	b.class = c
	b.refs.Store(1)
	return b
}

func put(c class, chain *Buffer) { pools[c].Put(chain) }
