package main

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/castnet-go/castnet/dgram"
	"github.com/castnet-go/castnet/host"
	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/socket"
)

// eventRows are event loops on the kernel's loopback: one socket sends, each datagram in
// the callback of the one before, and another of the same loop receives. It is libuv's
// benchmark udp_pummel, one to one. What is measured is processor time.
func eventRows() []row {
	const note = "kernel loopback; every datagram is addressed anew, as libuv's benchmark does it"
	return in("events", row{
		name: "dgram", kind: ours, singlesOnly: true, vouched: true,
		about: "dgram in Go: Send in the callback of Send", note: note,
		open: openEvents((*eventPath).chain),
	}, row{
		name: "dgram-batch", kind: ours, singlesOnly: true, vouched: true,
		about: "dgram in Go: SendBatch of 32 in the callback of SendBatch, OnMessages", note: note + "; 32 system calls in one, no segmentation",
		open: openEvents((*eventPath).batches),
	}, row{
		name: "dgram-offload", kind: ours, singlesOnly: true, vouched: true,
		about: "dgram in Go: trains of 32 in the callback of SendMessage, received as trains", note: note + "; segmentation offload both ways",
		open: openEvents((*eventPath).trains),
	}, row{
		name: "libuv", kind: peer, singlesOnly: true, vouched: true,
		about: "the same in C on libuv", note: note + "; a program of its own, compiled when it is measured",
		open: openLibuv,
	}, row{
		name: "node", kind: peer, singlesOnly: true, vouched: true,
		about: "the same on Node.js", note: note + "; a program of its own; every 32nd datagram waits for setImmediate, or the loop would never receive",
		open: openNode,
	})
}

// eventPath is two sockets of dgram on a loop.
type eventPath struct {
	bufs      *buffers
	loop      *loop.Loop
	a, b      *dgram.Socket
	to        netip.AddrPort
	send      func(p *eventPath, n int) // begins to send n datagrams
	got       int
	want      int
	err       error
	single    func() // removes the listener for single datagrams
	train     []byte
	batch     [batchSize]dgram.Message
	segmented bool
}

func openEvents(send func(*eventPath, int)) func(setup, *buffers) (path, error) {
	return func(s setup, bufs *buffers) (path, error) {
		if s.corrupt {
			return nil, errCannotCorrupt
		}
		p := &eventPath{bufs: bufs, loop: loop.New(loop.Config{On: host.Network{}}), send: send}
		var err error
		open := func(report socket.Fields) *dgram.Socket {
			s, openErr := dgram.CreateSocket(dgram.Options{Type: "udp4", Loop: p.loop, Report: report})
			if openErr == nil {
				_, openErr = s.BindSync(0, "127.0.0.1")
			}
			err = errors.Join(err, openErr)
			return s
		}
		p.a = open(0)
		p.b = open(0)
		if err != nil {
			return nil, err
		}
		p.to, err = p.b.Address()
		p.single = p.b.OnMessage(func(msg []byte, _ *dgram.RemoteInfo) { p.received(msg) })
		return p, err
	}
}

// received counts a datagram, and ends the run with the last one.
func (p *eventPath) received(msg []byte) {
	i := p.got % batchSize
	p.bufs.in[i] = append(p.bufs.in[i][:0], msg...)
	if p.got++; p.got == p.want {
		p.loop.Stop()
	}
}

// chain sends each datagram in the callback of the one before.
func (p *eventPath) chain(n int) {
	i := 0
	port, address := int(p.to.Port()), p.to.Addr().String()
	var next func(int, error)
	next = func(_ int, err error) {
		if err != nil {
			p.fail(err)
		} else if i < n {
			msg := p.bufs.out[i%batchSize]
			i++
			if err := p.a.Send(msg, port, address, next); err != nil {
				p.fail(err)
			}
		}
	}
	next(0, nil)
}

func (p *eventPath) fail(err error) { p.loop.Fail(err) }

// batches sends each batch in the callback of the one before.
func (p *eventPath) batches(n int) {
	i := 0
	var next func(int, error)
	next = func(_ int, err error) {
		if err != nil {
			p.fail(err)
			return
		}
		count := min(n-i, batchSize)
		if count == 0 {
			return
		}
		for j := range count {
			p.batch[j] = dgram.Message{Buf: p.bufs.out[(i+j)%batchSize], Addr: p.to}
		}
		i += count
		if err := p.a.SendBatch(p.batch[:count], p.oneATurn(&next)); err != nil {
			p.fail(err)
		}
	}
	next(0, nil)
}

// oneATurn makes the end of a batch begin the next in the next turn of the loop: else a
// turn's worth of batches would be sent before any is received, and the buffer overflow.
func (p *eventPath) oneATurn(next *func(int, error)) func(int, error) {
	return func(n int, err error) {
		if err != nil {
			p.fail(err)
			return
		}
		p.loop.SetImmediate(func() { (*next)(n, nil) })
	}
}

// trains sends each train in the callback of the one before. The receiver takes them as
// trains, and takes them apart.
func (p *eventPath) trains(n int) {
	if !p.segmented {
		p.segmented = true
		if err := p.b.Handle().SetOption(socket.Report, int(socket.FieldSegmentSize)); err != nil {
			p.fail(err)
			return
		}
		p.single()
		p.b.OnMessages(func(ms []dgram.Message) {
			for i := range ms {
				m := &ms[i]
				size := len(m.Buf)
				if m.Set&socket.FieldSegmentSize != 0 && m.SegmentSize > 0 {
					size = int(m.SegmentSize)
				}
				for b := m.Buf; len(b) > 0; {
					cut := min(size, len(b))
					p.received(b[:cut])
					b = b[cut:]
				}
			}
		})
	}
	i := 0
	var next func(int, error)
	next = func(_ int, err error) {
		if err != nil {
			p.fail(err)
			return
		}
		count := min(n-i, batchSize)
		if count == 0 {
			return
		}
		p.train = p.train[:0]
		for j := range count {
			p.train = append(p.train, p.bufs.out[(i+j)%batchSize]...)
		}
		i += count
		m := dgram.Message{Buf: p.train, Addr: p.to}
		if count > 1 {
			m.Set, m.SegmentSize = socket.FieldSegmentSize, uint16(len(p.bufs.out[0]))
		}
		if err := p.a.SendMessage(&m, p.oneATurn(&next)); err != nil {
			p.fail(err)
		}
	}
	next(0, nil)
}

// run is n datagrams; it ends when the last one has been received.
func (p *eventPath) run(_, n int) (time.Duration, error) {
	p.got, p.want = 0, n
	limit := p.loop.NewTimer()
	_ = limit.Start(5*time.Second, 0, func() { p.fail(fmt.Errorf("%d of %d: %w", p.got, n, errNotDelivered)) })
	start := processTime()
	p.loop.NextTick(func() { p.send(p, n) })
	err := p.loop.Run()
	took := processTime() - start
	_ = limit.Close(nil)
	return took, err
}

// carry is not called: the path measures by itself.
func (p *eventPath) carry(count int) error {
	_, err := p.run(1, count)
	return err
}

func (p *eventPath) close() error {
	err := errors.Join(p.a.Close(nil), p.b.Close(nil))
	return errors.Join(err, p.loop.Run(), p.loop.Close())
}
