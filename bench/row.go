package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// batchSize is the number of datagrams in a batch, and trainSize that over a TUN device,
// where a batch can be a train: so many of 1400 bytes as one IP packet holds, which is what
// who sends in bulk makes.
const (
	batchSize = 32
	trainSize = 46
)

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
	// vouched: frames cannot be damaged on the way, so that there is no test
	// that checksums are verified. The note says what becomes of them.
	vouched bool
	// roundTrip: the figures are for a datagram there and one back.
	roundTrip bool
	// singlesOnly: a batch would measure nothing new.
	singlesOnly bool

	// group names the rows that this one takes turns with.
	group string

	open func(setup, *buffers) (path, error)

	// amount, instead of open, is for what is not a path: so many of unit.
	amount func(setup) (float64, error)
	unit   string
}

// A group is rows that are measured together and compared with each other.
type group struct {
	name  string
	title string
	per   string // what a figure is the cost of
	cells []cell
	// keep: the paths are opened once and not anew in every round, since
	// that takes long.
	keep bool
	// slices: a turn is so many times as long as others'; 0: once. What has slept needs
	// a while until it is as fast as it will be.
	slices int
	// clock: how many a second go by the clock on the wall is told too.
	clock bool
}

// groups are all the groups, in the order in which they are measured.
var groups = []group{
	{name: "paths", title: "one datagram from socket to socket", per: "datagram", cells: pathCells()},
	{name: "lookup", title: "the same among many other sockets", per: "datagram", keep: true, cells: []cell{{64, 1}, {1400, 1}}},
	{name: "fanout", title: "one datagram to a group, for each of its receivers on one host", per: "receiver", cells: []cell{{64, 1}, {1400, 1}}},
	{name: "cores", title: "independent sockets on one core and on two", per: "datagram", cells: []cell{{64, 1}, {64, batchSize}}},
	{name: "events", title: "event loops, processor time", per: "datagram", keep: true, clock: true, slices: 5, cells: []cell{{64, 1}, {1400, 1}}},
	{name: "events-send", title: "event loops that send, processor time", per: "datagram", keep: true, clock: true, slices: 2, cells: []cell{{64, 1}, {1400, 1}}},
	{name: "events-receive", title: "event loops that receive, processor time", per: "datagram", keep: true, clock: true, slices: 2, cells: []cell{{64, 1}, {1400, 1}}},
	{name: "tun", title: "over a TUN device, processor time", per: "datagram", cells: []cell{{64, trainSize}, {1400, trainSize}}},
	{name: "lab", title: "the lab, processor time", per: "hop", keep: true, cells: []cell{{64, 1}}},
	{name: "amounts"},
}

func groupOf(name string) *group {
	for i := range groups {
		if groups[i].name == name {
			return &groups[i]
		}
	}
	panic("bench: no group " + name)
}

// in puts rows into a group.
func in(group string, all ...row) []row {
	for i := range all {
		all[i].group = group
	}
	return all
}

// errUnavailable is wrapped by open when the machine lacks what a row needs: the
// row is then reported as not measured, and so are the goals it serves.
var errUnavailable = errors.New("not measured")

// setup is what is asked of every row alike.
type setup struct {
	others  int  // sockets that are open besides, on each of the two networks
	many    int  // sockets that are open besides where there are many
	warm    int  // datagrams before anything is measured, for those who compile as they run
	corrupt bool // flip a bit of each frame on the wire; the tests' means to see that checksums are verified
}

// A path is a row that has been opened: two sockets and what lies between them.
type path interface {
	// carry sends the first count of the payloads, delivers them, and reads
	// them into as many buffers. It is an error if fewer could be read.
	carry(count int) error
	close() error
}

// A timer is a path that measures by itself how long n calls of carry take,
// because not all that they do counts, or because more than one goroutine does it.
type timer interface {
	run(batch, n int) (time.Duration, error)
}

// A sharer is a path whose datagrams have several receivers, who share what one costs.
type sharer interface{ receivers() int }

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

// An outsider is a path that is a process of its own and says of its last run how long it
// took by the clock on the wall, and what was allocated.
type outsider interface {
	clock() time.Duration
	mallocs() float64 // negative: not known
}

// errNotDelivered is what carry returns when there is nothing to read.
var errNotDelivered = errors.New("sent, but nothing to read")

// buffers are the payloads to send and the room to read them into; each row has
// its own.
type buffers struct {
	out [trainSize][]byte // of the size under measurement
	in  [trainSize][]byte // resliced to what was read
}

// room is the capacity of each buffer that is read into.
const room = 2048

// newBuffers makes buffers that lie one behind the other from a random cache
// line of a page on, with a few lines between them: were they a power of two
// apart, a batch of them would share a few sets of the processor's cache.
func newBuffers(r *rand.Rand) *buffers {
	const line, stride = 64, room + 5*64
	b := new(buffers)
	memory := make([]byte, 4096+2*trainSize*stride)[line*r.IntN(4096/line):]
	for i := range trainSize {
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
	in("paths", all...)
	all = append(all, lookupRows()...)
	all = append(all, fanoutRows()...)
	all = append(all, coreRows()...)
	all = append(all, eventRows()...)
	all = append(all, tunRows()...)
	all = append(all, labRows()...)
	all = append(all, memoryRows()...)
	all = append(all, sizeRows()...)
	return all
}
