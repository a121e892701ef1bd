package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

func kernelRows() []row {
	const note = "kernel loopback: checksums neither made nor verified (lo vouches for them); batches one by one"
	return []row{{
		name: "udpconn", kind: peer,
		about:   "net.UDPConn over kernel loopback, WriteToUDPAddrPort and ReadFromUDPAddrPort",
		note:    note,
		vouched: true,
		open:    openKernel,
	}, {
		name: "udpconn-pingpong", kind: peer,
		about:   "net.UDPConn over kernel loopback between two goroutines, there and back",
		note:    note + "; a figure is a round trip: two datagrams and two wake-ups",
		vouched: true, roundTrip: true, singlesOnly: true,
		open: openKernelPingPong,
	}}
}

// kernelNet is two sockets on the loopback interface, and the others.
type kernelNet struct {
	from, to *net.UDPConn
	dst      netip.AddrPort // of to
	others   []*net.UDPConn
}

func listenLoopback() (*net.UDPConn, error) {
	return net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
}

func openKernelNet(s setup) (*kernelNet, error) {
	if s.corrupt {
		return nil, errCannotCorrupt
	}
	n := new(kernelNet)
	var errA, errB error
	n.from, errA = listenLoopback()
	n.to, errB = listenLoopback()
	if err := errors.Join(errA, errB); err != nil {
		return nil, err
	}
	n.dst = n.to.LocalAddr().(*net.UDPAddr).AddrPort()
	for range s.others {
		c, err := listenLoopback()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("opening the other sockets: %w", err), n.close())
		}
		n.others = append(n.others, c)
	}
	return n, nil
}

// errCannotCorrupt is why the kernel's rows have no test with corrupted frames.
var errCannotCorrupt = errors.New("frames on the kernel's loopback interface are out of reach")

func (n *kernelNet) close() error {
	return closeAll(append(n.others, n.from, n.to))
}

// expect makes reading fail, instead of block, when nothing comes within d.
func (n *kernelNet) expect(d time.Duration) error {
	return errors.Join(n.to.SetReadDeadline(time.Now().Add(d)), n.from.SetReadDeadline(time.Now().Add(d)))
}

type kernelPath struct {
	*kernelNet
	bufs *buffers
}

func openKernel(s setup, bufs *buffers) (path, error) {
	n, err := openKernelNet(s)
	if err != nil {
		return nil, err
	}
	return &kernelPath{n, bufs}, nil
}

func (p *kernelPath) carry(count int) error {
	for i := range count {
		if _, err := p.from.WriteToUDPAddrPort(p.bufs.out[i], p.dst); err != nil {
			return err
		}
	}
	for i := range count {
		in := p.bufs.in[i][:room]
		n, _, err := p.to.ReadFromUDPAddrPort(in)
		if err != nil {
			return err
		}
		p.bufs.in[i] = in[:n]
	}
	return nil
}

func openKernelPingPong(s setup, bufs *buffers) (path, error) {
	n, err := openKernelNet(s)
	if err != nil {
		return nil, err
	}
	return newPingPong(bufs, n.from, n.to, n.dst, n.close), nil
}
