package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/socket"
)

// connRows are castnet.Conn on the operating system's network.
func connRows() []row {
	const note = "kernel loopback, as udpconn; batches by WriteBatch and ReadBatch"
	return []row{{
		name: "conn-host", kind: ours,
		about:   "castnet.Conn over kernel loopback, WriteToUDPAddrPort and ReadFromUDPAddrPort",
		note:    note,
		vouched: true,
		open:    openConnHost,
	}}
}

// openOthers opens sockets on a network and leaves them be.
func openOthers(n castnet.Network, addr netip.Addr, count int) ([]socket.Socket, error) {
	var others []socket.Socket
	for range count {
		s, err := n.Open(socket.IPv4)
		if err == nil {
			others = append(others, s)
			err = s.Bind(netip.AddrPortFrom(addr, 0))
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("opening the other sockets: %w", err), closeAll(others))
		}
	}
	return others, nil
}

func closeAll[S interface{ Close() error }](all []S) error {
	var errs []error
	for _, s := range all {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// connPath is two Conns and what is needed to use them in any of their ways.
type connPath struct {
	bufs     *buffers
	from, to *castnet.Conn
	dst      netip.AddrPort // of to; the zero AddrPort: from is connected to it
	out, in  [batchSize]castnet.Message
	batched  bool         // the last carry used them
	down     func() error // closes what lies below
}

// newConnPath opens a Conn at each address, connected to each other or not.
func newConnPath(bufs *buffers, a, b castnet.Network, at, bt netip.AddrPort, connect bool) (*connPath, error) {
	p := &connPath{bufs: bufs, down: func() error { return nil }}
	var err error
	if p.from, err = (&castnet.Config{On: a}).Listen(context.Background(), "udp4", at.String()); err != nil {
		return nil, err
	}
	if p.to, err = (&castnet.Config{On: b}).Listen(context.Background(), "udp4", bt.String()); err != nil {
		return nil, errors.Join(err, p.from.Close())
	}
	from := netip.MustParseAddrPort(p.from.LocalAddr().String())
	p.dst = netip.MustParseAddrPort(p.to.LocalAddr().String())
	if connect {
		if err := errors.Join(p.from.Connect(p.dst), p.to.Connect(from)); err != nil {
			return nil, errors.Join(err, p.close())
		}
		p.dst = netip.AddrPort{}
	}
	return p, nil
}

func openConnHost(s setup, bufs *buffers) (path, error) {
	if s.corrupt {
		return nil, errCannotCorrupt
	}
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	others, err := openOthers(castnet.Host(), loopback, s.others)
	if err != nil {
		return nil, err
	}
	local := netip.AddrPortFrom(loopback, 0)
	p, err := newConnPath(bufs, castnet.Host(), castnet.Host(), local, local, false)
	if err != nil {
		return nil, errors.Join(err, closeAll(others))
	}
	p.down = func() error { return closeAll(others) }
	return p, nil
}

// stage and collect keep the messages of batches and the buffers in step. What
// came one at a time is in the buffers already.
func (p *connPath) stage() {
	for i := range p.out {
		p.out[i].Buf, p.out[i].Addr = p.bufs.out[i], p.dst
		p.in[i].Buf = p.bufs.in[i]
	}
	p.batched = false
}

func (p *connPath) collect() {
	for i := range p.in {
		if p.batched {
			p.bufs.in[i] = p.in[i].Buf
		}
	}
}

func (p *connPath) carry(count int) error {
	if count > 1 {
		return p.carryBatch(count)
	}
	in := p.bufs.in[0][:room]
	var n int
	var err error
	if p.dst.IsValid() {
		if _, err = p.from.WriteToUDPAddrPort(p.bufs.out[0], p.dst); err != nil {
			return err
		}
		n, _, err = p.to.ReadFromUDPAddrPort(in)
	} else {
		if _, err = p.from.Write(p.bufs.out[0]); err != nil {
			return err
		}
		n, err = p.to.Read(in)
	}
	p.bufs.in[0] = in[:n]
	return err
}

func (p *connPath) carryBatch(count int) error {
	p.batched = true
	for sent := 0; sent < count; {
		n, err := p.from.WriteBatch(p.out[sent:count])
		if err != nil {
			return err
		}
		sent += n
	}
	for got := 0; got < count; {
		n, err := p.to.ReadBatch(p.in[got:count])
		if err != nil {
			return err
		}
		got += n
	}
	return nil
}

// expect makes reading fail, instead of block, when nothing comes within d.
func (p *connPath) expect(d time.Duration) error { return p.to.SetReadDeadline(time.Now().Add(d)) }

func (p *connPath) close() error {
	return errors.Join(p.from.Close(), p.to.Close(), p.down())
}
