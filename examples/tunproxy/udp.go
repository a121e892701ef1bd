package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/flow"
	"github.com/castnet-go/castnet/stack"
)

// A udpProxy is castnet's UDP: it hears every datagram, to whatever address and port,
// and carries each flow on by a socket of the host's.
type udpProxy struct {
	server *flow.Server
	served chan error
}

// newUDPProxy starts to serve, until close is called.
func newUDPProxy(s *stack.Stack, dial dialFunc) (*udpProxy, error) {
	cfg := castnet.Config{On: s}
	all, err := cfg.Intercept("udp")
	if err != nil {
		return nil, err
	}
	server, err := flow.New(all, flow.Config{
		Handler: flow.Proxy(func(ctx context.Context, f *flow.Flow) (net.Conn, error) {
			return dial(ctx, "udp", f.Destination())
		}),
		IdleTimeout: 2 * time.Minute,
		MaxFlows:    4096,
		Full:        flow.EvictIdlest,
	})
	if err != nil {
		all.Close()
		return nil, err
	}
	p := &udpProxy{server: server, served: make(chan error, 1)}
	go func() {
		p.served <- server.Serve()
		close(p.served)
	}()
	return p, nil
}

// close ends every flow. The error is that which has ended them already, if any.
func (p *udpProxy) close() error {
	p.server.Close()
	err := <-p.served
	if errors.Is(err, flow.ErrServerClosed) {
		return nil // it had not begun
	}
	return err
}

// summary says what became of it all.
func (p *udpProxy) summary() string {
	s := p.server.Stats()
	line := fmt.Sprintf("%d UDP flows", s.Accepted)
	if s.Evicted > 0 {
		line += fmt.Sprintf(", of which %d had to make room for others", s.Evicted)
	}
	return line
}
