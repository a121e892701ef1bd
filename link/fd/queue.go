//go:build unix

package fd

import (
	"os"
	"sync"
	"syscall"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
)

// A queue is one descriptor. Its reading side belongs to the goroutine that
// reads; its writing side is guarded by mu.
type queue struct {
	l         *Link
	number    int
	file      *os.File
	raw       syscall.RawConn
	datagrams bool // a read of no bytes is not the end

	// The functions that raw is called with, made once.
	readSome, flushSome func(uintptr) bool

	// Reading.
	scratch []byte
	large   *packet.Buffer                               // what is read into, where frames have headers
	many    *many                                        // of sockets of datagrams, both directions
	frames  [batchSize + link.MaxSegments]*packet.Buffer // a train that is cut up may be the last of a batch
	count   int
	bytes   int // in the frames
	readErr error

	// Writing. fd is valid as long as closed is false.
	mu         sync.Mutex
	fd         int
	closed     bool
	head, tail *packet.Buffer // frames that wait for the descriptor, linked by Next
	waiting    int
	copied     []byte        // a frame that is shared, behind its header
	flushing   chan struct{} // not nil while a goroutine flushes; closed when it has ended
}

// batchSize is how many frames are read before they are handed up, and batchBytes
// how many bytes: trains are long, and should be in the cache when they are looked
// at.
const (
	batchSize  = 32
	batchBytes = 128 << 10
)

// close drops what waits, ends the flushing and closes the descriptor.
func (q *queue) close() error {
	q.mu.Lock()
	q.closed = true
	for q.head != nil {
		q.pop().Release()
		q.l.drops.Add(drop.LinkDown, 1)
	}
	if q.many != nil {
		if n := q.many.close(); n > 0 {
			q.l.drops.Add(drop.LinkDown, n)
		}
	}
	flushing := q.flushing
	q.mu.Unlock()
	if flushing != nil {
		q.file.SetWriteDeadline(aLongTimeAgo)
		<-flushing
	}
	return q.file.Close()
}

// push adds a frame at the end of those that wait.
func (q *queue) push(f *packet.Buffer) {
	f.Hold()
	if q.head == nil {
		q.head = f
	} else {
		q.tail.SetNext(f)
	}
	q.tail = f
	q.waiting++
}

// pop takes the first frame of those that wait.
func (q *queue) pop() *packet.Buffer {
	f := q.head
	q.head = f.Next()
	f.SetNext(nil)
	q.waiting--
	return f
}
