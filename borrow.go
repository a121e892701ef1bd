package castnet

import (
	"io"
	"sync"
	"syscall"

	"github.com/castnet-go/castnet/socket"
)

// A Loan is what [Conn.Borrow] lends: its Return gives the memory back.
type Loan = socket.Loan

// Borrow is [Conn.ReadBatch] without a copy: each Message's Buf, whatever it held, is
// set to the datagram where it lies in the network's memory, whole. Who only looks
// at datagrams, or sends them on, saves half of what it costs to read long ones.
//
//	n, loan, err := c.Borrow(ms)
//	...                            // read ms[:n], or write them by WriteBatch
//	loan.Return()
//
// What is lent may be read, by any goroutine, until the Loan is returned, which is
// once; it must not be written to, as other sockets may be reading the same bytes.
// It is charged to no receive buffer any more. At most 32 datagrams are lent at a
// time; with an error nothing is, and there is no Loan.
//
// Where [FieldSegmentSize] is reported each Message may be a train, and single
// datagrams are not joined to trains. On the operating system's network, which has
// nothing to lend, the datagrams are read into buffers that belong to the Loan:
// there one Loan not returned holds up to 2 MiB.
func (c *Conn) Borrow(ms []Message) (n int, loan Loan, err error) {
	if !c.ok() {
		return 0, nil, syscall.EINVAL
	}
	if len(ms) == 0 && !c.closed.Load() {
		return 0, nil, nil
	}
	if lender, ok := c.s.(socket.Lender); ok {
		n, loan, err = c.lend(lender, ms)
	} else {
		n, loan, err = c.copyToLend(ms)
	}
	if err != nil {
		return 0, nil, c.readError(callRecvMMsg, err)
	}
	return n, loan, nil
}

// lend is recv by a Lender.
func (c *Conn) lend(from socket.Lender, ms []Message) (int, Loan, error) {
	for {
		if c.read.passed.Load() {
			return 0, nil, c.expired()
		}
		n, loan, err := from.TryLend(ms)
		switch {
		case err != syscall.EAGAIN:
			return n, loan, err
		case c.readShut.Load():
			return 0, nil, io.EOF
		}
		if err := c.s.Wait(socket.Readable, &c.read.cancel); err != nil && err != socket.ErrCancelled {
			return 0, nil, err
		}
	}
}

// mostLent is how many datagrams are lent at a time.
const mostLent = 32

// copies is a Loan of copies. Its buffers are made when so many are read for the
// first time.
type copies struct {
	bufs [mostLent][]byte
	lent bool
}

var pooledCopies = sync.Pool{New: func() any { return new(copies) }}

// copyToLend reads into buffers of a Loan's own.
func (c *Conn) copyToLend(ms []Message) (int, Loan, error) {
	ms = ms[:min(len(ms), mostLent)]
	l := pooledCopies.Get().(*copies)
	for k := range ms {
		if l.bufs[k] == nil {
			l.bufs[k] = make([]byte, 1<<16) // as long as any datagram or train
		}
		ms[k].Buf = l.bufs[k]
	}
	n, err := c.recv(ms)
	for k := range ms {
		if b := &ms[k].Buf; err == nil && k < n {
			*b = (*b)[:len(*b):len(*b)]
		} else {
			*b = nil
		}
	}
	if err != nil || n == 0 {
		pooledCopies.Put(l)
		return 0, nil, err
	}
	l.lent = true
	return n, l, nil
}

// Return gives the buffers back.
func (l *copies) Return() {
	if !l.lent {
		panic("castnet: a loan was returned twice")
	}
	l.lent = false
	pooledCopies.Put(l)
}
