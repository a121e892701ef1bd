package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
)

// batchSize is the number of datagrams in a batch.
const batchSize = 32

// sizes are the payloads measured, in bytes.
var sizes = []int{64, 512, 1400}

// kind says whose a row is.
type kind string

const (
	ours      kind = "castnet"
	peer      kind = "peer"
	reference kind = "reference" // what the machine can do: no network at all
)

// A row is one way to carry a datagram from one socket to another.
type row struct {
	name  string
	kind  kind
	about string
	// note says what a reader has to know to compare the row fairly:
	// checksums, what batches are, what is missing.
	note string
	// vouched: frames cannot be damaged on the way, and checksums are neither
	// made nor verified.
	vouched bool
	// roundTrip: the figures are for a datagram there and one back.
	roundTrip bool
	// singlesOnly: a batch would measure nothing new.
	singlesOnly bool

	open func(setup, *buffers) (path, error)
}

// setup is what is asked of every row alike.
type setup struct {
	others  int  // sockets that are open besides, on each of the two networks
	corrupt bool // flip a bit of each frame on the wire; the tests' means to see that checksums are verified
}

// A path is a row that has been opened: two sockets and what lies between them.
type path interface {
	// carry sends the first count of the payloads, delivers them, and reads
	// them into as many buffers. It is an error if fewer could be read.
	carry(count int) error
	close() error
}

// A stager is a path that has something to do before carry can send the
// buffers' payloads, and after it to show what was read: work that a program
// would not do for each datagram, and which is not measured.
type stager interface {
	stage()
	collect()
}

func stage(p path) {
	if s, ok := p.(stager); ok {
		s.stage()
	}
}

func collect(p path) {
	if s, ok := p.(stager); ok {
		s.collect()
	}
}

// errNotDelivered is what carry returns when there is nothing to read.
var errNotDelivered = errors.New("sent, but nothing to read")

// buffers are the payloads to send and the room to read them into; each row has
// its own.
type buffers struct {
	out [batchSize][]byte // of the size under measurement
	in  [batchSize][]byte // resliced to what was read
}

// room is the capacity of each buffer that is read into.
const room = 2048

// newBuffers makes buffers that lie one behind the other from a random cache
// line of a page on, with a few lines between them: were they a power of two
// apart, a batch of them would share a few sets of the processor's cache.
func newBuffers(r *rand.Rand) *buffers {
	const line, stride = 64, room + 5*64
	b := new(buffers)
	memory := make([]byte, 4096+2*batchSize*stride)[line*r.IntN(4096/line):]
	for i := range batchSize {
		out, in := memory[2*i*stride:], memory[(2*i+1)*stride:]
		b.out[i], b.in[i] = out[:0:room], in[:0:room]
	}
	return b
}

// fill draws new payloads of size bytes and empties what was read.
func (b *buffers) fill(r *rand.Rand, size int) {
	for i := range b.out {
		b.out[i] = b.out[i][:size]
		for j := range b.out[i] {
			b.out[i][j] = byte(r.Uint32())
		}
		b.in[i] = b.in[i][:0]
	}
}

// check compares the first count buffers read with what was sent.
func (b *buffers) check(count int) error {
	for i := range count {
		if !bytes.Equal(b.in[i], b.out[i]) {
			return fmt.Errorf("datagram %d of %d: read %d bytes that are not the %d sent", i+1, count, len(b.in[i]), len(b.out[i]))
		}
	}
	return nil
}

// rows are all the rows, in the order in which they take turns.
func rows() []row {
	var all []row
	all = append(all, stackRows()...)
	all = append(all, connRows()...)
	all = append(all, gvisorRows()...)
	all = append(all, lnetoRows()...)
	all = append(all, kernelRows()...)
	all = append(all, referenceRows()...)
	return all
}
