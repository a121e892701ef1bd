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
// message too long) does not end a flow, as the next datagram may fare better.
func Proxy(dial func(ctx context.Context, f *Flow) (net.Conn, error)) func(*Flow) {
	return func(f *Flow) {
		upstream, err := dial(f.Context(), f)
		if err != nil {
			return
		}
		defer upstream.Close()
		f.Go(func() {
			forward(f, upstream)
			f.Close() // which ends the other direction
		})
		forward(upstream, f)
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

// forward copies datagrams until one side fails for good.
func forward(to, from net.Conn) {
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
		err := b.copy(to, from, in, out, trains)
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

// copy copies one datagram, or, between Conns, the trains that are there.
func (b *batch) copy(to, from net.Conn, in, out *castnet.Conn, trains bool) error {
	if trains {
		return b.copyTrains(out, in)
	}
	if b.buf == nil {
		b.buf = make([]byte, maxDatagram)
	}
	n, err := from.Read(b.buf)
	if err != nil {
		return err
	}
	_, err = to.Write(b.buf[:n])
	return err
}

// copyTrains sends on what it borrows: the network that received it does not copy it.
// An error that passes costs the datagram, or train, that it is about.
func (b *batch) copyTrains(out, in *castnet.Conn) (failed error) {
	n, loan, err := in.Borrow(b.ms[:])
	if err != nil {
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
	for rest := b.ms[:n]; len(rest) > 0; {
		n, err := out.WriteBatch(rest)
		if rest = rest[n:]; err == nil {
			continue
		}
		if m := &rest[0]; m.Set != 0 && (errors.Is(err, syscall.EMSGSIZE) || errors.Is(err, syscall.EINVAL)) {
			// Trains are not cut into fragments, nor are they for every device.
			err = writeSingly(out, m.Buf, int(m.SegmentSize))
		}
		if err != nil && !passing(err) {
			return err
		}
		failed = err
		rest = rest[1:]
	}
	return failed
}

// writeSingly sends a train's datagrams one by one.
func writeSingly(out *castnet.Conn, train []byte, size int) (err error) {
	for len(train) > 0 {
		n := min(size, len(train))
		if _, err = out.Write(train[:n]); err != nil && !passing(err) {
			return err
		}
		train = train[n:]
	}
	return err
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
