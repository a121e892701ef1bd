package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
)

// Bounds of the UDP side.
const (
	maxFlows = 4096
	idle     = time.Minute // RFC 4787 wants two minutes of a NAT, and most have less
)

// A udpProxy carries on each flow of datagrams by a socket of the host's.
type udpProxy struct {
	all   socket.Socket
	wait  sync.WaitGroup
	total atomic.Int64
	ctx   context.Context
	stop  context.CancelFunc
}

func newUDPProxy(s *stack.Stack) (*udpProxy, error) {
	all, err := s.Open(socket.IPv4)
	if err != nil {
		return nil, err
	}
	if err := all.(socket.Interceptor).Intercept(); err != nil {
		all.Close()
		return nil, err
	}
	p := &udpProxy{all: all}
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.wait.Go(p.serve)
	return p, nil
}

func (p *udpProxy) serve() {
	for p.all.Wait(socket.Readable, nil) == nil {
		flow, err := p.all.(socket.Acceptor).Accept(nil)
		if err == nil {
			p.total.Add(1)
			p.wait.Go(func() { p.relay(flow) })
		}
	}
}

func (p *udpProxy) relay(flow socket.Socket) {
	defer flow.Close()
	server, err := new(castnet.Config).Dial(p.ctx, "udp4", flow.LocalAddr().String())
	if err != nil {
		return
	}
	defer server.Close()
	stop := context.AfterFunc(p.ctx, func() { server.Close(); flow.Close() })
	defer stop()
	go func() {
		buf := make([]byte, 65535)
		for {
			n, err := server.Read(buf)
			if err != nil {
				flow.Close()
				return
			}
			flow.TrySend([]socket.Message{{Buf: buf[:n]}})
		}
	}()
	ms := []socket.Message{{Buf: make([]byte, 65535)}}
	for flow.Wait(socket.Readable, nil) == nil {
		if n, err := flow.TryRecv(ms); err == nil && n == 1 {
			server.Write(ms[0].Buf)
		}
	}
}

func (p *udpProxy) close() string {
	p.stop()
	p.all.Close()
	p.wait.Wait()
	return fmt.Sprintf("%d UDP flows", p.total.Load())
}
