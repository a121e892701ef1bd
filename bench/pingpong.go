package main

import (
	"net/netip"
	"time"
)

// An addrPortConn is a *net.UDPConn or a *castnet.Conn.
type addrPortConn interface {
	ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort([]byte, netip.AddrPort) (int, error)
	SetReadDeadline(time.Time) error
}

// pingPong sends a datagram and reads it back from a goroutine that echoes.
type pingPong struct {
	bufs   *buffers
	conn   addrPortConn
	dst    netip.AddrPort // where the echo is
	down   func() error   // closes both ends, and what lies below
	echoed chan struct{}  // closed when the echo has ended
}

func newPingPong(bufs *buffers, conn, echo addrPortConn, dst netip.AddrPort, down func() error) *pingPong {
	p := &pingPong{bufs, conn, dst, down, make(chan struct{})}
	go func() {
		defer close(p.echoed)
		b := make([]byte, room)
		for {
			n, from, err := echo.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if _, err := echo.WriteToUDPAddrPort(b[:n], from); err != nil {
				return
			}
		}
	}()
	return p
}

func (p *pingPong) carry(count int) error {
	for i := range count {
		if _, err := p.conn.WriteToUDPAddrPort(p.bufs.out[i], p.dst); err != nil {
			return err
		}
		in := p.bufs.in[i][:room]
		n, _, err := p.conn.ReadFromUDPAddrPort(in)
		if err != nil {
			return err
		}
		p.bufs.in[i] = in[:n]
	}
	return nil
}

// expect makes reading fail, instead of block, when nothing comes within d.
func (p *pingPong) expect(d time.Duration) error { return p.conn.SetReadDeadline(time.Now().Add(d)) }

func (p *pingPong) close() error {
	err := p.down()
	<-p.echoed
	return err
}
