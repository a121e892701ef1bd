package flow

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"github.com/castnet-go/castnet"
)

// Proxy returns a handler that forwards: it dials once for each flow and copies
// datagrams both ways, each as one datagram, until the flow ends or one side fails
// for good. Between two castnet.Conns it copies trains.
//
// dial is called with the flow's Context. If it fails the flow ends, and what has
// been received of it is dropped as SocketClosed; the next datagram of the client
// begins another flow. The Conn it returns is closed with the flow.
//
// What an ICMP error says of one datagram (connection refused, host unreachable,
// message too long) does not end a flow, as the next datagram may fare better. The
// client is told, as by [Flow.Tell]: of every such error if the Conn is a castnet.Conn,
// which for that purpose has its SetReceiveErrors turned on, else of those that it
// returns. That dial fails it is told too, if the error has such an errno.
func Proxy(dial func(ctx context.Context, f *Flow) (net.Conn, error)) func(*Flow) {
	return func(f *Flow) {
		upstream, err := dial(f.Context(), f)
		if err != nil {
			f.tellAll(nil, err, nil)
			return
		}
		defer upstream.Close()
		if c := conn(upstream); c != nil {
			c.SetReceiveErrors(true) // or else it tells of the errno alone
		}
		f.Go(func() {
			f.forward(f, upstream)
			f.Close() // which ends the other direction
		})
		f.forward(upstream, f)
	}
}

// maxDatagram is more than any UDP payload, and than any train.
const maxDatagram = 1 << 16

// room is lent to who copies, while there is something to copy.
var room = sync.Pool{New: func() any { return new(batch) }}

// batch is places for what is borrowed from a castnet.Conn, or room for a datagram of
// another net.Conn, made when it is needed.
type batch struct {
	ms  [8]castnet.Message
	buf []byte
}

// maxFailures is how many times in a row a side may fail for reasons that may pass.
const maxFailures = 100

// forward copies datagrams until one side fails for good. One side is the flow.
func (f *Flow) forward(to, from net.Conn) {
	in, out := conn(from), conn(to)
	trains := in != nil && out != nil && in.SetReport(castnet.FieldSegmentSize) == nil
	failures := 0
	for {
		if in != nil {
			if err := in.WaitReadable(); err != nil {
				return
			}
		}
		b := room.Get().(*batch)
		var err error
		if trains {
			err = f.copyTrains(b, to, from, in, out)
		} else {
			err = f.copyOne(b, to, from)
		}
		room.Put(b)
		switch {
		case err == nil:
			failures = 0
		case !passing(err):
			return
		default:
			if failures++; failures > maxFailures {
				return
			}
		}
	}
}

// conn returns the castnet.Conn in c, or nil.
func conn(c net.Conn) *castnet.Conn {
	switch c := c.(type) {
	case *Flow:
		return c.Conn
	case *castnet.Conn:
		return c
	}
	return nil
}

// copyOne copies one datagram.
func (f *Flow) copyOne(b *batch, to, from net.Conn) error {
	if b.buf == nil {
		b.buf = make([]byte, maxDatagram)
	}
	n, err := from.Read(b.buf)
	if err != nil {
		f.tellOf(from, err, nil)
		return err
	}
	_, err = to.Write(b.buf[:n])
	if ofAnEarlierOne(err) {
		f.tellOfEarlier(to)
		_, err = to.Write(b.buf[:n])
	}
	f.tellOf(to, err, b.buf[:n])
	return err
}

// copyTrains copies the datagrams and trains that are there. It sends on what it borrows:
// the network that received it does not copy it. An error that passes costs the datagram,
// or train, that it is about.
func (f *Flow) copyTrains(b *batch, to, from net.Conn, in, out *castnet.Conn) (failed error) {
	n, loan, err := in.Borrow(b.ms[:])
	if err != nil {
		f.tellOf(from, err, nil)
		return err
	}
	defer func() {
		clear(b.ms[:n])
		loan.Return()
	}()
	for k := range b.ms[:n] {
		m := &b.ms[k]
		m.Addr, m.Set = netip.AddrPort{}, m.Set&castnet.FieldSegmentSize
		if m.SegmentSize == 0 || len(m.Buf) <= int(m.SegmentSize) {
			m.Set = 0
		}
	}
	again := false
	for rest := b.ms[:n]; len(rest) > 0; {
		n, err := out.WriteBatch(rest)
		if rest = rest[n:]; err == nil {
			continue
		}
		if n > 0 {
			again = false
		}
		if again = !again && ofAnEarlierOne(err); again {
			f.tellOfEarlier(to)
			continue
		}
		said, err := writeSingly(out, &rest[0], err)
		f.tellOf(to, err, said)
		if err != nil && !passing(err) {
			return err
		}
		failed, rest = err, rest[1:]
	}
	return failed
}

// writeSingly sends the datagrams of a train that was refused one by one: trains are not
// cut into fragments, nor are they for every device. It returns what else was refused, and
// with which error.
func writeSingly(out *castnet.Conn, m *castnet.Message, refused error) (said []byte, err error) {
	if m.Set&castnet.FieldSegmentSize == 0 {
		return m.Buf, refused
	}
	said = m.Buf[:m.SegmentSize]
	if !errors.Is(refused, syscall.EMSGSIZE) && !errors.Is(refused, syscall.EINVAL) {
		return said, refused
	}
	for rest := m.Buf; len(rest) > 0; {
		n := min(int(m.SegmentSize), len(rest))
		if _, err = out.Write(rest[:n]); err != nil && !passing(err) {
			break
		}
		rest = rest[n:]
	}
	return said, err
}

// tellOf tells the client of an error that passes, unless it is of the client's own side.
func (f *Flow) tellOf(side net.Conn, err error, said []byte) {
	if err != nil && passing(err) && side != net.Conn(f) {
		f.tellAll(side, err, said)
	}
}

// tellOfEarlier tells the client of what waits in a side's error queue, since nobody else
// may hear that something does.
func (f *Flow) tellOfEarlier(side net.Conn) {
	if side != net.Conn(f) && conn(side) != nil {
		f.tellAll(side, nil, nil)
	}
}

// ofAnEarlierOne reports whether a write failed for what may have been said of an earlier
// datagram: then this one was not sent (Linux's sock_error in the beginning of a send),
// and is to be sent once more.
func ofAnEarlierOne(err error) bool {
	return err != nil && passing(err) && !errors.Is(err, syscall.ENOBUFS)
}

// passing reports whether an error says something of one datagram, and nothing of
// the next.
func passing(err error) bool {
	for _, errno := range []syscall.Errno{
		syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EMSGSIZE, syscall.ENOBUFS,
		syscall.EHOSTDOWN, syscall.ENOPROTOOPT, syscall.EPROTO, syscall.EACCES, syscall.EPERM,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
