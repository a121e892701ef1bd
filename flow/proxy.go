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
var room = sync.Pool{New: func() any { return &batch{buf: make([]byte, maxDatagram)} }}

type batch struct {
	buf  []byte
	said []byte
	ms   [1]castnet.Message
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
		failed, err := b.copy(to, from, in, out, trains)
		if err != nil && passing(err) && failed != net.Conn(f) {
			f.tellAll(failed, err, b.said)
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

// copy copies one datagram, or one train. It returns which side has failed, if one has,
// and leaves in b.said what was to be sent.
func (b *batch) copy(to, from net.Conn, in, out *castnet.Conn, trains bool) (failed net.Conn, err error) {
	b.said = nil
	if !trains {
		n, err := from.Read(b.buf)
		if err != nil {
			return from, err
		}
		b.said = b.buf[:n]
		return to, again(func() error {
			_, err := to.Write(b.buf[:n])
			return err
		})
	}
	m := &b.ms[0]
	*m = castnet.Message{Buf: b.buf}
	if _, err := in.ReadBatch(b.ms[:]); err != nil {
		return from, err
	}
	size := int(m.SegmentSize)
	b.said = m.Buf
	if m.Set&castnet.FieldSegmentSize == 0 || size == 0 || len(m.Buf) <= size {
		return to, again(func() error {
			_, err := out.Write(m.Buf)
			return err
		})
	}
	b.said = m.Buf[:size]
	m.Addr, m.Set = netip.AddrPort{}, castnet.FieldSegmentSize
	err = again(func() error {
		_, err := out.WriteBatch(b.ms[:])
		return err
	})
	if !errors.Is(err, syscall.EMSGSIZE) && !errors.Is(err, syscall.EINVAL) {
		return to, err
	}
	// Trains are not cut into fragments, nor are they for every device.
	for rest := m.Buf; len(rest) > 0; {
		n := min(size, len(rest))
		if _, err = out.Write(rest[:n]); err != nil && !passing(err) {
			return to, err
		}
		rest = rest[n:]
	}
	return to, err
}

// again writes once more if it failed for what may have been said of an earlier
// datagram: then this one was not sent (Linux's sock_error in the beginning of a send).
func again(write func() error) error {
	err := write()
	if err != nil && passing(err) && !errors.Is(err, syscall.ENOBUFS) {
		err = write()
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
